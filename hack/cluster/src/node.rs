//! A node is a machine: namespaces with containerd, kubelet, kube-proxy and all of its pods, which can be switched off and on.
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::command::{line, run};
use crate::plan::{AddressPlan, DNS_SERVICE, seconds};
use crate::process::{Condition, Record, descendants};
use crate::state::{Home, Node, Settings};
use crate::storage::{remove_dir, short_hash, write_whole};
use crate::{certificates, cgroups, network};

const SCRIPT: &str = include_str!("files/machine.sh");
const CONTAINERD: &str = include_str!("files/containerd.toml");
const CTR: [&str; 5] = [
    "ctr",
    "--address",
    "/run/containerd/containerd.sock",
    "--namespace",
    "k8s.io",
];

/// One machine of a cluster.
pub(crate) struct Machine<'a> {
    pub(crate) home: &'a Home,
    pub(crate) settings: &'a Settings,
    pub(crate) node: &'a Node,
}

impl Machine<'_> {
    fn record_name(&self) -> String {
        format!("node-{}", self.node.name)
    }

    fn record(&self) -> Option<Record> {
        Record::find(&self.home.run(), &self.record_name())
    }

    fn directory(&self) -> PathBuf {
        self.home.node(&self.node.name)
    }

    fn plan(&self) -> AddressPlan {
        self.settings.addresses()
    }

    /// The name of its network namespace and of its cgroups.
    fn system_name(&self) -> String {
        self.plan().namespace(&self.node.name)
    }

    /// `None` is off; `Stalled` is suspended.
    pub(crate) fn condition(&self) -> Option<Condition> {
        self.record()?.condition()
    }

    /// The id of its present boot, which the node's status shows when it is up.
    pub(crate) fn boot_id(&self) -> Option<String> {
        fs::read_to_string(self.directory().join("boot-id"))
            .ok()
            .map(|id| id.trim().to_owned())
    }

    /// Power on. A machine that runs is left alone, or resumed, or rebooted when it was started with other settings.
    pub(crate) fn on(&self, kubernetes: &Path) -> Result<()> {
        let files = self.files()?;
        let key = short_hash(
            files
                .iter()
                .map(|(_, text)| text.as_bytes())
                .chain([kubernetes.as_os_str().as_encoded_bytes()]),
        );
        if let Some(running) = self.record().filter(|running| running.key == key) {
            running.signal_tree(Signal::CONT);
            return network::set_cable(self.plan(), self.node, true);
        }
        self.off()?;
        network::ensure_node(self.plan(), self.node)?;
        network::ensure_routes(self.settings)?;
        self.install(&files)?;
        let mut command = vec![
            "nsenter".to_owned(),
            format!("--net={}", network::namespace_path(&self.system_name())),
        ];
        command.extend(
            [
                "unshare",
                "--mount",
                "--pid",
                "--uts",
                "--fork",
                "--kill-child=KILL",
                "--",
                "sh",
            ]
            .map(Into::into),
        );
        let text = |path: PathBuf| path.display().to_string();
        command.extend([
            text(self.directory().join("machine.sh")),
            text(self.directory()),
            text(self.home.images()),
        ]);
        command.extend([kubernetes.display().to_string(), self.node.name.clone()]);
        command.extend(cgroups::ensure(&self.system_name())?.into_iter().map(text));
        let log = self.directory().join("logs/machine.log");
        Record::spawn(&self.home.run(), &self.record_name(), &command, key, &log).map(drop)
    }

    /// Power cut: everything in the machine ends at once.
    pub(crate) fn off(&self) -> Result<()> {
        if let Some(running) = self.record() {
            running.end()?;
        }
        network::remove_node(self.plan(), self.node)?;
        cgroups::remove(&self.system_name())
    }

    /// Stops all of its processes (SIGSTOP).
    pub(crate) fn suspend(&self) -> Result<()> {
        self.running()?.signal_tree(Signal::STOP);
        Ok(())
    }

    pub(crate) fn resume(&self) -> Result<()> {
        self.running()?.signal_tree(Signal::CONT);
        for image in image_files(self.home) {
            self.import(&image)?;
        }
        Ok(())
    }

    /// Removes its disk and its ids: at the next power on it is a new machine with the old name.
    pub(crate) fn wipe(&self) -> Result<()> {
        self.off()?;
        certificates::forget_node(self.home, &self.node.name);
        remove_dir(&self.directory())
    }

    fn running(&self) -> Result<Record> {
        self.record()
            .with_context(|| format!("{0} is off; `cluster node on {0}` starts it", self.node.name))
    }

    /// Imports an image of the cluster's image directory into this node, if it is on.
    pub(crate) fn import(&self, image: &Path) -> Result<()> {
        let Some(running) = self.record() else { return Ok(()) };
        if running.condition() != Some(Condition::Running) {
            return Ok(());
        }
        // The record is of unshare, which waits outside; its child is the machine's first process.
        let Some(first) = descendants(running.pid).first().copied() else {
            bail!("{} is being switched off", self.node.name)
        };
        let (target, file) = (first.to_string(), format!("/run/images/{}", file_name(image)?));
        let mut arguments = vec!["--target", &target, "--mount", "--net", "--"];
        arguments.extend(CTR);
        arguments.extend(["images", "import", &file]);
        run("nsenter", &arguments).map(drop)
    }

    /// The files that are written before every power on. A difference makes a reboot necessary.
    fn files(&self) -> Result<Vec<(&'static str, String)>> {
        let snapshotter = if overlay_works(&self.home.0) {
            "overlayfs"
        } else {
            "native"
        };
        let containerd = CONTAINERD
            .replace("@CNI@", cni_directory()?)
            .replace("@SNAPSHOTTER@", snapshotter);
        Ok(vec![
            ("machine.sh", SCRIPT.to_owned()),
            ("containerd.toml", containerd),
            ("address", self.plan().node(self.node.index).to_string()),
            ("kubelet.json", kubelet(&self.system_name(), self.settings).to_string()),
            ("kube-proxy.json", kube_proxy(self.settings).to_string()),
            (
                "cni/10-hearth.conflist",
                cni(&self.plan().pods_of(self.node.index)).to_string(),
            ),
            // For pods with dnsPolicy Default, which would get this host's name servers and not reach them.
            ("resolv.conf", String::new()),
        ])
    }

    fn install(&self, files: &[(&str, String)]) -> Result<()> {
        let directory = self.directory();
        for part in ["disk/lib", "disk/log", "logs", "cni"] {
            fs::create_dir_all(directory.join(part))?;
        }
        fs::create_dir_all(self.home.images())?;
        certificates::ensure_node(self.home, self.plan(), self.node)?;
        for (name, text) in files {
            write_whole(&directory.join(name), text.as_bytes())?;
        }
        fs::write(directory.join("boot-id"), random_id()?)?;
        if !directory.join("product_uuid").exists() {
            let id = random_id()?;
            fs::write(directory.join("machine-id"), id.replace('-', ""))?;
            fs::write(directory.join("product_uuid"), id)?;
        }
        Ok(())
    }
}

