// Shows what stands in the log: days, the "New messages" line, and messages with their state and buttons.
// Rule: nodes are made once and brought up to date; all text goes in as text.
// Does not know where they stand or what the buttons do: the log and the callbacks do.

import { button, h, icon, setAttributes, setText } from "./dom.js";
import { explain, t, timeOfDay } from "./i18n.js";
import { ApiError } from "./api.js";
import { linkParts } from "./text.js";
import { iconButton } from "./view-people.js";

/** @type {Record<string, string>} */
const MARK_ICONS = { sending: "clock", sent: "check", delivered: "double", read: "double", failed: "warning" };

/**
 * @typedef {import("./dom.js").Item} Item
 * @typedef {object} MessageActions
 * @property {(nonce: string) => void} onRetry
 * @property {(nonce: string) => void} onDiscard
 * @property {(id: number) => void} onEdit
 * @property {(id: number) => void} onDelete
 * @property {(body: string) => void} onCopy
 */

/** @param {Item} item */
export function createEntry(item) {
  if (item.kind === "day") return h("div", { class: "day" });
  const divider = { class: "divider", role: "separator" };
  if (item.kind === "divider") return h("div", divider, h("span", { text: t("new_messages") }));
  // Only what has the focus shows its buttons on a touch screen, so a tap must give it.
  return h("div", { class: "message" }, h("span", { class: "sender" }),
    h("div", { class: "bubble", tabindex: -1 }, h("span", { class: "body" }),
      h("span", { class: "meta" }, h("span", { class: "edited" }), h("time", {}), h("span", { class: "mark" }))),
    h("div", { class: "failure" }));
}

/** @param {HTMLElement} node @param {Item} item @param {MessageActions} actions */
export function renewEntry(node, item, actions) {
  if (item.kind === "divider") return;
  if (item.kind === "day") return setText(node, item.day);
  const { id, own, first, last, mark, at, sender, deleted } = item;
  setAttributes(node, { "data-own": own, "data-first": first, "data-last": last, "data-mark": mark || null,
    "data-deleted": deleted, "data-id": id || null });
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (node.querySelector(`.${name}`));
  // Seen where it says something new, heard with every message.
  setAttributes(part("sender"), { "data-named": Boolean(item.named && first && !own) });
  setText(part("sender"), sender);
  const body = deleted ? t("message_deleted") : item.body;
  if (part("body").textContent !== body) part("body").replaceChildren(...(deleted ? [body] : linked(body)));
  setText(part("edited"), item.edited && !deleted ? t("edited") : "");
  const time = /** @type {HTMLTimeElement} */ (node.querySelector("time"));
  setText(time, timeOfDay(at));
  time.dateTime = new Date(at).toISOString();
  showMark(part("mark"), deleted ? "" : mark);
  showButtons(node, own && id && !deleted ? item : null, actions);
  showFailure(part("failure"), item, actions);
}

/** @param {HTMLElement} place @param {string} mark */
function showMark(place, mark) {
  if ((place.dataset.mark ?? "") === mark) return;
  const word = mark && t(/** @type {import("./i18n.js").Word} */ (mark));
  const named = { role: mark && "img", "aria-label": word, title: word, "data-mark": mark };
  setAttributes(place, mark ? named : { role: null, "aria-label": null, title: null, "data-mark": null });
  place.replaceChildren(...(mark ? [icon(MARK_ICONS[mark]), h("span", { class: "sr", text: word })] : []));
}

/** @param {HTMLElement} node @param {Item | null} item whose buttons these are @param {MessageActions} actions */
function showButtons(node, item, { onEdit, onDelete, onCopy }) {
  const bubble = /** @type {HTMLElement} */ (node.querySelector(".bubble"));
  const there = bubble.querySelector(".actions");
  if (!item) return there?.remove();
  if (there) return;
  const id = Number(node.dataset.id);
  /** @param {"edit" | "delete" | "copy"} word @param {() => void} act */
  const tool = (word, act) => iconButton(word, t(word), { class: word, tabindex: -1, on: { click: act } });
  const text = () => bubble.querySelector(".body")?.textContent ?? "";
  bubble.append(h("span", { class: "actions" }, tool("edit", () => onEdit(id)),
    tool("copy", () => onCopy(text())), tool("delete", () => onDelete(id))));
}

/** @param {HTMLElement} place @param {Item} item @param {MessageActions} actions */
function showFailure(place, { mark, code, nonce }, { onRetry, onDiscard }) {
  if (mark !== "failed") return place.replaceChildren();
  place.replaceChildren(h("span", { text: `${t("failed")}: ${explain(new ApiError(400, code))}` }),
    button("link", t("retry"), () => onRetry(nonce)), button("link", t("discard"), () => onDiscard(nonce)));
}

/** Text as text, with its web addresses as anchors. @param {string} text */
const linked = (text) => linkParts(text).map(({ text: part, href }) =>
  href ? h("a", { href, target: "_blank", rel: "noopener noreferrer", text: part }) : part);
