// The client half of the comet, with a clock that stands still until it is told to go: what poll.js does when nothing
// goes as it should.

import assert from "node:assert/strict";
import { newContext, test } from "./page.mjs";
import { BASE } from "./support.mjs";

/** Runs `scene` in a page, with `play` there. */
async function inPage(scene) {
  const context = await newContext();
  const tab = await context.newPage();
  await tab.addInitScript(definePlay);
  await tab.goto(BASE);
  return tab.evaluate(scene, BASE);
}

/** Defines `play(base, ask)`: a poll that is not started yet, its questions, its states, and the time. */
function definePlay() {
  window.play = async (base, ask) => {
    const { createPoll } = await import(`${base}/poll.js`);
    const timers = new Map();
    let [now, ids] = [1_000_000, 0];
    Date.now = () => now;
    window.setTimeout = (act, ms = 0) => (timers.set(++ids, { at: now + ms, act }), ids);
    window.clearTimeout = (id) => timers.delete(id);
    /** Lets everything happen that waits for no timer. */
    const settle = async () => {
      for (let steps = 0; steps < 2_000; steps++) await Promise.resolve();
    };
    const pass = async (ms) => {
      const end = now + ms;
      for (;;) {
        const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!next) break;
        timers.delete(next[0]);
        now = Math.max(now, next[1].at);
        next[1].act();
        await settle();
      }
      now = end;
    };
    const [questions, states] = [[], []];
    const poll = createPoll({
      ask: (cursor, seconds, signal) => {
        questions.push({ cursor, seconds, at: now });
        return ask(questions.length, { cursor, signal, after: (ms, value) => new Promise((resolve) => setTimeout(() => resolve(value), ms)) });
      },
      snapshot: async () => "c0",
      onAnswer: async () => {},
      onStatus: ({ state, lostAt, retryAt }) => states.push({ state, lost: lostAt > 0, pause: Math.max(0, retryAt - now) }),
      onUnauthorized: () => {},
    });
    return { poll, questions, states, settle, pass, state: () => states.at(-1) };
  };
  window.never = (signal) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("a question that is never answered is given up, ten seconds after the server would have answered", async () => {
  const found = await inPage(async (base) => {
    const { poll, questions, pass, settle, state } = await window.play(base, async (count, { signal }) =>
      count === 1 ? { events: [], cursor: "c1", wait: 50 } : window.never(signal));
    poll.start();
    await settle();
    await pass(59_999);
    const before = { ...state(), asked: questions.length };
    await pass(1);
    return { before, after: state() };
  });
  assert.deepEqual(found.before, { state: "asking", lost: false, pause: 0, asked: 2 });
  assert.equal(found.after.state, "waiting");
  assert.equal(found.after.lost, true);
});

test("the loop goes on although no timer fires", async () => {
  const asked = await inPage(async (base) => {
    const { poll, questions, settle } = await window.play(base, async (count, { signal }) =>
      count <= 50 ? { events: [], cursor: `c${count}`, wait: 25 } : window.never(signal));
    poll.start();
    await settle();
    return questions.length;
  });
  assert.equal(asked, 51, "a hidden tab has hardly any timers");
});

test("a pause ends when the network comes back", async () => {
  const found = await inPage(async (base) => {
    const { poll, questions, settle, states } = await window.play(base, async (count, { signal }) => {
      if (count === 1) throw new TypeError("no network");
      return window.never(signal);
    });
    poll.start();
    await settle();
    const paused = states.at(-1).state;
    window.dispatchEvent(new Event("online"));
    await settle();
    return { paused, questions: questions.map(({ cursor, seconds }) => [cursor, seconds]) };
  });
  assert.equal(found.paused, "waiting");
  assert.deepEqual(found.questions, [["c0", 25], ["c0", 0]], "and the next question does not wait");
});

test("back-off is random, grows to half a minute, and starts over after what lasted", async () => {
  const found = await inPage(async (base) => {
    const longest = async (random) => {
      Math.random = () => random;
      const { poll, states, settle, pass } = await window.play(base, async (count, { after }) => {
        if (count === 9 || count === 11) return { events: [], cursor: `c${count}`, wait: 25 };
        // Two good answers, six seconds apart: that lasts.
        if (count === 12) return after(6_000, { events: [], cursor: "c12", wait: 25 });
        throw new TypeError("no network");
      });
      poll.start();
      await settle();
      for (let steps = 0; steps < 12; steps++) await pass(30_000);
      poll.stop();
      return states.filter(({ state }) => state === "waiting").map(({ pause }) => pause);
    };
    return { most: await longest(1), least: await longest(0) };
  });
  const growing = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
  assert.deepEqual(found.most.slice(0, 11), [...growing, 30_000, 1_000, 2_000], "one good answer alone changes nothing");
  assert.deepEqual(found.least.slice(0, 9), Array(9).fill(500), "from the first pause on");
});

test("answers that bring nothing on are not asked for in a circle", async () => {
  const asked = await inPage(async (base) => {
    const { poll, questions, settle, pass } = await window.play(base, async () => ({ events: [], cursor: "c0", wait: 25 }));
    poll.start();
    await settle();
    await pass(1_000);
    return questions.length;
  });
  assert.ok(asked > 5 && asked <= 11, `${asked} questions in a second`);
});

test("a page that comes back from the cache asks anew from where it was", async () => {
  const questions = await inPage(async (base) => {
    const scene = await window.play(base, async (count, { signal }) =>
      count === 1 ? { events: [], cursor: "c1", wait: 25 } : window.never(signal));
    scene.poll.start();
    await scene.settle();
    window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
    await scene.settle();
    return scene.questions.map(({ cursor }) => cursor);
  });
  assert.deepEqual(questions, ["c0", "c1", "c1"]);
});

test("the first question waits until the page has loaded", async () => {
  const found = await inPage(async (base) => {
    const { poll, questions, settle } = await window.play(base, (_, { signal }) => window.never(signal));
    Object.defineProperty(document, "readyState", { get: () => "interactive" });
    poll.start();
    await settle();
    const before = questions.length;
    window.dispatchEvent(new Event("load"));
    await settle();
    return { before, after: questions.length };
  });
  assert.deepEqual(found, { before: 0, after: 1 });
});
