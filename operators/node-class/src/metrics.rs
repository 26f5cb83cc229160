//! The operator's own metrics, `hearth_nodes_…`. What is said of objects is read from the last plan when somebody
//! asks; only a leader has one.
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::crd::history::Share;
use crate::crd::host::{Answer, HostState};
use crate::impact::Zone;
use crate::liveness::State;
use crate::planner::Plan;
use crate::reconcile::Context;

/// The counters, and where the rest is read.
#[derive(Clone, Debug)]
pub struct Metrics {
    writes: Family<[(&'static str, &'static str); 1], Counter>,
    events: Family<[(&'static str, &'static str); 1], Counter>,
    restored: Counter,
    shown: Arc<Shown>,
}

#[derive(Default)]
struct Shown(Mutex<Weak<Context>>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

/// What is written, as the label of `hearth_nodes_writes_total`.
const WRITES: [&str; 4] = ["labels", "taints", "cordon", "history"];
/// What happens, as the label of `hearth_nodes_events_total`.
const EVENTS: [&str; 4] = ["NodeWentDown", "NodeReturned", "NodeReregistered", "NodeReplaced"];

impl Metrics {
    /// Registers all of them; counters begin at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let (writes, events): (Family<_, Counter>, Family<_, Counter>) = Default::default();
        let (restored, shown) = (Counter::default(), Arc::new(Shown::default()));
        for kind in WRITES {
            drop(writes.get_or_create_owned(&[("kind", kind)]));
        }
        for kind in EVENTS {
            drop(events.get_or_create_owned(&[("kind", kind)]));
        }
        registry.register("hearth_nodes_writes", "Writes to nodes and histories", writes.clone());
        registry.register("hearth_nodes_events", "What happened to nodes", events.clone());
        registry.register(
            "hearth_nodes_restored",
            "Keys of ours that somebody had taken away",
            restored.clone(),
        );
        registry.register_collector(Box::new(Reader(Arc::clone(&shown))));
        Self {
            writes,
            events,
            restored,
            shown,
        }
    }

    /// From now on shows what this context thinks.
    pub fn show(&self, ctx: &Arc<Context>) {
        *self.shown.0.lock() = Arc::downgrade(ctx);
    }

    /// Something was written.
    pub fn write(&self, kind: &'static str) {
        self.writes.get_or_create(&[("kind", kind)]).inc();
    }

    /// Something happened to a node.
    pub fn event(&self, kind: &'static str) {
        if EVENTS.contains(&kind) {
            self.events.get_or_create(&[("kind", kind)]).inc();
        }
    }

    /// So many keys of ours had been taken away.
    pub fn restored(&self, number: u64) {
        self.restored.inc_by(number);
    }
}

#[derive(Debug)]
struct Reader(Arc<Shown>);

impl Collector for Reader {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let context = self.0.0.lock().upgrade();
        let Some(context) = context.filter(|context| context.process.leadership.term().is_some()) else {
            return Ok(());
        };
        let plan = context.plan();
        if plan.visibility.is_none() {
            return Ok(());
        }
        encode(&plan, &mut encoder)
    }
}

type Labels = Vec<(&'static str, String)>;

/// One gauge with its series; without series it is not shown.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (Labels, f64)>,
) -> Result<(), std::fmt::Error> {
    let family: Family<Labels, Gauge<f64, AtomicU64>> = Family::default();
    let mut any = false;
    for (labels, value) in series {
        family.get_or_create(&labels).set(value);
        any = true;
    }
    if !any {
        return Ok(());
    }
    let name = format!("hearth_nodes_{name}");
    family.encode(encoder.encode_descriptor(&name, help, None, family.metric_type())?)
}

fn encode(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    nodes(plan, encoder)?;
    hosts(plan, encoder)?;
    cluster(plan, encoder)
}

