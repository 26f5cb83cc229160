//! The bucket of a repository: whose it is, and what it can do.
use std::collections::BTreeMap;
use std::time::Duration;

use hearth_reconciler::outcome::Outcome;
use kube::ResourceExt;
use tokio::time::Instant;

use super::Context;
use super::settings::Obstacle;
use crate::crd::repository::{BackupRepository, Capabilities, Initialize, Layout};
use crate::plan::place;
use crate::s3::mark::{self, Claim, Create, Ownership};
use crate::s3::{Client, Credentials, Failure, Settings, object_key, preflight};
use crate::task;

/// The bucket is tried out again after a day.
const PREFLIGHT_AFTER: Duration = Duration::from_hours(24);
/// Before an outage is looked at again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Before it is looked again for a repository that others are to make.
const MISSING_RECHECK: Duration = Duration::from_mins(1);
/// The object that every repository of restic has.
const CONFIG: &str = "config";

/// What was found.
pub(super) struct Seen {
    /// The id of the owner mark.
    pub(super) mark: String,
    /// What the bucket can do; none if it was tried out before.
    pub(super) capabilities: Option<Capabilities>,
}

/// Looks at the mark; tries the bucket out once a day; makes the mark where nothing is yet. Nothing is written beside a mark that
/// is not ours.
pub(super) async fn look(
    repository: &BackupRepository,
    ctx: &Context,
    keys: &BTreeMap<String, Vec<u8>>,
    ca: Option<&[u8]>,
    known: Option<&str>,
) -> Result<Seen, Obstacle> {
    let name = repository.name_any();
    let client = client(repository, keys, ca)?;
    let prefix = place::prefix(&repository.spec);
    let mut claim = Claim {
        cluster: &ctx.cluster,
        known_id: known,
        create: match repository.spec.initialize {
            Initialize::Never => Create::Never,
            Initialize::WhenEmpty => Create::WhenEmpty,
            Initialize::TakeOver => Create::TakeOver,
        },
        conditional_writes: true,
    };
    let found = claim.judge(
        mark::find(&client, prefix)
            .await
            .map_err(|failure| obstacle(&failure))?,
    );
    if !claim.may_create(&found) {
        owned(&found, prefix)?;
    }
    if repository.spec.layout == Layout::Single {
        repository_is_there(&client, prefix, known.is_some()).await?;
    }
    let identity = (repository.uid().unwrap_or_default(), repository.metadata.generation);
    let tried = ctx.tried.lock().get(&name).cloned();
    let fresh = tried.is_some_and(|(same, at)| same == identity && at.elapsed() < PREFLIGHT_AFTER);
    let mut capabilities = None;
    if !fresh {
        let result = preflight::run(&client, prefix, &ctx.cluster)
            .await
            .map_err(|failure| obstacle(&failure))?;
        claim.conditional_writes = result.conditional_writes;
        capabilities = Some(Capabilities {
            conditional_writes: result.conditional_writes,
            delete: result.delete,
            range: result.range,
        });
    } else if let Some(known) = repository
        .status
        .as_ref()
        .and_then(|status| status.capabilities.as_ref())
    {
        claim.conditional_writes = known.conditional_writes;
    }
    let ownership = mark::ensure(&client, prefix, &claim)
        .await
        .map_err(|failure| obstacle(&failure))?;
    let mark = owned(&ownership, prefix)?;
    if capabilities.is_some() {
        ctx.tried.lock().insert(name, (identity, Instant::now()));
    }
    Ok(Seen { mark, capabilities })
}

/// Looks at an adopted repository. Nothing is written.
pub(super) async fn look_at_adopted(
    repository: &BackupRepository,
    keys: &BTreeMap<String, Vec<u8>>,
    ca: Option<&[u8]>,
) -> Result<(), Obstacle> {
    let client = client(repository, keys, ca)?;
    repository_is_there(&client, &place::path(&repository.spec, ""), false).await
}

