// Gets written messages to the server, each exactly once and in the order of writing.
// Rules: 1. Every message has a nonce for life, so sending again after any failure never doubles it.
//        2. Per conversation one is under way at a time; the next waits, or a retry could be overtaken.
//        3. Without connection messages wait; `wake` sends them when it is back. An answer of 500 and above without
//           a problem is that of a proxy that has no connection to the server. What the server itself refuses
//           has failed, and so has what it answered RETRIES times with "later".
//        4. If the server says when to come back, nothing is sent there before that.
// Does not know how messages look or where they are kept: it reads `pending()` and tells by `dispatch`.

const RETRIES = 4;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;

/**
 * @param {object} options
 * @param {() => import("./state.js").Pending[]} options.pending
 * @param {(action: any) => void} options.dispatch
 * @param {(id: number, body: string, nonce: string) => Promise<{message: import("./state.js").Message}>} options.send
 */
export function createOutbox({ pending, dispatch, send }) {
  /** Conversations with a message under way, or that have to wait; the latter with the timer that ends the wait.
   * @type {Map<number, ReturnType<typeof setTimeout> | undefined>} */
  const busy = new Map();
  /** Answers that said "later", by nonce. @type {Map<string, number>} */
  const tries = new Map();
  /** Requests in a row that got no answer. */
  let silent = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function wake() {
    clearTimeout(timer);
    for (const message of pending()) {
      if (message.state !== "sending" || busy.has(message.conversation_id)) continue;
      busy.set(message.conversation_id, undefined);
      deliver(message);
    }
  }

  /** @param {import("./state.js").Pending} message */
  async function deliver({ conversation_id, body, nonce }) {
    let pause = 0;
    try {
      const { message } = await send(conversation_id, body, nonce);
      tries.delete(nonce);
      silent = 0;
      dispatch({ type: "message", message: { ...message, nonce } });
    } catch (error) {
      const refusal = /** @type {import("./api.js").ApiError} */ (error);
      if (refusal.silent) {
        busy.delete(conversation_id);
        clearTimeout(timer);
        timer = setTimeout(wake, Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** silent++));
        return;
      }
      pause = refused(nonce, refusal);
    }
    if (pause) busy.set(conversation_id, setTimeout(() => free(conversation_id), pause));
    else free(conversation_id);
  }

  /** @param {number} conversationId */
  function free(conversationId) {
    busy.delete(conversationId);
    wake();
  }

  /** Decides between failing for good (0) and a pause in ms before the next try.
   * @param {string} nonce @param {import("./api.js").ApiError} error */
  function refused(nonce, error) {
    const count = (tries.get(nonce) ?? 0) + 1;
    tries.set(nonce, count);
    if (error.passing && count <= RETRIES) return Math.max(error.retryAfter * 1000, RETRY_MIN_MS * count);
    tries.delete(nonce);
    dispatch({ type: "pending_state", nonce, state: "failed", code: error.status < 500 ? error.code : "unavailable" });
    return 0;
  }

  /** @param {number} conversationId @param {string} body */
  function add(conversationId, body) {
    const message = { nonce: freshNonce(), conversation_id: conversationId, body, written_at: Date.now() };
    dispatch({ type: "pending", pending: { ...message, state: "sending" } });
    wake();
  }

  /** @param {string} nonce of a failed message */
  function retry(nonce) {
    dispatch({ type: "pending_state", nonce, state: "sending" });
    wake();
  }

  function close() {
    [timer, ...busy.values()].forEach(clearTimeout);
  }

  return { add, retry, wake, close };
}

/** `crypto.randomUUID` is missing on plain http; this is not. */
function freshNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
