// Shows the middle column: the heading, the log of messages, and the way back down.
// Rules: the view sticks to the end only if it was there; otherwise what is being read stays where it is,
//        whatever comes above or below. What is shown at the end of a visible page counts as read.
// Does not know the composer, which stands below it, nor how messages are fetched.

import { h, icon, patchList, setAttributes, setText } from "./dom.js";
import { dayName, explain, lastSeen, t, timeOfDay } from "./i18n.js";
import { initialState, mayWrite, partner } from "./state.js";
import { linkParts } from "./text.js";
import { timeline } from "./timeline.js";
import { avatar, nameOf } from "./view-list.js";
import { ApiError } from "./api.js";

/** This near to the end is at the end. */
const END_PX = 48;
/** Older messages are fetched when this much is left above. */
const AHEAD_PX = 600;

/** @type {Record<string, string>} */
const MARK_ICONS = { sending: "clock", sent: "check", delivered: "double", read: "double", failed: "warning" };

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./timeline.js").TimelineItem} TimelineItem
 * @param {object} options
 * @param {HTMLElement} options.composer
 * @param {() => void} options.onBack
 * @param {() => void} options.onDetails
 * @param {(id: number) => void} options.onLoad loads the next older page
 * @param {(id: number, messageId: number) => void} options.onSeen
 * @param {(nonce: string) => void} options.onRetry
 * @param {(nonce: string) => void} options.onDiscard
 */
