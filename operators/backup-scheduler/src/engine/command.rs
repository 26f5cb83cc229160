//! The arguments and the environment of each call of restic. Pure.
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::task::{self, Repository};

/// Packs of 8 MiB: restic's default of 16 MiB needs a third more memory for the buffers of packs that are being written.
const PACK_MIB: &str = "8";
/// The garbage collector runs when the heap has grown by this many percent; 100 is Go's default.
const GC_PERCENT: &str = "20";
/// The share of the container's memory limit, in percent, at which Go collects garbage more often instead of growing.
const HEAP_PERCENT: u64 = 65;
/// Progress messages per second.
const PROGRESS_RATE: &str = "1";

/// S3 credentials. They are only in the environment of restic, and `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The access key.
    pub access_key_id: String,
    /// The secret key.
    pub secret_access_key: String,
    /// The session token of a temporary key.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credentials")
    }
}

/// What all calls on one repository have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The repository.
    pub repository: Repository,
    /// The folder with the files of [`task`]: password and certificates.
    pub folder: PathBuf,
    /// S3 credentials; none for a repository in a folder.
    pub credentials: Option<Credentials>,
    /// Whether the folder has certificates to trust.
    pub own_ca: bool,
    /// restic's cache.
    pub cache: PathBuf,
    /// restic's temporary files.
    pub temporary: PathBuf,
    /// The memory limit of the container, in bytes.
    pub memory_limit: u64,
    /// How long restic waits for a lock of another process before it exits with 11.
    pub lock_patience: Duration,
}

/// A call of restic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Read the repository's configuration.
    Config,
    /// Initialize the repository.
    Init,
    /// Back up a folder.
    Backup(Backup),
    /// Snapshots with this id: one or none.
    Snapshot(String),
    /// All snapshots of this host; of every host, if there is none.
    AllSnapshots(Option<String>),
    /// Snapshots with this tag, of this host and path.
    Snapshots {
        /// The tag.
        tag: String,
        /// The host.
        host: String,
        /// The path.
        path: String,
    },
    /// Everything in a folder of a snapshot, and the folder itself first.
    List {
        /// The snapshot's id.
        snapshot: String,
        /// The folder's path.
        path: String,
    },
    /// The size of what a snapshot refers to, each content once.
    RawSize(String),
    /// Restore a folder of a snapshot.
    Restore(Restore),
    /// Remove snapshots; their data stays until a prune.
    Forget(Vec<String>),
    /// What the index lacks of these snapshots; of all, if there are none. It changes nothing.
    Missing(Vec<String>),
    /// The ids of all packs.
    Packs,
    /// Check the structure, and read this part of the packs: number and count, of at most 256.
    Check(Option<(u64, u64)>),
    /// The snapshots that need objects.
    Find(Object, Vec<String>),
    /// Remove data that no snapshot needs.
    Prune {
        /// Repack nothing.
        only_delete: bool,
    },
    /// Take packs out of the index, and store again what can be read of them.
    RepairPacks(Vec<String>),
    /// Take packs out of the index that are not there.
    RepairIndex,
    /// Remove stale locks, by restic's own rule.
    Unlock,
}

/// A kind of objects in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Content of files.
    Blob,
    /// Folders.
    Tree,
    /// Packs with content of files.
    Pack,
}

/// A backup of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// The folder.
    pub path: String,
    /// The host of the snapshot.
    pub host: String,
    /// The time of the snapshot, UTC, `2026-11-29 03:00:00`.
    pub time: String,
    /// The tags of the snapshot.
    pub tags: Vec<String>,
    /// The snapshot from which files that did not change are taken; none: all files are read.
    pub parent: Option<String>,
    /// Make no snapshot if it would equal the parent.
    pub skip_if_unchanged: bool,
    /// Patterns of files to leave out.
    pub exclude: Vec<String>,
    /// Write nothing, and tell what would be written.
    pub dry_run: bool,
}

/// A restore of a folder of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restore {
    /// The snapshot's id.
    pub snapshot: String,
    /// The folder's path in the snapshot.
    pub path: String,
    /// The folder to write into.
    pub target: PathBuf,
    /// Patterns of paths to leave out, relative to the folder.
    pub exclude: Vec<String>,
    /// Patterns of extended attributes to leave out.
    pub exclude_attributes: Vec<String>,
    /// Take no lock: where nothing can be written into the repository.
    pub without_lock: bool,
}

