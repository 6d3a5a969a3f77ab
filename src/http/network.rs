//! Names a range of addresses, as in `10.0.0.0/8`: an address, and how many of its first bits
//! count.
//!
//! Does not know what the addresses are trusted with. IPv4 addresses that came over an IPv6 socket
//! (`::ffff:10.0.0.1`, RFC 4291 section 2.5.5.2) count as the IPv4 addresses they hold, on both
//! sides of a comparison; so `::/0` is all of IPv6 and none of IPv4.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The lowest address: all bits after the first are zero.
    first: IpAddr,
    /// How many bits at the front all addresses share.
    bits: u8,
}

/// The text does not name a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl Network {
    /// Whether the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()) & v4_mask(self.bits) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()) & v6_mask(self.bits) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    /// Reads `ADDRESS/BITS`, or a bare address. `10.0.0.1/8` is refused: it may mean a machine or a
    /// network, and whoever gets it wrong trusts sixteen million addresses too many.
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits_max = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        let bits = bits.map_or(Some(bits_max), bits_number).filter(|bits| *bits <= bits_max);
        let bits = bits.and_then(|bits| u8::try_from(bits).ok()).ok_or(NotANetwork)?;
        let is_first = match address {
            IpAddr::V4(address) => address.to_bits() & !v4_mask(bits) == 0,
            IpAddr::V6(address) => address.to_bits() & !v6_mask(bits) == 0,
        };
        if !is_first {
            return Err(NotANetwork);
        }
        // The last bit of the 96 that say "IPv4 follows" is a one, so all of them count here.
        let first = address.to_canonical();
        let is_mapped = first.is_ipv4() && address.is_ipv6();
        Ok(Self { first, bits: if is_mapped { bits - MAPPED_BITS } else { bits } })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Bits before the IPv4 address in an IPv6 address that holds one.
const MAPPED_BITS: u8 = 96;

/// Only digits, and no leading zeros, which some read as octal.
fn bits_number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn v4_mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(Ipv4Addr::BITS - u32::from(bits)).unwrap_or(0)
}

fn v6_mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(Ipv6Addr::BITS - u32::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_shown() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("192.0.2.128/25", "192.0.2.128/25"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let network: Network = text.parse().expect(text);
            assert_eq!(network.to_string(), shown);
            assert_eq!(shown.parse(), Ok(network));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let bad = "|/|10.0.0.0/|/8|10.0.0.1/8|10.0.0.0/33|10.0.0.0/08|10.0.0.0/+8|10.0.0.0/-1|\
                   10.0.0.0/8/8|10.0.0/8|10/8|010.0.0.0/8|10.0.0.0/255.0.0.0| 10.0.0.0/8|\
                   10.0.0.0/8 |::/129|::1/64|[::1]|fe80::1%eth0|::ffff:0:0/95|localhost|*|\
                   10.0.0.0/4294967304";
        for text in bad.split('|') {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn addresses_are_inside_or_outside() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::", "0.0.0.0"),
            ("::/0", "::1", "::ffff:1.2.3.4"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.9.9.9"),
        ] {
            let network: Network = network.parse().expect(network);
            assert!(network.contains(inside.parse().expect(inside)), "{network} {inside}");
            assert!(!network.contains(outside.parse().expect(outside)), "{network} {outside}");
        }
    }
}
