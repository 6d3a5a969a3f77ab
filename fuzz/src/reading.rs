//! Reads one request from any bytes, in any pieces, and asks it everything that may be asked.

use std::net::{IpAddr, Ipv4Addr};

use lovejoy::http::{
    Body, Framing, Limits, Method, Network, Pages, ParseError, Reader, Request, Response, Step,
    Stream, Version, client_address,
};

/// Small, so that short inputs reach them.
const LIMITS: Limits = Limits {
    request_line_bytes_max: 128,
    head_bytes_max: 512,
    fields_max: 8,
    body_bytes_max: 64,
    chunk_line_bytes_max: 32,
    chunk_extension_bytes_max: 48,
    trailer_bytes_max: 64,
};

/// A whole request.
pub fn head(data: &[u8]) {
    read_every_way(data, &LIMITS, |request| {
        ask(request);
    });
}

/// What follows the head of a request with a chunked body.
pub fn chunked(data: &[u8]) {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bytes = [HEAD, data].concat();
    read_every_way(&bytes, &LIMITS, |request| {
        let Body::Bytes(body) = request.body else { return };
        assert!(body.len() <= LIMITS.body_bytes_max, "a body within its limit");
        // What our own encoder makes of it is read back.
        let mut encoded = HEAD.to_vec();
        for piece in body.chunks(7) {
            Stream::Chunked.piece(piece, &mut encoded);
        }
        Stream::Chunked.end(&mut encoded);
        let mut reader = Reader::new();
        let (taken, step) = reader.read(&encoded, &LIMITS);
        let Ok(Step::Complete(again)) = step else { panic!("{step:?}") };
        assert_eq!((again.body, taken), (request.body, encoded.len()));
    });
}

/// The target of a request line.
pub fn target(data: &[u8]) {
    for method in ["GET", "OPTIONS"] {
        let bytes = [method.as_bytes(), b" ", data, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        read_every_way(&bytes, &LIMITS, ask);
    }
}

/// The field lines of a request for a page: conditions, ranges, negotiation, addresses.
pub fn fields(data: &[u8]) {
    let limits = Limits { head_bytes_max: 4096, fields_max: 100, ..LIMITS };
    let pages = Pages::embedded();
    for method in ["GET", "HEAD"] {
        let bytes = [method.as_bytes(), b" / HTTP/1.1\r\nHost: h\r\n", data, b"\r\n\r\n"].concat();
        read_every_way(&bytes, &limits, |request| {
            ask(request);
            if let Some(page) = pages.find(&request.target) {
                judge(request, &page.respond(request), &pages);
            }
        });
    }
}

/// What came of some bytes, owned.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Partial,
    Complete { request: String, taken: usize },
    Refused(ParseError),
}

/// Reads the bytes whole, one by one, and split at a place that they choose themselves; all must
/// come to the same. A complete request is given to `check`.
fn read_every_way(bytes: &[u8], limits: &Limits, check: impl Fn(&Request<'_>)) {
    let whole = read([bytes], limits, &check);
    assert_eq!(read(bytes.chunks(1), limits, &check), whole, "byte by byte");
    let at = bytes.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31) ^ usize::from(*byte));
    let (first, second) = bytes.split_at(at % (bytes.len() + 1));
    assert_eq!(read([first, second], limits, &check), whole, "split at {}", first.len());
    if let Seen::Complete { taken, .. } = whole {
        assert_eq!(read([&bytes[..taken]], limits, &check), whole, "without what follows");
    }
}

