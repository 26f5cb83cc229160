//! What each node should have.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Taint;
use kube::ResourceExt;

use super::off_request::granted;
use super::pending_write::PendingWrite;
use super::types::{NodePlan, Plan, Step, find_host};
use super::unusable_classes::usable;
use super::{LEFT, Planner};
use crate::args::Feature;
use crate::class::{OwnedTaints, Refused, Subject, UNREADABLE, Wanted};
use crate::class::{id, is_out_of_service, resolve, taint, taint_key};
use crate::crd::{CORDONED, NodeClass, NodeHost, OUT_OF_SERVICE, RETURNING};
use crate::facts::NodeFacts;
use crate::failover::{self, Address, Decision};
use crate::impact::{self, Impact, Member};
use crate::liveness::State;

/// What became of one node's classes: for the classes' own status.
pub(super) struct View {
    pub(super) node_plan: Arc<NodePlan>,
    /// What is not set, and why.
    pub(super) refused: Vec<Refused>,
    pub(super) contended: Vec<String>,
}

impl Planner {
    pub(super) fn members<'a>(&self, step: &Step<'a>) -> Vec<Member<'a>> {
        let member = |(name, node): (&'a String, &'a Arc<NodeFacts>)| {
            let host = step.domains.host.get(name).unwrap_or(name);
            Member {
                node,
                state: self.liveness(name).state,
                host,
                availability: self.availability(step.observed, step.claims, name),
                leaving: step.leaving.get(host).copied(),
            }
        };
        step.observed.nodes.iter().map(member).collect()
    }

    pub(super) fn impact(&self, step: &Step<'_>) -> Impact {
        let there = |name: &String| step.observed.nodes.contains_key(name);
        let gone = self.entries.iter().filter(|(name, entry)| entry.etcd && !there(name));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        let workloads = step.observed.workloads.as_deref();
        impact::assess(&self.members(step), workloads, &gone, step.clear)
    }

    /// Remembers which nodes have a member of etcd, for when their Nodes are deleted.
    pub(super) fn note_members(&mut self, step: &Step<'_>, impact: &Impact) {
        if impact.quorum.members == 0 {
            return;
        }
        for name in step.observed.nodes.keys() {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.etcd = impact.quorum.of.contains(name);
            }
        }
    }

    pub(super) fn plan_nodes(&mut self, step: &Step<'_>, plan: &mut Plan) -> BTreeMap<String, View> {
        let (observed, claims, now) = (step.observed, step.claims, step.now);
        let mut views = BTreeMap::new();
        let classes = usable(observed, step.unusable);
        let classes: Vec<&NodeClass> = classes.iter().map(|class| &**class).collect();
        let excludable: BTreeSet<&str> = impact::may_exclude(&self.members(step));
        for (name, node) in &observed.nodes {
            let host = claims.host.get(name).map(String::as_str);
            let spec = host.and_then(|host| find_host(observed, host));
            let subject = Subject {
                node,
                host,
                form_factor: spec.and_then(|host| host.spec.form_factor),
                availability: self.availability(observed, claims, name),
                may_exclude: excludable.contains(name.as_str()),
            };
            let mut wanted = resolve(&classes, &subject);
            wanted.held = self.contention.held(node, now.mono);
            wanted.theirs = self.theirs.get(name).map(|(_, keys)| keys.clone()).unwrap_or_default();
            wanted.classes.retain(|class| !step.unusable.contains_key(class));
            let extra = self.failover(step, node, spec, &mut wanted, plan);
            let node_plan = NodePlan {
                cordon: cordon(spec, claims.disputed.contains_key(name), node),
                wanted,
                extra,
                only_add: step.only_add,
                still: step.still,
            };
            // Plans follow each other quickly while much is written, and two plans of a thousand nodes are megabytes.
            let before = self.node_plans.get(name).filter(|before| ***before == node_plan);
            let node_plan = before.map_or_else(|| Arc::new(node_plan), Arc::clone);
            let pending = PendingWrite::of(node, &node_plan);
            if !step.still && !pending.is_empty() {
                plan.pending.insert(name.clone());
            }
            let view = View {
                refused: pending.diff.refused,
                node_plan: Arc::clone(&node_plan),
                contended: self.contention.contended(name, now.mono),
            };
            views.insert(name.clone(), view);
            plan.nodes.insert(name.clone(), node_plan);
        }
        self.node_plans.clone_from(&plan.nodes);
        let known = |node: &str| observed.nodes.contains_key(node);
        self.theirs
            .retain(|node, (since, _)| known(node) && now.mono.saturating_sub(*since) < LEFT);
        self.contention.retain(known, now.mono);
        views
    }

    /// The taints of failover that the node should have, and the events about it.
    fn failover(
        &mut self,
        step: &Step<'_>,
        node: &NodeFacts,
        host: Option<&NodeHost>,
        wanted: &mut Wanted,
        plan: &mut Plan,
    ) -> Vec<Taint> {
        let (now, liveness) = (step.now, self.liveness(&node.name));
        let suspended = host.is_some_and(|host| host.spec.suspend);
        let ours = is_out_of_service(node);
        let mark = OwnedTaints::of(node);
        let out = taint(OUT_OF_SERVICE, Some("nodeshutdown"), "NoExecute");
        // The mark outlives a taint that another writer removes.
        let absent = node.taints.iter().all(|taint| taint.key != OUT_OF_SERVICE);
        let marked = mark.as_ref().is_some_and(|mark| mark.0.contains_key(&id(&out)));
        let there = kept(node);
        let Some(entry) = self.entries.get_mut(&node.name) else {
            return Vec::new();
        };
        if mark.is_none() {
            // Nothing is written to its taints; see `class::writes`.
            if wanted.failover.is_some() && entry.said.replace(UNREADABLE) != Some(UNREADABLE) {
                let text = format!("{UNREADABLE}; remove it, and taints that are not wanted any more");
                plan.events.push((node.name.clone(), "FailoverHeld", text));
            }
            return Vec::new();
        }
        let back = liveness.state == State::Up && node.is_ready();
        let by_us = entry.said == Some("OutOfServiceRemoved");
        entry.placed = ours || (entry.placed && !by_us && !back);
        let removed = absent && (marked || entry.placed);
        entry.ready_since = (back && ours).then(|| entry.ready_since.unwrap_or(now.mono));
        let siblings = host.and_then(|host| step.on.get(host.metadata.name.as_deref()?));
        let siblings = siblings.into_iter().flatten().filter(|(name, _)| **name != node.name);
        let alive = siblings.filter(|(_, other)| matches!(other.state, State::Up | State::Missing));
        let alive = alive.map(|(name, other)| (name.as_str(), other.silent));
        let others = alive.min_by_key(|(_, silent)| *silent);
        let case = failover::Case {
            node,
            liveness: &liveness,
            failover: wanted.failover.as_ref(),
            power: host.and_then(|host| host.status.as_ref()?.power.as_ref()),
            address: host.map_or(Address::None, |host| address(step, host, others.is_none())),
            alive: others,
            removed,
            member: match plan.impact.quorum.members {
                0 => node.control_plane(),
                _ => plan.impact.quorum.of.contains(&node.name),
            },
            longest_reboot: entry.record.longest_reboot(),
            spare_members: plan.impact.quorum.spare(),
            sees: step.clear,
            allowed: self.features.contains(&Feature::Failover) && !suspended,
            ours,
            leftovers: step.observed.leftovers.get(&node.name).copied(),
            ready_for: entry.ready_since.map(|since| now.mono.saturating_sub(since)),
        };
        let mut event = |reason, text| plan.events.push((node.name.clone(), reason, text));
        let decision = failover::decide(&case, &self.timing, now.wall);
        // The decision is the same until the write is seen.
        let said = match &decision {
            Decision::Place(..) => Some("OutOfServiceApplied"),
            Decision::Remove(_) => Some("OutOfServiceRemoved"),
            Decision::Leave(hold) => hold.as_ref().map(|hold| hold.reason),
            Decision::Hold => None,
        };
        let again = std::mem::replace(&mut entry.said, said) == said;
        match decision {
            Decision::Leave(hold) => {
                if let Some(hold) = hold.filter(|_| !again) {
                    event("FailoverHeld", hold.message);
                }
                if removed && !back {
                    // The mark stays as the memory of that.
                    wanted.held.insert(taint_key(&out.key, &out.effect));
                    return vec![out];
                }
                // Who removes the taint of a node that is back removes the hold as well.
                if ours || !back { there } else { Vec::new() }
            }
            Decision::Place(_, why) => {
                if there.is_empty() && !again {
                    event("OutOfServiceApplied", why);
                }
                vec![out]
            }
            Decision::Hold => vec![out, taint(RETURNING, None, "NoSchedule")],
            Decision::Remove(warning) => {
                if !there.is_empty() && !again {
                    let text = warning.unwrap_or_else(|| "the node is back and cleaned up".to_owned());
                    event("OutOfServiceRemoved", text);
                }
                Vec::new()
            }
        }
    }
}

