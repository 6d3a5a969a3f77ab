// The section of the race: what is set, how it goes, and how it ended.
// Does not know how a lane hears, nor how it is measured.

import { button, h, setText } from "../dom.js";
import { explain } from "../i18n.js";
import { RUNNERS } from "./lanes.js";
import { createLines, createStrip } from "./race-chart.js";
import { startRace } from "./race-run.js";
import { words } from "./words-race.js";

const DURATION_MS = 30_000;

/** What can be chosen, and what is. @type {Record<"rate" | "interval" | "delay", [number[], number]>} */
const CHOICES = {
  rate: [[0.2, 0.5, 1, 2, 5, 10], 1],
  interval: [[100, 200, 500, 1000, 2000, 5000], 1000],
  delay: [[0, 10, 25, 50, 100, 200, 500], 50],
};

/** @typedef {import("./race-run.js").Counts} Counts @typedef {import("./race-run.js").Standing} Standing */

/** @param {Counts} of */
const total = ({ head_bytes_up: a, head_bytes_down: b, framing_bytes_down: c, body_bytes_up: d, body_bytes_down: e }) =>
  a + b + c + d + e;

/** The rows of the table. @type {[string, (lane: Standing, written: number) => number | string][]} */
const ROWS = [
  ["requests", ({ counts }) => counts.requests],
  ["heads", ({ counts }) => counts.head_bytes_up + counts.head_bytes_down],
  ["framing", ({ counts }) => counts.framing_bytes_down],
  ["payload", ({ counts }) => counts.body_bytes_up + counts.body_bytes_down],
  ["total", ({ counts }) => total(counts)],
  ["empty", ({ counts }) => counts.empty_answers],
  ["woken", ({ counts }) => counts.wake_ups],
  ["writes", ({ counts }) => counts.writes],
  ["heard", ({ heard }, written) => `${heard} / ${written}`],
  ["p50", ({ p50 }) => milliseconds(p50)],
  ["p99", ({ p99 }) => milliseconds(p99)],
];

/** @param {number} value */
const number = (value) => value.toLocaleString(document.documentElement.lang);
/** @param {number} ms */
const milliseconds = (ms) => (isNaN(ms) ? "" : `${number(Number(ms.toFixed(ms < 10 ? 1 : 0)))} ms`);

/** @param {HTMLElement} root @param {import("./lab.js").Lab} lab */
function mount(root, lab) {
  /** @param {string} word @param {Record<string, string | number>} [values] */
  const t = (word, values) => lab.t(`race_${word}`, values);
  /** @type {ReturnType<typeof startRace> | null} */
  let race = null;
  let gone = false;

  const sliders = Object.entries(CHOICES).map(([name, [steps, first]]) => {
    const say = (/** @type {number} */ value) => t(`${name}_value`, { value: number(value) });
    const output = h("output", { text: say(first) });
    const input = h("input", { type: "range", min: 0, max: steps.length - 1, "aria-valuetext": say(first),
      prop: { value: steps.indexOf(first) }, on: { input: () => {
        setText(output, say(steps[Number(input.value)]));
        input.setAttribute("aria-valuetext", output.value);
      } } });
    return { name, input, element: h("label", { class: "slider" }, h("span", { text: t(name) }), input, output),
      value: () => steps[Number(input.value)] };
  });
  const settings = h("fieldset", { class: "sliders" }, h("legend", { class: "sr", text: t("settings") }),
    ...sliders.map(({ element }) => element));
  const status = h("p", { class: "hint", role: "status" });
  const progress = h("progress", { max: DURATION_MS, value: 0, "aria-label": t("progress"), hidden: true });
  const start = button("primary", t("start"), run);
  const stop = h("button", { type: "button", class: "secondary", text: t("stop"), hidden: true,
    on: { click: () => race?.stop() } });

  const cells = ROWS.map(() => RUNNERS.map(() => h("td", { class: "number" })));
  const table = h("table", { class: "data race-table" }, h("thead", {}, h("tr", {}, h("td"),
    ...RUNNERS.map(([name], lane) => h("th", { scope: "col", class: `number lane-${lane + 1}` }, t(name))))),
  h("tbody", {}, ...ROWS.map(([name], row) =>
    h("tr", { class: `row-${name}` }, h("th", { scope: "row", text: t(name) }), ...cells[row]))));
  const lines = h("div");
  const strips = RUNNERS.map(() => h("div"));
  const results = h("div", { hidden: true }, h("div", { class: "wide", tabindex: 0, role: "region",
    "aria-label": t("table") }, table),
  h("h2", { text: t("lines_title") }), lines,
  h("h2", { text: t("strips") }), h("p", { class: "hint", text: t("strips_hint") }),
  ...RUNNERS.flatMap(([name], lane) =>
    [h("p", { class: `strip-name lane-${lane + 1}`, text: t(name) }), strips[lane]]));

  async function run() {
    const [rate, interval, delay] = sliders.map(({ value }) => value());
    const bytes = createLines(RUNNERS.length, number);
    const charts = RUNNERS.map((_, lane) => createStrip(lane + 1));
    charts.forEach(({ element }, lane) => strips[lane].replaceChildren(element));
    lines.replaceChildren(bytes.element);
    settings.disabled = true;
    results.hidden = stop.hidden = progress.hidden = false;
    setText(status, t("running"));
    let hidden = document.hidden;
    race = startRace({ lab, rate, interval, delay, duration: DURATION_MS,
      onAsked: (lane, at) => charts[lane].ask(at / DURATION_MS),
      onHeard: (lane, at, late) => charts[lane].hear(at / DURATION_MS, late),
      onTick(at, written, lanes) {
        hidden ||= document.hidden;
        progress.value = at;
        lanes.forEach((lane, column) => ROWS.forEach(([, value], row) => {
          const shown = lane.counts.requests ? value(lane, written) : "";
          setText(cells[row][column], typeof shown === "number" ? number(shown) : shown);
        }));
        bytes.add(at / DURATION_MS, lanes.map(({ counts }) => (counts.requests ? total(counts) : 0)));
        for (const chart of charts) chart.draw();
      } });
    try {
      await race.ended;
      if (!gone) setText(status, t(hidden ? "over_hidden" : "over"));
    } catch (error) {
      if (!gone) setText(status, explain(/** @type {any} */ (error)));
    }
    race = null;
    settings.disabled = false;
    stop.hidden = progress.hidden = true;
  }

  const buttons = h("div", { class: "buttons race-buttons" }, start, stop, progress, status);
  root.append(h("div", { class: "panel" }, settings, buttons),
    results, h("details", { class: "panel how" }, h("summary", { text: t("how") }),
      ...["how_source", "how_bytes", "how_wake", "how_delay", "how_browser"].map((word) => h("p", { text: t(word) }))));
  return () => {
    gone = true;
    race?.stop();
  };
}

export const section = { words, mount };
