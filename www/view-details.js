// Shows the right column: whom one is talking to, or who is in the group, and what can be done about it.
// Does not know how it is done: the actions do, and the next state says how it went.

import { h } from "./dom.js";
import { lastSeen, t } from "./i18n.js";
import { openConversation, ownMember, partner, standing } from "./selectors.js";
import { fold } from "./text.js";
import { field, form } from "./view-field.js";
import { avatar, conversationFace, iconButton, nameOf, personButton } from "./view-people.js";

/** So many friends are offered for a group at a time. */
const OFFERED = 6;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").User} User
 * @typedef {import("./state.js").Conversation} Conversation
 * @param {object} options
 * @param {() => void} options.onClose
 * @param {import("./actions.js").Actions} options.actions
 */
export function createDetails({ onClose, actions: { people, groups } }) {
  const body = h("div", { class: "scroll" });
  const closeButton = iconButton("close", t("close"), { on: { click: onClose } });
  const element = h("aside", { class: "details", "aria-label": t("details"), hidden: true, on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && onClose(),
  } }, h("header", {}, h("h2", { text: t("details") }), closeButton), body);
  let shown = "";

  /** @param {State} state */
  function update(state) {
    const conversation = openConversation(state);
    element.hidden = !state.panel || !conversation;
    if (!conversation || element.hidden) return;
    const other = partner(state, conversation);
    const [key, make] = other ? person(state, other) : group(state, conversation);
    // What one is about to press or has typed must not be made anew without need.
    if (key === shown) return;
    shown = key;
    body.replaceChildren(...make());
  }

  /** @param {State} state @param {User} other @returns {[string, () => (Node | string)[]]} */
  function person(state, other) {
    const which = standing(state, other.id);
    const friend = which === "friends";
    const presence = !friend ? "" : other.online ? t("online") : lastSeen(other.last_seen_at, Date.now());
    const { id } = other;
    const name = nameOf(other);
    return [JSON.stringify([other, which, presence]), () => [
      card(avatar(other, friend ? Boolean(other.online) : undefined), name, other.deleted ? "" : `@${other.name}`,
        presence && h("span", { class: "presence", "data-online": Boolean(other.online), text: presence })),
      other.deleted ? "" : h("div", { class: "ending" },
        friend ? twice("unfriend", t("unfriend_ask", { name }), () => people.remove(id))
        : !which ? h("button", { type: "button", class: "secondary", text: t("send_request"), on: {
          click: (/** @type {any} */ { target }) => ((target.disabled = true), people.askAgain(other.name)) } }) : "",
        which === "blocked" ? h("button", { type: "button", class: "secondary", text: t("unblock"), on: { click: () => people.unblock(id) } })
        : twice("block", t("block_ask", { name }), () => people.block(id))),
    ]];
  }

  /** @param {State} state @param {Conversation} conversation @returns {[string, () => (Node | string)[]]} */
  function group(state, conversation) {
    const { id, members } = conversation;
    const title = conversation.title ?? "";
    const owner = ownMember(state, conversation)?.role === "owner";
    const users = members.map(({ user, role }) => ({ ...(state.friends.get(user.id)?.user ?? user), role }));
    const others = [...state.friends.values()].filter(({ user, state: which }) =>
      which === "friends" && !members.some((m) => m.user.id === user.id)).map(({ user }) => user);
    const key = JSON.stringify([id, title, owner, users.map(({ id: who, display_name, online, role }) => [who, display_name, online, role]), others.length]);
    return [key, () => [
      card(conversationFace(conversation), title, t("member_count", { count: members.length })),
      owner ? renaming(id, title) : "",
      h("section", { class: "members" }, h("h3", { text: t("members") }), h("ul", { role: "list" },
        ...users.map((user) => member(state, id, user, owner))), owner ? adding(id, others) : ""),
      h("div", { class: "ending" }, twice("leave", t("leave_ask", { name: title }), () => groups.leave(id))),
    ]];
  }

  /** @param {State} state @param {number} id @param {User & {role: string}} user @param {boolean} owner */
  function member(state, id, user, owner) {
    const me = user.id === state.me?.id;
    const name = nameOf(user);
    return h("li", { "aria-label": name }, avatar(user, user.online), h("span", { class: "who" }, h("strong", { text: me ? t("yourself", { name }) : name }),
      h("span", { text: user.role === "owner" ? t("owner") : `@${user.name}` })),
    owner && !me && twice("remove", t("remove_ask", { name }), () => groups.remove(id, user.id)));
  }

  /** @param {number} id @param {string} title */
  function renaming(id, title) {
    const box = field("title", t("group_title"), { value: title, maxlength: 64, autocomplete: "off" });
    return h("div", { class: "ending" }, form({ submit: t("rename"), style: "secondary", fields: { title: box },
      onSubmit: () => groups.rename(id, box.input.value.trim()) }));
  }

  /** @param {number} id @param {User[]} friends */
  function adding(id, friends) {
    const list = h("ul", { class: "found", role: "list", "aria-label": t("people_found") });
    const box = h("input", { type: "search", "aria-label": t("add_member"), placeholder: t("add_member"), autocomplete: "off", on: { input: show } });
    function show() {
      const query = fold(box.value.trim());
      const fitting = query ? friends.filter((user) => fold(`${user.display_name} ${user.name}`).includes(query)) : [];
      list.replaceChildren(...fitting.slice(0, OFFERED).map((user) => h("li", {}, personButton(user, () => groups.add(id, user.id)))));
      if (query && !fitting.length) list.append(h("li", { class: "hint", text: t("nobody_found") }));
    }
    return h("div", { class: "adding" }, box, list);
  }

  return { element, update, focus: () => closeButton.focus() };
}

/** @param {HTMLElement} face @param {string} name @param {string} handle @param {...(Node | string)} more */
const card = (face, name, handle, ...more) => h("div", { class: "person-card" }, face,
  h("strong", { text: name }), handle && h("span", { class: "handle", text: handle }), ...more);

/** A button that asks once more before it happens.
 * @param {import("./i18n.js").Word} word @param {string} question @param {() => Promise<any>} act */
function twice(word, question, act) {
  const ask = h("button", { type: "button", class: "danger", text: t(word), on: { click: () => {
    place.replaceChildren(h("p", { text: question }), h("div", { class: "buttons" }, sure, cancel));
    cancel.focus();
  } } });
  const sure = h("button", { type: "button", class: "danger", text: t(word), on: { click: async () => {
    sure.disabled = true;
    await act();
    sure.disabled = false;
  } } });
  const cancel = h("button", { type: "button", class: "secondary", text: t("cancel"), on: { click: () => {
    place.replaceChildren(ask);
    ask.focus();
  } } });
  const place = h("div", { class: "twice" }, ask);
  return place;
}
