//! Reads requests from tables, one table for each matter of RFC 9112.
//!
//! Every case is delivered whole, byte by byte, and in two parts split at every byte, and must come
//! to the same. The outcome of a request is written as `METHOD path?query fields... version
//! persistence "body"`, followed by the number of bytes that were left to whatever comes next.

mod body;
mod head;

use std::fmt::Write as _;

use lovejoy::http::{Body, Limits, ParseError, Phase, Reader, Request, Step, Version};

type Expected<'a> = Result<&'a str, ParseError>;

/// What came of some bytes: a request in words, "partial", or an error; and how often 100 was asked
/// for.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    read: Result<String, ParseError>,
    continues: usize,
}

fn describe(request: &Request<'_>, left: usize) -> String {
    let mut text = String::from(request.method.as_str()) + " " + request.target.path();
    if let Some(query) = request.target.query() {
        write!(text, "?{query}").unwrap();
    }
    for field in request.fields().filter(|field| field.name.starts_with("X-")) {
        write!(text, " {}={}", field.name, String::from_utf8_lossy(field.value)).unwrap();
    }
    text += if request.version == Version::Http11 { " 1.1" } else { " 1.0" };
    text += if request.keep_alive { " open" } else { " close" };
    match request.body {
        Body::Bytes([]) => {}
        Body::Bytes(bytes) => write!(text, " {:?}", String::from_utf8_lossy(bytes)).unwrap(),
        Body::TooLarge => text += " too large",
    }
    if left > 0 {
        write!(text, " +{left}").unwrap();
    }
    text
}

/// Reads one request as a connection would that gets `pieces`, one after the other.
fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, total: usize, limits: &Limits) -> Outcome {
    let mut reader = Reader::new();
    let (mut taken, mut continues) = (0, 0);
    for piece in pieces {
        let (count, step) = reader.read(piece, limits);
        assert!(count <= piece.len(), "took {count} of {}", piece.len());
        taken += count;
        match step {
            Err(error) => return Outcome { read: Err(error), continues },
            Ok(Step::Complete(request)) => {
                return Outcome { read: Ok(describe(&request, total - taken)), continues };
            }
            Ok(Step::Continue) => continues += 1,
            Ok(Step::Partial) => {}
        }
        assert_eq!(count, piece.len(), "an incomplete request takes all there is");
    }
    Outcome { read: Ok("partial".into()), continues }
}

fn check_within(limits: &Limits, name: &str, bytes: &[u8], expected: Expected<'_>) {
    let whole = read([bytes], bytes.len(), limits);
    assert_eq!(whole.read, expected.map(String::from), "{name}: whole");
    let single = read(bytes.chunks(1), bytes.len(), limits);
    assert_eq!(single.read, whole.read, "{name}: byte by byte");
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        let split = read([first, second], bytes.len(), limits);
        assert_eq!(split.read, whole.read, "{name}: split at {at}");
        assert!(split.continues <= 1 && single.continues <= 1, "{name}: 100 twice");
    }
}

fn check<B: AsRef<[u8]>>(cases: &[(&str, B, Expected<'_>)]) {
    for (name, bytes, expected) in cases {
        check_within(&Limits::default(), name, bytes.as_ref(), *expected);
    }
}

/// A GET with these field lines after its Host.
fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// A POST with these field lines after its Host, and what follows them.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}")
}

/// A request line, with a Host after it.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: h\r\n\r\n")
}

#[test]
fn pipelined_requests_are_read_one_after_the_other() {
    let bytes = [
        post("Content-Length: 3\r\n", "one"),
        get("X-N: 2\r\n"),
        post("Transfer-Encoding: chunked\r\n", "5\r\nthree\r\n0\r\n\r\n"),
        get("X-N: 4\r\n"),
    ]
    .concat();
    let expected = [
        "POST / 1.1 open \"one\"",
        "GET / X-N=2 1.1 open",
        "POST / 1.1 open \"three\"",
        "GET / X-N=4 1.1 open",
    ];
    for size in 1..bytes.len() {
        let mut reader = Reader::new();
        let mut seen = Vec::new();
        for mut piece in bytes.as_bytes().chunks(size) {
            while !piece.is_empty() {
                let (taken, step) = reader.read(piece, &Limits::default());
                if let Ok(Step::Complete(request)) = step {
                    seen.push(describe(&request, 0));
                }
                piece = &piece[taken..];
            }
        }
        assert_eq!(seen, expected, "in pieces of {size}");
    }
}

#[test]
fn a_reader_knows_what_it_waits_for() {
    let limits = Limits::default();
    let mut reader = Reader::new();
    let mut phase_after = |text: &str| {
        assert!(reader.read(text.as_bytes(), &limits).1.is_ok());
        (reader.phase(), reader.buffered() > 0)
    };
    assert_eq!(phase_after(""), (Phase::Idle, false));
    assert_eq!(phase_after("\r\n"), (Phase::Idle, true));
    assert_eq!(phase_after("P"), (Phase::Head, true));
    assert_eq!(
        phase_after("OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"),
        (Phase::Body, true)
    );
    assert_eq!(phase_after("ok"), (Phase::Idle, true));
    assert_eq!(phase_after("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), (Phase::Idle, false));
}

#[test]
fn fields_are_found_by_name_in_any_case() {
    let bytes =
        get("Accept: a/b\r\nX-Latin: \u{e9}\r\nACCEPT: c/d;q=0.5\r\nAccept-Encoding: br, gzip\r\n");
    let mut reader = Reader::new();
    let (_, step) = reader.read(bytes.as_bytes(), &Limits::default());
    let Ok(Step::Complete(request)) = step else { panic!("{step:?}") };
    assert_eq!(request.field("accept"), Some(&b"a/b"[..]));
    assert_eq!(request.values("Accept").count(), 2);
    assert_eq!(request.field_text("host"), Some("h"));
    assert_eq!(request.field("hos"), None);
    assert_eq!(request.fields().count(), 5);
    assert!(request.accepts("c/d") && !request.accepts("e/f") && request.accepts_gzip());
    assert_eq!(request.prefers(&["c/d", "a/b"]), Some(1));
}
