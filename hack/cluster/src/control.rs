//! The control plane: etcd, API server, controller manager and scheduler in one network namespace.
//!
//! Nothing restarts them when they end: what a test has stopped must stay stopped. `up` repairs.
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::network::{self, CONTROL};
use crate::plan::{NODE_PORTS, SERVICES, seconds};
use crate::process::{Condition, Record};
use crate::state::{Home, Settings};
use crate::storage;

/// A part of the control plane, with its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Component {
    Etcd,
    Apiserver,
    ControllerManager,
    Scheduler,
}

impl Component {
    /// In the order in which they are started.
    pub(crate) const ALL: [Self; 4] = [Self::Etcd, Self::Apiserver, Self::ControllerManager, Self::Scheduler];

    /// The name of its process, its record and its log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    fn flags(self, home: &Home, settings: &Settings) -> Vec<String> {
        match self {
            Self::Etcd => etcd(home),
            Self::Apiserver => apiserver(home, settings),
            Self::ControllerManager => controller_manager(home, settings),
            Self::Scheduler => scheduler(home),
        }
    }

    pub(crate) fn condition(self, home: &Home) -> Option<Condition> {
        Record::find(&home.run(), self.name())?.condition()
    }

    /// Starts or resumes it; restarts it when it runs with other arguments.
    pub(crate) fn start(self, home: &Home, settings: &Settings, kubernetes: &Path) -> Result<()> {
        let namespace = settings.addresses().namespace(CONTROL);
        let mut command = vec![
            "nsenter".to_owned(),
            format!("--net={}", network::namespace_path(&namespace)),
            "--".into(),
        ];
        if self == Self::Etcd {
            command.push("etcd".into());
        } else {
            command.extend([kubernetes.display().to_string(), self.name().into()]);
        }
        command.extend(self.flags(home, settings));
        let key = storage::short_hash(&command);
        if let Some(running) = Record::find(&home.run(), self.name()) {
            if running.key == key {
                running.signal(Signal::CONT);
                return Ok(());
            }
            running.end()?;
        }
        self.end_strays(&namespace)?;
        fs::create_dir_all(home.logs())?;
        let log = home.logs().join(format!("{}.log", self.name()));
        Record::spawn(&home.run(), self.name(), &command, key, &log).map(drop)
    }

    /// An `up` that was killed may have started it without writing its record.
    fn end_strays(self, namespace: &str) -> Result<()> {
        let is_it = |pid: &i32| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command
                .split(|byte| *byte == 0)
                .take(2)
                .any(|word| word == self.name().as_bytes())
        };
        let strays: Vec<i32> = network::processes(namespace).into_iter().filter(is_it).collect();
        crate::process::end_all(&strays)
    }

    /// Kills it, without a shutdown.
    pub(crate) fn stop(self, home: &Home) -> Result<()> {
        Record::find(&home.run(), self.name()).map_or(Ok(()), |running| running.end())
    }

    /// Sends SIGSTOP, or SIGCONT to resume it. A stalled component keeps its connections and answers nothing.
    pub(crate) fn stall(self, home: &Home, stalled: bool) -> Result<()> {
        let Some(running) = Record::find(&home.run(), self.name()) else {
            bail!("{} does not run; `cluster start` starts it", self.name());
        };
        running.signal(if stalled { Signal::STOP } else { Signal::CONT });
        Ok(())
    }
}

fn flags<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs
        .into_iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect()
}

/// Without fsync a write takes microseconds; only a crash of this machine loses data, and then the cluster is created again. The
/// quota holds 20,000 Services and 8,000 pods with their history.
fn etcd(home: &Home) -> Vec<String> {
    let client = "http://127.0.0.1:2379";
    let mut all = flags([
        ("name", "hearth".into()),
        ("data-dir", home.etcd().display().to_string()),
        ("listen-client-urls", client.into()),
        ("advertise-client-urls", client.into()),
        ("listen-peer-urls", "http://127.0.0.1:2380".into()),
        ("initial-advertise-peer-urls", "http://127.0.0.1:2380".into()),
        ("initial-cluster", "hearth=http://127.0.0.1:2380".into()),
        ("quota-backend-bytes", (4_u64 << 30).to_string()),
        ("log-level", "warn".into()),
        ("logger", "zap".into()),
    ]);
    all.push("--unsafe-no-fsync".into());
    all
}

