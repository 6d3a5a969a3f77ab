// Speaks the reader's language: every word of the page, and dates and times as people there write them.
// Does not know who asks; a change of language is for the caller to show.

import { EN } from "./words-en.js";
import { ZH } from "./words-zh.js";

/** @typedef {keyof typeof EN} Word */
/** @type {Record<string, {name: string, locale: string, words: Record<Word, string>}>} */
export const LANGUAGES = {
  en: { name: "English", locale: "en", words: EN },
  zh: { name: "简体中文", locale: "zh-CN", words: ZH },
};

let current = LANGUAGES.en;
let clock = new Intl.DateTimeFormat();
let weekday = clock;
let shortWeekday = clock;
let date = clock;
let dateWithYear = clock;
let shortDate = clock;
let shortDateWithYear = clock;
let relative = new Intl.RelativeTimeFormat();

/** @param {string | null} chosen null follows the browser */
export function useLanguage(chosen) {
  const wanted = chosen ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES[tag]);
  current = LANGUAGES[wanted ?? "en"] ?? LANGUAGES.en;
  // People in London and New York read the same words, but not the same dates. Some browsers have tags that are none.
  const regional = new RegExp(`^${current.locale}(-[A-Z]{2})?$`);
  const locale = navigator.languages.find((tag) => regional.test(tag)) ?? current.locale;
  clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  weekday = new Intl.DateTimeFormat(locale, { weekday: "long" });
  shortWeekday = new Intl.DateTimeFormat(locale, { weekday: "short" });
  date = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
  dateWithYear = new Intl.DateTimeFormat(locale, { dateStyle: "long" });
  shortDate = new Intl.DateTimeFormat(locale, { day: "numeric", month: "numeric" });
  shortDateWithYear = new Intl.DateTimeFormat(locale, { dateStyle: "short" });
  relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  document.documentElement.lang = current.locale;
}

export const languageCode = () => current.locale.slice(0, 2);

/** Learns the words of a rarely seen part of the pages. @param {Record<string, Record<string, string>>} more */
export function addWords(more) {
  for (const code in more) Object.assign(LANGUAGES[code].words, more[code]);
}

/** @param {Word} word @param {Record<string, string | number>} [values] */
export const t = (word, values = {}) =>
  current.words[word].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

/** What to tell people about a failure: our words for it, or else the server's.
 * @param {import("./api.js").ApiError} error @param {string} [name] whom it is about */
export function explain(error, name = "") {
  if (error.code === "rate_limited") return t("error_rate_limited", { seconds: error.retryAfter || 60 });
  const word = `error_${error.status >= 500 ? "unavailable" : error.code}`;
  return word in EN ? t(/** @type {Word} */ (word), { name }) : error.detail || error.code;
}

/** @param {number} at */
export const timeOfDay = (at) => clock.format(at);

/** @param {number} at @param {number} now */
export function dayName(at, now) {
  const days = daysBetween(at, now);
  if (days < 2) return capital(relative.format(-days, "day"));
  if (days < 7) return weekday.format(at);
  return (days < 300 ? date : dateWithYear).format(at);
}

/** For the narrow column of the list. @param {number} at @param {number} now */
export function shortTime(at, now) {
  const days = daysBetween(at, now);
  if (days === 0) return clock.format(at);
  if (days < 7) return shortWeekday.format(at);
  return (days < 300 ? shortDate : shortDateWithYear).format(at);
}

/** @param {number | null | undefined} at @param {number} now */
export const lastSeen = (at, now) => (at ? t("last_seen", { when: since(at, now) }) : t("never_seen"));

/** How long ago something was. @param {number} at @param {number} now */
export function since(at, now) {
  const minutes = Math.max(1, Math.round((now - at) / 60_000));
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (minutes < 24 * 60) return relative.format(-Math.round(minutes / 60), "hour");
  return relative.format(-Math.max(1, daysBetween(at, now)), "day");
}

/** @param {number} at @param {number} now */
function daysBetween(at, now) {
  const midnight = (/** @type {number} */ time) => new Date(time).setHours(0, 0, 0, 0);
  return Math.max(0, Math.round((midnight(now) - midnight(at)) / 86_400_000));
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
