//! The operator's own metrics, `hearth_nodes_…`. The gauges are read from the latest plan when they are asked for; only a leader
//! has one.
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use hearth_reconciler::lease::Leadership;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::crd::history::Share;
use crate::crd::host::{Answer, HostState};
use crate::crd::{NodeClassStatus, NodeHostStatus};
use crate::impact::{Quorum, Zone};
use crate::liveness::{State, Visibility};
use crate::planner::{NodeMetrics, Plan};

/// The latest plan, and whether this process leads.
type Latest = (Arc<Mutex<Arc<Plan>>>, Leadership);

/// The counters, and where the gauges are read.
#[derive(Clone, Debug)]
pub struct Metrics {
    writes: Family<[(&'static str, &'static str); 1], Counter>,
    events: Family<[(&'static str, &'static str); 1], Counter>,
    restored: Counter,
    gauges: Gauges,
}

/// What is written, as the label of `hearth_nodes_writes_total`.
const WRITES: [&str; 4] = ["labels", "taints", "cordon", "history"];
/// What happened, as the label of `hearth_nodes_events_total`.
const EVENTS: [&str; 4] = ["NodeWentDown", "NodeReturned", "NodeReregistered", "NodeReplaced"];

impl Metrics {
    /// Registers all of them; counters begin at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let (writes, events): (Family<_, Counter>, Family<_, Counter>) = Default::default();
        let (restored, gauges) = (Counter::default(), Gauges::default());
        for kind in WRITES {
            drop(writes.get_or_create_owned(&[("kind", kind)]));
        }
        for kind in EVENTS {
            drop(events.get_or_create_owned(&[("kind", kind)]));
        }
        registry.register("hearth_nodes_writes", "Writes to nodes and histories", writes.clone());
        registry.register("hearth_nodes_events", "What happened to nodes", events.clone());
        let help = "Keys of ours that another writer had removed";
        registry.register("hearth_nodes_restored", help, restored.clone());
        registry.register_collector(Box::new(gauges.clone()));
        Self {
            writes,
            events,
            restored,
            gauges,
        }
    }

    /// From now on the gauges show this plan, while this process leads.
    pub fn show(&self, plan: Arc<Mutex<Arc<Plan>>>, leadership: Leadership) {
        // Called once, at the start.
        let _ = self.gauges.0.set((plan, leadership));
    }

    pub fn write(&self, kind: &'static str) {
        self.writes.get_or_create(&[("kind", kind)]).inc();
    }

    pub fn event(&self, kind: &'static str) {
        if EVENTS.contains(&kind) {
            self.events.get_or_create(&[("kind", kind)]).inc();
        }
    }

    /// So many keys of ours had been removed.
    pub fn restored(&self, number: u64) {
        self.restored.inc_by(number);
    }
}

#[derive(Clone, Default)]
struct Gauges(Arc<OnceLock<Latest>>);

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some((plan, _)) = self.0.get().filter(|(_, leadership)| leadership.term().is_some()) else {
            return Ok(());
        };
        let plan = Arc::clone(&plan.lock());
        if plan.visibility.is_none() {
            return Ok(());
        }
        encode(&plan, &mut encoder)
    }
}

