// Shows the dialog that makes a group: a title, and which friends are in it.
// Does not know how a group is made: the callback does.

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { fold } from "./text.js";
import { field, form, openDialog, tick } from "./view-field.js";
import { avatar, nameOf } from "./view-people.js";

/** How many are shown: as many as people look through; the others are found by typing. */
const SHOWN = 50;

/**
 * @typedef {import("./state.js").User} User
 * @param {User[]} friends
 * @param {(title: string, memberIds: number[]) => Promise<void>} onCreate
 */
export function openNewGroup(friends, onCreate) {
  /** @type {Set<number>} */
  const chosen = new Set();
  const title = field("title", t("group_title"), { autocomplete: "off", maxlength: 64 });
  const dialog = openDialog(t("new_group"), form({ submit: t("create_group"), fields: { title },
    below: [picker(friends, chosen)],
    onSubmit: async () => {
      await onCreate(title.input.value.trim(), [...chosen]);
      dialog.close();
    } }));
  title.input.focus();
  return dialog;
}

/** A list of people of whom some can be chosen. @param {User[]} users @param {Set<number>} chosen */
function picker(users, chosen) {
  const list = h("ul", { class: "picker", role: "list" });
  const filter = h("input", { type: "search", "aria-label": t("find_friend"), placeholder: t("find_friend"),
    autocomplete: "off", on: { input: show,
      /** @param {KeyboardEvent} event */
      keydown: (event) => event.key === "Enter" && event.preventDefault() } });
  /** Those already chosen first. @param {User} a @param {User} b */
  const order = (a, b) =>
    Number(chosen.has(b.id)) - Number(chosen.has(a.id)) || nameOf(a).localeCompare(nameOf(b));

  function show() {
    const query = fold(filter.value.trim());
    const fitting = users.filter((user) => fold(`${user.display_name} ${user.name}`).includes(query));
    list.replaceChildren(...fitting.sort(order).slice(0, SHOWN).map((user) => h("li", {}, tick(`choose-${user.id}`,
      h("span", { class: "chosen" }, avatar(user), nameOf(user)), chosen.has(user.id),
      (on) => (on ? chosen.add(user.id) : chosen.delete(user.id))))));
    const why = t(users.length ? "nobody_found" : "no_friends");
    if (!fitting.length) list.append(h("li", { class: "hint", text: why }));
  }

  show();
  return h("fieldset", { class: "people" }, h("legend", { text: t("members") }), users.length > 8 && filter, list);
}
