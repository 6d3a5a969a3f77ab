//! Does to the answers of a session what networks and proxies do to answers, because its user wants
//! to see what happens then.
//!
//! Stands between the chat and the server: each answer passes here on its way to its connection, in
//! the turn in which it leaves. Knows neither why something was answered nor sockets; time is an
//! argument. A session sets one fault at a time, only for its own answers, for a few of them, and
//! for [`LASTS`] at most. What is kept back is bounded, and forgotten with its connection.
//!
//! | fault | what becomes of an answer | of a stream |
//! |---|---|---|
//! | [`Fault::Drop`] | its head leaves, and the connection closes | the connection closes |
//! | [`Fault::Cut`] | half of its body leaves, and the connection closes | half of a piece does |
//! | [`Fault::Delay`] | it leaves later | pieces leave later |
//! | [`Fault::Twice`] | it is also the answer to the next poll, as from a cache | each piece leaves twice |
//! | [`Fault::Buffer`] | it leaves later | pieces are gathered until they are many, or it is late |
//!
//! A connection that closes without a byte would show nothing: browsers then send a request again
//! by themselves (RFC 9112, section 9.3.1), whatever its method.
//!
//! ```text
//!           answered, and a fault is set
//!   [ asked ] --- delay, buffer ---> [ kept ] --- late, or the client is gone ---> leaves, or is forgotten
//!       +--- drop, cut, twice, or none ---> leaves
//! ```

use std::collections::VecDeque;

use crate::comet::ConnectionId;
use crate::entity::SessionId;
use crate::http::Response;
use crate::lab::fault::{DELAY_MAX, Fault, LASTS, Setting, TIMES_MAX, Target};
use crate::map::Map;
use crate::server::{Answer, Answers};
use crate::system::Mono;

/// How many sessions may have one set.
const SESSIONS_MAX: usize = 64;

/// How many answers, and pieces of streams, may be kept back; past it they leave as they are.
const KEPT_MAX: usize = 256;

/// How many bytes these may have, together with the answers that will be given again.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// A proxy that buffers lets go once its buffer is full.
const BUFFER_BYTES: usize = 4096;

/// All faults that are set, and what is kept back for them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    set: Map<SessionId, Setting>,
    /// Whose answer a connection waits for, and to what kind of request: only those can be changed.
    asked: Map<ConnectionId, (SessionId, Target)>,
    /// What leaves later, in the order in which it was answered.
    kept: VecDeque<(Mono, ConnectionId, Answer)>,
    /// How the next poll of a session is answered, and until when.
    replays: Map<SessionId, (Mono, Response)>,
}

impl Faults {
    /// Sets a fault in place of what was set; `None` where too many have one set.
    pub(super) fn set(
        &mut self,
        now: Mono,
        session: SessionId,
        setting: Setting,
    ) -> Option<Setting> {
        self.set.retain(|_, set| set.until > now);
        if self.set.len() >= SESSIONS_MAX && !self.set.contains_key(&session) {
            return None;
        }
        let setting = Setting {
            times: setting.times.clamp(1, TIMES_MAX),
            delay: setting.delay.min(DELAY_MAX),
            until: now.plus(LASTS),
            ..setting
        };
        self.set.insert(session, setting);
        Some(setting)
    }

    /// Nothing is to go wrong for this session any more.
    pub(super) fn clear(&mut self, session: SessionId) {
        self.set.remove(&session);
        self.replays.remove(&session);
    }

    /// What is set for a session.
    pub(super) fn get(&self, now: Mono, session: SessionId) -> Option<Setting> {
        self.set.get(&session).copied().filter(|set| set.until > now && set.times > 0)
    }

    /// An answer that was given before, and is to be given again.
    pub(super) fn replay(&mut self, now: Mono, session: SessionId) -> Option<Response> {
        let (until, response) = self.replays.remove(&session)?;
        (until > now).then_some(response)
    }

    /// A request has come whose answer a fault may be meant for.
    pub(super) fn ask(&mut self, connection: ConnectionId, session: SessionId, target: Target) {
        self.asked.insert(connection, (session, target));
    }

