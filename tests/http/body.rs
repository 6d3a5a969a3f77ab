//! Bodies: lengths, codings, chunks, expectations and limits (RFC 9112 sections 6, 7).

use lovejoy::http::{Limits, ParseError};

use super::{Expected, check, check_within, get, line, post, read};

#[test]
fn content_lengths() {
    use ParseError::{ContentLength, FieldRepeated};
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    check(&[
        ("body", length("5"), Ok("POST / 1.1 open \"hello\"")),
        ("white space around", length(" \t5\t "), Ok("POST / 1.1 open \"hello\"")),
        ("shorter than what comes", length("2"), Ok("POST / 1.1 open \"he\" +3")),
        ("zero", length("0"), Ok("POST / 1.1 open +5")),
        ("longer than what comes", length("6"), Ok("partial")),
        ("none", post("", "hello"), Ok("POST / 1.1 open +5")),
        ("GET may have one", get("Content-Length: 2\r\n") + "ab", Ok("GET / 1.1 open \"ab\"")),
        (
            "body of any bytes",
            length("5").replace("hello", "\r\n\0\r\n"),
            Ok("POST / 1.1 open \"\\r\\n\\0\\r\\n\""),
        ),
        ("too large", length("65537"), Ok("POST / 1.1 close too large +5")),
        ("far too large", length("18446744073709551615"), Ok("POST / 1.1 close too large +5")),
        ("overflow", length("18446744073709551616"), Err(ContentLength)),
        ("leading zero", length("05"), Err(ContentLength)),
        ("empty", length(""), Err(ContentLength)),
        ("plus", length("+5"), Err(ContentLength)),
        ("minus", length("-5"), Err(ContentLength)),
        ("minus zero", length("-0"), Err(ContentLength)),
        ("hexadecimal", length("0x5"), Err(ContentLength)),
        ("fraction", length("5.0"), Err(ContentLength)),
        ("underscore", length("1_0"), Err(ContentLength)),
        ("white space inside", length("1 0"), Err(ContentLength)),
        ("list", length("5, 5"), Err(ContentLength)),
        ("quoted", length("\"5\""), Err(ContentLength)),
        ("parameter", length("5;"), Err(ContentLength)),
        ("exponent", length("1e1"), Err(ContentLength)),
        ("vertical tab before", length("\x0b5"), Err(ParseError::FieldValue)),
        (
            "name with an underscore",
            length("5\r\nContent_Length: 9"),
            Ok("POST / 1.1 open \"hello\""),
        ),
        ("other digits", length("٥"), Err(ContentLength)),
        ("twice", length("5\r\nContent-Length: 5"), Err(FieldRepeated)),
        ("twice and different", length("5\r\ncontent-length: 6"), Err(FieldRepeated)),
    ]);
}

