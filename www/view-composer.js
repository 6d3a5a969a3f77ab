// Shows the box in which messages are written: grows with its text, sends on Enter, keeps a draft per conversation.
// While a message is edited its text stands here instead of the draft, which comes back afterwards.
// Rule: a key that belongs to an input method does nothing else. Some browsers end the composition before the key
//       event and say so only by keyCode 229, so both signs count.
// Does not know what becomes of a message once it is handed over.

import { h, icon, setAttributes, setText } from "./dom.js";
import { t } from "./i18n.js";
import { openConversation } from "./selectors.js";
import { byteLength, tidyBody } from "./text.js";
import { iconButton, titleOf } from "./view-people.js";

/** The counter shows when less than this part of the limit is left. */
const NEAR = 0.1;
const IME_KEY = 229;
/** How often others are told that the user is typing. */
const TYPING_MS = 3_000;

/**
 * @param {object} options
 * @param {number} options.limit in bytes
 * @param {import("./storage.js").Desk} options.desk keeps the drafts
 * @param {(conversationId: number, body: string) => void} options.onSend
 * @param {(id: number, body: string) => void} options.onSave the edited message
 * @param {(id: number | null) => void} options.onEdit null stops editing
 * @param {(conversationId: number) => void} options.onTyping
 * @param {() => number | null} options.lastOwn the message that the arrow up would edit
 */
export function createComposer({ limit, desk, onSend, onSave, onEdit, onTyping, lastOwn }) {
  /** @type {number | null} */
  let openId = null;
  /** @type {import("./state.js").Message | null} */
  let editing = null;
  let typingSaidAt = 0;
  const box = h("textarea", { rows: 1, dir: "auto", "aria-label": t("message"), "aria-describedby": "composer-counter",
    enterkeyhint: "send", autocomplete: "off", on: { input, keydown } });
  const counter = h("p", { class: "counter", id: "composer-counter" });
  const named = { title: t("send"), "aria-label": t("send") };
  const button = h("button", { type: "submit", class: "send", ...named }, icon("send"));
  const editBar = h("div", { class: "editing", hidden: true }, icon("edit"), h("span", { text: t("editing") }),
    iconButton("close", t("cancel"), { on: { click: () => onEdit(null) } }));
  const element = h("form", { class: "composer", on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    send();
  } } }, counter, editBar, h("div", { class: "write" }, box, button));

  /** @param {KeyboardEvent} event */
  function keydown(event) {
    if (event.isComposing || event.keyCode === IME_KEY) return;
    if (event.key === "Escape" && editing) {
      event.stopPropagation();
      return onEdit(null);
    }
    if (event.key === "ArrowUp" && !box.value && !editing) {
      const id = lastOwn();
      if (id !== null) event.preventDefault();
      return onEdit(id);
    }
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    event.preventDefault();
    send();
  }

  function send() {
    const body = tidyBody(box.value);
    if (openId === null || !body || byteLength(body) > limit) return box.focus();
    if (editing) return onSave(editing.id, body);
    onSend(openId, body);
    typingSaidAt = 0;
    box.value = "";
    changed();
    box.focus();
  }

  function input() {
    changed();
    const now = Date.now();
    if (openId === null || editing || !box.value || now - typingSaidAt < TYPING_MS) return;
    typingSaidAt = now;
    onTyping(openId);
  }

  function changed() {
    if (openId !== null && !editing) desk.saveDraft(openId, box.value);
    const body = tidyBody(box.value);
    const left = limit - byteLength(body);
    const near = left < limit * NEAR ? t("bytes_left", { count: left }) : "";
    setText(counter, left < 0 ? t("too_long", { count: -left }) : near);
    setAttributes(counter, { "data-over": left < 0 ? true : null });
    setAttributes(button, { "aria-disabled": String(!body || left < 0) });
    fit();
  }

  function fit() {
    // It never shrinks meanwhile: the log above would grow, and then miss its end.
    element.style.minHeight = `${element.offsetHeight}px`;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
    element.style.minHeight = "";
  }

  const resized = new ResizeObserver(fit);
  resized.observe(element);

  /** Takes up the text that belongs here: the edited message's, or the draft.
   * @param {import("./state.js").State} state */
  function update(state) {
    const conversation = openConversation(state);
    if (conversation) box.placeholder = t("write_to", { name: titleOf(state, conversation) });
    const id = conversation?.id ?? null;
    if (id === openId && state.editing?.id === editing?.id) return;
    [openId, editing] = [id, state.editing];
    editBar.hidden = !editing;
    box.value = editing?.body ?? (id === null ? "" : desk.draft(id));
    changed();
    if (editing) box.focus();
  }

  return { element, update, focus: () => box.focus(), close: () => resized.disconnect() };
}
