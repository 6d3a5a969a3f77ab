// Lets the tabs of one user share one poll: the leader asks the server, and passes the answers on to the others.
//
//              elected                      the lease went to another
//   following ----------> leading   leading -------------------------> following
//
// 1. Every tab has a cursor of its own, moved on by what it hears. Whoever becomes the leader goes on from there:
//    nothing is lost in between, and what is heard twice changes nothing.
// 2. A follower's first question, and its next after any failure, goes to the server and does not wait there:
//    that catches up with what was said before it listened.
// 3. When the leader gets no answer, or is silent for longer than a poll may take, its followers fail as it did,
//    and so ask for themselves (by 2).
// 4. The leader is elected by a Web Lock. A page on plain http has none: there it is whoever holds
//    a lease in localStorage. If neither is available each tab leads. Two leaders for a moment do
//    no harm.
// Does not know what the answers mean, nor what the tabs tell each other with `say`.

const LEASE_MS = 1_500;
const RENEW_MS = 500;

/**
 * @param {object} options
 * @param {string} options.name the same in all tabs that share
 * @param {import("./poll.js").Ask} options.ask asks the server
 * @param {(word: any) => void} options.onWord another tab has said something
 */
export function createTabs({ name, ask, onWord }) {
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(name) : null;
  const closed = new AbortController();
  let leading = !channel;
  let caughtUp = false;
  /** How the leader's questions went, as far as this tab has not dealt with it.
   * @type {{answer?: import("./poll.js").Answer}[]} */
  let heard = [];
  let wake = () => {};

  if (channel) {
    channel.onmessage = ({ data }) => {
      if ("word" in data) return onWord(data.word);
      if (!leading) heard.push(data);
      wake();
    };
    const campaign = navigator.locks ? campaignByLock : campaignByLease;
    campaign(name, closed.signal, (elected) => {
      leading = elected;
      wake();
    });
    // While a page rested in the back/forward cache it heard nothing.
    addEventListener("pageshow", (event) => {
      if (event.persisted) caughtUp = false;
    }, { signal: closed.signal });
  }

  /** @type {import("./poll.js").Ask} */
  async function askTogether(cursor, seconds, signal) {
    while (!leading && caughtUp && seconds) {
      const told = heard.shift();
      if (told?.answer) return told.answer;
      if (told) throw new Error("the leader got no answer");
      await new Promise((resolve, reject) => {
        wake = () => resolve(null);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
    heard = [];
    try {
      const answer = await ask(cursor, leading ? seconds : 0, signal);
      caughtUp = true;
      if (leading) channel?.postMessage({ answer });
      return answer;
    } catch (error) {
      // What the server says about this tab's session or cursor is not news for others.
      const own = error instanceof Response && error.status < 500;
      if (leading && !own) channel?.postMessage({});
      throw error;
    }
  }

  function close() {
    closed.abort();
    channel?.close();
  }

  /** @param {any} word for all other tabs */
  const say = (word) => channel?.postMessage({ word });
  return { ask: askTogether, say, isLeading: () => leading, close };
}

/** @typedef {(elected: boolean) => void} Elected */

/** The browser itself passes the lock on when its holder goes, in whatever way.
 * @param {string} name @param {AbortSignal} signal @param {Elected} elected */
function campaignByLock(name, signal, elected) {
  const held = () => new Promise((resolve) => {
    elected(true);
    signal.addEventListener("abort", () => resolve(null));
  });
  navigator.locks.request(name, { signal }, held).catch(() => {
    // Closed before it was this tab's turn.
  });
}

/** The lease is renewed again and again; whoever finds it expired takes it.
 * @param {string} name @param {AbortSignal} signal @param {Elected} elected */
function campaignByLease(name, signal, elected) {
  const id = `${Math.random()}`;
  const key = `${name}.lease`;
  let mine = false;

  function look() {
    const now = Date.now();
    try {
      const [holder, until] = (localStorage.getItem(key) ?? "").split(" ");
      const runsOn = Number(until) > now && Number(until) <= now + LEASE_MS;
      mine = holder === id || !runsOn;
      if (mine) localStorage.setItem(key, `${id} ${now + LEASE_MS}`);
    } catch {
      mine = true;
    }
    elected(mine);
  }

  function leave() {
    try {
      if (mine) localStorage.removeItem(key);
    } catch {
      // Nothing can be stored, so there was no lease.
    }
    mine = false;
  }

  const renewing = setInterval(look, RENEW_MS);
  signal.addEventListener("abort", () => (clearInterval(renewing), leave()));
  addEventListener("pagehide", leave, { signal });
  addEventListener("storage", (event) => event.key === key && look(), { signal });
  look();
}