#[test]
fn transfer_codings() {
    use ParseError::{FieldRepeated, LengthAndCoding, TransferCodingUnknown, TransferEncoding};
    let coding = |value: &str| post(&format!("Transfer-Encoding: {value}\r\n"), "0\r\n\r\n");
    let old = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check(&[
        ("chunked", coding("chunked"), Ok("POST / 1.1 open")),
        ("any case", coding("CHUNKed"), Ok("POST / 1.1 open")),
        ("white space around", coding("\tchunked "), Ok("POST / 1.1 open")),
        ("twice in a list", coding("chunked, chunked"), Err(TransferEncoding)),
        ("empty", coding(""), Err(TransferEncoding)),
        ("empty list", coding(","), Err(TransferEncoding)),
        ("comma after", coding("chunked,"), Err(TransferEncoding)),
        ("comma before", coding(",chunked"), Err(TransferEncoding)),
        ("quoted", coding("\"chunked\""), Err(TransferEncoding)),
        ("parameter", coding("chunked;q=1"), Err(TransferEncoding)),
        ("not last", coding("chunked, gzip"), Err(TransferEncoding)),
        ("compressed", coding("gzip, chunked"), Err(TransferCodingUnknown)),
        ("compressed twice", coding("x, gzip ,CHUNKED"), Err(TransferCodingUnknown)),
        ("unknown with a parameter", coding("x;a=b, chunked"), Err(TransferEncoding)),
        ("compressed only", coding("gzip"), Err(TransferEncoding)),
        ("identity", coding("identity"), Err(TransferEncoding)),
        ("xchunked", coding("xchunked"), Err(TransferEncoding)),
        ("white space inside", coding("chun ked"), Err(TransferEncoding)),
        ("no-break space", coding("chunked\u{a0}"), Err(TransferEncoding)),
        ("vertical tab before", coding("\x0bchunked"), Err(ParseError::FieldValue)),
        ("NUL after", coding("chunked\0"), Err(ParseError::FieldValue)),
        ("folded", coding("\r\n chunked"), Err(TransferEncoding)),
        ("behind a bare CR", coding("x\rTransfer-Encoding: chunked"), Err(ParseError::FieldValue)),
        ("two lines", coding("chunked\r\nTransfer-Encoding: chunked"), Err(FieldRepeated)),
        ("with a length", coding("chunked\r\nContent-Length: 5"), Err(LengthAndCoding)),
        (
            "after a length",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
            Err(LengthAndCoding),
        ),
        ("HTTP/1.0", old.into(), Err(TransferEncoding)),
    ]);
}

#[test]
fn chunked_bodies() {
    use ParseError::{BareLineFeed, ChunkEnd, ChunkSize, FieldFolded, FieldName, TrailerForbidden};
    let chunks = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    check(&[
        ("one", chunks("5\r\nhello\r\n0\r\n\r\n"), Ok("POST / 1.1 open \"hello\"")),
        ("two", chunks("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET"), Ok("POST / 1.1 open \"hello\" +3")),
        ("none", chunks("0\r\n\r\n"), Ok("POST / 1.1 open")),
        (
            "hexadecimal",
            chunks("A\r\n0123456789\r\n00\r\n\r\n"),
            Ok("POST / 1.1 open \"0123456789\""),
        ),
        ("leading zeros", chunks("0002\r\nhe\r\n000\r\n\r\n"), Ok("POST / 1.1 open \"he\"")),
        (
            "CRLF as data",
            chunks("4\r\n\r\n\r\n\r\n0\r\n\r\n"),
            Ok("POST / 1.1 open \"\\r\\n\\r\\n\""),
        ),
        ("trailers", chunks("0\r\nX-A: b\r\nX-C:\r\n\r\n"), Ok("POST / 1.1 open")),
        ("no last chunk", chunks("5\r\nhello\r\n"), Ok("partial")),
        ("no end", chunks("0\r\n"), Ok("partial")),
        ("too large at once", chunks("10001\r\n"), Ok("POST / 1.1 close too large")),
        ("largest there is", chunks("ffffffffffffffff\r\n"), Ok("POST / 1.1 close too large")),
        ("overflow", chunks("10000000000000000\r\n"), Err(ChunkSize)),
        ("no size", chunks("\r\nhello"), Err(ChunkSize)),
        ("prefix", chunks("0x5\r\nhello\r\n"), Err(ParseError::ChunkExtension)),
        ("minus", chunks("-5\r\nhello\r\n"), Err(ChunkSize)),
        ("plus", chunks("+5\r\nhello\r\n"), Err(ChunkSize)),
        ("white space before", chunks(" 5\r\nhello\r\n"), Err(ChunkSize)),
        ("underscore", chunks("1_0\r\nhello\r\n"), Err(ParseError::ChunkExtension)),
        ("fraction", chunks("5.0\r\nhello\r\n"), Err(ParseError::ChunkExtension)),
        ("other digits", chunks("\u{ff15}\r\nhello\r\n"), Err(ChunkSize)),
        ("size ends in two CR", chunks("5\r\r\nhello\r\n"), Err(ParseError::ChunkExtension)),
        ("size ends in CR", chunks("5\rhello\r\n0\r\n\r\n"), Err(ParseError::ChunkExtension)),
        (
            "many leading zeros",
            chunks("00000000000000000002\r\nhe\r\n0\r\n\r\n"),
            Ok("POST / 1.1 open \"he\""),
        ),
        ("data too long", chunks("4\r\nhello\r\n0\r\n\r\n"), Err(ChunkEnd)),
        ("data too short", chunks("6\r\nhello\r\n0\r\n\r\n"), Err(ChunkEnd)),
        ("data ends in LF", chunks("5\r\nhello\n0\r\n\r\n"), Err(ChunkEnd)),
        ("data ends in CR", chunks("5\r\nhello\r0\r\n\r\n"), Err(ChunkEnd)),
        ("size ends in LF", chunks("5\nhello\r\n0\r\n\r\n"), Err(BareLineFeed)),
        ("end is LF", chunks("0\r\n\n"), Err(BareLineFeed)),
        ("trailer ends in LF", chunks("0\r\nX-A: b\n\r\n"), Err(BareLineFeed)),
        ("folded trailer", chunks("0\r\nX-A: b\r\n c\r\n\r\n"), Err(FieldFolded)),
        ("malformed trailer", chunks("0\r\nX-A\r\n\r\n"), Err(FieldName)),
        ("length in the trailers", chunks("0\r\nContent-Length: 5\r\n\r\n"), Err(TrailerForbidden)),
        ("token in the trailers", chunks("0\r\nAuthorization: x\r\n\r\n"), Err(TrailerForbidden)),
    ]);
}

