// What the tests of the pages share: browsers, tabs, and the parts of the page by their names.
// Nothing here sleeps: every step waits for what the reader of the page would see.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, test as it } from "node:test";
import { account, BASE, befriend, launch } from "./support.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** What no page may ever say: errors in the console, broken policies, dialogs. @type {string[]} */
let faults = [];
let pairs = 0;
/** Makes names that no earlier run has used. */
export const run = Date.now().toString(36).slice(-5);

before(async () => (browser = await launch()));
after(() => browser.close());

/** A browser of its own: what it stores is shared by its tabs and by nobody else. */
export async function newContext(options = {}) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 },
    reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(30_000);
  context.on("console", (message) => {
    const text = message.text();
    // The browser's own note about an answer such as 401 is no fault of the page.
    if (message.type() === "error" && !text.startsWith("Failed to load resource")) faults.push(text);
    if (message.type() === "warning") faults.push(text);
  });
  context.on("weberror", (error) => faults.push(String(error.error())));
  context.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return context;
}

/** Another page of the same browser, in a window of its own: a page behind another answers to clicks late. */
export async function newWindow(context) {
  const [opener] = context.pages();
  if (!opener) return context.newPage();
  const [page] = await Promise.all([context.waitForEvent("page"), opener.evaluate(() => {
    open("about:blank", "", "popup,noopener,width=1280,height=800");
  })]);
  return page;
}

/** A tab of somebody who is signed in already. */
export async function openAs(context, who, hash = "") {
  const page = await newWindow(context);
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${BASE}/${hash}`);
  await list(page).waitFor();
  return page;
}

export const list = (page) => page.getByRole("navigation", { name: "Conversations" });
export const row = (page, name) => list(page).getByRole("listitem", { name });
export const log = (page) => page.getByRole("log", { name: "Messages" });
export const bubble = (page, text) => log(page).getByText(text, { exact: true });
export const message = (page, text) => log(page).locator(".message").filter({ has: page.getByText(text, { exact: true }) });
export const box = (page) => page.getByRole("textbox", { name: "Message" });
export const connection = (page) => page.getByRole("status", { name: "Connection" });

export async function write(page, text) {
  await box(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** Waits until a question about the page is answered with yes. */
export async function until(question, what) {
  for (const end = Date.now() + 30_000; Date.now() < end;) if (await question()) return;
  assert.fail(`waited in vain: ${what}`);
}

export async function pair(one, other) {
  const unique = (name) => `${name.slice(0, 9)}_${run}_${pairs}`;
  pairs++;
  const [a, b] = [await account(unique(one), one), await account(unique(other), other)];
  return { a, b, id: await befriend(a, b) };
}

export async function control(command) {
  const [host, port] = process.env.LOVEJOY_CONTROL.split(":");
  const socket = net.connect(Number(port), host);
  socket.end(`${command}\n`);
  let answer = "";
  for await (const data of socket) answer += data;
  assert.equal(answer, "ok\n");
}

/** A test with a browser of its own, whose pages must have had nothing to complain about.
 * @param {string} name @param {...any} rest */
export const test = (name, ...rest) => it(name, { timeout: 180_000, ...(rest[1] && rest[0]) }, async (t) => {
  faults = [];
  const contexts = browser.contexts().length;
  await rest.at(-1)(t);
  for (const context of browser.contexts().slice(contexts)) await context.close();
  assert.deepEqual(faults, []);
});

export const needsControl = { skip: process.env.LOVEJOY_CONTROL ? false : "LOVEJOY_CONTROL is not set" };
