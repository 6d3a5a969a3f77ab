// Shows the left column: oneself, the search box, friend requests, and a row per person to talk to.
// Order and presence change live, but rows do not move under a pointer that is about to press one.
// Does not know how requests are made: the callbacks do, and the next state says how they went.

import { h, icon, patchList, setAttributes, setText } from "./dom.js";
import { explain, shortTime, t } from "./i18n.js";
import { initialState, partner } from "./state.js";
import { fold, hue, initial } from "./text.js";
import { field } from "./view-signin.js";

/** How long after the pointer's last move rows stay where they are. */
const STILL_MS = 1_200;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").User} User
 * @typedef {import("./dom.js").Item} Item
 * @param {object} options
 * @param {string} options.title of the page
 * @param {HTMLElement} options.menu
 * @param {(id: number) => void} options.onOpen
 * @param {(query: string) => void} options.onSearch
 * @param {(name: string) => Promise<import("./state.js").Friend>} options.onAsk
 * @param {(userId: number) => Promise<void>} options.onAccept
 * @param {(userId: number) => Promise<void>} options.onRemove
 */
export function createList({ title, menu, onOpen, onSearch, onAsk, onAccept, onRemove }) {
  let shown = initialState();
  /** @type {Item[]} */
  let items = [];
  let stillUntil = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;

  const me = h("div", { class: "me" });
  const search = h("input", { type: "search", "aria-label": t("search"), placeholder: t("search"), autocomplete: "off",
    on: { input: () => onSearch(search.value), keydown: searchKey } });
  const list = h("ul", { class: "rows", role: "list" });
  const empty = h("div", { class: "empty" });
  const adding = addForm(onAsk, (open) => setAttributes(addButton, { "aria-expanded": String(open) }), () => shown.me);
  const addButton = h("button", { type: "button", class: "icon-button", title: t("add_friend"),
    "aria-label": t("add_friend"), "aria-expanded": "false", "aria-controls": "add-friend",
    on: { click: () => adding.toggle() } }, icon("person"));

  const element = h("nav", { class: "list", "aria-label": t("conversations"), on: {
    keydown: moveByArrow,
    pointermove: () => (stillUntil = Date.now() + STILL_MS),
    pointerleave: () => ((stillUntil = 0), render()),
  } },
    h("h1", { class: "sr", text: title }), h("header", {}, me, addButton, menu),
    h("div", { class: "search" }, icon("search"), search),
    adding.element,
    h("div", { class: "scroll" }, list, empty));

  /** @param {KeyboardEvent} event */
  function searchKey(event) {
    if (event.key === "Escape" && search.value) {
      search.value = "";
      onSearch("");
    } else if (event.key === "Enter" && !event.isComposing) {
      const first = items.find((item) => item.kind === "row");
      if (first) onOpen(first.conversationId);
    }
  }

  /** @param {KeyboardEvent} event */
  function moveByArrow(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Enter" && target.matches("li.person")) return target.click();
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const rows = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".row")]);
    const at = rows.findIndex((row) => row === target);
    if (at < 0 && target !== search) return;
    event.preventDefault();
    const to = at + (event.key === "ArrowDown" ? 1 : -1);
    (to < 0 ? search : rows[Math.min(to, rows.length - 1)])?.focus();
  }

  function render() {
    clearTimeout(later);
    const wanted = listItems(shown);
    items = steady(items, wanted, Date.now() < stillUntil);
    if (items !== wanted) later = setTimeout(render, STILL_MS);
    patchList(list, items, (item) => createItem(item, { onOpen, onAccept, onRemove }), updateItem);
    const rows = wanted.some((item) => item.kind !== "section");
    const why = rows ? "" : shown.query ? "no_match" : shown.ready ? "no_friends" : "loading";
    if (empty.dataset.why !== why + shown.query) {
      empty.dataset.why = why + shown.query;
      empty.replaceChildren(...emptyNotice(why, shown.query, () => adding.toggle(true)));
    }
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

  return { element, update, focusRow, close: () => clearTimeout(later) };
}

