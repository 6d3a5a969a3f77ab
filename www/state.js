// Holds what the page knows as one plain value, and says how events and actions turn it into the next.
// Knows no DOM, no network and no clock: everything comes in by `reduce(state, action)`, nothing is changed in place.

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
 * @typedef {object} Thread what is loaded of one conversation's messages
 * @property {Message[]} messages by growing id, without holes
 * @property {boolean} more whether the server has older ones
 * @property {"none" | "loading" | "loaded" | "failed"} load
 * @property {number | null} dividerAfter the "New messages" line stands after this id
 *
 * @typedef {object} Pending a message that the server has not confirmed
 * @property {string} nonce
 * @property {number} conversation_id
 * @property {string} body
 * @property {number} written_at
 * @property {"sending" | "failed"} state
 * @property {string} [code] why it failed
 *
 * @typedef {object} State
 * @property {boolean} ready whether the first snapshot has come
 * @property {boolean} missing whether an event spoke of a conversation that is not known
 * @property {User | null} me
 * @property {Map<number, Friend>} friends by user id
 * @property {Map<number, Conversation>} conversations
 * @property {Map<number, Thread>} threads
 * @property {Pending[]} pending in the order of writing
 * @property {number | null} openId the conversation on screen
 * @property {boolean} visible whether the page is
 * @property {boolean} panel whether the details are shown
 * @property {string} query what the list is filtered by
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
  openId: null,
  visible: true,
  panel: false,
  query: "",
  connection: { state: "idle", lostAt: 0, retryAt: 0 },
});

/** @type {Thread} */
const NO_THREAD = { messages: [], more: false, load: "none", dividerAfter: null };

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
      return open(state, action.id);
    case "thread_loading":
      return changeThread(state, action.id, { load: "loading" });
    case "thread_failed":
      return changeThread(state, action.id, { load: "failed" });
    case "thread_page":
      return addPage(state, action);
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
      return { ...state, conversations:
        withEntry(state.conversations, action.conversation.id, action.conversation) };
    case "conversation_removed":
      return { ...state, conversations: without(state.conversations, action.conversation_id),
        threads: without(state.threads, action.conversation_id) };
    default:
      return state;
  }
}

/** The other person of a direct conversation, as fresh as the friends list has them.
 * @param {State} state @param {Conversation} conversation @returns {User | null} */
export function partner(state, conversation) {
  if (conversation.kind !== "direct") return null;
  const member = conversation.members.find((m) => m.user.id !== state.me?.id);
  return member ? state.friends.get(member.user.id)?.user ?? member.user : null;
}

/** @param {State} state @param {Conversation} conversation */
export function mayWrite(state, conversation) {
  const other = partner(state, conversation);
  return !other || state.friends.get(other.id)?.state === "friends";
}

/** How far the message of one's own has come, by the marks of all others.
 * @param {State} state @param {Conversation} conversation @param {Message} message
 * @returns {"sent" | "delivered" | "read"} */
export function receipt(state, conversation, message) {
  const others = conversation.members.filter((m) => m.user.id !== state.me?.id);
  if (!others.length) return "sent";
  if (others.every((m) => (m.last_read_id ?? 0) >= message.id)) return "read";
  if (others.every((m) => reached(m) >= message.id)) return "delivered";
  return "sent";
}

/** @param {State} state */
export function unreadTotal(state) {
  let total = 0;
  for (const conversation of state.conversations.values()) total += conversation.unread;
  return total;
}

/** @param {Member} member */
const reached = (member) => Math.max(member.last_read_id ?? 0, member.last_delivered_id ?? 0);

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
  return state.openId === null ? next : open(next, state.openId);
}

/** Shows a conversation; the divider stands where one's reading had ended.
 * @param {State} state @param {number | null} id @returns {State} */
function open(state, id) {
  const next = { ...state, openId: id };
  const conversation = id === null ? undefined : state.conversations.get(id);
  if (!conversation) return next;
  const thread = state.threads.get(conversation.id);
  if (state.openId === id && thread && thread.dividerAfter !== null) return next;
  const dividerAfter = conversation.unread ? ownMark(state, conversation) : null;
  return changeThread(next, conversation.id, { dividerAfter });
}

