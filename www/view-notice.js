// Shows for a while what has just happened, with a way back if there is one.
// Does not know for how long: the state says what is shown.

import { button, h } from "./dom.js";
import { t } from "./i18n.js";

export function createNotice() {
  const element = h("div", { class: "notice-place", role: "status" });
  /** @type {import("./state.js").Notice | null} */
  let shown = null;

  /** @param {import("./state.js").State} state */
  function update({ notice }) {
    if (notice === shown) return;
    shown = notice;
    element.replaceChildren(...(notice ? [h("p", { class: "toast" }, notice.text,
      notice.undo && button("link", t("undo"), notice.undo))] : []));
  }

  return { element, update };
}
