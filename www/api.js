// Speaks Lovejoy's HTTP contract: one request in, its JSON out, every failure an ApiError with a stable code.
// Does not know what the answers mean, keeps no state but the token, and leaves the long poll to poll.js.

/** Requests other than the poll never take long; one that does is a lost connection. */
const TIMEOUT_MS = 20_000;

/** What went wrong: the server's problem+json, or `network` where no answer came. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where there was no answer
   * @param {string} code
   * @param {string} [detail]
   * @param {string} [field]
   * @param {number} [retryAfter] seconds
   */
  constructor(status, code, detail = "", field = "", retryAfter = 0) {
    super(detail || code);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.field = field;
    this.retryAfter = retryAfter;
  }

  /** Whether it was not the server that answered. */
  get silent() {
    return this.status === 0 || (this.status >= 500 && this.code.startsWith("http_"));
  }

  /** Whether the same request may succeed later without anything being changed about it. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Reads a problem+json answer.
 * @param {Response} response
 */
export async function problem(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy's own page: the status must do.
  }
  const { code = "", detail = "", field = "" } = /** @type {Record<string, string>} */ (body);
  const after = Number(response.headers.get("Retry-After")) || 0;
  return new ApiError(response.status, code || `http_${response.status}`, detail, field, after);
}

/** @param {string} [token] @param {() => void} [onUnauthorized] the token is dead */
export function createApi(token = "", onUnauthorized) {
  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>} the JSON of the answer, null for 204
   */
  async function request(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      // From where this module is, whatever page asks.
      response = await fetch(new URL(path, import.meta.url), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) return response.status === 204 ? null : await response.json();
    } catch {
      throw new ApiError(0, "network");
    }
    if (response.status === 401) onUnauthorized?.();
    throw await problem(response);
  }

  return {
    token,
    request,
    server: () => request("GET", "api/server"),
    /** @param {{name: string, password: string, display_name?: string, invite?: string}} account */
    register: (account) => request("POST", "api/users", account),
    /** @param {string} name @param {string} password */
    logIn: (name, password) => request("POST", "api/sessions", { name, password }),
    logOut: () => request("DELETE", "api/sessions/current"),
    state: () => request("GET", "api/state"),
    /** @param {string} name */
    askFriend: (name) => request("POST", "api/friends", { name }),
    /** @param {number} userId */
    acceptFriend: (userId) => request("POST", `api/friends/${userId}/accept`),
    /** @param {number} userId */
    removeFriend: (userId) => request("DELETE", `api/friends/${userId}`),
    /** @param {number} userId */
    block: (userId) => request("PUT", `api/blocks/${userId}`),
    /** @param {number} userId */
    unblock: (userId) => request("DELETE", `api/blocks/${userId}`),
    /** @param {string} q */
    findUsers: (q) => request("GET", `api/users?q=${encodeURIComponent(q)}&limit=8`),

    conversations: () => request("GET", "api/conversations"),
    /** @param {string} title @param {number[]} ids */
    createGroup: (title, ids) => request("POST", "api/conversations", { title, member_ids: ids }),
    /** @param {number} id @param {string} title */
    rename: (id, title) => request("PATCH", `api/conversations/${id}`, { title }),
    /** @param {number} id @param {number} userId */
    addMember: (id, userId) => request("POST", `api/conversations/${id}/members`, { user_id: userId }),
    /** @param {number} id @param {number} userId */
    removeMember: (id, userId) => request("DELETE", `api/conversations/${id}/members/${userId}`),

    /** The newest messages of a conversation, or those on one side of an id. @param {number} id
     * @param {"before" | "after"} [side] @param {number} [messageId] */
    messages: (id, side, messageId) =>
      request("GET", `api/conversations/${id}/messages?limit=50${side ? `&${side}=${messageId}` : ""}`),
    /** @param {number} id @param {string} body @param {string} nonce */
    send: (id, body, nonce) => request("POST", `api/conversations/${id}/messages`, { body, nonce }),
    /** @param {number} messageId @param {string} body */
    edit: (messageId, body) => request("PATCH", `api/messages/${messageId}`, { body }),
    /** @param {number} messageId */
    deleteMessage: (messageId) => request("DELETE", `api/messages/${messageId}`),
    /** @param {number} id @param {number} messageId */
    markRead: (id, messageId) => request("PUT", `api/conversations/${id}/read`, { message_id: messageId }),
    /** @param {number} id */
    typing: (id) => request("POST", `api/conversations/${id}/typing`),
    /** @param {string} q @param {number} [before] */
    search: (q, before) => request("GET", `api/search?q=${encodeURIComponent(q)}${before ? `&before=${before}` : ""}`),

    me: () => request("GET", "api/me"),
    /** @param {string} displayName */
    renameMe: (displayName) => request("PATCH", "api/me", { display_name: displayName }),
    /** @param {string} current @param {string} next */
    changePassword: (current, next) => request("PUT", "api/me/password", { current, new: next }),
    sessions: () => request("GET", "api/sessions"),
    /** @param {number} id */
    endSession: (id) => request("DELETE", `api/sessions/${id}`),
    /** @param {string} password */
    deleteAccount: (password) => request("POST", "api/me/delete", { password }),
  };
}

/** @typedef {ReturnType<typeof createApi>} Api */
