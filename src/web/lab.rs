//! Reads what is asked of the lab, and writes what it has seen.
//!
//! ```text
//! GET /api/lab/live?cursor=C&wait=SECONDS
//!     held and answered like /api/events, with what the caller may see of the comet
//! 200 {"cursor":"C2", "wait":25, "now_at":MS, "total":N,
//!      "polls":[{"connection","user_id","kind","stored","live","wait_ms","left_ms","held_ms"}],
//!      "moments":[{"number","at","connection","user_id","kind","exit"}],
//!      "message":{"id","conversation_id","sender_id","read_at","steps":[{"step","micros","user_id","connection"}]},
//!      "users":[user]}
//!
//! GET, PUT, DELETE /api/lab/fault  {"fault","target"?,"times"?,"delay_ms"?}
//!     what is to go wrong with the answers of this session, for a minute
//! 200 {"fault":null} or {"fault","target","times","delay_ms","until_at"}
//! ```
//!
//! These paths exist only if the lab is on, and are not part of the public contract.

use std::time::Duration;

use super::Problem;
use super::fields::{Members, number};
use super::json::{self, Object};
use super::request::wait;
use super::route::{Methods, Route};
use crate::comet::Hold;
use crate::config::Config;
use crate::entity::{Place, Timestamp, User};
use crate::http::Method::{Delete, Get, Put};
use crate::http::{Request, Response};
use crate::lab::fault::{Fault, Setting, Target};
use crate::lab::observer::{Moment, Observer, Timeline, Viewer};
use crate::logic::Manner;
use crate::system::{Mono, Now};

/// What is asked of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says it")]
pub enum LabRoute {
    ClearFault,
    Door,
    Fault,
    Live,
    SetFault,
}

/// The paths, with the methods that each has.
pub(super) const LAB_ROUTES: &[(&str, Methods)] = &[
    ("/lab", &[(Get, Route::Lab(LabRoute::Door))]),
    (
        "/api/lab/fault",
        &[
            (Get, Route::Lab(LabRoute::Fault)),
            (Put, Route::Lab(LabRoute::SetFault)),
            (Delete, Route::Lab(LabRoute::ClearFault)),
        ],
    ),
    (
        "/api/lab/recording",
        &[(Get, Route::Recording), (Put, Route::Record), (Delete, Route::StopRecording)],
    ),
    ("/api/lab/live", &[(Get, Route::Lab(LabRoute::Live))]),
];

/// Comings and goings in one answer.
const MOMENTS_PAGE: usize = 64;

/// What the lab has for somebody.
#[derive(Debug)]
pub struct LabView<'a> {
    /// What it has seen.
    pub lab: &'a Observer,
    /// For whose eyes.
    pub viewer: Viewer,
    /// The poll that is answered.
    pub hold: &'a Hold,
    /// What is held: each with how long it has been held, if that is known, and how long it has
    /// left.
    pub polls: Vec<(Hold, Option<Duration>, Option<Duration>)>,
    /// How many there are in all.
    pub total: usize,
    /// Those of whom it speaks.
    pub users: Vec<User>,
    /// When this is.
    pub now: Now,
    /// When to come back, if not at once.
    pub retry: Option<Duration>,
}

/// After which number of the lab's, and for how long, somebody wants to watch.
pub fn read_lab_poll(request: &Request<'_>, config: &Config) -> Result<(u64, Duration), Problem> {
    // A client without a cursor knows nothing yet.
    let after = number(request, "cursor")?.map_or(Place::MISSED, i64::cast_unsigned);
    Ok((after, wait(request, config)?))
}

/// What somebody wants to go wrong.
pub fn read_fault(request: &Request<'_>, config: &Config) -> Result<Setting, Problem> {
    let members = Members::read(request, config.body_bytes_max)?;
    let fault = one_of(&members, "fault", &Fault::ALL)?.unwrap_or(Fault::Drop);
    let target = one_of(&members, "target", &Target::ALL)?.unwrap_or(Target::Polls);
    let times = members.optional_integer("times")?.unwrap_or(1).max(0);
    let delay = members.optional_integer("delay_ms")?.unwrap_or(3_000).max(0);
    Ok(Setting {
        fault,
        target,
        times: u32::try_from(times).unwrap_or(u32::MAX),
        delay: Duration::from_millis(delay.cast_unsigned()),
        until: Mono(0),
    })
}

fn one_of<T: Copy>(
    members: &Members,
    name: &'static str,
    all: &[(&str, T)],
) -> Result<Option<T>, Problem> {
    let Some(text) = members.optional_text(name)? else { return Ok(None) };
    let found = all.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.map(Some).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
        Problem::field(name, format!("{name} is none of {}.", words.join(", ")))
    })
}

