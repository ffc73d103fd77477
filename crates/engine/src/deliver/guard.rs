//! Which addresses may be called.
//!
//! A subscriber chooses the URL, so without this check the program would fetch whatever its own network can reach:
//! databases, routers, a cloud's metadata service. The check is made on the resolved address, and the connection goes
//! to the address that was checked; a name that changes its mind in between gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Knows which addresses may be called.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Exceptions: addresses that may be called although they are not public, and over plain HTTP too.
    allowed: Vec<IpNet>,
}

impl Guard {
    /// A guard that makes exceptions for `allowed`.
    #[must_use]
    pub const fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether `address` may be called, encrypted or not.
    #[must_use]
    pub fn admits(&self, address: IpAddr, is_encrypted: bool) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|net| net.contains(&address)) || (is_encrypted && is_public(address))
    }
}

/// Whether the whole internet agrees on where this address is.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Special-purpose ranges of RFC 6890 and its successors, and one public address that is a cloud's inside.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared between carriers, and some clouds' metadata
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // relays of 6to4
        || (a == 198 && (b == 18 || b == 19)) // benchmarks
        || address == Ipv4Addr::new(168, 63, 129, 16); // a cloud's host, seen from its guests
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    match a {
        // Translated addresses are as public as the address inside.
        0x0064 if b == 0xff9b && is_well_known_translation(address) => {
            embedded(address, 12).is_some_and(is_public_v4)
        }
        0x2002 => embedded(address, 2).is_some_and(is_public_v4),
        // Tunnels and documentation.
        0x2001 if b < 0x0200 || b == 0x0db8 => false,
        0x3fff => false,
        // Of the rest only 2000::/3 is given out at all.
        _ => a & 0xe000 == 0x2000,
    }
}

/// `64:ff9b::/96` (RFC 6052). What else begins so is for a network's own use (RFC 8215).
fn is_well_known_translation(address: Ipv6Addr) -> bool {
    address.segments()[2..6] == [0; 4]
}

fn embedded(address: Ipv6Addr, at: usize) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let four: [u8; 4] = octets.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(four))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(address: &str, allowed: &[&str], is_encrypted: bool) -> bool {
        let allowed = allowed.iter().map(|net| net.parse().unwrap()).collect();
        Guard::new(allowed).admits(address.parse().unwrap(), is_encrypted)
    }

    #[test]
    fn public_addresses_may_be_called_when_encrypted() {
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
        {
            assert!(admits(address, &[], true), "{address}");
            assert!(!admits(address, &[], false), "{address} in the clear");
        }
    }

    #[test]
    fn whatever_is_not_public_may_not() {
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "2002:a00:1::",
            "2001:0:53aa:64c::1",
            "100::1",
            "5f00::1",
        ] {
            assert!(!admits(address, &[], true), "{address}");
        }
    }

    #[test]
    fn exceptions_hold_for_their_range_only() {
        assert!(admits("127.0.0.1", &["127.0.0.0/8"], false));
        assert!(admits("::ffff:127.0.0.1", &["127.0.0.0/8"], false));
        assert!(admits("::1", &["::1/128"], true));
        assert!(!admits("10.0.0.1", &["127.0.0.0/8"], true));
    }
}