fn nodes(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let of = |node: &String| vec![("node", node.clone())];
    let all = || plan.node_metrics.iter();
    let up = all().filter_map(|(node, node_metrics)| {
        let up = match node_metrics.state {
            State::Up | State::Missing => 1.0,
            State::Down => 0.0,
            State::Unknown | State::Gone => return None,
        };
        Some((vec![("node", node.clone()), ("host", node_metrics.host.clone())], up))
    });
    gauge(
        encoder,
        "up",
        "1 while the node's kubelet renews its lease; absent while unknown",
        up,
    )?;
    let info = all().map(|(node, node_metrics)| {
        let labels = vec![
            ("node", node.clone()),
            ("host", node_metrics.host.clone()),
            ("availability", node_metrics.availability.as_str().to_owned()),
            (
                "form_factor",
                node_metrics
                    .form_factor
                    .map_or(String::new(), |form| format!("{form:?}")),
            ),
        ];
        (labels, 1.0)
    });
    gauge(
        encoder,
        "info",
        "The node's host, availability (declared or learned) and kind of machine",
        info,
    )?;
    let windows = |share: fn(&Share) -> Option<i64>| {
        all().flat_map(move |(node, node_metrics)| {
            let shares = [
                ("day", node_metrics.windows.day),
                ("week", node_metrics.windows.week),
                ("month", node_metrics.windows.month),
            ];
            shares.into_iter().filter_map(move |(window, one)| {
                let labels = vec![("node", node.clone()), ("window", window.to_owned())];
                // Per mille has three digits: exact in a float.
                Some((labels, f64::from(i32::try_from(share(&one)?).ok()?) / 1000.0))
            })
        })
    };
    let help = "Share of the known time in which the node was up";
    gauge(encoder, "availability_ratio", help, windows(|share| share.per_mille))?;
    let help = "Share of the window that is known";
    gauge(
        encoder,
        "coverage_ratio",
        help,
        windows(|share| Some(share.coverage_per_mille)),
    )?;
    let penalty = all().map(|(node, node_metrics)| (of(node), float(node_metrics.penalty)));
    gauge(
        encoder,
        "flap_penalty",
        "Penalty for going up and down; it decays",
        penalty,
    )?;
    let flapping = all().map(|(node, node_metrics)| (of(node), truth(node_metrics.flapping)));
    gauge(
        encoder,
        "flapping",
        "1 while the node goes up and down too often",
        flapping,
    )?;
    marks(plan, encoder)
}

/// What is found on nodes beside their being up.
fn marks(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let of = |node: &String| vec![("node", node.clone())];
    let all = || plan.node_metrics.iter();
    let offset = all().filter_map(|(node, node_metrics)| Some((of(node), node_metrics.clock_offset?)));
    gauge(
        encoder,
        "clock_offset_seconds",
        "The node's clock minus the operator's, at its lease's last change",
        offset,
    )?;
    let silent = all().map(|(node, node_metrics)| (of(node), node_metrics.silent.as_secs_f64()));
    let help = "For how long the node's lease has not changed, blind time not counted";
    gauge(encoder, "lease_silent_seconds", help, silent)?;
    let known = all().filter_map(|(node, node_metrics)| Some((of(node), seconds(node_metrics.known_until?))));
    gauge(
        encoder,
        "history_known_until_timestamp_seconds",
        "Until when the history is stored",
        known,
    )?;
    let out = all().filter_map(|(node, node_metrics)| {
        let ready = node_metrics.out_of_service?;
        Some((vec![("node", node.clone()), ("ready", ready.to_string())], 1.0))
    });
    gauge(
        encoder,
        "out_of_service",
        "The out-of-service taint is on the node, whoever put it there",
        out,
    )?;
    let cordoned = all()
        .filter(|(_, node_metrics)| node_metrics.cordoned)
        .map(|(node, _)| (of(node), 1.0));
    gauge(encoder, "cordoned", "The node is cordoned by node-class", cordoned)?;
    let contended = all().map(|(node, node_metrics)| (of(node), count(node_metrics.contended)));
    gauge(
        encoder,
        "contended_keys",
        "Keys that somebody keeps taking away",
        contended,
    )
}