/** @param {User} user @param {boolean} [online] undefined shows no presence */
export function avatar(user, online) {
  const element = h("span", { class: "avatar", "aria-hidden": "true", text: user.deleted ? "–" : initial(user.display_name) });
  element.style.setProperty("--hue", String(hue(user.id)));
  if (online !== undefined) element.append(h("span", { class: "dot", "data-online": online }));
  return element;
}

/** @param {User} user */
export const nameOf = (user) => (user.deleted ? t("deleted_account") : user.display_name);

/** Everything in the list, top to bottom, in the order it should have. @param {State} state @returns {Item[]} */
function listItems(state) {
  const now = Date.now();
  const query = fold(state.query.trim());
  /** @param {User} user */
  const matches = (user) => !query || fold(user.display_name).includes(query) || fold(user.name).includes(query);

  const friends = [...state.friends.values()].filter(({ user }) => matches(user));
  const requests = friends.filter((friend) => friend.state === "incoming" || friend.state === "outgoing")
    .sort((a, b) => a.state.localeCompare(b.state) || a.user.id - b.user.id)
    .map(({ user, state: which }) => ({ key: `request ${which} ${user.id}`, kind: which, user }));

  /** @type {Record<"online" | "offline" | "former", Item[]>} */
  const people = { online: [], offline: [], former: [] };
  for (const conversation of state.conversations.values()) {
    const user = partner(state, conversation);
    if (!user || !matches(user)) continue;
    const friend = state.friends.get(user.id)?.state === "friends";
    const last = conversation.last_message;
    if (!friend && !last) continue;
    const section = !friend ? "former" : user.online ? "online" : "offline";
    people[section].push({
      key: `with ${user.id}`,
      kind: "row",
      user,
      name: nameOf(user),
      online: friend ? Boolean(user.online) : undefined,
      conversationId: conversation.id,
      current: conversation.id === state.openId,
      text: !last || last.deleted_at ? "" : last.sender_id === state.me?.id ? t("you", { text: last.body }) : last.body,
      time: last ? shortTime(last.sent_at, now) : "",
      unread: conversation.unread,
      newest: last?.id ?? 0,
    });
  }
  for (const section of Object.values(people)) {
    section.sort((a, b) => b.newest - a.newest || a.name.localeCompare(b.name));
  }
  return [
    ...section(t("requests"), requests),
    ...section(t("online_section"), people.online),
    ...section(t("offline_section"), people.offline),
    ...section(t("former"), people.former),
  ];
}

/** @param {string} title @param {Item[]} items @returns {Item[]} */
const section = (title, items) =>
  items.length ? [{ key: `section ${title}`, kind: "section", title, count: items.length }, ...items] : [];

/** While the pointer moves over the list the same rows keep their places, with their new contents.
 * @param {Item[]} before @param {Item[]} wanted @param {boolean} still */
function steady(before, wanted, still) {
  if (!still || before.length !== wanted.length) return wanted;
  const fresh = new Map(wanted.map((item) => [item.key, item]));
  if (before.every((item, at) => item.key === wanted[at].key)) return wanted;
  return before.every((item) => fresh.has(item.key)) ? before.map((item) => fresh.get(item.key) ?? item) : wanted;
}

/** @param {Item} item @param {{onOpen: Function, onAccept: Function, onRemove: Function}} actions */
function createItem({ kind, user, conversationId }, { onOpen, onAccept, onRemove }) {
  if (kind === "section") return h("li", { class: "section" });
  if (kind === "row") {
    return h("li", { class: "person", tabindex: -1, on: {
      /** @param {Event} event */
      click: (event) => {
        event.preventDefault();
        onOpen(conversationId);
      },
    } }, h("a", { class: "row", href: `#c${conversationId}` }, avatar(user, false),
      h("span", { class: "name" }), h("span", { class: "sr" }), h("span", { class: "time" }), h("span", { class: "text" }),
      h("span", { class: "unread" })));
  }
  const describe = { "aria-describedby": `request-${user.id}` };
  /** @param {string} style @param {"accept" | "decline" | "withdraw"} word @param {Function} act */
  const button = (style, word, act) => {
    const element = h("button", { type: "button", class: style, ...describe, text: t(word), on: { click: async () => {
      element.disabled = true;
      await act(user.id);
      element.disabled = false;
    } } });
    return element;
  };
  return h("li", { class: "request", "aria-label": nameOf(user) }, avatar(user),
    h("p", { id: `request-${user.id}` }, h("strong", { text: nameOf(user) }), " ", t(kind)),
    h("div", { class: "buttons" }, ...kind === "incoming"
      ? [button("primary", "accept", onAccept), button("secondary", "decline", onRemove)]
      : [button("secondary", "withdraw", onRemove)]));
}

