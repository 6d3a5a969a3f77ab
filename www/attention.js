// Draws attention to what came while nobody was looking: the count in the title and on the icon, a
// desktop notification, a sound. Rule: of all tabs of a user only the leader speaks up, and only if
// no other is in sight. Does not know how messages come.

import { loadChoice } from "./storage.js";
import { author, unreadTotal } from "./selectors.js";
import { nameOf, titleOf } from "./view-people.js";

/** How long the leader waits for another tab to say that somebody is looking. */
const ASK_MS = 500;
const ICON_PX = 64;
const ACCENT = "#c62f2f";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Message} Message
 * @typedef {"nobody" | "page" | "message"} Sight what somebody is looking at, if anybody is
 * @param {object} options
 * @param {string} options.title of the page
 * @param {() => State} options.state
 * @param {{isLeading: () => boolean, say: (word: any) => void}} options.tabs
 * @param {(conversationId: number) => void} options.onOpen
 */
export function createAttention({ title, state, tabs, onOpen }) {
  const link = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
  const plain = link.href;
  let shown = 0;
  /** What other tabs have said they see, by message. @type {Map<number, Sight>} */
  const sights = new Map();

  /** @param {Message} message @returns {Sight} */
  function sight({ conversation_id }) {
    if (document.hidden || !document.hasFocus()) return "nobody";
    return state().openId === conversation_id ? "message" : "page";
  }

  /** A message of somebody else has come just now. @param {Message} message */
  function arrive(message) {
    const own = sight(message);
    if (!tabs.isLeading()) return own === "nobody" || tabs.say({ sight: own, id: message.id });
    setTimeout(() => {
      const seen = own === "nobody" ? sights.get(message.id) ?? own : own;
      if (seen !== "message" && loadChoice("sound")) chime();
      if (seen === "nobody" && loadChoice("notify")) notify(message);
    }, ASK_MS);
  }

  /** @param {{sight: Sight, id: number}} word of another tab */
  function hear({ sight: theirs, id }) {
    sights.set(id, theirs);
    setTimeout(() => sights.delete(id), 2 * ASK_MS);
  }

  /** @param {Message} message */
  function notify({ conversation_id, sender_id, body }) {
    const conversation = state().conversations.get(conversation_id);
    if (!conversation || Notification.permission !== "granted") return;
    const user = author(state(), conversation, sender_id);
    const text = conversation.kind === "group" && user ? `${nameOf(user)}: ${body}` : body;
    const tag = `lovejoy ${conversation_id}`;
    const note = new Notification(titleOf(state(), conversation), { body: text, icon: plain, tag });
    note.onclick = () => {
      window.focus();
      onOpen(conversation_id);
      note.close();
    };
  }

  async function update() {
    const count = unreadTotal(state());
    document.title = count ? `(${count}) ${title}` : title;
    if (count === shown) return;
    shown = count;
    const href = count ? await badge(plain, count) : plain;
    if (count === shown) link.href = href;
  }

  function close() {
    shown = 0;
    link.href = plain;
    document.title = title;
  }

  return { arrive, hear, update, close };
}

/** The icon with a count on it. @param {string} icon @param {number} count */
async function badge(icon, count) {
  const picture = new Image();
  picture.src = icon;
  // The server may be gone just now: then the count stands by itself.
  const isThere = await picture.decode().then(() => true, () => false);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = ICON_PX;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  if (isThere) pen.drawImage(picture, 0, 0, ICON_PX, ICON_PX);
  pen.fillStyle = ACCENT;
  pen.beginPath();
  pen.arc(42, 42, 22, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.font = "bold 32px sans-serif";
  pen.textAlign = "center";
  pen.fillText(count > 9 ? "9+" : String(count), 42, 53);
  return canvas.toDataURL();
}

/** Two soft tones. */
export function chime() {
  const audio = new AudioContext();
  [660, 880].forEach((frequency, at) => {
    const start = audio.currentTime + at * 0.12;
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.12, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.25);
    tone.connect(volume).connect(audio.destination);
    tone.start(start);
    tone.stop(start + 0.25);
    if (at) tone.onended = () => audio.close();
  });
}
