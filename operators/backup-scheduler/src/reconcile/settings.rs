//! What a run needs of its repository: whether it may use it, and what opens the repository of its namespace.
use std::collections::BTreeMap;
use std::time::Duration;

use hearth_reconciler::conditions::{READY, get};
use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::Outcome;
use hearth_reconciler::secrets::SecretState;
use k8s_openapi::ByteString;
use kube::Api;
use kube::runtime::reflector::ObjectRef;

use super::Context;
use crate::crd::BackupRepository;
use crate::crd::repository::{Adopt, Layout, SecretRef};
use crate::passphrase::Passphrase;
use crate::plan::place;
use crate::plan::schedule::may_use;
use crate::task;

/// The region, if the spec names none.
pub(super) const REGION: &str = "us-east-1";
/// The key of the passphrase in its Secret.
const PASSPHRASE: &str = "passphrase";
/// The keys of the password of an adopted repository in its Secret: ours, and VolSync's.
const ADOPTED: [&str; 2] = [task::PASSWORD, "RESTIC_PASSWORD"];
/// A Secret that is read for the first time is there within this. It asks for a reconcile of its repository, not of runs.
pub(super) const PENDING_RECHECK: Duration = Duration::from_secs(2);
/// Nothing that is watched says when this changes.
const RECHECK: Duration = Duration::from_secs(30);
/// The names of a mover's files, and the names under which Secrets have their content.
const KEYS: [(&str, &str); 3] = [
    (task::ACCESS_KEY_ID, "AWS_ACCESS_KEY_ID"),
    (task::SECRET_ACCESS_KEY, "AWS_SECRET_ACCESS_KEY"),
    (task::SESSION_TOKEN, "AWS_SESSION_TOKEN"),
];

/// Why a run cannot go on.
pub(super) enum Obstacle {
    /// This is what its conditions say.
    Outcome(Outcome),
    /// The API server has not answered yet. What an earlier process has reported stays true until then.
    Pending,
    /// A request to the API server failed. It says nothing about the run.
    Failed(RequestError),
}

impl From<RequestError> for Obstacle {
    fn from(error: RequestError) -> Self {
        Self::Failed(error)
    }
}

fn waiting(reason: &'static str, message: String) -> Obstacle {
    Obstacle::Outcome(Outcome::Waiting(reason, message, Some(RECHECK)))
}

fn stalled(reason: &'static str, message: String) -> Obstacle {
    Obstacle::Outcome(Outcome::Stalled(reason, message))
}

/// The repository, if runs of this namespace may use it now.
pub(super) async fn repository(ctx: &Context, name: &str, namespace: &str) -> Result<BackupRepository, Obstacle> {
    let api: Api<BackupRepository> = Api::all(ctx.process.client.clone());
    // Not from a cache: one that is not there may only be unknown.
    let found = api
        .get_opt(name)
        .await
        .map_err(RequestError::when("reading the BackupRepository"))?;
    let Some(repository) = found else {
        let message = format!("there is no BackupRepository {name}; create it, or name another in a new object");
        return Err(waiting("RepositoryNotFound", message));
    };
    if !may_use(&repository, namespace, &ctx.process.args.namespace) {
        let message = format!("BackupRepository {name} does not allow this namespace: add it to its spec.namespaces");
        return Err(waiting("NamespaceNotAllowed", message));
    }
    if repository.spec.suspend {
        return Err(waiting(
            "RepositorySuspended",
            format!("BackupRepository {name} is suspended"),
        ));
    }
    let status = repository.status.clone().unwrap_or_default();
    let ready = get(&status.conditions, READY);
    let current = status.observed_generation == repository.metadata.generation.unwrap_or_default();
    if !current || ready.is_none_or(|ready| ready.status != "True") {
        let why = ready.map_or("it was not looked at yet", |ready| ready.message.as_str());
        return Err(waiting(
            "RepositoryNotReady",
            format!("BackupRepository {name} is not ready: {why}"),
        ));
    }
    Ok(repository)
}

/// Fails where backups may not be written.
pub(super) fn writable(repository: &BackupRepository) -> Result<(), Obstacle> {
    if repository.spec.adopt.is_none() {
        return Ok(());
    }
    Err(stalled(
        "RepositoryReadOnly",
        "the repository is adopted, so it is only read; create a BackupRun with another BackupRepository".to_owned(),
    ))
}

