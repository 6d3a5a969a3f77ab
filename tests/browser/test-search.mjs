// One field filters the list and searches all messages.

import assert from "node:assert/strict";
import { box, bubble, list, log, newContext, openAs, pair, row, test, until, write } from "./page.mjs";
import { befriend, say } from "./support.mjs";

test("a found message opens its conversation at the message", async () => {
  const { a, b, id } = await pair("Seek", "Hide");
  for (let n = 1; n <= 150; n++) await say(n % 2 ? a : b, id, n === 20 ? "the needle lies here, 针在这里" : `straw ${n}`);
  const context = await newContext({ viewport: { width: 1000, height: 600 } });
  const page = await openAs(context, a);
  const search = page.getByRole("searchbox", { name: "Search" });
  await search.fill("needle");
  const hit = list(page).getByRole("listitem", { name: /the needle lies here/ });
  await hit.locator("mark").getByText("needle").waitFor();
  await hit.click();
  const target = bubble(page, "the needle lies here, 针在这里");
  const inSight = () => target.evaluate((it) => {
    const [top, { y, height }] = [it.getBoundingClientRect().top, it.closest(".log").getBoundingClientRect()];
    return top > y && top < y + height;
  });
  await until(async () => await target.count() > 0 && await inSight(), "the message is in sight");
  assert.equal(await bubble(page, "straw 150").count(), 0, "the end is far");

  // From there it goes on: down to the end, and writing leads there at once.
  await page.reload();
  await until(async () => await target.count() > 0 && await inSight(), "in sight again");
  await write(page, "found it");
  await bubble(page, "found it").waitFor();
  await until(() => log(page).evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 4), "at the end");
  await bubble(page, "straw 150").waitFor();

  await search.fill("针在");
  const chinese = list(page).getByRole("listitem", { name: /针在这里/ });
  await chinese.waitFor();
  await search.press("Enter");
  await until(async () => await target.count() > 0 && await inSight(), "found by Chinese");
  await search.fill("no such thing anywhere");
  await list(page).getByText("Nothing found for “no such thing anywhere”.").waitFor();
  await search.press("Escape");
  await row(page, /^Hide/).waitFor();
  assert.equal(await chinese.count(), 0);
});

test("more than a page is found page by page, and nothing of others", async () => {
  const { a, b, id } = await pair("Many", "Finds");
  const { a: c, b: d, id: foreign } = await pair("Not", "Mine");
  await befriend(c, d);
  for (let n = 1; n <= 45; n++) await say(b, id, `copper coin ${n}`);
  await say(c, foreign, "copper secret");
  const context = await newContext();
  const page = await openAs(context, a);
  await page.getByRole("searchbox", { name: "Search" }).pressSequentially("COPPER");
  const hits = list(page).getByRole("listitem", { name: /copper/ });
  await until(async () => await hits.count() === 20, "a page");
  await list(page).getByRole("button", { name: "Show more" }).click();
  await until(async () => await hits.count() === 40, "two pages");
  await list(page).getByRole("button", { name: "Show more" }).click();
  await until(async () => await hits.count() === 45, "all of them");
  assert.equal(await list(page).getByRole("button", { name: "Show more" }).count(), 0);
  assert.equal(await list(page).getByText("copper secret").count(), 0);
  assert.equal(await box(page).count(), 0);
});
