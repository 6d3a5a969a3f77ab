// Speaks the reader's language: every word of the page, and dates and times as people there write them.
// Does not know who asks; a change of language is for the caller to show. The keys of both tables are the same.

const EN = {
  accept: "Accept",
  add_friend: "Add a friend",
  asked: "Request sent to {name}.",
  back: "Back",
  befriended: "You and {name} are friends now.",
  cancel: "Cancel",
  choose: "Choose a conversation",
  choose_hint: "Pick somebody on the left, and write.",
  close: "Close",
  connecting: "Connecting…",
  connection: "Connection",
  conversations: "Conversations",
  create_account: "Create account",
  decline: "Decline",
  deleted_account: "Deleted account",
  delivered: "Delivered",
  demo: "Try it with a demo account",
  demo_hint: "Open two tabs and be both.",
  details: "Details",
  discard: "Discard",
  display_name: "Display name",
  display_name_hint: "What others see. Your name, if you leave it empty.",
  failed: "Not sent",
  former: "No longer friends",
  friends_name: "Friend's name",
  hide: "Hide",
  incoming: "wants to be friends",
  jump: "Jump to the newest",
  language: "Language",
  last_seen: "last seen {when}",
  load_failed: "The messages could not be loaded.",
  loading: "Loading…",
  log_out: "Log out",
  lost: "Connection lost.",
  menu: "Menu",
  message: "Message",
  messages: "Messages",
  name: "Name",
  name_hint: "Letters and digits of any script, and _ - . between them.",
  never_seen: "never seen",
  new_messages: "New messages",
  no_friends: "No friends yet",
  no_friends_hint: "Ask somebody by name. Once they accept, you can chat.",
  no_match: "Nobody here is called “{query}”.",
  not_friends: "You are not friends with {name}, so you cannot write here.",
  offline: "offline",
  offline_section: "Offline",
  online: "online",
  online_section: "Online",
  outgoing: "has not answered yet",
  password: "Password",
  password_hint: "At least 5 characters.",
  read: "Read",
  registration_closed: "New accounts are closed on this server. Ask whoever runs it for one.",
  requests: "Requests",
  retry: "Try again",
  retry_in: "Trying again in {seconds} s.",
  say_hello: "Say hello to {name}",
  say_hello_hint: "This is the beginning of your conversation.",
  search: "Search",
  send: "Send",
  send_request: "Send request",
  sending: "Sending",
  sent: "Sent",
  show: "Show",
  sign_in: "Sign in",
  signed_out: "Your session has ended. Please sign in again.",
  stay: "Stay signed in on this device",
  theme: "Theme",
  theme_dark: "Dark",
  theme_light: "Light",
  theme_system: "System",
  too_long: "{count} bytes too long",
  try_now: "Try now",
  unfriend: "Unfriend",
  unfriend_ask: "Unfriend {name}? Both of you can still read what was written, but no longer write.",
  unread: "{count} unread",
  unread_new: "{count} new",
  welcome: "Welcome, {name}",
  welcome_hint: "Your first conversation begins with a friend.",
  withdraw: "Withdraw",
  write_to: "Write to {name}",
  you: "You: {text}",
  bytes_left: "{count} bytes left",
  error_already_friends: "You are friends already.",
  error_bad_credentials: "Name or password is wrong.",
  error_blocked: "You have blocked {name}.",
  error_empty: "This must not be empty.",
  error_invalid_body: "The server does not take this text.",
  error_invalid_name: "1 to 32 letters or digits, with _ - . between them.",
  error_invalid_password: "5 to 256 characters.",
  error_name_taken: "The name {name} is taken.",
  error_network: "The server does not answer. Please try again.",
  error_no_such_user: "There is nobody called {name}.",
  error_not_friends: "You are not friends.",
  error_rate_limited: "Too many tries. Please wait {seconds} s.",
  error_registration_closed: "New accounts are closed on this server.",
  error_oneself: "That is you.",
  error_unavailable: "The server is busy. Please try again.",
};

