//! Tells the server of `spec.ping` of good slots. A ping is sent beside the passes of its schedule, and holds up none of them.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::conditions::Conditions;
use hearth_reconciler::secrets::SecretState;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::Context;
use crate::crd::backup_schedule::{PingStatus, SecretKeyRef};
use crate::crd::{BackupSchedule, BackupScheduleStatus};
use crate::ping::{TIMEOUT, Target, send};
use crate::plan::schedule::ping::{MOST_ATTEMPTS, Next, condition, later, next, record};
use crate::plan::schedule::{Note, Parsed};

/// The condition that says whether the server was told of the last good slot.
const PINGED: &str = "Pinged";

/// What is known of the pings of a schedule before its status has it.
#[derive(Debug, Default)]
pub struct Sending {
    /// One is on its way.
    busy: bool,
    /// The last one that ended.
    last: Option<PingStatus>,
}

/// Sends a ping if one is due, and writes into the status what is known; what there is to say, and when to look again.
pub(super) fn look(
    schedule: &BackupSchedule,
    ctx: &Arc<Context>,
    parsed: &Parsed,
    status: &mut BackupScheduleStatus,
) -> (Option<Note>, Option<Duration>) {
    let (reference, uid, now) = (
        ObjectRef::from_obj(schedule),
        schedule.uid().unwrap_or_default(),
        Timestamp::now(),
    );
    let Some(ping) = &schedule.spec.ping else {
        forget(ctx, &reference, &uid);
        status.ping = None;
        status.conditions.retain(|condition| condition.type_ != PINGED);
        return (None, None);
    };
    let target = target(ctx, &reference, &ping.url_secret_ref);
    let (busy, news) = known(ctx, &uid, status);
    let good = status.last_good.as_ref().and_then(|good| good.parse().ok());
    let next = next(good, status.ping.as_ref(), parsed.rpo(now), now);
    let mut conditions = Conditions {
        list: &mut status.conditions,
        generation: schedule.metadata.generation,
        now,
    };
    let (so, reason, message) = match &target {
        Ok(_) => condition(status.ping.as_ref()),
        Err(None) => return (news, None),
        Err(Some((reason, message))) => (Some(false), *reason, message.clone()),
    };
    conditions.set(PINGED, so, reason, &message);
    match (next, target) {
        (Next::Send(slot), Ok(target)) if !busy => {
            begin(ctx, reference, uid, target, slot, status.ping.clone());
            (news, None)
        }
        (Next::Later(at), Ok(_)) => (news, Duration::try_from(at.duration_since(now)).ok()),
        _ => (news, None),
    }
}

/// Puts into the status what is known better than there; whether a ping is on its way, and what there is to say.
fn known(ctx: &Context, uid: &str, status: &mut BackupScheduleStatus) -> (bool, Option<Note>) {
    let mut pings = ctx.pings.lock();
    let Some(sending) = pings.get(uid) else {
        return (false, None);
    };
    let (busy, last) = (sending.busy, sending.last.clone());
    let best = later(status.ping.clone(), last);
    if best == status.ping {
        if !busy {
            pings.remove(uid);
        }
        return (busy, None);
    }
    status.ping = best;
    let given_up = status
        .ping
        .as_ref()
        .filter(|ping| ping.attempts >= MOST_ATTEMPTS && ping.problem.is_some());
    (busy, given_up.map(|ping| ("PingFailed", condition(Some(ping)).2)))
}

/// Sends a ping. When it has ended, the schedule is reconciled. Stopped before its status is written, it is sent again: the server
/// takes two for one.
fn begin(
    ctx: &Arc<Context>,
    reference: ObjectRef<BackupSchedule>,
    uid: String,
    target: Target,
    slot: Timestamp,
    known: Option<PingStatus>,
) {
    ctx.pings.lock().entry(uid.clone()).or_default().busy = true;
    let ctx = Arc::clone(ctx);
    tokio::spawn(async move {
        let result = send(&target, TIMEOUT).await;
        let last = record(known.as_ref(), slot, result, Timestamp::now());
        // One that is deleted leaves nothing.
        if let Some(sending) = ctx.pings.lock().get_mut(&uid) {
            *sending = Sending {
                busy: false,
                last: Some(last),
            };
        }
        ctx.schedule_trigger.reconcile(reference);
    });
}

/// Where the ping goes; else why not, as a reason and a message, or nothing if the API server has not answered yet.
fn target(
    ctx: &Context,
    schedule: &ObjectRef<BackupSchedule>,
    wanted: &SecretKeyRef,
) -> Result<Target, Option<(&'static str, String)>> {
    let namespace = schedule.namespace.clone().unwrap_or_default();
    let secret = ObjectRef::new(&wanted.name).within(&namespace);
    ctx.ping_secrets.retain(schedule, std::slice::from_ref(&secret));
    let name = format!("Secret {namespace}/{}", wanted.name);
    match ctx.ping_secrets.get(schedule, &secret) {
        SecretState::Pending => Err(None),
        SecretState::Absent => Err(Some(("SecretNotFound", format!("there is no {name}")))),
        SecretState::Failing("Forbidden", message) => {
            let way = "a Role that allows the operator's account to get, list and watch this Secret";
            Err(Some((
                "Forbidden",
                format!("{name} cannot be read: {message}; it needs {way}"),
            )))
        }
        SecretState::Failing(reason, message) => Err(Some((reason, format!("{name} cannot be read: {message}")))),
        SecretState::Present(_, data) => {
            let value = data.get(&wanted.key);
            let value = value.ok_or_else(|| Some(("SecretNotFound", format!("{name} has no key {}", wanted.key))))?;
            let parsed = Target::parse(&value.0);
            parsed.map_err(|why| Some(("InvalidUrl", format!("{name}, key {}: {why}", wanted.key))))
        }
    }
}

/// Nothing is known any more of a schedule that is deleted, or sends no pings.
pub(super) fn forget(ctx: &Context, schedule: &ObjectRef<BackupSchedule>, uid: &str) {
    ctx.ping_secrets.retain(schedule, &[]);
    ctx.pings.lock().remove(uid);
}
