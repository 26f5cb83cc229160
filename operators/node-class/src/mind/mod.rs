//! What the operator makes of the world: a pure step from what is known to what should be so. It is asked every few
//! seconds; the reconcilers carry out what it says.
mod classes;
mod hosts;
mod nodes;

pub use hosts::sight;
pub use nodes::due;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::conditions;
use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::args::{Feature, Learning, Settings, Timing};
use crate::class::Wanted;
use crate::class::contention::Contention;
use crate::class::debounce::Debounce;
use crate::class::lockout::DaemonSetFacts;
use crate::class::oscillation::Oscillation;
use crate::clock::Now;
use crate::crd::history::Windows;
use crate::crd::host::FormFactor;
use crate::crd::{Availability, NodeClass, NodeClassStatus, NodeHistory, NodeHistoryStatus, NodeHost, NodeHostStatus};
use crate::facts::NodeFacts;
use crate::failover;
use crate::history::Record;
use crate::host::Claims;
use crate::liveness::{Domains, Happening, Observer, Sight, Standing, State, What};
use crate::picture::{Dwellings, Picture};

/// What is known from outside at one moment. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The Nodes.
    pub nodes: BTreeMap<String, Arc<NodeFacts>>,
    /// The NodeHosts.
    pub hosts: Vec<Arc<NodeHost>>,
    /// The classes.
    pub classes: Vec<Arc<NodeClass>>,
    /// What lives where; none if it is not watched.
    pub dwellings: Option<Arc<Dwellings>>,
    /// DaemonSets; none if they are not known.
    pub daemon_sets: Option<Arc<Vec<DaemonSetFacts>>>,
    /// What the operator's own pod tolerates; none if it is not known.
    pub own_tolerations: Option<Arc<Vec<Toleration>>>,
    /// Whether a host's own address answered at the last look.
    pub answers: BTreeMap<String, bool>,
    /// Pods still terminating and volumes still attached on nodes that are back with our out-of-service taint.
    pub leftovers: BTreeMap<String, usize>,
    /// Whether each of the watches is complete and works: only then may anything be taken away.
    pub complete: bool,
}

/// What a node should have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodePlan {
    /// Labels, annotations, taints.
    pub wanted: Wanted,
    /// Taints beside those of classes.
    pub extra: Vec<Taint>,
    /// The request for which it is to be cordoned.
    pub cordon: Option<String>,
    /// Keys that others manage, as the API server told when we wanted to apply them, with the manager.
    pub theirs: Vec<(String, String)>,
    /// Nothing of ours is taken away yet.
    pub only_add: bool,
    /// Nothing is written at all: it is not clear what is so.
    pub still: bool,
}

/// What the operator thinks.
#[derive(Clone, Debug, Default)]
pub struct Thought {
    /// By node.
    pub plans: BTreeMap<String, NodePlan>,
    /// By host: the status but for what is not ours to say here (`power`) or is decided while acting (`off`).
    pub hosts: BTreeMap<String, NodeHostStatus>,
    /// By class.
    pub classes: BTreeMap<String, NodeClassStatus>,
    /// By node: conditions of its history that are true: type, reason, message.
    pub findings: BTreeMap<String, Vec<Finding>>,
    /// By node: what is shown of its history.
    pub figures: BTreeMap<String, Figures>,
    /// Events on nodes: name, reason, text.
    pub events: Vec<(String, &'static str, String)>,
    /// The picture.
    pub picture: Picture,
    /// How well we see.
    pub sight: Option<Sight>,
}

/// A condition that is true: its type, reason and message.
pub type Finding = (&'static str, &'static str, String);

/// A node's figures, for metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Whether it is alive.
    pub state: State,
    /// Its host, or its own name.
    pub host: String,
    /// Of its host.
    pub form_factor: Option<FormFactor>,
    /// Declared or learned.
    pub availability: Availability,
    /// Availability over time.
    pub windows: Windows,
    /// The flap penalty now.
    pub penalty: i64,
    /// Whether it counts as flapping.
    pub flapping: bool,
    /// The node's clock minus ours, in seconds.
    pub clock_offset: Option<f64>,
    /// For how long its lease is silent.
    pub silent: Duration,
    /// Until when its history is stored, at least.
    pub known_until: Option<jiff::Timestamp>,
    /// Whether the out-of-service taint is on it, and if so, whether it is Ready.
    pub out_of_service: Option<bool>,
    /// Cordoned by us.
    pub cordoned: bool,
    /// How many keys somebody keeps taking away.
    pub contended: usize,
}

