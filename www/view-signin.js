// Shows the card on which people sign in or create an account.
// Does not know what a session is: `submit` does the work and throws an ApiError to be shown under its field.

import { h, icon, setAttributes, setText } from "./dom.js";
import { explain, t } from "./i18n.js";
import { field } from "./view-field.js";
import { languagePicker } from "./view-settings.js";

const ICON = new URL("icon.svg", import.meta.url).href;

/** The field that a refusal is about, if the server names none. @type {Record<string, string>} */
const ABOUT = {
  name_taken: "name",
  bad_credentials: "password",
  rate_limited: "password",
  registration_closed: "invite",
};

/**
 * @typedef {{name: string, password: string, display_name?: string, invite?: string}} Account
 * @typedef {{name: string, version: string, registration: string, demo?: Account[]}} Server
 * @typedef {"sign_in" | "create_account"} Purpose
 * @param {object} options
 * @param {Server | null} options.server null while it has not answered
 * @param {string} options.notice why one is here again, may be empty
 * @param {{purpose: Purpose, name: string}} options.begun what was typed before the view was made anew
 * @param {(purpose: Purpose, account: Account, stay: boolean) => Promise<void>} options.submit
 * @param {(language: string) => void} options.onLanguage
 */
export function createSignIn({ server, notice, begun, submit, onLanguage }) {
  const body = h("div", { class: "card-body" });
  const tabs = (/** @type {Purpose[]} */ (["sign_in", "create_account"])).map((purpose) =>
    h("button", { role: "tab", type: "button", id: `tab-${purpose}`, "aria-controls": "card-panel", text: t(purpose),
      on: { click: () => choose(purpose), keydown: switchByArrow } }));

  /** @param {KeyboardEvent} event */
  function switchByArrow(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    choose(begun.purpose === "sign_in" ? "create_account" : "sign_in");
    tabs.find((tab) => tab.tabIndex === 0)?.focus();
  }

  /** @param {Purpose} purpose */
  function choose(purpose) {
    begun.purpose = purpose;
    for (const tab of tabs) {
      const selected = tab.id === `tab-${purpose}`;
      setAttributes(tab, { "aria-selected": String(selected), tabindex: selected ? 0 : -1 });
    }
    const closed = purpose === "create_account" && server?.registration === "closed";
    const panel = { role: "tabpanel", id: "card-panel", "aria-labelledby": `tab-${purpose}` };
    body.replaceChildren(h("div", panel, closed
      ? h("p", { class: "closed", text: t("registration_closed") })
      : form(purpose)));
  }

  /** @param {Purpose} purpose */
  function form(purpose) {
    const creating = purpose === "create_account";
    const plain = { autocapitalize: "none", spellcheck: "false" };
    const name = field("name", t("name"), { autocomplete: "username", ...plain, maxlength: 64, value: begun.name },
      creating ? t("name_hint") : "");
    const password = field("password", t("password"), { type: "password",
      autocomplete: creating ? "new-password" : "current-password" }, creating ? t("password_hint") : "");
    const invite = field("invite", t("invite"), { autocomplete: "off", ...plain }, t("invite_hint"));
    const invited = creating && server?.registration === "invite";
    const display = field("display_name", t("display_name"), { autocomplete: "nickname" }, t("display_name_hint"));
    const stay = h("input", { type: "checkbox", id: "stay" });
    const button = h("button", { type: "submit", class: "primary", text: t(purpose) });
    const general = h("p", { class: "error", role: "alert" });
    name.input.addEventListener("input", () => (begun.name = name.input.value));
    password.box.append(showSwitch(password.input));

    /** @param {Account} account */
    async function enter(account) {
      if (element.getAttribute("aria-busy")) return;
      for (const each of [name, password, display, invite]) each.complain("");
      setText(general, "");
      setAttributes(element, { "aria-busy": "true" });
      try {
        await submit(purpose, account, stay.checked);
      } catch (error) {
        complain(/** @type {import("./api.js").ApiError} */ (error), account.name);
      } finally {
        setAttributes(element, { "aria-busy": null });
      }
    }

    /** Errors stand under the field they speak of. @param {import("./api.js").ApiError} error @param {string} who */
    function complain(error, who) {
      const fields = { name, password, display_name: display, invite };
      const about = ABOUT[error.code] ?? error.field;
      const place = fields[/** @type {keyof typeof fields} */ (about)];
      if (place === invite) place.complain(t("error_invite"));
      else if (place) place.complain(explain(error, who));
      else setText(general, explain(error, who));
    }

    const element = h("form", { novalidate: true, on: {
      /** @param {Event} event */
      submit: (event) => {
        event.preventDefault();
        const needed = invited ? [name, password, invite] : [name, password];
        const empty = needed.filter(({ input }) => !input.value.trim());
        for (const each of needed) each.complain(empty.includes(each) ? t("error_empty") : "");
        if (empty.length) return empty[0].input.focus();
        const shown = display.input.value.trim();
        enter({ name: name.input.value.trim(), password: password.input.value,
          ...(creating && shown ? { display_name: shown } : {}),
          ...(invited ? { invite: invite.input.value.trim() } : {}) });
      },
    } }, name.element, creating && display.element, password.element, invited && invite.element,
      h("label", { class: "check", for: "stay" }, stay, t("stay")), general, button);
    if (creating || !server?.demo?.length) return element;
    return h("div", {}, element, demo(server.demo, enter));
  }

  choose(begun.purpose);
  return h("main", { class: "signin" },
    h("div", { class: "card" },
      h("header", {}, h("img", { src: ICON, alt: "", width: 48, height: 48 }),
        h("h1", { text: server?.name ?? "Lovejoy" })),
      notice && h("p", { class: "notice", role: "status", text: notice }),
      h("div", { class: "tabs", role: "tablist" }, ...tabs), body),
    h("footer", {}, languagePicker(onLanguage, "card"),
      h("p", { text: server ? `Lovejoy ${server.version}` : "" })));
}

/** @param {Account[]} accounts @param {(account: Account) => void} enter */
function demo(accounts, enter) {
  return h("section", { class: "demo", "aria-labelledby": "demo-title" },
    h("h2", { id: "demo-title", text: t("demo") }),
    h("div", { class: "demo-accounts" }, ...accounts.map(({ name, password }) =>
      h("button", { type: "button", text: name, on: { click: () => enter({ name, password }) } }))),
    h("p", { text: t("demo_hint") }));
}

/** @param {HTMLInputElement} input */
function showSwitch(input) {
  const button = h("button", { type: "button", class: "quiet", "aria-controls": input.id, "aria-pressed": "false",
    text: t("show"), on: { click: () => {
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      setAttributes(button, { "aria-pressed": String(shown) });
      setText(button, t(shown ? "hide" : "show"));
    } } });
  return button;
}

/** What stands there until the server has said what it is. */
export const createSplash = () =>
  h("main", { class: "splash" }, h("img", { src: ICON, alt: "", width: 64, height: 64 }), icon("clock"));
