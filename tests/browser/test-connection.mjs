// What happens when the connection goes, and how tabs share one.

import assert from "node:assert/strict";
import { box, bubble, connection, control, log, needsControl, newContext, newWindow, openAs, pair, row, run, test, until, write } from "./page.mjs";
import { account, enterDemo, say } from "./support.mjs";

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
    // Whoever has not come back by itself meanwhile is told to.
    if (banner) for (const page of [liger, moran]) await until(async () => {
      const tryNow = page.getByRole("button", { name: "Try now" });
      if (await tryNow.count()) await tryNow.click({ timeout: 1_000 }).catch(() => null);
      return await connection(page).textContent() === "";
    }, "the connection is back");

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
    });
}

const ABSENT = {
  "a Web Lock": () => {},
  "a lease, without Web Locks": () => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }),
};
for (const [means, remove] of Object.entries(ABSENT)) {
  test(`two tabs of one user share one poll and survive the end of its tab (${means})`, async () => {
    const { a, b, id } = await pair("Twin", "Other");
    // Signed in twice, as two tabs of one browser are.
    const again = await account(a.user.name);
    const context = await newContext();
    await context.addInitScript(remove);
    /** Who has asked last and waits. */
    const polls = new Map();
    context.on("request", (request) => {
      if (/api.events.*wait=25/.test(request.url())) polls.set(request.frame().page(), Date.now());
    });
    const tabs = [await openAs(context, a, `#c${id}`), await openAs(context, again, `#c${id}`)];
    for (const text of ["one", "two", "three"]) {
      await say(b, id, text);
      for (const tab of tabs) await bubble(tab, text).waitFor();
    }
    await until(() => polls.size > 0, "somebody polls");
    polls.clear();
    for (const text of ["four", "five"]) {
      await say(b, id, text);
      for (const tab of tabs) await bubble(tab, text).waitFor();
    }
    await until(() => polls.size > 0, "somebody polls");
    assert.equal(polls.size, 1, "one of the tabs");
    const [leader] = polls.keys();
    const follower = tabs.find((tab) => tab !== leader);
    await write(follower, "from the tab that does not poll");
    await bubble(leader, "from the tab that does not poll").waitFor();

    const closed = Date.now();
    await leader.close();
    await say(b, id, "is anybody there?");
    await bubble(follower, "is anybody there?").waitFor();
    await until(() => polls.has(follower), "the other tab polls");
    console.log(`# handed over after ${polls.get(follower) - closed} ms (${means})`);
    const texts = await log(follower).locator(".body").allTextContents();
    assert.deepEqual(texts, ["one", "two", "three", "four", "five", "from the tab that does not poll", "is anybody there?"]);
  });
}

test("all tabs of a user come back when the server does", needsControl, async () => {
  const { a, b, id } = await pair("Phoenix", "Ash");
  const context = await newContext();
  const tabs = [await openAs(context, a, `#c${id}`), await openAs(context, a, `#c${id}`)];
  await say(b, id, "before");
  for (const tab of tabs) await bubble(tab, "before").waitFor();
  await control("kill");
  await write(tabs[0], "from the first");
  await write(tabs[1], "from the second");
  for (const tab of tabs) await connection(tab).getByText(/Connection lost/).waitFor();
  await control("start");
  await say(b, id, "after");
  for (const tab of tabs) {
    for (const text of ["from the first", "from the second", "after"]) await bubble(tab, text).waitFor();
    await until(async () => await connection(tab).textContent() === "", "no banner");
    assert.equal(await log(tab).locator(".message").count(), 4, "nothing twice");
  }
});

test("a tab without any way to reach the others polls for itself", async () => {
  const { a, b, id } = await pair("Solo", "Peer");
  const context = await newContext();
  await context.addInitScript(() => delete window.BroadcastChannel);
  const tabs = [await openAs(context, a, `#c${id}`), await openAs(context, a, `#c${id}`)];
  for (const text of ["one", "two"]) {
    await say(b, id, text);
    for (const tab of tabs) await bubble(tab, text).waitFor();
  }
});

test("with more tabs than a browser has connections, sending is as quick as with one", async () => {
  const { a, b, id } = await pair("Tabby", "Friend");
  const context = await newContext();
  const tabs = [];
  for (let count = 0; count < 8; count++) tabs.push(await openAs(context, a, `#c${id}`));
  const times = [];
  for (const tab of [tabs[0], tabs[3], tabs[7]]) {
    const text = `from tab ${tabs.indexOf(tab)}`;
    await box(tab).fill(text);
    times.push(await tab.evaluate((sent) => new Promise((resolve) => {
      const begin = performance.now();
      // Not by frames: a window behind others is given few.
      const watch = new MutationObserver(() => {
        const mine = [...document.querySelectorAll(".message")].find((it) => it.querySelector(".body").textContent === sent);
        if (["sent", "delivered", "read"].includes(mine?.dataset.mark)) resolve(performance.now() - begin);
      });
      watch.observe(document.querySelector(".log"), { attributes: true, childList: true, subtree: true });
      document.querySelector(".composer").requestSubmit();
    }), text));
  }
  console.log(`# sending with 8 tabs open: ${times.map(Math.round).join(", ")} ms`);
  await say(b, id, "to all of you");
  for (const tab of tabs) await bubble(tab, "to all of you").waitFor();
});
