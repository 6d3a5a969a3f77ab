// Runs a race: writes messages at a rate, lets the four lanes hear of them, and measures how late each heard them.
// The server counts what was asked and answered for that, byte by byte. Does not know the page.

import { late, pause, RUNNERS } from "./lanes.js";

/** The group that the messages of all races are in; its only member is the user. */
const TITLE = "Race";
const TICK_MS = 500;
/** How long to wait, once everything is written, for a lane that has not heard it all. */
const PATIENCE_MS = 15_000;

/**
 * @typedef {Record<string, number>} Counts as the server counts a lane
 * @typedef {{name: string, heard: number, p50: number, p99: number, counts: Counts}} Standing of a lane
 * @typedef {object} Race
 * @property {import("./lab.js").Lab} lab
 * @property {number} rate messages a second, on average
 * @property {number} interval of short polling, in milliseconds
 * @property {number} delay in one direction, in milliseconds
 * @property {number} duration in milliseconds
 * @property {(lane: number, at: number) => void} onAsked `at`: milliseconds since the start
 * @property {(lane: number, at: number, late: number) => void} onHeard `late`: since it was written, in milliseconds
 * @property {(at: number, written: number, lanes: Standing[]) => void} onTick
 */

/** @param {import("./lab.js").Lab} lab */
async function room({ api }) {
  const { conversations } = await api("GET", "api/conversations");
  const own = conversations.find((/** @type {any} */ { kind, title, members }) =>
    kind === "group" && title === TITLE && members.length === 1);
  return own?.id ?? (await api("POST", "api/conversations", { title: TITLE, member_ids: [] })).conversation.id;
}

/** The value below which such a part of all lies, by the nearest rank. @param {number[]} sorted @param {number} part */
export const percentile = (sorted, part) => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? NaN;

/** What the server has counted so far, by lane, and nothing of the bytes. @param {import("./lab.js").Lab} lab */
async function counted({ api }) {
  const { lanes } = await api("GET", `api/lab/recording?after=${Number.MAX_SAFE_INTEGER}`);
  return RUNNERS.map((_, lane) =>
    lanes.find((/** @type {any} */ { lane: name }) => name === String(lane + 1)) ?? {});
}

/** Starts; `stop` ends it early, and `ended` is fulfilled when it is over. @param {Race} race */
export function startRace(race) {
  const { lab, rate, interval, delay, duration, onAsked, onHeard, onTick } = race;
  const name = crypto.getRandomValues(new Uint32Array(1))[0].toString(36);
  /** When each was written, by its number. @type {Map<number, number>} */
  const written = new Map();
  const heard = RUNNERS.map(() => /** @type {Map<number, number>} */ (new Map()));
  /** @type {Promise<any>[]} */
  const sending = [];
  let stopped = false;
  let begun = 0;
  const now = () => performance.now() - begun;

  /** @param {number} lane @param {any[]} events @param {number} id of the group */
  function hear(lane, events, id) {
    for (const { type, message } of events) {
      const [race_, number] = type === "message" && message.conversation_id === id ? message.body.split(" ") : [];
      const at = written.get(Number(number));
      if (race_ !== name || at === undefined || heard[lane].has(Number(number))) continue;
      heard[lane].set(Number(number), now() - at);
      onHeard(lane, now(), now() - at);
    }
  }

  /** At random, so that no lane is lucky by its rhythm: gaps as in a Poisson process. @param {number} id */
  async function write(id) {
    for (let number = 1; ; number++) {
      await pause(-Math.log(1 - Math.random()) * 1000 / rate);
      if (stopped || now() > duration) return;
      written.set(number, now());
      const message = { body: `${name} ${number}`, nonce: `${name}-${number}` };
      sending.push(late(delay).then(() => lab.api("POST", `api/conversations/${id}/messages`, message))
        .catch(() => written.delete(number)));
    }
  }

  const standings = (/** @type {Counts[]} */ counts) => RUNNERS.map(([lane], index) => {
    const sorted = [...heard[index].values()].sort((one, other) => one - other);
    const [p50, p99] = [percentile(sorted, .5), percentile(sorted, .99)];
    return { name: lane, heard: sorted.length, p50, p99, counts: counts[index] };
  });

  async function tick() {
    const counts = await counted(lab);
    onTick(now(), written.size, standings(counts));
  }

  async function run() {
    await lab.api("PUT", "api/lab/recording");
    const id = await room(lab);
    const { cursor } = await lab.api("GET", "api/state");
    begun = performance.now();
    if (stopped) return;
    const stops = RUNNERS.map(([, start], lane) => start({
      url: lab.url("api/events"),
      token: lab.token,
      cursor,
      delay,
      interval,
      onAsked: () => onAsked(lane, now()),
      onEvents: (events) => hear(lane, events, id),
    }));
    let over = false;
    const ticks = (async () => {
      for (; !over; await pause(TICK_MS)) await tick().catch(() => null);
    })();
    await write(id);
    await Promise.all(sending);
    const patience = performance.now() + PATIENCE_MS;
    const isBehind = () => heard.some(({ size }) => size < written.size);
    while (!stopped && isBehind() && performance.now() < patience) await pause(50);
    over = true;
    await Promise.all([...stops.map((stop) => stop()), ticks]);
    await tick();
  }
  return { ended: run(), stop: () => void (stopped = true) };
}
