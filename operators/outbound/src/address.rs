//! Which addresses are not called: those by which a machine tells its own credentials (169.254.169.254 in clouds), and those that are
//! no address of a host. Loopback and private addresses are normal at home.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The metadata service of AWS over IPv6: the only one that is not link-local.
const AWS_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Why an address is not called; none if it may be called.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    // An IPv4 address in IPv6 form is the same host.
    match address.to_canonical() {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => refusal_v6(address),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    if address.is_link_local() {
        Some("a link-local address")
    } else if address.octets()[0] == 0 {
        Some("an unspecified address")
    } else if address.is_multicast() || address.is_broadcast() {
        Some("a multicast address")
    } else {
        None
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    // 64:ff9b::/96 is IPv4 behind a translator (RFC 6052), ::/96 an older form.
    let segments = address.segments();
    let embedded = matches!(segments, [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0, 0, _, _]);
    if address.is_loopback() {
        None
    } else if address.is_unspecified() {
        Some("an unspecified address")
    } else if embedded {
        let [.., a, b, c, d] = address.octets();
        refusal_v4(Ipv4Addr::new(a, b, c, d))
    } else if address.is_unicast_link_local() || address == AWS_METADATA {
        Some("a link-local address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else {
        None
    }
}

/// Whether an address is this machine's or of a private network (RFC 1918, RFC 4193): what is sent there without TLS does not cross the
/// internet.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_unspecified_and_multicast_addresses_are_refused_in_every_form() {
        for refused in [
            "169.254.169.254",
            "169.254.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "febf::1",
            "::",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "fd00:ec2::254",
        ] {
            assert!(refusal(refused.parse().unwrap()).is_some(), "{refused}");
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_are_called() {
        for called in [
            "127.0.0.1",
            "::1",
            "10.0.0.1",
            "192.168.1.5",
            "172.16.0.1",
            "100.100.100.200",
            "fd12::1",
            "2001:db8::1",
            "64:ff9b::c0a8:1",
        ] {
            assert_eq!(refusal(called.parse().unwrap()), None, "{called}");
        }
    }

    #[test]
    fn loopback_and_the_networks_of_homes_are_private() {
        for private in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.9",
            "fd12::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "172.32.0.1",
            "100.64.0.1",
            "2001:db8::1",
            "::ffff:1.1.1.1",
            "64:ff9b::c0a8:1",
        ] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
