// Starts the page: decides between the sign-in card and the chat, and applies theme and language.
// Does not know what happens inside either.

import { createApi } from "./api.js";
import { startChat } from "./chat.js";
import { t, useLanguage } from "./i18n.js";
import { dropToken, loadChoice, loadToken, saveChoice, saveToken } from "./storage.js";
import { applyTheme } from "./view-settings.js";
import { createSignIn, createSplash } from "./view-signin.js";

/** Until the server has told its own. */
const MESSAGE_BYTES = 8192;

const place = /** @type {HTMLElement} */ (document.getElementById("app"));
const begun = { purpose: /** @type {const} */ ("sign_in"), name: "" };
/** @type {any} */
let server = null;
/** Makes what is on screen anew in another language. */
let rebuild = () => {};

/** @param {string} language */
function onLanguage(language) {
  saveChoice("language", language);
  useLanguage(language);
  rebuild();
  // In the dialog over the page if there is one, otherwise in the menu or on the card.
  const pickers = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[name$=-language]:checked"));
  [...pickers].at(-1)?.focus();
}

/** @param {string} notice */
function signIn(notice) {
  /** @type {Parameters<typeof createSignIn>[0]["submit"]} */
  async function submit(purpose, account, stay) {
    const api = createApi();
    const { token } = await (purpose === "sign_in" ? api.logIn(account.name, account.password) : api.register(account));
    saveToken(token, stay);
    chat(token);
  }
  const show = () => place.replaceChildren(createSignIn({ server, notice, begun, onLanguage, submit }));
  rebuild = show;
  show();
  place.querySelector("input")?.focus();
}

/** @param {string} token */
function chat(token) {
  const running = startChat({
    token,
    place,
    limit: server?.limits?.message_bytes ?? MESSAGE_BYTES,
    title: server?.name ?? "Lovejoy",
    choices: { theme: () => loadChoice("theme") ?? "system", onTheme: applyTheme, onLanguage,
      lab: Boolean(server?.lab) },
    onLeave: (ended) => {
      dropToken(token);
      signIn(ended ? t("signed_out") : "");
    },
  });
  rebuild = running.rebuild;
}

useLanguage(loadChoice("language"));
place.replaceChildren(createSplash());
// Without an answer the page still shows what it can, and says so where the connection matters.
server = await createApi().server().catch(() => null);
const token = loadToken();
if (token) chat(token);
else signIn("");
