// Loads messages when the state lacks them: the newest of what is opened, the surroundings of what is aimed at,
// and the next page on the side towards which the reader scrolls. Knows no DOM; what it loads goes into the state.

import { openConversation } from "./selectors.js";
import { firstId, lastId, NO_THREAD } from "./thread.js";

/**
 * @param {object} options
 * @param {import("./api.js").Api} options.api
 * @param {() => import("./state.js").State} options.state
 * @param {(action: any) => void} options.dispatch
 */
export function createHistory({ api, state, dispatch }) {
  /** Counts how often everything was forgotten: a page for what was there before must not come in. */
  let times = 0;

  /** @param {number} id @param {import("./thread.js").Side} side @returns {Promise<import("./thread.js").Page>} */
  async function fetchPage(id, side) {
    const thread = state().threads.get(id) ?? NO_THREAD;
    if (side === "newest") return { side, ...await api.messages(id) };
    if (side === "older") return { side, ...await api.messages(id, "before", firstId(thread)) };
    if (side === "newer") return { side, ...await api.messages(id, "after", lastId(thread)) };
    const { aim } = state();
    const [before, after] = await Promise.all([api.messages(id, "before", aim + 1), api.messages(id, "after", aim)]);
    return { side, messages: [...before.messages, ...after.messages], more: before.more, newer: after.more };
  }

  /** One load at a time; what was asked for meanwhile is asked for again by whoever needs it.
   * @param {number} id @param {import("./thread.js").Side} side */
  async function load(id, side) {
    if (state().threads.get(id)?.load === "loading") return;
    const time = times;
    dispatch({ type: "thread_loading", id, side });
    const action = await fetchPage(id, side).then((page) => ({ type: "thread_page", id, ...page }),
      () => ({ type: "thread_failed", id }));
    if (time === times) dispatch(action);
  }

  /** Loads what the open conversation cannot be shown without. */
  function loadOpen() {
    const conversation = openConversation(state());
    if (!conversation) return;
    const thread = state().threads.get(conversation.id) ?? NO_THREAD;
    const { aim } = state();
    const missing = aim > 0 && !thread.messages.some(({ id }) => id === aim);
    if (missing && thread.load !== "failed") load(conversation.id, "around");
    else if (thread.load === "none") load(conversation.id, "newest");
  }

  /** Tries again what failed, once the connection is back. */
  function retry() {
    const conversation = openConversation(state());
    const thread = conversation && state().threads.get(conversation.id);
    if (conversation && thread?.load === "failed") load(conversation.id, thread.side);
  }

  function forget() {
    times++;
    dispatch({ type: "set", change: { threads: new Map() } });
  }

  return { load, loadOpen, retry, forget };
}
