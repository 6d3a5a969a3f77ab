// Shows the menu: the settings, the choices of language and theme at hand, and the way out.
// Does not know how choices are kept or applied: the callbacks do.

import { button, h, setAttributes } from "./dom.js";
import { t } from "./i18n.js";
import { iconButton } from "./view-people.js";
import { languagePicker, themePicker } from "./view-settings.js";

/**
 * @param {object} options
 * @param {import("./view-settings.js").Choices} options.choices
 * @param {() => void} options.onSettings
 * @param {() => void} options.onLogOut
 * @param {boolean} options.open to begin with
 */
export function createMenu({ choices, onSettings, onLogOut, open }) {
  /** @param {import("./i18n.js").Word} word @param {() => void} act */
  const entry = (word, act) => button("plain", t(word), () => {
    show(false);
    act();
  });
  const panel = h("div", { class: "menu-panel", id: "menu-panel", hidden: !open },
    entry("settings", onSettings),
    languagePicker(choices.onLanguage, "menu"),
    themePicker(choices.theme(), choices.onTheme, "menu"),
    entry("log_out", onLogOut));
  const opener = iconButton("menu", t("menu"), { "aria-expanded": open, "aria-controls": panel.id,
    on: { click: () => show(Boolean(panel.hidden)) } });

  /** @param {boolean} shown */
  function show(shown) {
    panel.hidden = !shown;
    setAttributes(opener, { "aria-expanded": String(shown) });
  }

  const element = h("div", { class: "menu", on: {
    /** @param {KeyboardEvent} event */
    keydown: (event) => {
      if (event.key !== "Escape" || panel.hidden) return;
      event.stopPropagation();
      show(false);
      opener.focus();
    },
    /** @param {FocusEvent} event */
    focusout: (event) => {
      const to = /** @type {Node | null} */ (event.relatedTarget);
      if (to && !element.contains(to)) show(false);
    },
  } }, opener, panel);
  /** @param {Event} event */
  const outside = (event) => element.contains(/** @type {Node} */ (event.target)) || show(false);
  document.addEventListener("pointerdown", outside);
  return { element, isOpen: () => !panel.hidden, close: () => document.removeEventListener("pointerdown", outside) };
}
