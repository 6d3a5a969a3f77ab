// The box in which messages are written: grows with its text, sends on Enter, keeps a draft per conversation.
// Rule: Enter that belongs to an input method never sends. Some browsers end the composition before the key
//       event and say so only by keyCode 229, so both signs count.
// Does not know what becomes of a message once it is handed over.

import { h, icon, setAttributes, setText } from "./dom.js";
import { t } from "./i18n.js";
import { byteLength, tidyBody } from "./text.js";

/** The counter shows when less than this part of the limit is left. */
const NEAR = 0.1;
const IME_KEY = 229;

/**
 * @param {object} options
 * @param {number} options.limit in bytes
 * @param {import("./storage.js").Desk} options.desk keeps the drafts
 * @param {(conversationId: number, body: string) => void} options.onSend
 */
export function createComposer({ limit, desk, onSend }) {
  /** @type {number | null} */
  let openId = null;
  const box = h("textarea", { rows: 1, "aria-label": t("message"), "aria-describedby": "composer-counter",
    enterkeyhint: "send", autocomplete: "off", on: { input: changed, keydown } });
  const counter = h("p", { class: "counter", id: "composer-counter" });
  const button = h("button", { type: "submit", class: "send", title: t("send"), "aria-label": t("send") }, icon("send"));
  const element = h("form", { class: "composer", on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    send();
  } } }, counter, h("div", { class: "write" }, box, button));

  /** @param {KeyboardEvent} event */
  function keydown(event) {
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (event.isComposing || event.keyCode === IME_KEY) return;
    event.preventDefault();
    send();
  }

  function send() {
    const body = tidyBody(box.value);
    if (openId === null || !body || byteLength(body) > limit) return box.focus();
    onSend(openId, body);
    box.value = "";
    changed();
    box.focus();
  }

  function changed() {
    if (openId !== null) desk.saveDraft(openId, box.value);
    const body = tidyBody(box.value);
    const left = limit - byteLength(body);
    setText(counter, left < 0 ? t("too_long", { count: -left }) : left < limit * NEAR ? t("bytes_left", { count: left }) : "");
    setAttributes(counter, { "data-over": left < 0 ? true : null });
    setAttributes(button, { "aria-disabled": String(!body || left < 0) });
    fit();
  }

  function fit() {
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }

  const resized = new ResizeObserver(fit);
  resized.observe(element);

  /** Takes up the draft of another conversation. @param {number | null} id @param {string} name */
  function open(id, name) {
    box.placeholder = t("write_to", { name });
    if (id === openId) return;
    openId = id;
    box.value = id === null ? "" : desk.draft(id);
    changed();
  }

  return { element, open, focus: () => box.focus(), close: () => resized.disconnect() };
}
