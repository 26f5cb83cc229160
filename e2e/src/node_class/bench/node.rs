//! The nodes to measure with: they have no machine, but their objects look like those of machines.
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the names of our nodes, hosts and histories begin with.
pub(crate) const PREFIX: &str = "hearth-bench-";
/// On everything that is made.
pub(crate) const MARK: &str = "bench.hearth.home.arpa/made";
/// Nodes on one host.
pub(crate) const PER_HOST: u32 = 4;
/// What the real kubelet says when nothing is wrong: condition, status, reason, message.
const CONDITIONS: [[&str; 4]; 4] = [
    [
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ],
    [
        "DiskPressure",
        "False",
        "KubeletHasNoDiskPressure",
        "kubelet has no disk pressure",
    ],
    [
        "PIDPressure",
        "False",
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
    ],
    ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
];
/// Images on a node. The kubelet reports the 50 largest and no more.
const IMAGES: u32 = 50;

/// A host by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host(pub(crate) u32);

/// What is said of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declared {
    Volatile,
    AlwaysOn,
    /// There is a `NodeHost` that leaves it to be learned.
    WithoutAvailability,
    /// There is no `NodeHost`.
    Undeclared,
}

impl Declared {
    /// The value of `nodes.hearth.home.arpa/availability`. Nothing is learned within three days.
    pub(crate) fn availability(self) -> &'static str {
        match self {
            Self::Volatile => "Volatile",
            Self::AlwaysOn => "AlwaysOn",
            Self::WithoutAvailability | Self::Undeclared => "Unproven",
        }
    }
}

impl Host {
    pub(crate) fn name(self) -> String {
        format!("{PREFIX}host-{:03}", self.0)
    }

    /// Of five hosts one is volatile, two are always on, one is to be learned, and one is none.
    pub(crate) fn declared(self) -> Declared {
        match self.0 % 5 {
            0 => Declared::Volatile,
            1 | 2 => Declared::AlwaysOn,
            3 => Declared::WithoutAvailability,
            _ => Declared::Undeclared,
        }
    }

    pub(crate) fn nodes(self) -> impl Iterator<Item = Node> {
        (self.0 * PER_HOST..(self.0 + 1) * PER_HOST).map(Node)
    }

    /// The `NodeHost`, if there is one.
    pub(crate) fn object(self) -> Option<Value> {
        let mut spec = json!({"nodes": self.nodes().map(Node::name).collect::<Vec<_>>(), "formFactor": "Desktop"});
        match self.declared() {
            Declared::Undeclared => return None,
            Declared::WithoutAvailability => {}
            declared => spec["availability"] = json!(declared.availability()),
        }
        Some(json!({
            "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHost",
            "metadata": {"name": self.name(), "labels": {(MARK): "bench"}}, "spec": spec
        }))
    }
}

