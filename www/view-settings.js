// Shows the settings: what others see of the user, how and where they sign in, how the page looks and speaks up.
// Does not know how choices are kept or applied, nor what the server does: the callbacks do.

import { button, h } from "./dom.js";
import { languageCode, LANGUAGES, since, t } from "./i18n.js";
import { chime } from "./attention.js";
import { loadChoice, saveChoice } from "./storage.js";
import { device } from "./text.js";
import { choice, field, form, openDialog, tick } from "./view-field.js";

/**
 * @typedef {{id: number, created_at: number, last_used_at: number, user_agent: string, current: boolean}} Session
 * @typedef {object} Account what can be done about one's own account; failures are thrown
 * @property {(displayName: string) => Promise<void>} rename
 * @property {(current: string, next: string) => Promise<void>} changePassword
 * @property {() => Promise<Session[]>} sessions
 * @property {(ids: number[]) => Promise<void>} endSessions
 * @property {(password: string) => Promise<void>} remove
 *
 * @typedef {object} Choices
 * @property {() => string} theme the current one: light, dark or system
 * @property {(theme: string) => void} onTheme
 * @property {(language: string) => void} onLanguage
 * @property {boolean} [lab] whether this server has one
 *
 * @param {import("./state.js").User} me
 * @param {Account} account
 * @param {Choices} choices
 * @returns {HTMLDialogElement}
 */
export function openSettings(me, account, choices) {
  return openDialog(t("settings"), name(me, account), look(choices), notes(), password(me, account), devices(account),
    ending(me, account));
}

/** @param {import("./i18n.js").Word} word @param {...(Node | string | false | undefined)} content */
const part = (word, ...content) => h("section", { class: "part" }, h("h3", { text: t(word) }), ...content);

/** @param {import("./state.js").User} me @param {Account} account */
function name(me, account) {
  const attributes = { value: me.display_name, autocomplete: "nickname", maxlength: 64 };
  const box = field("display_name", t("display_name"), attributes, `@${me.name}`);
  return part("profile", form({ submit: t("save"), style: "secondary", fields: { display_name: box },
    onSubmit: () => account.rename(box.input.value.trim()).then(() => t("saved")) }));
}

/** @param {Choices} choices */
const look = ({ theme, onTheme, onLanguage, lab }) =>
  part("look", languagePicker(onLanguage, "settings"), themePicker(theme(), onTheme, "settings"),
    // A new tab with the same session, which is that of the opener.
    lab && h("a", { class: "link", href: "lab/", target: "_blank", rel: "opener", text: t("open_lab") }));

/** @param {(language: string) => void} onLanguage @param {string} where this picker stands */
export const languagePicker = (onLanguage, where) => choice(t("language"), `${where}-language`, languageCode(),
  Object.entries(LANGUAGES).map(([code, { name: text }]) => [code, text]), onLanguage);

/** @param {string} theme @param {(theme: string) => void} onTheme @param {string} where */
export const themePicker = (theme, onTheme, where) => choice(t("theme"), `${where}-theme`, theme, [
  ["system", t("theme_system")], ["light", t("theme_light")], ["dark", t("theme_dark")]], onTheme);

/** Shows the page in a theme, now and later. @param {string} theme */
export function applyTheme(theme) {
  const chosen = theme === "system" ? null : theme;
  saveChoice("theme", chosen);
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}

function notes() {
  const hint = h("p", { class: "hint", role: "status" });
  const sound = tick("sound", t("sound"), Boolean(loadChoice("sound")), (on) => {
    saveChoice("sound", on ? "on" : null);
    if (on) chime();
  });
  if (!("Notification" in window) || !isSecureContext) return part("attention", sound);
  const allowed = Notification.permission === "granted" && Boolean(loadChoice("notify"));
  return part("attention", sound, tick("notify", t("notify"), allowed, async (on, box) => {
    const granted = on && await Notification.requestPermission() === "granted";
    saveChoice("notify", granted ? "on" : null);
    box.checked = granted;
    hint.textContent = on && !granted ? t("notify_denied") : "";
  }), hint);
}

/** @param {import("./state.js").User} me @param {Account} account */
function password(me, account) {
  const current = field("current", t("current_password"), { type: "password", autocomplete: "current-password" });
  const next = field("new", t("new_password"), { type: "password", autocomplete: "new-password" }, t("password_hint"));
  return part("password", form({ submit: t("change_password"), style: "secondary", user: me.name,
    fields: { password: current, new: next }, onSubmit: async () => {
      await account.changePassword(current.input.value, next.input.value);
      current.input.value = next.input.value = "";
      return t("password_changed");
    } }));
}

/** @param {Account} account */
function devices(account) {
  const list = h("ul", { class: "sessions", role: "list" }, h("li", { class: "hint", text: t("loading") }));
  /** @type {number[]} */
  let others = [];
  const elsewhere = button("secondary", t("log_out_elsewhere"), () => end(others));
  async function load() {
    try {
      const sessions = await account.sessions();
      others = sessions.filter(({ current }) => !current).map(({ id }) => id);
      list.replaceChildren(...sessions.map((session) => entry(session, () => end([session.id]))));
      elsewhere.hidden = !others.length;
    } catch {
      list.replaceChildren(h("li", { class: "error", text: t("error_network") }));
    }
  }
  /** @param {number[]} ids */
  const end = (ids) => account.endSessions(ids).catch(() => null).then(load);
  load();
  return part("sessions", list, elsewhere);
}

/** @param {Session} session @param {() => void} onEnd */
function entry({ current, last_used_at, user_agent }, onEnd) {
  return h("li", {}, h("span", { class: "who" }, h("strong", { text: device(user_agent) || t("unknown_device") }),
    h("span", { text: current ? t("this_device") : t("last_used", { when: since(last_used_at, Date.now()) }) })),
  !current && button("link", t("log_out"), onEnd));
}

/** @param {import("./state.js").User} me @param {Account} account */
function ending(me, account) {
  const box = field("password", t("password"), { type: "password", autocomplete: "current-password" });
  return part("delete_account", h("p", { class: "hint", text: t("delete_account_hint") }),
    form({ submit: t("delete_account"), style: "danger", user: me.name, fields: { password: box },
      onSubmit: () => account.remove(box.input.value) }));
}
