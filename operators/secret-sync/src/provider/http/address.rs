//! Hosts and names whose addresses may be called.
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hearth_outbound::refusal;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Checks a host that is an address; names are checked when they are resolved. Fails with a sentence.
pub fn check_host<S: AsRef<str>>(host: &url::Host<S>) -> Result<(), String> {
    let address = match host {
        url::Host::Domain(_) => return Ok(()),
        url::Host::Ipv4(address) => IpAddr::V4(*address),
        url::Host::Ipv6(address) => IpAddr::V6(*address),
    };
    refusal(address).map_or(Ok(()), |kind| Err(format!("{address} is {kind} and is not called")))
}

/// Why a name gave no address to call.
#[derive(Debug)]
pub(super) enum NameError {
    /// The resolver failed or knows no address.
    NotFound,
    /// It has only addresses that are not called.
    Refused(IpAddr, &'static str),
}

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => formatter.write_str("its name cannot be resolved"),
            Self::Refused(address, kind) => write!(
                formatter,
                "its name is resolved to {address}, {kind}, which is not called"
            ),
        }
    }
}

impl std::error::Error for NameError {}

/// The system's resolver, without the addresses that are not called.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses = allowed(found.map_err(|_| NameError::NotFound)?)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn allowed(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, NameError> {
    let mut refused = NameError::NotFound;
    let mut addresses = Vec::new();
    for address in found {
        match refusal(address.ip()) {
            None => addresses.push(address),
            Some(kind) => refused = NameError::Refused(address.ip(), kind),
        }
    }
    if addresses.is_empty() {
        return Err(refused);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_unspecified_and_multicast_addresses_are_refused_in_every_form() {
        for refused in [
            "http://169.254.169.254",
            "http://169.254.0.1",
            "http://2852039166",
            "http://0xa9fea9fe",
            "http://0",
            "http://0.0.0.0",
            "http://0.1.2.3",
            "http://224.0.0.1",
            "http://255.255.255.255",
            "http://[fe80::1]",
            "http://[febf::1]",
            "http://[::]",
            "http://[ff02::1]",
            "http://[::ffff:169.254.169.254]",
            "http://[::169.254.169.254]",
            "http://[64:ff9b::169.254.169.254]",
            "http://[fd00:ec2::254]",
        ] {
            let url = url::Url::parse(refused).unwrap();
            check_host(&url.host().unwrap()).expect_err(refused);
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_and_names_are_allowed() {
        for allowed in [
            "http://127.0.0.1",
            "http://[::1]",
            "http://10.0.0.1",
            "http://192.168.1.5",
            "http://172.16.0.1",
            "http://100.100.100.200",
            "http://[fd12::1]",
            "http://[2001:db8::1]",
            "http://[64:ff9b::c0a8:1]",
            "http://vault.lan",
        ] {
            let url = url::Url::parse(allowed).unwrap();
            check_host(&url.host().unwrap()).expect(allowed);
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_only_the_allowed_ones_are_used() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let mixed = parse(&["169.254.169.254:0", "10.0.0.1:0"]);
        assert_eq!(allowed(mixed.into_iter()).unwrap(), parse(&["10.0.0.1:0"]));
        assert!(matches!(
            allowed(parse(&["[fe80::1]:0"]).into_iter()),
            Err(NameError::Refused(..))
        ));
        assert!(matches!(allowed(std::iter::empty()), Err(NameError::NotFound)));
    }
}
