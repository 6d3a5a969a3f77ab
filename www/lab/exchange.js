// Takes an exchange apart: head, fields, body, chunks, and when each came. What the server has recorded is bytes,
// written one character each; here they stay that way, so that one place in them is one byte.
// Knows HTTP/1.1 as the server speaks it, and nothing of the page.

/**
 * @typedef {{bytes: string, length: number, pieces: [number, number][]}} Track
 * @typedef {object} Exchange as `GET /api/lab/recording` gives it
 * @property {number} id
 * @property {number} connection
 * @property {string} lane
 * @property {number} begun_at Unix time in milliseconds
 * @property {number} begun_us
 * @property {Track} request
 * @property {Track} response
 * @property {"answered" | "cut" | null} ended
 * @property {number} [ended_us] since its beginning
 *
 * @typedef {"start" | "field" | "empty" | "body" | "size" | "chunk" | "close"} Kind of a part: a start line, a field
 *   line, the empty line, a body; the size of a chunk, what is in it, and the line end after that
 * @typedef {{kind: Kind, at: number, bytes: string, name?: string}} Part `at`: its place in the bytes
 */

/** @param {string} bytes each as a character */
export const toBytes = (bytes) => Uint8Array.from(bytes, (character) => character.charCodeAt(0));

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** @param {string} bytes */
export const toText = (bytes) => utf8.decode(toBytes(bytes));

/** The text, or null where the bytes are none. @param {string} bytes */
export function toTextStrictly(bytes) {
  try {
    return strict.decode(toBytes(bytes));
  } catch {
    return null;
  }
}

/** @param {string} name @param {string} head */
export function field(name, head) {
  const line = head.split("\r\n").find((each) => each.toLowerCase().startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

/** The parts of one direction, in their order; together they are all of its bytes. @param {string} bytes */
export function parts(bytes) {
  /** @type {Part[]} */
  const found = [];
  let at = 0;
  /** @param {Kind} kind @param {number} end @param {string} [name] */
  const take = (kind, end, name) => {
    const stop = Math.min(end, bytes.length);
    if (stop > at) found.push({ kind, at, bytes: bytes.slice(at, stop), name });
    at = stop;
  };
  const line = () => {
    const end = bytes.indexOf("\r\n", at);
    return end < 0 ? bytes.length : end + 2;
  };
  let head = "";
  // An interim response is a head of its own, and another follows.
  do {
    while (bytes.startsWith("\r\n", at)) take("empty", at + 2);
    const start = at;
    take("start", line());
    while (at < bytes.length && !bytes.startsWith("\r\n", at)) {
      take("field", line(), bytes.slice(at, bytes.indexOf(":", at)).toLowerCase());
    }
    take("empty", at + 2);
    head = bytes.slice(start, at);
  } while (head.startsWith("HTTP/1.1 100") && at < bytes.length);
  if (field("transfer-encoding", head) !== "chunked") take("body", bytes.length);
  while (at < bytes.length) {
    const size = parseInt(bytes.slice(at, line()), 16);
    take("size", line());
    take("chunk", at + (size || 0));
    take("close", at + 2);
    // After the last chunk there is nothing here; what is not a chunk is shown as it is.
    if (!(size > 0)) take("body", bytes.length);
  }
  return found;
}

/** Status, head and body of one direction, the chunks put together. @param {string} bytes */
export function message(bytes) {
  const all = parts(bytes);
  const last = all.findLastIndex(({ kind }) => kind === "start");
  const own = all.slice(last);
  const join = (/** @type {Kind[]} */ ...kinds) =>
    own.filter(({ kind }) => kinds.includes(kind)).map((part) => part.bytes).join("");
  const start = own[0]?.bytes.trimEnd() ?? "";
  const fields = own.filter(({ kind }) => kind === "field").map((part) => {
    const colon = part.bytes.indexOf(":");
    return { name: part.bytes.slice(0, colon), value: toText(part.bytes.slice(colon + 1).trim()) };
  });
  const headBytes = own.findIndex(({ kind }) => kind === "empty") < 0 ? bytes.length
    : own.filter(({ kind }) => kind === "start" || kind === "field").reduce((sum, part) => sum + part.bytes.length, 2);
  return { start, words: start.split(" "), fields, body: join("body", "chunk"), headBytes };
}

/** When the piece came that held the byte at a place, in microseconds since the exchange began.
 * @param {Track} track @param {number} place */
export function timeOf({ pieces }, place) {
  let end = 0;
  return pieces.find(([, length]) => (end += length) > place)?.[0] ?? pieces.at(-1)?.[0] ?? 0;
}

/** How long the request took to come, the answer to begin, and the answer to end; what is not over yet, until now.
 * In milliseconds. @param {Exchange} exchange */
export function timings({ request, response, ended_us }) {
  const [sent, first, last] = [request.pieces.at(-1)?.[0] ?? 0, response.pieces[0]?.[0], response.pieces.at(-1)?.[0]];
  const begins = first ?? ended_us ?? sent;
  const between = (/** @type {number} */ from, /** @type {number} */ to) => Math.max(0, to - from) / 1000;
  return { send: sent / 1000, wait: between(sent, begins), receive: between(begins, last ?? begins) };
}
