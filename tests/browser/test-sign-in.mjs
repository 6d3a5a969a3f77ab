// Coming in and going out, and what a first visit costs.

import assert from "node:assert/strict";
import { list, newContext, newWindow, run, test } from "./page.mjs";
import { BASE, DEMO_PASSWORD, account, call } from "./support.mjs";

test("a first visit costs less than 60 KiB", async (t) => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(BASE);
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
  const loads = await page.evaluate(() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource")].map((entry) => entry.toJSON()));
  if (loads.every((load) => load.encodedBodySize === load.decodedBodySize)) {
    await context.close();
    return t.skip("pages served from a folder are not compressed");
  }
  const sizes = loads.map(({ name, encodedBodySize }) => [name, encodedBodySize]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`# first visit: ${sizes.length} requests, ${total} bytes`);
  assert.ok(total < 60 * 1024, `${total} bytes in ${JSON.stringify(sizes)}`);
  const asked = await page.locator("link[rel=modulepreload]").evaluateAll((links) => links.map(({ href }) => href));
  const modules = sizes.map(([name]) => name).filter((name) => /\.js$/.test(name) && !/(early|main)\.js$/.test(name));
  assert.deepEqual(asked.sort(), modules.sort(), "the page names all modules, so that they come at once");
});

test("a second visit fetches nothing anew", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(BASE);
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  /** @type {Map<string, string>} */
  const asked = new Map();
  const answers = [];
  devtools.on("Network.requestWillBeSent", ({ requestId, request }) => asked.set(requestId, request.url));
  devtools.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode, headersText = "" }) =>
    answers.push({ requestId, statusCode, size: headersText.length }));
  await page.reload();
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
  // The two kinds of notice come in either order.
  const pages = answers.filter(({ requestId }) => !asked.get(requestId)?.includes("/api/"));
  console.log(`# second visit: ${pages.length} requests, each answered with nothing but a head`);
  assert.deepEqual(pages.filter(({ statusCode }) => statusCode !== 304), []);
  assert.ok(pages.length > 20, "all of them were asked for");
});

test("what is wrong with a form stands under the field it is about", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(BASE);
  const name = page.getByRole("textbox", { name: "Name", exact: true });
  const password = page.getByLabel("Password");
  const below = (field) => field.evaluate((input) =>
    document.getElementById(input.getAttribute("aria-describedby").split(" ")[0]).textContent);
  await name.fill("liger_zql");
  await password.fill("not this one");
  await password.press("Enter");
  await page.getByText("Name or password is wrong.").waitFor();
  assert.equal(await below(password), "Name or password is wrong.");
  assert.equal(await password.getAttribute("aria-invalid"), "true");

  await page.getByRole("tab", { name: "Create account" }).click();
  assert.equal(await name.inputValue(), "liger_zql", "what was typed is kept");
  await password.fill("12345");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText("The name liger_zql is taken.").waitFor();
  assert.equal(await below(name), "The name liger_zql is taken.");
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await password.getAttribute("type"), "text");
});

test("a session that ends elsewhere leads back to the card and says why", async () => {
  const who = await account(`gone_${run}`);
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(BASE);
  await page.evaluate((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.reload();
  await list(page).waitFor();
  await call("DELETE", "/api/sessions/current", undefined, who.token);
  await page.getByText("Your session has ended. Please sign in again.").waitFor();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(who.user.name);
  await page.getByLabel("Password").fill(DEMO_PASSWORD);
  await page.getByLabel("Stay signed in on this device").check();
  await page.getByRole("button", { name: "Sign in" }).click();
  await list(page).waitFor();

  const fresh = await newWindow(context);
  await fresh.goto(BASE);
  await list(fresh).getByText(who.user.name).waitFor();
  await fresh.getByRole("button", { name: "Menu" }).click();
  await fresh.getByRole("button", { name: "Log out" }).click();
  await fresh.getByRole("tab", { name: "Sign in" }).waitFor();
  await fresh.reload();
  await fresh.getByRole("tab", { name: "Sign in" }).waitFor();
});
