//! The planner: a pure step from what was observed to what should be. It runs every few
//! seconds; the reconcilers carry out what it says.
mod class_status;
mod host_status;
mod node_metrics;
mod node_state;
mod nodes;
mod off_request;
mod pending_write;
mod types;
mod unusable_classes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::args::{Feature, Learning, Settings, Timing};
use crate::class::contention::Contention;
use crate::class::is_out_of_service;
use crate::clock::Now;
use crate::crd::{Availability, NodeHistoryStatus};
use crate::facts::NodeFacts;
use crate::host::Claims;
use crate::liveness::{Domains, LivenessStatus, LivenessTracker, NodeEvent, Visibility};

use types::{Step, find_host};
use unusable_classes::unusable;

pub use pending_write::{Cordon, PendingWrite, pending_write};
pub use types::{Entry, NodeMetrics, NodePlan, Observed, Plan, Stored};

/// The operator's memory.
#[derive(Debug)]
pub struct Planner {
    timing: Timing,
    learning: Learning,
    zone: TimeZone,
    features: Vec<Feature>,
    /// Liveness; it is fed on leader and standby alike.
    pub tracker: LivenessTracker,
    pub(crate) entries: Stored,
    pub(crate) contention: Contention,
    /// As of the last plan.
    node_plans: BTreeMap<String, Arc<NodePlan>>,
    /// Hosts and steadiness as of the last plan.
    domains: Arc<Domains>,
    /// What happened and is not in the records yet, with the time of the event. A standby keeps it for when it takes over.
    pending: Vec<(Duration, NodeEvent)>,
    /// Histories that are to be stored.
    pub(crate) outbox: BTreeMap<String, ToStore>,
    /// By node, keys that the API server refused because others manage them, and when that was.
    theirs: BTreeMap<String, (Duration, Vec<(String, String)>)>,
    /// Requests that were granted by the last plan, and since when: their status may not be written yet.
    granted: BTreeMap<String, (String, Timestamp)>,
    /// When this process began to lead with a clear view.
    clear_since: Option<Duration>,
    /// Whether [`Planner::restore`] was called.
    pub(crate) restored: bool,
    /// Whether [`Planner::load`] was called in this term.
    pub(crate) loaded: bool,
}

/// A standby remembers what happened for this long; a leader's lease ends much sooner.
const REMEMBERED: Duration = Duration::from_mins(10);

/// For this long keys of others are not tried again.
const LEFT: Duration = Duration::from_mins(10);

/// A history that is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ToStore {
    pub status: NodeHistoryStatus,
    /// When a reconcile was asked for, on the monotonic clock; none of what is newer than the last one.
    pub asked: Option<Duration>,
}

impl Planner {
    /// Knows nothing yet.
    pub fn new(settings: &Settings, now: Now) -> Self {
        Self {
            timing: settings.timing,
            learning: settings.learning,
            zone: settings.time_zone.clone(),
            features: settings.features.0.clone(),
            tracker: LivenessTracker::new(settings.timing, now),
            entries: BTreeMap::new(),
            contention: Contention::default(),
            node_plans: BTreeMap::new(),
            domains: Arc::default(),
            pending: Vec::new(),
            outbox: BTreeMap::new(),
            theirs: BTreeMap::new(),
            granted: BTreeMap::new(),
            clear_since: None,
            restored: false,
            loaded: false,
        }
    }

    /// Gives liveness what is stored of the time before this process. Called once, with all that is stored, before anything is
    /// judged; also on a standby, so that it sees what happens as a leader would.
    pub fn restore(&mut self, stored: &Stored) {
        for (name, entry) in stored {
            if let Some(remembered) = entry.record.remembered() {
                self.tracker.restore(name, remembered);
            }
        }
        self.restored = true;
    }

    /// Takes over what is stored. Called when this process begins to lead, with all that was stored then.
    pub fn load(&mut self, stored: Stored) {
        self.entries = stored;
        self.clear_since = None;
        self.loaded = true;
    }

    /// Another leads: what is stored from now on is theirs. What happens is remembered for a while, in case the leader goes
    /// down together with what it should have stored.
    pub fn stand_by(&mut self, now: Now) {
        self.entries.clear();
        self.outbox.clear();
        self.node_plans.clear();
        self.granted.clear();
        (self.loaded, self.clear_since) = (false, None);
        self.look(now);
        self.pending
            .retain(|(at, _)| now.mono.saturating_sub(*at) <= REMEMBERED);
    }

    /// Judges whether nodes are alive. True if something happened or the visibility changed, so that a plan is needed.
    pub fn look(&mut self, now: Now) -> bool {
        let before = self.tracker.visibility();
        let events = self.tracker.step(&self.domains, now);
        let happened = !events.is_empty();
        self.pending.extend(events.into_iter().map(|event| (now.mono, event)));
        happened || self.tracker.visibility() != before
    }