impl Call {
    /// The name of restic's command, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Config => "cat",
            Self::Init => "init",
            Self::Backup(_) => "backup",
            Self::Snapshot(_) | Self::Snapshots { .. } | Self::AllSnapshots(_) => "snapshots",
            Self::List { .. } => "ls",
            Self::RawSize(_) => "stats",
            Self::Restore(_) => "restore",
            Self::Forget(_) => "forget",
            Self::Missing(_) | Self::RepairPacks(_) | Self::RepairIndex => "repair",
            Self::Packs => "list",
            Self::Check(_) => "check",
            Self::Find(..) => "find",
            Self::Prune { .. } => "prune",
            Self::Unlock => "unlock",
        }
    }

    /// The words after the command's name.
    fn words(&self) -> &'static [&'static str] {
        match self {
            // Without the second it would replace the snapshot.
            Self::Missing(_) => &["snapshots", "--dry-run"],
            Self::RepairPacks(_) => &["packs"],
            Self::RepairIndex => &["index"],
            _ => &[],
        }
    }

    /// Reads take no lock: a lock is two writes, and writes fail where the bucket is full or the key may only read. A check does
    /// not hold up backups so, for hours perhaps; what it finds is looked at twice.
    fn without_lock(&self) -> bool {
        match self {
            Self::Config
            | Self::Snapshot(_)
            | Self::Snapshots { .. }
            | Self::AllSnapshots(_)
            | Self::List { .. }
            | Self::RawSize(_)
            | Self::Missing(_)
            | Self::Packs
            | Self::Check(_)
            | Self::Find(..) => true,
            Self::Restore(restore) => restore.without_lock,
            Self::Backup(backup) => backup.dry_run,
            Self::Init
            | Self::Forget(_)
            | Self::Prune { .. }
            | Self::RepairPacks(_)
            | Self::RepairIndex
            | Self::Unlock => false,
        }
    }
}

/// The arguments of a call.
pub fn arguments(settings: &Settings, call: &Call) -> Vec<OsString> {
    let mut arguments = Arguments::default();
    arguments.add(call.name());
    for word in call.words() {
        arguments.add(*word);
    }
    // Its list in JSON is one line without a bound.
    if !matches!(call, Call::Find(..)) {
        arguments.add("--json");
    }
    arguments.pair("--repo", &settings.repository.location);
    if call.without_lock() {
        arguments.add("--no-lock");
    } else if !matches!(call, Call::Init | Call::Unlock) {
        arguments.pair("--retry-lock", format!("{}s", settings.lock_patience.as_secs()));
    }
    if settings.own_ca {
        arguments.pair("--cacert", settings.folder.join(task::CA));
    }
    if settings.repository.path_style {
        arguments.pair("--option", "s3.bucket-lookup=path");
    }
    if settings.repository.limit_upload > 0 {
        arguments.pair("--limit-upload", settings.repository.limit_upload.to_string());
    }
    match call {
        Call::Config => arguments.add("config"),
        Call::Init | Call::Unlock | Call::RepairIndex | Call::Check(None) => &mut arguments,
        Call::Backup(backup) => arguments.backup(backup),
        Call::Snapshot(id) => arguments.end().add(id),
        Call::AllSnapshots(host) => arguments.pairs("--host", host.as_slice()),
        Call::Snapshots { tag, host, path } => {
            let arguments = arguments.pair("--tag", tag).pair("--host", host);
            arguments.pair("--path", path)
        }
        Call::List { snapshot, path } => arguments.add("--recursive").end().add(snapshot).add(path),
        Call::RawSize(id) => arguments.pair("--mode", "raw-data").end().add(id),
        Call::Restore(restore) => arguments.restore(restore),
        Call::Forget(ids) | Call::Missing(ids) => arguments.end().all(ids),
        Call::Packs => arguments.add("packs"),
        Call::Check(Some((number, of))) => arguments.pair("--read-data-subset", format!("{number}/{of}")),
        Call::Find(object, ids) => arguments.add(object.option()).end().all(ids),
        Call::Prune { only_delete } => {
            let arguments = arguments.pair("--pack-size", PACK_MIB);
            match only_delete {
                true => arguments.pair("--max-repack-size", "0"),
                false => arguments,
            }
        }
        Call::RepairPacks(ids) => arguments.pair("--pack-size", PACK_MIB).end().all(ids),
    };
    arguments.0
}

