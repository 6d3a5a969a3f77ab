// The four runners of the race: ways to hear of the same messages, each with a lane of its own to be counted in.
// Does not know what is heard, nor who counts.
//
// The added delay is kept here, on the way of each question and of each answer or piece of a
// stream: a question leaves the browser that much later, and what comes is looked at that much
// later. So it costs what it would cost on a long line, except for the line's own handshakes.

import { createPoll } from "../poll.js";

const RETRY_MS = 1000;

/**
 * @typedef {object} Track what a runner is given
 * @property {string} url of the events
 * @property {string} token
 * @property {string} cursor to begin behind
 * @property {number} delay in one direction, in milliseconds
 * @property {number} interval from an answer to the next question, where one polls shortly
 * @property {(events: any[]) => void} onEvents
 * @property {() => void} onAsked
 */

/** @param {number} ms */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Nothing is as if it were not there. @param {number} ms */
export const late = (ms) => (ms ? pause(ms) : Promise.resolve());

/** @param {Track} track @param {string} accept @param {string} query @param {AbortSignal} signal */
async function ask({ url, token, delay, onAsked }, accept, query, signal) {
  await late(delay);
  onAsked();
  const headers = { Accept: accept, Authorization: `Bearer ${token}` };
  const response = await fetch(`${url}?${query}`, { headers, cache: "no-store", signal });
  if (!response.ok) throw response;
  return response;
}

/** One question, and the whole of its answer.
 * @param {Track} track @param {number} lane @param {string} cursor @param {number} wait @param {AbortSignal} signal */
async function poll(track, lane, cursor, wait, signal) {
  const response = await ask(track, "application/json", `lane=${lane}&cursor=${cursor}&wait=${wait}`, signal);
  const answer = await response.json();
  await late(track.delay);
  return answer;
}

/** Does something again and again until it is told to stop. What is under way then comes to its end by itself, or by
 * the signal. @param {(signal: AbortSignal) => Promise<void>} act */
function repeat(act) {
  const stopped = new AbortController();
  const ended = (async () => {
    while (!stopped.signal.aborted) await act(stopped.signal).catch(() => stopped.signal.aborted || pause(RETRY_MS));
  })();
  return () => {
    stopped.abort();
    return ended;
  };
}

/** @param {Track} track */
function shortPolling(track) {
  let { cursor } = track;
  const never = new AbortController().signal;
  return repeat(async () => {
    const answer = await poll(track, 1, cursor, 0, never);
    cursor = answer.cursor;
    track.onEvents(answer.events);
    await pause(track.interval);
  });
}

/** By the app's own poll.js. @param {Track} track */
function longPolling(track) {
  const client = createPoll({
    ask: (cursor, wait, signal) => poll(track, 2, cursor, wait, signal),
    snapshot: async () => track.cursor,
    onAnswer: async ({ events }) => track.onEvents(events),
    onStatus: () => {},
    onUnauthorized: () => {},
  });
  client.start();
  return async () => client.stop();
}

/** @param {number} lane @param {string} accept @param {string} end of an event
 * @param {(block: string) => {event?: any, cursor?: string}} read */
const streaming = (lane, accept, end, read) => (/** @type {Track} */ track) => {
  let { cursor } = track;
  /** @param {string} text what there is; gives back what is not complete */
  function take(text) {
    const blocks = text.split(end);
    for (const block of blocks.slice(0, -1)) {
      const heard = read(block);
      cursor = heard.cursor || cursor;
      if (heard.event) track.onEvents([heard.event]);
    }
    return blocks[blocks.length - 1];
  }
  return repeat(async (signal) => {
    const response = await ask(track, accept, `lane=${lane}&cursor=${cursor}`, signal);
    const reader = /** @type {ReadableStream} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (let piece; !(piece = await reader.read()).done;) {
      const { value } = piece;
      // Timers of the same length go off in order.
      if (track.delay) setTimeout(() => (text = take(text + value)), track.delay);
      else text = take(text + value);
    }
    await pause(RETRY_MS);
  });
};

/** @param {string} block */
function serverSentEvent(block) {
  const field = (/** @type {string} */ name) =>
    block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const data = field("data");
  return { event: data && JSON.parse(data), cursor: field("id") };
}

/** @param {string} line */
function jsonLine(line) {
  const event = line && JSON.parse(line);
  return { event, cursor: event?.cursor };
}

/** By lane. Each starts, and gives back what stops it. @type {[string, (track: Track) => () => Promise<void>][]} */
export const RUNNERS = [
  ["short", shortPolling],
  ["long", longPolling],
  ["sse", streaming(3, "text/event-stream", "\n\n", serverSentEvent)],
  ["lines", streaming(4, "application/x-ndjson", "\n", jsonLine)],
];
