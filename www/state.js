// Holds what the page knows as one plain value, and says how events and actions turn it into the next.
// Knows no DOM, no network and no clock: everything comes in by `reduce(state, action)`, nothing is changed in place.

import { ownMark } from "./selectors.js";
import { changeMessage, firstId, lastId, NO_THREAD, putMessage, takePage } from "./thread.js";

/** How many conversations keep their messages loaded, so that going back and forth between a few takes no time. */
const THREADS = 8;

/**
 * @typedef {{id: number, name: string, display_name: string, deleted?: boolean,
 *   online?: boolean, last_seen_at?: number | null}} User
 * @typedef {{id: number, conversation_id: number, sender_id: number, body: string, sent_at: number,
 *   edited_at: number | null, deleted_at: number | null, nonce?: string}} Message
 * @typedef {{user: User, state: "friends" | "incoming" | "outgoing" | "blocked",
 *   conversation_id: number | null}} Friend
 * @typedef {{user: User, role: string, last_read_id?: number, last_delivered_id?: number}} Member
 * @typedef {{id: number, kind: "direct" | "group", title: string | null, members: Member[],
 *   former_members?: User[], last_message: Message | null, unread: number}} Conversation
 *
 * @typedef {object} Pending a message that the server has not confirmed
 * @property {string} nonce
 * @property {number} conversation_id
 * @property {string} body
 * @property {number} written_at
 * @property {"sending" | "failed"} state
 * @property {string} [code] why it failed
 *
 * @typedef {{text: string, undo?: () => void}} Notice
 *
 * @typedef {object} Search for messages
 * @property {string} query
 * @property {"loading" | "loaded" | "failed"} load
 * @property {Message[]} messages the newest first
 * @property {boolean} more
 * @property {number} [before] where to go on
 *
 * @typedef {object} State
 * @property {boolean} ready whether the first snapshot has come
 * @property {boolean} missing whether an event spoke of something that is not known
 * @property {User | null} me
 * @property {Map<number, Friend>} friends by user id
 * @property {Map<number, Conversation>} conversations
 * @property {Map<number, import("./thread.js").Thread>} threads the last ones used
 * @property {Pending[]} pending in the order of writing
 * @property {Map<string, number>} typing until when, by conversation and user
 * @property {number | null} openId the conversation on screen
 * @property {number} aim the message to be shown in it, 0 for none
 * @property {string} left the title of a group that was on screen when one's membership ended
 * @property {Message | null} editing
 * @property {boolean} visible whether the page is
 * @property {boolean} panel whether the details are shown
 * @property {string} query what the list is filtered by
 * @property {Search | null} search
 * @property {Notice | null} notice what went wrong or well just now
 * @property {import("./poll.js").PollStatus} connection
 */

/** @returns {State} */
export const initialState = () => ({
  ready: false,
  missing: false,
  me: null,
  friends: new Map(),
  conversations: new Map(),
  threads: new Map(),
  pending: [],
  typing: new Map(),
  openId: null,
  aim: 0,
  left: "",
  editing: null,
  visible: true,
  panel: false,
  query: "",
  search: null,
  notice: null,
  connection: { state: "idle", lostAt: 0, retryAt: 0 },
});

/**
 * @param {State} state
 * @param {any} action `{type, …}`; unknown types change nothing
 * @returns {State}
 */
export function reduce(state, action) {
  switch (action.type) {
    case "snapshot":
      return takeSnapshot(state, action.snapshot);
    case "conversations":
      return { ...state, missing: false, conversations: byId(action.conversations) };
    case "set":
      return { ...state, ...action.change };
    case "open":
      return open(state, action.id, action.aim ?? 0);
    case "thread_loading":
      return changeThread(state, action.id, { load: "loading", side: action.side });
    case "thread_failed":
      return changeThread(state, action.id, { load: "failed" });
    case "thread_page":
      return addPage(state, action);
    case "scrolled":
      return changeThread(state, action.id, { atEnd: action.atEnd });
    case "search":
      return { ...state, query: action.text,
        search: action.query ? { query: action.query, load: "loading", messages: [], more: false } : null };
    case "search_page":
      return addHits(state, action);
    case "search_failed":
      return failSearch(state, action.query);
    case "pending":
      return { ...state, pending: [...state.pending, action.pending] };
    case "pending_state":
      return { ...state, pending: state.pending.map((p) => p.nonce === action.nonce
        ? { ...p, state: action.state, code: action.code } : p) };
    case "pending_dropped":
      return { ...state, pending: state.pending.filter((p) => p.nonce !== action.nonce) };

    // The server's events, by their own names.
    case "message":
      return addMessage(state, action.message);
    case "message_updated":
      return updateMessage(state, action.message);
    case "typing":
      return addTypist(state, action);
    case "read":
      return moveMark(state, action, "last_read_id");
    case "delivered":
      return moveMark(state, action, "last_delivered_id");
    case "presence":
      return changeUser(state, action.user_id,
        { online: action.online, last_seen_at: action.last_seen_at });
    case "user_updated":
      return changeUser(state, action.user.id, action.user);
    case "friend":
      return setFriend(state, action.friend);
    case "friend_removed":
      return { ...state, friends: without(state.friends, action.user_id) };
    case "conversation":
      return setConversation(state, action.conversation);
    case "conversation_removed":
      return removeConversation(state, action.conversation_id, action.back);
    default:
      return state;
  }
}

