// Holds what is loaded of one conversation: a window of messages without holes, of bounded length.
// Pages join it on either side and push out what is furthest from them; the server has the rest.
// Knows no DOM and no network; everything comes in as arguments, nothing is changed in place.

/** @typedef {import("./state.js").Message} Message */

/** Several screens of the largest kind, and a page or two on either side. */
export const WINDOW = 240;

/**
 * @typedef {"newest" | "older" | "newer" | "around"} Side which messages are asked for
 * @typedef {object} Thread
 * @property {Message[]} messages by growing id
 * @property {boolean} older whether the server has older ones
 * @property {boolean} newer whether the server has newer ones, so that what is said now is out of sight
 * @property {"none" | "loading" | "loaded" | "failed"} load
 * @property {Side} side what is being loaded, or could not be
 * @property {boolean} atEnd whether the reader is at the end of the window
 * @property {number | null} dividerAfter the "New messages" line stands after this id
 *
 * @typedef {{side: Side, messages: Message[], more: boolean, newer?: boolean}} Page
 *   `more` on the side asked for; around a message also `newer`
 */

/** @type {Thread} */
export const NO_THREAD = {
  messages: [],
  older: true,
  newer: false,
  load: "none",
  side: "newest",
  atEnd: true,
  dividerAfter: null,
};

/** @param {Thread} thread */
export const firstId = ({ messages }) => messages[0]?.id ?? 0;

/** @param {Thread} thread */
export const lastId = ({ messages }) => messages.at(-1)?.id ?? 0;

/** @param {Thread} thread @param {Page} page @returns {Thread} */
export function takePage(thread, page) {
  const { messages: old } = thread;
  const loaded = /** @type {const} */ ({ ...thread, load: "loaded" });
  if (page.side === "older") {
    const messages = [...page.messages, ...old.filter((m) => m.id > (page.messages.at(-1)?.id ?? 0))];
    const newer = thread.newer || messages.length > WINDOW;
    return { ...loaded, messages: messages.slice(0, WINDOW), older: page.more, newer };
  }
  if (page.side === "newer") {
    const messages = [...old.filter((m) => m.id < (page.messages[0]?.id ?? Infinity)), ...page.messages];
    const older = thread.older || messages.length > WINDOW;
    return { ...loaded, messages: messages.slice(-WINDOW), newer: page.more, older };
  }
  // What came by events while the page was on its way.
  const last = page.messages.at(-1)?.id ?? 0;
  const since = thread.newer || page.newer ? [] : old.filter((m) => m.id > last);
  return { ...loaded, messages: [...page.messages, ...since], older: page.more, newer: Boolean(page.newer) };
}

/** A message that was just said, or is told once more.
 * @param {Thread} thread @param {Message} message @returns {Thread} */
export function putMessage(thread, message) {
  const { messages } = thread;
  if (messages.some((m) => m.id === message.id)) return changeMessage(thread, message);
  const isLast = message.id > lastId(thread);
  if (isLast ? thread.newer : messages.length && message.id < firstId(thread)) return thread;
  // Somebody who is reading further up keeps what they read; the end is loaded again on the way down.
  if (isLast && messages.length >= WINDOW && !thread.atEnd) return { ...thread, newer: true };
  const after = messages.findLastIndex((m) => m.id < message.id) + 1;
  const all = [...messages.slice(0, after), message, ...messages.slice(after)];
  return { ...thread, messages: all.slice(-WINDOW), older: thread.older || all.length > WINDOW };
}

/** A message that was edited or deleted. @param {Thread} thread @param {Message} message @returns {Thread} */
export const changeMessage = (thread, message) => ({
  ...thread,
  messages: thread.messages.map((m) => (m.id === message.id ? { nonce: m.nonce, ...message } : m)),
});