/// What the host's address says; it is only asked when none of its nodes is alive.
pub(super) fn address(step: &Step<'_>, host: &NodeHost, silent: bool) -> Address {
    if host.spec.address.is_none() || !silent {
        return Address::None;
    }
    match step.observed.answers.get(&host.name_any()) {
        None => Address::Untried,
        Some(false) => Address::Silent,
        Some(true) => Address::Answers,
    }
}

/// Ours of failover that is on the node.
fn kept(node: &NodeFacts) -> Vec<Taint> {
    let of_failover = |taint: &&Taint| [OUT_OF_SERVICE, RETURNING].contains(&taint.key.as_str());
    OwnedTaints::on(node)
        .into_iter()
        .filter(of_failover)
        .map(|found| taint(&found.key, found.value.as_deref(), &found.effect))
        .collect()
}

/// The request for which the node is to be cordoned. While its host is disputed or suspended nothing changes.
fn cordon(host: Option<&NodeHost>, disputed: bool, node: &NodeFacts) -> Option<String> {
    if disputed || host.is_some_and(|host| host.spec.suspend) {
        return node.annotations.get(CORDONED).map(ToString::to_string);
    }
    let off = host?.status.as_ref().and_then(|status| status.off.as_ref());
    off.filter(|off| granted(off)).map(|off| off.request.clone())
}
