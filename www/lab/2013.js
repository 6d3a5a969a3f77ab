// Runs one script twice, for real: three messages to a client that asks again and again, first without a cursor as
// the page of 2013 did, then with one. What is said between two polls is lost in the first run, and not in the second.
// Whether a poll is held is not guessed: the lab says so.

import { button, h, setText } from "../dom.js";
import { explain } from "../i18n.js";
import { openRoom } from "./room.js";
import { EN, ZH } from "./words-2013.js";

/** Nobody else's poll waits for such an odd time, by which it is found among what is held. */
const WAIT_S = 7;
const SAID = ["1", "2", "3"];

/** @type {import("./lab.js").Section} */
export const section = { words: { en: EN, zh: ZH }, mount };

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  const { t } = lab;
  let gone = false;
  const room = openRoom(lab);
  const columns = [false, true].map((withCursor) => createColumn(withCursor, t));
  const problem = h("p", { class: "error", role: "alert" });

  async function runBoth() {
    setText(problem, "");
    for (const column of columns) column.clear();
    for (const column of columns) if (!gone) await run(lab, await room, column, () => gone);
  }
  root.append(
    h("div", { class: "buttons" }, button("primary", t("y2013_run"), () => runBoth().catch((error) =>
      gone || setText(problem, explain(error))))), problem,
    h("div", { class: "runs" }, ...columns.map(({ element }) => element)),
    h("p", { class: "hint lab-note", text: t("y2013_note") }));
  return () => {
    gone = true;
    room.then((it) => it.leave(), () => null);
  };
}

/** @param {boolean} withCursor @param {import("./lab.js").Lab["t"]} t */
function createColumn(withCursor, t) {
  const title = t(withCursor ? "y2013_with" : "y2013_without");
  const steps = h("ol", { class: "hops", role: "list" });
  const verdict = h("p", { class: "verdict", role: "status", "aria-label": title });
  const lanes = h("div", { class: "lanes", "aria-hidden": "true" }, h("span", { text: t("y2013_client") }),
    h("span", { text: t("y2013_server") }));
  const element = h("section", { class: "panel", "aria-label": title }, h("h2", { text: title }), lanes, steps,
    verdict);
  return {
    element,
    withCursor,
    /** @param {"ask" | "answer" | "said"} kind @param {string} text @param {string} [said] what it is about */
    step: (kind, text, said) => steps.append(h("li", { "data-kind": kind, "data-said": said, text })),
    /** @param {string[]} lost */
    judge(lost) {
      for (const body of lost) steps.querySelector(`[data-said="${body}"]`)?.setAttribute("data-lost", "true");
      const list = lost.map((body) => `“${body}”`).join(", ");
      setText(verdict, lost.length ? t("y2013_lost", { list }) : t("y2013_kept"));
      verdict.dataset.lost = String(lost.length > 0);
    },
    clear() {
      steps.replaceChildren();
      setText(verdict, "");
      delete verdict.dataset.lost;
    },
  };
}

/** @param {import("./lab.js").Lab} lab @param {import("./room.js").Room} room
 * @param {ReturnType<typeof createColumn>} column @param {() => boolean} isGone */
async function run({ api, t }, room, { withCursor, step, judge }, isGone) {
  /** @type {string[]} */
  const got = [];
  let cursor = withCursor ? (await api("GET", "api/state")).cursor : "";

  async function ask() {
    const place = cursor && cursor.slice(cursor.indexOf("-") + 1);
    step("ask", place ? t("y2013_ask_after", { place }) : t("y2013_ask_now"));
    const answer = await api("GET", `api/events?wait=${WAIT_S}&cursor=${cursor}`);
    const bodies = answer.events.filter((/** @type {any} */ it) =>
      it.type === "message" && it.message.conversation_id === room.id).map((/** @type {any} */ it) => it.message.body);
    got.push(...bodies);
    step("answer", bodies.length
      ? t("y2013_answer", { list: bodies.map((/** @type {string} */ body) => `“${body}”`).join(", ") })
      : t("y2013_empty"));
    if (withCursor) cursor = answer.cursor;
  }

  /** Asks until a question is held, and returns that one. */
  async function askUntilHeld() {
    for (;;) {
      const asked = ask();
      const held = await Promise.race([asked.then(() => false), isHeld(api, isGone).then(() => true)]);
      if (held) return { asked };
      await asked;
    }
  }

  /** @param {string} body @param {string} word */
  async function say(body, word) {
    step("said", t(word, { body }), body);
    await room.say(body);
  }

  const first = await askUntilHeld();
  await say(SAID[0], "y2013_said_held");
  await first.asked;
  await say(SAID[1], "y2013_said_between");
  const second = await askUntilHeld();
  await say(SAID[2], "y2013_said_held");
  await second.asked;
  judge(SAID.filter((body) => !got.includes(body)));
}

/** Waits until the lab shows a poll of ours.
 * @param {import("./lab.js").Lab["api"]} api @param {() => boolean} isGone */
async function isHeld(api, isGone) {
  for (let cursor = ""; !isGone();) {
    const seen = await api("GET", `api/lab/live?wait=${WAIT_S}&cursor=${cursor}`);
    if (seen.polls.some((/** @type {any} */ it) => it.kind === "poll" && it.wait_ms === WAIT_S * 1000)) return;
    ({ cursor } = seen);
  }
}