#[test]
fn chunk_extensions() {
    let extension =
        |text: &str| post("Transfer-Encoding: chunked\r\n", &format!("1{text}\r\na\r\n0\r\n\r\n"));
    for good in
        [";a", ";a=b", " ; a\t=\tb", ";a;b=c", ";a=\"b\"", ";a=\"\\\"; \\\\ä\t\"", ";a=\"\";b"]
    {
        check(&[(good, extension(good), Ok("POST / 1.1 open \"a\""))]);
    }
    let bad = [
        " ",
        ";",
        ";;",
        ";a=",
        ";=b",
        ";a b",
        ";a=b c",
        ";a ",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=\"\\",
        ";a\0",
        ";a=\"\0\"",
        ";a=\"\\\0\"",
        ";a\r",
        ",a",
        ";a=[",
        "\t",
        ";a=\"b\\\"",
    ];
    for bad in bad {
        check(&[(bad, extension(bad), Err(ParseError::ChunkExtension))]);
    }
    check(&[("LF", extension(";a\nb"), Err(ParseError::BareLineFeed))]);
}

#[test]
fn expectations() {
    let expect = |version: &str, value: &str| {
        format!(
            "POST / HTTP/{version}\r\nHost: h\r\nExpect: {value}\r\nContent-Length: 2\r\n\r\nok"
        )
    };
    let done = Ok("POST / 1.1 open \"ok\"");
    check(&[
        ("100-continue", expect("1.1", "100-continue"), done),
        ("any case", expect("1.1", "100-Continue"), done),
        ("empty", expect("1.1", ""), done),
        ("unknown", expect("1.1", "200-ok"), Err(ParseError::Expectation)),
        ("one of two unknown", expect("1.1", "100-continue, x"), Err(ParseError::Expectation)),
        ("HTTP/1.0 has none", expect("1.0", "x"), Ok("POST / 1.0 close \"ok\"")),
    ]);
}

