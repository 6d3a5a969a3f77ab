//! Writes what the server sends, and later what a full socket did not take of it.
//!
//! Knows when to try again (rule 2 at the head of [`super`]). Does not know what it writes.

use super::EventLoop;
use super::rest::{Progress, Rest, write_all};
use crate::comet::ConnectionId;
use crate::connection::Then;
use crate::pool::Part;
use crate::server::{Handler, Input, Output};
use crate::system::Now;

impl<H: Handler> EventLoop<H> {
    /// Does what the turn wants done, and what follows from it.
    pub(super) fn carry_out(&mut self, now: Now) {
        while !self.outputs.list.is_empty() {
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.list.drain(..) {
                match output {
                    Output::Write { connection, bytes, tail, then } => {
                        self.write(now, connection, &outputs.bytes[bytes], tail, then);
                    }
                    Output::Close { connection } => drop(self.take(connection)),
                    Output::Pause { connection } => self.set_paused(connection, true),
                    Output::Resume { connection } => self.set_paused(connection, false),
                }
            }
            if self.outputs.list.is_empty() {
                outputs.clear();
                self.outputs = outputs;
            }
        }
    }

    fn set_paused(&mut self, id: ConnectionId, paused: bool) {
        let Some(socket) = self.sockets.get_mut(id.0) else { return };
        socket.paused = paused;
        if !paused {
            // Its edge came and went.
            self.remember_unread(id);
        }
    }

    fn write(&mut self, now: Now, id: ConnectionId, bytes: &[u8], tail: &'static [u8], then: Then) {
        let Some(socket) = self.sockets.get_mut(id.0) else { return };
        if let Some(rest) = &mut socket.rest {
            if rest.append(bytes, tail, then) {
                return self.gone(now, id);
            }
            let input = Input::Blocked { connection: id };
            return self.server.handle(now, input, &mut self.outputs);
        }
        let mut sent = 0;
        let progress = write_all(&mut socket.wire, bytes, tail, &mut sent);
        if let Progress::Blocked { .. } = progress {
            let sent_tail = sent.saturating_sub(bytes.len());
            let bytes = bytes[sent.min(bytes.len())..].to_vec();
            let tail = &tail[sent_tail..];
            let part = Part::new(self.server.pool());
            let mut rest = Box::new(Rest { bytes, sent: 0, tail, then, part });
            if rest.count() {
                log::debug!("there is no room for the rest of an answer");
                return self.gone(now, id);
            }
            socket.rest = Some(rest);
            if !std::mem::replace(&mut socket.full, true) {
                self.full.push(id);
            }
        }
        match progress {
            Progress::Done => self.written(now, id, then, false),
            Progress::Blocked { .. } => {
                let input = Input::Blocked { connection: id };
                self.server.handle(now, input, &mut self.outputs);
            }
            Progress::Broken => self.gone(now, id),
        }
    }

    /// The socket may have room again.
    pub(super) fn flush(&mut self, now: Now, id: ConnectionId) {
        let Some(socket) = self.sockets.get_mut(id.0) else { return };
        let Some(rest) = &mut socket.rest else {
            // The next read will tell what is wrong.
            let _ = socket.wire.flush();
            return;
        };
        match write_all(&mut socket.wire, &rest.bytes, rest.tail, &mut rest.sent) {
            Progress::Done => {
                let then = rest.then;
                socket.rest = None;
                self.written(now, id, then, true);
            }
            Progress::Blocked { moved: true } => {
                let input = Input::Blocked { connection: id };
                self.server.handle(now, input, &mut self.outputs);
            }
            Progress::Blocked { moved: false } => {}
            Progress::Broken => self.gone(now, id),
        }
    }

    /// Tries full sockets again, a few times before anybody is given up. The selector reports room
    /// only once a third of a socket's buffer is free; that is megabytes, and a slow reader has
    /// taken some of it long before.
    pub(super) fn retry_full(&mut self, now: Now) {
        if self.full.is_empty() || now.mono < self.full_at {
            return;
        }
        self.full_at = now.mono.plus(self.config.write_time_max / 4);
        let mut full = std::mem::take(&mut self.full);
        // A number may have belonged to another socket before, which was full, too.
        full.sort_unstable();
        full.dedup();
        full.retain(|&id| {
            self.flush(now, id);
            let Some(socket) = self.sockets.get_mut(id.0) else { return false };
            socket.full = socket.rest.is_some();
            socket.full
        });
        full.append(&mut self.full);
        self.full = full;
    }

    /// The system has taken all of an answer.
    fn written(&mut self, now: Now, id: ConnectionId, then: Then, was_blocked: bool) {
        match then {
            Then::Keep => {}
            Then::Linger => {
                if let Some(socket) = self.sockets.get_mut(id.0)
                    && let Err(error) = socket.wire.shut_down()
                {
                    log::debug!("a socket could not be shut down: {error}");
                }
            }
            Then::Close => return self.gone(now, id),
        }
        if was_blocked {
            self.server.handle(now, Input::Flushed { connection: id }, &mut self.outputs);
        }
    }
}