/// What is remembered of a node between two thoughts.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// The state that the record accounts for since it was advanced last; none until first judged.
    pub(crate) state: Option<State>,
    pub(crate) planned: bool,
    /// Something happened that is not stored yet.
    pub(crate) dirty: bool,
    /// When it was stored last.
    pub(crate) stored: Option<Duration>,
    /// What was stored last, but for times that move by themselves.
    pub(crate) shown: Option<Shown>,
    /// The stored history is of a newer format or broken: nothing is written for it.
    pub(crate) unreadable: Option<String>,
    pub(crate) flapping: bool,
    pub(crate) dampening: Option<crate::crd::class::Dampening>,
    /// Why the failover waits, told once.
    pub(crate) hold: Option<&'static str>,
    /// When it was first seen Ready again while our out-of-service taint is there.
    pub(crate) ready_since: Option<Duration>,
}

/// What of a history makes it worth storing when it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) state: State,
    pub(crate) host: Option<String>,
    pub(crate) classes: Vec<String>,
    pub(crate) learned: Availability,
    pub(crate) flapping: bool,
    /// The types of the findings.
    pub(crate) findings: Vec<String>,
}

impl Shown {
    /// As it is stored; none if nothing is.
    fn of(status: &NodeHistoryStatus) -> Option<Self> {
        let all = [State::Up, State::Down, State::Unknown, State::Gone, State::Missing];
        let state = all
            .into_iter()
            .find(|state| Some(state.as_str()) == status.state.as_deref())?;
        Some(Self {
            state,
            host: status.host.clone(),
            classes: status.classes.clone(),
            learned: status.learned?,
            flapping: status.penalty.as_ref().is_some_and(|p| p.flapping_since.is_some()),
            findings: {
                let found = status
                    .conditions
                    .iter()
                    .filter(|condition| condition.type_ != conditions::READY);
                found.map(|condition| condition.type_.clone()).collect()
            },
        })
    }
}

/// The operator's memory.
#[derive(Debug)]
pub struct Mind {
    timing: Timing,
    learning: Learning,
    zone: TimeZone,
    features: Vec<Feature>,
    /// Liveness; it is fed on leader and standby alike.
    pub observer: Observer,
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) contention: Contention,
    pub(crate) oscillation: Oscillation,
    pub(crate) debounce: Debounce,
    /// Hosts and steadiness as of the last thought.
    domains: Domains,
    /// What happened and is not in the records yet, with when it was told. A standby keeps it for when it takes over.
    pending: VecDeque<(Duration, Happening)>,
    /// Histories that are to be stored.
    outbox: BTreeMap<String, NodeHistoryStatus>,
    /// By node, keys that the API server refused because others manage them, and when that was.
    theirs: BTreeMap<String, (Duration, Vec<(String, String)>)>,
    /// When this process began to lead with a clear view.
    clear_since: Option<Duration>,
    recalled: bool,
    loaded: bool,
}

/// From this offset on a clock counts as wrong, in seconds; a lease's own way here takes less than one.
const OFFSET: f64 = 5.0;

/// A standby remembers what happened for this long; a leader's lease ends much sooner.
const REMEMBERED: Duration = Duration::from_mins(10);

/// For this long keys of others are not tried again.
const LEFT: Duration = Duration::from_mins(10);

/// For this long after the view has become clear nothing is taken away.
const ADD_ONLY: Duration = Duration::from_mins(1);

impl Mind {
    /// Knows nothing yet.
    pub fn new(settings: &Settings, now: Now) -> Self {
        Self {
            timing: settings.timing,
            learning: settings.learning,
            zone: settings.time_zone.clone(),
            features: settings.features.0.clone(),
            observer: Observer::new(settings.timing, now),
            entries: BTreeMap::new(),
            contention: Contention::default(),
            oscillation: Oscillation::default(),
            debounce: Debounce::default(),
            domains: Domains::default(),
            pending: VecDeque::new(),
            outbox: BTreeMap::new(),
            theirs: BTreeMap::new(),
            clear_since: None,
            recalled: false,
            loaded: false,
        }
    }

