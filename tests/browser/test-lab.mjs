// The lab: its frame, and what its sections show of the server under test.

import assert from "node:assert/strict";
import { check } from "./axe.mjs";
import { newContext, openAs, pair, test, until } from "./page.mjs";
import { BASE, call } from "./support.mjs";

/** The lab in a tab of somebody who is signed in already. */
async function openLab(context, who, section = "") {
  const page = await context.newPage();
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${BASE}/lab/#/${section}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  return page;
}

test("the settings lead to the lab, in the same session, and the chat has loaded nothing of it", async () => {
  const { a } = await pair("Lead", "Led");
  const context = await newContext();
  const loaded = [];
  context.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  const page = await openAs(context, a);
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  assert.deepEqual(loaded.filter((path) => path.startsWith("/lab")), []);
  const [lab] = await Promise.all([context.waitForEvent("page"),
    page.getByRole("link", { name: "See how it works, in the lab" }).click()]);
  await lab.getByRole("heading", { level: 1, name: "The lab" }).waitFor();
  await lab.getByRole("banner").getByText("Lead").waitFor();
});

test("who is not signed in does so at the door, and is at home in their language", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(`${BASE}/lab`);
  await page.getByRole("button", { name: "liger_zql", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "The lab" }).waitFor();
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("group", { name: "Language" }).getByRole("radio", { name: "简体中文" }).click();
  await page.getByRole("heading", { level: 1, name: "实验室" }).waitFor();
  await page.getByRole("button", { name: "退出登录" }).click();
  await page.getByRole("tab", { name: "登录" }).waitFor();
});

test("a dead session leads back to the door", async () => {
  const page = await openLab(await newContext(), { token: "none" });
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
});

const held = (page) => page.getByRole("table", { name: "Held now" }).getByRole("row");

test("the live table shows its own poll, and those of the same user as they come and go", async () => {
  const { a, b } = await pair("Live", "Other");
  const context = await newContext();
  const page = await openLab(context, a, "live");
  await held(page).filter({ hasText: "this table" }).waitFor();
  await page.getByRole("button", { name: "Hold a poll" }).click();
  await held(page).filter({ hasText: "long poll" }).waitFor();
  await page.getByRole("button", { name: "Hold a stream" }).click();
  await held(page).filter({ hasText: "event stream" }).waitFor();
  await page.getByRole("button", { name: "Hang up the last one" }).click();
  await held(page).filter({ hasText: "event stream" }).waitFor({ state: "detached" });
  await page.getByRole("listitem").filter({ hasText: "Hung up" }).first().waitFor();
  // What is somebody else's is not there.
  const theirs = new AbortController();
  fetch(`${BASE}/api/events?wait=60`, { headers: { Authorization: `Bearer ${b.token}` }, signal: theirs.signal }).catch(() => null);
  await call("POST", "/api/friends", { name: "liger_zql" }, a.token);
  await held(page).filter({ hasText: "long poll" }).waitFor({ state: "detached" });
  assert.equal(await held(page).filter({ hasText: "Other" }).count(), 0);
  theirs.abort();
});

test("a message's way is drawn with the time of each step", async () => {
  const { a } = await pair("Way", "Gone");
  const page = await openLab(await newContext(), a, "message");
  await page.getByText("There was no message yet").waitFor();
  await page.getByRole("button", { name: "Send a message to myself" }).click();
  for (const step of [/^Read, and decided/, /^Committed: it is on the disk/, /^201 is with/]) {
    await page.getByRole("listitem").filter({ hasText: step }).filter({ hasText: /\d (µs|ms)$/ }).waitFor();
  }
  // Once the page holds a poll of its own, a message leaves by it and is acknowledged by the next.
  await page.getByRole("button", { name: "Send a message to myself" }).click();
  await page.getByRole("listitem").filter({ hasText: /^Poll of Way released/ }).waitFor();
  await page.getByRole("listitem").filter({ hasText: /until the next poll brings the new cursor/ }).waitFor();
  await page.getByRole("navigation", { name: "Sections of the lab" }).getByRole("link", { name: "Live" }).click();
  await held(page).filter({ hasText: "this table" }).waitFor();
  await until(async () => (await call("GET", "/api/conversations", undefined, a.token)).conversations.every(({ kind }) => kind === "direct"),
    "the group of one is gone");
});

/** Presses the button of a fault, and waits for its outcome in the log. */
async function attempt(page, fault, ...outcomes) {
  await page.getByRole("button", { name: `Try it: ${fault}` }).click();
  for (const outcome of outcomes) await page.getByRole("log").getByText(outcome).first().waitFor();
}

test("whatever goes wrong with an answer, the client gets over it and has each message once", async () => {
  const { a } = await pair("Break", "Whole");
  const page = await openLab(await newContext(), a, "break");
  await page.getByRole("status", { name: "The client" }).getByText("asking").waitFor();
  await attempt(page, "Drop an answer", "“1” has arrived", /^No whole answer/, /^Waits/);
  await attempt(page, "Cut an answer in half", "“2” has arrived");
  await until(() => page.getByRole("log").getByText(/^No whole answer/).count().then((count) => count === 2), "both were lost");
  await attempt(page, "Delay an answer", "“3” has arrived");
  await attempt(page, "Answer twice", "“4” has arrived", "“4” came again, and is known");
  await attempt(page, "Drop a 201", /^No answer to “5”/, "“5” has arrived");
  await attempt(page, "Buffer a stream", "“8” has arrived", /^3 messages in one piece/);
  const figures = await page.getByRole("definition").allTextContents();
  assert.deepEqual(figures, ["8", "8", "1"], "said, arrived, came again");
});

test("without a cursor a message is lost before one's eyes, and with one it is not", async () => {
  const { a } = await pair("Then", "Now");
  const page = await openLab(await newContext(), a, "2013");
  await page.getByRole("button", { name: "Run the script" }).click();
  await page.getByRole("status", { name: "Without a cursor, as in 2013" }).getByText(/arrived 2\. “2” is lost/).waitFor();
  await page.getByRole("status", { name: "With a cursor" }).getByText(/arrived 3\./).waitFor();
  // Nothing that is stored is lost, of course: history has all.
  const { conversations } = await call("GET", "/api/conversations", undefined, a.token);
  const room = conversations.find(({ kind }) => kind === "group");
  const { messages } = await call("GET", `/api/conversations/${room.id}/messages`, undefined, a.token);
  assert.deepEqual(messages.map(({ body }) => body), ["1", "2", "3", "1", "2", "3"]);
});

for (const [colorScheme, viewport] of [["light", { width: 1280, height: 800 }], ["dark", { width: 320, height: 640 }]]) {
  test(`every section can be used by everybody and fits (${colorScheme}, ${viewport.width} px)`, async () => {
    const { a } = await pair("Lens", "Look");
    const context = await newContext({ colorScheme, viewport });
    const page = await openLab(context, a);
    const links = await page.getByRole("navigation", { name: "Sections of the lab" }).getByRole("link").all();
    const addresses = await Promise.all(links.map((link) => link.getAttribute("href")));
    for (const address of ["#/", ...addresses]) {
      await page.goto(`${BASE}/lab/${address}`);
      await page.locator(".section-body > *").first().waitFor();
      await check(page, address);
      const tooWide = await page.evaluate(() => [document.documentElement, ...document.querySelectorAll("main")]
        .filter((element) => element.scrollWidth > element.clientWidth).length);
      assert.equal(tooWide, 0, `${address} scrolls sideways`);
    }
  });
}
