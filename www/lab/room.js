// A conversation with nobody else, to try things in: a group whose only member is the signed-in user.
// One that was left over from a page that closed in between is reused.

/** @param {import("./lab.js").Lab} lab */
export async function openRoom({ api, user, t }) {
  const title = t("lab_room");
  const { conversations } = await api("GET", "api/conversations");
  const old = conversations.find((/** @type {any} */ it) =>
    it.kind === "group" && it.title === title && it.members.length === 1);
  const { id } = old ?? (await api("POST", "api/conversations", { title, member_ids: [] })).conversation;
  return {
    id,
    /** @param {string} body @param {string} [nonce] */
    say: async (body, nonce) => (await api("POST", `api/conversations/${id}/messages`, { body, nonce })).message,
    leave: () => api("DELETE", `api/conversations/${id}/members/${user.id}`).catch(() => null),
  };
}

/** @typedef {Awaited<ReturnType<typeof openRoom>>} Room */
