// Shows the middle column: who is there, the log, and the composer, or why writing is not possible.
// Does not know what is in the log or the composer, which have files of their own.

import { button, h, icon, setAttributes, setText } from "./dom.js";
import { lastSeen, t } from "./i18n.js";
import { mayWrite, openConversation, partner, standing, typists } from "./selectors.js";
import { avatar, conversationFace, iconButton, nameOf, titleOf, typingText } from "./view-people.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Conversation} Conversation
 * @param {object} options
 * @param {ReturnType<typeof import("./view-log.js").createLog>} options.log
 * @param {ReturnType<typeof import("./view-composer.js").createComposer>} options.composer
 * @param {() => void} options.onBack
 * @param {() => void} options.onDetails
 * @param {(userId: number) => void} options.onUnblock
 */
export function createConversation({ log, composer, onBack, onDetails, onUnblock }) {
  const place = h("div", { class: "face" });
  const title = h("h2", {});
  const presence = h("p", { class: "presence" });
  const locked = h("div", { class: "locked", hidden: true });
  const infoButton = iconButton("info", t("details"), { "aria-expanded": "false", on: { click: onDetails } });
  const open = h("section", { class: "open", hidden: true },
    h("header", {}, iconButton("back", t("back"), { class: "back", on: { click: onBack } }),
      place, h("div", { class: "who" }, title, presence), infoButton),
    log.element, locked, composer.element);
  const invitation = h("strong", {});
  const hint = h("p", {});
  const nothing = h("div", { class: "nothing" }, icon("talk"), invitation, hint);
  const element = h("main", { class: "conversation", on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && !event.isComposing && !open.hidden && onBack(),
  } }, nothing, open);

  /** @param {State} state */
  function update(state) {
    const conversation = openConversation(state);
    open.hidden = !conversation;
    nothing.hidden = Boolean(conversation);
    if (!conversation) return invite(state);
    head(state, conversation);
    log.update(state, conversation);
  }

  /** @param {State} state */
  function invite(state) {
    const alone = !state.conversations.size;
    setText(invitation, state.left ? t("left", { title: state.left })
      : alone ? t("welcome", { name: state.me?.display_name ?? "" }) : t("choose"));
    setText(hint, t(alone ? "welcome_hint" : "choose_hint"));
  }

  /** @param {State} state @param {Conversation} conversation */
  function head(state, conversation) {
    const other = partner(state, conversation);
    const writable = mayWrite(state, conversation);
    const friend = other && writable;
    setText(title, titleOf(state, conversation));
    const face = other ? avatar(other, friend ? Boolean(other.online) : undefined) : conversationFace(conversation);
    place.replaceChildren(face);
    const typing = typists(state, conversation, Date.now());
    setText(presence, typing.length ? typingText(typing, !other) : other
      ? friend ? (other.online ? t("online") : lastSeen(other.last_seen_at, Date.now())) : ""
      : t("member_count", { count: conversation.members.length }));
    setAttributes(presence, { "data-online": Boolean(typing.length || (friend && other.online)) });
    setAttributes(infoButton, { "aria-expanded": String(state.panel) });
    locked.hidden = writable;
    composer.element.hidden = !writable;
    if (other && !writable) lock(other, standing(state, other.id) === "blocked");
  }

  /** Says why writing is not possible. @param {import("./state.js").User} other @param {boolean} blocked */
  function lock(other, blocked) {
    const name = nameOf(other);
    const why = other.deleted ? t("account_deleted") : t(blocked ? "you_blocked" : "not_friends", { name });
    if (locked.firstChild?.textContent === why) return;
    locked.replaceChildren(h("p", { text: why }),
      blocked ? button("link", t("unblock"), () => onUnblock(other.id)) : "");
  }

  return { element, update, focus: () => infoButton.focus() };
}
