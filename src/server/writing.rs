//! The last phase of a turn: answers become bytes, and what the sockets report about those bytes
//! becomes states.
//!
//! Knows how an answer is framed for its connection, and what follows it there (see the states in
//! [`crate::connection`]). Does not know what is answered.

use std::net::IpAddr;

use super::{Answer, Handler, Output, Outputs, Server};
use crate::comet::ConnectionId;
use crate::connection::{Connection, State, Then, Timer};
use crate::http;
use crate::lab::tape::{Ended, Sent};
use crate::system::Now;

impl<H: Handler> Server<H> {
    pub(super) fn write(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: &Answer,
        outputs: &mut Outputs,
    ) {
        // Not `self.connection`: the date is borrowed beside it.
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        let peer = self.peers.address(connection.peer);
        if self.draining {
            connection.make_last();
        }
        let framing = http::Framing {
            version: connection.framing.version,
            head_only: connection.framing.head_only,
            keep_alive: connection.framing.keep_alive,
            date: self.date.at(now.wall.0),
        };
        let start = outputs.bytes.len();
        let has_head = !matches!(answer, Answer::Piece(_) | Answer::End(_));
        if matches!(answer, Answer::Close) {
            return self.close(now, id, outputs);
        }
        let encoded = encode(answer, connection, &framing, peer, &mut outputs.bytes);
        // The client did not wait for it: the connection went on, or is another by now.
        let Some(Encoded { payload, tail, is_whole }) = encoded else { return };
        let bytes = [&outputs.bytes[start..], tail];
        self.recorder.sent(now, id, Sent { bytes, has_head, payload });
        if !is_whole {
            return outputs.write(id, start, tail, Then::Keep);
        }
        let then = connection.then();
        let share = self.peers.share(connection);
        self.queue.charge_answer(share, outputs.bytes.len() - start);
        outputs.write(id, start, tail, then);
        self.answered(now, id, then, outputs);
    }

    /// The answer has been handed to the socket. If the socket did not take all of it, it will say
    /// so.
    fn answered(&mut self, now: Now, id: ConnectionId, then: Then, outputs: &mut Outputs) {
        self.recorder.ended(now, id, Ended::Answered);
        let Some(connection) = self.connection(id) else { return };
        let timer = if then == Then::Keep { connection.reading_timer() } else { Timer::Linger };
        self.set_timer(now, id, timer);
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        if then == Then::Keep {
            connection.state = State::Reading;
            if !connection.early().is_empty() {
                self.enqueue(id);
            }
        } else {
            connection.state = State::Lingering;
            connection.take_early();
            if std::mem::take(&mut connection.paused) {
                outputs.list.push(Output::Resume { connection: id });
            }
        }
    }

    pub(super) fn blocked(&mut self, now: Now, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        match connection.state {
            State::Reading | State::Queued => connection.state = State::Writing(Then::Keep),
            State::Lingering => connection.state = State::Writing(Then::Linger),
            State::Streaming(hold) => self.handler.blocked(hold, true),
            // It took a little, so its time starts again. Or what it did not take came before its
            // present request: an interim response, or the answer to an earlier request.
            State::Writing(_) | State::Deciding | State::Held(_) => {}
        }
        self.set_timer(now, id, Timer::Write);
    }

    pub(super) fn flushed(&mut self, now: Now, id: ConnectionId, outputs: &mut Outputs) {
        let Some(connection) = self.connections.get_mut(id.0) else { return };
        match connection.state {
            State::Writing(then) => {
                let is_last = connection.early().is_empty()
                    && (connection.ended || (self.draining && then == Then::Keep));
                self.answered(now, id, then, outputs);
                if is_last {
                    self.close(now, id, outputs);
                }
            }
            State::Streaming(hold) => {
                self.set_timer(now, id, Timer::Off);
                self.handler.blocked(hold, false);
            }
            State::Deciding | State::Held(_) => self.set_timer(now, id, Timer::Off),
            State::Reading | State::Queued | State::Lingering => {}
        }
    }
}

/// What has become bytes.
struct Encoded {
    /// How many of the bytes are body.
    payload: usize,
    /// Static bytes that follow.
    tail: &'static [u8],
    /// Whether that is the whole answer.
    is_whole: bool,
}

/// Appends an answer to `out`, framed for its connection; `None` if that does not wait for it.
fn encode(
    answer: &Answer,
    connection: &mut Connection,
    framing: &http::Framing<'_>,
    peer: IpAddr,
    out: &mut Vec<u8>,
) -> Option<Encoded> {
    let (payload, tail, is_whole): (usize, &'static [u8], bool) = match (answer, connection.state) {
        (Answer::Whole(response), State::Deciding | State::Held(_)) => {
            log::debug!("{} to {peer}", response.status());
            let payload = if framing.head_only { 0 } else { response.payload().len() };
            (payload, response.encode(framing, out), true)
        }
        (Answer::Begin(response, first), State::Held(hold)) => {
            log::debug!("{} to {peer}, a stream", response.status());
            connection.state = State::Streaming(hold);
            connection.stream = response.encode_stream_head(framing, out);
            (connection.stream.piece(first, out), &[], false)
        }
        (Answer::Piece(bytes), State::Streaming(_)) => {
            (connection.stream.piece(bytes, out), &[], false)
        }
        (Answer::End(bytes), State::Streaming(_)) => {
            connection.framing.keep_alive &= !connection.stream.closes();
            let payload = connection.stream.piece(bytes, out);
            connection.stream.end(out);
            (payload, &[], true)
        }
        (Answer::Cut(response, missing), State::Deciding | State::Held(_)) => {
            connection.framing.keep_alive = false;
            let missing = if framing.head_only { 0 } else { *missing };
            let payload = response.payload().len() - missing;
            response.encode(framing, out);
            out.truncate(out.len() - missing);
            (payload, &[], true)
        }
        _ => return None,
    };
    Some(Encoded { payload, tail, is_whole })
}
