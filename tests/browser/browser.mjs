// The web app in a real Chromium, as people use it: node browser.mjs, with LOVEJOY_URL naming a fresh server
// started with --demo. LOVEJOY_CONTROL (host:port), where given, takes the lines "stop", "kill" and "start"
// about that server; without it the tests that need the server to go away are skipped.
// Nothing here sleeps: every step waits for what the reader of the page would see.

import assert from "node:assert/strict";
import net from "node:net";
import { after, before, beforeEach, test as it } from "node:test";
import { account, BASE, befriend, call, DEMO_PASSWORD, enterDemo, launch, say } from "./support.mjs";

/** @type {import("playwright-core").Browser} */
let browser;
/** What no page may ever say: errors in the console, broken policies, dialogs. @type {string[]} */
let faults = [];
const run = Date.now().toString(36).slice(-5);

before(async () => (browser = await launch()));
after(() => browser.close());
beforeEach(() => {
  faults = [];
});

/** A browser of its own: what it stores is shared by its tabs and by nobody else. */
async function newContext(options = {}) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(15_000);
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
async function newWindow(context) {
  const [opener] = context.pages();
  if (!opener) return context.newPage();
  const [page] = await Promise.all([context.waitForEvent("page"), opener.evaluate(() => {
    open("about:blank", "", "popup,noopener,width=1280,height=800");
  })]);
  return page;
}

/** A tab of somebody who is signed in already. */
async function openAs(context, who, hash = "") {
  const page = await newWindow(context);
  await page.addInitScript((token) => sessionStorage.setItem("lovejoy.token", token), who.token);
  await page.goto(`${BASE}/${hash}`);
  await list(page).waitFor();
  return page;
}

const list = (page) => page.getByRole("navigation", { name: "Conversations" });
const row = (page, name) => list(page).getByRole("listitem", { name });
const log = (page) => page.getByRole("log", { name: "Messages" });
const bubble = (page, text) => log(page).getByText(text, { exact: true });
const box = (page) => page.getByRole("textbox", { name: "Message" });
const connection = (page) => page.getByRole("status", { name: "Connection" });

