// Answers small questions about text: what in it is a link, how long it is for the server, what stands for a name.
// Knows no DOM: links come out as parts for a view to turn into anchors.

const LINK = /\bhttps?:\/\/[^\s<>"'`\u3000-\u303f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]+/giu;
const TRAILING = /[.,;:!?*_~]+$/;
/** How much of a text is shown before what was searched for. */
const BEFORE = 16;
/** Most of them pretend to be one of those further down. @type {[RegExp, string][]} */
const BROWSERS = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"], [/^curl\//, "curl"]];
/** @type {[RegExp, string][]} */
const SYSTEMS = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"]];
const encoder = new TextEncoder();

/**
 * Cuts a text into plain parts and web addresses; joined together they are the text again.
 * @param {string} text
 * @returns {{text: string, href?: string}[]}
 */
export function linkParts(text) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(LINK)) {
    const address = trimAddress(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index) });
    parts.push({ text: address, href: new URL(address).href });
    done = match.index + address.length;
  }
  if (done < text.length) parts.push({ text: text.slice(done) });
  return parts;
}

/** A full stop or a bracket after an address belongs to the sentence. @param {string} address */
function trimAddress(address) {
  let cut = address.replace(TRAILING, "");
  while (cut.endsWith(")") && cut.split(")").length > cut.split("(").length) {
    cut = cut.slice(0, -1).replace(TRAILING, "");
  }
  return cut;
}

/** What the server will keep of a text: no blank lines before, no white space after. @param {string} text */
export const tidyBody = (text) => text.replace(/^(?:[^\S\n]*\n)+/, "").trimEnd();

/** @param {string} text */
export const byteLength = (text) => encoder.encode(text).length;

/** The first letter as people see letters, with its marks. @param {string} name */
export function initial(name) {
  const segments = new Intl.Segmenter().segment(name)[Symbol.iterator]();
  return (segments.next().value?.segment ?? "?").toUpperCase();
}

/** Neighbouring ids get colours far apart: steps of the golden angle. @param {number} id */
export const hue = (id) => Math.round((id * 137.508 + 250) % 360);

/** Which part of a text to show where there is little room: before, what was searched for, after.
 * @param {string} text @param {string} query @returns {[string, string, string]} */
export function excerpt(text, query) {
  const line = text.replace(/\s+/gu, " ");
  const at = line.toLowerCase().indexOf(query.toLowerCase());
  if (at < 0) return [line, "", ""];
  const from = at > BEFORE ? at - BEFORE : 0;
  return [(from ? "…" : "") + line.slice(from, at), line.slice(at, at + query.length), line.slice(at + query.length)];
}

/** Which browser on which system, as people call them. @param {string} userAgent */
export function device(userAgent) {
  const name = (/** @type {[RegExp, string][]} */ names) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  return [name(BROWSERS), name(SYSTEMS)].filter(Boolean).join(", ") || userAgent.slice(0, 40);
}

/** For comparing what people type with what they are looking for. @param {string} text */
export const fold = (text) => text.normalize("NFKC").toLowerCase();
