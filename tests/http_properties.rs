//! Reads requests that nobody wrote down: generated, mutated, and compared with what `httparse`
//! sees in them.
//!
//! `httparse` parses heads alone and is lenient where we are strict. [`explained`] lists every rule
//! on which the two differ; a difference that is not in that list fails the test.
//! `PROPTEST_CASES=100000` looks longer.

use std::ops::Range;

use lovejoy::http::{Body, Framing, Limits, ParseError, Payload, Reader, Response, Step, Version};
use proptest::collection::vec;
use proptest::prelude::*;

/// A request as its parts, to be compared as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    method: String,
    path: String,
    query: Option<String>,
    fields: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

/// What came of some bytes, and how many the request took.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Partial,
    Complete(Box<Parts>, usize),
    Refused(ParseError),
}

/// Reads from pieces; stops at the first request or error.
fn read<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Seen {
    let limits = Limits { body_bytes_max: 1000, ..Limits::default() };
    let mut reader = Reader::new();
    let mut taken = 0;
    for piece in pieces {
        let (count, step) = reader.read(piece, &limits);
        assert!(count <= piece.len(), "took {count} of {}", piece.len());
        taken += count;
        match step {
            Err(error) => return Seen::Refused(error),
            Ok(Step::Partial | Step::Continue) => assert_eq!(count, piece.len()),
            Ok(Step::Complete(request)) => {
                let fields = request.fields().map(|field| (field.name.into(), field.value.into()));
                let parts = Parts {
                    method: request.method.as_str().into(),
                    path: request.target.path().into(),
                    query: request.target.query().map(String::from),
                    fields: fields.collect(),
                    body: match request.body {
                        Body::Bytes(bytes) => Some(bytes.into()),
                        Body::TooLarge => None,
                    },
                };
                // Whatever may be asked of a request that got through, none of it panics.
                let _ = (request.target.segments().count(), request.target.query_pairs().count());
                let _ = (request.accepts("text/html"), request.accepts_gzip());
                return Seen::Complete(Box::new(parts), taken);
            }
        }
    }
    Seen::Partial
}

/// Words of HTTP, in an order that makes sense now and then.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"POST /a?b=c HTTP/1.1\r\n",
        b"OPTIONS * HTTP/1.0\r\n",
        b"Host: h\r\n",
        b"Host: h\r\n",
        b"\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: ,\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"X: y\r\n",
        b" folded\r\n",
        b"5\r\nhello\r\n",
        b"5;a=\"b\"\r\n",
        b"ffff\r\n",
        b"0\r\n\r\n",
        b"hello",
        b": ",
        b"%2e",
        b"\0",
        b"\xff",
    ];
    let word = prop_oneof![
        8 => proptest::sample::select(words).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..8),
    ];
    // Half of them start as requests do, since few would by chance.
    let start = proptest::sample::select(vec![Vec::new(), [words[1], words[3]].concat()]);
    (start, vec(word, 0..12)).prop_map(|(start, words)| [start, words.concat()].concat())
}

fn fields() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let value = "[!-~]([ -~\t]{0,20}[!-~])?|\u{e4}?".prop_map(String::into_bytes);
    vec(("X-[A-Za-z0-9!#$%&'*+.^_`|~-]{0,10}", value), 0..8)
}

fn parts() -> impl Strategy<Value = Parts> {
    let method =
        proptest::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"]);
    let path = "(/[a-z0-9~_,;=@:!$&'()*+-]{0,6}(%20|%E6%BC%A0)?){1,4}";
    let query = proptest::option::of("[a-z0-9?/&=+.;:@|{}]{0,12}");
    (method, path, query, fields(), vec(any::<u8>(), 0..200)).prop_map(
        |(method, path, query, fields, body)| Parts {
            method: method.into(),
            path,
            query,
            fields,
            body: Some(body),
        },
    )
}