fn hosts(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let of = |host: &String| vec![("host", host.clone())];
    let all = || plan.hosts.iter();
    let on = all().filter_map(|(host, status)| match status.state? {
        HostState::On | HostState::Partial => Some((of(host), 1.0)),
        HostState::Off => Some((of(host), 0.0)),
        HostState::Unknown => None,
    });
    gauge(
        encoder,
        "host_on",
        "1 while a node of the host is up; absent while unknown",
        on,
    )?;
    let expected = all().map(|(host, status)| (of(host), truth(status.expected_off)));
    gauge(
        encoder,
        "expected_off",
        "1 while the host is expected to be off",
        expected,
    )?;
    let may = all().filter_map(|(host, status)| match status.may_go_off.as_ref()?.answer {
        Answer::Yes => Some((of(host), 1.0)),
        Answer::No => Some((of(host), 0.0)),
        Answer::Unknown => None,
    });
    gauge(
        encoder,
        "host_may_go_off",
        "1 while the host may be switched off; absent while unknown",
        may,
    )?;
    let risk = all().map(|(host, _)| (of(host), truth(plan.impact.quorum_hosts.contains(host))));
    gauge(
        encoder,
        "host_endangers_quorum",
        "1 if etcd cannot have a quorum without this host",
        risk,
    )
}

fn cluster(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let quorum = &plan.impact.quorum;
    let known = quorum.members > 0;
    let members = known.then(|| (Vec::new(), count(quorum.members)));
    gauge(
        encoder,
        "etcd_members",
        "Members of etcd, as far as node labels tell",
        members,
    )?;
    let spare = known.then(|| (Vec::new(), count(quorum.up) - count(quorum.quorum)));
    gauge(
        encoder,
        "etcd_spare_members",
        "Members that are up beyond the quorum",
        spare,
    )?;
    let zone = |zone: &Zone| {
        let name = [zone.name.0.as_str(), zone.name.1.as_str()];
        let name: Vec<&str> = name.into_iter().filter(|part| !part.is_empty()).collect();
        vec![("zone", name.join("/"))]
    };
    let zones = || plan.impact.zones.iter();
    let frozen = zones().map(|of| (zone(of), truth(of.frozen)));
    gauge(
        encoder,
        "zone_evictions_frozen",
        "1 while Kubernetes evicts nothing in the zone",
        frozen,
    )?;
    let headroom = zones().map(|of| (zone(of), count(of.headroom)));
    gauge(
        encoder,
        "zone_headroom",
        "How many more nodes may go before Kubernetes stops evicting",
        headroom,
    )?;
    let only = std::iter::once((Vec::new(), count(plan.impact.only_volatile.len())));
    gauge(
        encoder,
        "only_on_volatile",
        "Workloads and volumes that are only on volatile nodes",
        only,
    )?;
    let classes = plan.classes.iter();
    let nodes = classes.clone().map(|(class, status)| {
        (
            vec![("class", class.clone())],
            float(status.matched.unwrap_or_default()),
        )
    });
    gauge(encoder, "class_nodes", "Nodes that the class matches", nodes)?;
    let conflicts = classes.map(|(class, status)| (vec![("class", class.clone())], count(status.conflicts.len())));
    gauge(
        encoder,
        "class_conflicts",
        "Keys that the class does not get",
        conflicts,
    )?;
    let now = plan
        .visibility
        .as_ref()
        .map_or("settling", |visibility| crate::planner::visibility(visibility).0);
    let states = ["clear", "settling", "blind", "guarded"].into_iter();
    let states = states.map(|state| (vec![("state", state.to_owned())], truth(state == now)));
    gauge(
        encoder,
        "visibility",
        "How well the operator sees whether nodes are alive",
        states,
    )
}

fn truth(so: bool) -> f64 {
    if so { 1.0 } else { 0.0 }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn float(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::INFINITY, f64::from)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
