// The page of 2013 and today's app, side by side: the old loop runs against the facade (`--seed-facade`), and writes
// to whoever is signed in in the lab. Every request of the loop, and its answer, is listed as it goes.
// The loop is in `seed.js`; what the facade promises, in `docs/2013.md`.

import { h } from "../dom.js";
import { jQueryPost, seedPage } from "./seed.js";

const EN = {
  facade_page: "The page of 2013",
  facade_today: "Today's app: {name}",
  facade_user: "UserId",
  facade_password: "PassWord",
  facade_online: "Online",
  facade_offline: "Offline",
  facade_again: "Online again",
  facade_friends: "Online: {online}. Offline: {offline}.",
  facade_nobody: "nobody",
  facade_message: "Message to {name}",
  facade_send: "Send",
  facade_send_2013: "SendMsg",
  facade_no_friend: "{name} is no friend of yours. Sign in there as somebody who is.",
  facade_off: "The facade is off. Start the server with --seed-facade to let the page of 2013 in.",
  facade_ended: "The loop has ended: it was answered {status}, and asks again in success alone.",
  facade_log: "What the loop asks, and what it is answered",
  facade_held: "held",
  facade_none: "no answer",
  facade_code: "The loop, as it runs",
  facade_more: "How it worked, why it lost messages, and why it does not here",
};

/** @type {Record<keyof typeof EN, string>} */
const ZH = {
  facade_page: "2013 年的页面",
  facade_today: "今天的应用：{name}",
  facade_user: "UserId（账号）",
  facade_password: "PassWord（密码）",
  facade_online: "Online（上线）",
  facade_offline: "Offline（下线）",
  facade_again: "重新 Online",
  facade_friends: "在线：{online}。离线：{offline}。",
  facade_nobody: "无",
  facade_message: "给{name}的消息",
  facade_send: "发送",
  facade_send_2013: "SendMsg（发送）",
  facade_no_friend: "{name}不是你的好友。请用你好友的账号在那边登录。",
  facade_off: "门面没有开启。用 --seed-facade 启动服务器，就能让 2013 年的页面进来。",
  facade_ended: "循环已经结束：收到的回答是 {status}，而它只在 success 里再次请求。",
  facade_log: "循环问了什么，得到了什么",
  facade_held: "挂起中",
  facade_none: "没有回答",
  facade_code: "正在运行的循环",
  facade_more: "它怎样工作，为什么会丢消息，为什么在这里不会",
};

const EXCHANGES_MAX = 40;

