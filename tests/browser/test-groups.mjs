// Groups: who is in them, what owners and others may do, and what each of them sees.

import assert from "node:assert/strict";
import { bubble, list, log, message, newContext, openAs, row, run, test, until, write } from "./page.mjs";
import { account, befriend, call } from "./support.mjs";

let circles = 0;

/** Three people of whom the first knows both others. */
async function circle() {
  const number = ++circles;
  const people = [];
  for (const name of ["Olga", "Mara", "Nils"]) people.push(await account(`${name}_${run}_${number}`.toLowerCase(), name));
  const [owner, ...others] = people;
  for (const other of others) await befriend(owner, other);
  return people;
}

const details = (page) => page.getByRole("complementary", { name: "Details" });
const member = (page, name) => details(page).getByRole("listitem", { name });

test("a group is made, renamed, joined, left, and all see the same", async () => {
  const [olga, mara, nils] = await circle();
  const context = await newContext();
  const [o, m, n] = [await openAs(context, olga), await openAs(context, mara), await openAs(context, nils)];

  await o.getByRole("button", { name: "New group" }).click();
  const dialog = o.getByRole("dialog", { name: "New group" });
  await dialog.getByRole("button", { name: "Create group" }).click();
  await dialog.getByText("This must not be empty.").waitFor();
  await dialog.getByRole("textbox", { name: "Group name" }).fill("Hikers");
  await dialog.getByRole("checkbox", { name: "Mara" }).check();
  await dialog.getByRole("button", { name: "Create group" }).click();
  await dialog.waitFor({ state: "hidden" });
  await o.getByRole("main").getByRole("heading", { name: "Hikers" }).waitFor();
  await write(o, "where to?");
  await row(m, /^Hikers.*1 unread/).click();
  await log(m).getByText("Olga", { exact: true }).waitFor();
  await write(m, "up");
  await bubble(o, "up").waitFor();
  assert.equal(await row(n, /^Hikers/).count(), 0);

  await details(o).getByRole("searchbox", { name: "Add a member" }).fill("ni");
  await details(o).getByRole("button", { name: /Nils/ }).click();
  await member(o, "Nils").waitFor();
  await row(n, /^Hikers/).click();
  await n.getByText("3 members").first().waitFor();
  assert.equal(await bubble(n, "up").count(), 0, "history from joining on");
  await write(n, "wait for me");
  for (const page of [o, m]) await bubble(page, "wait for me").waitFor();
  await message(n, "wait for me").getByRole("img", { name: "Read" }).waitFor();

  await details(o).getByRole("textbox", { name: "Group name" }).fill("Climbers");
  await details(o).getByRole("button", { name: "Rename" }).click();
  for (const page of [o, m, n]) await page.getByRole("main").getByRole("heading", { name: "Climbers" }).waitFor();
  assert.equal(await details(m).getByRole("button", { name: "Rename" }).count(), 0, "owners only");

  await member(o, "Mara").getByRole("button", { name: "Remove" }).click();
  await member(o, "Mara").getByRole("button", { name: "Remove" }).click();
  await m.getByText("You are no longer in Climbers").waitFor();
  await until(async () => await row(m, /^Climbers/).count() === 0, "gone from the list");
  await details(o).getByRole("button", { name: "Leave group" }).click();
  await details(o).getByRole("button", { name: "Leave group" }).click();
  await o.getByText("You are no longer in Climbers").waitFor();
  await details(n).getByRole("button", { name: "Rename" }).waitFor();
  await member(n, "Nils (you)").getByText("Owner").waitFor();
  // Those who have left are still named beside what they said.
  await bubble(n, "wait for me").waitFor();
});

test("in a group a message is read when everybody has read it", async () => {
  const [olga, mara, nils] = await circle();
  const { conversation } = await call("POST", "/api/conversations", { title: "Ticks", member_ids: [mara.user.id, nils.user.id] }, olga.token);
  const context = await newContext();
  const page = await openAs(context, olga, `#c${conversation.id}`);
  await write(page, "everybody?");
  const mark = (name) => message(page, "everybody?").getByRole("img", { name, exact: true });
  await mark("Sent").waitFor();
  const m = await openAs(context, mara, `#c${conversation.id}`);
  await bubble(m, "everybody?").waitFor();
  await until(async () => await row(m, /unread/).count() === 0, "one of them has read it");
  await mark("Sent").waitFor();
  const n = await openAs(context, nils);
  await mark("Delivered").waitFor();
  await row(n, /^Ticks/).click();
  await mark("Read").waitFor();
  await list(n).getByText("Groups").waitFor();
});
