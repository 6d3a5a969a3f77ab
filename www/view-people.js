// Shows who people and groups are: their faces and their names.
// Knows nothing of where they are shown.

import { h, icon, setAttributes } from "./dom.js";
import { t } from "./i18n.js";
import { partner } from "./selectors.js";
import { hue, initial } from "./text.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").User} User
 * @typedef {import("./state.js").Conversation} Conversation
 */

/** @param {User} user */
export const nameOf = (user) => (user.deleted ? t("deleted_account") : user.display_name);

/** @param {State} state @param {Conversation} conversation */
export function titleOf(state, conversation) {
  const other = partner(state, conversation);
  return other ? nameOf(other) : conversation.title ?? "";
}

/** @param {User} user @param {boolean} [online] undefined shows no presence */
export function avatar(user, online) {
  const element = face(user.id, user.deleted ? "–" : initial(user.display_name));
  if (online !== undefined) element.append(h("span", { class: "dot", "data-online": online }));
  return element;
}

/** Whether somebody is there, as their face shows it; undefined shows nothing.
 * @param {Element} portrait with a dot @param {boolean | undefined} online */
export const showOnline = (portrait, online) => setAttributes(/** @type {Element} */ (portrait.lastElementChild),
  { "data-online": online, hidden: online === undefined });

/** Of a group. @param {{id: number, title: string | null}} conversation */
export const conversationFace = ({ id, title }) => face(-id, initial(title ?? ""), true);

/** @param {number} id @param {string} letter @param {boolean} [group] */
function face(id, letter, group = false) {
  const element = h("span", { class: "avatar", "aria-hidden": "true", "data-group": group || null, text: letter });
  element.style.setProperty("--hue", String(hue(id)));
  return element;
}

/** Who somebody is, at the head of the details. @param {HTMLElement} portrait @param {string} name
 * @param {string} handle @param {...(Node | string)} more */
export const card = (portrait, name, handle, ...more) => h("div", { class: "person-card" }, portrait,
  h("strong", { text: name }), handle && h("span", { class: "handle", text: handle }), ...more);

/** Somebody who can be chosen. @param {User} user @param {() => void} onChoose */
export const personButton = (user, onChoose) =>
  h("button", { type: "button", class: "person-button", on: { click: onChoose } }, avatar(user),
    h("span", { class: "who" }, h("strong", { text: nameOf(user) }), h("span", { text: `@${user.name}` })));

/** @param {User[]} users @param {boolean} named whether it must be said who */
export function typingText(users, named) {
  if (!named) return t("typing");
  return users.length > 1 ? t("several_typing") : t("one_typing", { name: nameOf(users[0]) });
}

/** A button that shows a picture instead of words. @param {string} name of its picture
 * @param {string} label @param {Record<string, any>} props */
export const iconButton = (name, label, { class: style = "", ...props }) => h("button", { type: "button",
  class: `icon-button ${style}`, title: label, "aria-label": label, ...props }, icon(name));
