// The words of the lab's frame, and the titles of its sections, in both languages. What a section says is with it.

export const EN = {
  lab: "The lab",
  lab_hint: "Comet from the inside: what a server does that speaks without being asked, watched on this very server.",
  lab_sections: "Sections of the lab",
  lab_live: "Live",
  lab_live_hint: "The requests that this server holds open, in a table that is kept up to date by one of them.",
  lab_message: "One message",
  lab_message_hint: "What happens between the moment in which a message is sent and the one in which it is read, to the microsecond.",
  lab_race: "The race",
  lab_race_hint: "The same messages by short polling, long polling, server-sent events and lines of JSON, side by side.",
  lab_wire: "The wire",
  lab_wire_hint: "The exact bytes of what this session and the server say to each other.",
  lab_break: "Break it",
  lab_break_hint: "Faults between you and the server, on purpose, and how the client gets over them.",
  lab_2013: "2013",
  lab_2013_hint: "A poll without a cursor loses a message. The same poll with one does not.",
  lab_tour: "The tour",
  lab_tour_hint: "How it is made and why, to be read, and to be tried.",
  to_chat: "To the chat",
};

/** @type {Record<keyof typeof EN, string>} */
export const ZH = {
  lab: "实验室",
  lab_hint: "从内部看 Comet：服务器怎样不等人问就主动开口，就在这台服务器上观察。",
  lab_sections: "实验室的各个部分",
  lab_live: "实时",
  lab_live_hint: "这台服务器正挂起的请求。这张表本身就靠其中一个请求保持更新。",
  lab_message: "一条消息",
  lab_message_hint: "一条消息从发出到读到之间发生的每一步，精确到微秒。",
  lab_race: "赛跑",
  lab_race_hint: "同样的消息，分别用短轮询、长轮询、SSE 和 JSON 行传送，并排比较。",
  lab_wire: "线路",
  lab_wire_hint: "这个会话与服务器之间往来的每一个字节。",
  lab_break: "弄坏它",
  lab_break_hint: "故意在你和服务器之间制造故障，看客户端怎样恢复。",
  lab_2013: "2013",
  lab_2013_hint: "没有游标的轮询会丢消息，有游标的同一个轮询不会。",
  lab_tour: "导览",
  lab_tour_hint: "它是怎样做成的，为什么这样做：可以读，也可以动手试。",
  to_chat: "去聊天",
};
