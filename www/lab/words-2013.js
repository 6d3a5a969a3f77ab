// The words of the section "2013", in both languages.

export const EN = {
  y2013_run: "Run the script",
  y2013_without: "Without a cursor, as in 2013",
  y2013_with: "With a cursor",
  y2013_client: "Client",
  y2013_server: "Server",
  y2013_ask_now: "What is new, from now on?",
  y2013_ask_after: "What came after {place}?",
  y2013_answer: "Here: {list}",
  y2013_empty: "Nothing",
  y2013_said_held: "“{body}” is written. A poll is held, and gets it.",
  y2013_said_between: "“{body}” is written. Just now nobody is asking.",
  y2013_lost: "Said 3, arrived 2. {list} is lost: it was written between two questions, and the second began with “from now on”.",
  y2013_kept: "Said 3, arrived 3. The second question named a place before “2”, and was answered at once.",
  y2013_note: "In 2013 the server handed a message to the request that waited, and had no word for what a client knows. Between an answer and the next question there is a gap, as long as the way there and back, and whoever wrote into it wrote to nobody. A cursor closes it: the client says what it has, so the server need not know whether anybody waits. The requests are real; without a cursor /api/events still means “from now on”.",
};

/** @type {Record<keyof typeof EN, string>} */
export const ZH = {
  y2013_run: "运行脚本",
  y2013_without: "没有游标，如 2013 年",
  y2013_with: "有游标",
  y2013_client: "客户端",
  y2013_server: "服务器",
  y2013_ask_now: "从现在起有什么新的？",
  y2013_ask_after: "{place} 之后来了什么？",
  y2013_answer: "给：{list}",
  y2013_empty: "没有",
  y2013_said_held: "写入“{body}”。有轮询挂着，它会得到。",
  y2013_said_between: "写入“{body}”。此刻没有人在问。",
  y2013_lost: "说了 3 条，到了 2 条。{list}丢了：它写在两次提问之间，而第二次提问说的是“从现在起”。",
  y2013_kept: "说了 3 条，到了 3 条。第二次提问指出的位置在“2”之前，立刻得到回答。",
  y2013_note: "2013 年，服务器把消息交给正在等的请求，没有办法表示客户端知道些什么。回答和下一次提问之间有一段空隙，长短就是一个来回；写在空隙里的话没有人听。游标补上了它：客户端说出自己有什么，服务器就不必知道有没有人在等。这些请求都是真的；没有游标的 /api/events 至今仍表示“从现在起”。",
};
