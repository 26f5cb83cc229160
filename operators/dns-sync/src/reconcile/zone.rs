//! DNSZone: finds the hosted zone, keeps a worker for it with the present configuration, reports its status.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::lease::Term;
use hearth_reconciler::secrets::SecretState;
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::notify::ObjectNotifier;
use super::{Context, Identity, MANAGER, WorkerHandle};
use crate::crd::zone::DNSZoneStatus;
use crate::crd::{CONFIRM_DELETES, DNSZone, RECONCILE_AT};
use crate::dialect::Dialect;
use crate::provider::{Found, NotFound, ProviderError, SecretData};
use crate::source::scope::Nested;
use crate::zone::config::Config;
use crate::zone::fingerprints::Fingerprints;
use crate::zone::guard::Guard;
use crate::zone::state::ZoneState;
use crate::zone::worker::{Instructions, Shared, Worker};

mod hosted_zone;
mod status;

use hosted_zone::{Doubt, check_exclusive, doubt};
use status::{StatusWriter, denied_message, export_conditions, only_awaited, was_ready};

pub(super) use status::is_stalled;

/// After an error that only a person fixes, and whose fix no watch would show.
const RECHECK_AFTER: Duration = Duration::from_mins(5);
/// While the provider cannot be reached: no watch would show that it is back.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// Why a zone cannot have a worker.
enum Obstacle {
    /// It ends by itself or by something that is watched.
    Waiting(&'static str, String),
    /// A person must fix the spec or the account.
    Stalled(&'static str, String),
}

/// One pass.
pub async fn reconcile(zone: Arc<DNSZone>, context: Arc<Context>) -> Result<Action, RequestError> {
    let mut writer = StatusWriter::new(&zone, Timestamp::now());
    let mut action = Action::await_change();
    if writer.is_new() {
        // What the others may take depends on it.
        context.call_zones_but(&zone);
    }
    if zone.spec.suspend {
        stop(&zone, &context, &mut writer);
        let message = "spec.suspend is set; nothing is listed or written";
        writer.conditions().ready("Suspended", message);
        writer.unknown("Suspended", message);
    } else {
        let doubt = doubt(&zone, &context);
        if doubt == Some(Doubt::LookUpNow) {
            // It may have been created again, with another id.
            stop(&zone, &context, &mut writer);
        }
        match work(&zone, &context, &writer.status).await {
            Ok(()) => {
                writer.describe(&zone, &context);
                if doubt == Some(Doubt::LookUpLater) {
                    action = Action::requeue(RECHECK_AFTER);
                }
            }
            // What an earlier process or term has reported stays true until something new is known.
            Err(Obstacle::Waiting("ReadingCredentials" | "NotLeading", _)) if was_ready(&zone) => {
                return Ok(Action::await_change());
            }
            Err(Obstacle::Waiting(reason, message)) => {
                // A worker that still runs has outdated credentials or an outdated spec. Whoever deletes the Secret means that
                // it ends, and after a restart there would be none either.
                let stopped = stop(&zone, &context, &mut writer);
                let outage = matches!(reason, "Unreachable" | "Throttled" | "Busy");
                if outage && was_ready(&zone) {
                    // Ready stays during an outage: what was published stays published.
                    writer.conditions().set("Reachable", false, reason, &message);
                } else {
                    writer.conditions().reconciling(reason, &message);
                    writer.unknown(reason, &message);
                }
                // A new key is often not known at once to all of AWS.
                action = Action::requeue(if outage || stopped { RETRY_AFTER } else { RECHECK_AFTER });
            }
            Err(Obstacle::Stalled(reason, message)) => {
                stop(&zone, &context, &mut writer);
                writer.conditions().stalled(reason, &message);
                writer.unknown(reason, &message);
                action = Action::requeue(RECHECK_AFTER);
            }
        }
        export_conditions(&zone, &context, &writer.status);
        if is_stalled(&zone) {
            // Records that waited for this zone need not wait any more. (The store has the status that says so.)
            context.call_records();
        }
    }
    let api: Api<DNSZone> = Api::all(context.process.client.clone());
    patch_status(&api, MANAGER, &zone, &writer.status)
        .await
        .map_err(RequestError::when("failed to write the status"))?;
    Ok(action)
}

/// Ends the zone's worker, if there is one; what is at the provider stays. The next worker begins with a list.
fn stop(zone: &DNSZone, context: &Context, writer: &mut StatusWriter) -> bool {
    let name = zone.name_any();
    let Some(handle) = context.workers().remove(&name) else {
        return false;
    };
    handle.task.abort();
    // The last report is a second old or more, and deletes since then count all the same.
    if handle.term.is_current() {
        writer.update_counts(&name, &handle.shared);
    }
    context.metrics.zone(&name).forget(&zone.spec.domain);
    context.call_records();
    true
}

/// Makes sure that the zone has a worker with the present spec and credentials.
async fn work(zone: &DNSZone, context: &Arc<Context>, status: &DNSZoneStatus) -> Result<(), Obstacle> {
    let name = zone.name_any();
    // The spec is checked before the provider is asked.
    let stalled = |(reason, message)| Obstacle::Stalled(reason, message);
    let config = context.configs.get(zone).map_err(stalled)?;
    let provider = zone.spec.provider();
    let provider = provider.map_err(|message| stalled(("NoProvider", message.to_owned())))?;

    let secret = match provider.place().credentials {
        None => {
            context.secrets.retain(&ObjectRef::from_obj(zone), &[]);
            None
        }
        Some(reference) => Some(credentials(context, zone, &reference.name)?),
    };
    let identity = Identity {
        uid: zone.uid().unwrap_or_default(),
        provider,
        secret: secret.as_ref().map(|(version, _)| version.clone()),
    };
    let Some(term) = context.process.leadership.term() else {
        return Err(Obstacle::Waiting("NotLeading", "another replica leads".to_owned()));
    };
    let running = context
        .workers()
        .get(&name)
        .filter(|handle| handle.identity == identity && handle.term.is_current() && !handle.task.is_finished())
        .map(|handle| handle.found.zone_id.clone());
    if let Some(zone_id) = running {
        // The older one may have begun later: both were made at once, or it was suspended.
        check_exclusive(zone, context, &zone_id)?;
        update_worker(zone, context, &config);
        return Ok(());
    }
    start(zone, context, status, &config, identity, secret.as_ref(), &term).await
}

/// Finds the hosted zone and starts a worker for it.
async fn start(
    zone: &DNSZone,
    context: &Arc<Context>,
    status: &DNSZoneStatus,
    config: &Config,
    identity: Identity,
    secret: Option<&SecretVersion>,
    term: &Term,
) -> Result<(), Obstacle> {
    let name = zone.name_any();
    let metrics = context.metrics.zone(&name);
    let data = secret.map(|(_, data)| SecretData(data));
    let found = context
        .accounts
        .find(&config.domain, &identity.provider, data, metrics.provider())
        .await;
    let (found, provider) = found.map_err(|why| match why {
        NotFound::Credentials(message) => Obstacle::Waiting("CredentialsInvalid", format!("{message}; {UNTIL_THEN}")),
        NotFound::Zone(message) => Obstacle::Stalled("HostedZoneNotFound", format!("{message}; {RECHECKED}")),
        NotFound::Provider(error) => unreachable_zone(identity.provider.place().field, &config.dialect, error),
    })?;
    check_exclusive(zone, context, &found.zone_id)?;
    let config = configure(config, zone, context, &found);
    let mut state = ZoneState::new(config.clone(), Guard::resume(&status.recent_deletes));
    // What waits for objects waits again without help.
    state.deletes.park_all = status.parked.is_some() && !only_awaited(status);
    state
        .deletes
        .used_confirmation
        .clone_from(&status.last_handled_confirmation);
    // Under other settings an object may not want what it wanted before, and nobody has seen which.
    let past = status.published.as_ref();
    if let Some(past) = past.filter(|past| Some(past.generation) == zone.metadata.generation) {
        state.recall(Fingerprints::decode(&past.fingerprints));
    }
    let shared = Arc::new(Shared::new(state));
    let (instructions, receiver) = watch::channel(Instructions {
        config: Arc::new(config),
        list_request: 0,
    });
    let notifier = ObjectNotifier {
        zone: name.as_str().into(),
        shared: Arc::downgrade(&shared),
        object_cache: Arc::clone(&context.object_cache),
        events: context.process.events.clone(),
        zone_trigger: context.zone_trigger.clone(),
        record_trigger: context.record_trigger.clone(),
        warned: parking_lot::Mutex::default(),
    };
    let worker = Worker {
        shared: Arc::clone(&shared),
        provider,
        object_cache: Arc::clone(&context.object_cache),
        notices: context.object_cache.listen(),
        instructions: receiver,
        notifier,
        metrics,
        term: term.clone(),
    };
    let handle = WorkerHandle {
        shared,
        instructions,
        task: tokio::spawn(worker.run()),
        term: term.clone(),
        identity,
        found,
        since: Instant::now(),
        asked: zone.annotations().get(RECONCILE_AT).cloned(),
        domain: zone.spec.domain.clone(),
    };
    context.workers().insert(name.clone(), handle);
    // The DNSZone may have been removed while the provider was asked.
    if context
        .zones
        .get(&ObjectRef::from_obj(zone))
        .is_none_or(|now| now.uid() != zone.uid())
    {
        context.forget(&name);
        return Ok(());
    }
    context.accounts.retain_used();
    context.zones_changed.notify_one();
    // Other zones may lose names to this one, or may not take relative names any more.
    context.call_zones_but(zone);
    Ok(())
}

/// When a zone without a hosted zone looks again.
const RECHECKED: &str =
    "it is looked up every 5 minutes, and at once when the annotation dns.hearth.home.arpa/reconcile-at changes";

/// What a zone without credentials does.
const UNTIL_THEN: &str = "nothing is written or deleted until then";

type SecretVersion = (String, Arc<std::collections::BTreeMap<String, k8s_openapi::ByteString>>);

fn credentials(context: &Context, zone: &DNSZone, secret: &str) -> Result<SecretVersion, Obstacle> {
    let namespace = &context.process.args.namespace;
    let (zone, wanted) = (ObjectRef::from_obj(zone), ObjectRef::new(secret).within(namespace));
    context.secrets.retain(&zone, std::slice::from_ref(&wanted));
    match context.secrets.get(&zone, &wanted) {
        SecretState::Present(version, data) => Ok((version, data)),
        SecretState::Pending => Err(Obstacle::Waiting(
            "ReadingCredentials",
            format!("Secret {namespace}/{secret} is being read"),
        )),
        SecretState::Absent => Err(Obstacle::Waiting(
            "CredentialsNotFound",
            format!(
                "there is no Secret {secret} in namespace {namespace}; create it, it is noticed at once; {UNTIL_THEN}"
            ),
        )),
        SecretState::Failing(reason, _) => Err(Obstacle::Waiting(
            "CredentialsUnreadable",
            format!(
                "Secret {namespace}/{secret} cannot be read ({reason}); add it to the chart's value credentialsSecrets; {UNTIL_THEN}"
            ),
        )),
    }
}

fn unreachable_zone(field: &str, dialect: &Dialect, error: ProviderError) -> Obstacle {
    let reason = error.reason();
    match error {
        ProviderError::Denied { operation, code } => {
            Obstacle::Waiting(reason, denied_message(dialect, operation, &code))
        }
        ProviderError::NoSuchZone => Obstacle::Stalled(
            reason,
            format!(
                "the hosted zone does not exist in this account, and nothing is deleted from the cluster's side. Correct \
                 spec.{field}.zoneID, remove it so that the zone is found by its name, create the hosted zone, or use \
                 the credentials of the account that has it; {RECHECKED}"
            ),
        ),
        other => Obstacle::Waiting(reason, format!("{other}; it is retried")),
    }
}

/// The zone's configuration with what depends on its hosted zone, on its annotations and on other DNSZones.
fn configure(config: &Config, zone: &DNSZone, context: &Context, found: &Found) -> Config {
    let mut config = config.clone();
    config.dialect = found.dialect.clone();
    let takers = context.zones.state();
    config.sole_for_records = takers
        .iter()
        .filter(|other| other.spec.sources.records.is_some() && !other.spec.suspend)
        .count()
        <= 1;
    let others = takers.iter().filter(|other| other.uid() != zone.uid());
    config.nested = others
        .filter_map(|other| Nested::of(&zone.spec, &other.name_any(), &other.spec))
        .collect();
    config.nested.sort_by(|a, b| a.zone.cmp(&b.zone));
    config.confirmed = zone.annotations().get(CONFIRM_DELETES).cloned();
    config
}

/// Passes the present spec and requests on to the running worker.
fn update_worker(zone: &DNSZone, context: &Context, config: &Config) {
    let mut workers = context.workers();
    let Some(handle) = workers.get_mut(&*config.zone) else {
        return;
    };
    let config = configure(config, zone, context, &handle.found);
    let asked = zone.annotations().get(RECONCILE_AT).cloned();
    let look = asked.is_some() && asked != handle.asked;
    handle.asked = asked;
    let (mut other, mut below) = (false, false);
    handle.instructions.send_if_modified(|instructions| {
        other = !instructions.config.same(&config);
        below = instructions.config.nested != config.nested;
        instructions.config = Arc::new(config);
        instructions.list_request += u64::from(look);
        other || look
    });
    drop(workers);
    if below {
        // The reason why no zone takes a record may have changed.
        context.call_records();
    } else if other {
        context.zones_changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
