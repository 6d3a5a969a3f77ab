// The frame of the lab: who is signed in, which section is shown, in which language and theme.
// Does not know what the sections do.
//
// A section is a module of its own, `NAME.js` beside this file, at `#/NAME`. It is loaded when it is first opened,
// and stands in SECTIONS below; its title and hint, which the frame shows, are `lab_NAME` and `lab_NAME_hint` in
// `words.js`. It exports
//
//     export const section = { words: { en: {…}, zh: {…} }, mount(root, lab) { …; return () => { …undo }; } };
//
// `words` are its own, for `lab.t`; both languages have the same keys. `mount` fills `root` and returns what stops
// everything that it has begun (polls, timers), which is called when another section, language or user comes. What
// a section needs comes with `lab`, see the type below; what is drawn is made by `h` of `../dom.js` and `svg` of
// `draw.js`, without markup in strings and without `style` attributes, which the policy of the page forbids.

import { createApi } from "../api.js";
import { h } from "../dom.js";
import { addWords, explain, t, useLanguage } from "../i18n.js";
import { askServer, createPoll } from "../poll.js";
import { dropToken, loadChoice, loadToken, saveChoice, saveToken } from "../storage.js";
import { createMenu } from "../view-menu.js";
import { applyTheme } from "../view-settings.js";
import { createSignIn, createSplash } from "../view-signin.js";
import { EN, ZH } from "./words.js";

/**
 * @typedef {import("../poll.js").PollOptions} PollOptions
 * @typedef {object} Lab what a section is given
 * @property {import("../state.js").User} user who is signed in
 * @property {any} server what `GET /api/server` says
 * @property {string} token of this session
 * @property {string[]} rest what follows the section's name in the address: `#/tour/cursors` has ["cursors"]
 * @property {(word: string, values?: Record<string, string | number>) => string} t speaks the reader's language
 * @property {(method: string, path: string, body?: unknown) => Promise<any>} api one request in this session:
 *   `api("GET", "api/lab/polls")`; throws an ApiError
 * @property {(path: string) => string} url the address of a path of the server, such as "api/events"
 * @property {(path: string, options: Partial<PollOptions>) => ReturnType<typeof createPoll>} follow
 *   a long poll of this session, by the real poll.js, not yet started; the section stops it
 * @property {(name: string, password: string) => Promise<{user: import("../state.js").User, token: string}>} logIn
 *   begins another session, which the section ends
 *
 * @typedef {object} Section
 * @property {{en: Record<string, string>, zh: Record<string, string>}} words
 * @property {(root: HTMLElement, lab: Lab) => () => void} mount
 */

/** In the order in which they are listed. @type {[string, () => Promise<{section: Section}>][]} */
const SECTIONS = [
  ["live", () => import("./live.js")],
  ["message", () => import("./message.js")],
  ["race", () => import("./race.js")],
  ["wire", () => import("./wire.js")],
  ["break", () => import("./break.js")],
  ["2013", () => import("./2013.js")],
  ["facade", () => import("./facade.js")],
  ["tour", () => import("./tour.js")],
];

addWords({ en: EN, zh: ZH });
const speak = /** @type {Lab["t"]} */ (t);
const place = /** @type {HTMLElement} */ (document.getElementById("app"));
const url = (/** @type {string} */ path) => new URL(`../${path}`, import.meta.url).href;
/** @type {any} */
let server = null;
/** Ends what is on screen. */
let leave = () => {};
let menuOpen = false;
/** Makes it anew in another language. @type {() => any} */
let rebuild = () => {};

/** @param {string} language */
function onLanguage(language) {
  saveChoice("language", language);
  useLanguage(language);
  rebuild();
  /** @type {HTMLElement | null} */ (place.querySelector("[name$=-language]:checked"))?.focus();
}

