//! Reports on a NodeHost and carries out the request to empty it.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType::{Normal, Warning};
use kube::{Api, Resource, ResourceExt};

use super::Context;
use super::drain::{self, Accepted, Left};
use crate::args::Feature;
use crate::crd::host::{Answer, OffPhase};
use crate::crd::{NodeHost, NodeHostStatus, OFF};
use crate::facts::MANAGER;
use crate::liveness::State;
use crate::power_off::forced;

/// How often evictions are tried again.
const EVICT_AGAIN: Duration = Duration::from_secs(5);
/// How often an emptied host is checked for pods that came meanwhile.
const RECHECK: Duration = Duration::from_mins(1);

/// Writes the status if it differs, and evicts pods while the plan says so.
pub async fn reconcile(host: Arc<NodeHost>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let (plan, name) = (ctx.plan(), host.name_any());
    let Some(status) = plan.hosts.get(&name) else {
        return Ok(Action::await_change());
    };
    if status.observed_generation != host.metadata.generation {
        return Ok(Action::await_change());
    }
    // Others report the power: it is neither compared nor written.
    let mut bare = NodeHost::clone(&host);
    if let Some(status) = &mut bare.status {
        status.power = None;
    }
    let api = Api::<NodeHost>::all(ctx.process.client.clone());
    patch_status(&api, MANAGER, &bare, status)
        .await
        .map_err(RequestError::when("writing the host's status"))?;
    let phase = |status: Option<&NodeHostStatus>| Some(status?.off.as_ref()?.phase);
    let after = phase(Some(status));
    if phase(host.status.as_ref()) != after {
        notify(&host, &ctx, status, after);
    }
    let again = evict(&host, &name, status, &ctx).await?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// Evicts the pods of a host that is to be emptied, and reports to the planner which are left. Says when to do it again.
async fn evict(
    host: &NodeHost,
    name: &str,
    status: &NodeHostStatus,
    ctx: &Context,
) -> Result<Option<Duration>, RequestError> {
    let nodes: Vec<String> = status.nodes.iter().map(|node| node.name.clone()).collect();
    // The request may have been withdrawn since the plan was made.
    let asked = host.annotations().get(OFF);
    let active = !host.spec.suspend && ctx.planner.lock().has(Feature::Drain);
    let off = status.off.as_ref().filter(|off| {
        let empties = matches!(off.phase, OffPhase::Draining | OffPhase::Drained | OffPhase::Incomplete);
        active && empties && asked == Some(&off.request)
    });
    // Pods are evicted from cordoned nodes only: they would come back.
    let cordoned = |node: &String| {
        ctx.observed
            .lock()
            .nodes
            .get(node)
            .is_none_or(|facts| facts.unschedulable)
    };
    let Some(off) = off.filter(|_| nodes.iter().all(cordoned)) else {
        ctx.observed.lock().pods_left.remove(name);
        return Ok(None);
    };
    let down = status.nodes.iter().filter(|node| node.state == State::Down);
    let down = down.map(|node| node.name.clone()).collect();
    let accepted = Accepted {
        forced: forced(&off.request),
        drain: host.spec.drain.as_ref(),
    };
    let mut left = drain::left(&ctx.process.client, &nodes, &down, accepted).await?;
    let draining = off.phase == OffPhase::Draining;
    if draining {
        drain::evict(&ctx.evictions, &mut left).await;
        left.retain(|pod| pod.why != "has gone");
    }
    let lines: Vec<String> = left.iter().map(Left::line).collect();
    if ctx.observed.lock().pods_left.insert(name.to_owned(), lines.clone()) != Some(lines) {
        ctx.wake.notify_one();
    }
    Ok(Some(if draining { EVICT_AGAIN } else { RECHECK }))
}

/// What a person has to know who is about to press the button, where the answer is not Yes.
fn unjudged(status: &NodeHostStatus) -> String {
    let may = status.may_go_off.as_ref().filter(|may| may.answer != Answer::Yes);
    let why = may.and_then(|may| may.because.first());
    why.map_or_else(String::new, |why| format!(", but: {why}"))
}

fn notify(host: &NodeHost, ctx: &Context, status: &NodeHostStatus, phase: Option<OffPhase>) {
    let because = status.may_go_off.as_ref().and_then(|may| may.because.first().cloned());
    let waiting = status.off.as_ref().map(|off| off.waiting.join("; "));
    let waiting = waiting.filter(|text| !text.is_empty());
    let incomplete = || {
        let left = waiting.unwrap_or_else(|| "nothing".to_owned());
        format!("the deadline has passed; still there: {left}")
    };
    let (kind, reason, text) = match phase {
        Some(OffPhase::Refused) => (Warning, "OffRefused", because.unwrap_or_default()),
        Some(OffPhase::Draining) => (Normal, "Draining", "its nodes are cordoned and emptied".into()),
        Some(OffPhase::Drained) => (
            Normal,
            "MaySwitchOff",
            format!("its nodes are empty; it may be switched off{}", unjudged(status)),
        ),
        Some(OffPhase::Incomplete) => (Warning, "DrainIncomplete", incomplete()),
        Some(OffPhase::Off) => (Normal, "HostWentOff", "it is off, as asked for".into()),
        None => (
            Normal,
            "HostReturned",
            "the request has ended; its nodes may be used again".into(),
        ),
    };
    tracing::info!(host = host.name_any(), ?phase, text, "request to go off");
    let reference: ObjectReference = host.object_ref(&());
    ctx.process.events.publish(&reference, kind, reason, "Off", &text);
}
