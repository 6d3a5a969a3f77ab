// Tells about a lost connection, after a while of quiet retrying, and counts down to the next try.
// Does not know why the connection was lost, nor how it is restored.

import { button, h, setText } from "./dom.js";
import { t } from "./i18n.js";

/** Most losses heal within this time; nobody needs to read about them. */
const QUIET_MS = 5_000;
const TICK_MS = 250;

/** @param {{onTry: () => void}} options */
export function createBanner({ onTry }) {
  const text = h("span", {});
  // The count would be read aloud each second if it were not a timer.
  const count = h("span", { role: "timer" });
  const tryNow = button("link", t("try_now"), onTry);
  const element = h("div", { class: "banner", role: "status", "aria-label": t("connection") });
  /** @type {import("./poll.js").PollStatus} */
  let status = { state: "idle", lostAt: 0, retryAt: 0 };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;

  function show() {
    const now = Date.now();
    const shown = status.lostAt > 0 && now - status.lostAt >= QUIET_MS;
    if (!shown) return element.replaceChildren();
    const seconds = Math.ceil((status.retryAt - now) / 1000);
    setText(text, t("lost"));
    setText(count, seconds > 0 ? t("retry_in", { seconds }) : t("connecting"));
    if (!element.firstChild) element.append(text, " ", count, " ", tryNow);
  }

  /** @param {import("./state.js").State} state */
  function update({ connection }) {
    status = connection;
    clearInterval(ticking);
    if (status.lostAt) ticking = setInterval(show, TICK_MS);
    show();
  }

  return { element, update, close: () => clearInterval(ticking) };
}
