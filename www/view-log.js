// Shows the messages of the open conversation: a window of them, which moves as the reader scrolls.
// Rules: the view sticks to the end only if it was there; otherwise what is being read stays where it is,
//        whatever comes or goes above or below. What is shown at the end of a visible page counts as read.
// Does not know how messages are fetched: it asks for the side that is running out, and shows what there is.

import { button, h, icon, patchList, setAttributes, setText } from "./dom.js";
import { dayName, t } from "./i18n.js";
import { author, mayWrite, ownMark, partner } from "./selectors.js";
import { initialState } from "./state.js";
import { lastId, NO_THREAD } from "./thread.js";
import { timeline } from "./timeline.js";
import { createEntry, renewEntry } from "./view-message.js";
import { avatar, conversationFace, nameOf, titleOf } from "./view-people.js";

/** This close to the end counts as being at the end. */
const END_PX = 48;
/** More messages are fetched when this much is left on a side. */
const AHEAD_PX = 800;
const FLASH_MS = 2_000;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Conversation} Conversation
 * @param {import("./view-message.js").MessageActions & {
 *   onLoad: (id: number, side: import("./thread.js").Side) => void,
 *   onScroll: (id: number, atEnd: boolean) => void,
 *   onSeen: (id: number, messageId: number) => void,
 *   onAimed: () => void}} options
 */
