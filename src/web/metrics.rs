//! Writes what is counted in the text format of Prometheus, version 0.0.4. Counts nothing itself.

use std::fmt::{Display, Write as _};

use crate::comet::Left;
use crate::http::{Payload, Response};
use crate::metrics::{Histogram, Metrics};

/// What there is at this moment.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "what is written of them says it")]
pub struct Gauges {
    pub held_polls: usize,
    pub held_streams: usize,
    pub connections: u64,
    pub users_online: usize,
    pub hashing: usize,
    pub inboxes: usize,
    pub sessions_cached: usize,
    pub conversations_cached: usize,
}

/// Everything that is counted, and what there is.
pub fn metrics(counted: &Metrics, gauges: &Gauges) -> Response {
    let mut page = Page(String::with_capacity(8 * 1024));
    let Gauges { held_polls, held_streams, connections, users_online, .. } = *gauges;
    page.gauge("held_polls", "Long polls that are held.", held_polls);
    page.gauge("held_streams", "Streams that are held.", held_streams);
    page.gauge("connections", "Connections that are open.", connections);
    page.gauge("users_online", "Users whose friends see them online.", users_online);
    page.gauge("hashing", "Passwords that are being hashed.", gauges.hashing);
    page.gauge("inboxes", "Users whose unstored events are remembered.", gauges.inboxes);
    page.gauge("sessions_cached", "Sessions in memory.", gauges.sessions_cached);
    page.gauge("conversations_cached", "Conversations in memory.", gauges.conversations_cached);

    page.counter("turns_total", "Turns of the loop.", counted.turns.get());
    page.histogram("turn_seconds", "How long a turn took.", &counted.turn_time);
    let (accepted, refused) = (&counted.connections_accepted, &counted.connections_refused);
    page.counter("connections_accepted_total", "Connections that came.", accepted.get());
    page.counter("connections_refused_total", "Of them, one too many.", refused.get());
    page.counter("received_bytes_total", "Bytes from clients.", counted.bytes_received.get());
    page.counter("sent_bytes_total", "Bytes to clients.", counted.bytes_sent.get());
    page.counter("requests_total", "Requests that were read.", counted.requests.get());
    let name = "limits_hit_total";
    page.head(
        name,
        "counter",
        "Requests refused because of a limit, or a store that cannot write.",
    );
    page.sample(name, "code=\"rate_limited\"", counted.rate_limited.get());
    page.sample(name, "code=\"unavailable\"", counted.unavailable.get());
    page.counter("messages_total", "Messages written.", counted.messages.get());
    page.counter("commits_total", "Transactions that are on the disk.", counted.commits.get());
    page.counter("commits_failed_total", "And that are not.", counted.commits_failed.get());
    page.histogram("commit_seconds", "How long a commit took.", &counted.commit_time);
    page.counter("wake_ups_total", "Polls asked for because of news.", counted.wake_ups.get());
    let empty = counted.empty_answers.get();
    page.counter("empty_answers_total", "Polls answered without an event.", empty);
    let name = "released_total";
    page.head(name, "counter", "Polls and streams that are held no more, by their exit.");
    for left in Left::ALL {
        page.sample(name, &format!("exit=\"{}\"", left.name()), counted.count_left(left));
    }
    page.histogram("hold_seconds", "How long polls were held.", &counted.hold_time);
    let delivery = &counted.delivery_time;
    page.histogram("delivery_seconds", "From reading a request to writing its news.", delivery);
    Response::new(200)
        .cache_control("no-store")
        .body("text/plain; version=0.0.4; charset=utf-8", Payload::Owned(page.0.into_bytes()))
}

struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let (below, count) = histogram.cumulated();
        let bucket = format!("{name}_bucket");
        for (bound, count) in below {
            self.sample(&bucket, &format!("le=\"{}\"", Seconds(bound)), count);
        }
        self.sample(&bucket, "le=\"+Inf\"", count);
        self.sample(&format!("{name}_sum"), "", Seconds(histogram.sum()));
        self.sample(&format!("{name}_count"), "", count);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP lovejoy_{name} {help}"));
        self.line(format_args!("# TYPE lovejoy_{name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        if labels.is_empty() {
            self.line(format_args!("lovejoy_{name} {value}"));
        } else {
            self.line(format_args!("lovejoy_{name}{{{labels}}} {value}"));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes everything");
    }
}

/// Microseconds, written as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micros == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{micros:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}
