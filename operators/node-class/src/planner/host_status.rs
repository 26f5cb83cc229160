//! What the status of each host says, but for the request to go off, which is decided while it is carried out.
use hearth_reconciler::conditions::Conditions;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::Planner;
use super::class_status::{flag, handled};
use super::nodes::address;
use super::off_request::{granted, host_state};
use super::types::{Plan, Step};
use crate::crd::history::Kind;
use crate::crd::host::{HostNode, HostState, OffPhase};
use crate::crd::{Availability, NodeHost, NodeHostStatus};
use crate::failover::{Address, stamp};
use crate::host::window_problem;
use crate::impact::Leaving;
use crate::liveness::{LivenessStatus, State};

/// Present while this host's going off would end etcd's quorum, whatever else is up.
pub(super) const QUORUM_AT_RISK: &str = "QuorumAtRisk";
/// Present while workloads or volumes live only on volatile hosts, this one among them.
pub(super) const ONLY_HERE: &str = "OnlyHere";

impl Planner {
    pub(super) fn view_hosts(&mut self, step: &Step<'_>, plan: &mut Plan) {
        self.granted.clear();
        let mut leaving = step.leaving.clone();
        for host in &step.observed.hosts {
            let name = host.name_any();
            let nodes = step.on.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let now = Step {
                leaving: &leaving,
                ..*step
            };
            let status = self.view_host(&now, nodes, plan, host);
            if let Some(off) = status.off.as_ref().filter(|off| granted(off)) {
                let since = off.since.0;
                self.granted.insert(name.clone(), (off.request.clone(), since));
                // What is granted now counts for who comes next.
                if !matches!(leaving.get(&name), Some(Leaving::Granted(_))) {
                    leaving.insert(name.clone(), Leaving::Granted(since));
                    plan.impact = self.impact(&Step {
                        leaving: &leaving,
                        ..*step
                    });
                }
            }
            plan.hosts.insert(name, status);
        }
    }

    fn view_host(
        &self,
        step: &Step<'_>,
        nodes: &[(&String, LivenessStatus)],
        plan: &mut Plan,
        host: &NodeHost,
    ) -> NodeHostStatus {
        let (name, old) = (&host.name_any(), host.status.clone().unwrap_or_default());
        let present = nodes.iter().map(|(_, liveness)| liveness);
        let present: Vec<_> = present.filter(|liveness| liveness.state != State::Gone).collect();
        let state = host_state(&present.iter().map(|liveness| liveness.state).collect::<Vec<_>>());
        let next = self.off_request(step, plan, host, nodes);
        let windows = step.windows.contains(name);
        let off = next.off.as_ref().is_some_and(granted);
        let worst = nodes
            .iter()
            .map(|(node, _)| self.availability(step.observed, step.claims, node))
            .max();
        // Once it is empty, what it would have to leave behind is no obstacle any more.
        let emptied = old.off.as_ref().is_some_and(|off| off.phase == OffPhase::Drained);
        let may = plan.impact.may_go_off(name, emptied);
        let mut status = NodeHostStatus {
            observed_generation: host.metadata.generation,
            last_handled_reconcile_at: handled(host.metadata.annotations.as_ref()),
            state: Some(state),
            since: since(&old, state, &present),
            evidence: Some(evidence(nodes, state) + address_in_words(step, host, state)),
            availability: host.spec.availability.or(worst),
            expected_off: windows || off,
            nodes: nodes
                .iter()
                .map(|(node, liveness)| HostNode {
                    name: (*node).clone(),
                    state: liveness.state,
                })
                .collect(),
            may_go_off: Some(may.clone()),
            off: next.off,
            last_handled_off: next.handled.or(old.last_handled_off),
            power: None,
            conditions: old.conditions,
        };
        Self::conditions(step, plan, host, name, &mut status);
        status
    }

