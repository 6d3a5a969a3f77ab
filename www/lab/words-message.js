// The words of the section "One message", in both languages.

export const EN = {
  message_send: "Send a message to myself",
  message_way: "The last message's way",
  message_none: "There was no message yet. Send one here, or in the chat in another tab.",
  message_head: "Message {id} of {name}, read from its socket at {time}",
  message_decided: "Read, and decided that it may be said",
  message_committed: "Committed: it is on the disk",
  message_released: "Poll of {name} released",
  message_written: "Its answer is with the socket",
  message_returned: "On the way, until the next poll brings the new cursor",
  message_answered: "201 is with the sender's socket",
  message_total: "In the server {server} in all. Bars that reach the right edge go on.",
  message_note: "Nothing leaves before the commit: what waits for the message is asked again when it is on the disk, and not before. The sender's own polls get it too. All moments are read from the server's clock; the last bar is the network, the browser, and the way back.",
};

/** @type {Record<keyof typeof EN, string>} */
export const ZH = {
  message_send: "给自己发一条消息",
  message_way: "最近一条消息走过的路",
  message_none: "还没有消息。在这里发一条，或者在另一个标签页的聊天里发。",
  message_head: "{name} 的消息 {id}，{time} 从套接字读到",
  message_decided: "读到，并判定可以发",
  message_committed: "提交：已写入磁盘",
  message_released: "释放 {name} 的轮询",
  message_written: "它的回答交给了套接字",
  message_returned: "在路上，直到下一个轮询带着新游标回来",
  message_answered: "201 交给了发送者的套接字",
  message_total: "在服务器里共 {server}。到达右边缘的条还在继续。",
  message_note: "提交之前什么都不会离开：等这条消息的轮询，要到它写入磁盘之后才会再问一次。发送者自己的轮询也会收到它。所有时刻都来自服务器的时钟；最后一条是网络、浏览器和回程。",
};
