// Finding people, keeping some away, and one's own account.

import assert from "node:assert/strict";
import { box, bubble, list, log, newContext, newWindow, openAs, pair, row, run, test, until, write } from "./page.mjs";
import { account, BASE, call, DEMO_PASSWORD, say } from "./support.mjs";

test("people are found as one types, and asked with one click", async () => {
  const seeker = await account(`seeker_${run}`, "Seeker");
  await account(`hidden_${run}`, `Zoë ${run}`);
  const context = await newContext();
  const page = await openAs(context, seeker);
  await page.getByRole("button", { name: "Add a friend" }).first().click();
  await page.getByRole("textbox", { name: "Friend's name" }).pressSequentially("zo");
  await page.getByRole("button", { name: new RegExp(`Zoë ${run}`) }).click();
  await page.getByText(`Request sent to Zoë ${run}.`).waitFor();
  await list(page).getByRole("button", { name: "Withdraw" }).click();
  await until(async () => await list(page).getByRole("button", { name: "Withdraw" }).count() === 0, "withdrawn");
});

test("who is blocked can no longer write, is not told, and can be unblocked", async () => {
  const { a, b, id } = await pair("Calm", "Pest");
  await say(b, id, "buy now");
  const context = await newContext();
  const [page, other] = [await openAs(context, a, `#c${id}`), await openAs(context, b, `#c${id}`)];
  const details = page.getByRole("complementary", { name: "Details" });
  await details.getByRole("button", { name: "Block" }).click();
  await details.getByText(/^Block Pest\?/).waitFor();
  await details.getByRole("button", { name: "Block" }).click();
  await page.getByText("You have blocked Pest.").waitFor();
  await other.getByText("You are not friends with Calm, so you cannot write here.").waitFor();
  assert.equal(await other.getByText("blocked").count(), 0);
  assert.equal(await box(page).count(), 0);
  await other.getByRole("complementary", { name: "Details" }).getByRole("button", { name: "Ask to be friends" }).click();
  await row(other, /^Calm/).getByText("has not answered yet").waitFor();
  await details.getByRole("button", { name: "Unblock" }).click();
  // What was asked meanwhile is seen now.
  await page.getByRole("button", { name: "Accept" }).click();
  await write(page, "once more, then");
  await bubble(other, "once more, then").waitFor();
});

test("a request can be answered with a block", async () => {
  const [shy, loud] = [await account(`shy_${run}`, "Shy"), await account(`loud_${run}`, "Loud")];
  await call("POST", "/api/friends", { name: shy.user.name }, loud.token);
  const context = await newContext();
  const page = await openAs(context, shy);
  await row(page, "Loud").getByRole("button", { name: "Block" }).click();
  await list(page).getByRole("heading", { name: "Blocked" }).waitFor();
  await row(page, "Loud").getByRole("button", { name: "Unblock" }).click();
  await until(async () => await list(page).getByRole("heading", { name: "Blocked" }).count() === 0, "nobody is blocked");
});

async function openSettings(page) {
  await page.getByRole("button", { name: "Menu" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  return page.getByRole("dialog", { name: "Settings" });
}

test("the display name changes for oneself and for friends", async () => {
  const { a, b, id } = await pair("Before", "Friend");
  const context = await newContext();
  const [page, other] = [await openAs(context, a), await openAs(context, b, `#c${id}`)];
  const settings = await openSettings(page);
  await settings.getByRole("textbox", { name: "Display name" }).fill("Afterwards");
  await settings.getByRole("button", { name: "Save" }).click();
  await settings.getByText("Saved.").waitFor();
  await list(page).getByText("Afterwards").waitFor();
  await row(other, /^Afterwards/).waitFor();
  await other.getByRole("main").getByRole("heading", { name: "Afterwards" }).waitFor();
});

test("the settings change language and theme at once, and stay open", async () => {
  const { a } = await pair("Poly", "Glot");
  const context = await newContext({ colorScheme: "light" });
  const page = await openAs(context, a);
  const settings = await openSettings(page);
  await settings.getByRole("radio", { name: "Dark" }).check();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await settings.getByRole("radio", { name: "简体中文" }).click();
  const translated = page.getByRole("dialog", { name: "设置" });
  await translated.getByRole("radio", { name: "English" }).click();
  await settings.getByRole("radio", { name: "Dark" }).waitFor();
  assert.ok(await settings.getByRole("radio", { name: "English" }).evaluate((it) => it === document.activeElement));
});

test("a new password ends the other sessions, and so can be done one by one", async () => {
  const who = await account(`pass_${run}`, "Pass");
  const [second, third] = [await account(who.user.name), await account(who.user.name)];
  const context = await newContext();
  const [page, other] = [await openAs(context, who), await openAs(context, second)];
  const settings = await openSettings(page);
  await settings.getByText("this tab").waitFor();
  assert.equal(await settings.getByRole("button", { name: "Log out", exact: true }).count(), 2);
  await settings.getByRole("button", { name: "Log out", exact: true }).first().click();
  await until(async () => await settings.getByRole("button", { name: "Log out", exact: true }).count() === 1, "one less");
  await settings.getByLabel("Current password").fill("not this");
  await settings.getByLabel("New password").fill("a new password");
  await settings.getByRole("button", { name: "Change password" }).click();
  await settings.getByText("The password is wrong.").waitFor();
  await settings.getByLabel("Current password").fill(DEMO_PASSWORD);
  await settings.getByRole("button", { name: "Change password" }).click();
  await settings.getByText(/^Password changed/).waitFor();
  await other.getByText("Your session has ended. Please sign in again.").waitFor();
  await assert.rejects(call("GET", "/api/me", undefined, third.token), /401/);
  await page.keyboard.press("Escape");
  await list(page).getByText("Pass", { exact: true }).waitFor();
});

test("an account that is deleted is gone, and what it said stays without a name", async () => {
  const { a, b, id } = await pair("Leaver", "Stayer");
  await say(a, id, "remember me");
  const context = await newContext();
  const [page, other] = [await openAs(context, a), await openAs(context, b, `#c${id}`)];
  await bubble(other, "remember me").waitFor();
  const settings = await openSettings(page);
  await settings.getByLabel("Password", { exact: true }).fill("wrong");
  await settings.getByRole("button", { name: "Delete account" }).click();
  await settings.getByText("The password is wrong.").waitFor();
  await settings.getByLabel("Password", { exact: true }).fill(DEMO_PASSWORD);
  await settings.getByRole("button", { name: "Delete account" }).click();
  await page.getByRole("tab", { name: "Sign in" }).waitFor();
  await other.getByRole("main").getByRole("heading", { name: "Deleted account" }).waitFor();
  await other.getByText("This account has been deleted, so nobody reads what you would write.").waitFor();
  await bubble(other, "remember me").waitFor();
  const fresh = await newWindow(context);
  await fresh.goto(BASE);
  await fresh.getByRole("tab", { name: "Sign in" }).waitFor();
  assert.equal(await log(fresh).count(), 0);
});
