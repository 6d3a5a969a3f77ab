// Shows the menu of choices that belong to this browser, language and theme, and the way out.
// Does not know how choices are kept or applied: the callbacks do.

import { h, icon, setAttributes } from "./dom.js";
import { LANGUAGES, languageCode, t } from "./i18n.js";

/**
 * @param {object} options
 * @param {() => string} options.theme the current choice: light, dark or system
 * @param {(theme: string) => void} options.onTheme
 * @param {(language: string) => void} options.onLanguage
 * @param {() => void} options.onLogOut
 * @param {boolean} options.open to begin with
 */
export function createMenu({ theme, onTheme, onLanguage, onLogOut, open }) {
  const panel = h("div", { class: "menu-panel", id: "menu-panel", hidden: !open },
    languagePicker(onLanguage),
    choice(t("theme"), "theme", theme(), [
      ["system", t("theme_system")], ["light", t("theme_light")], ["dark", t("theme_dark")]], onTheme),
    h("button", { type: "button", class: "plain", text: t("log_out"), on: { click: onLogOut } }));
  const button = h("button", { type: "button", class: "icon-button", title: t("menu"), "aria-label": t("menu"),
    "aria-expanded": open, "aria-controls": panel.id, on: { click: () => show(panel.hidden) } }, icon("menu"));

  /** @param {boolean} shown */
  function show(shown) {
    panel.hidden = !shown;
    setAttributes(button, { "aria-expanded": String(shown) });
  }

  const element = h("div", { class: "menu", on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      event.stopPropagation();
      show(false);
      button.focus();
    },
    /** @param {FocusEvent} event */
    focusout: (event) => {
      const to = /** @type {Node | null} */ (event.relatedTarget);
      if (to && !element.contains(to)) show(false);
    },
  } }, button, panel);
  /** @param {Event} event */
  const outside = (event) => element.contains(/** @type {Node} */ (event.target)) || show(false);
  document.addEventListener("pointerdown", outside);
  return { element, isOpen: () => !panel.hidden, close: () => document.removeEventListener("pointerdown", outside) };
}

/** @param {(language: string) => void} onLanguage */
export const languagePicker = (onLanguage) => choice(t("language"), "language", languageCode(),
  Object.entries(LANGUAGES).map(([code, { name }]) => [code, name]), onLanguage);

/** One of a few, all in sight. @param {string} label @param {string} name @param {string} current
 * @param {string[][]} options value and text of each @param {(value: string) => void} onChange */
function choice(label, name, current, options, onChange) {
  return h("fieldset", { class: "choice" }, h("legend", { text: label }),
    h("div", {}, ...options.map(([value, text]) => h("label", {},
      h("input", { type: "radio", name, value, prop: { checked: value === current },
        on: { change: () => onChange(value) } }), h("span", { text })))));
}
