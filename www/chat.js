// Runs the chat of one signed-in user: joins poll, outbox, state and views, and carries out what views ask for.
// One direction: server events and actions of the user -> reduce -> state -> views.
// Does not know how one signs in or what the choices in the menu do: main.js does.

import { createOutbox } from "./outbox.js";
import { createPoll } from "./poll.js";
import { initialState, partner, reduce, unreadTotal } from "./state.js";
import { createDesk } from "./storage.js";
import { createBanner } from "./view-banner.js";
import { createComposer } from "./view-composer.js";
import { createConversation } from "./view-conversation.js";
import { createDetails } from "./view-details.js";
import { createList, nameOf } from "./view-list.js";
import { createMenu } from "./view-menu.js";
import { createSplash } from "./view-signin.js";
import { h } from "./dom.js";

const WIDE = "(min-width: 1100px)";
const OPEN = /^#c(\d+)$/;
const TICK_MS = 60_000;

/**
 * @typedef {import("./state.js").State} State
 * @param {object} options
 * @param {import("./api.js").Api} options.api
 * @param {HTMLElement} options.place
 * @param {number} options.limit of a message, in bytes
 * @param {string} options.title of the page
 * @param {Omit<Parameters<typeof createMenu>[0], "onLogOut" | "open">} options.choices
 * @param {(ended: boolean) => void} options.onLeave ended: the server did it
 */
