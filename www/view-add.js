// Shows the folded-away form for asking somebody to be friends: finds people as their name is typed.
// Does not know how they are found or asked: the callbacks do.

import { button, h, patchList, setText } from "./dom.js";
import { explain, t } from "./i18n.js";
import { fold } from "./text.js";
import { field } from "./view-field.js";
import { personButton } from "./view-people.js";

/** How long typing must rest before people are looked up. */
const REST_MS = 150;
const NAME_BOX = { autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: 64 };

/**
 * @typedef {import("./state.js").User} User
 * @param {object} options
 * @param {(name: string) => Promise<import("./state.js").Friend>} options.onAsk
 * @param {(text: string) => Promise<User[]>} options.onFind
 * @param {() => User | null} options.self
 */
export function createAddForm({ onAsk, onFind, self }) {
  const name = field("friend-name", t("friends_name"), NAME_BOX);
  const found = h("ul", { class: "found", role: "list", "aria-label": t("people_found") });
  const result = h("p", { class: "hint", role: "status" });
  const sendButton = h("button", { type: "submit", class: "primary", text: t("send_request") });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;

  function find() {
    clearTimeout(resting);
    const text = name.input.value.trim();
    if (!text) return show([]);
    resting = setTimeout(async () => {
      // Without an answer the whole name can still be typed.
      const users = await onFind(text).catch(() => []);
      if (text === name.input.value.trim()) show(users);
    }, REST_MS);
  }

  /** @param {User[]} users */
  const show = (users) => patchList(found, users.map((user) => ({ key: `${user.id}`, user })), ({ user }) =>
    h("li", {}, personButton(user, () => ask(user.name))), () => {});

  /** @param {string} wanted */
  async function ask(wanted) {
    name.complain("");
    setText(result, "");
    if (!wanted) return name.complain(t("error_empty"));
    if (fold(wanted) === fold(self()?.name ?? "")) return name.complain(t("error_oneself"));
    sendButton.disabled = true;
    try {
      const { user, state } = await onAsk(wanted);
      setText(result, t(state === "friends" ? "befriended" : "asked", { name: user.display_name }));
      name.input.value = "";
      show([]);
      name.input.focus();
    } catch (error) {
      name.complain(explain(/** @type {import("./api.js").ApiError} */ (error), wanted));
    }
    sendButton.disabled = false;
  }

  function toggle(open = Boolean(element.hidden)) {
    element.hidden = !open;
    element.dispatchEvent(new Event("toggle"));
    name.complain("");
    setText(result, "");
    if (open) name.input.focus();
  }

  name.input.addEventListener("input", find);
  const element = h("form", { class: "add", id: "add-friend", hidden: true, novalidate: true, on: {
    /** @param {Event} event */
    submit: (event) => {
      event.preventDefault();
      ask(name.input.value.trim());
    },
    /** @param {KeyboardEvent} event */
    keydown: (event) => event.key === "Escape" && !event.isComposing && toggle(false),
  } }, name.element, found, result, h("div", { class: "buttons" }, sendButton,
    button("secondary", t("cancel"), () => toggle(false))));
  return { element, toggle };
}