/// Fails if there is no repository of restic at this path. `known`: it was there before.
async fn repository_is_there(client: &Client, path: &str, known: bool) -> Result<(), Obstacle> {
    let config = client.get(&object_key(path, CONFIG)).await;
    if config.map_err(|failure| obstacle(&failure))?.is_some() {
        return Ok(());
    }
    let at = if path.is_empty() { "the bucket itself" } else { path };
    if known {
        let message =
            format!("the object {CONFIG} of the repository at {at} is gone: look at the bucket, and bring it back");
        return Err(Obstacle::Outcome(Outcome::Stalled("RepositoryVanished", message)));
    }
    let message = format!(
        "there is no repository of restic at {at}: the object {CONFIG} is not there; correct the path, or make one with `restic init`"
    );
    Err(Obstacle::Outcome(Outcome::Waiting(
        "RepositoryMissing",
        message,
        Some(MISSING_RECHECK),
    )))
}

fn client(
    repository: &BackupRepository,
    keys: &BTreeMap<String, Vec<u8>>,
    ca: Option<&[u8]>,
) -> Result<Client, Obstacle> {
    Client::new(&settings(repository, keys, ca)?)
        .map_err(|message| Obstacle::Outcome(Outcome::Stalled("InvalidSpec", message)))
}

fn settings(
    repository: &BackupRepository,
    keys: &BTreeMap<String, Vec<u8>>,
    ca: Option<&[u8]>,
) -> Result<Settings, Obstacle> {
    let text = |file: &str| match keys.get(file).map(|value| String::from_utf8(value.clone())) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => {
            let message = format!("{file} in Secret {} is not text", repository.spec.s3.secret_ref.name);
            Err(Obstacle::Outcome(Outcome::Stalled("InvalidCredentials", message)))
        }
    };
    let s3 = &repository.spec.s3;
    Ok(Settings {
        endpoint: s3.endpoint.trim_end_matches('/').to_owned(),
        bucket: s3.bucket.clone(),
        region: s3.region.clone(),
        path_style: s3.force_path_style,
        ca: ca.map(<[u8]>::to_vec),
        credentials: Credentials {
            access_key_id: text(task::ACCESS_KEY_ID)?.unwrap_or_default(),
            secret_access_key: text(task::SECRET_ACCESS_KEY)?.unwrap_or_default().into(),
            session_token: text(task::SESSION_TOKEN)?.map(Into::into),
        },
    })
}

/// The id of a mark that is ours; else what is there instead, and every way out.
fn owned(ownership: &Ownership, prefix: &str) -> Result<String, Obstacle> {
    let (reason, message) = match ownership {
        Ownership::Ours(mark) | Ownership::Created { mark, .. } => return Ok(mark.id.clone()),
        Ownership::Foreign { cluster } => (
            "ForeignRepository",
            format!(
                "{prefix} in the bucket belongs to cluster {cluster}, as {} there says; choose another spec.s3.prefix, or, if that \
                 cluster is no more, delete that object",
                mark::NAME
            ),
        ),
        Ownership::Replaced(_) => (
            "MarkReplaced",
            format!(
                "{} in {prefix} has another id than before: another cluster has the same clusterName, or somebody replaced it; if it \
                 is right, delete and create this BackupRepository",
                mark::NAME
            ),
        ),
        Ownership::Unreadable => (
            "MarkUnreadable",
            format!(
                "{} in {prefix} is not an owner mark; remove it, or choose another spec.s3.prefix",
                mark::NAME
            ),
        ),
        Ownership::Absent { other: Some(other) } => (
            "ForeignRepository",
            format!(
                "{prefix} in the bucket has objects of somebody ({other}) and no owner mark; choose another spec.s3.prefix, or, to use \
                 the repository of restic that is there, create a BackupRepository with spec.layout: Single and spec.initialize: TakeOver"
            ),
        ),
        Ownership::Absent { other: None } => (
            "RepositoryVanished",
            format!(
                "there is nothing in {prefix} of the bucket; if it is to begin anew, set spec.initialize: WhenEmpty, and delete and \
                 create this BackupRepository if it was ready once"
            ),
        ),
    };
    Err(Obstacle::Outcome(Outcome::Stalled(reason, message)))
}

fn obstacle(failure: &Failure) -> Obstacle {
    let (reason, message) = (failure.reason.as_str(), failure.message.clone());
    if failure.reason.retry() {
        return Obstacle::Outcome(Outcome::Waiting(reason, message, Some(RETRY_AFTER)));
    }
    Obstacle::Outcome(Outcome::Stalled(reason, message))
}
