// The section of the wire: the exchanges of this session, each byte of them, and what it is for.
// Does not know how bytes are taken apart, nor how they are written for other tools.

import { button, h, patchList, setAttributes, setText } from "../dom.js";
import { explain } from "../i18n.js";
import { message, parts, timeOf, timings, toText } from "./exchange.js";
import { toHar, toScript } from "./export.js";
import { pause } from "./lanes.js";
import { words } from "./words-wire.js";

const LOOK_MS = 1000;
/** How many there are at most: as many as the server keeps. */
const KEPT_MAX = 128;

/** @typedef {import("./exchange.js").Exchange} Exchange @typedef {import("./exchange.js").Track} Track */

/** Saves a file. @param {string} name @param {string} type @param {string} text */
function save(name, type, text) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href, download: name }).click();
  URL.revokeObjectURL(href);
}

/** Text with its line ends to be seen. @param {string} bytes */
const visible = (bytes) => toText(bytes).split(/(\r\n|\r|\n)/).map((text, index) => index % 2
  ? h("span", { class: "eol", text: text.replace("\r", "\\r").replace("\n", "\\n\n") })
  : text).filter((piece) => piece);

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  /** @param {string} word @param {Record<string, string | number>} [values] */
  const t = (word, values) => lab.t(`wire_${word}`, values);
  const number = (/** @type {number} */ value) => value.toLocaleString(document.documentElement.lang);
  /** @type {Map<number, Exchange>} */
  const exchanges = new Map();
  let [changes, gone, stopped] = [0, false, false];

  const status = h("p", { class: "hint wire-status", role: "status" });
  const list = h("ol", { class: "exchanges", "aria-label": t("list") });
  const kept = () => [...exchanges.values()];
  const anew = button("secondary", t("anew"), begin);
  const stop = h("button", { type: "button", class: "secondary", text: t("stop"), on: { click: () => {
    stopped = !stopped;
    setText(stop, t(stopped ? "go_on" : "stop"));
  } } });
  const base = lab.url("").replace(/\/$/, "");
  const har = button("secondary", t("har"), () => save("lovejoy.har", "application/json",
    JSON.stringify(toHar(kept(), base, lab.server?.version ?? ""), null, 1)));
  const script = button("secondary", t("curl"), () =>
    save("lovejoy.sh", "text/x-shellscript", toScript(kept(), base)));

  /** @param {number} ms */
  const duration = (ms) => (ms < 1000 ? t("ms", { value: number(Number(ms.toFixed(ms < 10 ? 2 : 0))) })
    : t("s", { value: number(Number((ms / 1000).toFixed(2))) }));

  /** What a part is for. @param {import("./exchange.js").Part} part */
  function note({ kind, name = "", bytes }) {
    if (kind === "size") {
      const size = parseInt(bytes, 16);
      return size ? t("size", { size: number(size) }) : t("last_chunk");
    }
    if (kind !== "field") return t(bytes.startsWith("HTTP/") ? "status" : kind);
    const word = `field_${name.startsWith("sec-") ? "sec" : name}`;
    if (name === "authorization") return t(word, { size: bytes.split("*").length - 1 });
    return `wire_${word}` in words.en ? t(word) : "";
  }

  /** @param {Track} track @param {boolean} isAnswer */
  function table(track, isAnswer) {
    let before = -1;
    let said = "";
    const rows = parts(track.bytes).map((part) => {
      const text = note(part);
      const time = timeOf(track, part.at);
      const isNew = time !== before;
      before = time;
      return h("tr", { class: `part-${part.kind}` }, h("td", { class: "number" }, isNew && duration(time / 1000)),
        h("td", { class: "code" }, ...visible(part.bytes)),
        h("td", { class: "hint" }, text !== said && (said = text)));
    });
    const missing = track.length - track.bytes.length;
    const columns = ["time", "bytes", "meaning"].map((word) => h("th", { scope: "col", text: t(word) }));
    return h("div", {}, h("h3", { text: t(isAnswer ? "answer" : "question", { bytes: number(track.length) }) }),
      h("table", { class: "bytes" }, h("thead", { class: "sr" }, h("tr", {}, ...columns)), h("tbody", {}, ...rows)),
      missing > 0 && h("p", { class: "hint", text: t("missing", { bytes: number(missing) }) }));
  }

  /** What happened between question and answer. @param {Exchange} exchange */
  function between({ request, response, ended }) {
    const { wait } = timings(/** @type {Exchange} */ ({ request, response, ended }));
    const isPoll = message(request.bytes).words[1]?.startsWith("/api/events");
    if (response.pieces.length) return t(isPoll && wait >= 50 ? "held" : "answered", { time: duration(wait) });
    return t(ended ? "cut" : isPoll ? "holding" : "waiting");
  }

  /** @param {import("../dom.js").Item} item */
  function create({ exchange }) {
    const summary = h("summary", {}, h("span", { class: "what code" }), h("span", { class: "came" }));
    const body = h("div", { class: "exchange-body" });
    const details = h("details", { class: "panel", on: { toggle: () => fill(details, exchanges.get(exchange.id)) } },
      summary, body);
    return h("li", {}, details);
  }

  /** @param {Element} details @param {Exchange | undefined} exchange */
  function fill(details, exchange) {
    const body = /** @type {Element} */ (details.lastChild);
    if (!details.hasAttribute("open") || !exchange) return body.replaceChildren();
    body.replaceChildren(table(exchange.request, false), h("p", { class: "between", text: between(exchange) }),
      ...exchange.response.pieces.length ? [table(exchange.response, true)] : [],
      h("p", { class: "hint", text: t(`ended_${exchange.ended ?? "open"}`, { connection: exchange.connection }) }));
  }

  /** @param {HTMLElement} item @param {import("../dom.js").Item} values */
  function update(item, { exchange }) {
    const { words: [method, target] } = message(exchange.request.bytes);
    const { words: [, code] } = message(exchange.response.bytes);
    const spent = timings(exchange);
    const [what, came] = /** @type {any} */ (item.querySelectorAll("summary span"));
    setText(what, `${method} ${target}`);
    setText(came, [code, exchange.ended ? duration(spent.send + spent.wait + spent.receive) : t("open"),
      `↑ ${number(exchange.request.length)} ↓ ${number(exchange.response.length)}`].filter(Boolean).join(" · "));
    setAttributes(item, { "data-open": !exchange.ended });
    fill(/** @type {Element} */ (item.firstChild), exchange);
  }

  function show() {
    patchList(list, kept().reverse().map((exchange) => ({ key: String(exchange.id), exchange })), create, update);
    for (const each of [har, script]) each.disabled = !exchanges.size;
  }

  async function begin() {
    try {
      await lab.api("PUT", "api/lab/recording");
      await look();
    } catch (error) {
      if (!gone) setText(status, explain(/** @type {any} */ (error)));
    }
  }

  async function look() {
    const answer = await lab.api("GET", `api/lab/recording?after=${changes}`);
    if (gone) return;
    if (answer.changes < changes) {
      // The recording was begun anew.
      [changes] = [0];
      exchanges.clear();
      return look();
    }
    changes = answer.changes;
    for (const exchange of answer.exchanges) exchanges.set(exchange.id, exchange);
    for (const { id, ended } of kept()) if (exchanges.size > KEPT_MAX && ended) exchanges.delete(id);
    setText(status, t(exchanges.size ? "recording" : "nothing", { begun: number(answer.begun) }));
    show();
  }

  async function follow() {
    for (; !gone; await pause(LOOK_MS)) {
      if (stopped || document.hidden) continue;
      await look().catch((error) => {
        if (gone) return;
        if (error.status === 404) return begin();
        setText(status, explain(error));
      });
    }
  }

  root.append(h("div", { class: "buttons" }, anew, stop, har, script), status, list,
    h("details", { class: "panel how" }, h("summary", { text: t("how") }),
      ...["how_1", "how_2", "how_3"].map((word) => h("p", { text: t(word) }))));
  show();
  follow();
  return () => void (gone = true);
}

export const section = { words, mount };