/** @param {HTMLElement} node @param {Item} item */
function updateItem(node, { kind, title, count, user, name, online, current, text, time, unread }) {
  if (kind === "section") return node.replaceChildren(h("h2", { text: title }), h("span", { class: "count", text: count }));
  if (kind !== "row") return;
  const link = /** @type {HTMLElement} */ (node.firstElementChild);
  const [face, who, more, when, what, badge] = link.children;
  const facts = [online === undefined ? "" : t(online ? "online" : "offline"), unread ? t("unread", { count: unread }) : ""];
  setAttributes(node, { "aria-label": [name, ...facts].filter(Boolean).join(", ") });
  setAttributes(link, { "aria-current": current ? "true" : null });
  setAttributes(/** @type {Element} */ (face.lastElementChild), { "data-online": online, hidden: online === undefined });
  const letter = /** @type {Text} */ (face.firstChild);
  letter.data = user.deleted ? "–" : initial(name);
  setText(who, name);
  setText(more, facts.join(" "));
  setText(when, time);
  setText(what, text);
  setText(badge, unread > 99 ? "99+" : unread ? String(unread) : "");
}

/** @param {string} why @param {string} query @param {() => void} add */
function emptyNotice(why, query, add) {
  if (why === "no_match") return [h("p", { text: t("no_match", { query }) })];
  if (why === "loading") return [h("p", { text: t("loading") })];
  if (why !== "no_friends") return [];
  return [icon("person"), h("strong", { text: t("no_friends") }), h("p", { text: t("no_friends_hint") }),
    h("button", { type: "button", class: "secondary", text: t("add_friend"), on: { click: add } })];
}

/** The folded-away form for asking somebody. @param {(name: string) => Promise<import("./state.js").Friend>} onAsk
 * @param {(open: boolean) => void} onToggle @param {() => User | null} self */
function addForm(onAsk, onToggle, self) {
  const name = field("friend-name", t("friends_name"), { autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64 });
  const result = h("p", { class: "hint", role: "status" });
  const button = h("button", { type: "submit", class: "primary", text: t("send_request") });

  /** @param {Event} event */
  async function submit(event) {
    event.preventDefault();
    const wanted = name.input.value.trim();
    name.complain("");
    setText(result, "");
    if (!wanted) return name.complain(t("error_empty"));
    if (fold(wanted) === fold(self()?.name ?? "")) return name.complain(t("error_oneself"));
    button.disabled = true;
    try {
      const { user, state } = await onAsk(wanted);
      setText(result, t(state === "friends" ? "befriended" : "asked", { name: user.display_name }));
      name.input.value = "";
    } catch (error) {
      name.complain(explain(/** @type {import("./api.js").ApiError} */ (error), wanted));
    }
    button.disabled = false;
  }

  /** @param {boolean} open */
  function toggle(open = element.hidden) {
    element.hidden = !open;
    onToggle(open);
    name.complain("");
    setText(result, "");
    if (open) name.input.focus();
  }

  const element = h("form", { class: "add", id: "add-friend", hidden: true, novalidate: true, on: {
    submit,
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && toggle(false),
  } }, name.element, result, h("div", { class: "buttons" }, button,
    h("button", { type: "button", class: "secondary", text: t("cancel"), on: { click: () => toggle(false) } })));
  return { element, toggle };
}
