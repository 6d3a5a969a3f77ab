// Lays out the left column as a flat list: requests, people, groups, and what a search has found.
// Knows no DOM; the view shows the items as they are.

import { shortTime, t } from "./i18n.js";
import { author, partner, standing, typists } from "./selectors.js";
import { fold } from "./text.js";
import { nameOf, titleOf, typingText } from "./view-people.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").User} User
 * @typedef {import("./state.js").Conversation} Conversation
 * @typedef {import("./dom.js").Item} Item
 * @typedef {"online" | "offline" | "groups" | "former"} Section
 */

const { compare } = new Intl.Collator();

/** Everything in the list, top to bottom, in the order it should have. @param {State} state @returns {Item[]} */
export function rosterItems(state) {
  const now = Date.now();
  const query = fold(state.query.trim());
  /** @param {...string} texts */
  const matches = (...texts) => !query || texts.some((text) => fold(text).includes(query));

  /** @type {Record<Section, Item[]>} */
  const talks = { online: [], offline: [], groups: [], former: [] };
  const shown = new Set();
  for (const conversation of state.conversations.values()) {
    const user = partner(state, conversation);
    if (!matches(titleOf(state, conversation), user?.name ?? "")) continue;
    const section = sectionOf(state, conversation, user);
    if (!section) continue;
    if (user) shown.add(user.id);
    talks[section].push(row(state, conversation, user, section === "former", now));
  }
  for (const rows of Object.values(talks)) rows.sort((a, b) => b.newest - a.newest || compare(a.name, b.name));

  /** @type {Record<string, Item[]>} */
  const others = { incoming: [], outgoing: [], blocked: [] };
  for (const { user, state: which } of state.friends.values()) {
    if (which === "friends" || !matches(nameOf(user), user.name)) continue;
    if (which === "blocked" && shown.has(user.id)) continue;
    others[which].push({ key: `${which} ${user.id}`, kind: which, user });
  }
  return [
    ...section("requests", [...others.incoming, ...others.outgoing]),
    ...section("online_section", talks.online),
    ...section("offline_section", talks.offline),
    ...section("groups", talks.groups),
    ...section("former", talks.former),
    ...section("blocked_section", others.blocked),
    ...found(state, now),
  ];
}

/** Where a conversation stands; nowhere if it is with a stranger and empty.
 * @param {State} state @param {Conversation} conversation @param {User | null} user @returns {Section | ""} */
function sectionOf(state, conversation, user) {
  if (!user) return "groups";
  if (standing(state, user.id) === "friends") return user.online ? "online" : "offline";
  return conversation.last_message ? "former" : "";
}

/** @param {State} state @param {Conversation} conversation @param {User | null} user @param {boolean} former
 * @param {number} now @returns {Item} */
function row(state, conversation, user, former, now) {
  const { id, last_message: last, unread } = conversation;
  const typing = typists(state, conversation, now);
  return {
    key: `talk ${id}`,
    kind: "row",
    user,
    name: titleOf(state, conversation),
    online: user && !former ? Boolean(user.online) : undefined,
    conversationId: id,
    current: id === state.openId,
    typing: typing.length > 0,
    text: typing.length ? typingText(typing, !user) : lastText(state, conversation),
    time: last ? shortTime(last.sent_at, now) : "",
    unread,
    newest: last?.id ?? 0,
  };
}

/** @param {State} state @param {Conversation} conversation */
function lastText(state, conversation) {
  const last = conversation.last_message;
  if (!last) return "";
  const text = last.deleted_at ? t("message_deleted") : last.body;
  if (last.sender_id === state.me?.id) return t("you", { text });
  const user = conversation.kind === "group" && author(state, conversation, last.sender_id);
  return user ? `${nameOf(user)}: ${text}` : text;
}

/** The messages that a search has found. @param {State} state @param {number} now @returns {Item[]} */
function found(state, now) {
  const { search, conversations } = state;
  if (!search) return [];
  const hits = search.messages.flatMap(({ id, conversation_id, sender_id, sent_at, body }) => {
    const conversation = conversations.get(conversation_id);
    if (!conversation) return [];
    const user = author(state, conversation, sender_id);
    return [{ key: `hit ${id}`, kind: "hit", conversationId: conversation_id, messageId: id, body, query: search.query,
      name: titleOf(state, conversation), sender: user ? nameOf(user) : "", time: shortTime(sent_at, now) }];
  });
  return [...section("messages", hits), ...(search.more ? [{ key: "more", kind: "more" }] : [])];
}

/** @param {import("./i18n.js").Word} word @param {Item[]} items @returns {Item[]} */
const section = (word, items) =>
  items.length ? [{ key: `section ${word}`, kind: "section", title: t(word), count: items.length }, ...items] : [];
