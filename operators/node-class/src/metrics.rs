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

use crate::crd::NodeHostStatus;
use crate::crd::host::{Answer, HostState};
use crate::impact::Zone;
use crate::impact::zones::shown;
use crate::liveness::{State, Visibility};
use crate::planner::{NodeMetrics, Plan};

/// The latest plan, and whether this process leads.
type Latest = (Arc<Mutex<Arc<Plan>>>, Leadership);

/// The counters, and where the gauges are read.
#[derive(Clone, Debug)]
pub struct Metrics {
    writes: Family<[(&'static str, &'static str); 1], Counter>,
    gauges: Gauges,
}

/// What is written, as the label of `hearth_nodes_writes_total`.
const WRITES: [&str; 4] = ["labels", "taints", "cordon", "history"];

impl Metrics {
    /// Registers all of them; counters begin at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let (writes, gauges): (Family<_, Counter>, Gauges) = Default::default();
        for kind in WRITES {
            drop(writes.get_or_create_owned(&[("kind", kind)]));
        }
        registry.register("hearth_nodes_writes", "Writes to nodes and histories", writes.clone());
        registry.register_collector(Box::new(gauges.clone()));
        Self { writes, gauges }
    }

    /// From now on the gauges show this plan, while this process leads.
    pub fn show(&self, plan: Arc<Mutex<Arc<Plan>>>, leadership: Leadership) {
        // Called once, at the start.
        let _ = self.gauges.0.set((plan, leadership));
    }

    pub fn write(&self, kind: &'static str) {
        self.writes.get_or_create(&[("kind", kind)]).inc();
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

/// One gauge with its series; without series it is not shown.
fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    series: impl IntoIterator<Item = (Labels, f64)>,
) -> Result<(), std::fmt::Error> {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    let family: Family<Labels, Gauge<f64, AtomicU64>> = Family::default();
    for (labels, value) in series {
        family.get_or_create(&labels).set(value);
    }
    let name = format!("hearth_nodes_{name}");
    family.encode(encoder.encode_descriptor(&name, help, None, family.metric_type())?)
}

fn encode(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    nodes(plan, encoder)?;
    hosts(plan, encoder)?;
    let quorum = &plan.impact.quorum;
    let alone = |number: usize| (quorum.members > 0).then(|| (Vec::new(), count(number)));
    let help = "Members of etcd, as far as node labels tell";
    gauge(encoder, ("etcd_members", help), alone(quorum.members))?;
    let help = "Members that are up beyond the quorum";
    let spare = alone(quorum.up).map(|(labels, up)| (labels, up - count(quorum.needed)));
    gauge(encoder, ("etcd_spare_members", help), spare)?;
    let zones = |value: fn(&Zone) -> f64| {
        let zones = plan.impact.zones.iter();
        zones.map(move |zone| (vec![("zone", shown(&zone.name))], value(zone)))
    };
    let help = "1 while Kubernetes evicts nothing in the zone";
    gauge(
        encoder,
        ("zone_evictions_frozen", help),
        zones(|zone| truth(zone.frozen)),
    )?;
    let help = "How many more nodes may go before Kubernetes stops evicting";
    gauge(encoder, ("zone_headroom", help), zones(|zone| count(zone.headroom)))?;
    let only = (Vec::new(), count(plan.impact.only_volatile.len()));
    let help = "Workloads and volumes that are only on volatile nodes";
    gauge(encoder, ("only_on_volatile", help), [only])?;
    let now = plan.visibility.as_ref().map(Visibility::as_str);
    let states = ["clear", "settling", "blind", "guarded"].into_iter();
    let states = states.map(|state| (vec![("state", state.to_owned())], truth(Some(state) == now)));
    let help = "How well the operator sees whether nodes are alive";
    gauge(encoder, ("visibility", help), states)
}

fn nodes(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let nodes = plan.node_metrics.iter();
    let named = |node: &str, of: &NodeMetrics| vec![("node", node.to_owned()), ("host", of.host.clone())];
    let up = nodes.clone().filter_map(|(node, of)| match of.state {
        State::Up | State::Missing => Some((named(node, of), 1.0)),
        State::Down => Some((named(node, of), 0.0)),
        State::Unknown | State::Gone => None,
    });
    let help = "1 while the node's kubelet renews its lease; absent while unknown";
    gauge(encoder, ("up", help), up)?;
    let info = nodes.clone().map(|(node, of)| {
        let form = of.form_factor.map_or(String::new(), |form| format!("{form:?}"));
        let mut labels = named(node, of);
        labels.push(("availability", of.availability.as_str().to_owned()));
        labels.push(("form_factor", form));
        (labels, 1.0)
    });
    let help = "The node's host, availability (declared or learned) and kind of machine";
    gauge(encoder, ("info", help), info)?;
    let out = nodes.clone().filter_map(|(node, of)| {
        let ready = of.out_of_service?.to_string();
        Some((vec![("node", node.clone()), ("ready", ready)], 1.0))
    });
    let help = "The out-of-service taint is on the node, set by any writer";
    gauge(encoder, ("out_of_service", help), out)?;
    let each = |value: fn(&NodeMetrics) -> f64| {
        let nodes = nodes.clone();
        nodes.map(move |(node, of)| (vec![("node", node.clone())], value(of)))
    };
    let help = "1 while the node goes up and down too often";
    gauge(encoder, ("flapping", help), each(|of| truth(of.flapping)))?;
    let help = "Keys that another writer keeps removing";
    gauge(encoder, ("contended_keys", help), each(|of| count(of.contended)))?;
    let help = "The node is cordoned by node-class";
    let cordoned = each(|of| truth(of.cordoned)).filter(|(_, value)| *value > 0.0);
    gauge(encoder, ("cordoned", help), cordoned)
}

fn hosts(plan: &Plan, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let hosts = |value: fn(&NodeHostStatus) -> Option<f64>| {
        let hosts = plan.hosts.iter();
        hosts.filter_map(move |(host, of)| Some((vec![("host", host.clone())], value(of)?)))
    };
    let on = hosts(|host| match host.state? {
        HostState::On | HostState::Partial => Some(1.0),
        HostState::Off => Some(0.0),
        HostState::Unknown => None,
    });
    let help = "1 while a node of the host is up; absent while unknown";
    gauge(encoder, ("host_on", help), on)?;
    let help = "1 while the host is expected to be off";
    let expected = hosts(|host| Some(truth(host.expected_off)));
    gauge(encoder, ("expected_off", help), expected)?;
    let may = hosts(|host| match host.may_go_off.as_ref()?.answer {
        Answer::Yes => Some(1.0),
        Answer::No => Some(0.0),
        Answer::Unknown => None,
    });
    let help = "1 while the host may be switched off; absent while unknown";
    gauge(encoder, ("host_may_go_off", help), may)?;
    let risk = plan.hosts.keys().map(|host| {
        let risk = plan.impact.quorum_hosts.contains(host);
        (vec![("host", host.clone())], truth(risk))
    });
    let help = "1 if etcd cannot have a quorum without this host";
    gauge(encoder, ("host_endangers_quorum", help), risk)
}

fn truth(so: bool) -> f64 {
    u8::from(so).into()
}

fn count(number: usize) -> f64 {
    u32::try_from(number).unwrap_or(u32::MAX).into()
}