fn apiserver(home: &Home, settings: &Settings) -> Vec<String> {
    let pki = |file: &str| home.pki(file).display().to_string();
    let tolerate = settings.default_toleration_seconds.to_string();
    flags([
        ("advertise-address", settings.addresses().control_plane().to_string()),
        ("secure-port", "6443".into()),
        ("etcd-servers", "http://127.0.0.1:2379".into()),
        ("service-cluster-ip-range", SERVICES.into()),
        ("service-node-port-range", NODE_PORTS.into()),
        ("tls-cert-file", pki("kube-apiserver.crt")),
        ("tls-private-key-file", pki("kube-apiserver.key")),
        ("client-ca-file", pki("ca.crt")),
        ("kubelet-client-certificate", pki("kubelet-client.crt")),
        ("kubelet-client-key", pki("kubelet-client.key")),
        ("kubelet-certificate-authority", pki("ca.crt")),
        // The names of nodes are in no DNS.
        ("kubelet-preferred-address-types", "InternalIP".into()),
        ("service-account-key-file", pki("service-accounts.key")),
        ("service-account-signing-key-file", pki("service-accounts.key")),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc.cluster.local".into(),
        ),
        ("proxy-client-cert-file", pki("front-proxy.crt")),
        ("proxy-client-key-file", pki("front-proxy.key")),
        ("requestheader-client-ca-file", pki("ca.crt")),
        ("requestheader-allowed-names", "front-proxy-client".into()),
        ("requestheader-username-headers", "X-Remote-User".into()),
        ("requestheader-group-headers", "X-Remote-Group".into()),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".into()),
        // There is no kube-proxy beside the API server, so it goes to pods directly.
        ("enable-aggregator-routing", "true".into()),
        ("authorization-mode", "Node,RBAC".into()),
        ("enable-admission-plugins", "NodeRestriction".into()),
        ("anonymous-auth", "false".into()),
        ("allow-privileged", "true".into()),
        ("enable-priority-and-fairness", "true".into()),
        ("max-requests-inflight", "1200".into()),
        ("max-mutating-requests-inflight", "600".into()),
        ("default-not-ready-toleration-seconds", tolerate.clone()),
        ("default-unreachable-toleration-seconds", tolerate),
    ])
}

fn controller_manager(home: &Home, settings: &Settings) -> Vec<String> {
    let pki = |file: &str| home.pki(file).display().to_string();
    let own = pki("kube-controller-manager.kubeconfig");
    let grace = seconds(&settings.node_monitor_grace_period).unwrap_or(40);
    flags([
        ("kubeconfig", own.clone()),
        ("authentication-kubeconfig", own.clone()),
        ("authorization-kubeconfig", own),
        ("bind-address", "127.0.0.1".into()),
        ("leader-elect", "false".into()),
        ("root-ca-file", pki("ca.crt")),
        ("cluster-signing-cert-file", pki("ca.crt")),
        ("cluster-signing-key-file", pki("ca.key")),
        ("service-account-private-key-file", pki("service-accounts.key")),
        ("use-service-account-credentials", "true".into()),
        ("allocate-node-cidrs", "false".into()),
        ("service-cluster-ip-range", SERVICES.into()),
        ("node-monitor-grace-period", settings.node_monitor_grace_period.clone()),
        ("node-monitor-period", format!("{}s", (grace / 8).clamp(1, 5))),
        ("kube-api-qps", "200".into()),
        ("kube-api-burst", "400".into()),
    ])
}

fn scheduler(home: &Home) -> Vec<String> {
    let own = home.pki("kube-scheduler.kubeconfig").display().to_string();
    flags([
        ("kubeconfig", own.clone()),
        ("authentication-kubeconfig", own.clone()),
        ("authorization-kubeconfig", own),
        ("bind-address", "127.0.0.1".into()),
        ("leader-elect", "false".into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(component: Component, settings: &Settings) -> Vec<String> {
        component.flags(&Home("/state".into()), settings)
    }

    #[test]
    fn the_grace_decides_how_often_nodes_are_checked() {
        let mut settings = Settings::new(0);
        assert!(of(Component::ControllerManager, &settings).contains(&"--node-monitor-period=5s".to_owned()));
        settings.node_monitor_grace_period = "12s".into();
        assert!(of(Component::ControllerManager, &settings).contains(&"--node-monitor-period=1s".to_owned()));
    }

    #[test]
    fn the_api_server_listens_where_the_slot_says_and_tolerates_as_asked() {
        let settings = Settings {
            default_toleration_seconds: 10,
            ..Settings::new(1)
        };
        let flags = of(Component::Apiserver, &settings);
        assert!(flags.contains(&"--advertise-address=198.18.1.2".to_owned()));
        assert!(flags.contains(&"--default-not-ready-toleration-seconds=10".to_owned()));
        assert!(flags.contains(&"--tls-cert-file=/state/pki/kube-apiserver.crt".to_owned()));
    }
}
