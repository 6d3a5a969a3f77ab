// Holds polls and streams of the signed-in user open, just for them to be seen.

/** @param {import("./lab.js").Lab} lab */
export function holdSome(lab) {
  /** @type {AbortController[]} */
  const open = [];
  return {
    /** Holds one more, until it is answered or hung up. @param {string} accept its media type */
    async hold(accept) {
      const abort = new AbortController();
      open.push(abort);
      const headers = { Authorization: `Bearer ${lab.token}`, Accept: accept };
      const asked = fetch(lab.url("api/events?wait=60"), { headers, cache: "no-store", signal: abort.signal });
      const done = asked.then((response) => response.arrayBuffer()).catch(() => null);
      done.then(() => open.splice(open.indexOf(abort), 1));
    },
    /** Breaks the connection of the one that was held last. */
    hangUp: async () => open.at(-1)?.abort(),
    end: () => open.forEach((abort) => abort.abort()),
  };
}
