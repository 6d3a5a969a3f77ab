// The client half of the comet: keeps one request for events open, hands on the answers, knows nothing of chat.
//
//     from       on                                                    to
//     idle       start                                                 asking
//     asking     an answer                                             asking, with its cursor
//     asking     an answer with retry_ms: a newer poll took this       released, for that long
//                one's place, or the server stops
//     asking     no answer in time, or any refusal but 401             waiting, to back off
//     asking     the page wakes up (refresh)                           asking, anew
//     waiting,   the time is up, or a nudge: the network is back,      asking
//     released   the page is seen again, somebody presses "retry"
//     any        stop, or 401                                          stopped
//
// 1. The cursor moves on only after `onAnswer` has dealt with the answer; what failed is asked for again.
// 2. Without a cursor (at first, or when the server refuses it) `snapshot` fetches one.
// 3. After a failure the first question does not wait (wait=0), so that success shows at once.
// 4. Back-off is random, from 0.5 s to a ceiling that doubles up to 30 s; only a success that lasted starts it over.
// A question goes to the server through `askServer`; `tabs.js` wraps another way of asking around it.

const WAIT_S = 25;
const SLACK_MS = 10_000; // how late an answer may be before it counts as lost
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const LASTING_MS = 5_000;
const SAME_CURSOR_MS = 100; // between two answers without news, lest a fault make us ask in a circle
const AGAIN = "ask again at once";

/**
 * @typedef {"idle" | "asking" | "waiting" | "released" | "stopped"} PollState
 * @typedef {{state: PollState, lostAt: number, retryAt: number}} PollStatus
 *   since when the connection is lost (0: it is there), and when a pause ends
 * @typedef {{events: any[], cursor: string, more?: boolean, wait?: number, retry_ms?: number}} Answer
 * @typedef {(cursor: string, seconds: number, signal: AbortSignal) => Promise<Answer>} Ask
 *   one question, which may be held for this long; throws a Response that is not ok, or whatever fetch throws
 * @typedef {object} PollOptions
 * @property {Ask} ask
 * @property {() => Promise<string>} snapshot loads everything and returns the cursor to go on from
 * @property {(answer: Answer) => Promise<void>} onAnswer
 * @property {(status: PollStatus) => void} onStatus
 * @property {() => void} onUnauthorized
 */

/** @param {string} url of the events @param {Record<string, string>} headers @returns {Ask} */
export const askServer = (url, headers) => async (cursor, seconds, signal) => {
  const query = `cursor=${encodeURIComponent(cursor)}&wait=${seconds}`;
  // Not through the cache: Chrome would make the equal questions of two tabs wait for each other.
  const response = await fetch(`${url}?${query}`, { headers, cache: "no-store", signal });
  if (!response.ok) throw response;
  return response.json();
};

/** @param {PollOptions} options */
export function createPoll(options) {
  /** @type {PollStatus} */
  let status = { state: "idle", lostAt: 0, retryAt: 0 };
  /** @type {string | null} */
  let cursor = null;
  let [failures, steadySince, askedAt, wait] = [0, 0, 0, WAIT_S];
  let interrupt = new AbortController();
  const stopped = () => status.state === "stopped";
  /** @param {Partial<PollStatus>} change */
  const become = (change) => options.onStatus((status = { ...status, ...change }));

  /** @param {"waiting" | "released" | "asking"} state @param {number} ms */
  async function pause(state, ms) {
    become({ state, retryAt: Date.now() + ms });
    const { signal } = (interrupt = new AbortController());
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
    });
  }

  async function ask() {
    cursor ??= await options.snapshot();
    const seconds = status.lostAt ? 0 : WAIT_S;
    const { signal } = (interrupt = new AbortController());
    const timer = setTimeout(() => interrupt.abort(), Math.max(wait, seconds) * 1000 + SLACK_MS);
    try {
      return await options.ask(cursor, seconds, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {Answer} answer */
  async function succeed(answer) {
    const now = Date.now();
    const same = answer.cursor === cursor;
    cursor = answer.cursor;
    wait = answer.wait || wait;
    steadySince ||= now;
    if (now - steadySince >= LASTING_MS) failures = 0;
    if (status.lostAt) become({ lostAt: 0 });
    if (answer.retry_ms) await pause("released", answer.retry_ms);
    else if (same && now - askedAt < SAME_CURSOR_MS) await pause("asking", SAME_CURSOR_MS);
  }

  /** @param {any} error */
  async function fail(error) {
    if (error.status === 401) {
      stop();
      return options.onUnauthorized();
    }
    if (error.status === 400) cursor = null;
    const after = Number(error.headers?.get("Retry-After") ?? error.retryAfter ?? 0) * 1000;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** ++failures);
    const jitter = BACKOFF_MIN_MS + Math.random() * (ceiling - BACKOFF_MIN_MS);
    steadySince = 0;
    become({ lostAt: status.lostAt || Date.now() });
    await pause("waiting", Math.min(BACKOFF_MAX_MS, Math.max(after, jitter)));
  }

  async function run() {
    // A request begun before the page has loaded would keep the tab's spinner turning forever.
    if (document.readyState !== "complete") {
      await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
    }
    while (!stopped()) {
      become({ state: "asking", retryAt: 0 });
      askedAt = Date.now();
      try {
        const answer = await ask();
        await options.onAnswer(answer);
        if (!stopped()) await succeed(answer);
      } catch (error) {
        if (!stopped() && error !== AGAIN) await fail(error);
      }
    }
  }

  function stop() {
    become({ state: "stopped", lostAt: 0, retryAt: 0 });
    interrupt.abort();
    for (const [target, type, listener] of wakers) target.removeEventListener(type, listener);
  }

  /** Ends a pause at once. */
  function nudge() {
    if (status.state === "waiting" || status.state === "released") interrupt.abort();
  }

  /** Asks anew: after sleep a socket may be dead without anybody having said so. @param {boolean} certain */
  function refresh(certain) {
    const stale = certain || Date.now() - askedAt > wait * 1000 + SLACK_MS;
    if (status.state === "asking" && stale) interrupt.abort(AGAIN);
    nudge();
  }

  /** @type {[EventTarget, string, (event: any) => void][]} */
  const wakers = [
    [window, "online", nudge],
    [window, "pageshow", (event) => event.persisted && refresh(true)],
    [document, "visibilitychange", () => document.hidden || refresh(false)],
  ];

  function start() {
    for (const [target, type, listener] of wakers) target.addEventListener(type, listener);
    run();
  }
  return { start, stop, nudge };
}