/// Writes a request down, its body by length or in chunks of `chunk` bytes.
fn encode(parts: &Parts, chunk: Option<usize>) -> (Vec<u8>, Parts) {
    let mut sent = parts.clone();
    let body = sent.body.clone().unwrap_or_default();
    let framing = match chunk {
        Some(_) => ("Transfer-Encoding", "chunked".to_string()),
        None => ("Content-Length", body.len().to_string()),
    };
    sent.fields.insert(0, ("Host".into(), "h".into()));
    sent.fields.push((framing.0.into(), framing.1.into_bytes()));
    let query = sent.query.as_ref().map_or(String::new(), |query| format!("?{query}"));
    let mut bytes = format!("{} {}{query} HTTP/1.1\r\n", sent.method, sent.path).into_bytes();
    for (name, value) in &sent.fields {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(b"\r\n");
    match chunk {
        None => bytes.extend(&body),
        Some(size) => {
            for data in body.chunks(size) {
                bytes.extend(format!("{:X};n=\"v;\\\"\"\r\n", data.len()).into_bytes());
                bytes.extend([data, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\nX-Trailer: t\r\n\r\n");
        }
    }
    (bytes, sent)
}

/// Changes some bytes: cuts a range out, and puts others in its place.
fn mutate(bytes: &[u8], place: Range<usize>, with: &[u8]) -> Vec<u8> {
    let start = place.start % (bytes.len() + 1);
    let end = (start + place.len()).min(bytes.len());
    [&bytes[..start], with, &bytes[end..]].concat()
}

/// Why we refuse a head that `httparse` takes; `None` where it has to refuse it too.
fn explained(error: ParseError) -> Option<&'static str> {
    Some(match error {
        ParseError::BareLineFeed => "it takes LF for CRLF",
        ParseError::TooManyEmptyLines => "it skips any number of empty lines",
        ParseError::MethodUnknown => "it takes any token for a method",
        ParseError::Target | ParseError::TargetEscape | ParseError::TargetDotSegment => {
            "it takes nearly any bytes for a target"
        }
        ParseError::RequestLineTooLong | ParseError::HeadTooLarge | ParseError::TooManyFields => {
            "it leaves limits to its caller"
        }
        ParseError::FieldRepeated | ParseError::HostMissing | ParseError::Host => {
            "it does not look at names and values"
        }
        ParseError::ContentLength
        | ParseError::LengthAndCoding
        | ParseError::PartialPut
        | ParseError::TransferEncoding
        | ParseError::TransferCodingUnknown
        | ParseError::Expectation => "it leaves framing to its caller",
        ParseError::ChunkSize
        | ParseError::ChunkExtension
        | ParseError::ChunkEnd
        | ParseError::TrailerForbidden
        | ParseError::TrailersTooLarge => "it does not read bodies",
        ParseError::RequestLine
        | ParseError::Version
        | ParseError::VersionUnsupported
        | ParseError::FieldFolded
        | ParseError::FieldName
        | ParseError::FieldValue => return None,
    })
}

/// Compares what both see in the head.
fn compare(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut theirs = httparse::Request::new(&mut fields);
    let result = theirs.parse(bytes);
    match (read([bytes]), result) {
        (Seen::Complete(parts, _), Ok(httparse::Status::Complete(_))) => {
            let query = parts.query.map_or(String::new(), |query| format!("?{query}"));
            let target = format!("{}{query}", parts.path);
            prop_assert_eq!(Some(&*parts.method), theirs.method);
            prop_assert!(
                theirs.path.is_some_and(|path| path == target || path.starts_with("http"))
            );
            let theirs = theirs.headers.iter().map(|field| (field.name.into(), field.value.into()));
            prop_assert_eq!(parts.fields, theirs.collect::<Vec<(String, Vec<u8>)>>());
        }
        // They look at bytes as they come, we at lines as they end, so that either may refuse
        // earlier. And we speak 1.1 to minor versions that are yet to come (RFC 9110 section 2.5).
        (Seen::Partial, _)
        | (Seen::Refused(_), Err(_))
        | (Seen::Complete(..), Err(httparse::Error::Version)) => {}
        (Seen::Complete(..), theirs) => prop_assert!(false, "only we take it; they: {theirs:?}"),
        (Seen::Refused(error), Ok(_)) => {
            prop_assert!(explained(error).is_some(), "only we refuse it: {error:?}");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn pieces_do_not_matter(bytes in soup(), sizes in vec(1..20_usize, 1..10)) {
        let whole = read([&bytes[..]]);
        prop_assert_eq!(&read(bytes.chunks(1)), &whole);
        let mut rest = &bytes[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&read(pieces), &whole);
    }

    #[test]
    fn what_was_encoded_is_read_back(
        parts in parts(),
        chunk in proptest::option::of(1..50_usize),
        next in vec(any::<u8>(), 0..20),
    ) {
        let (bytes, sent) = encode(&parts, chunk);
        let followed = [&bytes[..], &next].concat();
        let expected = Seen::Complete(Box::new(sent), bytes.len());
        prop_assert_eq!(&read([&followed[..]]), &expected);
        prop_assert_eq!(&read(followed.chunks(1)), &expected);
        prop_assert_eq!(read([&bytes[..bytes.len() - 1]]), Seen::Partial);
    }

    #[test]
    fn httparse_sees_the_same_in_a_mutated_request(
        parts in parts(),
        place in (0..400_usize, 0..4_usize).prop_map(|(at, length)| at..at + length),
        with in prop_oneof![
            vec(any::<u8>(), 0..4),
            proptest::sample::select(vec![" ", "\t", "\r", "\n", "\r\n", "\0", ":", "HTTP/1.2"])
                .prop_map(|text| text.as_bytes().to_vec()),
        ],
    ) {
        let (bytes, _) = encode(&parts, None);
        compare(&bytes)?;
        compare(&mutate(&bytes, place, &with))?;
    }

    #[test]
    fn httparse_sees_the_same_in_soup(bytes in soup()) {
        compare(&bytes)?;
    }

    #[test]
    fn httparse_reads_our_responses(
        status in 200..600_u16,
        value in "[!-~]([ -~]{0,20}[!-~])?",
        body in vec(any::<u8>(), 0..100),
        keep_alive in any::<bool>(),
    ) {
        let version = Version::Http11;
        let framing = Framing { version, head_only: false, keep_alive, date: "now" };
        let response = Response::new(status).with("X-Value", &value);
        let mut out = Vec::new();
        response.body("a/b", Payload::Owned(body.clone())).encode(&framing, &mut out);
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut read = httparse::Response::new(&mut fields);
        let length = read.parse(&out).unwrap().unwrap();
        prop_assert_eq!(read.code, Some(status));
        let find = |name| read.headers.iter().find(|field| field.name == name);
        let field = |name| find(name).map(|field| field.value);
        prop_assert_eq!(field("X-Value"), Some(value.as_bytes()));
        prop_assert_eq!(field("Connection").is_some(), !keep_alive);
        match field("Content-Length") {
            Some(digits) => {
                let expected = body.len().to_string();
                prop_assert_eq!(digits, expected.as_bytes());
                prop_assert_eq!(&out[length..], &body);
            }
            None => prop_assert!(matches!(status, 204 | 304) && out.len() == length),
        }
    }
}