#[test]
fn a_peer_that_waits_is_told_to_continue_once() {
    let continues = |head: &str, body: &str| {
        let pieces = [head.as_bytes(), body.as_bytes()];
        read(pieces, head.len() + body.len(), &Limits::default()).continues
    };
    let head = |fields: &str| {
        format!("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{fields}\r\n")
    };
    assert_eq!(continues(&head("Content-Length: 2\r\n"), "ok"), 1);
    assert_eq!(continues(&head("Transfer-Encoding: chunked\r\n"), "0\r\n\r\n"), 1);
    assert_eq!(continues(&(head("Content-Length: 2\r\n") + "o"), "k"), 0, "the body is on its way");
    assert_eq!(continues(&head("Content-Length: 0\r\n"), ""), 0, "there is nothing to wait for");
    assert_eq!(continues(&head("Content-Length: 99999\r\n"), ""), 0, "it would be too large");
    let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(continues(old, "ok"), 0, "HTTP/1.0 knows no interim answers");
}

#[test]
fn limits() {
    use ParseError::{
        ChunkExtension, HeadTooLarge, MethodUnknown, RequestLine, RequestLineTooLong,
        TooManyFields, TrailersTooLarge,
    };
    let limits = Limits {
        request_line_bytes_max: 20,
        head_bytes_max: 80,
        fields_max: 3,
        body_bytes_max: 4,
        chunk_line_bytes_max: 10,
        chunk_extension_bytes_max: 12,
        trailer_bytes_max: 16,
    };
    let chunks = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let long = "x".repeat(100);
    let cases: [(&str, String, Expected<'_>); 21] = [
        ("request line fits", line("GET /1234 HTTP/1.1"), Ok("GET /1234 1.1 open")),
        ("request line does not", line("GET /12345 HTTP/1.1"), Err(RequestLineTooLong)),
        ("nor does half of one", format!("GET /{long}"), Err(RequestLineTooLong)),
        ("no method is that long", long.clone(), Err(MethodUnknown)),
        ("nor is it one", format!("({long}"), Err(RequestLine)),
        ("fields fit", get("A:b\r\nC:d\r\n"), Ok("GET / 1.1 open")),
        ("one field too many", get("A:b\r\nC:d\r\nE:f\r\n"), Err(TooManyFields)),
        ("head fits", get(&format!("A:{}\r\n", &long[..49])), Ok("GET / 1.1 open")),
        ("head does not", get(&format!("A:{}\r\n", &long[..50])), Err(HeadTooLarge)),
        ("half a line neither", format!("GET / HTTP/1.1\r\nA:{long}"), Err(HeadTooLarge)),
        ("body fits", post("Content-Length: 4\r\n", "1234"), Ok("POST / 1.1 open \"1234\"")),
        (
            "body does not",
            post("Content-Length: 5\r\n", "12345"),
            Ok("POST / 1.1 close too large +5"),
        ),
        ("chunks fit", chunks("2\r\n12\r\n2\r\n34\r\n0\r\n\r\n"), Ok("POST / 1.1 open \"1234\"")),
        ("chunks do not", chunks("2\r\n12\r\n3\r\n345\r\n"), Ok("POST / 1.1 close too large +5")),
        ("chunk line fits", chunks("1;a=1234\r\n1\r\n0\r\n\r\n"), Ok("POST / 1.1 open \"1\"")),
        ("chunk line does not", chunks("1;a=12345\r\n"), Err(ChunkExtension)),
        ("half of one neither", chunks("00000000000"), Err(ChunkExtension)),
        ("extensions add up", chunks("1;a=bcd\r\n1\r\n1;a=bcde\r\n2\r\n"), Err(ChunkExtension)),
        ("trailers fit", chunks("0\r\nA:1\r\nB:2\r\n\r\n"), Ok("POST / 1.1 open")),
        ("trailers do not", chunks("0\r\nA:1\r\nB:23456789\r\n"), Err(TrailersTooLarge)),
        ("too many trailers", chunks("0\r\nA:\r\nA:\r\nA:\r\nA:\r\n"), Err(TrailersTooLarge)),
    ];
    for (name, bytes, expected) in cases {
        check_within(&limits, name, bytes.as_bytes(), expected);
    }
}
