//! The control loop: judges liveness every two seconds, and when something changed makes a plan and asks for the reconciles that
//! carry it out.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use hearth_reconciler::health::Check;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;

use crate::clock::Now;
use crate::dispatch::{Asked, ask};
use crate::facts::NodeFacts;
use crate::history_store::Reading;
use crate::observe::Feeds;
use crate::planner::{Observed, Plan};
use crate::reconcile::Context;

/// How often liveness is judged.
const TICK: Duration = Duration::from_secs(2);
/// Changes are gathered for this long before a plan is made.
const GATHER: Duration = Duration::from_millis(200);
/// Or for so many times as long as the last plan took, if that is longer: while the first labels of a large cluster are being
/// written, each write would cause a plan for all nodes.
const REST: u32 = 9;
/// How often a plan is made when nothing changed (windows open, delays end, penalties decay); or after a hundred times as long
/// as the last plan took, if that is longer: a hundredth of a core, however many nodes there are.
const RECHECK: Duration = Duration::from_secs(10);
/// But this often in any case.
const RECHECK_LATEST: Duration = Duration::from_mins(1);

/// Runs for as long as the process lives. A standby only observes, so that it knows at once when it takes over.
pub async fn run(ctx: Arc<Context>, feeds: Arc<Feeds>, heartbeat: Arc<Check>, restored: Arc<Check>) {
    let (mut asked, mut reading) = (Asked::default(), Reading::default());
    let (mut last, mut took) = (Duration::ZERO, Duration::ZERO);
    let mut terms = std::pin::pin!(ctx.process.leadership.terms());
    loop {
        let woken = tokio::time::timeout(TICK, ctx.wake.notified()).await.is_ok();
        if woken {
            tokio::time::sleep(rest(took)).await;
        }
        heartbeat.pass();
        let now = Now::read();
        ctx.planner.lock().tracker.watching(feeds.sees(), now);
        let complete = feeds.complete();
        if !ctx.planner.lock().restored {
            if !complete {
                continue;
            }
            let Some(stored) = reading.ask(&ctx) else { continue };
            ctx.planner.lock().restore(&stored);
            restored.pass();
        }
        if feeds.forgotten.swap(false, Relaxed) {
            reading = Reading::default();
        }
        // What an earlier term asked for or read is not valid in this one.
        let new_term = terms.next().now_or_never().is_some();
        let leading = ctx.process.leadership.term().is_some();
        if new_term || !leading {
            (asked, reading) = (Asked::default(), Reading::default());
            ctx.planner.lock().stand_by(now);
            {
                let mut observed = ctx.observed.lock();
                observed.leftovers.clear();
                observed.pods_left.clear();
            }
            ctx.publish_plan(Plan::default());
        }
        if !leading {
            continue;
        }
        if !ctx.planner.lock().loaded {
            ctx.planner.lock().look(now);
            if !complete {
                continue;
            }
            let Some(stored) = reading.ask(&ctx) else { continue };
            ctx.planner.lock().load(stored);
        }
        let happened = ctx.planner.lock().look(now) || (complete && ctx.planner.lock().settled(now));
        let changed = feeds.dirty.swap(false, Relaxed) | woken;
        if !(happened || changed || now.mono.saturating_sub(last) >= recheck(took)) {
            continue;
        }
        last = now.mono;
        let observed = feeds.observe(&ctx, complete);
        let plan = make_plan(&ctx, &observed, now);
        if ask(&ctx, &plan, &observed, &mut asked, now) {
            feeds.changed(&ctx);
        }
        took = Now::read().mono.saturating_sub(now.mono);
    }
}

/// How long changes are gathered after a plan that took so long. Liveness is judged in time all the same.
fn rest(took: Duration) -> Duration {
    took.saturating_mul(REST).clamp(GATHER, TICK)
}

/// When to plan again if nothing changes.
fn recheck(took: Duration) -> Duration {
    took.saturating_mul(100).clamp(RECHECK, RECHECK_LATEST)
}

fn make_plan(ctx: &Context, observed: &Observed, now: Now) -> Arc<Plan> {
    let plan = ctx.planner.lock().plan(observed, now);
    for (node, reason, text) in &plan.events {
        tracing::info!(node, reason, text, "node");
        if let Some(facts) = observed.nodes.get(node) {
            ctx.process
                .events
                .publish(&reference(facts), EventType::Normal, reason, "Observe", text);
        }
    }
    ctx.publish_plan(plan)
}

/// Events about Nodes refer to the node's name as UID, as the kubelet's own do, or `kubectl describe node` shows none.
fn reference(facts: &NodeFacts) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(facts.name.clone()),
        uid: Some(facts.name.clone()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
