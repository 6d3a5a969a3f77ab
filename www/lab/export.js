// Writes what was recorded for other tools: as an HTTP Archive (HAR 1.2), and as a curl script that asks again.
// Neither has the token: the server has not kept it.

import { message, timings, toText, toTextStrictly } from "./exchange.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */

/** What the archive says in place of the token. @param {string} value */
const withoutToken = (value) => value.replace(/\*+/, "[redacted]");

/** What request and response have in common. @param {import("./exchange.js").Track} track */
function read(track) {
  const { words, fields, body, headBytes } = message(track.bytes);
  const headers = fields.map(({ name, value }) =>
    ({ name, value: name.toLowerCase() === "authorization" ? withoutToken(value) : value }));
  const type = headers.find(({ name }) => name.toLowerCase() === "content-type")?.value ?? "";
  const common = { httpVersion: "HTTP/1.1", cookies: [], headers, headersSize: headBytes,
    bodySize: track.length - headBytes };
  return { words, body, type, common };
}

/** What was answered, at least in part. @param {Exchange[]} exchanges */
const begun = (exchanges) => exchanges.filter(({ response }) => response.pieces.length);

/** https://w3c.github.io/web-performance/specs/HAR/Overview.html
 * @param {Exchange[]} exchanges @param {string} base as below @param {string} version */
export function toHar(exchanges, base, version) {
  const entries = begun(exchanges).map((exchange) => {
    const [request, response] = [read(exchange.request), read(exchange.response)];
    const [[method, target], [, status, ...reason]] = [request.words, response.words];
    const url = new URL(base + target);
    const spent = timings(exchange);
    return {
      startedDateTime: new Date(exchange.begun_at).toISOString(),
      time: spent.send + spent.wait + spent.receive,
      request: { ...request.common, method, url: url.href,
        queryString: [...url.searchParams].map(([name, value]) => ({ name, value })),
        ...request.body && { postData: { mimeType: request.type, params: [], text: toText(request.body) } } },
      response: { ...response.common, status: Number(status), statusText: reason.join(" "), redirectURL: "",
        content: { size: response.body.length, mimeType: response.type, text: toText(response.body) } },
      cache: {},
      timings: spent,
      connection: String(exchange.connection),
      ...exchange.ended !== "answered" && { comment: exchange.ended ? "cut off" : "not over" },
    };
  });
  return { log: { version: "1.2", creator: { name: "Lovejoy lab", version }, entries } };
}

/** As one word of a shell. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What curl says by itself, or must not repeat. */
const NOT_REPEATED = ["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "authorization",
  "expect"];

/** @param {Exchange} exchange */
function command({ id, request, response, ended }) {
  const { words: [method, target], fields, body } = message(request.bytes);
  const { words: [, status] } = message(response.bytes);
  const about = `# ${id}: ${method} ${target.replace(/\?.*/, "")}, ${status ?? (ended ?? "not answered yet")}`;
  const text = toTextStrictly(body);
  if (request.bytes.length < request.length) return `${about}\n# Not repeated: it was too long to be kept.`;
  if (/^\*+$/.test(body)) return `${about}\n# Not repeated: its body holds a password, which was not kept.`;
  if (text === null || text.includes("\0")) return `${about}\n# Not repeated: its body is no text.`;
  const streams = fields.some(({ value }) => /text\/event-stream|x-ndjson/.test(value));
  const headers = fields.filter(({ name }) => !NOT_REPEATED.includes(name.toLowerCase()));
  return `${about}\n${["ask", method === "HEAD" ? "-I" : `-X ${method}`, streams && "--max-time 5",
    `"$LOVEJOY_URL"${quoted(target)}`, "-H \"Authorization: Bearer $LOVEJOY_TOKEN\"",
    ...headers.map(({ name, value }) => `-H ${quoted(`${name}: ${value}`)}`),
    body && `--data-binary ${quoted(text)}`].filter(Boolean).join(" ")}`;
}

/** @param {Exchange[]} exchanges @param {string} base the address of the server, without a slash at its end */
export const toScript = (exchanges, base) => `#!/bin/sh
# What a session asked, recorded in the lab of Lovejoy; it is asked again in the same order, one after the other. A poll
# that has the cursor of then gets what it got then. A stream is cut off after five seconds.
# The token is not in here: LOVEJOY_TOKEN=... sh lovejoy.sh
: "\${LOVEJOY_TOKEN:?it is to hold your token}"
: "\${LOVEJOY_URL:=${base}}"

ask() {
  curl -sSgiN --max-time 75 "$@"
  code=$?
  echo
  # 28: time is up, as it is for every stream.
  [ $code -eq 0 ] || [ $code -eq 28 ] || exit $code
}

${exchanges.map(command).join("\n\n")}
`;