fn random_id() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?)
}

pub(crate) fn file_name(path: &Path) -> Result<&str> {
    path.file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} has no file name", path.display()))
}

fn image_files(home: &Home) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.images()).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "tar"))
        .collect()
}

/// An overlay cannot lie on an overlay, which is what the root of a container is.
fn overlay_works(directory: &Path) -> bool {
    line(&format!("stat -f -c %T {}", directory.display())).is_ok_and(|kind| kind.trim() != "overlayfs")
}

fn cni_directory() -> Result<&'static str> {
    let known = ["/usr/lib/cni", "/opt/cni/bin"];
    let found = known
        .into_iter()
        .find(|directory| Path::new(directory).join("ptp").exists());
    found.with_context(|| format!("the CNI plugins are in none of {known:?}"))
}

fn kubelet(cgroup: &str, settings: &Settings) -> Value {
    let grace = seconds(&settings.node_monitor_grace_period).unwrap_or(40);
    // A lease is renewed after a quarter of its life; several renewals must fit into the grace.
    let (lease, status) = if grace < 40 {
        ((grace * 2 / 3).max(4), "4s")
    } else {
        (40, "10s")
    };
    json!({
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": "/run/machine/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": "/run/machine/kubelet.crt",
        "tlsPrivateKeyFile": "/run/machine/kubelet.key",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": "/run/machine/resolv.conf",
        // The disk is the host's, so its usage must evict no pods.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "nodeLeaseDurationSeconds": lease,
        "nodeStatusUpdateFrequency": status,
        "logging": {"verbosity": 1},
    })
}

/// nftables, because its rules are changed one by one: with 10,000 Services a change stays cheap.
fn kube_proxy(settings: &Settings) -> Value {
    json!({
        "kind": "KubeProxyConfiguration",
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "nftables",
        "clusterCIDR": settings.addresses().pods(),
        "clientConnection": {"kubeconfig": "/run/machine/kube-proxy.kubeconfig"},
        // These are settings of the whole kernel.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"minSyncPeriod": settings.proxy_min_sync_period, "syncPeriod": "5m0s"},
    })
}

/// Each pod has a veth to its node and is routed: no bridge, so no `br_netfilter`, which a machine may not have.
fn cni(pods: &str) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "hearth",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni",
                    "ranges": [[{"subnet": pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lease_renewals_fit_into_the_grace() {
        for (grace, lease) in [("40s", 40), ("12s", 8), ("2s", 4), ("2m", 40)] {
            let settings = Settings {
                node_monitor_grace_period: grace.into(),
                ..Settings::new(0)
            };
            assert_eq!(
                kubelet("hearth0-a", &settings)["nodeLeaseDurationSeconds"],
                lease,
                "{grace}"
            );
        }
    }

    #[test]
    fn each_node_hands_out_its_own_addresses_below_its_own_cgroup() {
        let subnet = &cni("198.18.65.0/24")["plugins"][0]["ipam"]["ranges"][0][0]["subnet"];
        assert_eq!(subnet, "198.18.65.0/24");
        assert_eq!(kubelet("hearth0-a", &Settings::new(0))["cgroupRoot"], "/hearth0-a");
    }
}