export function createConversation({ composer, onBack, onDetails, onLoad, onSeen, onRetry, onDiscard }) {
  let state = initialState();
  /** @type {number | null} */
  let openId = null;
  /** @type {TimelineItem[]} */
  let items = [];
  /** Whether the newest message is in sight. */
  let atEnd = true;
  /** The newest message that has been in sight. */
  let seenId = 0;

  const face = h("div", { class: "face" });
  const title = h("h2", {});
  const presence = h("p", { class: "presence" });
  const list = h("div", { class: "messages" });
  const above = h("div", { class: "above" });
  const log = h("div", { class: "log", role: "log", "aria-label": t("messages"), tabindex: 0, on: { scroll: onScroll } }, above, list);
  const downCount = h("span", {});
  const down = h("button", { type: "button", class: "down", hidden: true, on: { click: toEnd } }, icon("down"), downCount);
  const locked = h("p", { class: "locked", hidden: true });
  const infoButton = h("button", { type: "button", class: "icon-button", title: t("details"), "aria-label": t("details"),
    "aria-expanded": "false", on: { click: onDetails } }, icon("info"));
  const open = h("section", { class: "open", hidden: true },
    h("header", {}, h("button", { type: "button", class: "icon-button back", title: t("back"), "aria-label": t("back"),
      on: { click: onBack } }, icon("back")), face, h("div", { class: "who" }, title, presence), infoButton),
    h("div", { class: "log-frame" }, log, down), locked, composer);
  const invitation = h("strong", {});
  const hint = h("p", {});
  const nothing = h("div", { class: "nothing" }, icon("talk"), invitation, hint);
  const element = h("main", { class: "conversation", on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && !event.isComposing && openId !== null && onBack(),
  } }, nothing, open);
  const resized = new ResizeObserver(() => atEnd && stick());
  resized.observe(log);
  resized.observe(list);

  function stick() {
    log.scrollTop = log.scrollHeight;
  }

  function toEnd() {
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    log.scrollTo({ top: log.scrollHeight, behavior: smooth ? "smooth" : "auto" });
    log.focus({ preventScroll: true });
  }

  function onScroll() {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < END_PX;
    look();
  }

  /** Acts on what is in sight: marks as read, fetches older ones, counts what is below. */
  function look() {
    if (openId === null) return;
    const thread = state.threads.get(openId);
    const loaded = thread?.load === "loaded";
    const newest = thread?.messages.at(-1)?.id ?? 0;
    if (atEnd && loaded) {
      seenId = newest;
      const conversation = state.conversations.get(openId);
      if (state.visible && conversation?.unread) onSeen(openId, newest);
    }
    const below = atEnd ? 0 : items.filter((item) => !item.own && (item.id ?? 0) > seenId).length;
    down.hidden = atEnd;
    setText(downCount, below ? String(below) : "");
    setAttributes(down, { title: t("jump"),
      "aria-label": below ? `${t("jump")}, ${t("unread_new", { count: below })}` : t("jump") });
    if (loaded && thread.more && log.scrollTop < AHEAD_PX) onLoad(openId);
  }

  /** Runs a change of the log so that the message being read does not move. (A day's heading would be no
   * good hold: older messages of the same day come in below it.) @param {() => void} change */
  function keepPlace(change) {
    const top = log.getBoundingClientRect().top;
    const anchor = atEnd ? undefined
      : [...list.querySelectorAll(".message")].find((child) => child.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (atEnd) stick();
    else if (anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - before;
  }

  /** @param {State} next */
  function update(next) {
    const before = state;
    state = next;
    const conversation = next.openId === null ? undefined : next.conversations.get(next.openId);
    open.hidden = !conversation;
    nothing.hidden = Boolean(conversation);
    if (!conversation) {
      openId = null;
      const alone = !next.conversations.size;
      setText(invitation, alone ? t("welcome", { name: next.me?.display_name ?? "" }) : t("choose"));
      setText(hint, t(alone ? "welcome_hint" : "choose_hint"));
      return;
    }
    const switched = openId !== conversation.id;
    if (switched) {
      openId = conversation.id;
      atEnd = true;
    }
    head(conversation);
    const { id } = conversation;
    const changed = switched || next.threads.get(id) !== before.threads.get(id) || next.pending !== before.pending
      || conversation !== before.conversations.get(id);
    if (changed) show(conversation, switched);
    look();
  }

  /** @param {import("./state.js").Conversation} conversation */
  function head(conversation) {
    const other = partner(state, conversation);
    const friend = other && mayWrite(state, conversation);
    const name = other ? nameOf(other) : conversation.title ?? "";
    setText(title, name);
    face.replaceChildren(...(other ? [avatar(other, friend ? Boolean(other.online) : undefined)] : []));
    setText(presence, !friend ? "" : other.online ? t("online") : lastSeen(other.last_seen_at, Date.now()));
    setAttributes(presence, { "data-online": friend ? Boolean(other.online) : null });
    setAttributes(infoButton, { "aria-expanded": String(state.panel) });
    const writable = mayWrite(state, conversation);
    locked.hidden = writable;
    composer.hidden = !writable;
    if (!writable) setText(locked, t("not_friends", { name }));
  }

  /** @param {import("./state.js").Conversation} conversation @param {boolean} switched */
  function show(conversation, switched) {
    const mine = items.filter((item) => item.own).length;
    items = timeline(state, conversation);
    // What one has just written is what one wants to see.
    if (!switched && items.at(-1)?.nonce && items.filter((item) => item.own).length > mine) atEnd = true;
    const thread = state.threads.get(conversation.id);
    setAttributes(log, { "aria-busy": thread?.load === "loading" ? "true" : null });
    /** @param {number | undefined} senderId */
    const senderName = (senderId) => {
      const member = conversation.members.find(({ user }) => user.id === senderId);
      return member ? nameOf(member.user) : "";
    };
    keepPlace(() => {
      above.replaceChildren(...aboveNotice(conversation));
      patchList(list, items.map((item) => ({ ...item, sender: senderName(item.senderId), day: dayName(item.at, Date.now()) })),
        (item) => create(item), (node, item) => renew(node, item, { onRetry, onDiscard }));
    });
  }

  /** @param {import("./state.js").Conversation} conversation */
  function aboveNotice(conversation) {
    const thread = state.threads.get(conversation.id);
    if (thread?.load === "failed") {
      return [h("p", { class: "error", text: t("load_failed") }),
        h("button", { type: "button", class: "secondary", text: t("retry"), on: { click: () => onLoad(conversation.id) } })];
    }
    if (!thread || thread.load !== "loaded" || thread.more) return [h("p", { class: "loading", text: t("loading") })];
    if (items.length) return [];
    const other = partner(state, conversation);
    return [h("div", { class: "hello" }, other && avatar(other),
      h("strong", { text: t("say_hello", { name: other ? nameOf(other) : conversation.title ?? "" }) }), h("p", { text: t("say_hello_hint") }))];
  }

  return { element, update, close: () => resized.disconnect() };
}

/** @param {import("./dom.js").Item} item */
function create(item) {
  if (item.kind === "day") return h("div", { class: "day" });
  if (item.kind === "divider") return h("div", { class: "divider", role: "separator" }, h("span", { text: t("new_messages") }));
  return h("div", { class: "message" },
    h("div", { class: "bubble" },
      h("span", { class: "sr", text: `${item.sender}: ` }),
      h("span", { class: "body" }, ...linked(item.body)),
      h("span", { class: "meta" }, h("time", {}), h("span", { class: "mark" }))),
    h("div", { class: "failure" }));
}

/** @param {HTMLElement} node @param {import("./dom.js").Item} item
 * @param {{onRetry: (nonce: string) => void, onDiscard: (nonce: string) => void}} actions */
function renew(node, item, { onRetry, onDiscard }) {
  if (item.kind === "divider") return;
  if (item.kind === "day") return setText(node, item.day);
  const { own, first, last, mark, at, nonce, code } = item;
  setAttributes(node, { "data-own": own, "data-first": first, "data-last": last, "data-mark": mark || null });
  const time = /** @type {HTMLTimeElement} */ (node.querySelector("time"));
  setText(time, timeOfDay(at));
  time.dateTime = new Date(at).toISOString();
  const state = /** @type {HTMLElement} */ (node.querySelector(".mark"));
  if (mark && state.dataset.mark !== mark) {
    const word = t(/** @type {import("./i18n.js").Word} */ (mark));
    setAttributes(state, { "data-mark": mark, role: "img", "aria-label": word, title: word });
    state.replaceChildren(icon(MARK_ICONS[mark]), h("span", { class: "sr", text: word }));
  }
  const failure = /** @type {HTMLElement} */ (node.querySelector(".failure"));
  failure.replaceChildren(...(mark !== "failed" ? [] : [
    h("span", { text: `${t("failed")}: ${explain(new ApiError(400, code))}` }),
    h("button", { type: "button", class: "link", text: t("retry"), on: { click: () => onRetry(nonce) } }),
    h("button", { type: "button", class: "link", text: t("discard"), on: { click: () => onDiscard(nonce) } }),
  ]));
}

/** Text as text, with its web addresses as anchors. @param {string} text */
const linked = (text) => linkParts(text).map(({ text: part, href }) =>
  href ? h("a", { href, target: "_blank", rel: "noopener noreferrer", text: part }) : part);
