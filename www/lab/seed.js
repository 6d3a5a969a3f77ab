// What was around the loop of 2013: its parameters, the few lines of jQuery that it needs, and the other actions.
//
// Two things are not as they were: `ToJson` made a program of what people had typed, and ran it, which the policy of
// these pages forbids; and what comes is shown as text, not as markup. Does not know how anything looks.

import { createLoop } from "./loop-2013.js";

/**
 * @typedef {Record<string, string>} Params
 * @typedef {{ResponseStatus: number, ResponseData: any, ResponseDetails?: string}} Answer
 * @typedef {(data: Answer, status: string) => void} Success
 * @typedef {(params: Params) => (status: number, answer: Answer | null) => void} Watch
 *   is told of each exchange, and of its end; a status of 0 means no answer
 */

/**
 * @param {ReturnType<typeof jQueryPost>} $
 * @param {{MyInfo: {UserId: string, PassWord: string}}} Global who one is: what `Online` has answered
 * @param {(message: any, type: "send" | "recive") => void} ShowMessage
 */
export function seedPage($, Global, ShowMessage) {
  class PHPArray {
    /** @param {string} Action */
    constructor(Action) {
      const { UserId, PassWord } = Global.MyInfo;
      /** @type {Params} */
      this.params = { Action, UserId, PassWord };
    }

    /** @param {string} key @param {string} value */
    Add(key, value) {
      this.params[key] = value;
    }

    ToJson() {
      return this.params;
    }
  }
  const { PostSubmit, Keepline } = createLoop($, PHPArray, ShowMessage);

  /** Any other action. @param {string} action @param {Params} more @param {Success} success */
  function act(action, more, success) {
    const array = new PHPArray(action);
    for (const key in more) array.Add(key, more[key]);
    PostSubmit(array.ToJson(), success);
  }
  return { Keepline, PostSubmit, act };
}

/**
 * As much of jQuery as the page needs: a POST of a form whose answer, if it is a good one, is read as JSON.
 * @param {(path: string) => string} url
 * @param {AbortSignal} signal ends whatever is under way
 * @param {Watch} watch
 */
export const jQueryPost = (url, signal, watch) => ({
  /** @param {string} path @param {Params} params @param {Success} success */
  async post(path, params, success) {
    const ended = watch(params);
    try {
      const response = await fetch(url(path), { method: "POST", body: new URLSearchParams(params), signal });
      const answer = await response.json().catch(() => null);
      if (signal.aborted) return;
      ended(response.status, answer);
      if (response.ok && answer) success(answer, "success");
    } catch {
      if (!signal.aborted) ended(0, null);
    }
  },
});