/** @type {import("./lab.js").Section} */
export const section = {
  words: { en: EN, zh: ZH },
  mount(root, lab) {
    const { t } = lab;
    const gone = new AbortController();
    /** Ends the page of 2013. */
    let left = new AbortController();
    const Global = { MyInfo: { UserId: "", PassWord: "" } };
    let conversation = 0;

    const userId = field(t("facade_user"), "text", (lab.server?.demo ?? [])
      .find((/** @type {any} */ account) => account.name !== lab.user.name)?.name ?? "");
    const passWord = field(t("facade_password"), "password", lab.server?.demo?.[0]?.password ?? "");
    const notice = h("p", { class: "hint", role: "status" });
    const friends = h("p", { class: "hint" });
    const old = talk(t("facade_page"));
    const now = talk(t("facade_today", { name: lab.user.display_name }));
    const exchanges = h("ol", { class: "seed-exchanges code", tabindex: 0, "aria-label": t("facade_log") });
    const offline = h("button", { type: "button", class: "secondary", text: t("facade_offline"), on: { click: () =>
      page.act("Offline", {}, () => leave()) } });
    const again = h("button", { type: "button", class: "secondary", text: t("facade_again"), on: { click: online } });
    const enter = h("form", { class: "seed-form", on: { submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      Global.MyInfo = { UserId: userId.input.value, PassWord: passWord.input.value };
      online();
    } } }, userId.label, passWord.label, h("button", { class: "primary", text: t("facade_online") }));
    const loop = h("pre", { class: "code", tabindex: 0 }, h("code"));

    let page = start();
    const poll = lab.follow("api/events", {
      snapshot: async () => (await lab.api("GET", "api/state")).cursor,
      onAnswer: async ({ events }) => {
        for (const { type, message } of events) {
          if (type === "message" && message.conversation_id === conversation) {
            now.show(message.body, message.sender_id === lab.user.id);
          }
        }
      },
    });
    poll.start();
    leave();
    root.append(h("div", { class: "seed" },
      h("section", { class: "panel" }, h("h2", { text: t("facade_page") }), enter, friends, old.element,
        h("div", { class: "buttons" }, offline, again), notice),
      h("section", { class: "panel" }, h("h2", { text: t("facade_today", { name: lab.user.display_name }) }),
        now.element)),
    h("h2", { text: t("facade_log") }), exchanges,
    h("h2", { text: t("facade_code") }), loop,
    h("p", {}, h("a", { href: "#/tour/2013", text: t("facade_more") })));
    loop.firstElementChild?.append(`${page.PostSubmit}\n${page.Keepline}`);
    return () => {
      gone.abort();
      left.abort();
      poll.stop();
    };

    /** Loads the page, so to speak. */
    function start() {
      left.abort();
      left = new AbortController();
      return seedPage(jQueryPost(lab.url, left.signal, watch), Global, (message, type) =>
        old.show(message.Content, type === "send"));
    }

    function online() {
      page = start();
      notice.textContent = "";
      page.act("Online", {}, async ({ ResponseData }) => {
        Global.MyInfo = ResponseData;
        shown(true);
        old.to(lab.user.display_name, t("facade_send_2013"), (text) =>
          page.act("SendMsg", { ReciveUserId: lab.user.name, Content: text }, (answer) =>
            old.show(answer.ResponseData.Content, true)));
        page.Keepline();
        page.act("GetFriends", {}, (answer) => {
          const names = (/** @type {{UserName: string}[]} */ list) =>
            list.map((friend) => friend.UserName).join(", ") || t("facade_nobody");
          const { OnlineFriends, OfflineFriends } = answer.ResponseData;
          friends.textContent = t("facade_friends", { online: names(OnlineFriends), offline: names(OfflineFriends) });
        });
        await meet(ResponseData.UserId, ResponseData.UserName);
      });
    }

    /** Today's side of the conversation. @param {string} name @param {string} shownName */
    async function meet(name, shownName) {
      const { friends: known } = await lab.api("GET", "api/friends").catch(() => ({ friends: [] }));
      if (gone.signal.aborted) return;
      const friend = known.find((/** @type {any} */ one) => one.user.name === name && one.state === "friends");
      conversation = friend?.conversation_id ?? 0;
      if (!friend) notice.textContent = t("facade_no_friend", { name: shownName });
      else now.to(shownName, t("facade_send"), (text) =>
        lab.api("POST", `api/conversations/${conversation}/messages`, { body: text }).catch((error) =>
          (notice.textContent = error.detail)));
    }

    function leave() {
      page = start();
      Global.MyInfo = { UserId: "", PassWord: "" };
      friends.textContent = notice.textContent = "";
      old.to("", "", null);
      now.to("", "", null);
      shown(false);
    }

    /** @param {boolean} inside */
    function shown(inside) {
      enter.hidden = inside;
      offline.hidden = again.hidden = !inside;
    }

    /** Lists a request, and later what became of it. @param {Record<string, string>} params */
    function watch(params) {
      const { Action, PassWord, ...rest } = params;
      const asked = [Action, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`),
        `PassWord=${PassWord.slice(0, 4)}…`].join(" ");
      const outcome = h("span", { class: "hint", text: t("facade_held") });
      exchanges.prepend(h("li", {}, h("strong", { text: asked }), " ", outcome));
      while (exchanges.children.length > EXCHANGES_MAX) exchanges.lastElementChild?.remove();
      return (/** @type {number} */ status, /** @type {import("./seed.js").Answer | null} */ answer) => {
        const text = JSON.stringify(answer, (key, value) => (key === "PassWord" ? `${value.slice(0, 4)}…` : value));
        outcome.textContent = status ? `${status} ${text}` : t("facade_none");
        if (status === 200) return;
        const off = status === 404 || status === 405;
        if (off) notice.textContent = t("facade_off");
        else if (Action === "Keepline") notice.textContent = t("facade_ended", { status: status || t("facade_none") });
        else notice.textContent = answer?.ResponseDetails ?? t("facade_none");
      };
    }
  },
};

/** @param {string} name @param {string} type @param {string} value */
function field(name, type, value) {
  const input = h("input", { type, autocomplete: "off", required: true, prop: { value } });
  return { input, label: h("label", {}, name, input) };
}

/** What was said, and a box to say more. @param {string} name */
function talk(name) {
  const said = h("ul", { role: "list" });
  const log = h("div", { class: "seed-log", role: "log", "aria-label": name, tabindex: 0 }, said);
  const input = h("input", { type: "text", required: true, autocomplete: "off" });
  const label = h("span");
  const send = h("button", { class: "primary" });
  /** @type {((text: string) => void) | null} */
  let say = null;
  const form = h("form", { class: "seed-form", hidden: true, on: { submit: (/** @type {Event} */ event) => {
    event.preventDefault();
    say?.(input.value);
    input.value = "";
  } } }, h("label", {}, label, input), send);
  return {
    element: h("div", {}, log, form),
    /** @param {string} text @param {boolean} mine */
    show(text, mine) {
      said.append(h("li", { class: mine ? "mine" : null, text }));
      log.scrollTop = log.scrollHeight;
    },
    /** @param {string} whom @param {string} word @param {((text: string) => void) | null} how */
    to(whom, word, how) {
      say = how;
      form.hidden = !how;
      label.textContent = whom;
      send.textContent = word;
    },
  };
}
