//! Looks at the way through a URL, and whatever proxy is on it: whether answers arrive as they were
//! made and come from here, whether a stream flows, how long a poll may be held.
//!
//! Speaks HTTP with a few lines of its own, one request per connection: what is measured is the
//! way, so nothing here may be clever. It does not speak `https`.

use std::error::Error;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::Value;

use super::Findings;
use crate::config::Config;
use crate::digits::hexadecimal;
use crate::operator::link::{Link, Need};
use crate::system::{Clock, Entropy, Mono};
use crate::web::{self, Said};

/// How long an answer that waits for nothing may take. A password may be hashed meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How late the beginning of a stream may be. The server sends it at once.
const FLOW_MAX: Duration = Duration::from_secs(3);

/// How much longer than a poll is held a proxy has to wait.
const MARGIN: Duration = Duration::from_secs(15);

/// By how much a poll may be held too short and still be fine.
const SLACK: Duration = Duration::from_millis(1_500);

/// How often to give a sign of life while something takes long.
const SIGN: Duration = Duration::from_secs(10);

/// Where the server can be reached.
#[derive(Debug)]
pub(super) struct Url {
    /// As the field `Host` says it.
    host: String,
    /// Always with a port.
    place: String,
    /// What stands before each path.
    prefix: String,
    /// The clock by which the way is measured.
    clock: Clock,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let Some(rest) = text.strip_prefix("http://") else {
            let why = "the doctor speaks http:// only; for https:// give it the plain port of the \
                       proxy, which is configured the same: http://ADDRESS:PORT";
            return Err(why.into());
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let end = host.rfind(']').unwrap_or(0);
        let has_port = host[end..].contains(':');
        let place = if has_port { host.to_owned() } else { format!("{host}:80") };
        if host.is_empty() || host.contains(['@', '?', '#', ' ']) {
            return Err(format!("{text} is no URL of a server").into());
        }
        let path = path.trim_end_matches('/');
        let prefix = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { host: host.to_owned(), place, prefix, clock: Clock::new() })
    }
}

/// What is to be asked.
#[derive(Debug, Default)]
struct Ask<'a> {
    method: &'a str,
    path: &'a str,
    /// Lines, each with its end.
    fields: &'a str,
    body: &'a [u8],
}

/// An answer, as far as it has come.
#[derive(Debug)]
struct Answer {
    stream: TcpStream,
    clock: Clock,
    bytes: Vec<u8>,
    /// Where the body begins.
    head: usize,
}

impl Url {
    /// Asks for something, without waiting.
    fn send(&self, ask: &Ask<'_>) -> io::Result<Answer> {
        let address = self.place.to_socket_addrs()?.next().ok_or(ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
        let Self { host, prefix, .. } = self;
        let Ask { method, path, fields, body } = ask;
        let (connection, length) = (web::PROBE_CONNECTION, body.len());
        let head = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\
             {fields}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        Ok(Answer { stream, clock: self.clock, bytes: Vec::new(), head: 0 })
    }

    /// Asks for something, and reads until the head is there.
    fn ask(&self, ask: &Ask<'_>, patience: Duration) -> io::Result<Answer> {
        let mut answer = self.send(ask)?;
        answer.begins(self.now().plus(patience))?;
        Ok(answer)
    }

    /// The same, with the whole of the body, in JSON.
    fn json(&self, ask: &Ask<'_>) -> io::Result<(Answer, Value)> {
        let until = self.now().plus(ANSWER_MAX);
        let mut answer = self.ask(ask, ANSWER_MAX)?;
        while answer.more(until)? > 0 {}
        let value = serde_json::from_slice(&answer.body()).map_err(|_| {
            let status = answer.status();
            io::Error::other(format!("{} is answered {status}, and not by Lovejoy", ask.path))
        })?;
        Ok((answer, value))
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }
}

impl Answer {
    /// Reads what comes next; nothing at the end.
    fn more(&mut self, until: Mono) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let left = until.since(self.clock.now().mono).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left))?;
        let count = match self.stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        };
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Reads until the head is there.
    fn begins(&mut self, until: Mono) -> io::Result<()> {
        while self.head == 0 {
            if self.more(until)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
            self.head = end.map_or(0, |end| end + 4);
        }
        Ok(())
    }

    /// Waits for something that was not there before.
    fn goes_on(&mut self, until: Mono) -> io::Result<()> {
        let before = self.body().len();
        while self.body().len() == before {
            if self.more(until)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn head(&self) -> &str {
        str::from_utf8(&self.bytes[..self.head]).unwrap_or_default()
    }

    fn status(&self) -> u16 {
        self.head().get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head().lines().filter_map(|line| line.split_once(':'));
        Some(fields.find(|(given, _)| given.eq_ignore_ascii_case(name))?.1.trim())
    }

    /// What has come of it, without the frames of chunks.
    fn body(&self) -> Vec<u8> {
        let mut rest = &self.bytes[self.head..];
        if !self
            .field("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return rest.to_vec();
        }
        let mut body = Vec::new();
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = str::from_utf8(&rest[..end]).unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let chunk = rest.get(end + 2..end + 2 + size);
            let (Some(chunk), 1..) = (chunk, size) else { break };
            body.extend_from_slice(chunk);
            rest = rest.get(end + 4 + size..).unwrap_or_default();
        }
        body
    }
}

