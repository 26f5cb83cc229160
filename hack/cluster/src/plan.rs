//! Names and addresses of a cluster: pure arithmetic, no I/O.
//!
//! Everything lies in 198.18.0.0/15, which RFC 2544 sets aside for benchmarks: no home, office or cloud uses it. Up to
//! six clusters share it (`slot`), each with its own state directory.
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};

/// How many clusters can run at the same time.
pub(crate) const SLOTS: u8 = 6;

/// One pod network of 256 addresses per node, 32 of them per slot.
pub(crate) const MAX_NODES: u8 = 30;

/// Service addresses exist only in the nodes' packet filters, so every cluster may use the same: 65,000 of them, because
/// the benchmarks create 20,000 Services.
pub(crate) const SERVICES: &str = "198.19.0.0/16";
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 10);

/// Wide for the same reason: a Service of type `LoadBalancer` takes a node port too.
pub(crate) const NODE_PORTS: &str = "12000-65000";

/// The addresses of one cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AddressPlan {
    pub(crate) slot: u8,
}

impl AddressPlan {
    fn machine(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.slot, last)
    }

    /// This machine's end of the one veth: where pods reach servers that run here.
    pub(crate) fn host(self) -> Ipv4Addr {
        self.machine(1)
    }

    pub(crate) fn control_plane(self) -> Ipv4Addr {
        self.machine(2)
    }

    pub(crate) fn node(self, index: u8) -> Ipv4Addr {
        self.machine(10 + index)
    }

    /// All pods of the cluster.
    pub(crate) fn pods(self) -> String {
        format!("198.18.{}.0/19", 32 * (self.slot + 1))
    }

    /// The pods of one node.
    pub(crate) fn pods_of(self, index: u8) -> String {
        format!("198.18.{}.0/24", 32 * (self.slot + 1) + index)
    }

    /// The prefix of the names of namespaces, cgroups and the veth. The kernel allows an interface 15 characters.
    pub(crate) fn prefix(self) -> String {
        format!("hearth{}", self.slot)
    }

    /// The network namespace of the switch, of the control plane or of a node.
    pub(crate) fn namespace(self, of: &str) -> String {
        format!("{}-{of}", self.prefix())
    }
}

/// A node's name becomes a host name, a directory, a namespace and a cgroup; two names are reserved.
pub(crate) fn check_node_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !name.is_empty()
            && name.len() <= 40
            && name.chars().all(allowed)
            && !name.starts_with('-')
            && !name.ends_with('-'),
        "{name:?} is no node name: use up to 40 of a-z, 0-9 and inner hyphens"
    );
    ensure!(
        !["switch", "control"].contains(&name),
        "{name:?} is the name of a part of the cluster; choose another"
    );
    Ok(())
}

/// A duration as Kubernetes' flags take it, in whole seconds: `40s`, `2m`, `1m30s`.
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0_u32, None::<u32>);
    for c in text.chars() {
        match (c, number) {
            ('0'..='9', _) => number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(c.to_digit(10)?)?),
            ('s', Some(n)) => (total, number) = (total.checked_add(n)?, None),
            ('m', Some(n)) => (total, number) = (total.checked_add(n.checked_mul(60)?)?, None),
            _ => return None,
        }
    }
    (number.is_none() && total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_do_not_overlap() {
        let (first, last) = (AddressPlan { slot: 0 }, AddressPlan { slot: SLOTS - 1 });
        assert_eq!(first.node(0).to_string(), "198.18.0.10");
        assert_eq!(first.pods(), "198.18.32.0/19");
        assert_eq!(first.pods_of(MAX_NODES - 1), "198.18.61.0/24");
        assert_eq!(last.host().to_string(), "198.18.5.1");
        assert_eq!(last.pods(), "198.18.192.0/19");
        assert_eq!(last.pods_of(MAX_NODES - 1), "198.18.221.0/24");
    }

    #[test]
    fn node_names_are_host_names() {
        for good in ["home-1", "a", "gamer2"] {
            check_node_name(good).unwrap();
        }
        for bad in [
            "",
            "-a",
            "a-",
            "Home",
            "a.b",
            "a/b",
            "../x",
            "switch",
            "control",
            &"a".repeat(41),
        ] {
            assert!(check_node_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        assert_eq!(seconds("40s"), Some(40));
        assert_eq!(seconds("1m30s"), Some(90));
        for bad in ["", "12", "s", "0s", "1h", "1.5s", "-3s"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