export function createLog({ onLoad, onScroll, onSeen, onAimed, ...actions }) {
  let state = initialState();
  /** @type {Conversation | undefined} */
  let conversation;
  /** @type {import("./timeline.js").TimelineItem[]} */
  let items = [];
  /** Whether the newest message of the window is in sight. */
  let atEnd = true;
  /** The newest message that has been in sight. */
  let seenId = 0;

  const list = h("div", { class: "messages" });
  const above = h("div", { class: "above" });
  const below = h("div", { class: "above" });
  const log = h("div", { class: "log", role: "log", "aria-label": t("messages"), tabindex: 0,
    on: { scroll: () => conversation && look(), keydown: moveByArrow } }, above, list, below);
  const downCount = h("span", {});
  const down = h("button", { type: "button", class: "down", hidden: true, on: { click: toEnd } },
    icon("down"), downCount);
  const element = h("div", { class: "log-frame" }, log, down);
  const resized = new ResizeObserver(() => atEnd && stick());
  resized.observe(log);
  resized.observe(list);

  const thread = () => (conversation && state.threads.get(conversation.id)) ?? NO_THREAD;

  function stick() {
    log.scrollTop = log.scrollHeight;
  }

  function toEnd() {
    log.focus({ preventScroll: true });
    if (conversation && thread().newer) {
      atEnd = true;
      return onLoad(conversation.id, "newest");
    }
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    log.scrollTo({ top: log.scrollHeight, behavior: smooth ? "smooth" : "auto" });
  }

  /** Up and down go from the buttons of one message to those of the next. @param {KeyboardEvent} event */
  function moveByArrow(event) {
    const at = /** @type {HTMLElement} */ (event.target).closest(".actions .icon-button");
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (!at || !step) return;
    event.preventDefault();
    const same = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(`.${at.classList[1]}`)]);
    same[same.findIndex((each) => each === at) + step]?.focus();
  }

  /** Acts on what is in sight: marks as read, fetches what is running out, counts what is below. */
  function look() {
    if (!conversation) return;
    const { id, unread } = conversation;
    const left = log.scrollHeight - log.scrollTop - log.clientHeight;
    const { load, older, newer } = thread();
    atEnd = left < END_PX;
    if (atEnd !== thread().atEnd) onScroll(id, atEnd);
    if (load !== "loaded") return;
    if (atEnd && !newer) {
      seenId = lastId(thread());
      if (state.visible && unread) onSeen(id, seenId);
    }
    showDown(newer ? unread : items.filter((item) => !item.own && (item.id ?? 0) > seenId).length, newer);
    if (newer && left < AHEAD_PX) onLoad(id, "newer");
    else if (older && log.scrollTop < AHEAD_PX) onLoad(id, "older");
  }

  /** @param {number} count @param {boolean} newer */
  function showDown(count, newer) {
    down.hidden = atEnd && !newer;
    setText(downCount, count ? String(count) : "");
    const label = count ? `${t("jump")}, ${t("unread_new", { count })}` : t("jump");
    setAttributes(down, { title: t("jump"), "aria-label": label });
  }

  /** Runs a change of the log so that the message being read does not move. (A day's heading would not be
   * a good anchor: older messages of the same day come in below it.) @param {() => void} change */
  function keepPlace(change) {
    const top = log.getBoundingClientRect().top;
    const anchor = atEnd && !thread().newer ? undefined
      : [...list.querySelectorAll(".message")].find((child) => child.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top ?? 0;
    change();
    if (anchor?.isConnected) log.scrollTop += anchor.getBoundingClientRect().top - before;
    else if (atEnd) stick();
  }

  /** @param {State} next @param {Conversation} shown */
  function update(next, shown) {
    const before = state;
    const switched = conversation?.id !== shown.id;
    state = next;
    const { threads, pending, openId } = next;
    const changed = switched || threads.get(shown.id) !== before.threads.get(shown.id)
      || pending !== before.pending || shown !== conversation || openId !== before.openId;
    const wasLoading = before.threads.get(shown.id)?.load === "loading";
    conversation = shown;
    if (switched || (wasLoading && thread().load === "loaded" && thread().side === "newest")) atEnd = true;
    if (switched) seenId = ownMark(next, shown);
    if (changed) show(shown, switched);
    if (next.aim) aim(next.aim);
    look();
  }

  /** @param {Conversation} shown @param {boolean} switched */
  function show(shown, switched) {
    const inside = log.contains(document.activeElement);
    const mine = items.filter((item) => item.own).length;
    items = timeline(state, shown);
    // People want to see what they have just written.
    if (!switched && items.at(-1)?.nonce && items.filter((item) => item.own).length > mine) atEnd = true;
    const { load } = thread();
    setAttributes(log, { "aria-busy": load === "loading" ? "true" : null,
      "data-locked": mayWrite(state, shown) ? null : true });
    const now = Date.now();
    const entries = items.map((item) => {
      const user = author(state, shown, item.senderId);
      return { ...item, sender: user ? nameOf(user) : "", named: shown.kind === "group",
        day: item.kind === "day" ? dayName(item.at, now) : "" };
    });
    keepPlace(() => {
      above.replaceChildren(...aboveNotice(shown));
      below.replaceChildren(...sideNotice(thread().newer, "newer"));
      patchList(list, entries, createEntry, (node, item) => renewEntry(node, item, actions));
      // The buttons of one message are enough for the Tab key; the arrows lead to the others.
      const reach = (/** @type {NodeListOf<Element>} */ some, /** @type {number} */ tabindex) =>
        some.forEach((each) => setAttributes(each, { tabindex }));
      reach(list.querySelectorAll(".actions [tabindex='0']"), -1);
      const last = [...list.querySelectorAll(".actions")].at(-1);
      if (last) reach(last.querySelectorAll("button"), 0);
    });
    // A deleted message takes its buttons with it, perhaps the one that was pressed.
    if (inside && !log.contains(document.activeElement)) log.focus({ preventScroll: true });
  }

  /** Shows a message in the middle once it is there. @param {number} messageId */
  function aim(messageId) {
    const target = /** @type {HTMLElement | null} */ (list.querySelector(`[data-id="${messageId}"]`));
    if (!target) return;
    onAimed();
    target.scrollIntoView({ block: "center" });
    const flash = { outline: ["3px solid var(--accent)", "3px solid transparent"] };
    target.querySelector(".bubble")?.animate(flash, FLASH_MS);
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < END_PX;
  }

  /** @param {boolean} more @param {import("./thread.js").Side} side */
  function sideNotice(more, side) {
    const { load, side: asked } = thread();
    if (load === "failed" && (side === "older" ? asked !== "newer" : asked === "newer")) {
      return [h("p", { class: "error", text: t("load_failed") }), 
        button("secondary", t("retry"), () => conversation && onLoad(conversation.id, asked))];
    }
    return more ? [h("p", { class: "loading", text: t("loading") })] : [];
  }

  /** @param {Conversation} shown */
  function aboveNotice(shown) {
    const { load, older } = thread();
    if (load !== "loaded" || older || items.length) return sideNotice(older, "older");
    const other = partner(state, shown);
    return [h("div", { class: "hello" }, other ? avatar(other) : conversationFace(shown),
      h("strong", { text: t(other ? "say_hello" : "say_hello_group", { name: titleOf(state, shown) }) }),
      h("p", { text: t("say_hello_hint") }))];
  }

  return { element, update, close: () => resized.disconnect() };
}