/** @param {string} notice */
function signIn(notice) {
  const begun = { purpose: /** @type {const} */ ("sign_in"), name: "" };
  /** @type {Parameters<typeof createSignIn>[0]["submit"]} */
  async function submit(purpose, account, stay) {
    const api = createApi();
    const { token } = await (purpose === "sign_in" ? api.logIn(account.name, account.password) : api.register(account));
    saveToken(token, stay);
    await enter(token);
  }
  rebuild = () => {
    document.title = speak("lab");
    place.replaceChildren(createSignIn({ server, notice, begun, onLanguage, submit }));
  };
  rebuild();
}

/** @param {string} token */
async function enter(token) {
  const left = (/** @type {string} */ notice) => {
    leave();
    leave = () => {};
    dropToken(token);
    signIn(notice);
  };
  const api = createApi(token, () => left(t("signed_out")));
  const { user } = await api.me();
  rebuild = () => show({
    user,
    server,
    token,
    t: speak,
    rest: location.hash.split("/").slice(2),
    api: api.request,
    url,
    follow: (path, options) => createPoll({
      ask: askServer(url(path), { Authorization: `Bearer ${token}` }),
      snapshot: async () => "",
      onAnswer: async () => {},
      onStatus: () => {},
      onUnauthorized: () => left(t("signed_out")),
      ...options,
    }),
    logIn: (name, password) => createApi().logIn(name, password),
  }, async () => {
    await api.logOut().catch(() => null);
    left("");
  });
  await rebuild();
}

/** Shows the section that the address names. @param {Lab} lab @param {() => void} onLogOut */
async function show(lab, onLogOut) {
  leave();
  const name = location.hash.split("/")[1] ?? "";
  const known = SECTIONS.find(([id]) => id === name);
  const title = known ? speak(`lab_${name}`) : speak("lab");
  const menu = createMenu({ choices: { theme: () => loadChoice("theme") ?? "system", onTheme: applyTheme, onLanguage },
    top: [speak("to_chat"), () => location.assign(url(""))], onLogOut, open: menuOpen });
  const root = h("div", { class: "section-body" });
  const main = h("main", { tabindex: -1, "aria-labelledby": "lab-title" }, h("h1", { id: "lab-title", text: title }),
    h("p", { class: "lead", text: speak(known ? `lab_${name}_hint` : "lab_hint") }), root);
  let gone = false;
  let unmount = () => {};
  leave = () => {
    gone = true;
    menuOpen = menu.isOpen();
    menu.close();
    unmount();
  };
  document.title = known ? `${title} - ${speak("lab")}` : title;
  const nav = h("nav", { class: "lab-nav", "aria-label": speak("lab_sections") }, ...SECTIONS.map(([id]) =>
    h("a", { href: `#/${id}`, "aria-current": id === name ? "page" : null, text: speak(`lab_${id}`) })));
  const brand = h("a", { class: "brand", href: "#/" },
    h("img", { src: url("icon.svg"), alt: "", width: 28, height: 28 }), speak("lab"));
  const who = h("span", { class: "lab-who", text: lab.user.display_name });
  place.replaceChildren(h("div", { class: "lab" }, h("header", { class: "lab-head" }, brand, who, menu.element), nav,
    main));
  if (!known) return root.append(home());
  try {
    const { section } = await known[1]();
    if (gone) return;
    addWords(section.words);
    unmount = section.mount(root, lab);
  } catch (error) {
    if (!gone) root.append(h("p", { class: "error", role: "alert", text: told(error) }));
  }
}

/** What a failure says: one of the server's in the reader's words, any other as it is. @param {any} error */
const told = (error) => error.code ? explain(error) : String(error);

/** What there is. */
const home = () => h("ul", { class: "lab-cards", role: "list" }, ...SECTIONS.map(([id]) =>
  h("li", {}, h("a", { href: `#/${id}` }, h("strong", { text: speak(`lab_${id}`) }),
    h("span", { text: speak(`lab_${id}_hint`) })))));

addEventListener("hashchange", async () => {
  await rebuild();
  place.querySelector("main")?.focus({ preventScroll: true });
});
useLanguage(loadChoice("language"));
place.replaceChildren(createSplash());
server = await createApi().server().catch(() => null);
const token = loadToken();
if (!token) signIn("");
else await enter(token).catch((error) => error.status === 401 || signIn(told(error)));
