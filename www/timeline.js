// Lays out a conversation as a flat list, top to bottom: days, the "New messages" line, messages.
// Knows no DOM; the view shows the items as they are. Also decides which messages form one group.

import { receipt } from "./selectors.js";
import { firstId } from "./thread.js";

/** Messages of one sender closer than this stand together. */
const GROUP_MS = 5 * 60_000;

/**
 * @typedef {object} TimelineItem
 * @property {string} key
 * @property {"day" | "divider" | "message"} kind
 * @property {number} at
 * @property {number} [id] of a message that the server has
 * @property {string} [nonce] of a message that it has not confirmed
 * @property {string} [body]
 * @property {boolean} [edited]
 * @property {boolean} [deleted]
 * @property {boolean} [own]
 * @property {number} [senderId]
 * @property {boolean} [first] of its group
 * @property {boolean} [last] of its group
 * @property {"" | "sending" | "failed" | "sent" | "delivered" | "read"} [mark]
 * @property {string} [code] why it failed
 */

/**
 * @param {import("./state.js").State} state
 * @param {import("./state.js").Conversation} conversation
 * @returns {TimelineItem[]}
 */
export function timeline(state, conversation) {
  const thread = state.threads.get(conversation.id);
  /** @type {TimelineItem[]} */
  const items = [];
  let day = "";
  // If reading ended further up than what is loaded, there is no line to be seen.
  let divided = !thread || thread.dividerAfter === null || (thread.older && firstId(thread) > thread.dividerAfter);
  /** @type {TimelineItem | null} */
  let previous = null;

  /** @param {TimelineItem} item */
  const add = (item) => {
    const itsDay = new Date(item.at).toDateString();
    if (itsDay !== day) {
      day = itsDay;
      previous = null;
      items.push({ key: `day ${day}`, kind: "day", at: item.at });
    }
    const divides = !divided && !item.own && (item.id ?? 0) > (thread?.dividerAfter ?? 0);
    if (divides) {
      divided = true;
      previous = null;
      items.push({ key: "divider", kind: "divider", at: item.at });
    }
    item.first = !previous || previous.senderId !== item.senderId || item.at - previous.at > GROUP_MS;
    item.last = true;
    if (!item.first && previous) previous.last = false;
    items.push(item);
    previous = item;
  };

  for (const message of thread?.messages ?? []) {
    const own = message.sender_id === state.me?.id;
    add({
      key: message.nonce ? `n ${message.nonce}` : `m ${message.id}`,
      kind: "message",
      at: message.sent_at,
      id: message.id,
      nonce: "",
      body: message.body,
      edited: message.edited_at !== null,
      deleted: message.deleted_at !== null,
      own,
      senderId: message.sender_id,
      mark: own ? receipt(state, conversation, message) : "",
    });
  }
  for (const { nonce, conversation_id, body, written_at, state: mark, code } of thread?.newer ? [] : state.pending) {
    if (conversation_id !== conversation.id) continue;
    const at = Math.max(written_at, items.at(-1)?.at ?? 0);
    const senderId = state.me?.id;
    add({ key: `n ${nonce}`, kind: "message", at, id: 0, nonce, body, own: true, senderId, mark, code });
  }
  return items;
}
