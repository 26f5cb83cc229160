//! What each node should have.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Taint;

use super::{LEFT, NodePlan, Observed, Plan, Planner, find_host};
use crate::args::Feature;
use crate::class::{NodeDiff, Subject, Wanted, node_diff, resolve, yielded};
use crate::clock::Now;
use crate::crd::class::Match;
use crate::crd::{CORDONED, NodeClass, OUT_OF_SERVICE, OWNED_TAINTS, RETURNING};
use crate::facts::{NodeFacts, Text, Texts};
use crate::failover::{self, Decision};
use crate::host::Claims;
use crate::impact::Member;
use crate::liveness::{Domains, State, Visibility};

/// What became of one node's classes: for the classes' own status.
pub(super) struct View {
    pub(super) node_plan: Arc<NodePlan>,
    pub(super) diff: NodeDiff,
    pub(super) contended: Vec<String>,
}

/// The classes as they may be used, and the names of those that must not be used now. Of these every node keeps what it
/// has: whom they match cannot be told any more.
fn usable(observed: &Observed) -> (Vec<NodeClass>, BTreeSet<String>) {
    let mut broken = BTreeSet::new();
    let classes = observed.classes.iter().map(|class| {
        let mut class = NodeClass::clone(class);
        if super::class_status::obstacle(observed, &class).is_some() {
            (class.spec.suspend, class.spec.matches) = (true, Match::default());
            broken.extend(class.metadata.name.clone());
        }
        class
    });
    (classes.collect(), broken)
}

impl Planner {
    pub(super) fn members<'a>(&self, observed: &'a Observed, claims: &Claims, domains: &'a Domains) -> Vec<Member<'a>> {
        let member = |(name, node): (&'a String, &'a Arc<NodeFacts>)| Member {
            node,
            state: self.liveness(name).state,
            host: domains.host.get(name).map_or(name.as_str(), String::as_str),
            availability: self.availability(observed, claims, name),
        };
        observed.nodes.iter().map(member).collect()
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one step of the plan, with what the steps before it found"
    )]
    pub(super) fn plan_nodes(
        &mut self,
        observed: &Observed,
        claims: &Claims,
        domains: &Domains,
        plan: &mut Plan,
        only_add: bool,
        still: bool,
        now: Now,
    ) -> BTreeMap<String, View> {
        let mut views = BTreeMap::new();
        let (classes, broken) = usable(observed);
        let classes: Vec<&NodeClass> = classes.iter().collect();
        let excludable: BTreeSet<&str> = crate::impact::may_exclude(&self.members(observed, claims, domains));
        let spare = plan.impact.quorum.spare();
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
            wanted.classes.retain(|class| !broken.contains(class));
            let Some(entry) = self.entries.get_mut(name) else {
                continue;
            };
            entry.dampening.clone_from(&wanted.dampening);
            let extra = self.failover(observed, node, host, &wanted, spare, plan, now);
            let node_plan = NodePlan {
                cordon: cordon(spec, claims.disputed.contains_key(name), node),
                theirs: self.theirs.get(name).map(|(_, keys)| keys.clone()).unwrap_or_default(),
                wanted,
                extra,
                only_add,
                still,
            };
            // Thoughts follow each other quickly while much is written, and two plans of a thousand nodes are megabytes.
            let before = self.node_plans.get(name).filter(|before| ***before == node_plan);
            let node_plan = before.map_or_else(|| Arc::new(node_plan), Arc::clone);
            let view = View {
                diff: due(node, &node_plan),
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
        self.contention.retain(known);
        views
    }

    /// The taints of failover that the node should have, and what is to be told of it.
    #[allow(
        clippy::too_many_arguments,
        reason = "what the decision needs, from the steps before it"
    )]
    fn failover(
        &mut self,
        observed: &Observed,
        node: &NodeFacts,
        host: Option<&str>,
        wanted: &Wanted,
        spare_members: Option<usize>,
        plan: &mut Plan,
        now: Now,
    ) -> Vec<Taint> {
        let (liveness, sees) = (
            self.liveness(&node.name),
            self.tracker.visibility() == Visibility::Clear,
        );
        let declared = host.and_then(|host| find_host(observed, host));
        let suspended = declared.is_some_and(|host| host.spec.suspend);
        let marked = ours(node);
        let ours = marked.contains(&OUT_OF_SERVICE.to_owned());
        let Some(entry) = self.entries.get_mut(&node.name) else {
            return Vec::new();
        };
        let alive = liveness.state == State::Up && node.ready.status == Some(true);
        entry.ready_since = (alive && ours).then(|| entry.ready_since.unwrap_or(now.mono));
        let case = failover::Case {
            node,
            liveness: &liveness,
            failover: wanted.failover.as_ref(),
            power: declared.and_then(|host| host.status.as_ref()?.power.as_ref()),
            address_answers: host.is_some_and(|host| observed.answers.get(host) == Some(&true)),
            longest_reboot: entry.record.longest_reboot(),
            spare_members,
            sees,
            allowed: self.features.contains(&Feature::Failover) && !suspended,
            ours,
            leftovers: observed.leftovers.get(&node.name).copied(),
            ready_for: entry.ready_since.map(|since| now.mono.saturating_sub(since)),
        };
        let there = kept(node, &marked);
        let out = taint(OUT_OF_SERVICE, "nodeshutdown", "NoExecute");
        let mut tell = |reason, text| plan.events.push((node.name.clone(), reason, text));
        let decision = failover::decide(&case, &self.timing, now.wall);
        // It is decided anew until the write is seen.
        let told = match decision {
            Decision::Place(..) => Some("OutOfServiceApplied"),
            Decision::Remove(_) => Some("OutOfServiceRemoved"),
            Decision::Leave(_) | Decision::Hold => None,
        };
        let again = std::mem::replace(&mut entry.told, told) == told;
        match decision {
            Decision::Leave(hold) => {
                if Self::hold_news(entry, hold.as_ref())
                    && let Some(hold) = hold
                {
                    tell("FailoverHeld", hold.message);
                }
                there
            }
            Decision::Place(_, why) => {
                if there.is_empty() && !again {
                    tell("OutOfServiceApplied", why);
                }
                vec![out]
            }
            Decision::Hold => vec![out, taint(RETURNING, "", "NoSchedule")],
            Decision::Remove(warning) => {
                if !there.is_empty() && !again {
                    let text = warning.unwrap_or_else(|| "the node is back and cleaned up".to_owned());
                    tell("OutOfServiceRemoved", text);
                }
                Vec::new()
            }
        }
    }
}

