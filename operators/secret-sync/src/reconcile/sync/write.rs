//! Writes the Secret of a SecretSync: only what is absent or ours, and only if it differs.
use hearth_reconciler::apply::{ApplyError, Owner, apply, delete};
use hearth_reconciler::error::{ReconcileError, RequestError};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

use super::{Obstacle, Pass, RECHECK_AFTER};
use crate::MANAGER;
use crate::crd::{MANAGED, OWNER};
use crate::sync::Problem;
use crate::sync::config::Config;
use crate::sync::secret::{Marked, desired, is_as_desired};
use crate::sync::values::Assembled;

/// So long it is believed that a namespace is not being deleted.
const NAMESPACE_KNOWN: Duration = Duration::from_secs(1);

/// Brings the Secret to the data. `known` is the Secret with our label, as the watch knows it.
pub(super) async fn write(
    pass: &Pass<'_>,
    position: usize,
    config: &Config,
    assembled: &Assembled,
    known: Option<&Marked>,
) -> Result<(), Obstacle> {
    let (namespace, name) = pass.key;
    let Ok(_slot) = pass.ctx.writes.acquire().await else {
        return Err(Obstacle::Pending);
    };
    let api: Api<Secret> = Api::namespaced(pass.ctx.process.client.clone(), namespace);
    let owner = Owner::Mark {
        annotation: OWNER,
        owner: name.clone(),
    };
    let desired = desired(namespace, config, assembled);
    if known.is_none() && is_terminating(pass, namespace).await? {
        return Err(Obstacle::Pending);
    }
    if known.is_some() || config.adopt {
        let existing = api.get_opt(&config.secret).await;
        let existing =
            existing.map_err(|error| Obstacle::Failed(RequestError::when("failed to read the Secret")(error)))?;
        if let Some(existing) = existing {
            if existing.metadata.deletion_timestamp.is_some() {
                let message = format!(
                    "Secret {} is being deleted by somebody; it is written again when it is gone",
                    config.secret
                );
                return Err(Obstacle::Waiting(Problem::new("SecretTerminating", message)));
            }
            let adopted = config.adopt && !existing.annotations().contains_key(OWNER);
            if owner.owns(&existing) && is_as_desired(&existing, &desired) {
                pass.ctx.targets.written(position, &existing);
                return Ok(());
            }
            if adopted {
                adopt(&api, &existing, name).await?;
            }
            if existing.type_ != desired.type_ && (owner.owns(&existing) || adopted) {
                replace(&api, &owner, &config.secret).await?;
            }
        }
    }
    let written = apply(&api, MANAGER, &owner, &desired).await;
    match written {
        Ok(secret) => {
            pass.ctx.targets.written(position, &secret);
            Ok(())
        }
        Err(error) => {
            if matches!(error, ApplyError::NotOurs(_)) {
                // Of one with our label the watch tells when it is gone.
                let secret = (namespace.clone(), config.secret.clone());
                pass.ctx.targets.wait_for(secret, pass.key.clone());
            }
            Err(obstacle(error, config, namespace))
        }
    }
}

/// Marks a Secret that belongs to no SecretSync, exactly as it was seen. Its owner references go: with one of them it would be
/// deleted together with an object that it does not need any more.
async fn adopt(api: &Api<Secret>, existing: &Secret, owner: &str) -> Result<(), Obstacle> {
    let patch = json!({ "metadata": {
        "uid": existing.uid(),
        "resourceVersion": existing.resource_version(),
        "ownerReferences": null,
        "labels": { MANAGED: "true" },
        "annotations": { OWNER: owner },
    }});
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patched = api
        .patch_metadata(&existing.name_any(), &params, &Patch::Merge(&patch))
        .await;
    patched
        .map(drop)
        .map_err(|error| Obstacle::Failed(RequestError::when("failed to adopt the Secret")(error)))
}

/// The type of a Secret cannot be changed: it is deleted, exactly as it is now, and created.
async fn replace(api: &Api<Secret>, owner: &Owner, name: &str) -> Result<(), Obstacle> {
    let existing = api.get_opt(name).await;
    let existing =
        existing.map_err(|error| Obstacle::Failed(RequestError::when("failed to read the Secret")(error)))?;
    let Some(existing) = existing else { return Ok(()) };
    match delete(api, owner, &existing).await {
        Ok(()) | Err(ApplyError::NotOurs(_)) => Ok(()),
        Err(ApplyError::Kube(error)) => Err(Obstacle::Failed(RequestError::when(
            "failed to delete the Secret, whose type changes",
        )(error))),
    }
}

/// Whether the namespace is being deleted. Nothing is created in one that is.
async fn is_terminating(pass: &Pass<'_>, namespace: &str) -> Result<bool, Obstacle> {
    let known = pass.ctx.namespaces.lock().get(namespace).copied();
    if let Some((_, terminating)) = known.filter(|(at, _)| at.elapsed() < NAMESPACE_KNOWN) {
        return Ok(terminating);
    }
    let api: Api<Namespace> = Api::all(pass.ctx.process.client.clone());
    let found = api.get_metadata_opt(namespace).await;
    let found = found.map_err(|error| Obstacle::Failed(RequestError::when("failed to read the namespace")(error)))?;
    let terminating = found.is_none_or(|found| found.metadata.deletion_timestamp.is_some());
    let mut namespaces = pass.ctx.namespaces.lock();
    namespaces.retain(|_, (at, _)| at.elapsed() < NAMESPACE_KNOWN);
    namespaces.insert(namespace.to_owned(), (Instant::now(), terminating));
    Ok(terminating)
}

fn obstacle(error: ApplyError, config: &Config, namespace: &str) -> Obstacle {
    let secret = &config.secret;
    match error {
        ApplyError::NotOurs(_) => Obstacle::Stalled(Problem::new(
            "Conflict",
            format!(
                "Secret {secret} exists and belongs to no SecretSync or to another; it was not touched. Delete it, use another \
                 spec.target.name, or set spec.target.adopt: true to take over one that has no owner"
            ),
        )),
        ApplyError::Kube(error) => match error.reason() {
            // A namespace that is being deleted answers so too.
            "Forbidden" => Obstacle::Retried(
                Problem::new(
                    "NotPermitted",
                    format!(
                        "the API server does not let the operator write Secret {secret} in namespace {namespace}; see its permissions"
                    ),
                ),
                RECHECK_AFTER,
            ),
            "Invalid" => Obstacle::Retried(
                Problem::new(
                    "SecretRefused",
                    format!(
                        "the API server refuses Secret {secret}: its type {} may need certain keys, it may be immutable, or a label \
                         or annotation may be wrong",
                        config.type_
                    ),
                ),
                RECHECK_AFTER,
            ),
            _ => Obstacle::Failed(RequestError::when("failed to write the Secret")(error)),
        },
    }
}
