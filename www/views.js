// Makes the three columns and what opens over them, and joins their wishes to what fulfils them.
// Knows which view is where; what they show comes from the state alone.

import { t } from "./i18n.js";
import { lastOwn } from "./selectors.js";
import { createAddForm } from "./view-add.js";
import { createComposer } from "./view-composer.js";
import { createConversation } from "./view-conversation.js";
import { createDetails } from "./view-details.js";
import { openNewGroup } from "./view-group.js";
import { createList } from "./view-list.js";
import { createLog } from "./view-log.js";
import { createMenu } from "./view-menu.js";
import { openSettings } from "./view-settings.js";

/**
 * @typedef {import("./state.js").State} State
 * @param {object} options
 * @param {string} options.title of the page
 * @param {number} options.limit of a message, in bytes
 * @param {import("./storage.js").Desk} options.desk
 * @param {() => State} options.state
 * @param {(...actions: any[]) => void} options.dispatch
 * @param {import("./actions.js").Actions} options.actions
 * @param {import("./view-settings.js").Account} options.account
 * @param {import("./view-settings.js").Choices} options.choices
 * @param {{menu: boolean, settings: boolean} | undefined} options.open what was open before the views were made anew
 * @param {HTMLElement} options.columns where they go
 * @param {ReturnType<typeof import("./outbox.js").createOutbox>} options.outbox
 * @param {() => void} options.onLogOut
 * @param {(id: number, aim?: number) => void} options.onOpen
 * @param {() => void} options.onBack
 * @param {(shown: boolean) => void} options.onPanel
 * @param {(id: number, body: string) => void} options.onSend
 * @param {(id: number, messageId: number) => void} options.onSeen
 * @param {(id: number, side: import("./thread.js").Side) => void} options.onLoad
 */
export function createViews({ title, limit, desk, state, dispatch, actions, account, choices, open, columns, outbox,
  onLogOut, onOpen, onBack, onPanel, onSend, onSeen, onLoad }) {
  const { messages, people, groups } = actions;
  /** @type {HTMLDialogElement | undefined} */
  let dialog;

  const menu = createMenu({ choices, top: [t("settings"), settings], onLogOut, open: Boolean(open?.menu) });
  const adding = createAddForm({ onAsk: people.ask, onFind: people.find, self: () => state().me });
  const list = createList({ title, menu: menu.element, adding, onNewGroup: newGroup, onOpen, actions });
  const composer = createComposer({ limit, desk, onSend, onSave: messages.save, onEdit: messages.edit,
    onTyping: messages.typing, lastOwn: () => lastOwn(state()) });
  const log = createLog({ onLoad, onSeen, onRetry: outbox.retry,
    onEdit: messages.edit, onDelete: messages.delete, onCopy: messages.copy,
    onDiscard: (nonce) => dispatch({ type: "pending_dropped", nonce }),
    onScroll: (id, atEnd) => dispatch({ type: "scrolled", id, atEnd }),
    onAimed: () => dispatch({ type: "set", change: { aim: 0 } }) });
  const conversation = createConversation({ log, composer, onBack, onUnblock: people.unblock,
    onDetails: () => onPanel(!state().panel) });
  const details = createDetails({ onClose: () => onPanel(false), actions });
  columns.replaceChildren(list.element, conversation.element, details.element);
  list.restore(state().query);
  if (open?.settings) settings();

  function settings() {
    const { me } = state();
    if (me) dialog = openSettings(me, account, choices);
  }

  function newGroup() {
    const friends = [...state().friends.values()].filter((friend) => friend.state === "friends");
    dialog = openNewGroup(friends.map(({ user }) => user), async (name, ids) => onOpen(await groups.create(name, ids)));
  }

  /** @param {State} next */
  function update(next) {
    columns.toggleAttribute("data-open", next.openId !== null && next.conversations.has(next.openId));
    for (const view of [composer, list, conversation, details]) view.update(next);
  }

  function close() {
    dialog?.close();
    for (const view of [menu, list, composer, log]) view.close();
  }

  const opened = () => ({ menu: menu.isOpen(), settings: Boolean(dialog?.open) });
  return { update, close, list, composer, conversation, details, opened };
}
