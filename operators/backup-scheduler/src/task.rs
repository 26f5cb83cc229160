//! What the operator tells a mover, and what the mover answers. Both are JSON, and neither has a secret in it.
//!
//! A mover is a Job that runs `backup-scheduler move`. Its task is the file [`TASK`] of a Secret that is mounted at [`FOLDER`],
//! beside the repository's password and credentials. Its answer is the termination message of its container.
mod objects;
mod report;

use serde::{Deserialize, Serialize};

pub use self::objects::{AbsentClaims, Existing, Gitops, ObjectResult, ObjectsReport, RestoreObjects, Selection};
pub use self::report::{Problem, Reason, Report, SnapshotReport, Verdict};

/// Where the Secret of a run is mounted.
pub const FOLDER: &str = "/run/hearth";
/// The task, as JSON.
pub const TASK: &str = "task.json";
/// The repository's password.
pub const PASSWORD: &str = "password";
/// The S3 access key.
pub const ACCESS_KEY_ID: &str = "access-key-id";
/// The S3 secret key.
pub const SECRET_ACCESS_KEY: &str = "secret-access-key";
/// The S3 session token, for temporary keys.
pub const SESSION_TOKEN: &str = "session-token";
/// Certificates to trust for the S3 endpoint, PEM; the system's, if there is none.
pub const CA: &str = "ca.crt";
/// Where a mover writes its report: the termination message. The kubelet keeps [`LONGEST_REPORT`] bytes of it.
pub const REPORT: &str = "/dev/termination-log";
/// What the kubelet keeps of a termination message, in bytes.
pub const LONGEST_REPORT: usize = 4096;
/// Where restic keeps its cache: an `emptyDir`.
pub const CACHE: &str = "/cache";
/// Where restic keeps temporary files: an `emptyDir`.
pub const TEMPORARY: &str = "/tmp";

/// What a mover is to do.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The repository.
    pub repository: Repository,
    /// What to do with it.
    pub work: Work,
    /// The memory limit of the mover's container, in bytes. restic's heap is limited to 65 % of it.
    pub memory_limit: u64,
    /// Where the progress is posted; none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<PostTo>,
}

/// Where a mover posts its progress.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PostTo {
    /// The operator.
    pub url: String,
    /// The token of this mover, which is good for nothing else.
    pub token: String,
    /// The UID of the run.
    pub run: String,
    /// The claim.
    pub claim: String,
    /// Which attempt it is.
    pub attempt: i64,
}

/// Without the token.
impl std::fmt::Debug for PostTo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} of run {}, attempt {}, to {}",
            self.claim, self.run, self.attempt, self.url
        )
    }
}

/// A repository of restic.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// As restic writes it: `s3:https://host/bucket/prefix`, or an absolute path.
    pub location: String,
    /// The S3 region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Address the bucket by path, not by host name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub path_style: bool,
    /// Nothing may be deleted: the credentials have no right to it, so nothing is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub append_only: bool,
    /// The limit of uploads in KiB/s; none if it is 0.
    #[serde(default)]
    pub limit_upload: u64,
}

/// The work of a mover.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Work {
    /// Opens the repository; initializes it if it is not there.
    Initialize {
        /// Whether it may be initialized. If not, a missing one is `RepositoryMissing`. The mover does it only
        /// where nothing else is, in a bucket that is there, and one mover at a time.
        create: bool,
    },
    /// Backs up a volume.
    Backup(Backup),
    /// Exports API objects, and backs them up.
    Export(Export),
    /// Restores a snapshot into a volume.
    Restore(Restore),
    /// Restores API objects.
    RestoreObjects(Box<RestoreObjects>),
    /// Finds the snapshots that a restore is to use.
    Find(Find),
    /// Removes the snapshots that the retention does not keep.
    Forget(Forget),
    /// Checks the repository, and a part of its data.
    Check(Check),
    /// Removes data that no snapshot needs.
    Prune(Prune),
    /// Takes damaged packs out of the index, so that the next backup stores their content anew.
    RepairPacks(RepairPacks),
}

/// Snapshots to remove, as the retention planned it from the records of runs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Forget {
    /// The snapshots' host: `clusterName`.
    pub host: String,
    /// The snapshots to remove. One that is not there any more counts as removed. One that is there with another run's tag is
    /// not removed, and nothing else is.
    pub snapshots: Vec<Recorded>,
    /// Snapshots that the records keep. If one of them is not in the repository, nothing is removed: somebody else removes
    /// snapshots, and the records cannot be trusted.
    pub kept: Vec<Recorded>,
}

