//! A source: makes its connection of spec and credential, proves it with one authenticated call, probes it while it is away.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::conditions::{Conditions, READY, get};
use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::begin;
use hearth_reconciler::secrets::SecretState;
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use tokio::time::Instant;

use super::Context;
use crate::MANAGER;
use crate::crd::source::KeyRef;
use crate::crd::{ClusterSecretSource, ClusterSecretSourceStatus, RECONCILE_AT};
use crate::provider::{Class, Failure};
use crate::source::settings::{Invalid, ca, connect, credential};
use crate::source::{Hooks, Identity, Source};

/// The condition that says whether the provider can be used now.
pub const REACHABLE: &str = "Reachable";
/// Nothing that is watched says when a ConfigMap with certificates changes.
const RECHECK_AFTER: Duration = Duration::from_mins(5);
/// The key of certificates to trust.
const CA_KEY: &str = "ca.crt";

/// Why there is no connection.
enum Obstacle {
    /// The API server has not answered yet.
    Pending,
    /// Something that is watched, or time, changes it.
    Waiting(&'static str, String),
    /// The spec must be changed.
    Stalled(&'static str, String),
    /// A request to the API server failed. It says nothing about the source.
    Failed(RequestError),
}

/// One pass.
pub async fn reconcile(source: Arc<ClusterSecretSource>, ctx: Arc<Context>) -> Result<Action, RequestError> {
    let (name, old) = (source.name_any(), source.status.clone().unwrap_or_default());
    let mut status = old.clone();
    let was_ready = is_ready(&source);
    let requested = source.annotations().get(RECONCILE_AT) != old.last_handled_reconcile_at.as_ref()
        && source.annotations().contains_key(RECONCILE_AT);
    let mut conditions = begin(&*source, RECONCILE_AT, &mut status, Timestamp::now());
    let (mut action, mut logged_in) = (Action::await_change(), None);

    if source.spec.suspend {
        ctx.stop_source(&name);
        conditions.ready(
            "Suspended",
            "spec.suspend is set; no call is made, and Secrets stay as they are",
        );
        conditions.set(REACHABLE, None, "Suspended", "no call is made");
    } else {
        match at_work(&source, &ctx).await {
            // What an earlier process has reported stays true until something new is known.
            Err(Obstacle::Pending) => return Ok(Action::await_change()),
            Err(Obstacle::Failed(error)) => return Err(error),
            Err(Obstacle::Waiting(reason, message)) => {
                ctx.stop_source(&name);
                conditions.reconciling(reason, &message);
                conditions.set(REACHABLE, None, reason, "no call is made");
                action = Action::requeue(RECHECK_AFTER);
            }
            Err(Obstacle::Stalled(reason, message)) => {
                ctx.stop_source(&name);
                conditions.stalled(reason, &message);
                conditions.set(REACHABLE, None, reason, "no call is made");
                action = Action::requeue(RECHECK_AFTER);
            }
            Ok(handle) => {
                let same = was_ready && old.credential_version == handle.identity.credential;
                let reachable = is_true(&old, REACHABLE);
                let refused = probe_if_due(&name, &handle, &ctx, requested, same, reachable).await;
                action = describe(&handle, refused, same, &mut conditions).await;
                if is_true(&status, READY) {
                    status.credential_version.clone_from(&handle.identity.credential);
                }
                logged_in = Some(!refuses_logins(&handle));
            }
        }
    }
    if ca(&source.spec).is_some_and(|ca| ca.config_map_ref.is_some()) && action == Action::await_change() {
        action = Action::requeue(RECHECK_AFTER);
    }
    ctx.metrics.source_condition(&name, "LoggedIn", logged_in);
    export(&source, &status, &ctx);
    tell(&source, &old, &status, &ctx);
    patch_status(&Api::all(ctx.process.client.clone()), MANAGER, &*source, &status)
        .await
        .map_err(RequestError::when("failed to write the status"))?;
    Ok(action)
}

/// Makes one authenticated call where it is requested, is due after an outage, or nothing has proven the source. `same`: it was
/// ready with this spec and credential. Returns why the call failed; an outage is in the circuit then.
async fn probe_if_due(
    name: &str,
    handle: &Source,
    ctx: &Context,
    requested: bool,
    same: bool,
    reachable: bool,
) -> Option<Failure> {
    let due = handle.probe_at().is_some_and(|at| at <= Instant::now());
    let unproven = !same || (!reachable && !handle.is_proven());
    if !(requested || due || (unproven && handle.probe_at().is_none())) {
        return None;
    }
    match handle.probe().await {
        Ok(_) => {
            ctx.call_syncs_of(name);
            None
        }
        Err(failure) => Some(failure),
    }
}

/// Sets the conditions of a source at work, and says when to look again.
async fn describe(handle: &Source, refused: Option<Failure>, same: bool, conditions: &mut Conditions<'_>) -> Action {
    match handle.outage() {
        None if same || handle.is_proven() => {
            conditions.ready("Connected", "the login works");
            conditions.set(REACHABLE, true, "Connected", "the last call succeeded");
            let next = handle.renew().await;
            next.map_or_else(Action::await_change, |next| {
                Action::requeue(next.max(Duration::from_secs(1)))
            })
        }
        // The probe was answered, but not as it should be: the settings do not fit.
        None => {
            let (reason, message) = refused.map_or(("NotProven", "no call has succeeded yet".to_owned()), |failure| {
                (failure.reason.as_str(), failure.message)
            });
            conditions.reconciling(reason, &format!("{message}; it is tried again every 5 minutes"));
            conditions.set(REACHABLE, true, "Answered", "the provider answers");
            Action::requeue(RECHECK_AFTER)
        }
        Some(failure) => {
            if !same {
                conditions.reconciling(failure.reason.as_str(), &failure.message);
            }
            conditions.set(REACHABLE, false, failure.reason.as_str(), &outage_message(&failure));
            let at = handle.probe_at().unwrap_or_else(Instant::now);
            let wait = at.saturating_duration_since(Instant::now());
            Action::requeue(wait.max(Duration::from_millis(100)))
        }
    }
}

/// Whether the status says Ready for the present spec.
pub fn is_ready(source: &ClusterSecretSource) -> bool {
    let status = source.status.as_ref();
    status
        .is_some_and(|status| Some(status.observed_generation) == source.metadata.generation && is_true(status, READY))
}

fn is_true(status: &ClusterSecretSourceStatus, type_: &str) -> bool {
    get(&status.conditions, type_).is_some_and(|condition| condition.status == "True")
}

fn refuses_logins(handle: &Source) -> bool {
    handle
        .outage()
        .is_some_and(|failure| failure.reason.class() == Class::Login)
}

fn outage_message(failure: &Failure) -> String {
    format!(
        "{}. Secrets stay as they are; it is tried again at least every minute",
        failure.message
    )
}

/// The source at work with the present spec and credential.
async fn at_work(source: &ClusterSecretSource, ctx: &Arc<Context>) -> Result<Arc<Source>, Obstacle> {
    let (name, reference) = (source.name_any(), ObjectRef::from_obj(source));
    let namespace = &ctx.process.args.namespace;
    let ca = ca(&source.spec);
    let credential = credential(&source.spec).map(|(secret, _)| secret);
    let ca_secret = ca.and_then(|ca| ca.secret_ref.as_ref());
    let watched = [credential, ca_secret].into_iter().flatten();
    let watched: Vec<_> = watched
        .map(|secret| ObjectRef::<Secret>::new(&secret.name).within(namespace))
        .collect();
    ctx.credentials.retain(&reference, &watched);

    let credential = credential
        .map(|secret| read_secret(ctx, &reference, secret))
        .transpose()?;
    let ca = match ca {
        None => None,
        Some(ca) => Some(match (&ca.secret_ref, &ca.config_map_ref) {
            (Some(secret), _) => {
                let (version, data) = read_secret(ctx, &reference, secret)?;
                let key = secret.key.as_deref().unwrap_or(CA_KEY);
                let pem = data.get(key).ok_or_else(|| missing_ca("Secret", secret, key))?;
                (version, pem.0.clone())
            }
            (None, Some(map)) => read_config_map(ctx, map).await?,
            (None, None) => {
                let message = "ca: exactly one must be set: configMapRef or secretRef".to_owned();
                return Err(Obstacle::Stalled("InvalidSpec", message));
            }
        }),
    };
    let identity = Identity {
        uid: source.uid().unwrap_or_default(),
        generation: source.metadata.generation,
        credential: credential.as_ref().map(|(version, _)| version.clone()),
        ca: ca.as_ref().map(|(version, _)| version.clone()),
    };
    let present = ctx
        .at_work
        .lock()
        .get(&name)
        .cloned()
        .flatten()
        .filter(|source| source.identity == identity);
    if let Some(present) = present {
        return Ok(present);
    }
    let data = credential.as_ref().map(|(_, data)| &**data);
    let connection = connect(&source.spec, data, ca.map(|(_, pem)| pem), &ctx.installed);
    let connection = connection.map_err(|invalid| match invalid {
        Invalid::Spec(message) => Obstacle::Stalled("InvalidSpec", message),
        Invalid::Credential(message) => {
            Obstacle::Waiting("CredentialInvalid", format!("{message}; a change is noticed at once"))
        }
    })?;
    let (trigger, metrics, labelled) = (ctx.source_trigger.clone(), ctx.metrics.clone(), name.clone());
    let hooks = Hooks {
        changed: Box::new(move || trigger.reconcile(reference.clone())),
        called: Box::new(move |success| metrics.read(&labelled, if success { "success" } else { "error" })),
    };
    let handle = Source::new(identity, connection, hooks);
    tokio::spawn(Source::expire(Arc::downgrade(&handle)));
    ctx.at_work.lock().insert(name.clone(), Some(Arc::clone(&handle)));
    ctx.call_syncs_of(&name);
    Ok(handle)
}

type Versioned<T> = (String, T);

fn read_secret(
    ctx: &Context,
    source: &ObjectRef<ClusterSecretSource>,
    secret: &KeyRef,
) -> Result<Versioned<Arc<BTreeMap<String, ByteString>>>, Obstacle> {
    let (namespace, name) = (&ctx.process.args.namespace, &secret.name);
    match ctx.credentials.get(source, &ObjectRef::new(name).within(namespace)) {
        SecretState::Present(version, data) => Ok((version, data)),
        SecretState::Pending => Err(Obstacle::Pending),
        SecretState::Absent => Err(Obstacle::Waiting(
            "CredentialsNotFound",
            format!("there is no Secret {name} in namespace {namespace}; create it, it is noticed at once"),
        )),
        SecretState::Failing(reason, _) => Err(Obstacle::Waiting(
            "CredentialsUnreadable",
            format!(
                "Secret {namespace}/{name} cannot be read ({reason}); add it to the chart's value credentialsSecrets"
            ),
        )),
    }
}

async fn read_config_map(ctx: &Context, map: &KeyRef) -> Result<Versioned<Vec<u8>>, Obstacle> {
    let (namespace, name) = (&ctx.process.args.namespace, &map.name);
    let key = map.key.as_deref().unwrap_or(CA_KEY);
    let api: Api<ConfigMap> = Api::namespaced(ctx.process.client.clone(), namespace);
    let found = match api.get_opt(name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return Err(Obstacle::Waiting(
                "CertificatesNotFound",
                format!(
                    "there is no ConfigMap {name} in namespace {namespace}; create it, it is looked up every 5 minutes"
                ),
            ));
        }
        Err(error) => {
            return Err(Obstacle::Failed(RequestError::when(
                "failed to read the ConfigMap with certificates",
            )(error)));
        }
    };
    let pem = found.data.as_ref().and_then(|data| data.get(key));
    let pem = pem.ok_or_else(|| missing_ca("ConfigMap", map, key))?;
    Ok((found.resource_version().unwrap_or_default(), pem.clone().into_bytes()))
}

fn missing_ca(kind: &str, reference: &KeyRef, key: &str) -> Obstacle {
    let message = format!("{kind} {} has no key {key}", reference.name);
    Obstacle::Waiting("CertificatesNotFound", message)
}

/// Metrics.
fn export(source: &ClusterSecretSource, status: &ClusterSecretSourceStatus, ctx: &Context) {
    let name = source.name_any();
    for type_ in [READY, REACHABLE] {
        let known = get(&status.conditions, type_).filter(|condition| condition.status != "Unknown");
        ctx.metrics
            .source_condition(&name, type_, known.map(|_| is_true(status, type_)));
    }
    let vault = source.spec.azure_key_vault.as_ref();
    let expires = vault.and_then(|vault| vault.service_principal.expires.as_deref());
    let expires = expires.and_then(|text| text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok());
    let seconds = expires.map(|time| time.timestamp().as_duration().as_secs_f64());
    ctx.metrics.client_secret_expires(&name, seconds);
}

/// An event when Reachable turns, or Ready's reason becomes another.
fn tell(source: &ClusterSecretSource, old: &ClusterSecretSourceStatus, new: &ClusterSecretSourceStatus, ctx: &Context) {
    for type_ in [READY, REACHABLE] {
        let (Some(condition), before) = (get(&new.conditions, type_), get(&old.conditions, type_)) else {
            continue;
        };
        let same = before.is_some_and(|before| before.status == condition.status && before.reason == condition.reason);
        if same || condition.status == "Unknown" || (before.is_none() && condition.status == "True") {
            continue;
        }
        let kind = if condition.status == "True" {
            EventType::Normal
        } else {
            EventType::Warning
        };
        let reference = source.object_ref(&());
        ctx.process
            .events
            .publish(&reference, kind, &condition.reason, "Connect", &condition.message);
    }
}
