// Shows one entry of the left column: a person or group to talk to, a request, a found message, a heading.
// Does not know their order.

import { button, h, setAttributes, setText } from "./dom.js";
import { t } from "./i18n.js";
import { excerpt, initial } from "./text.js";
import { avatar, conversationFace, nameOf, showOnline } from "./view-people.js";

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

/** A row is a link that opens in place; so is the whole item, for those who click beside the link.
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
    ...["name", "sr", "time", "text", "unread"].map((style) => h("span", { class: style })));
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
const furtherHits = ({ actions }) => h("li", { class: "more" }, button("link", t("more"), actions.search.more));

/** @param {Item} item @param {Does} does */
function request({ kind, user }, { actions: { people } }) {
  const id = `request-${user.id}`;
  /** @param {string} style @param {import("./i18n.js").Word} word @param {(id: number) => Promise<any>} act */
  const answer = (style, word, act) => {
    const element = button(style, t(word), () => act(user.id));
    setAttributes(element, { "aria-describedby": id });
    return element;
  };
  const answers = {
    incoming: () => [answer("primary", "accept", people.accept), answer("secondary", "decline", people.remove),
      answer("link", "block", people.block)],
    outgoing: () => [answer("secondary", "withdraw", people.remove)],
    blocked: () => [answer("secondary", "unblock", people.unblock)],
  };
  const which = /** @type {keyof typeof answers} */ (kind);
  return h("li", { class: "request", "aria-label": nameOf(user) }, avatar(user),
    h("p", { id }, h("strong", { text: nameOf(user) }), " ", t(which)),
    h("div", { class: "buttons" }, ...answers[which]()));
}

/** @param {HTMLElement} node @param {Item} item */
export function updateRow(node, { kind, title, count, user, name, online, current, text, typing, time, unread }) {
  if (kind === "section") node.replaceChildren(h("h2", { text: title }), h("span", { class: "count", text: count }));
  if (kind !== "row") return;
  const link = /** @type {HTMLElement} */ (node.firstElementChild);
  const [face, who, facts, when, what, badge] = link.children;
  const presence = online === undefined ? [] : [t(online ? "online" : "offline")];
  if (unread) presence.push(t("unread", { count: unread }));
  setAttributes(node, { "aria-label": [name, ...presence].join(", ") });
  setAttributes(link, { "aria-current": current ? "true" : null });
  if (user) showOnline(face, online);
  const letter = /** @type {Text} */ (face.firstChild);
  letter.data = user?.deleted ? "–" : initial(name);
  setText(who, name);
  setText(facts, presence.join(" "));
  setText(when, time);
  setText(what, text);
  setAttributes(what, { "data-typing": typing || null });
  setText(badge, unread > 99 ? "99+" : unread ? String(unread) : "");
}