fn read<'p>(
    pieces: impl IntoIterator<Item = &'p [u8]>,
    limits: &Limits,
    check: &impl Fn(&Request<'_>),
) -> Seen {
    let mut reader = Reader::new();
    let mut taken = 0;
    for piece in pieces {
        let (count, step) = reader.read(piece, limits);
        assert!(count <= piece.len(), "took {count} of {}", piece.len());
        taken += count;
        match step {
            Err(error) => {
                assert!((400..=505).contains(&error.status()), "{error:?}");
                return Seen::Refused(error);
            }
            Ok(Step::Partial | Step::Continue) => assert_eq!(count, piece.len(), "takes all"),
            Ok(Step::Complete(request)) => {
                check(&request);
                return Seen::Complete { request: described(&request), taken };
            }
        }
        let bound = limits.head_bytes_max + limits.body_bytes_max;
        assert!(reader.buffered() <= 4 * bound + piece.len(), "a bounded buffer");
    }
    Seen::Partial
}

fn described(request: &Request<'_>) -> String {
    let fields: Vec<_> = request.fields().collect();
    let Request { method, target, version, body, keep_alive, .. } = request;
    format!("{method:?} {target:?} {version:?} {body:?} {keep_alive} {fields:?}")
}

/// Whatever may be asked of a request that got through has an answer, and keeps its promises.
fn ask(request: &Request<'_>) {
    let target = &request.target;
    assert!(target.is_asterisk() == (target.path() == "*"));
    assert!(target.path().starts_with('/') || target.is_asterisk());
    let mut rebuilt = String::new();
    for segment in target.segments() {
        assert!(!matches!(&*segment, "." | ".."), "{segment}");
        assert!(!segment.contains(['/', '\\']) && !segment.contains(char::is_control), "{segment}");
        rebuilt.extend(["/", &segment]);
    }
    assert!(target.is_asterisk() || rebuilt == target.decoded_path());
    let pairs = target.query_pairs().count();
    assert!(pairs <= target.query().map_or(0, |query| query.split('&').count()));
    for field in request.fields() {
        assert!(!field.name.is_empty());
        assert!(!field.value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0')));
        assert!(request.values(field.name).any(|value| value == field.value));
    }
    assert!(request.prefers(&[]).is_none());
    let best = request.prefers(&["application/json", "text/event-stream"]);
    assert!(best.is_none_or(|index| index < 2));
    let _ = request.accepts_gzip();

    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(client_address(peer, request, &[]), peer, "nobody is trusted");
    let all: [Network; 2] = ["0.0.0.0/0", "::/0"].map(|text| text.parse().expect("a network"));
    let client = client_address(peer, request, &all);
    assert_eq!(client, client.to_canonical());
}

/// An answer with a page agrees with itself, and with the page.
fn judge(request: &Request<'_>, response: &Response, pages: &Pages) {
    let status = response.status();
    assert!(matches!(status, 200 | 206 | 304 | 412 | 416), "{status}");
    let payload = response.payload();
    let head_only = request.method == Method::Head;
    let framing = Framing { version: Version::Http11, head_only, keep_alive: true, date: "now" };
    let mut out = Vec::new();
    let tail = response.encode(&framing, &mut out);
    out.extend_from_slice(tail);
    let text = String::from_utf8_lossy(&out);
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    let field = |name: &str| {
        head.lines().filter_map(|line| line.split_once(": ")).find(|field| field.0 == name)
    };
    let body = if head_only || status == 304 { 0 } else { payload.len() };
    assert_eq!(out.len(), head.len() + 4 + body);
    if status == 304 {
        assert!(field("Content-Length").is_none());
    } else {
        assert_eq!(field("Content-Length").expect("a length").1, payload.len().to_string());
    }
    if status == 206 {
        let plain = plain(pages);
        let range = field("Content-Range").expect("a range").1;
        let (part, total) = range["bytes ".len()..].split_once('/').expect("of a length");
        let (first, last) = part.split_once('-').expect("two ends");
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(total, plain.len().to_string());
        assert_eq!(*payload, plain[first..=last]);
    }
}

/// The page as it is without any conditions.
fn plain(pages: &Pages) -> Vec<u8> {
    let mut reader = Reader::new();
    let (_, step) = reader.read(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &Limits::default());
    let Ok(Step::Complete(request)) = step else { panic!("{step:?}") };
    pages.find(&request.target).expect("a page").respond(&request).payload().to_vec()
}