type Labels = Vec<(&'static str, String)>;
/// Name, help and value of a gauge. Objects without a value are left out.
type Row<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

/// Tables of gauges: `NAME of TYPE { name: help => value }`.
macro_rules! tables {
    ($($table:ident of $type:ty { $($name:literal: $help:literal => $value:expr;)* })*) => {
        $(const $table: &[Row<$type>] = &[$(($name, $help, $value)),*];)*
    };
}

tables! {
    NODES of NodeMetrics {
        "flap_penalty": "Penalty for going up and down; it decays" => |n| float(n.penalty);
        "flapping": "1 while the node goes up and down too often" => |n| truth(n.flapping);
        "clock_offset_seconds": "The node's clock minus the operator's, at its lease's last change" => |n| n.clock_offset;
        "lease_silent_seconds": "For how long the node's lease has not changed, blind time not counted" =>
            |n| Some(n.silent.as_secs_f64());
        "history_known_until_timestamp_seconds": "Until when the history is stored" =>
            |n| Some(n.known_until?.as_duration().as_secs_f64());
        "cordoned": "The node is cordoned by node-class" => |n| n.cordoned.then_some(1.0);
        "contended_keys": "Keys that another writer keeps removing" => |n| count(n.contended);
    }
    HOSTS of NodeHostStatus {
        "host_on": "1 while a node of the host is up; absent while unknown" => |h| match h.state? {
            HostState::On | HostState::Partial => Some(1.0),
            HostState::Off => Some(0.0),
            HostState::Unknown => None,
        };
        "expected_off": "1 while the host is expected to be off" => |h| truth(h.expected_off);
        "host_may_go_off": "1 while the host may be switched off; absent while unknown" =>
            |h| match h.may_go_off.as_ref()?.answer {
                Answer::Yes => Some(1.0),
                Answer::No => Some(0.0),
                Answer::Unknown => None,
            };
    }
    ETCD of Quorum {
        "etcd_members": "Members of etcd, as far as node labels tell" => |q| count(q.members);
        "etcd_spare_members": "Members that are up beyond the quorum" => |q| Some(count(q.up)? - count(q.needed)?);
    }
    ZONES of Zone {
        "zone_evictions_frozen": "1 while Kubernetes evicts nothing in the zone" => |z| truth(z.frozen);
        "zone_headroom": "How many more nodes may go before Kubernetes stops evicting" => |z| count(z.headroom);
    }
    CLASSES of NodeClassStatus {
        "class_nodes": "Nodes that the class matches" => |c| float(c.matched.unwrap_or_default());
        "class_conflicts": "Keys that the class does not get" => |c| count(c.conflicts.len());
    }
}

/// One gauge with its series; without series it is not shown.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
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

/// A table's gauges, of objects that one label names.
fn table<'a, T: 'a>(
    encoder: &mut DescriptorEncoder<'_>,
    rows: &[Row<T>],
    label: &'static str,
    objects: &(impl Iterator<Item = (String, &'a T)> + Clone),
) -> Result<(), std::fmt::Error> {
    for (name, help, value) in rows {
        let series = objects
            .clone()
            .filter_map(|(object, of)| Some((vec![(label, object)], value(of)?)));
        gauge(encoder, (name, help), series)?;
    }
    Ok(())
}

fn encode(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let named = |(node, of): (&String, &NodeMetrics)| vec![("node", node.clone()), ("host", of.host.clone())];
    let nodes = plan.node_metrics.iter();
    let up = nodes.clone().filter_map(|one| match one.1.state {
        State::Up | State::Missing => Some((named(one), 1.0)),
        State::Down => Some((named(one), 0.0)),
        State::Unknown | State::Gone => None,
    });
    let help = "1 while the node's kubelet renews its lease; absent while unknown";
    gauge(encoder, ("up", help), up)?;
    let info = nodes.clone().map(|one| {
        let form = one.1.form_factor.map_or(String::new(), |form| format!("{form:?}"));
        let more = [
            ("availability", one.1.availability.as_str().to_owned()),
            ("form_factor", form),
        ];
        (named(one).into_iter().chain(more).collect(), 1.0)
    });
    let help = "The node's host, availability (declared or learned) and kind of machine";
    gauge(encoder, ("info", help), info)?;
    let windows = |share: fn(&Share) -> Option<i64>| {
        plan.node_metrics.iter().flat_map(move |(node, of)| {
            let shares = [
                ("day", of.windows.day),
                ("week", of.windows.week),
                ("month", of.windows.month),
            ];
            shares.into_iter().filter_map(move |(window, one)| {
                let labels = vec![("node", node.clone()), ("window", window.to_owned())];
                // Per mille has three digits: exact in a float.
                Some((labels, float(share(&one)?)? / 1000.0))
            })
        })
    };
    let help = "Share of the known time in which the node was up";
    gauge(encoder, ("availability_ratio", help), windows(|share| share.per_mille))?;
    let help = "Share of the window that is known";
    let coverage = windows(|share| Some(share.coverage_per_mille));
    gauge(encoder, ("coverage_ratio", help), coverage)?;
    let out = nodes.clone().filter_map(|(node, of)| {
        let ready = of.out_of_service?;
        Some((vec![("node", node.clone()), ("ready", ready.to_string())], 1.0))
    });
    let help = "The out-of-service taint is on the node, set by any writer";
    gauge(encoder, ("out_of_service", help), out)?;
    table(encoder, NODES, "node", &nodes.map(|(node, of)| (node.clone(), of)))?;

    let hosts = plan.hosts.iter().map(|(host, of)| (host.clone(), of));
    table(encoder, HOSTS, "host", &hosts)?;
    let risks = |host: &String| u8::from(plan.impact.quorum_hosts.contains(host)).into();
    let risk = hosts.map(|(host, _)| (risks(&host), host));
    let risk = risk.map(|(value, host)| (vec![("host", host)], value));
    let help = "1 if etcd cannot have a quorum without this host";
    gauge(encoder, ("host_endangers_quorum", help), risk)?;

    let quorum = Some(&plan.impact.quorum).filter(|quorum| quorum.members > 0);
    for (name, help, value) in ETCD {
        let one = quorum.and_then(value).map(|value| (Vec::new(), value));
        gauge(encoder, (name, help), one)?;
    }
    let zones = plan.impact.zones.iter().map(|zone| (zone_name(zone), zone));
    table(encoder, ZONES, "zone", &zones)?;
    let only = count(plan.impact.only_volatile.len()).map(|number| (Vec::new(), number));
    let help = "Workloads and volumes that are only on volatile nodes";
    gauge(encoder, ("only_on_volatile", help), only)?;
    let classes = plan.classes.iter().map(|(class, of)| (class.clone(), of));
    table(encoder, CLASSES, "class", &classes)?;
    let now = plan.visibility.as_ref().map(Visibility::as_str);
    let states = ["clear", "settling", "blind", "guarded"].into_iter();
    let states = states.map(|state| (vec![("state", state.to_owned())], u8::from(Some(state) == now).into()));
    let help = "How well the operator sees whether nodes are alive";
    gauge(encoder, ("visibility", help), states)
}

fn zone_name(zone: &Zone) -> String {
    let parts = [zone.name.0.as_str(), zone.name.1.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[allow(clippy::unnecessary_wraps, reason = "a value of a row")]
fn truth(so: bool) -> Option<f64> {
    Some(u8::from(so).into())
}

fn count(number: usize) -> Option<f64> {
    u32::try_from(number).ok().map(f64::from)
}

fn float(number: i64) -> Option<f64> {
    i32::try_from(number).ok().map(f64::from)
}
