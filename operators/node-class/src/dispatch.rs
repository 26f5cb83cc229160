//! Asks for the reconciles that carry a plan out.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::clock::Now;
use crate::crd::{NodeHostStatus, OFF};
use crate::facts::NodeFacts;
use crate::planner::{NodePlan, Observed, Plan};
use crate::reconcile::Context;

/// What was asked for last, so that it is asked for once.
#[derive(Default)]
pub(crate) struct Asked {
    /// Plan and facts of a node, and when that was.
    nodes: HashMap<String, (Arc<NodePlan>, Arc<NodeFacts>, Duration)>,
}

/// What was asked for and is still to be done is asked for again after this time: a reconcile that failed is tried again by its
/// controller, but one that found nothing to do, because it came too early, is not.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// So many reconciles of one CRD are asked for after one plan; the others wait for the next plan. A controller's queue takes memory.
const AT_ONCE: usize = 100;

/// Asks for the reconciles that have something to do. True if there are more than are asked for at once.
pub(crate) fn ask(ctx: &Context, plan: &Plan, observed: &Observed, asked: &mut Asked, now: Now) -> bool {
    let mut room = AT_ONCE;
    let mut more = false;
    asked.nodes.retain(|name, _| observed.nodes.contains_key(name));
    for (name, node_plan) in &plan.nodes {
        let Some(facts) = observed.nodes.get(name) else {
            continue;
        };
        let missing = !node_plan.still && ctx.histories.store.get(&ObjectRef::new(name)).is_none();
        let waits = missing || plan.pending.contains(name) || ctx.planner.lock().watches_leftovers(name);
        if !waits {
            asked.nodes.remove(name);
            continue;
        }
        // The controller retries the same by itself, after its backoff. Equal facts that arrived again are another case: what was
        // written there was removed again.
        let same = asked.nodes.get(name).is_some_and(|(before, then, at)| {
            before == node_plan && Arc::ptr_eq(then, facts) && now.mono.saturating_sub(*at) < ASK_AGAIN
        });
        if !same {
            if room == 0 {
                more = true;
                continue;
            }
            room -= 1;
            let what = (Arc::clone(node_plan), Arc::clone(facts), now.mono);
            asked.nodes.insert(name.clone(), what);
            ctx.nodes.trigger.reconcile(ObjectRef::new(name));
        }
    }
    for host in ctx.hosts.store.state() {
        let name = host.name_any();
        if plan
            .hosts
            .get(&name)
            .is_some_and(|status| differs(host.status.as_ref(), status))
            || host.annotations().contains_key(OFF)
            // It may have been withdrawn while no operator ran.
            || host.status.as_ref().is_some_and(|status| status.off.is_some())
        {
            ctx.hosts.trigger.reconcile(ObjectRef::from_obj(&*host));
        }
    }
    for class in ctx.classes.store.state() {
        if plan.classes.get(&class.name_any()) != class.status.as_ref() {
            ctx.classes.trigger.reconcile(ObjectRef::from_obj(&*class));
        }
    }
    let (mut planner, mut room) = (ctx.planner.lock(), AT_ONCE);
    for (name, waiting) in &mut planner.outbox {
        let recently = waiting.asked.is_some_and(|at| now.mono.saturating_sub(at) < ASK_AGAIN);
        if recently || ctx.histories.store.get(&ObjectRef::new(name)).is_none() {
            continue;
        }
        let Some(left) = room.checked_sub(1) else { return true };
        room = left;
        waiting.asked = Some(now.mono);
        ctx.histories.trigger.reconcile(ObjectRef::new(name));
    }
    more
}

/// But for the power, which others report.
fn differs(stored: Option<&NodeHostStatus>, planned: &NodeHostStatus) -> bool {
    let Some(stored) = stored else { return true };
    let mut stored = stored.clone();
    stored.power = None;
    stored != *planned
}