/** @type {Record<keyof typeof EN, string>} */
const ZH = {
  accept: "接受",
  add_friend: "添加好友",
  asked: "已向 {name} 发送请求。",
  back: "返回",
  befriended: "你和 {name} 已成为好友。",
  cancel: "取消",
  choose: "选择一个会话",
  choose_hint: "在左侧选一位好友，开始聊天。",
  close: "关闭",
  connecting: "正在连接…",
  connection: "连接",
  conversations: "会话",
  create_account: "注册",
  decline: "拒绝",
  deleted_account: "已注销的账户",
  delivered: "已送达",
  demo: "用演示账户试试",
  demo_hint: "打开两个标签页，分别登录两个账户。",
  details: "详情",
  discard: "丢弃",
  display_name: "昵称",
  display_name_hint: "别人看到的名字；留空则用登录名。",
  failed: "未发送",
  former: "已不是好友",
  friends_name: "好友的名字",
  hide: "隐藏",
  incoming: "想加你为好友",
  jump: "跳到最新消息",
  language: "语言",
  last_seen: "{when}在线",
  load_failed: "消息加载失败。",
  loading: "加载中…",
  log_out: "退出登录",
  lost: "连接已断开。",
  menu: "菜单",
  message: "消息",
  messages: "消息记录",
  name: "名字",
  name_hint: "任何文字的字母与数字，中间可用 _ - .",
  never_seen: "从未上线",
  new_messages: "新消息",
  no_friends: "还没有好友",
  no_friends_hint: "输入名字发送请求，对方接受后就能聊天。",
  no_match: "没有找到「{query}」。",
  not_friends: "你和 {name} 不是好友，不能在这里发消息。",
  offline: "离线",
  offline_section: "离线",
  online: "在线",
  online_section: "在线",
  outgoing: "尚未回应",
  password: "密码",
  password_hint: "至少 5 个字符。",
  read: "已读",
  registration_closed: "本服务器暂不开放注册，请联系管理员开通账户。",
  requests: "好友请求",
  retry: "重试",
  retry_in: "{seconds} 秒后重试。",
  say_hello: "向 {name} 问个好吧",
  say_hello_hint: "你们的对话从这里开始。",
  search: "搜索",
  send: "发送",
  send_request: "发送请求",
  sending: "发送中",
  sent: "已发送",
  show: "显示",
  sign_in: "登录",
  signed_out: "登录已失效，请重新登录。",
  stay: "在此设备上保持登录",
  theme: "主题",
  theme_dark: "深色",
  theme_light: "浅色",
  theme_system: "跟随系统",
  too_long: "超出 {count} 字节",
  try_now: "立即重试",
  unfriend: "删除好友",
  unfriend_ask: "删除好友 {name}？双方仍可查看以往的消息，但不能再发送。",
  unread: "{count} 条未读",
  unread_new: "{count} 条新消息",
  welcome: "欢迎你，{name}",
  welcome_hint: "添加一位好友，开始第一次对话。",
  withdraw: "撤回",
  write_to: "发消息给 {name}",
  you: "我：{text}",
  bytes_left: "还可输入 {count} 字节",
  error_already_friends: "你们已经是好友了。",
  error_bad_credentials: "名字或密码不正确。",
  error_blocked: "你已屏蔽 {name}。",
  error_empty: "此项不能为空。",
  error_invalid_body: "服务器不接受这段文字。",
  error_invalid_name: "1 到 32 个字母或数字，中间可用 _ - .",
  error_invalid_password: "密码须为 5 到 256 个字符。",
  error_name_taken: "名字 {name} 已被使用。",
  error_network: "服务器没有响应，请重试。",
  error_no_such_user: "没有名为 {name} 的用户。",
  error_not_friends: "你们还不是好友。",
  error_rate_limited: "尝试次数过多，请等待 {seconds} 秒。",
  error_registration_closed: "本服务器暂不开放注册。",
  error_oneself: "这是你自己。",
  error_unavailable: "服务器繁忙，请稍后重试。",
};

/** @typedef {keyof typeof EN} Word */
/** @type {Record<string, {name: string, locale: string, words: Record<Word, string>}>} */
export const LANGUAGES = {
  en: { name: "English", locale: "en", words: EN },
  zh: { name: "简体中文", locale: "zh-CN", words: ZH },
};

let current = LANGUAGES.en;
let clock = new Intl.DateTimeFormat();
let weekday = clock;
let date = clock;
let dateWithYear = clock;
let shortDate = clock;
let relative = new Intl.RelativeTimeFormat();

/** @param {string | null} chosen null follows the browser */
export function useLanguage(chosen) {
  const wanted = chosen ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES[tag]);
  current = LANGUAGES[wanted ?? "en"] ?? LANGUAGES.en;
  const { locale } = current;
  clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  weekday = new Intl.DateTimeFormat(locale, { weekday: "long" });
  date = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
  dateWithYear = new Intl.DateTimeFormat(locale, { dateStyle: "long" });
  shortDate = new Intl.DateTimeFormat(locale, { day: "numeric", month: "numeric" });
  relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  document.documentElement.lang = locale;
}

export const languageCode = () => current.locale.slice(0, 2);

/** @param {Word} word @param {Record<string, string | number>} [values] */
export const t = (word, values = {}) =>
  current.words[word].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

/** What to tell people about a failure: our words for it, else the server's.
 * @param {import("./api.js").ApiError} error @param {string} [name] whom it is about */
export function explain(error, name = "") {
  if (error.code === "rate_limited") return t("error_rate_limited", { seconds: error.retryAfter || 60 });
  const word = `error_${error.status >= 500 ? "unavailable" : error.code}`;
  return word in EN ? t(/** @type {Word} */ (word), { name }) : error.detail || error.code;
}

/** @param {number} at */
export const timeOfDay = (at) => clock.format(at);

/** @param {number} at @param {number} now */
export function dayName(at, now) {
  const days = daysBetween(at, now);
  if (days < 2) return capital(relative.format(-days, "day"));
  if (days < 7) return weekday.format(at);
  return (days < 300 ? date : dateWithYear).format(at);
}

/** For the narrow column of the list. @param {number} at @param {number} now */
export function shortTime(at, now) {
  const days = daysBetween(at, now);
  if (days === 0) return clock.format(at);
  return days < 7 ? new Intl.DateTimeFormat(current.locale, { weekday: "short" }).format(at) : shortDate.format(at);
}

/** @param {number | null | undefined} at @param {number} now */
export function lastSeen(at, now) {
  if (!at) return t("never_seen");
  const minutes = Math.max(1, Math.round((now - at) / 60_000));
  const when = minutes < 60 ? relative.format(-minutes, "minute")
    : minutes < 24 * 60 ? relative.format(-Math.round(minutes / 60), "hour")
    : relative.format(-Math.max(1, daysBetween(at, now)), "day");
  return t("last_seen", { when });
}

/** @param {number} at @param {number} now */
function daysBetween(at, now) {
  const midnight = (/** @type {number} */ time) => new Date(time).setHours(0, 0, 0, 0);
  return Math.max(0, Math.round((midnight(now) - midnight(at)) / 86_400_000));
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
