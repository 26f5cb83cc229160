//! Deletes Secrets whose SecretSync was deleted, where that is proven.
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use hearth_reconciler::apply::{Owner, delete};
use hearth_reconciler::conditions::{READY, get};
use hearth_reconciler::watch::Update;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};
use tokio::time::Instant;

use super::Context;
use crate::crd::{MANAGED, OWNER, SecretSync};
use crate::sync::orphans::{Decision, Key, Observed};
use crate::sync::secret::owned_keys;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// SecretSyncs whose deletion was seen, and Secrets that were seen to be named no more.
#[derive(Debug, Default)]
pub struct Deletions {
    deleted: HashMap<Key, Instant>,
    renamed: HashMap<Key, Instant>,
    /// The list of SecretSyncs is complete.
    complete: bool,
    failing: bool,
}

impl Deletions {
    /// Takes an update of the watch of SecretSyncs. A deletion counts only while the list stays complete after it: when a CRD is
    /// deleted, its objects are deleted before it, one by one, and nobody has meant them.
    pub fn take(&mut self, update: &Update<SecretSync>) {
        match update {
            Update::Event(Event::Delete(sync)) => {
                self.deleted.insert(key(sync), Instant::now());
            }
            Update::Event(Event::Apply(sync) | Event::InitApply(sync)) => {
                self.deleted.remove(&key(sync));
            }
            Update::Event(Event::Init) => {
                self.deleted.clear();
                self.complete = false;
            }
            Update::Event(Event::InitDone) => (self.complete, self.failing) = (true, false),
            Update::Failing { .. } => {
                self.deleted.clear();
                self.failing = true;
            }
            Update::Recovered => self.failing = false,
        }
    }
}

fn key(sync: &SecretSync) -> Key {
    (sync.namespace().unwrap_or_default(), sync.name_any())
}

/// While this process leads, looks for orphans every few seconds. At the end of a term the metrics of objects go.
pub async fn sweep(ctx: Arc<Context>) {
    let mut terms = std::pin::pin!(ctx.process.leadership.terms());
    while let Some(term) = terms.next().await {
        term.within(look_for_ever(&ctx)).await;
        ctx.metrics.clear();
    }
}

async fn look_for_ever(ctx: &Context) {
    loop {
        tokio::time::sleep(EVERY).await;
        for orphan in decide(ctx).delete {
            if let Err(error) = remove(ctx, &orphan).await {
                tracing::debug!(%error, namespace = orphan.0, name = orphan.1, "an orphan was not deleted");
            }
        }
    }
}

/// What is to be done about all orphans now, and how many SecretSyncs are in which state.
fn decide(ctx: &Context) -> Decision {
    let (secrets, state) = (ctx.targets.all(), ctx.syncs.state());
    let mut syncs: BTreeMap<Key, (String, bool)> = BTreeMap::new();
    let (mut ready, mut fresh) = (0, 0);
    for sync in &state {
        let is_true = |type_| {
            let conditions = sync
                .status
                .as_ref()
                .map(|status| &status.conditions[..])
                .unwrap_or_default();
            get(conditions, type_).is_some_and(|condition| condition.status == "True")
        };
        let current = sync.status.as_ref().map(|status| status.observed_generation) == sync.metadata.generation;
        let target = sync.spec.target.as_ref().and_then(|target| target.name.clone());
        let target = target.unwrap_or_else(|| sync.name_any());
        ready += usize::from(is_true(READY));
        fresh += usize::from(is_true(crate::sync::plan::FRESH));
        syncs.insert(key(sync), (target, current && is_true(READY)));
    }
    ctx.metrics.syncs(state.len(), ready, fresh);
    let mut deletions = ctx.deletions.lock();
    let since = |times: &HashMap<Key, Instant>| -> Vec<(Key, Duration)> {
        times.iter().map(|(key, at)| (key.clone(), at.elapsed())).collect()
    };
    let (deleted, renamed) = (since(&deletions.deleted), since(&deletions.renamed));
    let observed = Observed {
        secrets: secrets.iter().collect(),
        syncs: syncs
            .iter()
            .map(|(key, (name, ready))| (key, (name.as_str(), *ready)))
            .collect(),
        deleted: deleted.iter().map(|(key, since)| (key, *since)).collect(),
        renamed: renamed.iter().map(|(key, since)| (key, *since)).collect(),
        complete: deletions.complete && !deletions.failing && ctx.targets.is_complete(),
    };
    let decision = observed.decide();
    if observed.complete {
        ctx.metrics.orphans_held(decision.held);
        deletions.renamed.retain(|key, _| decision.renamed.contains(key));
        for key in &decision.renamed {
            deletions.renamed.entry(key.clone()).or_insert_with(Instant::now);
        }
        // Nothing of them is left.
        deletions.deleted.retain(|owner, _| {
            secrets
                .iter()
                .any(|(secret, marked)| secret.0 == owner.0 && *marked.owner == *owner.1)
        });
    }
    decision
}

/// Deletes one orphan, exactly as it is now, after a look at the API server itself.
async fn remove(ctx: &Context, (namespace, name): &Key) -> Result<(), hearth_reconciler::apply::ApplyError> {
    let secrets: Api<Secret> = Api::namespaced(ctx.process.client.clone(), namespace);
    let Some(secret) = secrets.get_opt(name).await? else {
        return Ok(());
    };
    let Some(owner) = secret.annotations().get(OWNER).cloned() else {
        return Ok(());
    };
    if !secret.labels().contains_key(MANAGED) || owned_keys(secret.managed_fields()).is_empty() {
        return Ok(());
    }
    let syncs: Api<SecretSync> = Api::namespaced(ctx.process.client.clone(), namespace);
    match syncs.get(&owner).await {
        Ok(sync) => {
            let target = sync.spec.target.as_ref().and_then(|target| target.name.clone());
            if target.unwrap_or_else(|| sync.name_any()) == *name {
                return Ok(());
            }
        }
        // Without a name it is the CRD that is missing.
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            if status.details.as_ref().is_none_or(|details| details.name != owner) {
                return Ok(());
            }
        }
        Err(error) => return Err(error.into()),
    }
    let mark = Owner::Mark {
        annotation: OWNER,
        owner,
    };
    delete(&secrets, &mark, &secret).await?;
    tracing::info!(namespace, name, "deleted the Secret of a SecretSync that was deleted");
    Ok(())
}