/// What has to be written to a node for its plan.
pub fn due(node: &NodeFacts, node_plan: &NodePlan) -> NodeDiff {
    let diff = node_diff(node, &node_plan.wanted, &node_plan.extra, node_plan.only_add);
    if node_plan.theirs.is_empty() {
        return diff;
    }
    let mut diff = yielded(diff, &node_plan.wanted, &node_plan.theirs);
    // Without what is theirs nothing may be left to do.
    diff.apply = diff.apply.filter(|(labels, annotations)| {
        let same = |ours: &BTreeSet<Text>, there: &Texts, wanted: &BTreeMap<String, String>| {
            ours.len() == wanted.len()
                && wanted.iter().all(|(key, value)| {
                    ours.contains(key.as_str()) && there.get(key.as_str()).is_some_and(|now| **now == **value)
                })
        };
        !(same(&node.managers.our_labels, &node.labels, labels)
            && same(&node.managers.our_annotations, &node.annotations, annotations))
    });
    diff
}

/// Ours of failover that is on the node.
fn kept(node: &NodeFacts, ours: &[String]) -> Vec<Taint> {
    let of_failover =
        |taint: &&Taint| [OUT_OF_SERVICE, RETURNING].contains(&taint.key.as_str()) && ours.contains(&taint.key);
    let taints = node.taints.iter().filter(of_failover);
    taints
        .map(|found| taint(&found.key, found.value.as_deref().unwrap_or_default(), &found.effect))
        .collect()
}

/// Whether our out-of-service taint is on it.
pub(super) fn is_out_of_service(node: &NodeFacts) -> bool {
    ours(node).iter().any(|key| key == OUT_OF_SERVICE)
}

/// The keys of our taints by the mark, as far as they are there.
fn ours(node: &NodeFacts) -> Vec<String> {
    let mark = node
        .annotations
        .get(OWNED_TAINTS)
        .map(|mark| &**mark)
        .unwrap_or_default();
    let keys = mark.split(',').filter_map(|entry| entry.split(['=', ':']).next());
    keys.filter(|key| node.taints.iter().any(|taint| taint.key == *key))
        .map(str::to_owned)
        .collect()
}

fn taint(key: &str, value: &str, effect: &str) -> Taint {
    Taint {
        key: key.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        effect: effect.to_owned(),
        time_added: None,
    }
}

/// The request for which the node is to be cordoned. While its host is disputed or suspended nothing changes.
fn cordon(host: Option<&crate::crd::NodeHost>, disputed: bool, node: &NodeFacts) -> Option<String> {
    use crate::crd::host::OffPhase;
    if disputed || host.is_some_and(|host| host.spec.suspend) {
        return node.annotations.get(CORDONED).map(ToString::to_string);
    }
    let host = host?;
    let off = host.status.as_ref().and_then(|status| status.off.as_ref());
    off.filter(|off| off.phase != OffPhase::Refused)
        .map(|off| off.request.clone())
}