/** @param {State} state @param {any} snapshot @returns {State} */
function takeSnapshot(state, { user, friends, conversations }) {
  /** @type {Friend[]} */
  const list = friends;
  const next = {
    ...state,
    ready: true,
    missing: false,
    me: user,
    friends: new Map(list.map((friend) => [friend.user.id, friend])),
    conversations: byId(conversations),
  };
  return state.openId === null ? next : open(next, state.openId, state.aim);
}

/** Shows a conversation, at a message if one is aimed at; the divider stands where one's reading had ended.
 * @param {State} state @param {number | null} id @param {number} aim @returns {State} */
function open(state, id, aim) {
  const switched = state.openId !== id;
  const next = { ...state, openId: id, aim, ...(switched ? { left: "", editing: null } : {}) };
  const conversation = id === null ? undefined : state.conversations.get(id);
  if (!conversation) return next;
  const thread = state.threads.get(conversation.id);
  if (!switched && thread && thread.dividerAfter !== null) return next;
  const dividerAfter = conversation.unread ? ownMark(state, conversation) : null;
  // Coming back shows the newest even if the reader had scrolled far up.
  const change = { ...(switched && !aim && thread?.newer ? NO_THREAD : {}), dividerAfter, atEnd: true };
  return keepFew(changeThread(next, conversation.id, change), conversation.id);
}

/** Forgets the messages of conversations that have not been opened for long. @param {State} state @param {number} id
 * @returns {State} */
function keepFew(state, id) {
  const [thread, others] = [state.threads.get(id) ?? NO_THREAD, without(state.threads, id)];
  return { ...state, threads: new Map([...[...others].slice(-THREADS + 1), [id, thread]]) };
}

/** @param {State} state @param {{id: number} & import("./thread.js").Page} page @returns {State} */
function addPage(state, { id, ...page }) {
  const thread = takePage(state.threads.get(id) ?? NO_THREAD, page);
  // What came while the page was on its way, and was out of sight.
  const newer = thread.newer || (state.conversations.get(id)?.last_message?.id ?? 0) > lastId(thread);
  const next = changeThread(state, id, { ...thread, newer });
  // What was aimed at but is not there cannot be shown.
  return page.side === "around" && !thread.messages.some((m) => m.id === state.aim) ? { ...next, aim: 0 } : next;
}

/** @param {State} state @param {{query: string, messages: Message[], more: boolean, before?: number}} page
 * @returns {State} */
function addHits(state, { query, messages, more, before = messages.at(-1)?.id }) {
  if (state.search?.query !== query) return state;
  const all = [...state.search.messages, ...messages];
  return { ...state, search: { query, load: "loaded", messages: all, more, before } };
}

/** @param {State} state @param {string} query @returns {State} */
const failSearch = (state, query) =>
  state.search?.query === query ? { ...state, search: { ...state.search, load: "failed" } } : state;

/** Those whose time is up go.
 * @param {State} state @param {{conversation_id: number, user_id: number, now: number, until: number}} note
 * @returns {State} */
function addTypist(state, { conversation_id, user_id, now, until }) {
  const typing = [...state.typing].filter(([, end]) => end > now);
  return { ...state, typing: new Map([...typing, [`${conversation_id} ${user_id}`, until]]) };
}

/** The same message comes more than once (answer and event, replays): only its first coming counts.
 * @param {State} state @param {Message} message @returns {State} */
function addMessage(state, message) {
  const conversation = state.conversations.get(message.conversation_id);
  if (!conversation) return { ...state, missing: true };
  const mine = message.sender_id === state.me?.id;
  const mark = ownMark(state, conversation);
  const isNew = message.id > (conversation.last_message?.id ?? 0);
  const counts = isNew && !mine && message.id > mark && !message.deleted_at;
  let next = setConversation(state, {
    ...conversation,
    last_message: isNew ? message : conversation.last_message,
    unread: mine && isNew ? 0 : conversation.unread + (counts ? 1 : 0),
    members: raiseMark(conversation.members, message.sender_id, message.id, "last_read_id"),
  });
  if (mine) next = { ...next, pending: next.pending.filter((p) => p.nonce !== message.nonce) };
  // Whoever has sent it has stopped typing it.
  const typist = `${conversation.id} ${message.sender_id}`;
  if (state.typing.has(typist)) next = { ...next, typing: without(state.typing, typist) };

  const thread = state.threads.get(conversation.id);
  if (!thread) return next;
  const unseen = counts && !state.visible && conversation.unread === 0;
  const dividerAfter = mine ? null : unseen ? mark : thread.dividerAfter;
  return changeThread(next, conversation.id, { ...putMessage(thread, message), dividerAfter });
}

