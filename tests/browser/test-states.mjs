// What people see when there is nothing to see, or something is in the way.

import assert from "node:assert/strict";
import { box, bubble, list, log, message, newContext, newWindow, openAs, pair, row, run, test, until, write } from "./page.mjs";
import { account, BASE, call, say } from "./support.mjs";

test("nothing yet, nothing found, nothing chosen: each says so", async () => {
  const context = await newContext();
  const lonely = await openAs(context, await account(`lonely_${run}`, "Lonely"));
  await list(lonely).getByText("No friends yet").waitFor();
  await lonely.getByText("Welcome, Lonely").waitFor();
  const { a, id } = await pair("Empty", "Vessel");
  const page = await openAs(context, a);
  await page.getByText("Choose a conversation").waitFor();
  await page.getByRole("searchbox", { name: "Search" }).fill("qqqq");
  await list(page).getByText("Nothing found for “qqqq”.").waitFor();
  await page.getByRole("searchbox", { name: "Search" }).press("Escape");
  await row(page, /^Vessel/).click();
  await page.getByText("Say hello to Vessel").waitFor();
  await page.goto(`${BASE}/#c${id + 100_000}`);
  await page.getByText("Choose a conversation").waitFor();
});

test("what cannot be loaded can be loaded again", async () => {
  const { a, b, id } = await pair("Load", "Fail");
  await say(b, id, "here I am");
  const context = await newContext();
  await context.route(/messages\?limit/, (route) => route.abort());
  const page = await openAs(context, a, `#c${id}`);
  await page.getByText("The messages could not be loaded.").waitFor();
  await context.unroute(/messages\?limit/);
  await page.getByRole("button", { name: "Try again" }).click();
  await bubble(page, "here I am").waitFor();
});

test("a server that cannot store says so, and what was written waits for another try", async () => {
  const { a, id } = await pair("Store", "Full");
  const context = await newContext();
  const refuse = (route) => (route.request().method() === "POST" ? route.fulfill({ status: 503, headers: { "Retry-After": "0" },
    contentType: "application/problem+json", body: JSON.stringify({ status: 503, code: "unavailable", detail: "The store cannot be written." }) })
    : route.continue());
  await context.route(/api.conversations.*messages$/, refuse);
  const page = await openAs(context, a, `#c${id}`);
  await page.clock.install();
  await write(page, "important");
  const mark = (name) => message(page, "important").getByRole("img", { name });
  await mark("Sending").waitFor();
  // The pauses between the tries, which nobody has to sit through here.
  await until(async () => {
    await page.clock.fastForward(5_000);
    return await mark("Not sent").count() > 0;
  }, "it is given up");
  await page.getByText(/The server cannot do this just now/).waitFor();
  await context.unroute(/api.conversations.*messages$/, refuse);
  await message(page, "important").getByRole("button", { name: "Try again" }).click();
  await mark(/Sent|Delivered|Read/).waitFor();
});

test("where registration is closed the second tab says so; a code is asked for where one is needed", async () => {
  const context = await newContext();
  const says = (registration) => context.route(/api\/server$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...await response.json(), registration } });
  });
  await says("closed");
  const page = await newWindow(context);
  await page.goto(BASE);
  await page.getByRole("tab", { name: "Create account" }).click();
  await page.getByText(/New accounts are closed/).waitFor();
  assert.equal(await page.getByRole("button", { name: "Create account" }).count(), 0);
  await says("invite");
  await page.reload();
  await page.getByRole("tab", { name: "Create account" }).click();
  await page.getByRole("textbox", { name: "Invitation" }).waitFor();
});

test("a page that may store nothing works all the same", async () => {
  const { a, b, id } = await pair("Pri", "Vate");
  const context = await newContext();
  await context.addInitScript(() => {
    const deny = () => {
      throw new DOMException("denied", "SecurityError");
    };
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get: deny });
    Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  });
  const page = await newWindow(context);
  await page.goto(BASE);
  await page.getByRole("textbox", { name: "Name", exact: true }).fill(a.user.name);
  await page.getByLabel("Password").fill("12345");
  await page.getByRole("button", { name: "Sign in" }).click();
  await row(page, /^Vate/).click();
  await write(page, "no storage");
  await bubble(page, "no storage").waitFor();
  await say(b, id, "no matter");
  await bubble(page, "no matter").waitFor();
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
});

test("a tab that only listens learns that its session has ended", async () => {
  const { a, b, id } = await pair("Ends", "Where");
  const again = await account(a.user.name);
  const context = await newContext();
  const tabs = [await openAs(context, a, `#c${id}`), await openAs(context, again, `#c${id}`)];
  for (const tab of tabs) await box(tab).waitFor();
  const [who, first, second] = [again, ...tabs];
  await call("DELETE", "/api/sessions/current", undefined, who.token);
  await say(b, id, "who is still there?");
  await bubble(first, "who is still there?").waitFor();
  // It sees the message too, and has to report it as read: there it hears of its end.
  await second.getByText("Your session has ended. Please sign in again.").waitFor();
  await write(first, "I am");
  await bubble(first, "I am").waitFor();
  assert.equal(await log(second).count(), 0);
});