/** @param {State} state @param {any} page @returns {State} */
function addPage(state, { id, messages, more }) {
  const thread = state.threads.get(id) ?? NO_THREAD;
  /** @type {Map<number, Message>} */
  const known = new Map(messages.map((/** @type {Message} */ m) => [m.id, m]));
  for (const message of thread.messages) known.set(message.id, message);
  return changeThread(state, id, {
    messages: [...known.values()].sort((a, b) => a.id - b.id),
    more,
    load: "loaded",
  });
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

  const thread = state.threads.get(conversation.id);
  if (!thread) return next;
  const messages = thread.messages.filter((m) => m.id !== message.id);
  const after = messages.findLastIndex((m) => m.id < message.id) + 1;
  messages.splice(after, 0, message);
  const unseen = counts && !state.visible && conversation.unread === 0;
  const dividerAfter = mine ? null : unseen ? mark : thread.dividerAfter;
  return changeThread(next, conversation.id, { messages, dividerAfter });
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

/** Counts what is loaded; where that does not reach back far enough the old count is the best known.
 * @param {State} state @param {Conversation} conversation @param {number} mark */
function unreadAfter(state, conversation, mark) {
  const messages = state.threads.get(conversation.id)?.messages ?? [];
  if (!messages.length || messages[0].id > mark) return conversation.unread;
  return messages.filter((m) => m.id > mark && m.sender_id !== state.me?.id && !m.deleted_at).length;
}

/** @param {State} state @param {number} userId @param {Partial<User>} change @returns {State} */
function changeUser(state, userId, change) {
  let { friends, conversations, me } = state;
  const friend = friends.get(userId);
  if (friend) friends = withEntry(friends, userId, { ...friend, user: { ...friend.user, ...change } });
  if (me?.id === userId) me = { ...me, ...change };
  for (const conversation of conversations.values()) {
    if (!conversation.members.some((m) => m.user.id === userId)) continue;
    const members = conversation.members.map((m) => m.user.id === userId
      ? { ...m, user: { ...m.user, ...change } } : m);
    conversations = withEntry(conversations, conversation.id, { ...conversation, members });
  }
  return { ...state, friends, conversations, me };
}

/** Friends have a conversation; where its own event is still to come an empty one stands in.
 * @param {State} state @param {Friend} friend @returns {State} */
function setFriend(state, friend) {
  const next = { ...state, friends: withEntry(state.friends, friend.user.id, friend) };
  const id = friend.conversation_id;
  if (id === null || state.conversations.has(id) || !state.me) return next;
  const members = [state.me, friend.user].map((user) => ({ user, role: "member" }));
  return setConversation(next,
    { id, kind: "direct", title: null, members, last_message: null, unread: 0 });
}

/** @param {State} state @param {Conversation} conversation */
export const ownMark = (state, conversation) =>
  conversation.members.find((m) => m.user.id === state.me?.id)?.last_read_id ?? 0;

/** @param {Member[]} members @param {number} userId @param {number} id
 * @param {"last_read_id" | "last_delivered_id"} field */
const raiseMark = (members, userId, id, field) =>
  members.map((m) => m.user.id === userId && (m[field] ?? 0) < id ? { ...m, [field]: id } : m);

/** @param {State} state @param {Conversation} conversation @returns {State} */
const setConversation = (state, conversation) =>
  ({ ...state, conversations: withEntry(state.conversations, conversation.id, conversation) });

/** @param {State} state @param {number} id @param {Partial<Thread>} change @returns {State} */
const changeThread = (state, id, change) =>
  ({ ...state, threads: withEntry(state.threads, id,
    { ...(state.threads.get(id) ?? NO_THREAD), ...change }) });

/** @template V @param {Map<number, V>} map @param {number} key @param {V} value */
const withEntry = (map, key, value) => new Map(map).set(key, value);

/** @template V @param {Map<number, V>} map @param {number} key */
function without(map, key) {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/** @param {Conversation[]} list */
const byId = (list) => new Map(list.map((conversation) => [conversation.id, conversation]));
