// Carries out what people do besides writing: friends, groups, edits, search, one's own account.
// Each asks the server and passes its answer on; an answer without content is followed by an event.
// Errors are told in a notice, or thrown to a form that shows them under their field.

import { explain, t } from "./i18n.js";

/** For how long a deletion can be taken back, before anybody else hears of it. */
const UNDO_MS = 6_000;
const NOTICE_MS = 5_000;
/** How long typing must rest before the search begins. */
const REST_MS = 200;

/**
 * @typedef {import("./state.js").Message} Message
 * @param {object} options
 * @param {import("./api.js").Api} options.api
 * @param {() => import("./state.js").State} options.state
 * @param {(...actions: any[]) => void} options.dispatch
 */
export function createActions({ api, state, dispatch }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let noticeTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let searchTimer;
  /** The search that is under way. */
  let searching = Promise.resolve();
  /** Deletions that can still be taken back. @type {Map<number, () => void>} */
  const deleting = new Map();

  /** Says something for a while, perhaps with a way back. @param {string} text @param {() => void} [undo] */
  function notice(text, undo) {
    clearTimeout(noticeTimer);
    dispatch({ type: "set", change: { notice: { text, undo } } });
    noticeTimer = setTimeout(() => dispatch({ type: "set", change: { notice: null } }), undo ? UNDO_MS : NOTICE_MS);
  }

  /** Waits for an answer and passes it on as actions; tells what went wrong.
   * @template T @param {Promise<T>} answer @param {(answer: T) => any} [action] */
  async function attempt(answer, action) {
    try {
      const value = await answer;
      if (action) dispatch(action(value));
      return true;
    } catch (error) {
      notice(explain(/** @type {import("./api.js").ApiError} */ (error)));
      return false;
    }
  }

  const people = {
    /** @param {string} name */
    async ask(name) {
      const { friend } = await api.askFriend(name);
      dispatch({ type: "friend", friend });
      return /** @type {import("./state.js").Friend} */ (friend);
    },
    /** @param {number} id */
    accept: (id) => attempt(api.acceptFriend(id), ({ friend }) => ({ type: "friend", friend })),
    /** @param {number} id */
    remove: (id) => attempt(api.removeFriend(id), () => ({ type: "friend_removed", user_id: id })),
    /** @param {number} id */
    block: (id) => attempt(api.block(id)),
    /** @param {number} id */
    unblock: (id) => attempt(api.unblock(id)),
    /** @param {string} name */
    askAgain: (name) => attempt(api.askFriend(name), ({ friend }) => ({ type: "friend", friend })),
    /** @param {string} text */
    find: async (text) => /** @type {import("./state.js").User[]} */ ((await api.findUsers(text)).users),
  };

  const groups = {
    /** @param {string} title @param {number[]} memberIds */
    async create(title, memberIds) {
      const { conversation } = await api.createGroup(title, memberIds);
      dispatch({ type: "conversation", conversation });
      return /** @type {number} */ (conversation.id);
    },
    /** @param {number} id @param {string} title */
    async rename(id, title) {
      dispatch({ type: "conversation", ...await api.rename(id, title) });
    },
    /** @param {number} id @param {number} userId */
    add: (id, userId) => attempt(api.addMember(id, userId), (answer) => ({ type: "conversation", ...answer })),
    /** @param {number} id @param {number} userId */
    remove: (id, userId) => attempt(api.removeMember(id, userId)),
    /** @param {number} id */
    leave: (id) => attempt(api.removeMember(id, state().me?.id ?? 0),
      () => ({ type: "conversation_removed", conversation_id: id })),
  };

  const messages = {
    /** @param {number} id @param {string} body */
    async save(id, body) {
      const unchanged = state().editing?.body === body;
      const done = unchanged || await attempt(api.edit(id, body), (answer) => ({ type: "message_updated", ...answer }));
      if (done) messages.edit(null);
    },
    /** @param {number | null} id null stops editing */
    edit: (id) => dispatch({ type: "set", change: { editing: id === null ? null : find(id) } }),
    /** Shown as deleted at once, and deleted when it can no longer be taken back. @param {number} id */
    delete(id) {
      const message = find(id);
      if (!message || deleting.has(id)) return;
      const timer = setTimeout(() => deleting.get(id)?.(), UNDO_MS);
      deleting.set(id, () => {
        clearTimeout(timer);
        deleting.delete(id);
        attempt(api.deleteMessage(id), (answer) => ({ type: "message_updated", message: answer.message }))
          .then((done) => done || dispatch({ type: "message_updated", message }));
      });
      dispatch({ type: "message_updated", message: { ...message, body: "", deleted_at: Date.now() } });
      notice(t("message_deleted"), () => {
        clearTimeout(timer);
        deleting.delete(id);
        dispatch({ type: "message_updated", message }, { type: "set", change: { notice: null } });
      });
    },
    /** @param {string} text */
    async copy(text) {
      const done = await copyText(text);
      notice(t(done ? "copied" : "not_copied"));
    },
    /** Unlike everything else, nobody misses this when it fails. @param {number} id */
    typing: (id) => api.typing(id).catch(() => null),
  };

  /** @param {number} id */
  function find(id) {
    const thread = state().threads.get(state().openId ?? 0);
    return thread?.messages.find((message) => message.id === id) ?? null;
  }

  const search = {
    /** Filters the list at once; asks for messages when typing rests. @param {string} text */
    type(text) {
      clearTimeout(searchTimer);
      const query = text.trim();
      dispatch({ type: "search", text, query });
      if (query) searchTimer = setTimeout(search.more, REST_MS);
    },
    /** The first page, or the next. The server takes one search of a user at a time. */
    more() {
      const { query } = state().search ?? {};
      return (searching = searching.then(() => searchOn(query)));
    },
  };

  /** @param {string | undefined} query */
  async function searchOn(query) {
    const now = state().search;
    if (!query || now?.query !== query) return;
    try {
      const page = await api.search(query, now.before);
      dispatch({ type: "search_page", query, ...page });
      // Its time was up before anything was found.
      if (page.more && !page.messages.length) await searchOn(query);
    } catch {
      dispatch({ type: "search_failed", query });
    }
  }

  /** Does at once what was still waiting. */
  function close() {
    clearTimeout(noticeTimer);
    clearTimeout(searchTimer);
    for (const now of deleting.values()) now();
  }
  addEventListener("pagehide", () => deleting.forEach((now) => now()));

  return { people, groups, messages, search, notice, close };
}

/** On plain http the only clipboard is that of a selection. @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** @typedef {ReturnType<typeof createActions>} Actions */
