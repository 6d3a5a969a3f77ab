//! Finds out who asks when there are proxies in between: from `Forwarded` (RFC 7239) and
//! `X-Forwarded-For`, as far as those who wrote them are trusted.
//!
//! Does not know which proxies there are, nor what the address is for. Anybody can send these
//! fields, so each entry is worth as much as the hop that added it. Rules:
//!
//! 1. *Nobody is believed who is not trusted*: if the socket's peer is not, the fields are not even
//!    looked at.
//! 2. *From the right*: each proxy appends the address it was asked from. Trusted hops are skipped;
//!    the first that is not trusted is the client, and whatever stands left of it is hearsay.
//! 3. *An entry that names no address ends the walk* at the last trusted hop: `unknown`, an
//!    obfuscated identifier (RFC 7239 section 6), or one that is malformed. A `Forwarded` line with
//!    a mistake anywhere is one such entry, since a stray quote hides where its entries begin.
//! 4. *If both fields are there they must agree*, otherwise the answer is the peer. Most proxies
//!    write one of the two and pass the other on as the client sent it, and nothing tells which:
//!    preferring either would let clients behind the other kind of proxy choose their address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::Network;
use super::request::Request;
use super::scan;

/// The address of whoever asks, given whom the socket is connected to and which networks are
/// trusted to tell the truth about others.
pub fn client_address(peer: IpAddr, request: &Request<'_>, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let forwarded = hops(request, "forwarded", forwarded_line);
    let legacy = hops(request, "x-forwarded-for", legacy_line);
    match (&*forwarded, &*legacy) {
        ([], hops) | (hops, []) => walk(peer, hops, trusted),
        (forwarded, legacy) => {
            let client = walk(peer, forwarded, trusted);
            if client == walk(peer, legacy, trusted) { client } else { peer }
        }
    }
}

/// One entry; `None` if it does not name an address.
type Hop = Option<IpAddr>;

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The entries of all lines of a field, in their order.
fn hops(request: &Request<'_>, name: &str, line: fn(&[u8]) -> Vec<Hop>) -> Vec<Hop> {
    request.values(name).flat_map(line).collect()
}

/// Steps from the peer, who is trusted, to whoever asked it, and so on.
fn walk(peer: IpAddr, hops: &[Hop], trusted: &[Network]) -> IpAddr {
    let mut last = peer;
    for hop in hops.iter().rev() {
        let Some(address) = hop else { break };
        last = *address;
        if !is_trusted(last, trusted) {
            break;
        }
    }
    last
}

/// The entries of an `X-Forwarded-For` line. No standard says what it may hold: addresses, with
/// some proxies followed by a port.
fn legacy_line(value: &[u8]) -> Vec<Hop> {
    scan::list(value).map(|entry| bare_ipv6(entry).or_else(|| node(entry))).collect()
}

fn bare_ipv6(text: &[u8]) -> Hop {
    let address: Ipv6Addr = str::from_utf8(text).ok()?.parse().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

/// The entries of a `Forwarded` line (RFC 7239 section 4).
fn forwarded_line(value: &[u8]) -> Vec<Hop> {
    elements(value).unwrap_or_else(|| vec![None])
}

/// `[ element ] *( OWS "," OWS [ element ] )`; `None` if the line is malformed.
fn elements(mut rest: &[u8]) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    loop {
        let element;
        (element, rest) = self::element(rest)?;
        hops.extend(element);
        match rest {
            [] => return Some(hops),
            [_comma, after @ ..] => rest = after,
        }
    }
}

/// `[ pair ] *( ";" [ pair ] )`, up to a comma or the end. There is an entry if there is any pair,
/// and it is the value of `for`. White space around semicolons, for which the grammar has no place,
/// is let through: proxies write it, and it has no second meaning.
fn element(mut rest: &[u8]) -> Option<(Option<Hop>, &[u8])> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut hop = None;
    loop {
        rest = scan::trim_start(rest);
        if !matches!(rest, [] | [b',' | b';', ..]) {
            let (name, value, after) = pair(rest)?;
            if names.iter().any(|seen| seen.eq_ignore_ascii_case(name)) {
                return None;
            }
            names.push(name);
            if name.eq_ignore_ascii_case(b"for") {
                hop = node(value);
            }
            rest = scan::trim_start(after);
        }
        match rest {
            [] | [b',', ..] => return Some(((!names.is_empty()).then_some(hop), rest)),
            [b';', after @ ..] => rest = after,
            _ => return None,
        }
    }
}

