// Runs the chat of one signed-in user: connects poll, outbox, state and views, and carries out what views ask for.
// Data flows one way: server events and actions of the user -> reduce -> state -> views.
// Does not know how to sign in or what the choices in the menu do: main.js does.

import { createActions } from "./actions.js";
import { createAccount } from "./account.js";
import { createApi } from "./api.js";
import { createAttention } from "./attention.js";
import { createHistory } from "./history.js";
import { createOutbox } from "./outbox.js";
import { askServer, createPoll } from "./poll.js";
import { initialState, reduce } from "./state.js";
import { createDesk } from "./storage.js";
import { createTabs } from "./tabs.js";
import { createBanner } from "./view-banner.js";
import { createNotice } from "./view-notice.js";
import { createSplash } from "./view-signin.js";
import { createViews } from "./views.js";
import { h } from "./dom.js";

const WIDE = "(min-width: 1100px)";
/** A conversation, perhaps at a message. */
const ADDRESS = /^#c(\d+)(?:m(\d+))?$/;
const TICK_MS = 60_000;
/** How long the note that somebody is typing stays if no other follows. */
const TYPING_MS = 5_000;

/**
 * @typedef {import("./state.js").State} State
 * @param {object} options
 * @param {string} options.token
 * @param {HTMLElement} options.place
 * @param {number} options.limit of a message, in bytes
 * @param {string} options.title of the page
 * @param {import("./view-settings.js").Choices} options.choices
 * @param {(ended: boolean) => void} options.onLeave ended: the server did it
 */