    /// Tells liveness what is stored of the time before this process. Called once, with complete stores, before anything is
    /// judged; also on a standby, so that it sees what happens as a leader would.
    pub fn recall<'a>(&mut self, histories: impl IntoIterator<Item = &'a NodeHistory>) {
        for history in histories {
            let status = history.status.clone().unwrap_or_default();
            let remembered = Record::read(&status).ok().and_then(|record| record.remembered());
            if let (Some(name), Some(remembered)) = (&history.metadata.name, remembered) {
                self.observer.recall(name, remembered);
            }
        }
        self.recalled = true;
    }

    /// Whether [`Mind::recall`] was called.
    pub fn recalled(&self) -> bool {
        self.recalled
    }

    /// Takes over what is stored. Called when this process begins to lead, with complete stores.
    pub fn load<'a>(&mut self, histories: impl IntoIterator<Item = &'a NodeHistory>) {
        self.entries.clear();
        self.clear_since = None;
        for history in histories {
            let name = history.metadata.name.clone().unwrap_or_default();
            let status = history.status.clone().unwrap_or_default();
            let (record, unreadable) = match Record::read(&status) {
                Ok(record) => (record, None),
                Err(error) => (
                    Record::new(crate::crd::history::Machine::default()),
                    Some(error.to_string()),
                ),
            };
            let mut entry = Entry::new(record);
            entry.unreadable = unreadable;
            entry.flapping = status.penalty.as_ref().is_some_and(|p| p.flapping_since.is_some());
            entry.shown = Shown::of(&status);
            self.entries.insert(name, entry);
        }
        self.loaded = true;
    }

    /// Whether [`Mind::load`] was called in this term.
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// Another leads: what is stored from now on is theirs. What happens is remembered for a while, in case the leader goes
    /// down together with what it should have told.
    pub fn stand_by(&mut self, now: Now) {
        self.entries.clear();
        self.outbox.clear();
        (self.loaded, self.clear_since) = (false, None);
        self.look(now);
        while self
            .pending
            .front()
            .is_some_and(|(told, _)| now.mono.saturating_sub(*told) > REMEMBERED)
        {
            self.pending.pop_front();
        }
    }

    /// Looks whether nodes are alive. True if something happened or the sight changed, so that it has to be thought about.
    pub fn look(&mut self, now: Now) -> bool {
        let before = self.observer.sight();
        let happenings = self.observer.step(&self.domains, now);
        let happened = !happenings.is_empty();
        self.pending
            .extend(happenings.into_iter().map(|happening| (now.mono, happening)));
        happened || self.observer.sight() != before
    }

    /// What is to be stored of a node.
    pub fn to_store(&self, node: &str) -> Option<NodeHistoryStatus> {
        self.outbox.get(node).cloned()
    }

    /// It is stored; if something newer has come meanwhile, that is still to be.
    pub fn stored(&mut self, node: &str, status: &NodeHistoryStatus) {
        let same = self
            .outbox
            .get(node)
            .is_some_and(|waiting| waiting.known_until == status.known_until);
        if same {
            self.outbox.remove(node);
        }
    }

    /// The nodes whose history is to be stored.
    pub fn waiting_to_store(&self) -> Vec<String> {
        self.outbox.keys().cloned().collect()
    }

    /// The API server refused an apply, because others manage these keys. They are left to them for a while.
    pub fn refused(&mut self, node: &str, keys: Vec<(String, String)>, now: Now) {
        let theirs = self.theirs.entry(node.to_owned()).or_default();
        theirs.0 = now.mono;
        theirs.1.extend(keys);
        theirs.1.sort();
        theirs.1.dedup();
    }

    /// Whether it has to be looked what of the time before a failover is still on the node.
    pub fn watches_leftovers(&self, node: &str) -> bool {
        self.entries.get(node).is_some_and(|entry| entry.ready_since.is_some())
    }

    /// Whether this part is switched on.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// One step.
    pub fn think(&mut self, world: &World, now: Now) -> Thought {
        let claims = Self::claims(world);
        let domains = self.domains(world, &claims);
        self.domains.clone_from(&domains);
        let happenings: Vec<Happening> = self.pending.drain(..).map(|(_, happening)| happening).collect();
        let sight = self.observer.sight();
        let clear = sight == Sight::Clear;
        if clear {
            self.clear_since.get_or_insert(now.mono);
        }
        let mut thought = Thought::default();
        self.account(world, &happenings, clear, now, &mut thought);

        let members = self.members(world, &domains);
        thought.picture = crate::picture::draw(&members, world.dwellings.as_deref(), clear);
        drop(members);
        let long_clear = self
            .clear_since
            .is_some_and(|since| now.mono.saturating_sub(since) >= ADD_ONLY);
        let only_add = !(clear && long_clear && world.complete);
        let still = matches!(sight, Sight::Blind | Sight::Guarded(_));
        let views = self.plan_nodes(world, &claims, &domains, &mut thought, only_add, still, now);
        Self::view_classes(world, &views, &mut thought, now);
        if clear {
            self.view_hosts(world, &claims, &domains, &mut thought, now);
        }
        if clear {
            self.findings(world, &mut thought);
        }
        self.store(world, &claims, &thought, clear, now);
        self.figures(world, &claims, &mut thought, now);
        thought.sight = Some(sight);
        thought
    }

    fn claims(world: &World) -> Claims {
        let known: BTreeMap<String, String> = world
            .hosts
            .iter()
            .flat_map(|host| {
                let nodes = host.status.iter().flat_map(|status| &status.nodes);
                let name = host.metadata.name.clone().unwrap_or_default();
                nodes.map(move |node| (node.name.clone(), name.clone()))
            })
            .filter(|(node, _)| !world.nodes.contains_key(node))
            .collect();
        let hosts = world.hosts.iter().map(|host| &**host);
        crate::host::claims(hosts, world.nodes.values().map(|node| &**node), &known)
    }

    fn domains(&self, world: &World, claims: &Claims) -> Domains {
        let names: BTreeSet<&String> = world.nodes.keys().chain(claims.host.keys()).collect();
        let host = names
            .iter()
            .map(|node| ((*node).clone(), claims.host.get(*node).unwrap_or(node).clone()))
            .collect();
        let steady = names
            .into_iter()
            .filter(|node| self.availability(world, claims, node) != Availability::Volatile);
        Domains {
            steady: steady.cloned().collect(),
            host,
        }
    }

    /// Declared beats learned.
    pub(crate) fn availability(&self, world: &World, claims: &Claims, node: &str) -> Availability {
        let host = claims.host.get(node).and_then(|name| find_host(world, name));
        let declared = host.and_then(|host| host.spec.availability).map(Availability::from);
        let learned = || {
            self.entries
                .get(node)
                .map_or(Availability::Unproven, |entry| entry.record.learned())
        };
        declared.unwrap_or_else(learned)
    }

    /// The records take over what happened and how long it lasted.
    fn account(&mut self, world: &World, happenings: &[Happening], clear: bool, now: Now, thought: &mut Thought) {
        for (name, node) in &world.nodes {
            self.entries
                .entry(name.clone())
                .or_insert_with(|| Entry::new(Record::new(node.machine.clone())));
        }
        let mut told: BTreeMap<&str, Vec<&What>> = BTreeMap::new();
        for happening in happenings {
            told.entry(&happening.node).or_default().push(&happening.what);
        }
        for (name, entry) in &mut self.entries {
            let told = told.remove(name.as_str()).unwrap_or_default();
            let standing = self.observer.standing(name);
            if !clear && told.is_empty() {
                continue;
            }
            let current = standing.as_ref().map_or(State::Unknown, |standing| standing.state);
            // Accounted as what it was before; what happened puts the past right.
            let remembered = entry.record.remembered();
            let stored = remembered.as_ref().map(|remembered| remembered.state);
            let stored = stored.filter(|state| matches!(state, State::Up | State::Down));
            let before = entry.state.or(stored).unwrap_or(current);
            entry.record.advance(before, entry.planned, now.wall, &self.zone);
            let machine = world
                .nodes
                .get(name)
                .map(|node| node.machine.clone())
                .unwrap_or_default();
            for what in told {
                // A standby was blind before it began to watch; whoever led then was not, and has stored it.
                let stored = |until: &jiff::Timestamp| remembered.as_ref().is_some_and(|r| *until <= r.known_until);
                if matches!(what, What::Blind { until, .. } if stored(until)) {
                    continue;
                }
                let known = matches!(what, What::Down { .. }) && entry.record.is_down();
                entry.record.take(what, &machine, now.wall);
                entry.dirty = true;
                if let Some((reason, text)) = event(what).filter(|_| !known) {
                    thought.events.push((name.clone(), reason, text));
                }
            }
            entry.planned = standing.as_ref().is_some_and(|standing| standing.planned);
            if clear {
                entry.state = Some(current);
                entry.dirty |= entry.record.learn(&self.learning, now.wall);
                if let Some(params) = &entry.dampening {
                    entry.flapping = entry.record.dampen(params, now.wall);
                }
            }
        }
    }

    /// What is to be stored now: what happened at once, the rest at the checkpoint. Spread by name, so that not all nodes
    /// are written in the same second.
    fn store(&mut self, world: &World, claims: &Claims, thought: &Thought, clear: bool, now: Now) {
        if !clear {
            return;
        }
        for (name, entry) in &mut self.entries {
            if entry.unreadable.is_some() || entry.state.is_none() {
                continue;
            }
            let plan = thought.plans.get(name);
            let shown = Shown {
                state: entry.state.unwrap_or(State::Unknown),
                host: claims.host.get(name).cloned(),
                // A node that is gone keeps what it had.
                classes: match (plan, &entry.shown) {
                    (Some(plan), _) => plan.wanted.classes.clone(),
                    (None, Some(shown)) => shown.classes.clone(),
                    (None, None) => Vec::new(),
                },
                learned: entry.record.learned(),
                flapping: entry.flapping,
                findings: {
                    let found = thought.findings.get(name).into_iter().flatten();
                    found.map(|(type_, ..)| (*type_).to_owned()).collect()
                },
            };
            let exists = world.nodes.contains_key(name);
            let stored = *entry
                .stored
                .get_or_insert_with(|| spread(name, self.timing.checkpoint, now.mono));
            let due = exists && now.mono.saturating_sub(stored) >= self.timing.checkpoint;
            if !(entry.dirty || due || entry.shown.as_ref() != Some(&shown)) {
                continue;
            }
            let mut status = NodeHistoryStatus {
                host: shown.host.clone(),
                classes: shown.classes.clone(),
                ..NodeHistoryStatus::default()
            };
            entry.record.write(&mut status, now.wall, &self.zone);
            entry.shown = Some(shown);
            entry.dirty = false;
            if due {
                entry.stored = Some(now.mono);
            }
            self.outbox.insert(name.clone(), status);
        }
    }

    /// What is odd about a node, for its history's conditions.
    fn findings(&self, world: &World, thought: &mut Thought) {
        let mut bearers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, node) in &world.nodes {
            bearers.entry(&node.machine.system_uuid).or_default().push(name);
        }
        for name in self.entries.keys() {
            let mut found: Vec<Finding> = Vec::new();
            let standing = self.standing(name);
            let uuid = world.nodes.get(name).map(|node| node.machine.system_uuid.as_str());
            let twins = uuid.filter(|uuid| !uuid.is_empty()).and_then(|uuid| bearers.get(uuid));
            if let Some(twins) = twins.filter(|twins| twins.len() > 1) {
                let others: Vec<&str> = twins.iter().filter(|twin| *twin != name).copied().collect();
                let text = format!(
                    "{} has the same system UUID: give each machine its own",
                    others.join(", ")
                );
                found.push(("DuplicateMachine", "SameSystemUUID", text));
            }
            if let Some(offset) = standing.clock_offset.filter(|offset| offset.abs() > OFFSET) {
                let way = if offset > 0.0 { "ahead" } else { "behind" };
                let text = format!("its clock is {way} by more than {OFFSET:.0} s; see whether it has a time server");
                found.push(("ClockOffset", "ClockWrong", text));
            }
            if standing.state == State::Missing {
                let text = "its kubelet is alive but has no Node object; restart the kubelet to register it again";
                found.push(("NodeMissingButAlive", "NotRegistered", text.to_owned()));
            }
            thought.findings.insert(name.clone(), found);
        }
    }

    fn figures(&self, world: &World, claims: &Claims, thought: &mut Thought, now: Now) {
        for (name, node) in &world.nodes {
            let Some(entry) = self.entries.get(name) else { continue };
            let standing = self.standing(name);
            let host = claims.host.get(name);
            let figures = Figures {
                state: standing.state,
                host: host.unwrap_or(name).clone(),
                form_factor: host.and_then(|host| find_host(world, host)?.spec.form_factor),
                availability: self.availability(world, claims, name),
                windows: entry.record.windows(now.wall),
                penalty: entry.record.penalty(now.wall).value,
                flapping: entry.flapping,
                clock_offset: standing.clock_offset,
                silent: standing.silent,
                known_until: entry.record.remembered().map(|remembered| remembered.known_until),
                out_of_service: node
                    .taints
                    .iter()
                    .any(|taint| taint.key == crate::crd::OUT_OF_SERVICE)
                    .then_some(node.ready.status == Some(true)),
                cordoned: node.unschedulable && node.annotations.contains_key(crate::crd::CORDONED),
                contended: self.contention.contended(name, now.mono).len(),
            };
            thought.figures.insert(name.clone(), figures);
        }
    }

    pub(crate) fn standing(&self, node: &str) -> Standing {
        self.observer.standing(node).unwrap_or(Standing {
            state: State::Unknown,
            since: jiff::Timestamp::UNIX_EPOCH,
            went: None,
            planned: false,
            clean_trace: false,
            silent: Duration::ZERO,
            clock_offset: None,
        })
    }

    /// Why a failover is held back, if that is news.
    fn hold_news(entry: &mut Entry, hold: Option<&failover::Hold>) -> bool {
        let reason = hold.map(|hold| hold.reason);
        let news = reason.is_some() && entry.hold != reason;
        entry.hold = reason;
        news
    }
}

