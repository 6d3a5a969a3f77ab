//! Judges `Host` and the authority of absolute targets: `uri-host [ ":" port ]` (RFC 9110 sections
//! 4.2.1, 7.2).
//!
//! Does not know the names or addresses of this server: every well-formed host is served alike. No
//! user information (RFC 9110 section 4.2.4), no zone identifiers, no `IPvFuture`, which nobody
//! ever assigned. An empty host is refused: an `http` URI with one is invalid and must be rejected
//! (RFC 9110 section 4.2.1).

use std::net::Ipv6Addr;

use super::scan;

/// Whether `text` names a host, and perhaps a port.
pub(super) fn is_authority(text: &[u8]) -> bool {
    if let [b'[', rest @ ..] = text {
        let Some(end) = scan::find(b']', rest) else { return false };
        let (address, [_, port @ ..]) = rest.split_at(end) else { return false };
        return is_ipv6(address) && (port.is_empty() || is_colon_port(port));
    }
    let colon = scan::find(b':', text).unwrap_or(text.len());
    let (host, port) = text.split_at(colon);
    is_name(host) && (port.is_empty() || is_colon_port(port))
}

fn is_ipv6(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// The port may be empty (RFC 3986 section 3.2.3), and it is at most 65,535.
fn is_colon_port(text: &[u8]) -> bool {
    match text {
        [b':'] => true,
        [b':', digits @ ..] => scan::decimal(digits).is_some_and(|port| port <= 0xffff),
        _ => false,
    }
}

/// `reg-name`, not empty; IPv4 addresses are among them (RFC 3986 section 3.2.2).
fn is_name(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let special = rest.iter().position(|&byte| !NAME[usize::from(byte)]);
        rest = match special.map(|at| &rest[at..]) {
            None => return !text.is_empty(),
            Some([b'%', high, low, after @ ..])
                if scan::hex(*high).and(scan::hex(*low)).is_some() =>
            {
                after
            }
            Some(_) => return false,
        };
    }
}

/// `unreserved / sub-delims` without the comma, which in `Host` would be a list of two.
static NAME: [bool; 256] = scan::class(b"-._~!$&'()*+;=");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_port_pass() {
        let good = "a localhost:8080 127.0.0.1 example.org: a_b.c [::1] [::1]:80 [::ffff:1.2.3.4]: \
                    %41.b a:65535";
        for text in good.split(' ') {
            assert!(is_authority(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let bad = "|:80|a:b|a:80:80|a:65536|a:-1|a b|a/b|u@a|a,b|[::1|[]|[g::]|[::1]x|::1|a%4|a%zz|\
                   [fe80::1%25eth0]|[v1.a]|a?|ä|a#";
        for text in bad.split('|') {
            assert!(!is_authority(text.as_bytes()), "{text}");
        }
    }
}
