//! Holds `/metrics` to its format, and its figures to what was done.

#![expect(clippy::float_cmp, clippy::cast_precision_loss, reason = "small whole numbers")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use lovejoy::server::Input;
use serde_json::json;
use support::{Answer, World};

const SECOND: Duration = Duration::from_secs(1);

/// Every sample by its name and labels, after the whole page was read by the rules of the format.
type Samples = BTreeMap<String, f64>;

fn metrics(world: &mut World) -> Samples {
    let answer = world.call("GET", "/metrics", "", None);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    read(answer.body.as_str().expect("a text"))
}

/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
fn read(page: &str) -> Samples {
    assert!(page.ends_with('\n'), "the last line ends, too");
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut types = BTreeMap::new();
    let (mut samples, mut helped, mut last) = (Samples::new(), None, String::new());
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a name and a text");
            assert!(is_name(name) && !text.is_empty() && !text.contains('\\'), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert_eq!(helped.as_deref(), Some(name), "its help comes before");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(name.ends_with("_total") == (kind == "counter"), "{line}");
            assert_eq!(types.insert(name.to_owned(), kind.to_owned()), None, "once: {line}");
            name.clone_into(&mut last);
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample");
            let (name, labels) = key.split_once('{').unwrap_or((key, "}"));
            let labels = labels.strip_suffix('}').expect("its labels end");
            for label in labels.split(',').filter(|label| !label.is_empty()) {
                let (name, value) = label.split_once('=').expect("a label");
                assert!(is_name(name), "{line}");
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                assert!(value.is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
            }
            let suffixes: &[&str] = match types[&last].as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let rest = name.strip_prefix(&last).expect("it is of the last type");
            assert!(suffixes.contains(&rest), "{line}");
            let value = value.parse().expect("a number");
            assert_eq!(samples.insert(key.to_owned(), value), None, "once: {line}");
        }
    }
    for (name, _) in types.iter().filter(|(_, kind)| *kind == "histogram") {
        let prefix = format!("{name}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = samples
            .iter()
            .filter_map(|(key, &count)| {
                let bound =
                    key.strip_prefix(&prefix)?.strip_prefix("le=\"")?.strip_suffix("\"}")?;
                Some((bound.parse().expect("a bound"), count))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name} is cumulative");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, samples[&format!("{name}_count")])));
    }
    samples
}

/// What has grown since, but for what asking itself costs.
fn growth(before: &Samples, after: &Samples) -> BTreeMap<String, f64> {
    let own = ["turns", "connections", "bytes", "requests", "cached"];
    let grown = after.iter().map(|(key, value)| (key.clone(), value - before[key]));
    let grown = grown.filter(|(key, by)| *by != 0.0 && !own.iter().any(|name| key.contains(name)));
    grown.map(|(key, by)| (key.strip_prefix("lovejoy_").expect("ours").to_owned(), by)).collect()
}

fn expected<const N: usize>(of: [(&str, f64); N]) -> BTreeMap<String, f64> {
    of.into_iter().map(|(key, by)| (key.to_owned(), by)).collect()
}

#[test]
fn held_polls_and_streams_are_counted_apart() {
    let mut world = World::new();
    let (anna, ben, _) = world.friends();
    let before = metrics(&mut world);
    assert_eq!(before["lovejoy_held_polls"], 0.0);
    let cursor = world.cursor(&anna);
    world.poll(&anna, &cursor, 25);
    world.settle();
    let stream = world.connect();
    let token = &ben.token;
    let request = format!(
        "GET /api/events HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\n\r\n"
    );
    world.send(stream, request.as_bytes());
    // Anna's poll is told that Ben came.
    world.settle();
    world.poll(&anna, "", 25);
    world.settle();
    let held = metrics(&mut world);
    assert_eq!((held["lovejoy_held_polls"], held["lovejoy_held_streams"]), (1.0, 1.0));
    assert_eq!(held["lovejoy_users_online"], 2.0);
    world.hang_up(stream);
    world.turn();
    let after = metrics(&mut world);
    assert_eq!((after["lovejoy_held_polls"], after["lovejoy_held_streams"]), (1.0, 0.0));
    assert_eq!(after["lovejoy_released_total{exit=\"hung_up\"}"], 1.0);
}

#[test]
fn a_message_moves_what_it_should_and_nothing_else() {
    let mut world = World::new();
    let (anna, ben, conversation) = world.friends();
    for person in [&anna, &ben] {
        world.poll(person, "", 0);
    }
    world.settle();
    let cursor = world.cursor(&ben);
    let polls: Vec<_> = (0..3).map(|_| world.poll(&ben, &cursor, 25)).collect();
    assert!(world.settle().is_empty());
    let before = metrics(&mut world);
    world.pass(2 * SECOND);
    world.say(&anna, conversation, "hello");
    assert_eq!(world.settle().len(), 1 + polls.len());
    let after = metrics(&mut world);
    let grown = growth(&before, &after);
    let long = ["2.5", "5", "10", "20", "25", "30", "60", "+Inf"];
    let mut all = expected([
        ("held_polls", -3.0),
        ("messages_total", 1.0),
        ("commits_total", 1.0),
        ("wake_ups_total", 3.0),
        ("released_total{exit=\"news\"}", 3.0),
        ("hold_seconds_count", 3.0),
    ]);
    all.extend(long.map(|bound| (format!("hold_seconds_bucket{{le=\"{bound}\"}}"), 3.0)));
    let sum = grown["hold_seconds_sum"];
    assert!((5.8..=6.2).contains(&sum), "three times two seconds, as exactly as deadlines: {sum}");
    all.insert("hold_seconds_sum".to_owned(), sum);
    assert_eq!(grown, all, "this clock measures no commits and deliveries");
}

#[test]
fn every_exit_is_counted_once_and_empty_answers_too() {
    let mut world = World::with(|config| config.polls_per_user_max = 1);
    let (anna, _, _) = world.friends();
    let other = world.log_in("anna");
    let exits = |samples: &Samples| {
        ["news", "expired", "released", "hung_up", "logged_out", "draining"]
            .map(|exit| samples[&format!("lovejoy_released_total{{exit=\"{exit}\"}}")])
    };
    world.poll(&anna, "", 0);
    world.settle();
    world.poll(&anna, "", 25);
    world.settle();
    world.poll(&anna, "", 25);
    world.settle();
    let counted = metrics(&mut world);
    assert_eq!(exits(&counted), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(counted["lovejoy_empty_answers_total"], 2.0);
    world.delete("/api/sessions/current", &anna);
    world.poll(&other, "", 1);
    world.pass(2 * SECOND);
    assert_eq!(exits(&metrics(&mut world)), [0.0, 2.0, 1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn limits_that_are_hit_are_counted_by_code() {
    let mut world = World::with(|config| config.messages_burst_max = 1);
    let (anna, _, conversation) = world.friends();
    let before = metrics(&mut world);
    let path = format!("/api/conversations/{conversation}/messages");
    let statuses: Vec<_> =
        (0..3).map(|_| world.post(&path, &anna, &json!({ "body": "x" })).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 2);
    let grown = growth(&before, &metrics(&mut world));
    assert_eq!(grown.get("limits_hit_total{code=\"rate_limited\"}"), Some(&2.0), "{grown:?}");
}

#[test]
fn a_connection_too_many_is_counted() {
    let mut world = World::with(|config| config.connections_max = 1);
    let line = world.connect();
    world.connect();
    assert_eq!(world.turn()[0].status, 503);
    world.send(line, b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    let samples = read(world.turn()[0].body.as_str().expect("a text"));
    assert_eq!(samples["lovejoy_connections_refused_total"], 1.0);
    assert_eq!(samples["lovejoy_limits_hit_total{code=\"unavailable\"}"], 1.0);
}

#[test]
fn bytes_requests_and_connections_are_counted_exactly() {
    let mut world = World::new();
    let line = world.connect();
    let ask = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";
    let asked = |world: &mut World| {
        world.send(line, ask);
        let answer: Answer = world.turn().remove(0);
        let length = answer.head.len() + 4 + answer.body.as_str().expect("a text").len();
        (read(answer.body.as_str().expect("a text")), length as f64)
    };
    let (first, first_length) = asked(&mut world);
    let (second, _) = asked(&mut world);
    let by = |name: &str| second[name] - first[name];
    assert_eq!(by("lovejoy_received_bytes_total"), ask.len() as f64);
    assert_eq!(by("lovejoy_sent_bytes_total"), first_length);
    assert_eq!((by("lovejoy_requests_total"), by("lovejoy_turns_total")), (1.0, 1.0));
    assert_eq!((by("lovejoy_connections"), first["lovejoy_connections"]), (0.0, 1.0));
    let other = world.connect();
    assert_eq!(asked(&mut world).0["lovejoy_connections"], 2.0);
    world.hang_up(other);
    let (last, _) = asked(&mut world);
    assert_eq!(last["lovejoy_connections"], 1.0);
    assert_eq!(last["lovejoy_connections_accepted_total"], 2.0);
}

#[test]
fn head_says_as_much_and_a_server_that_stops_says_so() {
    let mut world = World::new();
    let head = world.call("HEAD", "/metrics", "", None);
    assert_eq!((head.status, head.body.as_str()), (200, Some("")));
    assert_eq!(head.field("Cache-Control"), Some("no-store"));
    assert_eq!(world.call("POST", "/metrics", "", None).field("Allow"), Some("GET, HEAD, OPTIONS"));
    let line = world.ask("GET", "/metrics", "", None);
    world.input(Input::Drain);
    let answers = world.turn();
    let status = answers.iter().find(|answer| answer.line == line).map(|answer| answer.status);
    assert_eq!(status, Some(200), "it came before");
}