/// What is set to go wrong.
pub fn fault(set: Option<Setting>, now: Now) -> Response {
    fn word<T: Copy + PartialEq>(all: &[(&'static str, T)], value: T) -> &'static str {
        all.iter().find(|(_, it)| *it == value).map_or("", |(word, _)| word)
    }
    let mut body = Vec::new();
    let mut object = Object::begin(&mut body);
    if let Some(set) = set {
        object.text("fault", word(&Fault::ALL, set.fault));
        object.text("target", word(&Target::ALL, set.target));
        object.integer("times", set.times.into());
        object.integer("delay_ms", millis(set.delay));
        object.integer("until_at", now.wall.plus_millis(millis(set.until.since(now.mono))).0);
    } else {
        object.null("fault");
    }
    object.end();
    Response::new(200).json(body)
}

/// The way into the lab, whose pages find each other by relative paths.
pub fn lab_door() -> Response {
    Response::new(308).cache_control("no-store").with("Location", "lab/")
}

impl<'a> LabView<'a> {
    /// What is told of comings and goings.
    pub fn moments(&self) -> Vec<&'a Moment> {
        let after = self.hold.place.live;
        let moments: Vec<_> = self.lab.moments_after(self.viewer, after).collect();
        moments[moments.len().saturating_sub(MOMENTS_PAGE)..].to_vec()
    }

    /// The response.
    pub fn respond(&self) -> Response {
        let mut body = Vec::with_capacity(2048);
        let mut object = Object::begin(&mut body);
        object.text("cursor", &self.lab.published().to_string());
        object.integer("wait", i64::from(self.hold.wait_ms / 1000));
        object.integer("now_at", self.now.wall.0);
        object.size("total", self.total);
        object.array("polls", &self.polls, poll);
        object.array("moments", &self.moments(), |out, it| moment(out, it, self.now));
        if let Some(timeline) = self.lab.timeline(self.viewer) {
            let out = object.member("message");
            message(out, timeline, self.viewer, self.now);
        }
        object.array("users", &self.users, json::user);
        if let Some(retry) = self.retry {
            object.integer("retry_ms", millis(retry));
        }
        object.end();
        Response::new(200).json(body)
    }
}

fn poll(out: &mut Vec<u8>, (hold, since, until): &(Hold, Option<Duration>, Option<Duration>)) {
    let mut object = Object::begin(out);
    whose(&mut object, hold);
    if hold.manner != Manner::Watch {
        object.integer("stored", hold.place.stored.0);
    }
    object.integer("live", hold.place.live.cast_signed());
    object.integer("wait_ms", hold.wait_ms.into());
    for (name, time) in [("held_ms", since), ("left_ms", until)] {
        match time {
            Some(time) => object.integer(name, millis(*time)),
            None => object.null(name),
        }
    }
    object.end();
}

fn moment(out: &mut Vec<u8>, moment: &Moment, now: Now) {
    let mut object = Object::begin(out);
    object.integer("number", moment.number.cast_signed());
    object.integer("at", wall(moment.at, now).0);
    whose(&mut object, &moment.hold);
    object.optional_text("exit", moment.left.map(crate::comet::Left::name));
    object.end();
}

fn whose(object: &mut Object<'_>, hold: &Hold) {
    object.integer("connection", hold.connection.0.into());
    object.integer("user_id", hold.caller.user_id.0);
    let kind = match hold.manner {
        Manner::Poll => "poll",
        Manner::EventStream => "event_stream",
        Manner::Lines => "lines",
        Manner::Keepline => "keepline",
        Manner::Watch => "lab",
    };
    object.text("kind", kind);
}

fn message(out: &mut Vec<u8>, timeline: &Timeline, viewer: Viewer, now: Now) {
    let mut object = Object::begin(out);
    object.integer("id", timeline.id.0);
    object.integer("conversation_id", timeline.conversation_id.0);
    object.integer("sender_id", timeline.sender_id.0);
    object.integer("read_at", wall(timeline.read_at, now).0);
    object.array("steps", &timeline.steps(), |out, (step, at, arrival)| {
        let mut object = Object::begin(out);
        object.text("step", step);
        let micros = at.since(timeline.read_at).as_micros();
        object.integer("micros", i64::try_from(micros).unwrap_or(i64::MAX));
        if let Some(arrival) = arrival {
            object.integer("user_id", arrival.user_id.0);
            // Which sockets others have is nobody's business.
            if viewer.sees(arrival.user_id) {
                object.integer("connection", arrival.connection.0.into());
            }
        }
        object.end();
    });
    object.end();
}

/// The time of day of a moment that is not long ago.
fn wall(at: Mono, now: Now) -> Timestamp {
    now.wall.plus_millis(-millis(now.mono.since(at)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
