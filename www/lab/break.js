// Makes answers go wrong on purpose, and shows how the client recovers: the real poll.js, in the real session.
// The server does it, only to this session (see chat/faults.rs); the page just asks for it and keeps the log.

import { button, h, patchList, setText } from "../dom.js";
import { explain } from "../i18n.js";
import { askServer } from "../poll.js";
import { openRoom } from "./room.js";
import { EN, ZH } from "./words-break.js";

const LOG_MAX = 80;
const DELAY_MS = 3000;
const TRIES = ["drop", "cut", "delay", "twice", "nonce", "buffer"];
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit",
  fractionalSecondDigits: 1 });

/** @type {import("./lab.js").Section} */
export const section = { words: { en: EN, zh: ZH }, mount };

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  const { t } = lab;
  const auth = { Authorization: `Bearer ${lab.token}` };
  const room = openRoom(lab);
  /** What was said and has come, by its id. @type {Map<number, string>} */
  const arrived = new Map();
  /** @type {{key: string, at: number, kind: string, text: string}[]} */
  let entries = [];
  let [said, again, serial] = [0, 0, 0];
  let streaming = new AbortController();

  const state = h("p", { class: "state", role: "status", "aria-label": t("break_state") });
  const figures = h("dl", { class: "exits" }, ...["said", "arrived", "again"].map((name) =>
    h("div", {}, h("dt", { text: t(`break_${name}`) }), h("dd", { text: "0", "data-figure": name }))));
  const list = h("ol", { role: "list" });
  const log = h("div", { class: "moments tall", role: "log", "aria-label": t("break_log"), tabindex: 0 }, list);
  const problem = h("p", { class: "error", role: "alert" });
  root.append(
    h("ul", { class: "lab-cards", role: "list" }, ...TRIES.map((name) => h("li", { class: "panel" },
      h("strong", { text: t(`break_${name}`) }), h("p", { class: "hint", text: t(`break_${name}_hint`) }),
      h("div", { class: "buttons" }, tryIt(name))))),
    problem, h("h2", { text: t("break_log") }), h("div", { class: "panel" }, state, figures, log),
    h("p", { class: "hint lab-note", text: t("break_note") }));

  /** @param {string} name */
  function tryIt(name) {
    const element = button("secondary", t("break_try"), () => attempt(name).then(() => "", explain)
      .then((text) => setText(problem, text)));
    element.setAttribute("data-fault", name);
    element.setAttribute("aria-label", `${t("break_try")}: ${t(`break_${name}`)}`);
    return element;
  }

  /** @param {string} kind @param {string} word @param {Record<string, string | number>} [values] */
  function note(kind, word, values) {
    entries = [{ key: String(++serial), at: Date.now(), kind, text: t(`break_log_${word}`, values) }, ...entries]
      .slice(0, LOG_MAX);
    patchList(list, entries, (entry) => h("li", { "data-kind": entry.kind },
      h("time", { text: clock.format(entry.at) }), h("span", { text: entry.text })), () => {});
    const counts = /** @type {Record<string, number>} */ ({ said, arrived: arrived.size, again });
    for (const name in counts) {
      setText(/** @type {Element} */ (figures.querySelector(`[data-figure=${name}]`)), String(counts[name]));
    }
  }

  /** @param {string} name */
  async function attempt(name) {
    const fault = name === "nonce" ? "drop" : name;
    const target = name === "nonce" ? "sends" : name === "buffer" ? "streams" : "polls";
    await lab.api("PUT", "api/lab/fault", { fault, target, times: 1, delay_ms: DELAY_MS });
    note("fault", "fault", { name: t(`break_${name}`) });
    if (name === "buffer") return stream();
    await say();
  }

  /** Says something, and says it again under the same nonce until it is certain that it was said. */
  async function say() {
    const body = String(++said);
    const nonce = `lab-${Date.now().toString(36)}-${body}`;
    note("said", "said", { body });
    for (let tries = 1; ; tries++) {
      try {
        return await (await room).say(body, nonce);
      } catch (error) {
        if (tries === 3 || !/** @type {any} */ (error).passing) throw error;
        note("lost", "resent", { body });
      }
    }
  }

  /** @param {any[]} events */
  async function take(events) {
    const { id } = await room;
    for (const { type, message } of events) {
      if (type !== "message" || message.conversation_id !== id) continue;
      const known = arrived.has(message.id);
      if (known) again++;
      arrived.set(message.id, message.body);
      note(known ? "again" : "arrived", known ? "again" : "arrived", { body: message.body });
    }
  }

  const server = askServer(lab.url("api/events"), auth);
  const poll = lab.follow("api/events", {
    snapshot: async () => (await lab.api("GET", "api/state")).cursor,
    ask: async (cursor, seconds, signal) => {
      note("ask", "ask", { cursor: cursor.slice(cursor.indexOf("-") + 1), seconds });
      try {
        return await server(cursor, seconds, signal);
      } catch (error) {
        if (!signal.aborted) note("lost", "lost");
        throw error;
      }
    },
    onAnswer: async ({ events }) => {
      note("answer", "answer", { count: events.length });
      await take(events);
    },
    onStatus: ({ state: now, retryAt }) => {
      setText(state, t(`break_is_${now}`));
      state.dataset.state = now;
      if (now === "waiting" && retryAt) note("wait", "wait", { seconds: ((retryAt - Date.now()) / 1000).toFixed(1) });
    },
  });

  /** Reads a stream that is buffered on its way. */
  async function stream() {
    streaming.abort();
    streaming = new AbortController();
    const { signal } = streaming;
    const headers = { ...auth, Accept: "application/x-ndjson" };
    const response = await fetch(lab.url("api/events"), { headers, cache: "no-store", signal });
    note("ask", "stream");
    const began = Date.now();
    await Promise.all([say(), say(), say()]);
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    let text = "";
    let seen = 0;
    while (seen < 3) {
      const { done, value } = await reader.read();
      if (done) break;
      text += new TextDecoder().decode(value);
      const count = text.split("\n").filter((line) => line.includes('"message"')).length - seen;
      seen += count;
      if (count) note("answer", "piece", { count, seconds: ((Date.now() - began) / 1000).toFixed(1) });
    }
    streaming.abort();
  }

  poll.start();
  return () => {
    poll.stop();
    streaming.abort();
    lab.api("DELETE", "api/lab/fault").catch(() => null);
    room.then((it) => it.leave(), () => null);
  };
}
