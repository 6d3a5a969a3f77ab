//! The last phase of a turn: what is answered becomes bytes, and what the sockets say of those becomes
//! states.
//!
//! Knows how an answer is framed for its connection, and what follows it there (see the states in
//! [`crate::connection`]). Does not know what is answered.

use super::{Answer, Handler, Output, Outputs, Server};
use crate::comet::ConnectionId;
use crate::connection::{State, Then, Timer};
use crate::http;
use crate::lab::tape::{Ended, Sent};
use crate::system::Now;

impl<H: Handler> Server<H> {
    pub(super) fn write(
        &mut self,
        now: Now,
        id: ConnectionId,
        answer: Answer,
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
        match (answer, connection.state) {
            (Answer::Whole(response), State::Deciding | State::Held(_)) => {
                log::debug!("{} to {peer}", response.status());
                let payload = if framing.head_only { 0 } else { response.payload().len() };
                let tail = response.encode(&framing, &mut outputs.bytes);
                let bytes = [&outputs.bytes[start..], tail];
                self.recorder.sent(now, id, Sent { bytes, has_head: true, payload });
                let then = connection.then();
                let share = self.peers.share(connection);
                self.queue.charge_answer(share, outputs.bytes.len() - start);
                outputs.write(id, start, tail, then);
                self.answered(now, id, then, outputs);
            }
            (Answer::Begin(response, first), State::Held(hold)) => {
                log::debug!("{} to {peer}, a stream", response.status());
                connection.stream = response.encode_stream_head(&framing, &mut outputs.bytes);
                connection.stream.piece(&first, &mut outputs.bytes);
                let sent = Sent::of_stream(&outputs.bytes[start..], true, &first);
                self.recorder.sent(now, id, sent);
                connection.state = State::Streaming(hold);
                outputs.write(id, start, &[], Then::Keep);
            }
            (Answer::Piece(bytes), State::Streaming(_)) => {
                connection.stream.piece(&bytes, &mut outputs.bytes);
                let sent = Sent::of_stream(&outputs.bytes[start..], false, &bytes);
                self.recorder.sent(now, id, sent);
                outputs.write(id, start, &[], Then::Keep);
            }
            (Answer::End(bytes), State::Streaming(_)) => {
                connection.stream.piece(&bytes, &mut outputs.bytes);
                connection.stream.end(&mut outputs.bytes);
                let sent = Sent::of_stream(&outputs.bytes[start..], false, &bytes);
                self.recorder.sent(now, id, sent);
                connection.framing.keep_alive &= !connection.stream.closes();
                let then = connection.then();
                outputs.write(id, start, &[], then);
                self.answered(now, id, then, outputs);
            }
            (Answer::Cut(response, missing), State::Deciding | State::Held(_)) => {
                connection.framing.keep_alive = false;
                let missing = if framing.head_only { 0 } else { missing };
                let payload = response.payload().len() - missing;
                response.encode(&framing, &mut outputs.bytes);
                outputs.bytes.truncate(outputs.bytes.len() - missing);
                let bytes = [&outputs.bytes[start..], &[]];
                self.recorder.sent(now, id, Sent { bytes, has_head: true, payload });
                let then = connection.then();
                outputs.write(id, start, &[], then);
                self.answered(now, id, then, outputs);
            }
            (Answer::Close, _) => self.close(now, id, outputs),
            // The client did not wait for it: the connection went on, or is another by now.
            _ => {}
        }
    }

    /// The answer is with the socket. Where that did not take all of it, it will say so.
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
            // It took a little, so it has time again. Or what it did not take came before its present
            // request: an interim response, or the answer to another that this one was behind.
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
