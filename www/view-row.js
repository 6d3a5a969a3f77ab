// Shows one entry of the left column: a person or group to talk to, a request, a found message, a heading.
// Does not know their order.

import { h, setAttributes, setText } from "./dom.js";
import { t } from "./i18n.js";
import { excerpt, initial } from "./text.js";
import { avatar, conversationFace, nameOf } from "./view-people.js";

/**
 * @typedef {import("./dom.js").Item} Item
 * @typedef {{onOpen: (id: number, messageId?: number) => void, actions: import("./actions.js").Actions}} Does
 * @param {Item} item
 * @param {Does} does
 */
export function createRow(item, does) {
  if (item.kind === "section") return h("li", { class: "section" });
  if (item.kind === "row") return talk(item, does);
  if (item.kind === "hit") return hit(item, does);
  if (item.kind === "more") return furtherHits(does);
  return request(item, does);
}

/** A row is a link that opens in place; so is the whole item, for those who press beside it.
 * @param {Item} item @param {Does} does @param {...Node} children */
function opening({ conversationId, messageId }, { onOpen }, ...children) {
  return h("li", { class: "person", tabindex: -1, on: {
    /** @param {Event} event */
    click: (event) => {
      event.preventDefault();
      onOpen(conversationId, messageId);
    },
  } }, h("a", { class: "row", href: `#c${conversationId}${messageId ? `m${messageId}` : ""}` }, ...children));
}

/** @param {Item} item @param {Does} does */
function talk(item, does) {
  const { user, conversationId: id, name } = item;
  return opening(item, does, user ? avatar(user, false) : conversationFace({ id, title: name }),
    h("span", { class: "name" }), h("span", { class: "sr" }), h("span", { class: "time" }), h("span", { class: "text" }),
    h("span", { class: "unread" }));
}

/** @param {Item} item @param {Does} does */
function hit(item, does) {
  const { name, sender, body, query, time } = item;
  const [before, match, after] = excerpt(body, query);
  const node = opening(item, does, h("span", { class: "name", text: name }), h("span", { class: "time", text: time }),
    h("span", { class: "text" }, `${sender}: ${before}`, h("mark", { text: match }), after));
  setAttributes(node, { class: "person hit", "aria-label": `${name}, ${sender}: ${before}${match}${after}` });
  return node;
}

/** @param {Does} does */
function furtherHits({ actions }) {
  const button = h("button", { type: "button", class: "link", text: t("more"), on: { click: async () => {
    button.disabled = true;
    await actions.search.more();
    button.disabled = false;
  } } });
  return h("li", { class: "more" }, button);
}

/** @param {Item} item @param {Does} does */
function request({ kind, user }, { actions: { people } }) {
  const describe = { "aria-describedby": `request-${user.id}` };
  /** @param {string} style @param {import("./i18n.js").Word} word @param {(id: number) => Promise<any>} act */
  const button = (style, word, act) => {
    const element = h("button", { type: "button", class: style, ...describe, text: t(word), on: { click: async () => {
      element.disabled = true;
      await act(user.id);
      element.disabled = false;
    } } });
    return element;
  };
  const buttons = kind === "incoming"
    ? [button("primary", "accept", people.accept), button("secondary", "decline", people.remove), button("link", "block", people.block)]
    : kind === "blocked" ? [button("secondary", "unblock", people.unblock)] : [button("secondary", "withdraw", people.remove)];
  return h("li", { class: "request", "aria-label": nameOf(user) }, avatar(user),
    h("p", { id: `request-${user.id}` }, h("strong", { text: nameOf(user) }), " ",
      t(/** @type {import("./i18n.js").Word} */ (kind))),
    h("div", { class: "buttons" }, ...buttons));
}

/** @param {HTMLElement} node @param {Item} item */
export function updateRow(node, { kind, title, count, user, name, online, current, text, typing, time, unread }) {
  if (kind === "section") return node.replaceChildren(h("h2", { text: title }), h("span", { class: "count", text: count }));
  if (kind !== "row") return;
  const link = /** @type {HTMLElement} */ (node.firstElementChild);
  const [face, who, facts, when, what, badge] = link.children;
  const presence = [online === undefined ? "" : t(online ? "online" : "offline"), unread ? t("unread", { count: unread }) : ""];
  setAttributes(node, { "aria-label": [name, ...presence].filter(Boolean).join(", ") });
  setAttributes(link, { "aria-current": current ? "true" : null });
  if (user) setAttributes(/** @type {Element} */ (face.lastElementChild), { "data-online": online, hidden: online === undefined });
  const letter = /** @type {Text} */ (face.firstChild);
  letter.data = user?.deleted ? "–" : initial(name);
  setText(who, name);
  setText(facts, presence.join(" "));
  setText(when, time);
  setText(what, text);
  setAttributes(what, { "data-typing": typing || null });
  setText(badge, unread > 99 ? "99+" : unread ? String(unread) : "");
}
