//! Plays the network: connections whose bytes come late, in pieces, or not at all.
//!
//! A link is one connection with both of its ends. The client's end is used by the tabs
//! ([`Network::connect`], [`Network::ask`], [`Network::hang_up`], ...); the server's end is moved by
//! the world, turn by turn, as the event loop would. Bytes of requests are carried; of responses it
//! is enough to count the bytes, since the server writes each in one piece, and to hand the
//! response over when the last of them has arrived. So it is with the frames of a stream, behind which
//! comes an answer: that it is over.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use lovejoy::comet::ConnectionId;
use lovejoy::connection::Then;

use crate::checks::Stream;
use crate::random::Random;
use crate::wire::{Frame, Request, Response};

/// Names a link; never used again in a run.
pub type LinkId = usize;

/// One connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "both ends can be in any state")]
pub struct Link {
    pub tab: usize,
    /// The server's name for it, from being accepted to being closed.
    pub number: Option<ConnectionId>,
    /// The client's bytes, and how many of them the server was told.
    pub up: Vec<u8>,
    pub told: usize,
    /// The client has closed its side.
    pub ended: bool,
    /// The server knows that.
    pub end_told: bool,
    /// The connection is broken: the server will notice.
    pub broken: bool,
    /// The server wants to read nothing now.
    pub paused: bool,
    /// Bytes of responses: written by the server, taken by its socket, read by the client.
    pub written: u64,
    pub taken: u64,
    pub read: u64,
    /// What follows when all that is written has been taken.
    pub then: Then,
    /// The server sends nothing more.
    pub shut: bool,
    /// The socket takes nothing before that time.
    pub stalled_until: u64,
    /// In which turn, and when, the server was last told that it has no room.
    pub full_since: Option<(u64, u64)>,
    /// When it was last told that there is room again.
    pub free_since: u64,
    /// The first request is answered by a stream, which goes on.
    pub stream: Option<Stream>,
    /// What the server has to answer, in order.
    pub unanswered: VecDeque<Unanswered>,
    /// What the client waits for, in order.
    waits_for: VecDeque<Rc<Request>>,
    /// What is on its way to the client, and at which byte each ends.
    arriving: VecDeque<(u64, Arriving)>,
    /// The client still has its end.
    open: bool,
}

/// Something that the server has written.
#[derive(Debug)]
enum Arriving {
    Answer(Response),
    Frame(Frame),
}

/// A request on its way to the server, or being answered there.
#[derive(Debug)]
pub struct Unanswered {
    pub request: Rc<Request>,
    /// At which of the client's bytes it ends.
    pub end: usize,
    /// Set when the server has all of it and nothing before it to answer.
    pub given: Option<Given>,
    /// The server has all of it.
    pub has_come: bool,
    /// It was in the queue before the commit of this turn.
    pub was_queued: bool,
}

/// The moment a request was the server's to answer.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    pub at: u64,
    pub turn: u64,
    /// The newest message that was committed then.
    pub newest: i64,
}

/// What a client notices.
#[derive(Debug)]
pub enum Seen {
    Answer(Rc<Request>, Response),
    /// More of a stream.
    Frame(Rc<Request>, Frame),
    /// The answer will never come, or not be read.
    Lost(Rc<Request>),
}

/// All connections that anything can still happen to.
#[derive(Debug, Default)]
pub struct Network {
    links: Vec<Link>,
    /// Those that are not over, in the order in which they began.
    pub alive: Vec<LinkId>,
    /// Those that wait to be accepted.
    pub backlog: VecDeque<LinkId>,
    /// Nobody listens.
    pub refuses: bool,
    /// The tabs that read nothing now.
    pub asleep: BTreeSet<usize>,
}

impl Network {
    pub fn link(&mut self, id: LinkId) -> &mut Link {
        &mut self.links[id]
    }

    pub fn peek(&self, id: LinkId) -> &Link {
        &self.links[id]
    }

    /// The links that the server has.
    pub fn accepted(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        let links = self.alive.iter().map(|&id| (id, &self.links[id]));
        links.filter(|(_, link)| link.number.is_some())
    }

    // The client's end.

    pub fn connect(&mut self, tab: usize) -> Option<LinkId> {
        if self.refuses {
            return None;
        }
        let id = self.links.len();
        self.links.push(Link {
            tab,
            number: None,
            up: Vec::new(),
            told: 0,
            ended: false,
            end_told: false,
            broken: false,
            paused: false,
            written: 0,
            taken: 0,
            read: 0,
            then: Then::Keep,
            shut: false,
            stalled_until: 0,
            full_since: None,
            free_since: 0,
            stream: None,
            unanswered: VecDeque::new(),
            waits_for: VecDeque::new(),
            arriving: VecDeque::new(),
            open: true,
        });
        self.alive.push(id);
        self.backlog.push_back(id);
        Some(id)
    }