export function startChat({ token, place, limit, title, choices, onLeave }) {
  let state = { ...initialState(), visible: !document.hidden };
  /** @type {import("./storage.js").Desk} */
  let desk;
  /** @type {ReturnType<typeof createTabs>} */
  let tabs;
  /** @type {ReturnType<typeof createAttention> | undefined} */
  let attention;
  /** @type {ReturnType<typeof createViews> | undefined} */
  let views;
  let rendering = false;
  let left = false;
  /** How far reading has been reported, by conversation. @type {Map<number, number>} */
  const reported = new Map();

  const read = () => state;
  const api = createApi(token, () => leave(true));
  const actions = createActions({ api, state: read, dispatch });
  const messages = createHistory({ api, state: read, dispatch });
  const outbox = createOutbox({ pending: () => state.pending, dispatch, send: api.send });
  const account = createAccount({ api, dispatch, onChanged: () => tabs.say({ check: true }), onGone: () => goOut() });
  const poll = createPoll({
    ask: (...question) => tabs.ask(...question),
    snapshot: async () => {
      const snapshot = await api.state();
      if (!desk) arrive(snapshot.user.id);
      reported.clear();
      messages.forget();
      dispatch({ type: "snapshot", snapshot });
      outbox.wake();
      return snapshot.cursor;
    },
    onAnswer: async ({ events }) => {
      const reset = events.some((event) => event.type === "reset");
      if (reset) dispatch({ type: "snapshot", snapshot: await api.state() });
      // Who left a group and came back is told both.
      const back = new Set(events.map(({ conversation }) => conversation?.id));
      events.forEach((event) => take({ ...event, back: back.has(event.conversation_id) }));
    },
    onStatus: (connection) => {
      const back = state.connection.lostAt && !connection.lostAt;
      dispatch({ type: "set", change: { connection } });
      if (!back) return;
      outbox.wake();
      messages.retry();
    },
    onUnauthorized: () => leave(true),
  });

  const banner = createBanner({ onTry: poll.nudge });
  const notice = createNotice();
  const columns = h("div", { class: "columns" }, createSplash());
  place.replaceChildren(h("div", { class: "chat" }, banner.element, columns, notice.element));

  /** An event of the server. @param {any} event */
  function take(event) {
    if (event.type === "typing") {
      const now = Date.now();
      setTimeout(render, TYPING_MS);
      return dispatch({ ...event, now, until: now + TYPING_MS });
    }
    const { type, message } = event;
    const newest = message ? state.conversations.get(message.conversation_id)?.last_message?.id ?? 0 : 0;
    dispatch(event);
    if (type === "message" && message.sender_id !== state.me?.id && message.id > newest) attention?.arrive(message);
  }

  /** @param {...any} steps */
  function dispatch(...steps) {
    const before = state;
    for (const action of steps) state = reduce(state, action);
    if (state === before) return;
    if (desk && state.pending !== before.pending) desk.saveOutbox(state.pending);
    if (state.missing && !before.missing) reloadConversations();
    messages.loadOpen();
    if (rendering) return;
    rendering = true;
    queueMicrotask(render);
  }

  function render() {
    rendering = false;
    if (left) return;
    attention?.update();
    for (const view of [banner, notice, views]) view?.update(state);
  }

  /** Only the first snapshot says who the user is, and so whose drafts these are, and which other tabs are theirs.
   * @param {number} userId */
  function arrive(userId) {
    desk = createDesk(userId);
    const ask = askServer("api/events", { Authorization: `Bearer ${token}` });
    tabs = createTabs({ name: `lovejoy.${userId}`, ask, onWord });
    attention = createAttention({ title, state: read, tabs, onOpen: openByHand });
    dispatch({ type: "set", change: { pending: desk.outbox(), panel: matchMedia(WIDE).matches } });
    rebuild();
    followAddress();
  }

  /** Hears what another tab of this user says. @param {any} word */
  function onWord(word) {
    // Sessions were ended there, perhaps the one of this tab.
    if (word.check) api.me().catch(() => null);
    if (word.sight) attention?.hear(word);
  }

  /** @param {number} id a conversation @param {number} [aim] a message in it */
  function openByHand(id, aim) {
    show(id, aim);
    // On a touch screen the focus would bring up the keyboard over what is to be read.
    if (aim || matchMedia("(pointer: coarse)").matches) return;
    render();
    views?.composer.focus();
  }

  /** The address says what is open, so that reload and the back button work.
   * @param {number | null} id @param {number} [aim] */
  function show(id, aim) {
    const from = state.openId;
    const hash = id === null ? "" : `#c${id}${aim ? `m${aim}` : ""}`;
    if (hash !== location.hash) history.pushState(null, "", hash || location.pathname);
    followAddress();
    if (id === null) views?.list.focusRow(from);
  }

  function followAddress() {
    const [, id, aim] = ADDRESS.exec(location.hash) ?? [];
    const change = matchMedia(WIDE).matches ? {} : { panel: false };
    dispatch({ type: "set", change }, { type: "open", id: Number(id) || null, aim: Number(aim) || 0 });
  }

  /** @param {boolean} panel */
  function togglePanel(panel) {
    dispatch({ type: "set", change: { panel } });
    render();
    (panel ? views?.details : views?.conversation)?.focus();
  }

  /** @param {number} id @param {string} body */
  function send(id, body) {
    if (state.threads.get(id)?.newer) messages.load(id, "newest");
    outbox.add(id, body);
  }

  async function reloadConversations() {
    const answer = await api.conversations().catch(() => null);
    dispatch(answer ? { type: "conversations", ...answer } : { type: "set", change: { missing: false } });
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

  async function logOut() {
    actions.close();
    await api.logOut().catch(() => null);
    goOut();
  }

  /** By the user's own choice, so nothing of theirs stays behind. */
  function goOut() {
    desk?.clear();
    history.replaceState(null, "", location.pathname);
    leave(false);
  }

  /** @param {boolean} ended */
  function leave(ended) {
    if (left) return;
    left = true;
    poll.stop();
    for (const part of [outbox, actions, tabs, attention, banner, views]) part?.close();
    clearInterval(ticking);
    removeEventListener("popstate", followAddress);
    document.removeEventListener("visibilitychange", onVisibility);
    onLeave(ended);
  }

  const onVisibility = () => dispatch({ type: "set", change: { visible: !document.hidden } });

  /** Makes every view anew, for another language, say; what was typed is in the drafts. */
  function rebuild() {
    if (!desk) return;
    const open = views?.opened();
    views?.close();
    views = createViews({ title, limit, desk, state: read, dispatch, actions, account, choices, open, columns, outbox,
      onLogOut: logOut, onOpen: openByHand, onBack: () => show(null), onPanel: togglePanel,
      onSend: send, onSeen: markRead, onLoad: messages.load });
    render();
  }

  // "5 minutes ago" and "today" are true for a while only.
  const ticking = setInterval(render, TICK_MS);
  addEventListener("popstate", followAddress);
  document.addEventListener("visibilitychange", onVisibility);
  poll.start();
  return { rebuild };
}
