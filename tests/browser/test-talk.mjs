// People who talk to each other: friends, messages, receipts, drafts, what is hostile.

import assert from "node:assert/strict";
import { box, bubble, list, log, newContext, newWindow, openAs, pair, row, run, test, until, write } from "./page.mjs";
import { account, BASE, befriend, call, DEMO_PASSWORD, enterDemo, say } from "./support.mjs";

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
});

test("each conversation keeps its own draft, also over a reload", async () => {
  const { a } = await pair("Dora", "First");
  const other = await account(`second_${run}`, "Second");
  await befriend(a, other);
  const context = await newContext();
  const page = await openAs(context, a);
  await row(page, /^First/).click();
  await box(page).fill("for the first");
  await row(page, /^Second/).click();
  assert.equal(await box(page).inputValue(), "");
  await box(page).fill("for the second\nwith two lines");
  await page.reload();
  await until(async () => await box(page).inputValue() === "for the second\nwith two lines", "the draft is back");
  await row(page, /^First/).click();
  assert.equal(await box(page).inputValue(), "for the first");
  await box(page).press("Enter");
  await bubble(page, "for the first").waitFor();
  await page.reload();
  await bubble(page, "for the first").waitFor();
  assert.equal(await box(page).inputValue(), "", "what was sent is no draft");
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
});

test("hostile names of groups, members and devices are text too", async () => {
  const evil = `"><img src=x onerror=alert(1)>`;
  const [a, b] = [await account(`sufferer_${run}`), await account(`rogue_${run}`, evil)];
  await befriend(a, b);
  const { conversation } = await call("POST", "/api/conversations", { title: evil, member_ids: [b.user.id] }, a.token);
  await fetch(`${BASE}/api/sessions`, { method: "POST", headers: { "Content-Type": "application/json", "User-Agent": evil },
    body: JSON.stringify({ name: a.user.name, password: DEMO_PASSWORD }) });
  await say(b, conversation.id, `said ${evil}`);
  const context = await newContext();
  const page = await openAs(context, a, `#c${conversation.id}`);
  const nothing = async (what) => assert.equal(await page.locator("img[src=x], [onerror]").count(), 0, what);
  await bubble(page, `said ${evil}`).waitFor();
  await log(page).locator(".sender", { hasText: evil }).waitFor();
  await list(page).getByText(`${evil}: said ${evil}`).waitFor();
  const details = page.getByRole("complementary", { name: "Details" });
  await details.getByRole("listitem", { name: evil }).getByRole("button", { name: "Remove" }).click();
  await details.getByText(`Remove ${evil} from the group?`).waitFor();
  await nothing("the details of the group");
  await call("POST", `/api/conversations/${conversation.id}/typing`, undefined, b.token);
  await page.getByRole("main").getByText(`${evil} is typing…`).waitFor();
  await page.getByRole("button", { name: "New group" }).click();
  await page.getByRole("checkbox", { name: evil }).waitFor();
  await nothing("the new group");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Add a friend" }).click();
  await page.getByRole("textbox", { name: "Friend's name" }).fill(evil.slice(0, 9));
  await page.getByRole("button", { name: evil }).first().waitFor();
  await nothing("the people found");
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByRole("dialog").getByText(evil).waitFor();
  await nothing("the sessions");
  await page.keyboard.press("Escape");
  await call("DELETE", `/api/conversations/${conversation.id}/members/${a.user.id}`, undefined, a.token);
  await page.getByText(`You are no longer in ${evil}`).waitFor();
  await nothing("what is left of the group");
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
});

test("a proxy that has lost the server loses no message", async () => {
  const { a, b, id } = await pair("Prox", "Yann");
  const context = await newContext();
  const page = await openAs(context, a, `#c${id}`);
  let refused = 0;
  await page.route(/\/messages$/, (route) => (route.request().method() === "POST" && ++refused <= 6
    ? route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }) : route.continue()));
  // More often than a message is tried that the server itself refuses.
  await page.clock.install();
  await write(page, "through in the end");
  await until(async () => {
    await page.clock.runFor(30_000);
    return refused > 6;
  }, "it is tried again and again");
  await until(async () => {
    const { messages } = await call("GET", `/api/conversations/${id}/messages`, undefined, b.token);
    return messages.some(({ body }) => body === "through in the end");
  }, "the message is there");
  await log(page).getByRole("img", { name: "Sending" }).waitFor({ state: "detached" });
});
