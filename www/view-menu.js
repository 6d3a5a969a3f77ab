// Shows the menu: one way on, the choices of language and theme at hand, and the way out.
// Does not know how choices are kept or applied: the callbacks do.

import { button, h, setAttributes } from "./dom.js";
import { t } from "./i18n.js";
import { iconButton } from "./view-people.js";
import { languagePicker, themePicker } from "./view-settings.js";

/**
 * @param {object} options
 * @param {import("./view-settings.js").Choices} options.choices
 * @param {[string, () => void]} options.top its first entry
 * @param {() => void} options.onLogOut
 * @param {boolean} options.open to begin with
 */
export function createMenu({ choices, top, onLogOut, open }) {
  /** @param {string} text @param {() => void} act */
  const entry = (text, act) => button("plain", text, () => {
    show(false);
    // What it opens gives the focus back to here.
    opener.focus();
    act();
  });
  const panel = h("div", { class: "menu-panel", id: "menu-panel", hidden: !open },
    entry(...top),
    languagePicker(choices.onLanguage, "menu"),
    themePicker(choices.theme(), choices.onTheme, "menu"),
    entry(t("log_out"), onLogOut));
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