/// What a mover gets to open the repository of a namespace.
pub(super) struct Opened {
    /// The repository.
    pub(super) repository: task::Repository,
    /// The files of its Secret.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// What opens the repository of a namespace. `mover`: with the key that cannot delete, if there is one.
pub(super) fn open(
    ctx: &Context,
    repository: &BackupRepository,
    namespace: &str,
    mover: bool,
) -> Result<Opened, Obstacle> {
    let s3 = &repository.spec.s3;
    let reference = s3.mover_secret_ref.as_ref().filter(|_| mover).unwrap_or(&s3.secret_ref);
    let mut files = credentials(ctx, repository, reference)?;
    if let Some(ca) = &s3.ca {
        files.insert(task::CA.to_owned(), certificates(ctx, repository, ca)?);
    }
    files.insert(task::PASSWORD.to_owned(), password(ctx, repository, namespace)?);
    let limits = repository.spec.limits.as_ref();
    Ok(Opened {
        repository: task::Repository {
            location: place::location(&repository.spec, namespace),
            region: Some(s3.region.clone().unwrap_or_else(|| REGION.to_owned())),
            path_style: s3.force_path_style.unwrap_or(true),
            append_only: repository.spec.append_only || s3.mover_secret_ref.is_some() && mover,
            limit_upload: limits
                .and_then(|limits| limits.upload)
                .and_then(|limit| u64::try_from(limit).ok())
                .unwrap_or(0),
        },
        files,
    })
}

/// The password of the repository of a namespace.
fn password(ctx: &Context, repository: &BackupRepository, namespace: &str) -> Result<Vec<u8>, Obstacle> {
    if let Some(adopt) = &repository.spec.adopt {
        return adopted_password(ctx, repository, adopt);
    }
    let passphrase = passphrase(ctx, repository)?;
    Ok(match repository.spec.layout {
        Layout::PerNamespace => passphrase.password(namespace).expose().as_bytes().to_vec(),
        Layout::Single => passphrase.expose().to_vec(),
    })
}

/// The password of an adopted repository.
pub(super) fn adopted_password(
    ctx: &Context,
    repository: &BackupRepository,
    adopt: &Adopt,
) -> Result<Vec<u8>, Obstacle> {
    let reference = &adopt.password_secret_ref;
    let data = secret(ctx, repository, reference)?;
    let value = ADOPTED.iter().find_map(|key| data.get(*key));
    let value = value.ok_or_else(|| missing(ctx, reference, task::PASSWORD))?;
    Passphrase::from_secret(&value.0)
        .map(|password| password.expose().to_vec())
        .map_err(|_| {
            stalled(
                "InvalidCredentials",
                format!("Secret {}: the password is empty", reference.name),
            )
        })
}

/// The passphrase.
pub(super) fn passphrase(ctx: &Context, repository: &BackupRepository) -> Result<Passphrase, Obstacle> {
    let Some(reference) = &repository.spec.passphrase_secret_ref else {
        return Err(stalled("InvalidSpec", "spec.passphraseSecretRef is not set".to_owned()));
    };
    let data = secret(ctx, repository, reference)?;
    let value = data
        .get(PASSPHRASE)
        .ok_or_else(|| missing(ctx, reference, PASSPHRASE))?;
    Passphrase::from_secret(&value.0)
        .map_err(|error| stalled("InvalidCredentials", format!("Secret {}: {error}", reference.name)))
}

/// The S3 keys, by the names of a mover's files.
pub(super) fn credentials(
    ctx: &Context,
    repository: &BackupRepository,
    reference: &SecretRef,
) -> Result<BTreeMap<String, Vec<u8>>, Obstacle> {
    let data = secret(ctx, repository, reference)?;
    let mut files = BTreeMap::new();
    for (file, other) in KEYS {
        if let Some(value) = data.get(file).or(data.get(other)) {
            files.insert(file.to_owned(), value.0.trim_ascii().to_vec());
        } else if file != task::SESSION_TOKEN {
            return Err(missing(ctx, reference, file));
        }
    }
    Ok(files)
}

/// Certificates to trust.
pub(super) fn certificates(
    ctx: &Context,
    repository: &BackupRepository,
    reference: &SecretRef,
) -> Result<Vec<u8>, Obstacle> {
    let data = secret(ctx, repository, reference)?;
    let value = data.get(task::CA).ok_or_else(|| missing(ctx, reference, task::CA))?;
    Ok(value.0.clone())
}

fn missing(ctx: &Context, reference: &SecretRef, key: &str) -> Obstacle {
    let namespace = &ctx.process.args.namespace;
    waiting(
        "CredentialsNotFound",
        format!("Secret {namespace}/{} has no key {key}", reference.name),
    )
}

type Data = std::sync::Arc<BTreeMap<String, ByteString>>;

fn secret(ctx: &Context, repository: &BackupRepository, reference: &SecretRef) -> Result<Data, Obstacle> {
    let namespace = &ctx.process.args.namespace;
    let target = ObjectRef::new(&reference.name).within(namespace);
    match ctx.credentials.get(&ObjectRef::from_obj(repository), &target) {
        SecretState::Present(_, data) => Ok(data),
        SecretState::Pending => Err(Obstacle::Pending),
        SecretState::Absent => {
            let message = format!("there is no Secret {namespace}/{}", reference.name);
            Err(waiting("CredentialsNotFound", message))
        }
        SecretState::Failing(reason, message) => Err(waiting(
            reason,
            format!("Secret {namespace}/{} cannot be read: {message}", reference.name),
        )),
    }
}

/// The Secrets that a repository refers to.
pub(super) fn referred(
    repository: &BackupRepository,
    namespace: &str,
) -> Vec<ObjectRef<k8s_openapi::api::core::v1::Secret>> {
    let s3 = &repository.spec.s3;
    let adopted = repository.spec.adopt.iter().map(|adopt| &adopt.password_secret_ref);
    let passwords = repository.spec.passphrase_secret_ref.iter().chain(adopted);
    let others = s3.ca.iter().chain(&s3.mover_secret_ref);
    let all = std::iter::once(&s3.secret_ref).chain(passwords).chain(others);
    all.map(|reference| ObjectRef::new(&reference.name).within(namespace))
        .collect()
}
