// Telling those who look elsewhere that something has come, and telling it once.

import assert from "node:assert/strict";
import { bubble, newContext, openAs, pair, row, test, until } from "./page.mjs";
import { account, say } from "./support.mjs";

/** Stands in for the desktop: keeps what would be shown and heard there for all tabs to see, and looks away. */
function desktop() {
  if (location.protocol === "about:") return;
  const kept = () => JSON.parse(localStorage.getItem("shown") ?? "[]");
  window.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, { body }) {
      localStorage.setItem("shown", JSON.stringify([...kept(), `${title}: ${body}`]));
    }
  };
  const node = { frequency: {}, gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: () => node, start() {}, stop() {} };
  window.AudioContext = class {
    currentTime = 0;
    createOscillator = () => node;
    createGain = () => node;
    close() {}
    constructor() {
      localStorage.setItem("heard", String(Number(localStorage.getItem("heard")) + 1));
    }
  };
  window.shownOnDesktop = kept;
  for (const choice of ["notify", "sound"]) localStorage.setItem(`lovejoy.${choice}`, "on");
  document.hasFocus = () => Boolean(window.looking);
}

test("unread messages are counted in the title and on the icon", async () => {
  const { a, b, id } = await pair("Count", "Er");
  const context = await newContext();
  const page = await openAs(context, a);
  const icon = () => page.locator("link[rel=icon]").getAttribute("href");
  const plain = await icon();
  await say(b, id, "one");
  await page.waitForFunction(() => document.title.startsWith("(1) "));
  await until(async () => (await icon()).startsWith("data:image/png"), "a count on the icon");
  const one = await icon();
  await say(b, id, "two");
  await until(async () => ![plain, one].includes(await icon()), "another count on the icon");
  await row(page, /^Er/).click();
  await until(async () => (await icon()).endsWith(plain), "the plain icon");
});

test("a notification is shown, and a sound made, once for all tabs, and only if nobody looks", async () => {
  const { a, b, id } = await pair("Note", "Sender");
  const context = await newContext();
  await context.addInitScript(desktop);
  const tabs = [await openAs(context, a, `#c${id}`), await openAs(context, await account(a.user.name), `#c${id}`)];
  const shown = () => tabs[0].evaluate(() => window.shownOnDesktop());
  await say(b, id, "<b>first</b>");
  for (const tab of tabs) await bubble(tab, "<b>first</b>").waitFor();
  await until(async () => (await shown()).length > 0, "a notification");
  assert.deepEqual(await shown(), ["Sender: <b>first</b>"]);

  // Whichever of them polls, somebody looks at the other.
  for (const [number, tab] of tabs.entries()) {
    await tab.evaluate(() => void (window.looking = true));
    await say(b, id, `seen ${number}`);
    for (const each of tabs) await bubble(each, `seen ${number}`).waitFor();
    await tab.evaluate(() => void (window.looking = false));
  }
  await say(b, id, "last");
  await until(async () => (await shown()).includes("Sender: last"), "the last notification");
  assert.deepEqual(await shown(), ["Sender: <b>first</b>", "Sender: last"]);
  assert.equal(await tabs[0].evaluate(() => localStorage.getItem("heard")), "2");
});
