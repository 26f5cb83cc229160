//! `up` makes the cluster as the settings say, from whatever state it is in; `down` removes all of it.
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::arch::Arch;
use crate::binaries::{Tools, kubectl};
use crate::command::run;
use crate::control::Component;
use crate::node::Machine;
use crate::plan::{AddressPlan, DNS_SERVICE};
use crate::process::Record;
use crate::ready::{READY_WITHIN, await_apiserver, await_nodes};
use crate::state::{Home, Node, Settings, UpOptions};
use crate::storage::{remove_dir, write_whole};
use crate::{certificates, cgroups, go_tools, network, oci, packages, slots};

const COREDNS: &str = include_str!("files/coredns.yaml");

/// What must be installed, by a program of each package.
const PACKAGES: [(&str, &str); 11] = [
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("sysctl", "procps"),
    ("openssl", "openssl"),
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/ptp", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
];

/// A line for each step, with the time it took.
struct Progress {
    begin: Instant,
}

impl Progress {
    fn done(&self, what: &str) {
        eprintln!("[{:>5.1} s] {what}", self.begin.elapsed().as_secs_f32());
    }
}

/// Installs and builds what a cluster needs, without making one.
pub fn ensure_tools() -> Result<()> {
    check_machine()?;
    for tool in ["kubernetes", "coredns", "pause", "helm"] {
        go_tools::ensure(tool)?;
    }
    Ok(())
}

pub(crate) fn up(home: &Home, options: &UpOptions) -> Result<()> {
    let progress = Progress { begin: Instant::now() };
    ensure_tools()?;
    let tools = Tools::ensure()?;
    let (coredns, pause) = (go_tools::ensure("coredns")?, go_tools::ensure("pause")?);
    progress.done("tools are built");

    let _held = home.lock()?;
    let before = slots::claim(home)?;
    let settings = before.with(options)?;
    home.save(&settings)?;
    for node in before.nodes.iter().filter(|node| !settings.nodes.contains(node)) {
        Machine {
            home,
            settings: &before,
            node,
        }
        .wipe()?;
        network::remove_route(settings.addresses(), node);
        // Otherwise the name would stay in the cluster as a lost node.
        let _ = kubectl(
            home,
            &tools,
            &["delete", "node", &node.name, "--ignore-not-found", "--wait=false"],
        );
        progress.done(&format!("{} is removed", node.name));
    }
    network::ensure_base(&settings)?;
    certificates::ensure_control_plane(home, settings.addresses())?;
    system_image(home, &settings, &pause, "pause")?;
    system_image(home, &settings, &coredns, "coredns")?;
    start_control_plane(home, &settings, &tools)?;
    progress.done(&format!(
        "API server answers at https://{}:6443",
        settings.addresses().control_plane()
    ));

    for node in &settings.nodes {
        Machine {
            home,
            settings: &settings,
            node,
        }
        .on(&tools.kubernetes)?;
    }
    apply_coredns(home, &tools)?;
    await_nodes(home, &settings, &tools)?;
    progress.done(&format!(
        "{} Ready",
        count(settings.nodes.len(), "node is", "nodes are")
    ));
    kubectl(
        home,
        &tools,
        &[
            "-n",
            "kube-system",
            "rollout",
            "status",
            "daemonset/coredns",
            "--timeout=4m",
        ],
    )?;
    progress.done("cluster DNS is ready");
    Ok(())
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn check_machine() -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "the cluster is made of Linux namespaces; elsewhere use kind and give its --kubeconfig"
    );
    let root = run("id", &["-u"])?.trim() == "0";
    ensure!(
        root,
        "the cluster needs root for its namespaces; as another user give any cluster with --kubeconfig"
    );
    let missing = PACKAGES
        .iter()
        .filter(|(program, _)| !installed(program))
        .map(|(_, package)| *package);
    packages::debian(&missing.collect::<Vec<_>>())?;
    cgroups::check()?;
    allow_watches();
    network::check()
}

/// Each node takes eight inotify instances and a control plane eleven (counted with Kubernetes 1.34), and many systems
/// allow root 128 (inotify(7)). The limit costs nothing until it is used. It is not lowered again, since other programs may need
/// it by then.
fn allow_watches() {
    const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
    const WANTED: u32 = 1024;
    let now = fs::read_to_string(LIMIT)
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    if now.is_none_or(|now| now >= WANTED) {
        return;
    }
    match fs::write(LIMIT, WANTED.to_string()) {
        Ok(()) => eprintln!("fs.inotify.max_user_instances is {WANTED} until the next boot"),
        Err(error) => eprintln!(
            "fs.inotify.max_user_instances could not be raised to {WANTED} ({error}): clusters of many nodes may not start"
        ),
    }
}