/** A message was edited or deleted. @param {State} state @param {Message} message @returns {State} */
function updateMessage(state, message) {
  const conversation = state.conversations.get(message.conversation_id);
  if (!conversation) return { ...state, missing: true };
  const last = conversation.last_message;
  const thread = state.threads.get(conversation.id) ?? NO_THREAD;
  const before = thread.messages.find((m) => m.id === message.id) ?? (last?.id === message.id ? last : undefined);
  const counted = message.sender_id !== state.me?.id && message.id > ownMark(state, conversation);
  const lost = counted && message.deleted_at && !before?.deleted_at;
  const next = setConversation(state, {
    ...conversation,
    last_message: last?.id === message.id ? { ...last, ...message } : last,
    unread: Math.max(0, conversation.unread - (before && lost ? 1 : 0)),
  });
  const known = { ...next,
    missing: state.missing || Boolean(!before && lost),
    editing: state.editing?.id === message.id && message.deleted_at ? null : state.editing };
  if (!state.threads.has(conversation.id)) return known;
  return changeThread(known, conversation.id, changeMessage(thread, message));
}

/** @param {State} state @param {any} event @param {"last_read_id" | "last_delivered_id"} field
 * @returns {State} */
function moveMark(state, { conversation_id, user_id, message_id }, field) {
  const conversation = state.conversations.get(conversation_id);
  if (!conversation) return state;
  const members = raiseMark(conversation.members, user_id, message_id, field);
  const own = user_id === state.me?.id && field === "last_read_id";
  const all = message_id >= (conversation.last_message?.id ?? 0);
  const unread = !own ? conversation.unread : all ? 0 : unreadAfter(state, conversation, message_id);
  return setConversation(state, { ...conversation, members, unread });
}

/** Counts what is loaded; if that does not reach back far enough the old count is the best there is.
 * @param {State} state @param {Conversation} conversation @param {number} mark */
function unreadAfter(state, conversation, mark) {
  const thread = state.threads.get(conversation.id);
  if (!thread?.messages.length || thread.newer || firstId(thread) > mark) return conversation.unread;
  return thread.messages.filter((m) => m.id > mark && m.sender_id !== state.me?.id && !m.deleted_at).length;
}

/** @param {State} state @param {number} userId @param {Partial<User>} change @returns {State} */
function changeUser(state, userId, change) {
  /** @param {User} user */
  const renew = (user) => (user.id === userId ? { ...user, ...change } : user);
  const friend = state.friends.get(userId);
  const friends = friend ? withEntry(state.friends, userId, { ...friend, user: renew(friend.user) }) : state.friends;
  const conversations = new Map(state.conversations);
  for (const conversation of conversations.values()) {
    const former = conversation.former_members ?? [];
    if (![...conversation.members.map(({ user }) => user), ...former].some(({ id }) => id === userId)) continue;
    const members = conversation.members.map((m) => ({ ...m, user: renew(m.user) }));
    conversations.set(conversation.id, { ...conversation, members, former_members: former.map(renew) });
  }
  return { ...state, friends, conversations, me: state.me && renew(state.me) };
}

/** Friends have a conversation; if its own event is still to come an empty one stands in.
 * @param {State} state @param {Friend} friend @returns {State} */
function setFriend(state, friend) {
  const next = { ...state, friends: withEntry(state.friends, friend.user.id, friend) };
  const id = friend.conversation_id;
  if (id === null || state.conversations.has(id) || !state.me) return next;
  const members = [state.me, friend.user].map((user) => ({ user, role: "member" }));
  return setConversation(next,
    { id, kind: "direct", title: null, members, last_message: null, unread: 0 });
}

/** @param {Member[]} members @param {number} userId @param {number} id
 * @param {"last_read_id" | "last_delivered_id"} field */
const raiseMark = (members, userId, id, field) =>
  members.map((m) => m.user.id === userId && (m[field] ?? 0) < id ? { ...m, [field]: id } : m);

/** @param {State} state @param {Conversation} conversation @returns {State} */
const setConversation = (state, conversation) =>
  ({ ...state, conversations: withEntry(state.conversations, conversation.id, conversation) });

/** One is no longer a member; or is again, and then what is still to be sent is sent.
 * @param {State} state @param {number} id @param {boolean} [back] @returns {State} */
function removeConversation(state, id, back) {
  if (!state.conversations.has(id)) return state;
  const conversations = without(state.conversations, id);
  const threads = without(state.threads, id);
  if (back) return { ...state, conversations, threads };
  const left = state.openId === id ? state.conversations.get(id)?.title ?? "" : state.left;
  return { ...state, conversations, threads, left, pending: state.pending.filter((p) => p.conversation_id !== id) };
}

/** @param {State} state @param {number} id @param {Partial<import("./thread.js").Thread>} change @returns {State} */
const changeThread = (state, id, change) =>
  ({ ...state, threads: withEntry(state.threads, id,
    { ...(state.threads.get(id) ?? NO_THREAD), ...change }) });

/** @template K, V @param {Map<K, V>} map @param {K} key @param {V} value */
const withEntry = (map, key, value) => new Map(map).set(key, value);

/** @template K, V @param {Map<K, V>} map @param {K} key */
function without(map, key) {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/** @param {Conversation[]} list */
const byId = (list) => new Map(list.map((conversation) => [conversation.id, conversation]));
