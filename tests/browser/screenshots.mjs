// Takes pictures of the main states into a folder: node screenshots.mjs FOLDER, with LOVEJOY_URL naming a
// fresh server started with --demo --rate-limits off. Wide and phone, light and dark, English and Chinese.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { account, BASE, befriend, call, launch, say } from "./support.mjs";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node screenshots.mjs FOLDER");
mkdirSync(folder, { recursive: true });

const WIDE = { width: 1280, height: 800 };
const MIDDLE = { width: 900, height: 700 };
const PHONE = { width: 390, height: 780 };
const NAMES = {
  en: { conversations: "Conversations", create: "Create account", menu: "Menu", log: "Messages", settings: "Settings", group: "New group",
    add: "Add a friend", name: "Friend's name", details: "Details", edit: "Edit" },
  zh: { conversations: "会话", create: "注册", menu: "菜单", log: "消息记录", settings: "设置", group: "新建群组",
    add: "添加好友", name: "好友的名字", details: "详情", edit: "编辑" },
};

const browser = await launch();
const liger = await account("liger_zql");
const moran = await account("漠然");
const ada = await account("ada", "Ada Lovelace");
const grace = await account("grace", "Grace H.");
const mingyue = await account("明月");
const newcomer = await account("newcomer", "New Neighbour");
await account("hedy", "Hedy");
const loner = await account("robinson", "Robinson");
let [conversation, group] = [0, 0];
await seed();
// Whoever has a poll open is online.
const leaving = new AbortController();
const stay = async ({ token }) => {
  const options = { headers: { Authorization: `Bearer ${token}` }, signal: leaving.signal };
  while (!leaving.signal.aborted) await fetch(`${BASE}/api/events?wait=60`, options).catch(() => null);
};
const online = [moran, ada].map(stay);

for (const language of ["en", "zh"]) {
  for (const theme of ["light", "dark"]) {
    const word = NAMES[language];
    const shot = (page, name) => page.screenshot({ path: join(folder, `${name}-${theme}-${language}.png`) });
    const open = async (viewport, token, hash = "") => {
      const context = await browser.newContext({ viewport, locale: language === "en" ? "en-GB" : "zh-CN",
        colorScheme: theme, deviceScaleFactor: viewport === PHONE ? 2 : 1, hasTouch: viewport === PHONE, isMobile: viewport === PHONE });
      const page = await context.newPage();
      if (token) await page.addInitScript((value) => sessionStorage.setItem("lovejoy.token", value), token);
      await page.goto(`${BASE}/${hash}`);
      return page;
    };

    const card = await open(WIDE);
    await card.getByRole("tab", { name: word.create }).waitFor();
    await shot(card, "sign-in");
    await card.getByRole("tab", { name: word.create }).click();
    await shot(card, "create-account");
    await card.context().close();

    const chat = await open(WIDE, liger.token, `#c${conversation}`);
    await chat.getByRole("log", { name: word.log }).getByText("3 pm").waitFor();
    await shot(chat, "chat");
    await chat.getByText("反向 Ajax", { exact: true }).hover();
    await chat.getByText("反向 Ajax", { exact: true }).locator("xpath=ancestor::*[@class='bubble']").getByRole("button", { name: word.edit }).click();
    await shot(chat, "editing");
    await chat.keyboard.press("Escape");
    await chat.getByRole("button", { name: word.menu }).click();
    await shot(chat, "menu");
    await chat.getByRole("button", { name: word.settings }).click();
    await chat.locator(".sessions strong").first().waitFor();
    await shot(chat, "settings");
    await chat.keyboard.press("Escape");
    await chat.getByRole("button", { name: word.group }).click();
    await shot(chat, "new-group");
    await chat.keyboard.press("Escape");
    await chat.getByRole("button", { name: word.add }).click();
    await chat.getByRole("textbox", { name: word.name }).fill("h");
    await chat.getByRole("button", { name: /Hedy/ }).waitFor();
    await shot(chat, "add-friend");
    await chat.keyboard.press("Escape");
    const search = chat.getByRole("searchbox");
    await search.fill("at");
    await chat.locator(".hit").first().waitFor();
    await shot(chat, "search");
    await search.press("Escape");
    await chat.goto(`${BASE}/#c${group}`);
    await chat.getByRole("log", { name: word.log }).getByText("see you there").waitFor();
    await shot(chat, "group");
    await chat.goto(`${BASE}/#c${conversation}`);
    await chat.context().setOffline(true);
    await chat.getByRole("textbox").last().fill("Are you still there?");
    await chat.keyboard.press("Enter");
    await chat.getByRole("timer").waitFor();
    await shot(chat, "offline");
    await chat.context().close();

    const middle = await open(MIDDLE, liger.token, `#c${conversation}`);
    await middle.getByRole("log", { name: word.log }).getByText("3 pm").waitFor();
    await shot(middle, "middle");
    await middle.context().close();

    const list = await open(PHONE, liger.token);
    await list.getByRole("listitem", { name: /Grace/ }).waitFor();
    await shot(list, "phone-list");
    await list.getByRole("listitem", { name: /漠然/ }).tap();
    await list.getByRole("log", { name: word.log }).getByText("3 pm").waitFor();
    await shot(list, "phone-chat");
    await list.getByRole("button", { name: word.details }).tap();
    await shot(list, "phone-details");
    await list.context().close();

    const empty = await open(WIDE, loner.token);
    await empty.getByRole("navigation", { name: word.conversations }).waitFor();
    await shot(empty, "first-visit");
    await empty.context().close();
  }
}
await browser.close();
leaving.abort();
await Promise.all(online);

/** A few people who have something to say to each other. */
async function seed() {
  conversation = await befriend(liger, moran);
  for (const [friend, text] of [[ada, "The engine weaves algebraical patterns."], [grace, "See you at nine!"],
    [mingyue, "明天见，记得带上书。"]]) {
    await say(friend, await befriend(liger, friend), text);
  }
  const made = await call("POST", "/api/conversations", { title: "Walkers 散步", member_ids: [moran, ada, mingyue].map(({ user }) => user.id) }, liger.token);
  group = made.conversation.id;
  for (const [who, text] of [[liger, "Sunday, along the river?"], [ada, "Only if there is cake."], [mingyue, "有蛋糕我就去。"],
    [moran, "Ten o'clock at the bridge"], [moran, "see you there"], [liger, "All right!"]]) await say(who, group, text);
  await call("POST", "/api/friends", { name: "liger_zql" }, newcomer.token).catch(() => null);
  for (const [who, text] of [
    [moran, "你好！Is this the long-poll chat?"],
    [liger, "It is. Your browser asks once, and the server answers when there is something to say."],
    [liger, "反向 Ajax"],
    [moran, "So no WebSocket, and still at once?"],
    [liger, "At once. There is a page about it: https://en.wikipedia.org/wiki/Comet_(programming)"],
    [moran, "太好了\nShall we meet tomorrow, 3 pm?"],
  ]) await say(who, conversation, text);
  const { messages } = await call("GET", `/api/conversations/${conversation}/messages`, undefined, moran.token);
  await call("PUT", `/api/conversations/${conversation}/read`, { message_id: messages.at(-1).id }, moran.token);
}
