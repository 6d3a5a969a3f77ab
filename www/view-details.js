// Shows the right column: the other person, or who is in the group, and what can be done about them.
// Does not know how it is done: the actions do, and the next state says how it went.

import { button, h } from "./dom.js";
import { lastSeen, t } from "./i18n.js";
import { openConversation, ownMember, partner, standing } from "./selectors.js";
import { twice } from "./view-field.js";
import { createMembers } from "./view-members.js";
import { avatar, card, iconButton, nameOf } from "./view-people.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").User} User
 * @typedef {import("./state.js").Conversation} Conversation
 * @param {object} options
 * @param {() => void} options.onClose
 * @param {import("./actions.js").Actions} options.actions
 */
export function createDetails({ onClose, actions: { people, groups } }) {
  const body = h("div", { class: "scroll" });
  const top = h("div", {});
  const closeButton = iconButton("close", t("close"), { on: { click: onClose } });
  const element = h("aside", { class: "details", "aria-label": t("details"), hidden: true, on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && !event.isComposing && onClose(),
  } }, h("header", {}, h("h2", { text: t("details") }), closeButton), body);
  /** What is shown: for a person what can be done about them, for a group which one and whether the user owns it. */
  let shown = "";
  /** @type {ReturnType<typeof createMembers> | undefined} */
  let members;

  /** @param {State} state */
  function update(state) {
    const conversation = openConversation(state);
    element.hidden = !state.panel || !conversation;
    if (!conversation || element.hidden) return;
    const other = partner(state, conversation);
    if (other) return person(state, other);
    const owner = ownMember(state, conversation)?.role === "owner";
    const key = `group ${conversation.id} ${owner}`;
    if (key !== shown) members = createMembers(conversation.id, owner, groups);
    if (key !== shown && members) body.replaceChildren(members.element);
    shown = key;
    members?.update(state, conversation);
  }

  /** @param {State} state @param {User} other */
  function person(state, other) {
    const which = standing(state, other.id);
    const friend = which === "friends";
    const presence = !friend ? "" : other.online ? t("online") : lastSeen(other.last_seen_at, Date.now());
    const key = JSON.stringify([other.id, other.display_name, other.deleted, which]);
    // A question that is being asked must not go away because somebody came or went.
    if (key !== shown) body.replaceChildren(top, other.deleted ? "" : ways(other, which));
    shown = key;
    top.replaceChildren(card(avatar(other, friend ? Boolean(other.online) : undefined), nameOf(other),
      other.deleted ? "" : `@${other.name}`,
      presence && h("span", { class: "presence", "data-online": Boolean(other.online), text: presence })));
  }

  /** What can be done about somebody. @param {User} other @param {ReturnType<typeof standing>} which */
  function ways({ id, name, display_name }, which) {
    const named = { name: display_name };
    const friendship = which === "friends" ? twice("unfriend", t("unfriend_ask", named), () => people.remove(id))
      : which ? "" : button("secondary", t("ask_again"), () => people.askAgain(name));
    const blocking = which === "blocked" ? button("secondary", t("unblock"), () => people.unblock(id))
      : twice("block", t("block_ask", named), () => people.block(id));
    return h("div", { class: "ending" }, friendship, blocking);
  }

  return { element, update, focus: () => closeButton.focus() };
}
