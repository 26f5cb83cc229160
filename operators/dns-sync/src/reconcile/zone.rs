//! DNSZone: finds the hosted zone, keeps its actor at work with the present configuration, reports.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::conditions::{self, Status};
use hearth_reconciler::report::report;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use tokio::sync::watch;

use super::tell::Teller;
use super::{Context, Error, Handle, Identity, MANAGER};
use crate::crd::zone::{DNSZoneStatus, Parked, RecordCounts};
use crate::crd::{CONFIRM_DELETES, DNSZone, RECONCILE_AT};
use crate::metrics::CONDITIONS;
use crate::provider::ProviderError;
use crate::provider::route53::account::SecretData;
use crate::reconcile::secrets::Known;
use crate::source::SourceKind;
use crate::zone::actor::{Actor, Order, Shared, Standing};
use crate::zone::config::Config;
use crate::zone::guard::Guard;
use crate::zone::state::State;

/// Plan lines and parked records that a status shows.
const SHOWN: usize = 20;
/// After an error that only a person mends, and that no watch would tell us of.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// While the provider cannot be reached: the line is back sooner than anybody tells us.
const KNOCK_AGAIN: Duration = Duration::from_secs(15);

/// What stands in the way of working.
enum Obstacle {
    /// It will go by itself or by something that is watched.
    Waiting(&'static str, String),
    /// A person must mend the spec or the account.
    Stalled(&'static str, String),
}

/// One pass.
pub async fn reconcile(zone: Arc<DNSZone>, context: Arc<Context>) -> Result<Action, Error> {
    let name = zone.name_any();
    let mut status = zone.status.clone().unwrap_or_default();
    let generation = zone.metadata.generation;
    status.observed_generation = generation.unwrap_or_default();
    let (now, mut action) = (Timestamp::now(), Action::await_change());
    if zone.spec.suspend {
        stop(&context, &name, &zone.spec.domain);
        conditions::ready(
            &mut status.conditions,
            "Suspended",
            "spec.suspend is set; nothing is looked at or written",
            generation,
            now,
        );
    } else {
        match work(&zone, &context, &status).await {
            Ok(()) => describe(&zone, &context, &mut status, now),
            // What an earlier process or term has reported stays true until something new is known.
            Err(Obstacle::Waiting("ReadingCredentials" | "NotLeading", _)) if was_ready(&zone) => return Ok(Action::await_change()),
            Err(Obstacle::Waiting(reason, message)) => {
                let outage = matches!(reason, "Unreachable" | "Throttled" | "Busy");
                if outage && was_ready(&zone) {
                    // Ready stays through an outage; nothing that was published has gone.
                    conditions::set(&mut status.conditions, "Reachable", false, reason, &message, generation, now);
                } else {
                    conditions::reconciling(&mut status.conditions, reason, &message, generation, now);
                    unknown(&mut status, reason, &message, generation, now);
                }
                action = Action::requeue(if outage { KNOCK_AGAIN } else { LOOK_AGAIN });
            }
            Err(Obstacle::Stalled(reason, message)) => {
                stop(&context, &name, &zone.spec.domain);
                conditions::stalled(&mut status.conditions, reason, &message, generation, now);
                unknown(&mut status, reason, &message, generation, now);
                action = Action::requeue(LOOK_AGAIN);
            }
        }
        export(&zone, &context, &status);
    }
    let api: Api<DNSZone> = Api::all(context.client.clone());
    report(&api, MANAGER, &zone, &status).await.map_err(Error::Status)?;
    Ok(action)
}

/// Whether the status says Ready of the present spec.
fn was_ready(zone: &DNSZone) -> bool {
    let Some(status) = &zone.status else { return false };
    let ready = conditions::get(&status.conditions, conditions::READY);
    ready.is_some_and(|ready| ready.status == "True" && ready.reason != "Suspended" && ready.observed_generation == zone.metadata.generation)
}

/// While the zone is not worked on, nobody knows how it stands.
fn unknown(status: &mut DNSZoneStatus, reason: &str, message: &str, generation: Option<i64>, now: Timestamp) {
    for type_ in ["InSync", "Reachable"] {
        conditions::set(&mut status.conditions, type_, Status::Unknown, reason, message, generation, now);
    }
}

fn stop(context: &Context, name: &str, domain: &str) {
    if context.at_work().remove(name).is_some() {
        context.metrics.zone(name).forget(domain);
        context.call_records();
    }
}

/// Sees to it that the zone's actor works with the present spec and credentials.
async fn work(zone: &Arc<DNSZone>, context: &Arc<Context>, status: &DNSZoneStatus) -> Result<(), Obstacle> {
    let name = zone.name_any();
    let Some(route53) = &zone.spec.route53 else {
        return Err(Obstacle::Stalled(
            "NoProvider",
            "exactly one provider must be set: route53".to_owned(),
        ));
    };
    // The spec is checked before the provider is asked.
    let stalled = |(reason, message)| Obstacle::Stalled(reason, message);
    Config::new(&name, "", &zone.spec, &context.cluster_name, &context.reach).map_err(stalled)?;

    let secret = match &route53.credentials_secret_ref {
        None => {
            context.secrets.release(&name);
            None
        }
        Some(reference) => Some(credentials(context, &name, &reference.name)?),
    };
    let identity = Identity {
        uid: zone.uid().unwrap_or_default(),
        route53: route53.clone(),
        secret: secret.as_ref().map(|(version, _)| version.clone()),
    };
    let Some(term) = context.leadership.term() else {
        return Err(Obstacle::Waiting("NotLeading", "another replica leads".to_owned()));
    };
    let running = context.at_work().get(&name).is_some_and(|handle| {
        handle.identity == identity && handle.term.is_current() && !handle.task.is_finished()
    });
    if running {
        instruct(zone, context, &name);
        return Ok(());
    }
    let metrics = context.metrics.zone(&name);
    let data = secret.as_ref().map(|(_, data)| SecretData(data));
    let account = context
        .accounts
        .get(route53, data)
        .await
        .map_err(|invalid| Obstacle::Waiting("CredentialsInvalid", invalid.0))?;
    let domain = Config::new(&name, "", &zone.spec, &context.cluster_name, &context.reach)
        .map_err(stalled)?
        .domain;
    let found = account
        .find(
            &domain,
            route53.zone_id.as_deref(),
            route53.visibility,
            &metrics.provider(),
        )
        .await;
    let found = found
        .map_err(unreachable_zone)?
        .map_err(|message| Obstacle::Stalled("HostedZoneNotFound", message))?;
    if let Some(rival) = elder(zone, context, &found.zone_id) {
        return Err(Obstacle::Stalled(
            "HostedZoneTaken",
            format!(
                "hosted zone {} is managed by the older DNSZone {rival}; delete one of the two, or give each its own spec.route53.zoneID",
                found.zone_id
            ),
        ));
    }
    let config = configure(zone, context, &found.zone_id).map_err(stalled)?;
    let mut state = State::new(config.clone(), Guard::resume(&status.recent_deletes));
    state.park_all = status.parked.is_some();
    let shared = Arc::new(Shared::new(state));
    let (orders, receiver) = watch::channel(Order {
        config: Arc::new(config),
        look: 0,
    });
    let teller = Teller {
        zone: name.as_str().into(),
        shared: Arc::downgrade(&shared),
        world: Arc::clone(&context.world),
        events: context.events.clone(),
        zone_calls: context.zone_calls.clone(),
        record_calls: context.record_calls.clone(),
    };
    let actor = Actor {
        shared: Arc::clone(&shared),
        provider: account.zone(&found.zone_id, metrics.provider()),
        world: Arc::clone(&context.world),
        notices: context.world.listen(),
        orders: receiver,
        audience: teller,
        metrics,
        term: term.clone(),
    };
    let handle = Handle {
        shared,
        orders,
        task: tokio::spawn(actor.run()),
        term: term.clone(),
        identity,
        found,
        asked: zone.annotations().get(RECONCILE_AT).cloned(),
        domain: zone.spec.domain.clone(),
    };
    context.at_work().insert(name, handle);
    context.accounts.retain_used();
    context.zones_changed.notify_one();
    // Others may have to yield, or take relative names no longer.
    for other in context
        .zones
        .state()
        .iter()
        .filter(|other| other.name_any() != zone.name_any())
    {
        let _ = context.zone_calls.send(ObjectRef::from_obj(&**other));
    }
    Ok(())
}

type SecretVersion = (String, Arc<std::collections::BTreeMap<String, k8s_openapi::ByteString>>);

fn credentials(context: &Context, zone: &str, secret: &str) -> Result<SecretVersion, Obstacle> {
    let namespace = &context.namespace;
    match context.secrets.get(zone, secret) {
        Known::Present(version, data) => Ok((version, data)),
        Known::Waiting => Err(Obstacle::Waiting(
            "ReadingCredentials",
            format!("Secret {namespace}/{secret} is being read"),
        )),
        Known::Absent => Err(Obstacle::Waiting(
            "CredentialsNotFound",
            format!("there is no Secret {secret} in namespace {namespace}; create it, it is noticed at once"),
        )),
        Known::Failing(reason, _) => Err(Obstacle::Waiting(
            "CredentialsUnreadable",
            format!(
                "Secret {namespace}/{secret} cannot be read ({reason}); add it to the chart's value credentialsSecrets"
            ),
        )),
    }
}

fn unreachable_zone(error: ProviderError) -> Obstacle {
    let reason = error.reason();
    match error {
        ProviderError::Denied { operation, code } => Obstacle::Waiting(
            reason,
            format!(
                "Route 53 denies {operation} ({code}); check the credentials and their IAM policy. It is tried again every few minutes and when the Secret changes"
            ),
        ),
        ProviderError::NoSuchZone => Obstacle::Stalled(
            reason,
            "the hosted zone does not exist in this account; correct spec.route53.zoneID".to_owned(),
        ),
        other => Obstacle::Waiting(reason, format!("{other}; it is tried again")),
    }
}

/// The older DNSZone that already has this hosted zone.
fn elder(zone: &DNSZone, context: &Context, zone_id: &str) -> Option<String> {
    let age = |one: &DNSZone| {
        (
            one.metadata.creation_timestamp.as_ref().map(|time| time.0),
            one.name_any(),
        )
    };
    let endpoint = |one: &DNSZone| one.spec.route53.as_ref().and_then(|route53| route53.endpoint.clone());
    let rivals = context.zones.state();
    rivals
        .iter()
        .filter(|other| other.uid() != zone.uid() && !other.spec.suspend && endpoint(other) == endpoint(zone))
        .filter(|other| {
            let status = other.status.as_ref().and_then(|status| status.zone_id.as_deref());
            let spec = other
                .spec
                .route53
                .as_ref()
                .and_then(|route53| route53.zone_id.as_deref());
            status
                .or(spec)
                .is_some_and(|id| id.trim_start_matches("/hostedzone/") == zone_id)
        })
        .filter(|other| age(other) < age(zone))
        .map(|other| other.name_any())
        .next()
}

fn configure(zone: &DNSZone, context: &Context, zone_id: &str) -> Result<Config, (&'static str, String)> {
    let mut config = Config::new(
        &zone.name_any(),
        zone_id,
        &zone.spec,
        &context.cluster_name,
        &context.reach,
    )?;
    let takers = context.zones.state();
    config.sole_for_records = takers
        .iter()
        .filter(|other| other.spec.sources.records.is_some() && !other.spec.suspend)
        .count()
        <= 1;
    config.confirmed = zone.annotations().get(CONFIRM_DELETES).cloned();
    Ok(config)
}

/// Passes the present spec and requests on to the running actor.
fn instruct(zone: &DNSZone, context: &Context, name: &str) {
    let mut at_work = context.at_work();
    let Some(handle) = at_work.get_mut(name) else { return };
    let Ok(config) = configure(zone, context, &handle.found.zone_id) else {
        return;
    };
    let asked = zone.annotations().get(RECONCILE_AT).cloned();
    let look = asked.is_some() && asked != handle.asked;
    handle.asked = asked;
    handle.orders.send_if_modified(|order| {
        let other = !order.config.same(&config);
        order.config = Arc::new(config);
        order.look += u64::from(look);
        other || look
    });
}

/// The status of a zone at work.
fn describe(zone: &DNSZone, context: &Context, status: &mut DNSZoneStatus, now: Timestamp) {
    let at_work = context.at_work();
    let Some(handle) = at_work.get(&zone.name_any()) else {
        return;
    };
    status.zone_id = Some(handle.found.zone_id.clone());
    status.name_servers.clone_from(&handle.found.name_servers);
    let generation = zone.metadata.generation;
    let standing = handle.shared.standing().clone();
    // Echoed when the look that was asked for has been done, so that one can wait for it.
    if standing.looked && standing.looks >= handle.orders.borrow().look && handle.asked.is_some() {
        status.last_handled_reconcile_at.clone_from(&handle.asked);
    }
    let state = handle.shared.state();
    if !standing.looked && was_ready(zone) {
        // The beginning of a term says nothing new, but that the provider may be away.
        if standing.error.is_some() {
            reachable(&standing, status, generation, now);
        }
        return;
    }
    if !standing.looked {
        let (reason, message) = match &standing.error {
            None => ("Looking", "the zone is being listed for the first time".to_owned()),
            Some(error) => (
                error.reason(),
                format!("the zone could not be listed yet: {error}; it is tried again"),
            ),
        };
        conditions::reconciling(&mut status.conditions, reason, &message, generation, now);
        reachable(&standing, status, generation, now);
        return;
    }
    let totals = state.totals();
    let failed = totals.failed + i64::try_from(state.defective()).unwrap_or(0);
    status.records = Some(RecordCounts {
        desired: totals.desired,
        owned: totals.owned,
        foreign: totals.foreign,
        pending: totals.pending,
        conflicted: totals.conflicted,
        failed,
        parked: i64::try_from(state.parked.len()).unwrap_or(i64::MAX),
    });
    (status.plan, status.plan_omitted) = state.plan_lines(SHOWN);
    status.recent_deletes = state.guard.buckets().to_vec();
    status.parked = (!state.parked.is_empty()).then(|| Parked {
        hash: state.parked_hash(),
        count: i64::try_from(state.parked.len()).unwrap_or(i64::MAX),
        records: state.parked.keys().take(SHOWN).map(ToString::to_string).collect(),
    });
    let (parked, message) = match &status.parked {
        None => (false, "no deletes wait".to_owned()),
        Some(parked) => (
            true,
            format!(
                "{} deletes wait for a person; if they are meant: kubectl annotate dnszone {} {CONFIRM_DELETES}={} --overwrite",
                parked.count,
                zone.name_any(),
                parked.hash
            ),
        ),
    };
    let reason = if parked { "ConfirmationNeeded" } else { "NothingParked" };
    conditions::set(
        &mut status.conditions,
        "DeletesParked",
        parked,
        reason,
        &message,
        generation,
        now,
    );
    drop(state);

    let counts = status.records.unwrap_or_default();
    let observes = zone.spec.policy == crate::crd::zone::Policy::Observe;
    let (in_sync, reason, message) = match counts {
        RecordCounts { failed: 1.., .. } => (
            false,
            "RecordsFailed",
            format!(
                "{} records cannot be published; their objects have events that say why",
                counts.failed
            ),
        ),
        RecordCounts { conflicted: 1.., .. } => (
            false,
            "Conflicted",
            format!("{} records are held by others", counts.conflicted),
        ),
        RecordCounts { parked: 1.., .. } => (
            false,
            "DeletesParked",
            format!("{} deletes wait for a confirmation", counts.parked),
        ),
        RecordCounts { pending: 1.., .. } if observes => (
            false,
            "Observed",
            format!("{} changes would be made; see status.plan", counts.pending),
        ),
        RecordCounts { pending: 1.., .. } => (false, "Pending", format!("{} changes wait", counts.pending)),
        _ => (true, "InSync", "the zone is as the cluster wants it".to_owned()),
    };
    conditions::set(
        &mut status.conditions,
        "InSync",
        in_sync,
        reason,
        &message,
        generation,
        now,
    );
    reachable(&standing, status, generation, now);
    sources(zone, context, status, generation, now);

    // One bad record or an outage does not make the zone unready, denied access does: nothing can be published then.
    match &standing.error {
        Some(ProviderError::Denied { operation, code }) => {
            let message = format!(
                "Route 53 denies {operation} ({code}); check the credentials and their IAM policy. It is tried again every few minutes and when the Secret changes"
            );
            conditions::stalled(&mut status.conditions, "AccessDenied", &message, generation, now);
        }
        Some(ProviderError::NoSuchZone) => {
            let message = "the hosted zone does not exist any more; nothing is deleted from the cluster's side. Restore it, or correct spec.route53.zoneID";
            conditions::stalled(&mut status.conditions, "HostedZoneNotFound", message, generation, now);
        }
        _ if observes => conditions::ready(
            &mut status.conditions,
            "Observing",
            "the policy is Observe: nothing is written; status.plan shows what would be",
            generation,
            now,
        ),
        _ => conditions::ready(
            &mut status.conditions,
            "Publishing",
            "the zone is kept as the cluster wants it",
            generation,
            now,
        ),
    }
}

fn reachable(standing: &Standing, status: &mut DNSZoneStatus, generation: Option<i64>, now: Timestamp) {
    let (value, reason, message) = match &standing.error {
        None if standing.looked => (Status::True, "Reachable", "the provider answers".to_owned()),
        None => (
            Status::Unknown,
            "NotAsked",
            "the provider has not been asked yet".to_owned(),
        ),
        Some(error @ (ProviderError::Throttled(_) | ProviderError::Busy)) => {
            (Status::True, error.reason(), format!("{error}; it is tried again"))
        }
        Some(error) => (
            Status::False,
            error.reason(),
            format!("{error}; it is tried again, and nothing is lost meanwhile"),
        ),
    };
    conditions::set(
        &mut status.conditions,
        "Reachable",
        value,
        reason,
        &message,
        generation,
        now,
    );
}

/// Whether every source that the zone asks for is watched and listed.
fn sources(zone: &DNSZone, context: &Context, status: &mut DNSZoneStatus, generation: Option<i64>, now: Timestamp) {
    let spec = &zone.spec.sources;
    let asked = [
        (SourceKind::Service, spec.services.is_some()),
        (SourceKind::Ingress, spec.ingresses.is_some()),
        (SourceKind::Record, spec.records.is_some()),
    ];
    let mut missing = Vec::new();
    let complete = context.world.complete();
    for (kind, _) in asked.into_iter().filter(|(_, on)| *on) {
        let source = kind.source();
        if !context.reach.sources.contains(&kind) {
            missing.push(format!(
                "{source}: not enabled in this installation; set the chart's value sources.{source}=true"
            ));
        } else if let Some((reason, _)) = context.world.failing(kind) {
            missing.push(format!(
                "{source}: cannot be listed ({reason}); records from it stay as they are"
            ));
        } else if !complete.of(kind) {
            missing.push(format!("{source}: not listed yet"));
        }
    }
    let (value, reason, message) = if missing.is_empty() {
        (true, "Complete", "every source is listed".to_owned())
    } else {
        (false, "Incomplete", missing.join("; "))
    };
    conditions::set(
        &mut status.conditions,
        "SourcesComplete",
        value,
        reason,
        &message,
        generation,
        now,
    );
}

fn export(zone: &DNSZone, context: &Context, status: &DNSZoneStatus) {
    let conditions: Vec<(&'static str, &'static str)> = CONDITIONS
        .into_iter()
        .filter_map(|type_| {
            let condition = conditions::get(&status.conditions, type_)?;
            let value = match condition.status.as_str() {
                "True" => "True",
                "False" => "False",
                _ => "Unknown",
            };
            Some((type_, value))
        })
        .collect();
    context
        .metrics
        .zone(&zone.name_any())
        .describe(&zone.spec.domain, zone.spec.policy.as_str(), &conditions);
}
