// What it is like to use without a mouse, on a phone, in another language, in the dark.

import assert from "node:assert/strict";
import { box, bubble, log, message, newContext, openAs, pair, row, test, until } from "./page.mjs";
import { BASE, say } from "./support.mjs";

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
});

test("messages are edited and deleted by the keyboard alone", async () => {
  const { a, b, id } = await pair("Key", "Board");
  const context = await newContext();
  const page = await openAs(context, a, `#c${id}`);
  await box(page).focus();
  for (const text of ["first", "second"]) {
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
    await message(page, text).getByRole("img", { name: /Sent|Delivered|Read/ }).waitFor();
  }
  await say(b, id, "not mine");
  await bubble(page, "not mine").waitFor();
  const focused = () => page.evaluate(() => [document.activeElement.getAttribute("aria-label"),
    document.activeElement.closest(".message")?.querySelector(".body").textContent]);
  await page.keyboard.press("Shift+Tab");
  assert.deepEqual(await focused(), ["Delete", "second"]);
  await page.keyboard.press("ArrowUp");
  assert.deepEqual(await focused(), ["Delete", "first"]);
  await page.keyboard.press("Enter");
  await log(page).getByText("Message deleted").waitFor();
  await box(page).focus();
  for (let presses = 0; presses < 3; presses++) await page.keyboard.press("Shift+Tab");
  assert.deepEqual(await focused(), ["Edit", "second"]);
  await page.keyboard.press("Enter");
  await page.keyboard.type(" thoughts");
  await page.keyboard.press("Enter");
  await bubble(page, "second thoughts").waitFor();
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
});

test("only the list and the log scroll, and the log keeps its end while a message is being written", async () => {
  const { a, b, id } = await pair("Lon", "Gwen");
  for (let count = 1; count <= 30; count++) await say(count % 3 ? a : b, id, `line ${count}`);
  const context = await newContext({ viewport: { width: 1000, height: 500 } });
  const page = await openAs(context, a);
  await row(page, /^Gwen/).click();
  await bubble(page, "line 30").waitFor();
  const heights = () => page.evaluate(() => {
    const place = document.querySelector(".log");
    const below = place.scrollHeight - place.scrollTop - place.clientHeight;
    return [document.documentElement.scrollHeight - innerHeight, below];
  });
  await until(async () => (await heights()).every((pixels) => pixels < 2), "all at its end");
  await box(page).focus();
  for (const word of ["one", "two", "three", "four"]) {
    await page.keyboard.type(word);
    await page.keyboard.press("Shift+Enter");
  }
  await until(async () => (await heights()).every((pixels) => pixels < 2), "still at its end");
});

test("what is closed gives the focus back to what opened it", async () => {
  const { a } = await pair("Foc", "Usha");
  const context = await newContext();
  const page = await openAs(context, a);
  await row(page, /^Usha/).click();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  for (const [opener, inside] of [["Add a friend", "Friend's name"], ["Details", "Close"], ["Menu", "Settings"]]) {
    const button = page.getByRole("button", { name: opener, exact: true });
    if (await button.getAttribute("aria-expanded") === "true") await button.click();
    await button.click();
    if (inside === "Settings") await page.getByRole("button", { name: inside }).click();
    await page.keyboard.press("Escape");
    await until(async () => await focused() === opener, `back at ${opener}`);
  }
});
