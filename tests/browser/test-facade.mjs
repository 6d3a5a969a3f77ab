// The page of 2013 in the lab: its loop, as it was, chats with today's app.

import assert from "node:assert/strict";
import { check } from "./axe.mjs";
import { newContext, openAs, pair, test, until, write, bubble } from "./page.mjs";
import { BASE, DEMO_PASSWORD } from "./support.mjs";

const panel = (page, name) => page.locator("section.panel").filter({ has: page.getByRole("heading", { name }) });

/** The page of 2013 of one, opened in the lab of another. */
async function openFacade(context, who, of) {
  const page = await context.newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${BASE}/lab/#/facade`);
  const old = panel(page, "The page of 2013");
  await old.getByRole("textbox", { name: "UserId" }).fill(of.user.name);
  await old.getByLabel("PassWord").fill(DEMO_PASSWORD);
  await old.getByRole("button", { name: "Online", exact: true }).click();
  await old.getByRole("button", { name: "SendMsg" }).waitFor();
  return { page, old, now: panel(page, /^Today/) };
}

async function say(place, name, text) {
  await place.getByRole("textbox", { name }).fill(text);
  await place.getByRole("textbox", { name }).press("Enter");
}

test("the loop of 2013 and today's app write to each other", async () => {
  const { a, b, id } = await pair("Today", "Old");
  const context = await newContext();
  const { page, old, now } = await openFacade(context, a, b);
  await old.getByText("Online: Today.").waitFor();
  const app = await openAs(context, a, `#c${id}`);

  await say(old, "Today", "from 2013: <b>&</b> 你好");
  await bubble(app, "from 2013: <b>&</b> 你好").waitFor();
  await now.getByText("from 2013: <b>&</b> 你好").waitFor();
  // Faster than the loop asks: in 2013 all but the first were lost.
  for (const text of ["one", "two", "three"]) await write(app, text);
  for (const text of ["one", "two", "three"]) await old.getByRole("log").getByText(text, { exact: true }).waitFor();
  await say(now, "Old", "and from here");
  await old.getByRole("log").getByText("and from here").waitFor();
  const told = await old.getByRole("log").getByRole("listitem").allTextContents();
  assert.deepEqual(told, ["from 2013: <b>&</b> 你好", "one", "two", "three", "and from here"], "each once, in order");

  const asked = page.getByRole("list", { name: "What the loop asks, and what it is answered" });
  await asked.getByText(/^Keepline/).first().waitFor();
  assert.doesNotMatch(await asked.textContent(), /[0-9a-f]{20}/, "no token is shown");
  assert.match(await page.locator(".seed ~ pre").textContent(), /\$\.post\("comet_broadcast\.asyn", params,\s+success, "json"\)/);
  await check(page, "the page of 2013");
  await old.getByRole("button", { name: "Offline" }).click();
  await old.getByRole("button", { name: "Online", exact: true }).waitFor();
});

test("a loop whose request was taken over ends and says so, and Online brings it back without a loss", async () => {
  const { a, b } = await pair("Watcher", "Looper");
  const context = await newContext();
  const { page, old, now } = await openFacade(context, a, b);
  await say(now, "Looper", "before");
  await old.getByRole("log").getByText("before").waitFor();
  // The network goes away under the held request: jQuery calls nothing, and the loop of 2013 is over.
  await page.context().setOffline(true);
  await old.getByRole("status").getByText(/The loop has ended/).waitFor();
  await page.context().setOffline(false);
  await until(async () => {
    await now.getByRole("textbox", { name: "Looper" }).fill("meanwhile");
    await now.getByRole("textbox", { name: "Looper" }).press("Enter");
    return true;
  }, "it is said");
  await now.getByRole("log").getByText("meanwhile").first().waitFor();
  await old.getByRole("button", { name: "Online again" }).click();
  await old.getByRole("log").getByText("meanwhile").waitFor();
});

test("a wrong password is refused in words", async () => {
  const { a, b } = await pair("Right", "Wrong");
  const page = await (await newContext()).newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), a.token);
  await page.goto(`${BASE}/lab/#/facade`);
  const old = panel(page, "The page of 2013");
  await old.getByRole("textbox", { name: "UserId" }).fill(b.user.name);
  await old.getByLabel("PassWord").fill("not this");
  await old.getByRole("button", { name: "Online", exact: true }).click();
  await old.getByRole("status").getByText(/password/).waitFor();
});
