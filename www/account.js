// Carries out what people do about their own account in the settings. Errors are thrown to the
// form.

/**
 * @param {object} options
 * @param {import("./api.js").Api} options.api
 * @param {(action: any) => void} options.dispatch
 * @param {() => void} options.onChanged sessions have ended, perhaps those of other tabs
 * @param {() => void} options.onGone the account has been deleted
 * @returns {import("./view-settings.js").Account}
 */
export const createAccount = ({ api, dispatch, onChanged, onGone }) => ({
  async rename(displayName) {
    dispatch({ type: "user_updated", ...await api.renameMe(displayName) });
  },
  async changePassword(current, next) {
    await api.changePassword(current, next);
    onChanged();
  },
  sessions: async () => (await api.sessions()).sessions,
  async endSessions(ids) {
    for (const id of ids) await api.endSession(id);
    onChanged();
  },
  async remove(password) {
    await api.deleteAccount(password);
    onGone();
  },
});
