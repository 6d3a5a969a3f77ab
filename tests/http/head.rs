//! Heads: request line, targets, field lines, `Host` and persistence (RFC 9112 sections 2, 3, 5, 9).

use lovejoy::http::{Limits, ParseError};

use super::{check, get, line, read};

#[test]
fn request_lines() {
    use ParseError::{
        MethodUnknown, RequestLine, Target, TargetDotSegment, Version, VersionUnsupported,
    };
    check(&[
        ("simplest", line("GET / HTTP/1.1"), Ok("GET / 1.1 open")),
        ("query", line("GET /a/b?c=d&e HTTP/1.1"), Ok("GET /a/b?c=d&e 1.1 open")),
        ("absolute form", line("GET http://x:80/a?b HTTP/1.1"), Ok("GET /a?b 1.1 open")),
        ("absolute form without path", line("GET http://x HTTP/1.1"), Ok("GET / 1.1 open")),
        (
            "bytes that browsers send bare",
            line("GET //a;b=c/|{}[]^`?|{}[]^`'?/ HTTP/1.1"),
            Ok("GET //a;b=c/|{}[]^`?|{}[]^`'?/ 1.1 open"),
        ),
        ("a URI in a path", line("GET /http://x/ HTTP/1.1"), Ok("GET /http://x/ 1.1 open")),
        ("absolute form for OPTIONS", line("OPTIONS http://x HTTP/1.1"), Ok("OPTIONS / 1.1 open")),
        ("dot segment behind a double slash", line("GET //../x HTTP/1.1"), Err(TargetDotSegment)),
        ("form feed", line("GET\x0c/ HTTP/1.1"), Err(RequestLine)),
        ("asterisk", line("OPTIONS * HTTP/1.1"), Ok("OPTIONS * 1.1 open")),
        ("asterisk is for OPTIONS", line("GET * HTTP/1.1"), Err(Target)),
        ("trace is known", line("TRACE / HTTP/1.1"), Ok("TRACE / 1.1 open")),
        ("connect is not", line("CONNECT h:80 HTTP/1.1"), Err(MethodUnknown)),
        ("unknown method", line("BREW /pot HTTP/1.1"), Err(MethodUnknown)),
        ("methods have a case", line("get / HTTP/1.1"), Err(MethodUnknown)),
        ("no token", line("G(T / HTTP/1.1"), Err(RequestLine)),
        ("no method", line(" / HTTP/1.1"), Err(RequestLine)),
        ("two spaces", line("GET  / HTTP/1.1"), Err(RequestLine)),
        ("two spaces later", line("GET /  HTTP/1.1"), Err(RequestLine)),
        ("space at the end", line("GET / HTTP/1.1 "), Err(RequestLine)),
        ("space before", line(" GET / HTTP/1.1"), Err(RequestLine)),
        ("tab", line("GET\t/ HTTP/1.1"), Err(RequestLine)),
        ("white space only", line("   "), Err(RequestLine)),
        ("no target", line("GET HTTP/1.1"), Err(RequestLine)),
        ("empty target", line("GET  HTTP/1.1"), Err(Target)),
        ("no version", line("GET /"), Err(RequestLine)),
        ("one word", line("GET"), Err(RequestLine)),
        ("bare CR inside", line("GET /\r HTTP/1.1"), Err(Target)),
        ("bare CR in the version", line("GET / HTTP/1.1\r"), Err(Version)),
        ("NUL", line("GET /\0 HTTP/1.1"), Err(Target)),
        ("not ASCII", line("GET /caf\u{e9} HTTP/1.1"), Err(Target)),
        ("fragment", line("GET /a#b HTTP/1.1"), Err(Target)),
        ("backslash", line("GET /a\\b HTTP/1.1"), Err(Target)),
        ("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n".into(), Ok("GET / 1.0 close")),
        ("HTTP/1.2", line("GET / HTTP/1.2"), Ok("GET / 1.1 open")),
        ("HTTP/0.9", line("GET / HTTP/0.9"), Err(VersionUnsupported)),
        ("HTTP/2.0", line("GET / HTTP/2.0"), Err(VersionUnsupported)),
        ("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Err(VersionUnsupported)),
        ("no minor version", line("GET / HTTP/1"), Err(Version)),
        ("leading zero", line("GET / HTTP/01.1"), Err(Version)),
        ("two digits", line("GET / HTTP/1.10"), Err(Version)),
        ("lower case", line("GET / http/1.1"), Err(Version)),
        ("another protocol", line("GET / ICAP/1.0"), Err(Version)),
        ("TLS", "\x16\x03\x01\x02\0\x01\0\x01\n".into(), Err(RequestLine)),
        ("TLS without an LF", "\x16\x03\x01\x02\0\x01\0\x01".into(), Err(RequestLine)),
        ("bare CR first", "\rGET".into(), Err(RequestLine)),
    ]);
}

#[test]
fn a_request_line_of_eight_thousand_bytes_is_taken() {
    let path = "a".repeat(8000 - "GET / HTTP/1.1\r\n".len());
    let bytes = line(&format!("GET /{path} HTTP/1.1"));
    let expected = Ok(format!("GET /{path} 1.1 open"));
    let limits = Limits::default();
    assert_eq!(read([bytes.as_bytes()], bytes.len(), &limits).read, expected);
    assert_eq!(read(bytes.as_bytes().chunks(1), bytes.len(), &limits).read, expected);
}

#[test]
fn paths_that_could_mean_another_path() {
    use ParseError::{Host, TargetDotSegment, TargetEscape};
    check(&[
        ("decoded once", line("GET /%252e HTTP/1.1"), Ok("GET /%252e 1.1 open")),
        ("three dots", line("GET /... HTTP/1.1"), Ok("GET /... 1.1 open")),
        ("hidden file", line("GET /.git HTTP/1.1"), Ok("GET /.git 1.1 open")),
        ("dot segments", line("GET /a/../b HTTP/1.1"), Err(TargetDotSegment)),
        ("escaped dot segments", line("GET /%2e./b HTTP/1.1"), Err(TargetDotSegment)),
        ("escaped slash", line("GET /a%2Fb HTTP/1.1"), Err(TargetEscape)),
        ("escaped backslash", line("GET /a%5cb HTTP/1.1"), Err(TargetEscape)),
        ("escaped NUL", line("GET /%00 HTTP/1.1"), Err(TargetEscape)),
        ("escaped CRLF", line("GET /%0d%0aX:y HTTP/1.1"), Err(TargetEscape)),
        ("half an escape", line("GET /%a HTTP/1.1"), Err(TargetEscape)),
        ("overlong UTF-8", line("GET /%c0%af HTTP/1.1"), Err(TargetEscape)),
        ("half an escape in a query", line("GET /?%a HTTP/1.1"), Err(TargetEscape)),
        ("NUL in a query", line("GET /?a=%00 HTTP/1.1"), Ok("GET /?a=%00 1.1 open")),
        ("user information", line("GET http://u@h/ HTTP/1.1"), Err(Host)),
        ("empty authority", line("GET http:///a HTTP/1.1"), Err(Host)),
    ]);
}

#[test]
fn line_endings_and_empty_lines() {
    use ParseError::{BareLineFeed, FieldName, FieldValue, TooManyEmptyLines};
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let case = |text: &str| text.to_string();
    check(&[
        ("nothing", case(""), Ok("partial")),
        ("one empty line", format!("\r\n{request}"), Ok("GET / 1.1 open")),
        ("four empty lines", format!("\r\n\r\n\r\n\r\n{request}"), Ok("GET / 1.1 open")),
        ("five empty lines", format!("\r\n\r\n\r\n\r\n\r\n{request}"), Err(TooManyEmptyLines)),
        ("empty line of LF", format!("\n{request}"), Err(BareLineFeed)),
        ("request line of LF", case("GET / HTTP/1.1\nHost: h\r\n\r\n"), Err(BareLineFeed)),
        ("field line of LF", case("GET / HTTP/1.1\r\nHost: h\n\r\n"), Err(BareLineFeed)),
        ("LF at the end of the head", case("GET / HTTP/1.1\r\nHost: h\r\n\n"), Err(BareLineFeed)),
        ("CR alone", case("GET / HTTP/1.1\rHost: h\r\r"), Ok("partial")),
        ("two CR", case("GET / HTTP/1.1\r\nHost: h\r\r\n\r\n"), Err(ParseError::FieldValue)),
        ("empty line with CR", case("GET / HTTP/1.1\r\nHost: h\r\n\r\r\n"), Err(FieldName)),
        ("half a line", case("GET / HTTP/1.1\r\nHost"), Ok("partial")),
        ("no empty line", case("GET / HTTP/1.1\r\nHost: h\r\n"), Ok("partial")),
        ("CR in a value", get("X: a\rb\r\n"), Err(FieldValue)),
    ]);
}

#[test]
fn field_lines() {
    use ParseError::{FieldFolded, FieldName, FieldRepeated, FieldValue};
    check(&[
        ("white space is trimmed", get("X-A: \t a b \t\r\n"), Ok("GET / X-A=a b 1.1 open")),
        ("no white space", get("X-A:a\r\n"), Ok("GET / X-A=a 1.1 open")),
        ("empty value", get("X-A:\r\n"), Ok("GET / X-A= 1.1 open")),
        ("colon in a value", get("X-A: :b:\r\n"), Ok("GET / X-A=:b: 1.1 open")),
        ("obs-text", get("X-A: ä\r\n"), Ok("GET / X-A=ä 1.1 open")),
        ("tab inside", get("X-A: a\tb\r\n"), Ok("GET / X-A=a\tb 1.1 open")),
        ("two lines", get("X-A: 1\r\nX-A: 2\r\n"), Ok("GET / X-A=1 X-A=2 1.1 open")),
        ("all of token", get("X-!#$%&'*+.^_`|~: 1\r\n"), Ok("GET / X-!#$%&'*+.^_`|~=1 1.1 open")),
        ("folded", get("X-A: 1\r\n 2\r\n"), Err(FieldFolded)),
        ("folded with a tab", get("X-A: 1\r\n\t2\r\n"), Err(FieldFolded)),
        ("space before the first", "GET / HTTP/1.1\r\n Host: h\r\n\r\n".into(), Err(FieldFolded)),
        ("space before the colon", get("X-A : 1\r\n"), Err(FieldName)),
        ("tab before the colon", get("X-A\t: 1\r\n"), Err(FieldName)),
        ("no colon", get("X-A\r\n"), Err(FieldName)),
        ("no name", get(": 1\r\n"), Err(FieldName)),
        ("name with a space", get("X A: 1\r\n"), Err(FieldName)),
        ("name that is no token", get("X[A]: 1\r\n"), Err(FieldName)),
        ("name that is not ASCII", get("X-Ä: 1\r\n"), Err(FieldName)),
        ("NUL in a value", get("X-A: a\0b\r\n"), Err(FieldValue)),
        ("DEL in a value", get("X-A: \x7f\r\n"), Err(FieldValue)),
        ("escape in a value", get("X-A: \x1b[31m\r\n"), Err(FieldValue)),
        ("vertical tab is no white space", get("X-A: \x0b1\r\n"), Err(FieldValue)),
        ("two tokens", get("Authorization: a\r\nauthorization: b\r\n"), Err(FieldRepeated)),
        (
            "two dates",
            get("If-Modified-Since: a\r\nIf-Modified-Since: b\r\n"),
            Ok("GET / 1.1 open"),
        ),
        ("two types", get("Content-Type: a/b\r\nContent-Type: a/b\r\n"), Err(FieldRepeated)),
    ]);
}

#[test]
fn hosts() {
    use ParseError::{FieldRepeated, Host, HostMissing};
    let host = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    check(&[
        ("name", host("Host: example.org\r\n"), Ok("GET / 1.1 open")),
        ("port", host("hOST:[::1]:8080\r\n"), Ok("GET / 1.1 open")),
        ("none", host(""), Err(HostMissing)),
        (
            "another with absolute form",
            "GET http://h/ HTTP/1.1\r\nHost: x\r\n\r\n".into(),
            Ok("GET / 1.1 open"),
        ),
        ("none with absolute form", "GET http://h/ HTTP/1.1\r\n\r\n".into(), Err(HostMissing)),
        ("empty", host("Host:\r\n"), Err(Host)),
        ("two", host("Host: a\r\nHost: b\r\n"), Err(FieldRepeated)),
        ("the same twice", host("Host: a\r\nHost: a\r\n"), Err(FieldRepeated)),
        ("list", host("Host: a, b\r\n"), Err(Host)),
        ("path", host("Host: a/b\r\n"), Err(Host)),
        ("user information", host("Host: u@a\r\n"), Err(Host)),
        ("white space inside", host("Host: a b\r\n"), Err(Host)),
        ("port that is none", host("Host: a:x\r\n"), Err(Host)),
        ("HTTP/1.0 needs none", "GET / HTTP/1.0\r\n\r\n".into(), Ok("GET / 1.0 close")),
        ("HTTP/1.0 with one", "GET / HTTP/1.0\r\nHost: h\r\n\r\n".into(), Ok("GET / 1.0 close")),
        ("HTTP/1.0 with a bad one", "GET / HTTP/1.0\r\nHost: /\r\n\r\n".into(), Err(Host)),
    ]);
}

#[test]
fn a_part_is_not_put_in_place_of_the_whole() {
    let part = "Content-Range: bytes 0-1/9\r\n";
    let put = format!("PUT / HTTP/1.1\r\n{part}Host: h\r\nContent-Length: 2\r\n\r\nab");
    check(&[
        ("part", put, Err(ParseError::PartialPut)),
        ("no meaning elsewhere", get(part), Ok("GET / 1.1 open")),
    ]);
}

#[test]
fn persistence() {
    let old = |fields: &str| format!("GET / HTTP/1.0\r\n{fields}\r\n");
    check(&[
        ("1.1 stays", get(""), Ok("GET / 1.1 open")),
        ("1.1 closes", get("Connection: close\r\n"), Ok("GET / 1.1 close")),
        ("any case", get("Connection: Close\r\n"), Ok("GET / 1.1 close")),
        ("in a list", get("Connection: x, close ,y\r\n"), Ok("GET / 1.1 close")),
        ("in a second line", get("Connection: x\r\nConnection: close\r\n"), Ok("GET / 1.1 close")),
        ("close wins", get("Connection: close, keep-alive\r\n"), Ok("GET / 1.1 close")),
        ("part of a word", get("Connection: closed\r\n"), Ok("GET / 1.1 open")),
        ("1.0 closes", old(""), Ok("GET / 1.0 close")),
        ("1.0 stays if asked", old("Connection: Keep-Alive\r\n"), Ok("GET / 1.0 open")),
        ("1.0, both", old("Connection: keep-alive, close\r\n"), Ok("GET / 1.0 close")),
        (
            "upgrades are not taken",
            get("Connection: upgrade\r\nUpgrade: h2c\r\n"),
            Ok("GET / 1.1 open"),
        ),
    ]);
}