async function write(page, text) {
  await box(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** Waits until a question about the page is answered with yes. */
async function until(question, what) {
  for (const end = Date.now() + 15_000; Date.now() < end;) if (await question()) return;
  assert.fail(`waited in vain: ${what}`);
}

async function pair(one, other) {
  const [a, b] = [await account(`${one}_${run}`, one), await account(`${other.slice(0, 9)}_${run}`, other)];
  return { a, b, id: await befriend(a, b) };
}

async function control(command) {
  const [host, port] = process.env.LOVEJOY_CONTROL.split(":");
  const socket = net.connect(Number(port), host);
  socket.end(`${command}\n`);
  let answer = "";
  for await (const data of socket) answer += data;
  assert.equal(answer, "ok\n");
}
/** @param {string} name @param {...any} rest */
const test = (name, ...rest) => it(name, { timeout: 90_000, ...(rest[1] && rest[0]) }, rest.at(-1));
const needsControl = { skip: process.env.LOVEJOY_CONTROL ? false : "LOVEJOY_CONTROL is not set" };

test("the parts that know no page do what they say", async () => {
  const context = await newContext();
  const page = await context.newPage();
  await page.goto(BASE);
  const found = await page.evaluate(async (base) => {
    const { initialState, receipt, reduce, unreadTotal } = await import(`${base}/state.js`);
    const { initial, linkParts, tidyBody } = await import(`${base}/text.js`);
    const user = (id) => ({ id, name: `u${id}`, display_name: `U${id}` });
    const message = (id, sender_id, nonce) => ({ id, conversation_id: 7, sender_id, body: `b${id}`, sent_at: id,
      edited_at: null, deleted_at: null, nonce });
    const members = [1, 2].map((id) => ({ user: user(id), role: "member", last_read_id: 0, last_delivered_id: 0 }));
    const conversation = { id: 7, kind: "direct", title: null, members, last_message: null, unread: 0 };
    const run = (...actions) => actions.reduce(reduce, initialState());
    const start = { type: "snapshot", snapshot: { user: user(1), friends: [], conversations: [conversation] } };
    const page = (ids) => ({ type: "thread_page", id: 7, more: false, messages: ids.map((id) => message(id, 2)) });
    const event = (id, sender, nonce) => ({ type: "message", message: message(id, sender, nonce) });
    const ids = (state) => state.threads.get(7).messages.map(({ id }) => id);
    const pending = { type: "pending", pending: { nonce: "n", conversation_id: 7, body: "b", written_at: 1, state: "sending" } };
    const read = { type: "read", conversation_id: 7, user_id: 1, message_id: 4 };
    const open = { type: "open", id: 7 };
    const marked = (type) => {
      const state = run(start, { type, conversation_id: 7, user_id: 2, message_id: 5 });
      return receipt(state, state.conversations.get(7), message(5, 1));
    };
    return {
      replayed: unreadTotal(run(start, event(3, 2), event(3, 2), event(4, 2))),
      own: unreadTotal(run(start, event(3, 2), event(4, 1))),
      readUpToFour: unreadTotal(run(start, open, page([3, 4, 5]), event(3, 2), event(4, 2), event(5, 2), read)),
      overtaken: ids(run(start, open, event(5, 2), page([3, 4, 5]), event(4, 2))),
      confirmed: run(start, pending, event(3, 1, "n"), event(3, 1, "n")).pending.length,
      marks: [marked("sent"), marked("delivered"), marked("read")],
      unknown: run(start, { type: "never heard of" }).conversations.size,
      links: [
        "see https://a.example/x_(y), or (http://b.example/?q=1#h).",
        "看https://c.example/路。然后",
        "javascript:alert(1) ftp://d.example https://",
      ].map((text) => linkParts(text).map(({ text: part, href }) => (href ? `<${part}>` : part)).join("")),
      tidy: tidyBody("  \n\n  indented\nlast  \n \n"),
      initials: [initial("漠然"), initial("e\u0301a"), initial("")],
    };
  }, BASE);
  assert.deepEqual(found, {
    replayed: 2,
    own: 0,
    readUpToFour: 1,
    overtaken: [3, 4, 5],
    confirmed: 0,
    marks: ["sent", "delivered", "read"],
    unknown: 1,
    links: [
      "see <https://a.example/x_(y)>, or (<http://b.example/?q=1#h>).",
      "看<https://c.example/路>。然后",
      "javascript:alert(1) ftp://d.example https://",
    ],
    tidy: "  indented\nlast",
    initials: ["漠", "E\u0301", "?"],
  });
  assert.deepEqual(faults, []);
  await context.close();
});

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
  assert.deepEqual(faults, []);
  await context.close();
});

