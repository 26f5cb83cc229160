//! Reports on a NodeHost and carries out the request to empty it.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::duration;
use hearth_reconciler::error::RequestError;
use hearth_reconciler::status::patch_status;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};

use super::Context;
use super::drain::{self, Left};
use crate::args::Feature;
use crate::crd::host::{HostState, OffPhase};
use crate::crd::{NodeHost, NodeHostStatus, OFF};
use crate::facts::MANAGER;
use crate::power_off;

/// How long evictions are tried when the host does not say.
const DEADLINE: Duration = Duration::from_mins(5);
/// How often evictions are tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// NodeDiff the status if it differs, and does the next step of a request.
pub async fn reconcile(host: Arc<NodeHost>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let plan = ctx.plan();
    let Some(status) = plan.hosts.get(&host.name_any()) else {
        return Ok(Action::await_change());
    };
    if status.observed_generation != host.metadata.generation {
        return Ok(Action::await_change());
    }
    let mut status = status.clone();
    let again = if host.spec.suspend || !ctx.planner().has(Feature::Drain) {
        None
    } else {
        go(&host, &ctx, &mut status).await?
    };
    // Power is others' to tell: it is neither compared nor written.
    let mut bare = NodeHost::clone(&host);
    if let Some(status) = &mut bare.status {
        status.power = None;
    }
    let api = Api::<NodeHost>::all(ctx.process.client.clone());
    patch_status(&api, MANAGER, &bare, &status)
        .await
        .map_err(RequestError::when("writing the host's status"))?;
    Ok(again.map_or_else(Action::await_change, Action::requeue))
}

/// One step of the request; says when to take the next.
async fn go(host: &NodeHost, ctx: &Context, status: &mut NodeHostStatus) -> Result<Option<Duration>, RequestError> {
    let asked = host
        .annotations()
        .get(OFF)
        .map(String::as_str)
        .filter(|asked| !asked.is_empty());
    if asked.is_none() && status.off.is_none() {
        return Ok(None);
    }
    let nodes: Vec<String> = status.nodes.iter().map(|node| node.name.clone()).collect();
    let phase = status.off.as_ref().map(|off| off.phase);
    let emptied = matches!(
        phase,
        Some(OffPhase::Draining | OffPhase::Drained | OffPhase::Incomplete)
    );
    // Pods are evicted from cordoned nodes only: they would come back.
    let cordoned = nodes.iter().all(|node| is_cordoned(ctx, node));
    let mut left: Option<Vec<Left>> = if emptied && cordoned {
        Some(drain::left(&ctx.process.client, &nodes).await?)
    } else {
        None
    };
    if let Some(left) = left.as_mut().filter(|_| phase == Some(OffPhase::Draining)) {
        drain::evict(&ctx.evictions, left).await;
        left.retain(|pod| pod.why != "has gone");
    }
    let lines: Option<Vec<String>> = left.as_ref().map(|left| left.iter().map(Left::line).collect());
    let case = power_off::Case {
        asked,
        handled: status.last_handled_off.as_deref(),
        off: status.off.as_ref(),
        state: status.state.unwrap_or(HostState::Unknown),
        was_off: status.off.as_ref().is_some_and(|off| off.phase == OffPhase::Off),
        may: ctx.plan().impact.may_go_off(&host.name_any(), true).answer,
        left: lines.as_deref(),
        deadline: deadline(host),
        forced: asked.is_some_and(power_off::forced),
    };
    let next = power_off::decide(&case, ctx.clock.now().wall);
    let after = next.off.as_ref().map(|off| off.phase);
    status.off = next.off;
    if let Some(handled) = next.handled {
        status.last_handled_off = Some(handled);
    }
    if phase != after {
        tell(host, ctx, status, after);
    }
    let evicting = next.evict.then_some(AGAIN);
    Ok([next.again, evicting].into_iter().flatten().min())
}

fn is_cordoned(ctx: &Context, node: &str) -> bool {
    ctx.observed().nodes.get(node).is_none_or(|facts| facts.unschedulable)
}

fn deadline(host: &NodeHost) -> Duration {
    let given = host.spec.drain.as_ref().and_then(|drain| drain.deadline.as_deref());
    let given = given.and_then(|text| duration::parse(text).ok());
    given.unwrap_or(DEADLINE).min(Duration::from_hours(1))
}

fn tell(host: &NodeHost, ctx: &Context, status: &NodeHostStatus, phase: Option<OffPhase>) {
    let waiting = || {
        let off = status.off.as_ref().map(|off| off.waiting.join("; "));
        off.filter(|text| !text.is_empty())
            .unwrap_or_else(|| "nothing".to_owned())
    };
    let (kind, reason, text) = match phase {
        Some(OffPhase::Refused) => {
            let why = status.may_go_off.as_ref().and_then(|may| may.because.first().cloned());
            (EventType::Warning, "OffRefused", why.unwrap_or_default())
        }
        Some(OffPhase::Draining) => (
            EventType::Normal,
            "Draining",
            "its nodes are cordoned and emptied".to_owned(),
        ),
        Some(OffPhase::Drained) => (
            EventType::Normal,
            "MaySwitchOff",
            "its nodes are empty; it may be switched off".to_owned(),
        ),
        Some(OffPhase::Incomplete) => (
            EventType::Warning,
            "DrainIncomplete",
            format!("the deadline has passed; still there: {}", waiting()),
        ),
        Some(OffPhase::Off) => (EventType::Normal, "HostWentOff", "it is off, as asked for".to_owned()),
        None => (
            EventType::Normal,
            "HostReturned",
            "the request has ended; its nodes may be used again".to_owned(),
        ),
    };
    tracing::info!(host = host.name_any(), ?phase, text, "request to go off");
    let reference: ObjectReference = host.object_ref(&());
    ctx.process.events.publish(&reference, kind, reason, "Off", &text);
}