/// Looks at all of it. If something cannot be asked at all, that is an error.
pub(super) fn look(
    config: &Config,
    url: &Url,
    findings: &mut Findings,
) -> Result<(), Box<dyn Error>> {
    let mut link = Link::open(config, Need::Server)?;
    let mut entropy = Entropy::system()?;
    let probe = i64::from_le_bytes(entropy.bytes()) & i64::MAX;
    link.call("POST", "/control/probe", &[("probe", Said::Number(probe.cast_unsigned()))])?;
    let path = format!("/api/probe/{probe}");
    if let Err(error) = arrive(url, &path, findings) {
        let what = format!("{} cannot be asked: {error}", url.place);
        let how = "does the proxy run, does it pass all paths on, and to this server?";
        return Ok(findings.mend(&what, how)?);
    }
    let name = format!("doctor-{:08x}", u32::from_le_bytes(entropy.bytes()));
    let password: [u8; 16] = entropy.bytes();
    let password = hexadecimal(&password);
    let account = [("name", Said::Text(Some(&name))), ("password", Said::Text(Some(&password)))];
    link.call("POST", "/control/users", &account)?;
    let done = as_user(url, &web::order_body(&account), findings);
    // A new link: the server closes one that was silent for this long.
    let mut link = Link::open(config, Need::Server)?;
    link.call("POST", "/control/users/remove", &[("name", Said::Text(Some(&name)))])?;
    done
}

/// What becomes of a request and of its answer.
fn arrive(url: &Url, path: &str, findings: &mut Findings) -> io::Result<()> {
    let ask = Ask { method: "GET", path, fields: "", ..Ask::default() };
    let (first, told) = url.json(&ask)?;
    let (_, again) = url.json(&ask)?;
    if first.status() != 200 || !told["count"].is_i64() {
        return Err(io::Error::other("another server answers there"));
    }
    let is_kept = first.field("cache-control").is_none_or(|value| !value.contains("no-store"));
    let is_cached = told["count"] == again["count"];
    findings.tell(
        !is_cached && !is_kept,
        if is_cached { "an answer came from a cache" } else { "answers come as they were made" },
        "nothing under /api/ may be kept: turn caching off there, and leave Cache-Control as it is",
    )?;
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let (peer, client) = (text("peer"), text("client"));
    let says = [text("x_forwarded_for"), text("forwarded")].concat();
    if told["direct"] == true {
        return findings.ok(&format!("no proxy stands between; the server sees {client}"));
    }
    let how = if says.is_empty() {
        "let it say so, in nginx: proxy_set_header X-Forwarded-For $remote_addr;".to_owned()
    } else {
        format!("if that is your proxy, start the server with --trusted-proxy {peer}")
    };
    // Somebody on the proxy's own machine has its address in either case: the field tells.
    let is_believed = told["trusted"] == true && !says.is_empty();
    let what = match (says.is_empty(), is_believed) {
        (true, _) => format!("the proxy at {peer} does not say who asks"),
        (false, false) => format!("the proxy at {peer} says who asks, and is not believed"),
        (false, true) => format!("the server sees who asks behind the proxy: {client}"),
    };
    findings.tell(is_believed, &what, &how)
}

/// What only somebody with an account can ask.
fn as_user(url: &Url, credentials: &[u8], findings: &mut Findings) -> Result<(), Box<dyn Error>> {
    let json = "Content-Type: application/json\r\n";
    let log_in = Ask { method: "POST", path: "/api/sessions", fields: json, body: credentials };
    let (_, session) = url.json(&log_in)?;
    let Some(token) = session["token"].as_str() else {
        return Err(format!("nobody can log in by {}: {}", url.place, session["detail"]).into());
    };
    let fields = format!("Authorization: Bearer {token}\r\n");
    let get = |path| Ask { method: "GET", path, fields: &fields, ..Ask::default() };
    let (_, about) = url.json(&get("/api/server"))?;
    let held = Duration::from_secs(about["limits"]["wait_seconds"].as_u64().unwrap_or(60));
    stream(url, &fields, findings)?;
    // From here on nothing happens.
    let (_, state) = url.json(&get("/api/state"))?;
    let cursor = state["cursor"].as_str().unwrap_or_default();
    poll(url, &fields, cursor, held, findings)?;
    Ok(())
}