    fn conditions(step: &Step<'_>, plan: &Plan, host: &NodeHost, name: &str, status: &mut NodeHostStatus) {
        let (claims, now) = (step.claims, step.now);
        let risk = plan.impact.quorum_hosts.contains(name).then(|| {
            let quorum = &plan.impact.quorum;
            format!(
                "so many of the {} etcd members are on this host that the {} needed would not be left without it: when it goes off, the API server stops",
                quorum.members, quorum.needed
            )
        });
        let volatile = status.availability == Some(Availability::Volatile);
        let only = plan.impact.only_volatile_on.get(name).filter(|_| volatile);
        let disputed: Vec<String> = claims
            .disputed
            .iter()
            .filter(|(_, by)| by.contains(name))
            .map(|(node, by)| {
                let others: Vec<&str> = by.iter().filter(|host| *host != name).map(String::as_str).collect();
                format!("{node} is claimed by {}, too", others.join(", "))
            })
            .collect();
        let wrong = host.spec.expected_off.iter().find_map(window_problem);
        let unmatched = claims.unmatched.get(name).cloned().unwrap_or_default();
        let (off, nodes, evidence) = (status.off.clone(), status.nodes.len(), status.evidence.clone());
        let mut of = Conditions {
            list: &mut status.conditions,
            generation: host.metadata.generation,
            now: now.wall,
        };
        flag(&mut of, QUORUM_AT_RISK, "MembersOnOneHost", &Vec::from_iter(risk));
        flag(&mut of, ONLY_HERE, "OnlyOnVolatile", only.map_or(&[], Vec::as_slice));
        if host.spec.suspend {
            of.ready("Suspended", "suspended: its nodes keep what they have");
        } else if !disputed.is_empty() {
            let text = format!(
                "{}. No host gets such a node; take it out of one of the hosts",
                disputed.join("; ")
            );
            of.stalled("NodesDisputed", &text);
        } else if let Some(text) = wrong {
            of.stalled("InvalidWindow", &format!("spec.expectedOff: {text}"));
        } else if let Some(off) = off.filter(|off| off.phase == OffPhase::Refused) {
            let why = plan.impact.may_go_off(name, true).because.first().cloned();
            let text = format!(
                "the request `{}` to go off is refused: {}. End its value with ! to go off all the same",
                off.request,
                why.unwrap_or_default()
            );
            of.reconciling("OffRefused", &text);
        } else if !unmatched.is_empty() {
            let text = format!(
                "no node matches {}; the names of nodes are in `kubectl get nodes`",
                unmatched.join(", ")
            );
            of.reconciling("NodesNotFound", &text);
        } else if nodes == 0 {
            of.reconciling("NodesNotFound", "no node is on it");
        } else {
            of.ready("Seen", &evidence.unwrap_or_default());
        }
    }
}

/// Since when it is so: as in the old status, or since the last of its nodes changed.
fn since(old: &NodeHostStatus, state: HostState, nodes: &[&LivenessStatus]) -> Option<Time> {
    if old.state == Some(state) && old.since.is_some() {
        return old.since.clone();
    }
    let last = nodes.iter().map(|liveness| liveness.since).max()?;
    Timestamp::from_second(last.as_second()).ok().map(Time)
}

fn evidence(nodes: &[(&String, LivenessStatus)], state: HostState) -> String {
    let down: Vec<String> = nodes
        .iter()
        .filter(|(_, liveness)| liveness.state == State::Down)
        .map(|(node, liveness)| {
            let how = if liveness.clean_trace {
                "after a clean shutdown"
            } else if liveness.went == Some(Kind::Clean) {
                "after it announced a shutdown"
            } else {
                "without a word"
            };
            format!("{node} is silent since {} {how}", stamp(liveness.since))
        })
        .collect();
    match state {
        HostState::On => format!("{} of {} nodes renew their leases", nodes.len(), nodes.len()),
        HostState::Unknown => {
            let unknown = nodes.iter().filter(|(_, liveness)| liveness.state == State::Unknown);
            let names: Vec<&str> = unknown.map(|(node, _)| node.as_str()).collect();
            format!(
                "it is not known whether {} are alive: no lease of theirs is renewed",
                names.join(", ")
            )
        }
        HostState::Off | HostState::Partial => down.join("; "),
    }
}

/// What the address of a host says whose nodes are all silent.
fn address_in_words(step: &Step<'_>, host: &NodeHost, state: HostState) -> &'static str {
    match address(step, host, state == HostState::Off) {
        Address::None => "",
        Address::Untried => "; its address was not tried yet",
        Address::Silent => "; its address does not answer",
        Address::Answers => "; its address answers, so the machine is on",
    }
}
