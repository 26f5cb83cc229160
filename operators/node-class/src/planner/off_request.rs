//! What becomes of the request to switch a host off. The host's reconciler carries it out.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::duration;
use kube::ResourceExt;

use super::Planner;
use super::types::{Observed, Plan, Step};
use crate::args::Feature;
use crate::clock::Now;
use crate::crd::host::{Answer, HostState, OffPhase, OffRequest};
use crate::crd::{CORDONED, NodeHost, OFF};
use crate::host::expected_off;
use crate::impact::Leaving;
use crate::liveness::{LivenessStatus, State};
use crate::power_off::{self, Next};

/// How long evictions are tried when the host does not say.
const DEADLINE: Duration = Duration::from_mins(5);
/// And at the most.
const LONGEST: Duration = Duration::from_hours(1);

impl Planner {
    /// The hosts that are expected to go off: by a request that was granted, or by the time of day. Requests come first.
    pub(super) fn leaving(&self, observed: &Observed, windows: &BTreeSet<String>) -> BTreeMap<String, Leaving> {
        let leaving = observed.hosts.iter().filter_map(|host| {
            let (name, asked) = (host.name_any(), asked(host)?);
            let off = host.status.as_ref().and_then(|status| status.off.as_ref());
            let stored = off.filter(|off| granted(off)).map(|off| off.since.0);
            let planned = self.granted.get(&name).filter(|(request, _)| request == asked);
            let since = stored.or(planned.map(|(_, since)| *since));
            since.map(|since| (name, Leaving::Granted(since)))
        });
        let mut leaving: BTreeMap<String, Leaving> = leaving.collect();
        for host in windows {
            leaving.entry(host.clone()).or_insert(Leaving::Window);
        }
        leaving
    }

    /// The hosts of which a window is open.
    pub(super) fn windows(&self, observed: &Observed, now: Now) -> BTreeSet<String> {
        let open = |host: &&Arc<NodeHost>| expected_off(&host.spec.expected_off, &self.zone, now.wall);
        observed.hosts.iter().filter(open).map(|host| host.name_any()).collect()
    }

    /// The next state of a host's request.
    pub(super) fn off_request(
        &self,
        step: &Step<'_>,
        plan: &Plan,
        host: &NodeHost,
        nodes: &[(&String, LivenessStatus)],
    ) -> Next {
        let status = host.status.as_ref();
        let off = status.and_then(|status| status.off.as_ref());
        let asked = asked(host);
        if host.spec.suspend || !self.has(Feature::Drain) || (asked.is_none() && off.is_none()) {
            return Next::only(off.cloned());
        }
        let name = host.name_any();
        let present = nodes.iter().filter_map(|(node, liveness)| {
            let facts = step.observed.nodes.get(*node)?;
            Some((*node, facts, liveness))
        });
        // While a node has no lease, its Ready condition has to do: else a request would never get an answer.
        let long = self.timing.grace.saturating_mul(2);
        let judged = present.clone().map(|(_, facts, liveness)| match liveness.state {
            State::Unknown if liveness.silent < long => State::Unknown,
            State::Unknown if facts.is_ready() => State::Up,
            State::Unknown => State::Down,
            state => state,
        });
        let boots = present.clone().filter(|(_, facts, liveness)| {
            let boot = &facts.machine.boot_id;
            liveness.state != State::Down && !boot.trim().is_empty()
        });
        let boots = boots.map(|(node, facts, _)| (node.clone(), facts.machine.boot_id.clone()));
        // Before the cordon is written there is no mark, and afterwards no node without a cordon, whoever set it.
        let looked = off.is_some_and(|off| matches!(off.phase, OffPhase::Drained | OffPhase::Incomplete));
        let lifted = present
            .filter(|(_, facts, _)| !facts.unschedulable && (looked || facts.annotations.contains_key(CORDONED)));
        let lifted: Vec<String> = lifted.map(|(node, ..)| node.clone()).collect();
        let case = power_off::Case {
            asked,
            handled: status.and_then(|status| status.last_handled_off.as_deref()),
            off,
            state: host_state(&judged.collect::<Vec<_>>()),
            boots: &boots.collect(),
            lifted: &lifted,
            may: plan.impact.requests.get(&name).copied().unwrap_or(Answer::Unknown),
            left: step.observed.pods_left.get(&name).map(Vec::as_slice),
            deadline: deadline(host),
        };
        power_off::decide(&case, step.now.wall)
    }
}

/// What the annotation of a host asks for.
fn asked(host: &NodeHost) -> Option<&str> {
    let asked = host.metadata.annotations.as_ref()?.get(OFF);
    asked.map(String::as_str).filter(|asked| !asked.is_empty())
}

/// Its host may be off at any time.
pub(super) fn granted(off: &OffRequest) -> bool {
    off.phase != OffPhase::Refused
}

/// What a host is by the states of its nodes.
pub(super) fn host_state(nodes: &[State]) -> HostState {
    let count = |state: State| nodes.iter().filter(|one| **one == state).count();
    let up = count(State::Up) + count(State::Missing);
    match (up, count(State::Down)) {
        (0, 0) => HostState::Unknown,
        (up, 0) if up == nodes.len() => HostState::On,
        (0, down) if down == nodes.len() => HostState::Off,
        (up, down) if up + down == nodes.len() => HostState::Partial,
        _ => HostState::Unknown,
    }
}

fn deadline(host: &NodeHost) -> Duration {
    let given = host.spec.drain.as_ref().and_then(|drain| drain.deadline.as_deref());
    let given = given.and_then(|text| duration::parse(text).ok());
    given.unwrap_or(DEADLINE).min(LONGEST)
}