test("two tabs of one browser are two people who chat", async () => {
  const context = await newContext();
  const [liger, moran] = [await newWindow(context), await newWindow(context)];
  await enterDemo(liger, "liger_zql");
  await enterDemo(moran, "漠然");
  await row(liger, /漠然.*online/).dblclick();
  await row(moran, /liger_zql.*online/).click();

  await write(liger, `hello from liger ${run}`);
  await bubble(moran, `hello from liger ${run}`).waitFor();
  await write(moran, `你好 ${run}`);
  await bubble(liger, `你好 ${run}`).waitFor();

  for (const [page, own, other] of [[liger, "liger_zql", "漠然"], [moran, "漠然", "liger_zql"]]) {
    await page.reload();
    await list(page).getByText(own, { exact: true }).waitFor();
    await page.getByRole("main").getByRole("heading", { name: other }).waitFor();
    await bubble(page, `hello from liger ${run}`).waitFor();
    await bubble(page, `你好 ${run}`).waitFor();
  }
  await write(liger, `after the reload ${run}`);
  await bubble(moran, `after the reload ${run}`).waitFor();
  const mine = log(liger).locator(".message", { hasText: `after the reload ${run}` });
  await mine.getByRole("img", { name: /Sent|Delivered|Read/ }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("a new account finds a friend, who accepts, and both see it at once", async () => {
  const context = await newContext();
  const [ada, bo] = [await newWindow(context), await newWindow(context)];
  for (const [page, name] of [[ada, `ada_${run}`], [bo, `bo_${run}`]]) {
    await page.goto(BASE);
    await page.getByRole("tab", { name: "Create account" }).click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill(name);
    await page.getByLabel("Password").fill("a good password");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("No friends yet").waitFor();
  }
  await ada.getByRole("button", { name: "Add a friend" }).first().click();
  await ada.getByRole("textbox", { name: "Friend's name" }).fill(`nobody_${run}`);
  await ada.getByRole("button", { name: "Send request" }).click();
  await ada.getByText(`There is nobody called nobody_${run}.`).waitFor();
  await ada.getByRole("textbox", { name: "Friend's name" }).fill(`bo_${run}`);
  await ada.getByRole("button", { name: "Send request" }).click();
  await ada.getByText(`Request sent to bo_${run}.`).waitFor();

  await bo.getByRole("button", { name: "Accept" }).click();
  await row(bo, new RegExp(`ada_${run}.*online`)).click();
  await row(ada, new RegExp(`bo_${run}.*online`)).click();
  await write(bo, "so we meet");
  await bubble(ada, "so we meet").waitFor();
  await write(ada, "we do");
  await bubble(bo, "we do").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
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
  assert.deepEqual(faults, []);
  await context.close();
});

test("unread messages are counted, divided off, and counted no more once seen", async () => {
  const { a, b, id } = await pair("Una", "Red");
  const context = await newContext();
  const page = await openAs(context, a);
  await row(page, /^Red/).waitFor();
  await say(b, id, "one");
  await say(b, id, "two");
  await row(page, /Red.*2 unread/).waitFor();
  await page.waitForFunction(() => document.title.startsWith("(2)"));
  await row(page, /^Red/).click();
  await log(page).getByRole("separator").getByText("New messages").waitFor();
  await page.waitForFunction(() => !document.title.startsWith("("));
  await until(async () => !/unread/.test(await row(page, /^Red/).getAttribute("aria-label")), "count gone");
  await page.reload();
  await bubble(page, "two").waitFor();
  assert.doesNotMatch(await row(page, /^Red/).getAttribute("aria-label"), /unread/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("Enter that belongs to an input method does not send", async () => {
  const { a, id } = await pair("Ime", "Kana");
  const context = await newContext();
  const page = await openAs(context, a, `#c${id}`);
  await box(page).focus();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Input.imeSetComposition", { text: "nihao", selectionStart: 5, selectionEnd: 5 });
  const enter = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
  await devtools.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
  await devtools.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
  assert.equal(await box(page).inputValue(), "nihao");
  await devtools.send("Input.insertText", { text: "你好" });
  // Some browsers end the composition first and tell only by the key code.
  await box(page).evaluate((element) => element.dispatchEvent(
    new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true })));
  assert.equal(await box(page).inputValue(), "你好");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("second line");
  await page.keyboard.press("Enter");
  await bubble(page, "你好\nsecond line").waitFor();
  assert.equal(await log(page).locator(".message").count(), 1);
  assert.equal(await box(page).inputValue(), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("hostile names and messages are text wherever they are shown", async () => {
  const evil = `<img src=x onerror=alert(1)>`;
  const text = `</span><script>alert(1)</script><b onclick="alert(2)">javascript:alert(3) data:text/html,x`;
  const link = `https://example.org/?q="><svg/onload=alert(4)>`;
  const victim = await account(`victim_${run}`);
  const villain = await account(`villain_${run}`, evil);
  const context = await newContext();
  const page = await openAs(context, victim);
  await call("POST", "/api/friends", { name: victim.user.name }, villain.token);
  await list(page).getByText(evil).first().waitFor();
  await page.getByRole("button", { name: "Accept" }).click();
  // The request goes by the same name; only a friend is online or offline.
  await row(page, new RegExp(`^${evil.replace(/[()]/g, "\\$&")}, offline`)).click();
  const { friends } = await call("GET", "/api/friends", undefined, villain.token);
  await say(villain, friends[0].conversation_id, text);
  await say(villain, friends[0].conversation_id, link);
  await bubble(page, text).waitFor();
  const anchor = log(page).getByRole("link");
  await anchor.waitFor();
  assert.equal(await anchor.count(), 1);
  assert.match(await anchor.getAttribute("href"), /^https:\/\/example\.org\/\?q=$/);
  assert.equal(await anchor.getAttribute("rel"), "noopener noreferrer");
  await page.getByRole("main").getByRole("heading", { name: evil }).waitFor();
  await page.getByRole("complementary", { name: "Details" }).getByText(evil, { exact: true }).waitFor();
  assert.equal(await page.locator("#app img[src=x], #app script, #app b, #app [onclick]").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("the keyboard alone opens a conversation, writes, and finds the way back", async () => {
  const { a } = await pair("Kay", "Board");
  const context = await newContext();
  const page = await openAs(context, a);
  await row(page, /^Board/).waitFor();
  const focused = (name) => page.evaluate(() => {
    const { activeElement: it } = document;
    return it.getAttribute("aria-label") ?? it.closest("li")?.getAttribute("aria-label") ?? "";
  }).then((label) => name.test(label));
  for (let presses = 0; !(await focused(/^Search/)); presses++) {
    assert.ok(presses < 10, "Tab reaches the search box");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("ArrowDown");
  assert.ok(await focused(/^Board/));
  await page.keyboard.press("Enter");
  assert.ok(await focused(/^Message$/));
  await page.keyboard.type("no mouse at all");
  await page.keyboard.press("Enter");
  await bubble(page, "no mouse at all").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Choose a conversation").waitFor();
  assert.ok(await focused(/^Board/));
  assert.deepEqual(faults, []);
  await context.close();
});

test("nothing scrolls sideways on a phone of 320 pixels", async () => {
  const { a, b, id } = await pair("Wee", `Avery${"long".repeat(14)}`);
  await say(b, id, `https://example.org/${"path/".repeat(40)} ${"w".repeat(300)}`);
  const context = await newContext({ viewport: { width: 320, height: 640 }, hasTouch: true });
  const page = await context.newPage();
  const fits = async (what) => assert.ok(await page.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll("#app, .log, .scroll")]
      .every((element) => element.scrollWidth <= element.clientWidth)), `${what} fits`);
  await page.goto(BASE);
  await page.getByRole("tab", { name: "Create account" }).click();
  await fits("the card");
  await page.close();

  const chat = await openAs(context, a);
  const fitsChat = async (what) => assert.deepEqual(await chat.evaluate(() =>
    [document.documentElement, ...document.querySelectorAll("#app, .log, .scroll")]
      .filter((element) => element.scrollWidth > element.clientWidth).map((element) => element.className)), [], what);
  await row(chat, /^Avery/).waitFor();
  await fitsChat("the list");
  await chat.getByRole("button", { name: "Menu" }).click();
  await fitsChat("the menu");
  await chat.getByRole("button", { name: "Menu" }).click();
  await chat.getByRole("button", { name: "Add a friend" }).click();
  await fitsChat("the form");
  await chat.getByRole("button", { name: "Cancel" }).click();
  await row(chat, /^Avery/).click();
  await log(chat).getByText(/wwww/).waitFor();
  await fitsChat("the conversation");
  await chat.getByRole("button", { name: "Details" }).click();
  await fitsChat("the details");
  await chat.getByRole("button", { name: "Close" }).click();
  await chat.getByRole("button", { name: "Back" }).click();
  await row(chat, /^Avery/).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("theme and language change at once and are remembered", async () => {
  const { a, id } = await pair("Lang", "Theme");
  const context = await newContext({ colorScheme: "light" });
  const page = await openAs(context, a, `#c${id}`);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await box(page).fill("half a thought");
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("group", { name: "Theme" }).getByRole("radio", { name: "Dark" }).check();
  assert.notEqual(await background(), light);
  await page.getByRole("group", { name: "Language" }).getByRole("radio", { name: "简体中文" }).click();
  await page.getByRole("navigation", { name: "会话" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "消息" }).inputValue(), "half a thought");
  await page.reload();
  await page.getByRole("log", { name: "消息记录" }).waitFor();
  assert.notEqual(await background(), light);
  assert.equal(await page.getByRole("textbox", { name: "消息" }).inputValue(), "half a thought");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
  assert.deepEqual(faults, []);
  await context.close();
});

test("older messages come in without a jump, new ones leave the reader in peace", async () => {
  const { a, b, id } = await pair("Hist", "Ory");
  for (let n = 1; n <= 70; n++) await say(n % 2 ? a : b, id, `message ${n}`);
  const context = await newContext({ viewport: { width: 1000, height: 500 } });
  const page = await openAs(context, a, `#c${id}`);
  await bubble(page, "message 70").waitFor();
  assert.equal(await bubble(page, "message 1").count(), 0);
  await until(() => log(page).evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 4), "at the end");

  // Scrolls to the top of what there is, and reads where that message stands once the older ones are in.
  const top = (text) => bubble(page, text).evaluate((it) => it.getBoundingClientRect().top);
  const moved = await log(page).evaluate((it) => new Promise((resolve) => {
    it.scrollTop = 0;
    const first = it.querySelector(".message");
    const before = first.getBoundingClientRect().top;
    new MutationObserver(() => {
      if (it.querySelector(".message") === first) return;
      // After all observers of this change have run.
      requestAnimationFrame(() => resolve(first.getBoundingClientRect().top - before));
    }).observe(it, { childList: true, subtree: true });
  }));
  assert.ok(Math.abs(moved) < 2, `the message that was read moved by ${moved} px`);
  await bubble(page, "message 1").waitFor();

  const place = await top("message 21");
  await say(b, id, "far below");
  const down = page.getByRole("button", { name: /Jump to the newest, 1 new/ });
  await down.waitFor();
  assert.equal(await top("message 21"), place);
  await row(page, /Ory.*1 unread/).waitFor();
  await down.click();
  await until(() => log(page).evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 4), "back at the end");
  await until(async () => !/unread/.test(await row(page, /^Ory/).getAttribute("aria-label")), "count gone");
  assert.deepEqual(faults, []);
  await context.close();
});

test("unfriending closes the conversation for writing on both sides", async () => {
  const { a, b, id } = await pair("Part", "Ing");
  await say(b, id, "still readable");
  const context = await newContext();
  const [page, other] = [await openAs(context, a, `#c${id}`), await openAs(context, b, `#c${id}`)];
  await bubble(other, "still readable").waitFor();
  const details = page.getByRole("complementary", { name: "Details" });
  await details.getByRole("button", { name: "Unfriend" }).click();
  await details.getByText(/^Unfriend Ing\?/).waitFor();
  await details.getByRole("button", { name: "Unfriend" }).click();
  await page.getByText("You are not friends with Ing, so you cannot write here.").waitFor();
  await other.getByText("You are not friends with Part, so you cannot write here.").waitFor();
  assert.equal(await box(other).count(), 0);
  await bubble(page, "still readable").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
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
  assert.deepEqual(faults, []);
  await context.close();
});

for (const [way, banner] of [["kill", true], ["stop", false]]) {
  test(`nothing is lost or doubled when the server goes away (${way}) and comes back`, needsControl, async () => {
    const context = await newContext();
    const [liger, moran] = [await newWindow(context), await newWindow(context)];
    await enterDemo(liger, "liger_zql");
    await enterDemo(moran, "漠然");
    await row(liger, /漠然/).click();
    await row(moran, /liger_zql/).click();
    await write(liger, `${way} before ${run}`);
    await bubble(moran, `${way} before ${run}`).waitFor();

    await control(way);
    const sent = [1, 2, 3].map((n) => `${way} ${n} while it was away ${run}`);
    for (const text of sent) await write(liger, text);
    await write(moran, `${way} from the other side ${run}`);
    const waiting = log(liger).locator(".message", { hasText: sent[0] });
    await waiting.getByRole("img", { name: "Sending" }).waitFor();
    if (banner) {
      for (const page of [liger, moran]) await connection(page).getByText(/Connection lost/).waitFor();
      await connection(liger).getByText(/Trying again in \d+ s/).waitFor();
    }
    await control("start");
    if (banner) for (const page of [liger, moran]) await page.getByRole("button", { name: "Try now" }).click();

    for (const page of [liger, moran]) {
      for (const text of [...sent, `${way} from the other side ${run}`]) await bubble(page, text).waitFor();
      await until(async () => (await connection(page).textContent()) === "", "no banner");
    }
    await write(moran, `${way} after ${run}`);
    await bubble(liger, `${way} after ${run}`).waitFor();
    for (const page of [liger, moran]) {
      const texts = await log(page).locator(".body").allTextContents();
      const ours = texts.filter((text) => text.startsWith(way) && text.includes("while"));
      assert.deepEqual(ours, sent, "each once, in the order of writing");
      await until(async () => (await log(page).getByRole("img", { name: "Sending" }).count()) === 0, "all sent");
    }
    assert.deepEqual(faults, []);
    await context.close();
  });
}