/// A node by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    pub(crate) fn name(self) -> String {
        format!("{PREFIX}{:04}", self.0)
    }

    pub(crate) fn host(self) -> Host {
        Host(self.0 / PER_HOST)
    }

    /// The Node as a kubelet would register it, with what node-feature-discovery and a network plugin usually add.
    pub(crate) fn object(self, now: Timestamp) -> Value {
        let (name, number) = (self.name(), self.0);
        let id = |of: u32| {
            let word = number.wrapping_mul(2_654_435_761) ^ of.wrapping_mul(40_503);
            format!(
                "{word:08x}-{:04x}-4{of:03x}-8{:03x}-{number:012x}",
                number & 0xffff,
                word & 0xfff
            )
        };
        // Not `linux`: no pod that asks for a system, as those of most DaemonSets do, would come here.
        let mut labels = json!({
            (MARK): "bench",
            "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "none",
            "kubernetes.io/arch": "amd64", "kubernetes.io/os": "none", "kubernetes.io/hostname": name,
            "node.kubernetes.io/instance-type": "desktop",
        });
        for feature in [
            "cpuid.AVX2",
            "cpuid.AESNI",
            "cpuid.SSE4",
            "hardware_multithreading",
            "model.family",
        ] {
            labels[format!("feature.node.kubernetes.io/cpu-{feature}")] = json!("true");
        }
        for feature in [
            "version.full",
            "version.major",
            "version.minor",
            "config.NO_HZ",
            "selinux.enabled",
        ] {
            labels[format!("feature.node.kubernetes.io/kernel-{feature}")] = json!("6");
        }
        let address = format!("10.{}.{}.{}", 200 + number / 65_536, number / 256 % 256, number % 256);
        let resources = |memory: &str| {
            json!({
                "cpu": "8", "ephemeral-storage": "264212084Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
                "memory": memory, "pods": "110"
            })
        };
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                "network.example.org/backend-data": format!("{{\"VNI\":1,\"VtepMAC\":\"{}\"}}", id(1)),
                "network.example.org/backend-type": "vxlan", "network.example.org/public-ip": address,
                "features.example.org/extended-resources": "", "features.example.org/worker.version": "v0.18.0",
            }},
            // Nor may one that the scheduler places.
            "spec": {"taints": [{"key": MARK, "value": "bench", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "allocatable": resources("24632892Ki"), "capacity": resources("24684092Ki"),
                "conditions": CONDITIONS.map(|[kind, status, reason, message]| json!({
                    "type": kind, "status": status, "reason": reason, "message": message,
                    "lastHeartbeatTime": now.to_string(), "lastTransitionTime": now.to_string(),
                })),
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "images": (0..IMAGES).map(|image| json!({
                    "names": [
                        format!("images.example.org/home/app-{image}@sha256:{:064x}", u64::from(image) << 32 | u64::from(number)),
                        format!("images.example.org/home/app-{image}:v1.{image}.0"),
                    ],
                    "sizeBytes": 20_000_000 + image * 1_000_003,
                })).collect::<Vec<_>>(),
                "nodeInfo": {
                    "architecture": "amd64", "bootID": id(2), "machineID": id(3).replace('-', ""), "systemUUID": id(4),
                    "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.12.48-talos", "kubeProxyVersion": "",
                    "kubeletVersion": "v1.34.4", "operatingSystem": "linux", "osImage": "Talos (v1.11.5)",
                },
            },
        })
    }

    /// The kubelet's patch of the status when nothing has changed.
    pub(crate) fn heartbeat(now: Timestamp) -> Value {
        json!({"status": {"conditions": CONDITIONS.map(|[kind, ..]| json!({"type": kind, "lastHeartbeatTime": now.to_string()}))}})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_node_is_as_large_as_a_real_one() {
        let size = Node(7).object(Timestamp::UNIX_EPOCH).to_string().len();
        assert!(
            (10_000..20_000).contains(&size),
            "{size} bytes, managedFields not counted"
        );
    }

    #[test]
    fn each_node_is_a_machine_of_its_own() {
        let ids: BTreeSet<String> = (0..1000)
            .map(|number| {
                let node = Node(number).object(Timestamp::UNIX_EPOCH);
                node["status"]["nodeInfo"]["systemUUID"].to_string()
            })
            .collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn twenty_nodes_are_on_five_hosts_one_of_each_kind_and_two_that_are_always_on() {
        let said: Vec<Declared> = (0..20)
            .step_by(4)
            .map(|number| Node(number).host().declared())
            .collect();
        assert_eq!(
            said,
            [
                Declared::Volatile,
                Declared::AlwaysOn,
                Declared::AlwaysOn,
                Declared::WithoutAvailability,
                Declared::Undeclared
            ]
        );
        assert_eq!(Host(4).object(), None);
        let spec = Host(1).object().unwrap()["spec"].take();
        assert_eq!(spec["availability"], "AlwaysOn");
        assert_eq!(spec["nodes"][0], "hearth-bench-0004");
    }
}
