// Whether everybody can use it: axe-core finds nothing serious, in either theme, wide or narrow.

import { check } from "./axe.mjs";
import { bubble, newContext, newWindow, openAs, pair, row, run, test } from "./page.mjs";
import { account, BASE, befriend, call, say } from "./support.mjs";

for (const [colorScheme, viewport] of [["light", { width: 1280, height: 800 }], ["dark", { width: 390, height: 780 }]]) {
  test(`axe-core finds nothing serious (${colorScheme}, ${viewport.width} px)`, async () => {
    const { a, b, id } = await pair("Access", "Able");
    const asker = await account(`asks_${run}_${colorScheme}`, "Asks");
    await call("POST", "/api/friends", { name: a.user.name }, asker.token);
    const third = await account(`third_${run}_${colorScheme}`, "Third");
    await befriend(a, third);
    const { conversation } = await call("POST", "/api/conversations", { title: "Group", member_ids: [b.user.id, third.user.id] }, a.token);
    for (const [who, where, text] of [[a, id, "mine https://example.org"], [b, id, "yours"], [third, conversation.id, "all"]]) await say(who, where, text);

    const context = await newContext({ colorScheme, viewport, hasTouch: viewport.width < 700 });
    const card = await newWindow(context);
    await card.goto(BASE);
    await card.getByRole("tab", { name: "Sign in" }).waitFor();
    await check(card, "the card");
    await card.getByRole("tab", { name: "Create account" }).click();
    await check(card, "creating an account");
    await card.getByRole("textbox", { name: "Name", exact: true }).fill("a b");
    await card.getByRole("button", { name: "Create account" }).click();
    await card.getByText("This must not be empty.").waitFor();
    await check(card, "a form with faults");

    const page = await openAs(context, a);
    await row(page, /^Able/).waitFor();
    await check(page, "the list");
    await page.getByRole("button", { name: "Add a friend" }).click();
    await page.getByRole("textbox", { name: "Friend's name" }).fill("third");
    await page.getByRole("button", { name: /^Third/ }).first().waitFor();
    await check(page, "adding a friend");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Menu" }).click();
    await check(page, "the menu");
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByText("this tab").waitFor();
    await check(page, "the settings");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "New group" }).click();
    await check(page, "a new group");
    await page.keyboard.press("Escape");

    await row(page, /^Able/).click();
    await bubble(page, "yours").waitFor();
    await check(page, "a conversation");
    const details = page.getByRole("complementary", { name: "Details" });
    if (!await details.isVisible()) await page.getByRole("button", { name: "Details" }).click();
    await details.getByRole("button", { name: "Block" }).click();
    await check(page, "the details of a person");
    await page.goto(`${BASE}/#c${conversation.id}`);
    await bubble(page, "all").waitFor();
    if (!await details.isVisible()) await page.getByRole("button", { name: "Details" }).click();
    await details.getByText("3 members").waitFor();
    await check(page, "the details of a group");
  });
}
