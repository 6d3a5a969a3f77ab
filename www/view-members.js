// Shows a group: its name, who is in it, and what can be done about that. Owners manage, anybody may leave.
// Nodes are made once for a group and then brought up to date, so that nothing typed here is lost.

import { h, patchList, setAttributes, setText } from "./dom.js";
import { t } from "./i18n.js";
import { fold } from "./text.js";
import { field, form, twice } from "./view-field.js";
import { avatar, card, conversationFace, nameOf, personButton, showOnline } from "./view-people.js";

/** How many friends are offered at a time. */
const OFFERED = 6;

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Conversation} Conversation
 * @param {number} id of the group
 * @param {boolean} owner whether one is
 * @param {import("./actions.js").Actions["groups"]} groups
 */
export function createMembers(id, owner, groups) {
  let state = /** @type {State | null} */ (null);
  const top = h("div", {});
  const title = field("title", t("group_title"), { maxlength: 64, autocomplete: "off" });
  const list = h("ul", { role: "list" });
  const found = h("ul", { class: "found", role: "list", "aria-label": t("people_found") });
  const search = h("input", { type: "search", "aria-label": t("add_member"), placeholder: t("add_member"),
    autocomplete: "off", on: { input: offer } });
  const element = h("div", {}, top,
    owner && h("div", { class: "ending" }, form({ submit: t("rename"), style: "secondary", fields: { title },
      onSubmit: () => groups.rename(id, title.input.value.trim()) })),
    h("section", { class: "members" }, h("h3", { text: t("members") }), list,
      owner && h("div", { class: "adding" }, search, found)),
    h("div", { class: "ending" }, twice("leave", t("leave_ask"), () => groups.leave(id))));
  let named = "";

  /** @param {State} next @param {Conversation} conversation */
  function update(next, conversation) {
    state = next;
    const name = conversation.title ?? "";
    const count = t("member_count", { count: conversation.members.length });
    top.replaceChildren(card(conversationFace(conversation), name, count));
    if (name !== named) title.input.value = named = name;
    const items = conversation.members.map(({ user, role }) => {
      const known = next.friends.get(user.id)?.user ?? user;
      const me = user.id === next.me?.id;
      return { key: `${user.id}`, user: known, name: me ? t("yourself", { name: nameOf(known) }) : nameOf(known),
        online: known.online, role: role === "owner" ? t("owner") : `@${known.name}`, removable: owner && !me };
    });
    patchList(list, items, create, renew);
    offer();
  }

  /** @param {import("./dom.js").Item} item */
  const create = ({ user, name, removable }) => h("li", {}, avatar(user, false),
    h("span", { class: "who" }, h("strong", {}), h("span", {})),
    removable && twice("remove", t("remove_ask", { name }), () => groups.remove(id, user.id)));

  /** @param {HTMLElement} node @param {import("./dom.js").Item} item */
  function renew(node, { name, online, role }) {
    setAttributes(node, { "aria-label": name });
    const [face, who] = node.children;
    showOnline(face, online);
    setText(who.children[0], name);
    setText(who.children[1], role);
  }

  /** Friends who could join, by what is typed. */
  function offer() {
    const query = fold(search.value.trim());
    const members = new Set(state?.conversations.get(id)?.members.map(({ user }) => user.id));
    const fitting = !query ? [] : [...state?.friends.values() ?? []].filter(({ user, state: which }) =>
      which === "friends" && !members.has(user.id) && fold(`${user.display_name} ${user.name}`).includes(query));
    patchList(found, fitting.slice(0, OFFERED).map(({ user }) => ({ key: `${user.id}`, user })),
      ({ user }) => h("li", {}, personButton(user, () => groups.add(id, user.id))), () => {});
    setAttributes(found, { "data-empty": query && !fitting.length ? t("nobody_found") : null });
  }

  return { element, update };
}