/// `token "=" ( token / quoted-string )`: the name, the value without its quotes, and what follows.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = text.split_at(scan::token_length(text));
    let rest = rest.strip_prefix(b"=").filter(|_| !name.is_empty())?;
    let (value, rest) = if rest.starts_with(b"\"") {
        // Backslash escapes are left as they are: no address needs any.
        let after = scan::after_quoted_string(rest)?;
        (&rest[1..rest.len() - after.len() - 1], after)
    } else {
        let (value, after) = rest.split_at(scan::token_length(rest));
        (Some(value).filter(|value| !value.is_empty())?, after)
    };
    Some((name, value, rest))
}

/// `( IPv4address / "[" IPv6address "]" ) [ ":" port ]` (RFC 7239 section 6); anything else names
/// no address.
fn node(text: &[u8]) -> Hop {
    let text = str::from_utf8(text).ok()?;
    let (address, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), port)
    } else {
        let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), port)
    };
    (port.is_empty() || is_colon_port(port)).then(|| address.to_canonical())
}

/// A port, or an obfuscated one.
fn is_colon_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return false };
    let is_obfuscated = port.strip_prefix('_').is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    });
    let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    is_number || is_obfuscated
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Reader, Step};
    use super::*;

    /// Who the client is if `peer` asks with these fields and three networks are trusted.
    fn client(peer: &str, fields: &str) -> String {
        let trusted = ["10.0.0.0/8", "::1", "fd00::/8"].map(|text| text.parse().unwrap());
        let lines = fields.replace('\n', "\r\n");
        let bytes = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n");
        let mut reader = Reader::new();
        let step = reader.read(bytes.as_bytes(), &Limits::default()).1;
        let Ok(Step::Complete(request)) = step else { panic!("{fields} is no request") };
        client_address(peer.parse().unwrap(), &request, &trusted).to_string()
    }

    #[test]
    fn who_is_not_trusted_is_not_believed() {
        for (peer, address) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::2", "::2")]
        {
            for fields in ["X-A: b", "X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7"]
            {
                assert_eq!(client(peer, fields), address, "{fields}");
            }
        }
    }

    #[test]
    fn nobody_is_trusted_where_nothing_is_said() {
        let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
        let mut reader = Reader::new();
        let step = reader.read(bytes, &Limits::default()).1;
        let Ok(Step::Complete(request)) = step else { panic!("it is a request") };
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(client_address(peer, &request, &[]), peer);
    }

    #[test]
    fn x_forwarded_for_is_walked_from_the_right() {
        for (value, address) in [
            ("", "10.0.0.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, 10.0.0.9", "192.0.2.1"),
            ("6.6.6.6,192.0.2.1,10.0.0.9,fd00::1", "192.0.2.1"),
            ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
            (" , 192.0.2.1 ,\t, ", "192.0.2.1"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1"),
            // What names no address ends the walk.
            ("unknown", "10.0.0.1"),
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, unknown, 10.0.0.9", "10.0.0.9"),
            ("192.0.2.1, 10.0.0", "10.0.0.1"),
            ("192.0.2.1, 010.0.0.1", "10.0.0.1"),
            ("192.0.2.1, 10.0.0.9:", "10.0.0.1"),
            ("192.0.2.1, 10.0.0.9:999999", "10.0.0.1"),
            ("192.0.2.1, [fd00::1", "10.0.0.1"),
            ("192.0.2.1, [fd00::1]x", "10.0.0.1"),
            ("192.0.2.1, fd00::1%eth0", "10.0.0.1"),
            ("192.0.2.1, \"10.0.0.9\"", "10.0.0.1"),
            ("192.0.2.1 10.0.0.9", "10.0.0.1"),
            ("192.0.2.1, localhost", "10.0.0.1"),
            ("192.0.2.1, \u{661}0.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(
                client("10.0.0.1", &format!("X-Forwarded-For: {value}")),
                address,
                "{value}"
            );
        }
    }

    #[test]
    fn forwarded_is_walked_from_the_right() {
        for (value, address) in [
            ("", "::1"),
            ("for=192.0.2.1", "192.0.2.1"),
            ("FOR=\"192.0.2.1\"", "192.0.2.1"),
            ("for=192.0.2.1;proto=https;by=203.0.113.43;host=h", "192.0.2.1"),
            ("proto=https; For=192.0.2.1 ;", "192.0.2.1"),
            ("for=6.6.6.6, for=192.0.2.1, for=10.0.0.9", "192.0.2.1"),
            ("for=\"192.0.2.1:47011\"", "192.0.2.1"),
            ("for=\"192.0.2.1:_port\"", "192.0.2.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[::ffff:192.0.2.1]\"", "192.0.2.1"),
            ("for=192.0.2.1,, ,", "192.0.2.1"),
            ("secret=\"a, b; \\\" c\";for=192.0.2.1", "192.0.2.1"),
            ("for=\"[fd00::1]\"", "fd00::1"),
            // What names no address ends the walk.
            ("for=unknown", "::1"),
            ("for=192.0.2.1, for=unknown", "::1"),
            ("for=192.0.2.1, for=\"_gazonk\"", "::1"),
            ("for=192.0.2.1, for=_hidden, for=10.0.0.9", "10.0.0.9"),
            ("for=192.0.2.1, proto=https", "::1"),
            ("for=192.0.2.1, for=\"2001:db8::7\"", "::1"),
            ("for=192.0.2.1, for=\"192.0.2\\.7\"", "::1"),
            // So does a line with a mistake in it, wherever it is.
            ("for=\"6.6.6.6, for=192.0.2.1", "::1"),
            ("for=[2001:db8::7]", "::1"),
            ("for=192.0.2.1, for", "::1"),
            ("for=192.0.2.1, for=", "::1"),
            ("for=192.0.2.1, =10.0.0.9", "::1"),
            ("for =192.0.2.1", "::1"),
            ("for=192.0.2.1;for=6.6.6.6", "::1"),
            ("for=192.0.2.1 for=6.6.6.6", "::1"),
            ("for=\"192.0.2.1\"x", "::1"),
            ("192.0.2.1", "::1"),
        ] {
            assert_eq!(client("::1", &format!("Forwarded: {value}")), address, "{value}");
        }
    }

    #[test]
    fn the_lines_of_a_field_are_one_list() {
        for (fields, address) in [
            ("X-Forwarded-For: 6.6.6.6\nX-Forwarded-For: 192.0.2.1", "192.0.2.1"),
            ("X-Forwarded-For: 192.0.2.1\nx-forwarded-for: 10.0.0.9", "192.0.2.1"),
            ("Forwarded: for=192.0.2.1\nForwarded: for=10.0.0.9", "192.0.2.1"),
            ("Forwarded: for=\"\nForwarded: for=192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(client("10.0.0.1", fields), address, "{fields}");
        }
    }

    #[test]
    fn two_fields_must_agree() {
        for (forwarded, legacy, address) in [
            ("for=192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("for=6.6.6.6, for=192.0.2.1", "192.0.2.1, 10.0.0.9", "192.0.2.1"),
            ("for=6.6.6.6", "192.0.2.1", "10.0.0.1"),
            ("for=192.0.2.1", "6.6.6.6", "10.0.0.1"),
            ("for=unknown", "192.0.2.1", "10.0.0.1"),
            ("", "192.0.2.1", "192.0.2.1"),
        ] {
            let fields = format!("Forwarded: {forwarded}\nX-Forwarded-For: {legacy}");
            assert_eq!(client("10.0.0.1", &fields), address, "{fields}");
        }
    }
}
