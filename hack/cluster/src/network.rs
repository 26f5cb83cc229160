//! The network of a cluster: one switch, a cable from each machine to it, and one from this host.
//!
//! The switch is a bridge in a namespace of its own. The host gets one interface, with routes to the cluster's addresses
//! through it; they are removed with the interface. Nothing else of the host's network is read or changed, and because every
//! address is routed, nothing is translated: servers see the pods' own addresses.
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, bail};

use crate::command::line;
use crate::plan::AddressPlan;
use crate::state::{Node, Settings};

const SWITCH: &str = "switch";
pub(crate) const CONTROL: &str = "control";

/// Switch, host cable and control plane.
pub(crate) fn ensure_base(settings: &Settings) -> Result<()> {
    let plan = settings.addresses();
    let (switch, host) = (plan.namespace(SWITCH), plan.prefix());
    if !namespace_exists(&switch) {
        line(&format!("ip netns add {switch}"))?;
    }
    if line(&format!("ip -n {switch} link show br0")).is_err() {
        line(&format!("ip -n {switch} link add br0 type bridge"))?;
    }
    line(&format!("ip -n {switch} link set br0 up"))?;
    if !Path::new("/sys/class/net").join(&host).exists() {
        let _ = line(&format!("ip -n {switch} link del host"));
        line(&format!("ip link add {host} type veth peer name host netns {switch}"))?;
        line(&format!("ip addr add {}/24 dev {host}", plan.host()))?;
    }
    line(&format!("ip link set {host} up"))?;
    line(&format!("ip -n {switch} link set host master br0 up"))?;
    ensure_machine(plan, CONTROL, &plan.control_plane().to_string(), CONTROL)?;
    ensure_routes(settings)
}

/// A machine's namespace, with its cable in the switch.
pub(crate) fn ensure_node(plan: AddressPlan, node: &Node) -> Result<()> {
    ensure_machine(plan, &node.name, &plan.node(node.index).to_string(), &port(node))
}

/// The name of a node's socket on the switch: node names may be longer than an interface's may.
fn port(node: &Node) -> String {
    format!("node{}", node.index)
}

fn ensure_machine(plan: AddressPlan, name: &str, address: &str, port: &str) -> Result<()> {
    let (own, switch) = (plan.namespace(name), plan.namespace(SWITCH));
    if !namespace_exists(&own) {
        line(&format!("ip netns add {own}"))?;
    }
    if line(&format!("ip -n {own} link show eth0")).is_err() {
        let _ = line(&format!("ip -n {switch} link del {port}"));
        line(&format!(
            "ip link add {port} netns {switch} type veth peer name eth0 netns {own}"
        ))?;
        line(&format!("ip -n {own} addr add {address}/24 dev eth0"))?;
    }
    line(&format!("ip -n {switch} link set {port} master br0 up"))?;
    line(&format!("ip -n {own} link set lo up"))?;
    line(&format!("ip -n {own} link set eth0 up"))?;
    let forward = format!(
        "nsenter --net={} sysctl -qw net.ipv4.ip_forward=1",
        namespace_path(&own)
    );
    line(&forward).map(drop)
}

/// Every machine, the control plane and this host gets routes to all pods.
pub(crate) fn ensure_routes(settings: &Settings) -> Result<()> {
    let plan = settings.addresses();
    for route in routes(settings) {
        line(&format!("ip route replace {route} dev {}", plan.prefix()))?;
        line(&format!(
            "ip -n {} route replace {route} dev eth0",
            plan.namespace(CONTROL)
        ))?;
    }
    for node in &settings.nodes {
        let own = plan.namespace(&node.name);
        if namespace_exists(&own) {
            let others = routes(settings).filter(|route| !route.starts_with(&plan.pods_of(node.index)));
            for route in others {
                line(&format!("ip -n {own} route replace {route} dev eth0"))?;
            }
        }
    }
    Ok(())
}

fn routes(settings: &Settings) -> impl Iterator<Item = String> {
    let plan = settings.addresses();
    settings
        .nodes
        .iter()
        .map(move |node| format!("{} via {}", plan.pods_of(node.index), plan.node(node.index)))
}

/// Removes a machine's namespace, when its power is cut.
pub(crate) fn remove_node(plan: AddressPlan, node: &Node) -> Result<()> {
    let _ = line(&format!("ip -n {} link del {}", plan.namespace(SWITCH), port(node)));
    remove(&plan.namespace(&node.name))
}

/// Pulls or plugs the cable of a node.
pub(crate) fn set_cable(plan: AddressPlan, node: &Node, plugged: bool) -> Result<()> {
    let state = if plugged { "up" } else { "down" };
    line(&format!(
        "ip -n {} link set {} {state}",
        plan.namespace(SWITCH),
        port(node)
    ))
    .map(drop)
}

/// Removes the routes to the pods of a removed node.
pub(crate) fn remove_route(plan: AddressPlan, node: &Node) {
    let _ = line(&format!("ip route del {}", plan.pods_of(node.index)));
    let _ = line(&format!(
        "ip -n {} route del {}",
        plan.namespace(CONTROL),
        plan.pods_of(node.index)
    ));
}

/// All namespaces of a slot, also those that are in no settings.
pub(crate) fn namespaces(plan: AddressPlan) -> Vec<String> {
    let prefix = plan.namespace("");
    let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// Ends all processes in a namespace, then removes it.
pub(crate) fn remove(namespace: &str) -> Result<()> {
    if !namespace_exists(namespace) {
        return Ok(());
    }
    crate::process::end_all(&processes(namespace))?;
    line(&format!("ip netns del {namespace}")).map(drop)
}

/// The processes in a namespace. All of them belong to the cluster, which created the namespace.
pub(crate) fn processes(namespace: &str) -> Vec<i32> {
    let Ok(wanted) = std::fs::metadata(namespace_path(namespace)).map(|data| data.ino()) else {
        return Vec::new();
    };
    let wanted = format!("net:[{wanted}]");
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|link| link.as_os_str() == wanted.as_str())
    })
    .collect()
}

/// The host's interface, and what `ip netns` leaves behind when its last namespace is removed.
pub(crate) fn remove_base(plan: AddressPlan) -> Result<()> {
    let device = Path::new("/sys/class/net").join(plan.prefix());
    // The kernel removes it by itself, a moment after the namespace of its other end.
    if device.exists()
        && let Err(error) = line(&format!("ip link del {}", plan.prefix()))
        && device.exists()
    {
        return Err(error);
    }
    if std::fs::read_dir("/run/netns").is_ok_and(|mut entries| entries.next().is_none()) {
        let _ = line("umount /run/netns");
        let _ = std::fs::remove_dir("/run/netns");
    }
    Ok(())
}

pub(crate) fn namespace_path(namespace: &str) -> String {
    format!("/run/netns/{namespace}")
}

/// `ip netns add` that was interrupted leaves a plain file, which is no namespace.
fn namespace_exists(namespace: &str) -> bool {
    Path::new(&namespace_path(namespace)).exists()
}

/// An error if this machine cannot make network namespaces; nothing is changed yet.
pub(crate) fn check() -> Result<()> {
    let Err(error) = line("ip netns list") else {
        return Ok(());
    };
    bail!("this machine cannot make network namespaces, which the cluster lives in: {error}")
}
