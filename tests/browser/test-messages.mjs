// What becomes of a message: how far it has come, and that it can be edited, deleted and copied.

import assert from "node:assert/strict";
import { box, bubble, log, message, newContext, newWindow, openAs, pair, row, test, until, write } from "./page.mjs";
import { BASE, call, say } from "./support.mjs";

/** Both on screen, side by side. */
async function both(one, other) {
  const { a, b, id } = await pair(one, other);
  const context = await newContext();
  return { a, b, id, context, pages: [await openAs(context, a, `#c${id}`), await openAs(context, b, `#c${id}`)] };
}

const state = (page, text, name) => message(page, text).getByRole("img", { name, exact: true });

test("the marks tell that a message was sent, delivered and read", async () => {
  const { a, b, id } = await pair("Mark", "Reader");
  const context = await newContext();
  const page = await openAs(context, a, `#c${id}`);
  await write(page, "where is it?");
  await state(page, "where is it?", "Sent").waitFor();
  // The other one is there, but looks at something else.
  const other = await openAs(context, b);
  await state(page, "where is it?", "Delivered").waitFor();
  await row(other, /^Mark/).click();
  await state(page, "where is it?", "Read").waitFor();
});

test("an edited message is changed for both, and the draft comes back", async () => {
  const { pages: [page, other] } = await both("Edith", "Eddie");
  await write(page, "I shal come");
  await bubble(other, "I shal come").waitFor();
  await box(page).fill("half a draft");
  await message(page, "I shal come").hover();
  await message(page, "I shal come").getByRole("button", { name: "Edit" }).click();
  assert.equal(await box(page).inputValue(), "I shal come");
  await box(page).fill("I shall come");
  await box(page).press("Enter");
  for (const each of [page, other]) {
    await bubble(each, "I shall come").waitFor();
    await message(each, "I shall come").getByText("edited").waitFor();
    assert.equal(await bubble(each, "I shal come").count(), 0);
  }
  assert.equal(await box(page).inputValue(), "half a draft");
  await row(other, /Edith.*/).getByText("I shall come").waitFor();

  // The arrow up edits the last one; Escape leaves everything as it was.
  await box(page).fill("");
  await box(page).press("ArrowUp");
  assert.equal(await box(page).inputValue(), "I shall come");
  await box(page).press("Escape");
  assert.equal(await box(page).inputValue(), "");
  await bubble(page, "I shall come").waitFor();
});

test("a deleted message is gone for both, unless it is taken back in time", async () => {
  const { a, id, pages: [page, other] } = await both("Dele", "Tess");
  for (const text of ["keep me", "delete me"]) await write(page, text);
  await bubble(other, "delete me").waitFor();
  const press = async (text) => {
    await message(page, text).hover();
    await message(page, text).getByRole("button", { name: "Delete" }).click();
  };
  await press("keep me");
  await page.getByRole("button", { name: "Undo" }).click();
  await bubble(page, "keep me").waitFor();
  await press("delete me");
  for (const each of [page, other]) {
    await log(each).getByText("Message deleted").waitFor();
    await until(async () => await bubble(each, "delete me").count() === 0, "the text is gone");
  }
  await bubble(other, "keep me").waitFor();
  await until(async () => {
    const { messages } = await call("GET", `/api/conversations/${id}/messages`, undefined, a.token);
    return messages.map(({ body }) => body).join() === "keep me,";
  }, "the server has deleted one of them");
});

test("a message that is deleted as the page is left is deleted all the same", async () => {
  const { a, id, pages: [page, other] } = await both("Lea", "Ving");
  await write(page, "not for long");
  await bubble(other, "not for long").waitFor();
  await message(page, "not for long").hover();
  await message(page, "not for long").getByRole("button", { name: "Delete" }).click();
  await page.goto(`${BASE}/icon.svg`);
  await log(other).getByText("Message deleted").waitFor();
  const { messages } = await call("GET", `/api/conversations/${id}/messages`, undefined, a.token);
  assert.equal(messages[0].body, "");
});

test("a message is copied as it was written", async () => {
  const { pages: [page] } = await both("Copy", "Cat");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await write(page, "two\nlines");
  await message(page, "two\nlines").hover();
  await message(page, "two\nlines").getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "two\nlines");
});

test("who types is seen to type, and stops with the message", async () => {
  const { pages: [page, other] } = await both("Ty", "Ping");
  await box(page).pressSequentially("thinking");
  await other.getByRole("main").getByText("typing…").waitFor();
  await row(other, /^Ty/).getByText("typing…").waitFor();
  await box(page).press("Enter");
  await bubble(other, "thinking").waitFor();
  await until(async () => await other.getByText("typing…").count() === 0, "no longer");
});

test("what was written in another tab, and what could not be sent, is all there", async () => {
  const { a, b, id } = await pair("Fay", "Led");
  const context = await newContext();
  const page = await openAs(context, a, `#c${id}`);
  await box(page).waitFor();
  await context.route(/api.conversations.*messages$/, (route) => (route.request().method() === "POST"
    ? route.fulfill({ status: 422, contentType: "application/problem+json", body: JSON.stringify({ status: 422, code: "invalid_body", detail: "No." }) })
    : route.continue()));
  await write(page, "refused");
  await state(page, "refused", "Not sent").waitFor();
  await page.reload();
  await state(page, "refused", "Not sent").waitFor();
  await context.unroute(/api.conversations.*messages$/);
  await message(page, "refused").getByRole("button", { name: "Try again" }).click();
  await state(page, "refused", /Sent|Delivered|Read/).waitFor();
  const second = await newWindow(context);
  await second.close();
  await say(b, id, "still here");
  await bubble(page, "still here").waitFor();
});