/// Whatever happens is written to a stream at once: when does it arrive? The first bytes tell
/// little, since they come with the head, which even a proxy that holds back the rest passes on. So
/// something is made to happen: a group is created, which ends with its only member.
fn stream(url: &Url, fields: &str, findings: &mut Findings) -> io::Result<()> {
    findings.wait("a stream is opened")?;
    let accept = format!("{fields}Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n");
    let ask = Ask { method: "GET", path: "/api/events", fields: &accept, ..Ask::default() };
    let json = format!("{fields}Content-Type: application/json\r\n");
    let body = br#"{"title":"doctor","member_ids":[]}"#;
    let group = Ask { method: "POST", path: "/api/conversations", fields: &json, body };
    let mut begin = url.now();
    let flows = url.ask(&ask, FLOW_MAX).and_then(|mut answer| {
        if answer.status() == 200 && answer.field("content-encoding").is_none() {
            if answer.body().is_empty() {
                answer.goes_on(begin.plus(FLOW_MAX))?;
            }
            url.json(&group)?;
            begin = url.now();
            answer.goes_on(begin.plus(FLOW_MAX))?;
        }
        Ok(answer)
    });
    let how = "pass on what comes at once: in nginx neither proxy_ignore_headers X-Accel-Buffering nor \
               gzip for text/event-stream; else proxy_buffering off. Clients fall back to polls";
    match flows {
        Ok(answer) if answer.field("content-encoding").is_some() => {
            findings.mend("streams are compressed on the way, and so held back", how)
        }
        Ok(answer) => {
            let what =
                format!("a stream flows: what happened came after {:.0?}", url.now().since(begin));
            let refused = format!("a stream is answered {}", answer.status());
            let is_ok = answer.status() == 200;
            findings.tell(is_ok, if is_ok { &what } else { &refused }, how)
        }
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let what = format!("streams are held back: nothing came within {FLOW_MAX:?}");
            findings.mend(&what, how)
        }
        Err(error) => Err(error),
    }
}

/// Nothing is said, so a poll is held to its end, if the way allows it.
fn poll(
    url: &Url,
    fields: &str,
    cursor: &str,
    held: Duration,
    findings: &mut Findings,
) -> io::Result<()> {
    findings.wait(&format!("a poll is held, for {held:?} if it may be"))?;
    let path = format!("/api/events?cursor={cursor}&wait={}", held.as_secs());
    let ask = Ask { method: "GET", path: &path, fields, ..Ask::default() };
    let begin = url.now();
    let mut answer = url.send(&ask)?;
    let mut next = begin.plus(SIGN);
    let end = begin.plus(held + MARGIN);
    let mut begins = answer.begins(next.min(end));
    while next < end && begins.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
        findings.wait(&format!("{:?}", next.since(begin)))?;
        next = next.plus(SIGN);
        begins = answer.begins(next.min(end));
    }
    let lasted = url.now().since(begin);
    let status = answer.status();
    if status == 200 && lasted + SLACK >= held {
        return findings.ok(&format!("a poll was held for {lasted:.0?}"));
    }
    let what = match begins {
        Ok(()) => format!("a poll was answered {status} after {lasted:.0?} instead of {held:?}"),
        Err(error) => format!("a poll was cut off after {lasted:.0?} instead of {held:?}: {error}"),
    };
    let shorter = (lasted.as_secs() * 4 / 5).max(1);
    let how = format!(
        "let the proxy wait longer, in nginx: proxy_read_timeout {}s; or let the server hold polls \
         shorter: --wait-max {shorter}s",
        (held + MARGIN).as_secs()
    );
    findings.mend(&what, &how)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_perhaps_a_port_and_a_path() {
        for (text, place, prefix) in [
            ("http://chat.example.org", "chat.example.org:80", ""),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", ""),
            ("http://[::1]/chat/", "[::1]:80", "/chat"),
            ("http://[::1]:81", "[::1]:81", ""),
        ] {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.place.as_str(), url.prefix.as_str()), (place, prefix));
        }
        for text in ["", "chat.example.org", "https://chat.example.org", "http://", "http://a@b"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