/// A snapshot as a run has recorded it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// The snapshot's id, in full.
    pub id: String,
    /// The UID of the run, which is a tag of the snapshot.
    pub run_uid: String,
}

/// A check of the repository.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The part of the data to read; none: only the structure is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Part>,
    /// Snapshots that are known to be damaged, after a repair: that they are is nothing new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

/// One of equal parts.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Which one, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

/// The removal of data that no snapshot needs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Prune {
    /// Repack nothing: what is only partly needed stays. It is possible where the bucket is full.
    #[serde(default)]
    pub only_delete: bool,
}

/// The repair of an index.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RepairPacks {
    /// The full ids of the damaged packs.
    pub packs: Vec<String>,
}

/// A backup of one volume.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Backup {
    /// Where the volume is mounted, read-only. It is the path of the snapshot too: `/data/<claim>`.
    pub path: String,
    /// The snapshot's host: `clusterName`.
    pub host: String,
    /// The snapshot's time: the slot of the run, RFC 3339.
    pub time: String,
    /// The name of the run, `<namespace>/<name>`; a tag of the snapshot.
    pub run: String,
    /// The UID of the run; a tag of the snapshot, by which this run finds its own.
    pub run_uid: String,
    /// No mover of this run was started before, so there is no snapshot of this run: it is not looked for, which saves a
    /// request for each snapshot of the repository.
    #[serde(default)]
    pub first_attempt: bool,
    /// The name of the claim; a tag of the snapshot.
    pub claim: String,
    /// The id of the snapshot that unchanged files are taken from; none: all files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it rests on without a parent.
    #[serde(default)]
    pub without_parent: WithoutParent,
    /// Whether the repository may be initialized if it is not there.
    #[serde(default)]
    pub create: bool,
    /// What the claim asks for: tags of the snapshot, so that the claim can be made again where it is lost.
    #[serde(default)]
    pub volume: Volume,
    /// Files of the former good snapshot. If it had some, one without any is no success.
    #[serde(default)]
    pub former_files: u64,
    /// A snapshot without the files that could not be read is kept, and the result is `Partial`.
    #[serde(default)]
    pub allow_partial: bool,
    /// Patterns of files to leave out, as restic's `--exclude`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// More than this is not uploaded without consent, in bytes; none if it is 0. Only without a parent.
    #[serde(default)]
    pub first_upload_limit: u64,
}

/// A backup of API objects.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// The namespace; none: objects of no namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Kinds to leave out, by names such as `deployments.apps`, or globs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_kinds: Vec<String>,
    /// How the exported files are backed up. Its path is where they are written.
    pub backup: Backup,
}

/// What a backup without a parent rests on.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WithoutParent {
    /// Nothing: all files are read.
    #[default]
    Nothing,
    /// The newest snapshot of the same host and path, whoever made it.
    Newest,
}

/// What a claim asks for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The size, as in the claim: `10Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The storage class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The access modes, as in the claim: `ReadWriteOnce`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_modes: Vec<String>,
}

/// Which snapshots a restore is to use: for each claim the newest good one.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Find {
    /// The snapshots' host: `clusterName`.
    pub host: String,
    /// Claims by name or glob; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// Only of the run with this name, `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Only the snapshot with this id, or a prefix of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Only those that are older than this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Also snapshots that others have made: by their path, which is `/data/<claim>`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// Only snapshots with this path, whoever made them, for the one claim in `claims`. Of a snapshot that is named by its id it
    /// may be any folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names are those of folders of snapshots below this one, whatever their tags are: the namespaces whose API objects are backed up. Names that begin with a dot are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Snapshots that do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_good: Vec<String>,
    /// Only claims whose names are greater: a report has room for a few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A snapshot that was found for a claim.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The claim.
    pub claim: String,
    /// The snapshot's id, in full.
    pub snapshot: String,
    /// The folder in it, if it is not `/data/<claim>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its files.
    pub files: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What the claim asked for then.
    #[serde(default)]
    pub volume: Volume,
}

/// A restore of one volume.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// The id of the snapshot.
    pub snapshot: String,
    /// The folder in the snapshot that becomes the root of the volume: `/data/<claim>`.
    pub path: String,
    /// Where the volume is mounted.
    pub target: String,
    /// Write into a volume that has files already. Files of the same name are replaced, others stay.
    #[serde(default)]
    pub overwrite: bool,
    /// Restore device nodes.
    #[serde(default)]
    pub devices: bool,
    /// Keep setuid and setgid bits of files.
    #[serde(default)]
    pub setuid: bool,
}