    /// The connection is gone, and what was kept for it is for nobody: its number is free.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.asked.remove(&connection);
        self.kept.retain(|(_, kept, _)| *kept != connection);
    }

    /// Lets an answer pass, or does to it what is set.
    pub(super) fn pass(
        &mut self,
        now: Mono,
        connection: ConnectionId,
        answer: Answer,
        answers: &mut Answers,
    ) {
        let is_last = matches!(answer, Answer::Whole(_) | Answer::End(_) | Answer::Close);
        let asked = self.asked.get(&connection).copied();
        let setting = asked.and_then(|(session, target)| {
            let set = self.get(now, session).filter(|set| set.target == target)?;
            Some((session, set))
        });
        if is_last {
            self.asked.remove(&connection);
        }
        // What is kept for a stream leaves before what follows it.
        let behind = self.kept.iter().any(|(_, kept, _)| *kept == connection);
        match (setting, answer) {
            (Some((session, setting)), Answer::Whole(response)) if response.status() < 300 => {
                self.strike(session);
                self.strike_whole(now, connection, (session, setting), response, answers);
            }
            (Some((session, setting)), Answer::Piece(bytes)) => {
                if setting.fault != Fault::Buffer {
                    self.strike(session);
                }
                self.strike_piece(now, connection, setting, bytes, answers);
            }
            (_, answer) => {
                if behind {
                    self.let_go(|kept, _| kept == connection, answers);
                }
                answers.push((connection, answer));
            }
        }
    }

    fn strike(&mut self, session: SessionId) {
        if let Some(set) = self.set.get_mut(&session) {
            set.times -= 1;
        }
    }

    fn strike_whole(
        &mut self,
        now: Mono,
        connection: ConnectionId,
        (session, setting): (SessionId, Setting),
        response: Response,
        answers: &mut Answers,
    ) {
        match setting.fault {
            Fault::Drop | Fault::Cut => {
                let body = response.payload().len();
                let missing = if setting.fault == Fault::Drop { body } else { body / 2 };
                answers.push((connection, Answer::Cut(response, missing)));
            }
            Fault::Twice => {
                if self.has_room(response.payload().len()) {
                    self.replays.insert(session, (setting.until, response.clone()));
                }
                answers.push((connection, Answer::Whole(response)));
            }
            Fault::Delay | Fault::Buffer => {
                self.keep(now.plus(setting.delay), connection, Answer::Whole(response), answers);
            }
        }
    }

    fn strike_piece(
        &mut self,
        now: Mono,
        connection: ConnectionId,
        setting: Setting,
        mut bytes: Vec<u8>,
        answers: &mut Answers,
    ) {
        match setting.fault {
            Fault::Drop => answers.push((connection, Answer::Close)),
            Fault::Cut => {
                bytes.truncate(bytes.len() / 2);
                answers.push((connection, Answer::Piece(bytes)));
                answers.push((connection, Answer::Close));
            }
            Fault::Twice => {
                bytes.extend_from_within(..);
                answers.push((connection, Answer::Piece(bytes)));
            }
            Fault::Delay => {
                self.keep(now.plus(setting.delay), connection, Answer::Piece(bytes), answers);
            }
            Fault::Buffer => {
                let mut kept = self.kept.iter_mut();
                let buffer = kept.find_map(|(_, kept, answer)| match answer {
                    Answer::Piece(buffer) if *kept == connection => Some(buffer),
                    _ => None,
                });
                let Some(buffer) = buffer else {
                    let due = now.plus(setting.delay);
                    return self.keep(due, connection, Answer::Piece(bytes), answers);
                };
                buffer.extend_from_slice(&bytes);
                if buffer.len() >= BUFFER_BYTES {
                    self.let_go(|kept, _| kept == connection, answers);
                }
            }
        }
    }

    fn keep(&mut self, due: Mono, connection: ConnectionId, answer: Answer, answers: &mut Answers) {
        if self.kept.len() < KEPT_MAX && self.has_room(bytes(&answer)) {
            self.kept.push_back((due, connection, answer));
        } else {
            answers.push((connection, answer));
        }
    }

    fn has_room(&self, more: usize) -> bool {
        let kept: usize = self.kept.iter().map(|(.., answer)| bytes(answer)).sum();
        let replays: usize =
            self.replays.iter().map(|(_, (_, replay))| replay.payload().len()).sum();
        self.replays.len() < SESSIONS_MAX && kept + replays + more <= KEPT_BYTES_MAX
    }

    /// Lets what was kept long enough leave, or everything; and forgets what is too old to be given
    /// again.
    pub(super) fn release(&mut self, now: Mono, everything: bool, answers: &mut Answers) {
        self.replays.retain(|_, (until, _)| *until > now);
        if self.kept.iter().any(|(due, ..)| everything || *due <= now) {
            self.let_go(|_, due| everything || due <= now, answers);
        }
    }

    fn let_go(&mut self, which: impl Fn(ConnectionId, Mono) -> bool, answers: &mut Answers) {
        for (due, connection, answer) in std::mem::take(&mut self.kept) {
            if which(connection, due) {
                answers.push((connection, answer));
            } else {
                self.kept.push_back((due, connection, answer));
            }
        }
    }

    /// When something that is kept is to leave, or to be forgotten.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let kept = self.kept.iter().map(|(due, ..)| *due);
        kept.chain(self.replays.iter().map(|(_, (until, _))| *until)).min()
    }
}

fn bytes(answer: &Answer) -> usize {
    match answer {
        Answer::Whole(response) => response.payload().len(),
        Answer::Piece(bytes) => bytes.len(),
        // None of these is kept.
        Answer::Begin(..) | Answer::End(_) | Answer::Cut(..) | Answer::Close => 0,
    }
}