fn installed(program: &str) -> bool {
    if program == "/usr/lib/cni/ptp" {
        return Path::new(program).exists() || Path::new("/opt/cni/bin/ptp").exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file())
}

/// An image that every node imports, now or when it is switched on. It is packed once and kept beside the tool.
fn system_image(home: &Home, settings: &Settings, binary: &Path, program: &str) -> Result<()> {
    let (packed, archive) = (
        binary.with_file_name("image.tar"),
        home.images().join(format!("{program}.tar")),
    );
    if !packed.exists() {
        let content = fs::read(binary).with_context(|| format!("failed to read {}", binary.display()))?;
        oci::write(&[oci::Image::new(program, Arch::host()?, content)?], &packed)?;
    }
    let content = fs::read(&packed)?;
    if fs::read(&archive).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::create_dir_all(home.images())?;
    write_whole(&archive, &content)?;
    settings
        .nodes
        .iter()
        .try_for_each(|node| Machine { home, settings, node }.import(&archive))
}

pub(crate) fn start_control_plane(home: &Home, settings: &Settings, tools: &Tools) -> Result<()> {
    for component in Component::ALL {
        component.start(home, settings, &tools.kubernetes)?;
        if component == Component::Apiserver {
            await_apiserver(home, tools)?;
        }
    }
    Ok(())
}

fn apply_coredns(home: &Home, tools: &Tools) -> Result<()> {
    let manifest = home.0.join("coredns.yaml");
    fs::write(&manifest, COREDNS.replace("@DNS@", &DNS_SERVICE.to_string()))?;
    let manifest = manifest.display().to_string();
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=cluster",
        "-f",
        &manifest,
    ];
    // The first seconds of an empty API server: it answers before it has made its own namespaces.
    let begin = Instant::now();
    while let Err(error) = kubectl(home, tools, &apply) {
        if begin.elapsed() > READY_WITHIN {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Removes etcd's data and keeps certificates and keys, so the cluster is empty afterwards. Nodes are rebooted, because a kubelet
/// registers only when it starts.
pub(crate) fn wipe_etcd(home: &Home) -> Result<()> {
    let (settings, tools) = (home.existing()?, Tools::ensure()?);
    let on = |node: &&Node| {
        Machine {
            home,
            settings: &settings,
            node,
        }
        .condition()
        .is_some()
    };
    let nodes: Vec<_> = settings.nodes.iter().filter(on).collect();
    for node in &nodes {
        Machine {
            home,
            settings: &settings,
            node,
        }
        .off()?;
    }
    for component in Component::ALL.into_iter().rev() {
        component.stop(home)?;
    }
    fs::remove_dir_all(home.etcd()).context("failed to remove etcd's data")?;
    start_control_plane(home, &settings, &tools)?;
    for node in nodes {
        Machine {
            home,
            settings: &settings,
            node,
        }
        .on(&tools.kubernetes)?;
    }
    apply_coredns(home, &tools)?;
    await_nodes(home, &settings, &tools)
}

/// Removes everything that belongs to the cluster, also after an interruption and when its settings are lost.
pub(crate) fn down(home: &Home) -> Result<()> {
    let _held = home.lock()?;
    let Some(slot) = slots::claimed(home)? else {
        return remove_home(home);
    };
    for component in Component::ALL.into_iter().rev() {
        component.stop(home)?;
    }
    // The nodes, also one whose removal was interrupted.
    for file in fs::read_dir(home.run()).into_iter().flatten().flatten() {
        let name = file.file_name().into_string().unwrap_or_default();
        if let Some(running) = Record::find(&home.run(), name.trim_end_matches(".json")) {
            running.end()?;
        }
    }
    let plan = AddressPlan { slot };
    for namespace in network::namespaces(plan) {
        network::remove(&namespace)?;
    }
    for group in cgroups::left_over(&plan.namespace("")) {
        cgroups::remove(&group)?;
    }
    network::remove_base(plan)?;
    slots::release(slot)?;
    remove_home(home)
}

fn remove_home(home: &Home) -> Result<()> {
    remove_dir(&home.0)?;
    if std::env::var_os("HEARTH_CLUSTER_HOME").is_none() {
        // This directory holds only clusters. It stays when another one is in it.
        let _ = home.0.parent().map(fs::remove_dir);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_one_placeholder() {
        assert_eq!(COREDNS.matches('@').count(), 2);
    }
}