export function startChat({ api, place, limit, title, choices, onLeave }) {
  let state = initialState();
  /** @type {import("./storage.js").Desk} */
  let desk;
  /** @type {ReturnType<typeof createViews> | undefined} */
  let views;
  let rendering = false;
  /** How far reading has been reported, by conversation. @type {Map<number, number>} */
  const reported = new Map();

  /** @param {...any} actions */
  function dispatch(...actions) {
    const before = state;
    for (const action of actions) state = reduce(state, action);
    if (state === before) return;
    if (desk && state.pending !== before.pending) desk.saveOutbox(state.pending);
    if (state.missing && !before.missing) reloadConversations();
    loadOpenThread();
    if (rendering) return;
    rendering = true;
    queueMicrotask(render);
  }

  function render() {
    rendering = false;
    const unread = unreadTotal(state);
    document.title = unread ? `(${unread}) ${title}` : title;
    banner.update(state);
    views?.update(state);
  }

  const poll = createPoll({
    url: "api/events",
    headers: () => ({ Authorization: `Bearer ${api.token}` }),
    snapshot: async () => {
      const snapshot = await api.state();
      if (!desk) arrive(snapshot.user.id);
      reported.clear();
      dispatch({ type: "set", change: { threads: new Map() } }, { type: "snapshot", snapshot });
      outbox.wake();
      return snapshot.cursor;
    },
    onAnswer: async ({ events }) => {
      const reset = events.some((event) => event.type === "reset");
      const snapshot = reset ? [{ type: "snapshot", snapshot: await api.state() }] : [];
      dispatch(...snapshot, ...events);
    },
    onStatus: (connection) => {
      const back = state.connection.lostAt && !connection.lostAt;
      dispatch({ type: "set", change: { connection } });
      if (back) comeBack();
    },
    onUnauthorized: () => leave(true),
  });
  const outbox = createOutbox({ pending: () => state.pending, dispatch, send: api.send });

  /** Does what had to wait for the connection. */
  function comeBack() {
    outbox.wake();
    const id = state.openId;
    if (id !== null && state.threads.get(id)?.load === "failed") loadThread(id);
  }

  const banner = createBanner({ onTry: poll.nudge });
  const columns = h("div", { class: "columns" }, createSplash());
  place.replaceChildren(h("div", { class: "chat" }, banner.element, columns));

  /** Only the first snapshot says who one is, and so whose drafts these are. @param {number} userId */
  function arrive(userId) {
    desk = createDesk(userId);
    dispatch({ type: "set", change: { pending: desk.outbox(), panel: matchMedia(WIDE).matches } });
    rebuild();
    followAddress();
  }

  function createViews(menuOpen = false) {
    const menu = createMenu({ ...choices, onLogOut: logOut, open: menuOpen });
    const composer = createComposer({ limit, desk, onSend: outbox.add });
    const details = createDetails({ onClose: () => togglePanel(false), onUnfriend: removeFriend });
    const list = createList({ title, menu: menu.element, onOpen: openByHand, onAccept: acceptFriend, onRemove: removeFriend,
      onSearch: (query) => dispatch({ type: "set", change: { query } }),
      onAsk: async (name) => befriend(await api.askFriend(name)) });
    const conversation = createConversation({ composer: composer.element, onLoad: loadThread, onSeen: markRead,
      onBack: () => show(null), onDetails: () => togglePanel(!state.panel), onRetry: outbox.retry,
      onDiscard: (nonce) => dispatch({ type: "pending_dropped", nonce }) });
    const elements = [list.element, conversation.element, details.element];

    /** @param {State} next */
    function update(next) {
      const open = next.openId === null ? undefined : next.conversations.get(next.openId);
      const other = open && partner(next, open);
      columns.toggleAttribute("data-open", Boolean(open));
      composer.open(open?.id ?? null, other ? nameOf(other) : open?.title ?? "");
      for (const view of [list, conversation, details]) view.update(next);
    }
    const close = () => [menu, list, composer, conversation].forEach((view) => view.close());
    return { elements, update, close, menuOpen: menu.isOpen, list, composer, details };
  }

  /** @param {number} id a conversation */
  function openByHand(id) {
    show(id);
    // On a touch screen the focus would bring up the keyboard over what one wants to read.
    if (matchMedia("(pointer: coarse)").matches) return;
    render();
    views?.composer.focus();
  }

  /** The address says what is open, so that reload and the back button work. @param {number | null} id */
  function show(id) {
    const from = state.openId;
    const hash = id === null ? "" : `#c${id}`;
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname);
    followAddress();
    if (id === null) views?.list.focusRow(from);
  }

  function followAddress() {
    const id = Number(OPEN.exec(location.hash)?.[1]) || null;
    const change = matchMedia(WIDE).matches ? {} : { panel: false };
    dispatch({ type: "set", change }, { type: "open", id });
  }

  /** @param {boolean} panel */
  function togglePanel(panel) {
    dispatch({ type: "set", change: { panel } });
    render();
    if (panel) views?.details.focus();
  }

  function loadOpenThread() {
    const id = state.openId;
    if (id === null || !state.conversations.has(id)) return;
    if ((state.threads.get(id)?.load ?? "none") === "none") loadThread(id);
  }

  /** Loads the newest page, or the one before what is there. @param {number} id */
  async function loadThread(id) {
    const thread = state.threads.get(id);
    if (thread?.load === "loading") return;
    const older = thread?.load === "loaded" || thread?.load === "failed" ? thread.messages[0]?.id ?? null : null;
    dispatch({ type: "thread_loading", id });
    try {
      const { messages, more } = await api.messages(id, older);
      dispatch({ type: "thread_page", id, messages, more });
    } catch {
      dispatch({ type: "thread_failed", id });
    }
  }

  async function reloadConversations() {
    try {
      dispatch({ type: "conversations", ...await api.conversations() });
    } catch {
      dispatch({ type: "set", change: { missing: false } });
    }
  }

  /** @param {number} id @param {number} messageId */
  async function markRead(id, messageId) {
    if ((reported.get(id) ?? 0) >= messageId) return;
    reported.set(id, messageId);
    try {
      await api.markRead(id, messageId);
      dispatch({ type: "read", conversation_id: id, user_id: state.me?.id, message_id: messageId });
    } catch {
      reported.delete(id);
    }
  }

  /** @param {{friend: import("./state.js").Friend}} answer */
  function befriend({ friend }) {
    dispatch({ type: "friend", friend });
    return friend;
  }

  /** @param {number} userId */
  async function acceptFriend(userId) {
    await api.acceptFriend(userId).then(befriend, ignore);
  }

  /** @param {number} userId */
  async function removeFriend(userId) {
    await api.removeFriend(userId).then(() => dispatch({ type: "friend_removed", user_id: userId }), ignore);
  }

  async function logOut() {
    desk?.clear();
    await api.logOut().catch(ignore);
    history.replaceState(null, "", location.pathname);
    leave(false);
  }

  /** @param {boolean} ended */
  function leave(ended) {
    close();
    onLeave(ended);
  }

  function close() {
    poll.stop();
    outbox.close();
    clearInterval(ticking);
    banner.close();
    views?.close();
    removeEventListener("popstate", followAddress);
    document.removeEventListener("visibilitychange", onVisibility);
    document.title = title;
  }

  const onVisibility = () => dispatch({ type: "set", change: { visible: !document.hidden } });

  /** Makes every view anew, as for another language; what was typed is in the drafts. */
  function rebuild() {
    if (!desk) return;
    views?.close();
    views = createViews(views?.menuOpen());
    columns.replaceChildren(...views.elements);
    render();
  }

  // "5 minutes ago" and "today" are true for a while only.
  const ticking = setInterval(render, TICK_MS);
  addEventListener("popstate", followAddress);
  document.addEventListener("visibilitychange", onVisibility);
  poll.start();
  return { rebuild };
}

/** A request that failed leaves things as they are shown; the button is there to be pressed again. */
function ignore() {}
