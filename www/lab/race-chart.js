// Draws the race as it goes: what each lane has cost so far, and how late each message was.
// Does not know how it is measured.

import { h, setText } from "../dom.js";
import { svg } from "./draw.js";

/** How wide and high the pictures are; the style says how large they are shown. */
const [WIDTH, HEIGHT] = [1000, 100];
/** From the bottom of a strip to its top, in milliseconds, by their logarithm. */
const [FASTEST, SLOWEST] = [1, 10_000];

/** @param {number} part of the whole */
const across = (part) => (Math.min(1, Math.max(0, part)) * WIDTH).toFixed(1);
/** @param {number} part of the whole */
const up = (part) => ((1 - Math.min(1, Math.max(0, part))) * HEIGHT).toFixed(1);

const frame = (/** @type {string} */ name, /** @type {Node[]} */ ...children) => svg("svg", { class: name,
  viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...children);

/** Lines that say how long: 10 ms, 100 ms, 1 s. */
const scale = () => [10, 100, 1000].map((ms) =>
  svg("path", { class: "scale", d: `M0 ${up(Math.log(ms / FASTEST) / Math.log(SLOWEST / FASTEST))}h${WIDTH}` }));

/** A strip: a stroke at the bottom for each question, and a dot for each message, the higher the later it was.
 * @param {number} lane */
export function createStrip(lane) {
  const asked = svg("path", { class: "asked" });
  const heard = svg("path", { class: "heard" });
  let [questions, messages] = ["", ""];
  const labels = h("div", { class: "strip-scale", "aria-hidden": "true" }, ...["1 s", "100 ms", "10 ms"].map((text) =>
    h("span", { text })));
  return {
    element: h("div", { class: `strip lane-${lane}` }, frame("strip-picture", ...scale(), asked, heard), labels),
    /** @param {number} at part of the race */
    ask: (at) => void (questions += `M${across(at)} ${HEIGHT}v-8`),
    /** @param {number} at @param {number} ms */
    hear: (at, ms) => void (messages += `M${across(at)} ${
      up(Math.log(Math.max(ms, FASTEST) / FASTEST) / Math.log(SLOWEST / FASTEST))}h0`),
    draw() {
      asked.setAttribute("d", questions);
      heard.setAttribute("d", messages);
    },
  };
}

/** Lines that grow with time, one for each lane, and as high as the highest of them, which is written above.
 * @param {number} lanes @param {(value: number) => string} say */
export function createLines(lanes, say) {
  const highest = h("span");
  const paths = Array.from({ length: lanes }, (_, lane) => svg("path", { class: `line lane-${lane + 1}` }));
  /** @type {[number, number[]][]} */
  const points = [];
  return {
    element: h("div", { class: "lines" }, highest, frame("lines-picture", ...paths)),
    /** @param {number} at part of the race @param {number[]} values */
    add(at, values) {
      points.push([at, values]);
      const top = Math.max(1, ...values);
      setText(highest, say(top));
      const d = (/** @type {number} */ lane) =>
        points.map(([x, all]) => `${across(x)} ${up(all[lane] / top * .96)}`).join("L");
      paths.forEach((path, lane) => path.setAttribute("d", `M${d(lane)}`));
    },
  };
}
