// Shows the right column: whom one is talking to, and what can be done about the friendship.
// Does not know how a friendship ends: the callback does.

import { h, icon } from "./dom.js";
import { lastSeen, t } from "./i18n.js";
import { mayWrite, partner } from "./state.js";
import { avatar, nameOf } from "./view-list.js";

/**
 * @param {object} options
 * @param {() => void} options.onClose
 * @param {(userId: number) => Promise<void>} options.onUnfriend
 */
export function createDetails({ onClose, onUnfriend }) {
  const body = h("div", { class: "scroll" });
  const closeButton = h("button", { type: "button", class: "icon-button", title: t("close"), "aria-label": t("close"), on: { click: onClose } }, icon("close"));
  const element = h("aside", { class: "details", "aria-label": t("details"), hidden: true, on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && onClose(),
  } }, h("header", {}, h("h2", { text: t("details") }), closeButton), body);
  let shown = "";

  /** @param {import("./state.js").State} state */
  function update(state) {
    const conversation = state.openId === null ? undefined : state.conversations.get(state.openId);
    const other = conversation && partner(state, conversation);
    element.hidden = !state.panel || !other;
    if (!conversation || !other) return;
    const friend = mayWrite(state, conversation);
    const presence = !friend ? "" : other.online ? t("online") : lastSeen(other.last_seen_at, Date.now());
    const now = JSON.stringify([other, friend, presence]);
    if (now === shown) return;
    shown = now;
    body.replaceChildren(
      h("div", { class: "person-card" }, avatar(other, friend ? Boolean(other.online) : undefined),
        h("strong", { text: nameOf(other) }),
        !other.deleted && h("span", { class: "handle", text: `@${other.name}` }),
        presence && h("span", { class: "presence", "data-online": Boolean(other.online), text: presence })),
      friend ? unfriend(other) : "");
  }

  /** Asks once more before it happens. @param {import("./state.js").User} user */
  function unfriend(user) {
    const ask = h("button", { type: "button", class: "danger", text: t("unfriend"), on: { click: () => {
      place.replaceChildren(h("p", { text: t("unfriend_ask", { name: nameOf(user) }) }), h("div", { class: "buttons" }, sure, cancel));
      cancel.focus();
    } } });
    const sure = h("button", { type: "button", class: "danger", text: t("unfriend"), on: { click: async () => {
      sure.disabled = true;
      await onUnfriend(user.id);
      sure.disabled = false;
    } } });
    const cancel = h("button", { type: "button", class: "secondary", text: t("cancel"), on: { click: () => {
      place.replaceChildren(ask);
      ask.focus();
    } } });
    const place = h("div", { class: "ending" }, ask);
    return place;
  }

  return { element, update, focus: () => closeButton.focus() };
}
