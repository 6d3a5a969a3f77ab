// Shows the polls that are held, and how they leave: the answers to a long poll that is itself one of them.
// What an answer consists of is at the head of src/web/lab.rs. The times in between are by this page's own clock.

import { button, h, patchList, setAttributes, setText } from "../dom.js";
import { holdSome } from "./hold.js";
import { EN, ZH } from "./words-live.js";

const EXITS = ["news", "expired", "released", "hung_up", "logged_out", "draining"];
const COLUMNS = ["who", "connection", "kind", "waited", "left", "cursor"];
const NUMBERS = ["connection", "left"];
const MOMENTS_MAX = 40;
const TICK_MS = 100;
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/**
 * @typedef {{connection: number, user_id: number, kind: string, stored?: number, live: number, wait_ms: number,
 *   left_ms: number | null, held_ms: number | null}} Held
 * @typedef {{number: number, at: number, connection: number, user_id: number, kind: string,
 *   exit: string | null}} Moment
 */

/** @type {import("./lab.js").Section} */
export const section = { words: { en: EN, zh: ZH }, mount };

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  const { t } = lab;
  /** @type {Map<number, string>} */
  const names = new Map();
  /** @type {Record<string, number>} */
  const left = {};
  /** @type {Moment[]} */
  let moments = [];
  /** @type {Held[]} */
  let polls = [];
  let answeredAt = 0;

  const count = h("strong", { class: "figure", text: "–" });
  const rows = h("tbody");
  const table = h("table", { class: "data" }, h("caption", { class: "sr", text: t("live_held") }),
    h("thead", {}, h("tr", {}, ...COLUMNS.map((name) =>
      h("th", { scope: "col", class: NUMBERS.includes(name) && "number", text: t(`live_${name}`) })))), rows);
  const exits = h("dl", { class: "exits" }, ...EXITS.map((exit) => h("div", { title: t(`live_${exit}_hint`) },
    h("dt", { text: t(`live_${exit}`) }), h("dd", { text: "0", "data-exit": exit }))));
  const log = h("ol", { class: "moments", role: "list" });
  const own = holdSome(lab);
  root.append(
    h("div", { class: "panel" },
      h("p", { class: "held-count" }, t("live_held"), " ", count),
      h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": t("live_held") }, table),
      h("div", { class: "buttons" }, button("secondary", t("live_hold_poll"), () => own.hold("application/json")),
        button("secondary", t("live_hold_stream"), () => own.hold("text/event-stream")),
        button("secondary", t("live_hang_up"), own.hangUp))),
    h("p", { class: "hint lab-note", text: t("live_rule") }),
    h("h2", { text: t("live_exits") }),
    h("div", { class: "panel" }, exits, log));

  /** @param {any} answer */
  async function take(answer) {
    answeredAt = performance.now();
    for (const { id, display_name: name } of answer.users) names.set(id, name);
    polls = answer.polls;
    setText(count, String(answer.total));
    for (const { exit } of answer.moments) if (exit) left[exit] = (left[exit] ?? 0) + 1;
    moments = [...answer.moments.reverse(), ...moments].slice(0, MOMENTS_MAX);
    patchList(rows, polls.map((poll) => ({ ...poll, key: `${poll.connection}-${poll.kind}` })), createRow, updateRow);
    for (const exit of EXITS) {
      const place = /** @type {Element} */ (exits.querySelector(`[data-exit=${exit}]`));
      setText(place, String(left[exit] ?? 0));
    }
    patchList(log, moments.map((moment) => ({ ...moment, key: String(moment.number) })), createMoment, () => {});
    tick();
  }

  const createRow = () => h("tr", {}, h("td"), h("td", { class: "number" }), h("td"), h("td", {},
    h("meter", { min: 0, max: 1, "aria-label": t("live_waited") }), h("span", { class: "number" })),
  h("td", { class: "number" }), h("td", { class: "code" }));

  /** @param {HTMLElement} row @param {any} poll */
  function updateRow(row, poll) {
    const [who, connection, kind, , , cursor] = row.children;
    setText(who, names.get(poll.user_id) ?? "");
    setText(connection, String(poll.connection));
    setText(kind, t(`live_kind_${poll.kind}`));
    setText(cursor, [poll.stored, poll.live].filter((place) => place >= 0).join(" · ") || "–");
    setAttributes(row, { "data-kind": poll.kind });
  }

  /** @param {any} moment */
  const createMoment = (moment) => h("li", { "data-exit": moment.exit ?? "held" },
    h("time", { text: clock.format(moment.at) }),
    h("span", {}, h("strong", { text: moment.exit ? t(`live_${moment.exit}`) : t("live_came") }), " ",
      t("live_whose", { kind: t(`live_kind_${moment.kind}`), name: names.get(moment.user_id) ?? "",
        connection: moment.connection })));

  /** Time goes on between two answers. */
  function tick() {
    const since = performance.now() - answeredAt;
    polls.forEach((poll, index) => {
      const [, , , waited, remaining] = rows.children[index]?.children ?? [];
      if (!waited) return;
      const [meter, text] = /** @type {[HTMLMeterElement, HTMLElement]} */ ([...waited.children]);
      const ms = poll.held_ms === null ? null : poll.held_ms + since;
      const toGo = poll.left_ms === null ? null : Math.max(0, poll.left_ms - since);
      meter.value = ms === null || toGo === null ? 0 : ms / (ms + toGo || 1);
      setText(text, ms === null ? "–" : seconds(ms));
      setText(remaining, toGo === null ? "–" : seconds(toGo));
    });
  }

  const poll = lab.follow("api/lab/live", { onAnswer: take });
  const timer = setInterval(tick, TICK_MS);
  poll.start();
  return () => {
    clearInterval(timer);
    poll.stop();
    own.end();
  };
}

/** @param {number} ms */
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