    /// Whether a further request may be sent on it.
    pub fn is_usable(&self, id: LinkId) -> bool {
        let link = &self.links[id];
        link.open && !link.shut && !link.ended && !link.broken
    }

    /// How much a client waits for there.
    pub fn waits_for(&self, id: LinkId) -> usize {
        self.links[id].waits_for.len()
    }

    /// A connection of a tab that waits for nothing.
    pub fn idle(&self, tab: usize) -> Option<LinkId> {
        let mut own = self.alive.iter().copied().filter(|&id| self.links[id].tab == tab);
        own.find(|&id| self.is_usable(id) && self.links[id].waits_for.is_empty())
    }

    pub fn ask(&mut self, id: LinkId, request: Request) {
        let link = &mut self.links[id];
        let request = Rc::new(request);
        link.up.extend_from_slice(&request.encode());
        let end = link.up.len();
        link.unanswered.push_back(Unanswered {
            request: Rc::clone(&request),
            end,
            given: None,
            has_come: false,
            was_queued: false,
        });
        link.waits_for.push_back(request);
    }

    pub fn half_close(&mut self, id: LinkId) {
        self.links[id].ended = true;
    }

    /// The client is gone; what it waited for is lost. `hard`: what it has sent may be lost too.
    pub fn hang_up(&mut self, id: LinkId, hard: bool) {
        let link = &mut self.links[id];
        link.open = false;
        link.ended = true;
        link.broken |= hard;
    }

    /// What arrives at the clients now. `gently`: everything that can.
    pub fn deliver(&mut self, random: &mut Random, gently: bool) -> Vec<(LinkId, Seen)> {
        let mut seen = Vec::new();
        for &id in &self.alive {
            let link = &mut self.links[id];
            let is_awake = !self.asleep.contains(&link.tab);
            if is_awake && link.open && link.read < link.taken {
                let everything = gently || random.chance(700);
                let earliest = if everything { link.taken } else { link.read };
                link.read = random.between(earliest, link.taken);
            }
            while link.open
                && let Some((end, _)) = link.arriving.front()
                && *end <= link.read
            {
                let (_, what) = link.arriving.pop_front().expect("there is one");
                let request = link.waits_for.front().expect("an answer has a request");
                let request = Rc::clone(request);
                seen.push((
                    id,
                    match what {
                        Arriving::Frame(frame) => Seen::Frame(request, frame),
                        Arriving::Answer(response) => {
                            link.waits_for.pop_front();
                            Seen::Answer(request, response)
                        }
                    },
                ));
            }
            if is_awake && link.shut && link.read == link.taken {
                link.open = false;
                // What it was still sending is in nobody's hands.
                link.ended = true;
            }
            if !link.open {
                seen.extend(link.waits_for.drain(..).map(|request| (id, Seen::Lost(request))));
            }
        }
        let links = &self.links;
        // Over: the server has closed it, or never knew it, and the client has gone.
        self.alive.retain(|&id| links[id].open || links[id].number.is_some());
        let links = &self.links;
        self.backlog.retain(|&id| links[id].open);
        seen
    }

    /// Whether anything is on its way.
    pub fn is_busy(&self, now: u64) -> bool {
        !self.backlog.is_empty()
            || self.alive.iter().any(|&id| {
                let link = &self.links[id];
                let readable = link.number.is_some()
                    && (link.broken
                        || (!link.paused
                            && (link.told < link.up.len() || link.ended != link.end_told)));
                let writable =
                    link.number.is_some() && link.taken < link.written && link.stalled_until <= now;
                let arriving = link.open
                    && !self.asleep.contains(&link.tab)
                    && (link.read < link.taken || link.shut);
                readable || writable || arriving
            })
    }

    /// When the next socket takes bytes again.
    pub fn next_deadline(&self, now: u64) -> Option<u64> {
        let links = self.accepted().filter(|(_, link)| link.taken < link.written);
        links.map(|(_, link)| link.stalled_until).filter(|&at| at > now).min()
    }

    // The server's end.

    /// The server has closed it, or is no more. With bytes of the client unread, the system breaks
    /// the connection, and what was on its way to the client may be lost.
    pub fn close(&mut self, id: LinkId, random: &mut Random) {
        let link = &mut self.links[id];
        link.number = None;
        link.shut = true;
        link.unanswered.clear();
        if link.told < link.up.len() && random.chance(500) {
            link.taken = link.read;
        }
    }
}

impl Link {
    /// The server has written a response: it is the answer to the first request that has none.
    pub fn write(&mut self, response: Response, len: usize) {
        self.written += len as u64;
        self.arriving.push_back((self.written, Arriving::Answer(response)));
    }

    /// It has written some frames, each with the byte at which it ends.
    pub fn write_frames(&mut self, frames: Vec<(usize, Frame)>, len: usize) {
        let start = self.written;
        let frames = frames.into_iter();
        let ends = frames.map(|(end, frame)| (start + end as u64, Arriving::Frame(frame)));
        self.arriving.extend(ends);
        self.written += len as u64;
    }
}