impl Object {
    fn option(self) -> &'static str {
        match self {
            Self::Blob => "--blob",
            Self::Tree => "--tree",
            Self::Pack => "--pack",
        }
    }
}

/// The whole environment of a call: nothing is inherited, so neither proxies nor a user's settings of restic have effect.
pub fn environment(settings: &Settings) -> Vec<(&'static str, OsString)> {
    let heap = settings.memory_limit / 100 * HEAP_PERCENT;
    let mut environment: Vec<(&'static str, OsString)> = vec![
        ("GOGC", GC_PERCENT.into()),
        ("GOMEMLIMIT", heap.to_string().into()),
        ("RESTIC_CACHE_DIR", settings.cache.clone().into()),
        ("RESTIC_PASSWORD_FILE", settings.folder.join(task::PASSWORD).into()),
        ("RESTIC_PROGRESS_FPS", PROGRESS_RATE.into()),
        ("TMPDIR", settings.temporary.clone().into()),
        // The time of a snapshot is given in the local zone.
        ("TZ", "UTC".into()),
    ];
    if let Some(credentials) = &settings.credentials {
        environment.push(("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone().into()));
        environment.push(("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone().into()));
        if let Some(token) = &credentials.session_token {
            environment.push(("AWS_SESSION_TOKEN", token.clone().into()));
        }
    }
    if let Some(region) = &settings.repository.region {
        environment.push(("AWS_DEFAULT_REGION", region.clone().into()));
    }
    environment
}

/// A pattern for `--exclude` that matches one path only. A byte that is no UTF-8 is one character for the pattern.
pub fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    for character in path.chars() {
        match character {
            '*' | '?' | '[' | ']' | '\\' => pattern.extend(['\\', character]),
            '\u{fffd}' => pattern.push('?'),
            _ => pattern.push(character),
        }
    }
    pattern
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, argument: impl Into<OsString>) -> &mut Self {
        self.0.push(argument.into());
        self
    }

    /// `--name=value`, so that a value that starts with `-` is not taken for an option.
    fn pair(&mut self, name: &str, value: impl AsRef<Path>) -> &mut Self {
        let mut argument = OsString::from(name);
        argument.push("=");
        argument.push(value.as_ref());
        self.add(argument)
    }

    fn pairs(&mut self, name: &str, values: &[String]) -> &mut Self {
        values.iter().fold(self, |arguments, value| arguments.pair(name, value))
    }

    /// What follows is no option.
    fn end(&mut self) -> &mut Self {
        self.add("--")
    }

    fn all(&mut self, values: &[String]) -> &mut Self {
        values.iter().fold(self, |arguments, value| arguments.add(value))
    }

    fn backup(&mut self, backup: &Backup) -> &mut Self {
        self.pair("--pack-size", PACK_MIB).pair("--host", &backup.host);
        self.pair("--time", &backup.time).pairs("--tag", &backup.tags);
        match &backup.parent {
            Some(parent) => self.pair("--parent", parent),
            // Without this, restic takes the newest snapshot of the same host and path.
            None => self.add("--force"),
        };
        if backup.skip_if_unchanged {
            self.add("--skip-if-unchanged");
        }
        if backup.dry_run {
            self.add("--dry-run");
        }
        self.pairs("--exclude", &backup.exclude).end().add(&backup.path)
    }

    fn restore(&mut self, restore: &Restore) -> &mut Self {
        self.add("--sparse").pair("--target", &restore.target);
        self.pairs("--exclude", &restore.exclude);
        self.pairs("--exclude-xattr", &restore.exclude_attributes);
        self.end().add(format!("{}:{}", restore.snapshot, restore.path))
    }
}

#[cfg(test)]
mod tests;
