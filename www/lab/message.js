// Draws the way of the last message that concerns the user: how long each step took, as bars over one scale.
// The moments are the server's own, in microseconds; the way to the client and back is the last bar of each poll,
// which begins when the answer is with the socket and ends when the next poll brings its cursor.

import { button, h, setText } from "../dom.js";
import { timeOfDay } from "../i18n.js";
import { svg } from "./draw.js";
import { openRoom } from "./room.js";
import { EN, ZH } from "./words-message.js";

const SCALE = 1000; // the picture's own width
const SMALL = 4; // the least that a bar may have of it, so that it can be seen
const MARGIN = 1.3; // the picture ends this much after the last answer, and bars that go on are cut off there

/**
 * @typedef {{step: string, micros: number, user_id?: number, connection?: number}} Step
 * @typedef {{id: number, sender_id: number, read_at: number, steps: Step[]}} Message
 * @typedef {{label: string, kind: string, from: number, to: number}} Bar
 */

/** @type {import("./lab.js").Section} */
export const section = { words: { en: EN, zh: ZH }, mount };

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  const { t } = lab;
  /** @type {Promise<import("./room.js").Room> | null} */
  let room = null;
  /** @type {ReturnType<typeof lab.follow> | null} */
  let own = null;
  let count = 0;

  /** Somebody must wait for it, or there is no second half of the way. */
  async function send() {
    room ??= openRoom(lab);
    own ??= listen();
    await (await room).say(`${t("lab_room")} ${++count}`);
  }

  function listen() {
    const poll = lab.follow("api/events", { snapshot: async () => (await lab.api("GET", "api/state")).cursor });
    poll.start();
    return poll;
  }

  const picture = h("div", { class: "panel", "aria-live": "polite" }, h("p", { text: t("message_none") }));
  const problem = h("p", { class: "error", role: "alert" });
  root.append(h("div", { class: "buttons" },
    button("primary", t("message_send"), () => send().then(() => "", (error) => error.message)
      .then((text) => setText(problem, text)))), problem,
  h("h2", { text: t("message_way") }), picture,
  h("p", { class: "hint lab-note", text: t("message_note") }));

  let shown = "";
  /** @param {any} answer */
  async function take({ message, users }) {
    const text = JSON.stringify(message);
    if (!message || text === shown) return;
    shown = text;
    picture.replaceChildren(...draw(message, users, lab));
  }
  const poll = lab.follow("api/lab/live", { onAnswer: take });
  poll.start();
  return () => {
    poll.stop();
    own?.stop();
    room?.then((it) => it.leave());
  };
}

/** @param {Message} message @param {import("../state.js").User[]} users @param {import("./lab.js").Lab} lab */
function draw(message, users, { t }) {
  const name = (/** @type {number | undefined} */ id) => users.find((user) => user.id === id)?.display_name ?? "";
  const bars = toBars(message, name, t);
  const server = bars.filter(({ kind }) => kind !== "way");
  const end = Math.max(1, ...server.map(({ to }) => to)) * MARGIN;
  return [
    h("p", { text: t("message_head", { id: message.id, name: name(message.sender_id),
      time: timeOfDay(message.read_at) }) }),
    h("ol", { class: "bars", role: "list" }, ...bars.map(({ label, kind, from, to }) => h("li", { "data-kind": kind },
      h("span", { text: label }), bar(from, to, end, kind), h("span", { class: "number", text: took(to - from) })))),
    h("p", { class: "hint", text: t("message_total", { server: took(Math.max(...server.map(({ to }) => to))) }) }),
  ];
}

/** @param {number} from @param {number} to @param {number} end @param {string} kind */
function bar(from, to, end, kind) {
  const x = (/** @type {number} */ micros) => Math.min(SCALE, (micros / end) * SCALE);
  const width = Math.max(SMALL, x(to) - x(from));
  return svg("svg", { viewBox: `0 0 ${SCALE} 12`, preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" },
    svg("rect", { class: "rail", width: SCALE, height: 12 }),
    svg("rect", { class: kind, x: Math.min(x(from), SCALE - width), width, height: 12 }));
}

/** Each step as the time since the one that it waited for.
 * @param {Message} message @param {(id?: number) => string} name @param {import("./lab.js").Lab["t"]} t
 * @returns {Bar[]} */
function toBars({ steps }, name, t) {
  const own = (/** @type {string} */ step) => steps.find((it) => it.step === step && it.user_id === undefined)?.micros;
  /** @param {string} word @param {string} kind @param {number | undefined} from @param {number | undefined} to
   * @param {Step} [poll] */
  const part = (word, kind, from, to, poll) => from === undefined || to === undefined ? [] : [{ kind, from, to,
    label: t(`message_${word}`, { name: name(poll?.user_id), connection: poll?.connection ?? "" }) }];
  const committed = own("committed");
  const released = steps.filter(({ step }) => step === "released");
  return [
    ...part("decided", "work", 0, own("decided")),
    ...part("committed", "disk", own("decided"), committed),
    ...released.flatMap((poll) => {
      const later = (/** @type {string} */ step) => steps.find((it) => it.step === step && it.user_id === poll.user_id
        && it.connection === poll.connection && it.micros >= poll.micros)?.micros;
      const written = later("written");
      return [...part("released", "work", committed, poll.micros, poll),
        ...part("written", "work", poll.micros, written, poll),
        ...part("returned", "way", written ?? poll.micros, later("returned"), poll)];
    }),
    ...part("answered", "work", committed, own("written")),
  ];
}

/** @param {number} micros */
const took = (micros) => micros < 1000 ? `${micros} µs` : `${(micros / 1000).toFixed(micros < 10_000 ? 2 : 1)} ms`;