    /// What is stored of a node was deleted: what it did is not remembered any more, and what it was learned to be neither. But
    /// a node with our out-of-service taint keeps the grounds for it.
    pub fn forget(&mut self, node: &str, facts: Option<&NodeFacts>) {
        if facts.is_some_and(is_out_of_service) {
            return;
        }
        self.entries.remove(node);
        self.outbox.remove(node);
        self.pending.retain(|(_, (name, _))| name != node);
    }

    /// Whether it has become time to take away what is too much: after visibility first becomes clear only adding is allowed for a while, and the end
    /// of that while is nothing that happens by itself. The stores are complete.
    pub fn settled(&self, now: Now) -> bool {
        let only_added = self.node_plans.values().next().is_some_and(|plan| plan.only_add);
        only_added && self.tracker.visibility() == Visibility::Clear && self.long_clear(now)
    }

    fn long_clear(&self, now: Now) -> bool {
        self.clear_since
            .is_some_and(|since| now.mono.saturating_sub(since) >= self.timing.settle)
    }

    /// What was taken from the outbox could not be stored: it is still to be, unless something newer has come meanwhile.
    pub fn not_stored(&mut self, node: &str, waiting: ToStore) {
        self.outbox.entry(node.to_owned()).or_insert(waiting);
    }

    /// The API server refused an apply, because others manage these keys. They are left to them for a while.
    pub fn refused(&mut self, node: &str, keys: Vec<(String, String)>, now: Now) {
        let theirs = self.theirs.entry(node.to_owned()).or_default();
        theirs.0 = now.mono;
        theirs.1.extend(keys);
        theirs.1.sort();
        theirs.1.dedup();
    }

    /// Whether pods and volumes of the time before a failover have to be looked for on the node.
    pub fn watches_leftovers(&self, node: &str) -> bool {
        self.entries.get(node).is_some_and(|entry| entry.ready_since.is_some())
    }

    /// Whether this part is switched on.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// One step.
    pub fn plan(&mut self, observed: &Observed, now: Now) -> Plan {
        let claims = Self::claims(observed);
        let domains = Arc::new(self.domains(observed, &claims));
        self.domains = Arc::clone(&domains);
        let events = std::mem::take(&mut self.pending);
        let visibility = self.tracker.visibility();
        let clear = visibility == Visibility::Clear;
        if clear {
            self.clear_since.get_or_insert(now.mono);
        }
        let mut plan = Plan::default();
        let windows = self.windows(observed, now);
        let leaving = self.leaving(observed, &windows);
        let mut on: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (node, host) in &claims.host {
            on.entry(host).or_default().push((node, self.liveness(node)));
        }
        let step = Step {
            observed,
            claims: &claims,
            domains: &domains,
            on: &on,
            unusable: &unusable(observed),
            windows: &windows,
            leaving: &leaving,
            clear,
            only_add: !(clear && self.long_clear(now) && observed.complete),
            still: matches!(visibility, Visibility::Blind | Visibility::Guarded(_)),
            now,
        };
        self.account(&step, &events, &mut plan);

        plan.impact = self.impact(&step);
        self.note_members(&step, &plan.impact);
        let views = self.plan_nodes(&step, &mut plan);
        Self::view_classes(&step, &views, &mut plan);
        if clear {
            self.view_hosts(&step, &mut plan);
            self.store(&step, &plan);
        }
        self.node_metrics(&step, &mut plan);
        plan.visibility = Some(visibility);
        plan
    }

    fn claims(observed: &Observed) -> Claims {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for host in &observed.hosts {
            let nodes = host.status.iter().flat_map(|status| &status.nodes);
            let removed = nodes.filter(|node| !observed.nodes.contains_key(&node.name));
            known.extend(removed.map(|node| (node.name.clone(), host.name_any())));
        }
        let hosts = observed.hosts.iter().map(|host| &**host);
        crate::host::claims(hosts, observed.nodes.values().map(|node| &**node), &known)
    }

    fn domains(&self, observed: &Observed, claims: &Claims) -> Domains {
        let names: BTreeSet<&String> = observed.nodes.keys().chain(claims.host.keys()).collect();
        let host = names
            .iter()
            .map(|node| ((*node).clone(), claims.host.get(*node).unwrap_or(node).clone()))
            .collect();
        let steady = names
            .into_iter()
            .filter(|node| self.availability(observed, claims, node) != Availability::Volatile);
        Domains {
            steady: steady.cloned().collect(),
            host,
        }
    }

    /// Declared beats learned.
    pub(crate) fn availability(&self, observed: &Observed, claims: &Claims, node: &str) -> Availability {
        let declared = || find_host(observed, claims.host.get(node)?)?.spec.availability;
        let learned = || Some(self.entries.get(node)?.record.learned());
        declared().or_else(learned).unwrap_or_default()
    }

    pub(crate) fn liveness(&self, node: &str) -> LivenessStatus {
        self.tracker.liveness(node).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
