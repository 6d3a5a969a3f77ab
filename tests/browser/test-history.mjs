// Long conversations and long lists.

import assert from "node:assert/strict";
import { bubble, control, list, log, needsControl, newContext, openAs, pair, row, run, test, until } from "./page.mjs";
import { account, say } from "./support.mjs";

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
});

test("a conversation of 100,000 messages opens at once and scrolls both ways without a jump", needsControl, async () => {
  const { a, b, id } = await pair("Long", "Talk");
  await control("stop");
  await control(`sql INSERT INTO messages (conversation_id, sender_id, body, sent_at)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    SELECT ${id}, CASE i % 3 WHEN 0 THEN ${a.user.id} ELSE ${b.user.id} END, 'line ' || i, ${Date.now()} - (100000 - i) * 60000 FROM n;
    UPDATE members SET read_id = (SELECT max(id) FROM messages) WHERE conversation_id = ${id};`.replaceAll("\n", " "));
  await control("start");
  const context = await newContext({ viewport: { width: 1000, height: 600 } });
  const page = await openAs(context, a);
  await row(page, /^Talk/).waitFor();
  const took = await row(page, /^Talk/).evaluate((item) => new Promise((resolve) => {
    const begin = performance.now();
    const shown = () => (document.querySelector(".log")?.textContent.includes("line 100000")
      ? resolve(performance.now() - begin) : requestAnimationFrame(shown));
    item.click();
    shown();
  }));
  console.log(`# 100,000 messages: open after ${Math.round(took)} ms`);

  // Up for ten pages: what is read stays where it is while pages come in above and go away below.
  const up = await scrollPages(page, 0, 10);
  assert.ok(up.jump < 2, `a message that was read moved by ${up.jump} px on the way up`);
  assert.ok(up.most <= 240, `${up.most} messages in the page`);
  assert.equal(await bubble(page, "line 100000").count(), 0, "the end has left the page");

  await say(b, id, "said meanwhile");
  const down = page.getByRole("button", { name: /Jump to the newest, 1 new/ });
  await down.waitFor();
  const back = await scrollPages(page, 1e9, 5);
  assert.ok(back.jump < 2, `a message that was read moved by ${back.jump} px on the way down`);
  assert.ok(back.most <= 240, `${back.most} messages in the page`);
  await page.getByRole("button", { name: /Jump to the newest/ }).click();
  await bubble(page, "said meanwhile").waitFor();
  await until(() => log(page).evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight < 4), "at the end");
  await until(async () => !/unread/.test(await row(page, /^Talk/).getAttribute("aria-label")), "count gone");
});

test("among 2,000 friends one is found as one types", needsControl, async () => {
  const popular = await account(`popular_${run}`, "Popular");
  const { id } = popular.user;
  await control("stop");
  await control(`sql CREATE TEMP TABLE fresh AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
      SELECT i, (SELECT max(id) FROM users) + i AS user_id, (SELECT max(id) FROM conversations) + i AS talk_id FROM n;
    INSERT INTO users (id, name, name_key, display_name, display_key, salt, iterations, password, created_at)
      SELECT user_id, 'crowd_' || i, 'crowd_' || i, 'Crowd ' || i, 'crowd ' || i, zeroblob(16), 1000, zeroblob(32), 0 FROM fresh;
    INSERT INTO relations SELECT ${id}, user_id, 'friend', 0 FROM fresh UNION ALL SELECT user_id, ${id}, 'friend', 0 FROM fresh;
    INSERT INTO conversations (id, kind, low_user_id, high_user_id, created_at) SELECT talk_id, 'direct', ${id}, user_id, 0 FROM fresh;
    INSERT INTO members (conversation_id, user_id, role, after_id, place)
      SELECT talk_id, ${id}, 'member', 0, 1 FROM fresh UNION ALL SELECT talk_id, user_id, 'member', 0, 2 FROM fresh;`.replaceAll("\n", " "));
  await control("start");
  const context = await newContext();
  const page = await openAs(context, popular);
  await list(page).getByText("2000", { exact: true }).waitFor();
  const rows = () => list(page).locator(".row").count();
  assert.ok(await rows() < 200, "no more rows than are near");
  const search = page.getByRole("searchbox", { name: "Search" });
  const took = await search.evaluate(async (box) => {
    let most = 0;
    for (let length = 1; length <= "crowd 1999".length; length++) {
      const begin = performance.now();
      box.value = "crowd 1999".slice(0, length);
      box.dispatchEvent(new Event("input"));
      await new Promise(requestAnimationFrame);
      most = Math.max(most, performance.now() - begin);
    }
    return most;
  });
  console.log(`# 2,000 friends: at most ${Math.round(took)} ms from a key to the list`);
  await row(page, /^Crowd 1999/).waitFor();
  assert.equal(await rows(), 1);
  await search.press("Enter");
  await page.getByRole("main").getByRole("heading", { name: "Crowd 1999" }).waitFor();
  await search.press("Escape");
  await list(page).locator(".scroll").evaluate((it) => (it.scrollTop = it.scrollHeight));
  await until(async () => await rows() > 100, "more of them further down");
});

/** Scrolls to a side and waits for what comes in there, some times over. Gives how far what was in sight was moved
 * by that at most, and how many messages there were in the page. */
const scrollPages = (page, to, times) => log(page).evaluate(async (scroller, [top, count]) => {
  let [jump, most] = [0, 0];
  for (let done = 0; done < count; done++) {
    const edge = () => [...scroller.querySelectorAll(".message")].at(top ? -1 : 0)?.dataset.id;
    const before = edge();
    scroller.scrollTop = top;
    const frame = scroller.getBoundingClientRect();
    const seen = [...scroller.querySelectorAll(".message")].find((it) => it.getBoundingClientRect().bottom > frame.top + 20);
    const place = seen.getBoundingClientRect().top;
    await new Promise((resolve) => {
      const look = () => (edge() === before ? requestAnimationFrame(look) : resolve(null));
      look();
    });
    jump = Math.max(jump, Math.abs(seen.getBoundingClientRect().top - place));
    most = Math.max(most, scroller.querySelectorAll(".message").length);
  }
  return { jump, most };
}, [to, times]);
