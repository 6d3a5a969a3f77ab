// Keeps what outlives a page: the token, the choices of theme and language, drafts and unsent messages.
// Rules: the token is the tab's own (sessionStorage), so two tabs can be two users; only "stay signed in"
// also puts it where new tabs find it. Storage may be blocked or full, so nothing here throws.

const TOKEN = "lovejoy.token";

/** @param {"sessionStorage" | "localStorage"} kind */
function area(kind) {
  return {
    keys() {
      try {
        return Object.keys(window[kind]);
      } catch {
        return [];
      }
    },
    /** @param {string} key */
    get(key) {
      try {
        return window[kind].getItem(key);
      } catch {
        return null;
      }
    },
    /** @param {string} key @param {string | null} value null or empty removes it */
    set(key, value) {
      try {
        if (value) window[kind].setItem(key, value);
        else window[kind].removeItem(key);
      } catch {
        // The page works without it; only a reload will not find it.
      }
    },
  };
}

const tab = area("sessionStorage");
const device = area("localStorage");

export function loadToken() {
  const token = tab.get(TOKEN) ?? device.get(TOKEN);
  if (token) tab.set(TOKEN, token);
  return token;
}

/** @param {string} token @param {boolean} stay */
export function saveToken(token, stay) {
  tab.set(TOKEN, token);
  if (stay) device.set(TOKEN, token);
}

/** Forgets a dead token, but not another one that a newer sign-in has left for new tabs. @param {string} token */
export function dropToken(token) {
  if (device.get(TOKEN) === token) device.set(TOKEN, null);
  tab.set(TOKEN, null);
}

/** @typedef {"theme" | "language" | "sound" | "notify"} Choice */

/** @param {Choice} name */
export const loadChoice = (name) => device.get(`lovejoy.${name}`);

/** @param {Choice} name @param {string | null} value */
export const saveChoice = (name, value) => device.set(`lovejoy.${name}`, value);

/** What a user has begun in this tab; it goes with the log-out. @param {number} userId */
export function createDesk(userId) {
  const prefix = `lovejoy.${userId}.`;
  const outboxKey = `${prefix}outbox`;
  return {
    /** @param {number} conversationId */
    draft: (conversationId) => tab.get(`${prefix}draft.${conversationId}`) ?? "",
    /** @param {number} conversationId @param {string} text */
    saveDraft: (conversationId, text) => tab.set(`${prefix}draft.${conversationId}`, text),
    /** @returns {import("./state.js").Pending[]} */
    outbox() {
      try {
        return JSON.parse(tab.get(outboxKey) ?? "[]");
      } catch {
        return [];
      }
    },
    /** @param {import("./state.js").Pending[]} pending */
    saveOutbox: (pending) => tab.set(outboxKey, pending.length ? JSON.stringify(pending) : null),
    clear() {
      for (const key of tab.keys()) if (key.startsWith(prefix)) tab.set(key, null);
    },
  };
}

/** @typedef {ReturnType<typeof createDesk>} Desk */
