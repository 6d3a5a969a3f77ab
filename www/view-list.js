// Shows the left column: the user, the search box, and the list of requests, people, groups and found messages.
// Order and presence change live, but rows do not move under a pointer that is about to press one. As much of a
// long list is in the page as has been scrolled to.
// Does not know how requests are made: the callbacks do, and the next state says how they went.

import { button, h, icon, patchList, setAttributes } from "./dom.js";
import { t } from "./i18n.js";
import { rosterItems } from "./roster.js";
import { initialState } from "./state.js";
import { avatar, iconButton } from "./view-people.js";
import { createRow, updateRow } from "./view-row.js";

/** How long after the pointer's last move rows stay where they are. */
const STILL_MS = 1_200;
/** How many rows are added at a time, when less than AHEAD_PX are left below. */
const ROWS = 60;
const AHEAD_PX = 1_000;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./dom.js").Item} Item
 * @param {object} options
 * @param {string} options.title of the page
 * @param {HTMLElement} options.menu
 * @param {ReturnType<typeof import("./view-add.js").createAddForm>} options.adding
 * @param {() => void} options.onNewGroup
 * @param {(id: number, messageId?: number) => void} options.onOpen
 * @param {import("./actions.js").Actions} options.actions
 */
export function createList({ title, menu, adding, onNewGroup, onOpen, actions }) {
  let shown = initialState();
  /** All of them, of which the first `rows` are in the page. @type {Item[]} */
  let items = [];
  let rows = ROWS;
  let stillUntil = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  const me = h("div", { class: "me" });
  const search = h("input", { type: "search", "aria-label": t("search"), placeholder: t("search"), autocomplete: "off",
    maxlength: 64, on: { input: () => type(search.value), keydown: searchKey } });
  const list = h("ul", { class: "rows", role: "list" });
  const empty = h("div", { class: "empty" });
  const addButton = iconButton("person", t("add_friend"), { "aria-controls": "add-friend", "aria-expanded": "false",
    on: { click: () => adding.toggle() } });
  adding.element.addEventListener("toggle", () => {
    setAttributes(addButton, { "aria-expanded": String(!adding.element.hidden) });
    if (adding.element.hidden) addButton.focus();
  });
  const scroller = h("div", { class: "scroll", on: { scroll } }, list, empty);

  const element = h("nav", { class: "list", "aria-label": t("conversations"), on: {
    keydown: moveByArrow,
    pointermove: () => (stillUntil = Date.now() + STILL_MS),
    pointerleave: () => ((stillUntil = 0), render()),
  } },
    h("h1", { class: "sr", text: title }),
    h("header", {}, me, iconButton("group", t("new_group"), { on: { click: onNewGroup } }), addButton, menu),
    h("div", { class: "search" }, icon("search"), search), adding.element, scroller);

  /** @param {string} text */
  function type(text) {
    rows = ROWS;
    actions.search.type(text);
  }

  function scroll() {
    if (items.length <= rows || scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight > AHEAD_PX) return;
    rows += ROWS;
    render();
  }

  /** @param {KeyboardEvent} event */
  function searchKey(event) {
    if (event.key === "Escape" && search.value && !event.isComposing) type(search.value = "");
    else if (event.key === "Enter" && !event.isComposing) {
      const first = items.find(({ kind }) => kind === "row" || kind === "hit");
      if (first) onOpen(first.conversationId, first.messageId);
    }
  }

  /** @param {KeyboardEvent} event */
  function moveByArrow(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Enter" && target.matches("li.person")) return target.click();
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".row")]);
    const at = all.findIndex((row) => row === target);
    if (at < 0 && target !== search) return;
    event.preventDefault();
    const to = at + (event.key === "ArrowDown" ? 1 : -1);
    (to < 0 ? search : all[Math.min(to, all.length - 1)])?.focus();
  }

  function render() {
    clearTimeout(later);
    const wanted = rosterItems(shown);
    items = steady(items, wanted, Date.now() < stillUntil);
    if (items !== wanted) later = setTimeout(render, STILL_MS);
    patchList(list, items.slice(0, rows), (item) => createRow(item, { onOpen, actions }), updateRow);
    const why = emptyReason(wanted.length > 0);
    if (empty.dataset.why === why + shown.query) return;
    empty.dataset.why = why + shown.query;
    empty.replaceChildren(...emptyNotice(why));
  }

  /** @param {boolean} some whether there is anything in the list */
  function emptyReason(some) {
    const { query, search: searching, ready } = shown;
    if (searching?.load === "failed") return "search_failed";
    if (some) return "";
    if (query.trim()) return searching?.load === "loading" ? "loading" : "no_match";
    return ready ? "no_friends" : "loading";
  }

  /** @param {string} why */
  function emptyNotice(why) {
    const { query } = shown;
    if (why === "search_failed") return [h("p", { class: "error", text: t("search_failed") }),
      button("secondary", t("retry"), () => actions.search.type(query))];
    if (why === "no_match") return [h("p", { text: t("no_match", { query: query.trim() }) })];
    if (why === "loading") return [h("p", { text: t("loading") })];
    if (why !== "no_friends") return [];
    return [icon("person"), h("strong", { text: t("no_friends") }), h("p", { text: t("no_friends_hint") }),
      button("secondary", t("add_friend"), () => adding.toggle(true))];
  }

  /** @param {State} state */
  function update(state) {
    const { me: user } = state;
    if (user && (user !== shown.me || state.connection !== shown.connection)) {
      const there = !state.connection.lostAt && state.ready;
      me.replaceChildren(avatar(user, there), h("div", { class: "who" },
        h("strong", { text: user.display_name }), h("span", { text: t(there ? "online" : "offline") })));
    }
    shown = state;
    render();
  }

  /** Puts the focus on the row of a conversation. @param {number | null} id */
  const focusRow = (id) =>
    /** @type {HTMLElement} */ (list.querySelector(`[href="#c${id}"]`) ?? search).focus();

  /** What was typed before the view was made anew. @param {string} query */
  const restore = (query) => void (search.value = query);
  return { element, update, focusRow, restore, close: () => clearTimeout(later) };
}

/** While the pointer moves over the list the same rows keep their places, with their new contents.
 * @param {Item[]} before @param {Item[]} wanted @param {boolean} still */
function steady(before, wanted, still) {
  if (!still || before.length !== wanted.length) return wanted;
  const fresh = new Map(wanted.map((item) => [item.key, item]));
  if (before.every((item, at) => item.key === wanted[at].key)) return wanted;
  return before.every((item) => fresh.has(item.key)) ? before.map((item) => fresh.get(item.key) ?? item) : wanted;
}