impl Entry {
    fn new(record: Record) -> Self {
        Self {
            record,
            state: None,
            planned: false,
            dirty: false,
            stored: None,
            shown: None,
            unreadable: None,
            flapping: false,
            dampening: None,
            hold: None,
            ready_since: None,
        }
    }
}

pub(crate) fn find_host<'a>(world: &'a World, name: &str) -> Option<&'a NodeHost> {
    let mut hosts = world.hosts.iter();
    hosts
        .find(|host| host.metadata.name.as_deref() == Some(name))
        .map(|host| &**host)
}

/// Each node's checkpoint has a place of its own in the interval: as if it had been stored a part of it ago.
fn spread(name: &str, interval: Duration, now: Duration) -> Duration {
    let sum = name
        .bytes()
        .fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    // A checkpoint soon after a start tells nothing new: the first comes in the second half at the earliest.
    now.saturating_sub(interval.mul_f64(f64::from(sum % 1000) / 2000.0))
}

/// The event that tells a node's user what happened.
fn event(what: &What) -> Option<(&'static str, String)> {
    Some(match what {
        What::Down {
            at,
            kind,
            planned,
            evidence,
        } => {
            let planned = if *planned { ", planned" } else { "" };
            (
                "NodeWentDown",
                format!("down since {at} ({kind:?}{planned}): {evidence}"),
            )
        }
        What::Back {
            down_at,
            at,
            kind,
            evidence,
            ..
        } => (
            "NodeReturned",
            format!("back at {at}; it was gone since {down_at} ({kind:?}): {evidence}"),
        ),
        What::Reregistered { .. } => (
            "NodeReregistered",
            "the same machine registered anew; its history goes on".to_owned(),
        ),
        What::Replaced { .. } => (
            "NodeReplaced",
            "another machine bears this name now; its history begins anew".to_owned(),
        ),
        What::Blind { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
