// Answers what views ask about the state: who is meant, what may be done, how far a message has come.
// Changes nothing and keeps nothing.

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Conversation} Conversation
 * @typedef {import("./state.js").User} User
 */

/** The conversation on screen. @param {State} state */
export const openConversation = ({ openId, conversations }) =>
  openId === null ? undefined : conversations.get(openId);

/** The other person of a direct conversation, as fresh as the friends list has them.
 * @param {State} state @param {Conversation} conversation @returns {User | null} */
export function partner(state, conversation) {
  if (conversation.kind !== "direct") return null;
  const member = conversation.members.find((m) => m.user.id !== state.me?.id);
  return member ? state.friends.get(member.user.id)?.user ?? member.user : null;
}

/** What somebody is to the user; undefined if nothing. @param {State} state @param {number} userId */
export const standing = (state, userId) => state.friends.get(userId)?.state;

/** @param {State} state @param {Conversation} conversation */
export function mayWrite(state, conversation) {
  const other = partner(state, conversation);
  return !other || standing(state, other.id) === "friends";
}

/** @param {State} state @param {Conversation} conversation */
export const ownMember = (state, conversation) => conversation.members.find((m) => m.user.id === state.me?.id);

/** How far one has read. @param {State} state @param {Conversation} conversation */
export const ownMark = (state, conversation) => ownMember(state, conversation)?.last_read_id ?? 0;

/** How far one's own message has come, by the marks of all others.
 * @param {State} state @param {Conversation} conversation @param {{id: number}} message
 * @returns {"sent" | "delivered" | "read"} */
export function receipt(state, conversation, message) {
  const others = conversation.members.filter((m) => m.user.id !== state.me?.id);
  if (!others.length) return "sent";
  if (others.every((m) => (m.last_read_id ?? 0) >= message.id)) return "read";
  if (others.every((m) => Math.max(m.last_read_id ?? 0, m.last_delivered_id ?? 0) >= message.id)) return "delivered";
  return "sent";
}

/** Whoever wrote a message, including those who have left. @param {State} state @param {Conversation} conversation
 * @param {number | undefined} userId @returns {User | undefined} */
export function author(state, conversation, userId) {
  if (userId === state.me?.id) return state.me ?? undefined;
  return conversation.members.find((m) => m.user.id === userId)?.user
    ?? conversation.former_members?.find((user) => user.id === userId);
}

/** Who is writing just now. @param {State} state @param {Conversation} conversation @param {number} now */
export function typists(state, conversation, now) {
  const users = conversation.members.map(({ user }) => user);
  return users.filter((user) => (state.typing.get(`${conversation.id} ${user.id}`) ?? 0) > now);
}

/** The newest message of one's own that can be edited. @param {State} state @returns {number | null} */
export function lastOwn({ openId, threads, me }) {
  const messages = threads.get(openId ?? 0)?.messages ?? [];
  return messages.findLast((message) => message.sender_id === me?.id && !message.deleted_at)?.id ?? null;
}

/** @param {State} state */
export function unreadTotal(state) {
  let total = 0;
  for (const conversation of state.conversations.values()) total += conversation.unread;
  return total;
}
