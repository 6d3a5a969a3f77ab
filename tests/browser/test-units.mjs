// The modules that know no page do what they say.

import assert from "node:assert/strict";
import { newContext, test } from "./page.mjs";
import { BASE } from "./support.mjs";

test("the parts that know no page do what they say", async () => {
  const context = await newContext();
  const tab = await context.newPage();
  await tab.goto(BASE);
  const found = await tab.evaluate(async (base) => {
    const { initialState, reduce } = await import(`${base}/state.js`);
    const { receipt, unreadTotal } = await import(`${base}/selectors.js`);
    const { initial, linkParts, tidyBody } = await import(`${base}/text.js`);
    const user = (id) => ({ id, name: `u${id}`, display_name: `U${id}` });
    const message = (id, sender_id, nonce) => ({ id, conversation_id: 7, sender_id, body: `b${id}`, sent_at: id,
      edited_at: null, deleted_at: null, nonce });
    const members = [1, 2].map((id) => ({ user: user(id), role: "member", last_read_id: 0, last_delivered_id: 0 }));
    const conversation = { id: 7, kind: "direct", title: null, members, last_message: null, unread: 0 };
    const after = (...actions) => actions.reduce(reduce, initialState());
    const start = { type: "snapshot", snapshot: { user: user(1), friends: [], conversations: [conversation] } };
    const page = (ids) => ({ type: "thread_page", side: "newest", id: 7, more: false, messages: ids.map((id) => message(id, 2)) });
    const event = (id, sender, nonce) => ({ type: "message", message: message(id, sender, nonce) });
    const ids = (state) => state.threads.get(7).messages.map(({ id }) => id);
    const pending = { type: "pending", pending: { nonce: "n", conversation_id: 7, body: "b", written_at: 1, state: "sending" } };
    const read = { type: "read", conversation_id: 7, user_id: 1, message_id: 4 };
    const open = { type: "open", id: 7 };
    const marked = (type) => {
      const state = after(start, { type, conversation_id: 7, user_id: 2, message_id: 5 });
      return receipt(state, state.conversations.get(7), message(5, 1));
    };
    return {
      replayed: unreadTotal(after(start, event(3, 2), event(3, 2), event(4, 2))),
      own: unreadTotal(after(start, event(3, 2), event(4, 1))),
      readUpToFour: unreadTotal(after(start, open, page([3, 4, 5]), event(3, 2), event(4, 2), event(5, 2), read)),
      overtaken: ids(after(start, open, event(5, 2), page([3, 4, 5]), event(4, 2))),
      confirmed: after(start, pending, event(3, 1, "n"), event(3, 1, "n")).pending.length,
      gone: [false, true].map((back) =>
        after(start, pending, { type: "conversation_removed", conversation_id: 7, back }).pending.length),
      marks: [marked("sent"), marked("delivered"), marked("read")],
      unknown: after(start, { type: "never heard of" }).conversations.size,
      cameBack: after(start, open, { ...page([3, 4]), side: "around", newer: true }, { type: "open", id: null }, open).threads.get(7).load,
      links: [
        "see https://a.example/x_(y), or (http://b.example/?q=1#h).",
        "看https://c.example/路。然后",
        "javascript:alert(1) ftp://d.example https://",
      ].map((text) => linkParts(text).map(({ text: part, href }) => (href ? `<${part}>` : part)).join("")),
      tidy: tidyBody("  \n\n  indented\nlast  \n \n"),
      initials: [initial("漠然"), initial("e\u0301a"), initial("")],
    };
  }, BASE);
  assert.deepEqual(found, {
    replayed: 2,
    own: 0,
    readUpToFour: 1,
    overtaken: [3, 4, 5],
    confirmed: 0,
    gone: [0, 1],
    marks: ["sent", "delivered", "read"],
    unknown: 1,
    cameBack: "none",
    links: [
      "see <https://a.example/x_(y)>, or (<http://b.example/?q=1#h>).",
      "看<https://c.example/路>。然后",
      "javascript:alert(1) ftp://d.example https://",
    ],
    tidy: "  indented\nlast",
    initials: ["漠", "E\u0301", "?"],
  });
});

test("a window of messages keeps its length, whichever side it grows on", async () => {
  const context = await newContext();
  const tab = await context.newPage();
  await tab.goto(BASE);
  const found = await tab.evaluate(async (base) => {
    const { NO_THREAD, putMessage, takePage, WINDOW } = await import(`${base}/thread.js`);
    const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => ({ id: from + at, body: "" }));
    const page = (side, from, to, more) => ({ side, messages: range(from, to), more });
    const ends = ({ messages, older, newer }) => [messages[0].id, messages.at(-1).id, messages.length, older, newer];
    const full = takePage(NO_THREAD, page("newest", 1001, 1000 + WINDOW, true));
    const up = takePage(full, page("older", 951, 1000, true));
    const [next] = range(1001 + WINDOW, 1001 + WINDOW);
    return {
      width: WINDOW,
      up: ends(up),
      said: ends(putMessage(up, next)),
      down: ends(takePage(up, page("newer", 951 + WINDOW, 1000 + WINDOW, false))),
      first: ends(takePage(full, page("older", 990, 1000, false))),
      atEnd: ends(putMessage(full, next)),
      reading: ends(putMessage({ ...full, atEnd: false }, next)),
      meanwhile: ends(takePage(putMessage(NO_THREAD, next), page("newest", 1001, 1000 + WINDOW, true))),
    };
  }, BASE);
  const { width } = found;
  assert.deepEqual(found, {
    width,
    up: [951, 950 + width, width, true, true],
    said: [951, 950 + width, width, true, true],
    down: [1001, 1000 + width, width, true, false],
    first: [990, 989 + width, width, false, true],
    atEnd: [1002, 1001 + width, width, true, false],
    reading: [1001, 1000 + width, width, true, true],
    meanwhile: [1001, 1001 + width, width + 1, true, false],
  });
});

test("the outbox waits as long as it is told, whatever is written meanwhile, and asks at once when somebody is back", async () => {
  const context = await newContext();
  const tab = await context.newPage();
  await tab.goto(BASE);
  const sent = await tab.evaluate(async (base) => {
    const { createOutbox } = await import(`${base}/outbox.js`);
    const [pending, log, timers] = [[], [], []];
    globalThis.setTimeout = (then, pause) => timers.push({ then, pause });
    const answers = { 7: [{ status: 429, passing: true, retryAfter: 5 }], 8: [{ status: 0 }] };
    const outbox = createOutbox({
      pending: () => pending,
      dispatch: (action) => {
        if (action.type === "pending") pending.push(action.pending);
        if (action.type === "message") pending.splice(pending.findIndex(({ nonce }) => nonce === action.message.nonce), 1);
      },
      send: async (id, body) => {
        log.push(`${id} ${body}`);
        const error = answers[id].shift();
        if (error) throw error;
        return { message: {} };
      },
    });
    const settle = () => new Promise((resolve) => requestAnimationFrame(resolve));
    for (const [id, body] of [[7, "one"], [7, "two"], [8, "three"]]) {
      outbox.add(id, body);
      await settle();
    }
    outbox.wake();
    await settle();
    const before = log.splice(0);
    timers.filter(({ pause }) => pause === 5000).forEach(({ then }) => then());
    await settle();
    return { before, after: log };
  }, BASE);
  assert.deepEqual(sent, { before: ["7 one", "8 three", "8 three"], after: ["7 one", "7 two"] });
});
