//! What restic 0.18 writes: JSON lines on both streams, and plain lines about retries on standard error. Fields and kinds of
//! messages that are not known are left out; what cannot be read is no message.
use jiff::Timestamp;
use serde::Deserialize;

/// A JSON line.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(tag = "message_type", rename_all = "snake_case")]
pub enum Message {
    /// Progress.
    Status(Progress),
    /// The end of a backup or a restore.
    Summary(Summary),
    /// Something is wrong with one path.
    Error(ItemError),
    /// Why restic ends. Not after exit code 0.
    ExitError(ExitError),
    /// A repository was initialized.
    Initialized(Repository),
    /// The snapshot whose entries follow.
    Snapshot(Snapshot),
    /// An entry of a snapshot.
    Node(Node),
    /// A message of another kind.
    #[serde(other)]
    Other,
}

/// Progress of a backup or a restore.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct Progress {
    /// Bytes in all, as far as they are known.
    pub total_bytes: u64,
    /// Bytes that are read or written.
    #[serde(alias = "bytes_restored")]
    pub bytes_done: u64,
    /// Files in all, as far as they are known.
    pub total_files: u64,
    /// Files that are read or written.
    #[serde(alias = "files_restored")]
    pub files_done: u64,
    /// Seconds since the start.
    pub seconds_elapsed: u64,
    /// Seconds that restic thinks are left; 0 if it does not know.
    pub seconds_remaining: u64,
}

/// The figures of a backup or a restore.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct Summary {
    /// Files of the backup.
    pub total_files_processed: u64,
    /// Bytes of the backup.
    pub total_bytes_processed: u64,
    /// When the backup began, by the mover's clock; also in a snapshot.
    pub backup_start: Option<Timestamp>,
    /// Bytes that were added to the repository, before compression.
    pub data_added: u64,
    /// Bytes that were added to the repository.
    pub data_added_packed: u64,
    /// The snapshot; none if it would have been equal to its parent.
    pub snapshot_id: Option<String>,
    /// Entries of the restore, of every type.
    pub total_files: u64,
    /// Entries that were restored.
    pub files_restored: u64,
    /// Bytes of the restore.
    pub total_bytes: u64,
    /// Bytes that were restored.
    pub bytes_restored: u64,
    /// The packs that a check found damaged.
    pub broken_packs: Option<Vec<String>>,
}

/// Something is wrong with one path.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct ItemError {
    /// What.
    pub error: ErrorText,
    /// `scan` and `archival` of a backup, `restore`.
    pub during: String,
    /// The path: of a backup in full, of a restore relative to its target with a slash before it.
    pub item: String,
    /// The text of a check's error, which has none of the others.
    pub message: String,
}

/// The text of an error.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct ErrorText {
    /// The text.
    pub message: String,
}

/// Why restic ends.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct ExitError {
    /// Its exit code.
    pub code: i32,
    /// The text.
    pub message: String,
}

/// A repository's configuration, as far as it is needed. It has a secret too, so it is never printed.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// The repository's id.
    pub id: String,
}

/// A snapshot.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id, in full.
    #[serde(default)]
    pub id: String,
    /// Its time.
    pub time: Timestamp,
    /// Its paths.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Its host.
    #[serde(default)]
    pub hostname: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What the backup counted; restic writes it since 0.17.
    #[serde(default)]
    pub summary: Option<Summary>,
}

/// An entry of a snapshot.
#[derive(Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct Node {
    /// `file`, `dir`, `symlink`, `dev`, `chardev`, `fifo`, `socket`, `irregular`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path in the snapshot. A byte that is no UTF-8 is U+FFFD, one for each byte.
    pub path: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size of a file.
    pub size: u64,
    /// Permissions and type, in Go's bits.
    pub mode: u32,
    /// The time of the last change of its content.
    pub mtime: Option<Timestamp>,
    /// The inode at the source. Files with the same one are one file with several names.
    pub inode: u64,
}

impl Node {
    /// Permissions with setuid, setgid and sticky, in the bits of Unix.
    pub fn permissions(&self) -> u32 {
        // https://pkg.go.dev/io/fs#FileMode
        let special = [(23, 0o4000), (22, 0o2000), (20, 0o1000)];
        let special = special.iter().filter(|(bit, _)| self.mode >> bit & 1 == 1);
        special.fold(self.mode & 0o777, |mode, (_, unix)| mode | unix)
    }
}

/// The size of what a snapshot refers to.
#[derive(Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawSize {
    /// Bytes before compression, each content once, with the metadata.
    #[serde(default)]
    pub total_uncompressed_size: u64,
    /// Bytes as stored.
    #[serde(default)]
    pub total_size: u64,
}

/// A call of the backend that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry<'a> {
    /// It is tried again.
    Again {
        /// The operation, such as `Save(<data/0123456789>)`.
        operation: &'a str,
        /// The error.
        error: &'a str,
    },
    /// It is not tried again.
    Failed {
        /// The operation.
        operation: &'a str,
        /// The error.
        error: &'a str,
    },
    /// It succeeded at last.
    Succeeded,
}

/// Reads a JSON line with a `message_type`.
pub fn message(line: &str) -> Option<Message> {
    line.starts_with('{').then(|| serde_json::from_str(line).ok())?
}

/// Reads the answer of `snapshots`.
pub fn snapshots(line: &str) -> Option<Vec<Snapshot>> {
    line.starts_with('[').then(|| serde_json::from_str(line).ok())?
}

/// Reads the answer of `cat config`, which has several lines.
pub fn repository(text: &str) -> Option<Repository> {
    serde_json::from_str(text).ok()
}

/// Reads the answer of `stats --mode raw-data`.
pub fn raw_size(line: &str) -> Option<RawSize> {
    line.starts_with('{').then(|| serde_json::from_str(line).ok())?
}

/// Reads a line of `repair snapshots --dry-run`: `  file "/data/web/a": removed missing content`. The path is as in [`Node`].
pub fn missing(line: &str) -> Option<String> {
    let line = line.trim_start().strip_prefix("file ")?;
    unquote(line.strip_suffix(": removed missing content")?)
}

/// Reads a line that `repair snapshots --dry-run` writes before what it found in a snapshot: `snapshot 0123abcd of [/data/web] …`.
/// The result is the short id.
pub fn snapshot_header(line: &str) -> Option<&str> {
    short_id(line.strip_prefix("snapshot ")?, " of ")
}

/// Whether a line of `repair snapshots --dry-run` says that the snapshot before it lacks data. What is missing is named only for
/// the first of several snapshots with the same folder.
pub fn lacks_data(line: &str) -> bool {
    matches!(line, "would save new snapshot" | "would delete empty snapshot")
}

/// Reads a line of `find` that names a snapshot which needs what is looked for, or which has a folder that cannot be read. The
/// result is the short id.
pub fn needed_by(line: &str) -> Option<&str> {
    let found = line.strip_prefix(" ... in snapshot ");
    let unread = line.strip_prefix(" ... which belongs to snapshot ");
    found
        .and_then(|id| short_id(id, " ("))
        .or_else(|| unread.and_then(|id| id.get(..8)).filter(|id| is_hex(id)))
}

fn short_id<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.split_once(end)
        .map(|(id, _)| id)
        .filter(|id| id.len() == 8 && is_hex(id))
}

/// Whether a text has only hex digits, and some.
pub fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads a string as Go quotes it. A byte that is no UTF-8 becomes U+FFFD, as in JSON.
fn unquote(text: &str) -> Option<String> {
    // https://pkg.go.dev/strconv#Quote
    let mut text = text.strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut found = String::new();
    while let Some(character) = text.next() {
        if character != '\\' {
            found.push(character);
            continue;
        }
        let kind = text.next()?;
        let mut code = |length: usize| {
            let digits: String = text.by_ref().take(length).collect();
            let whole = digits.len() == length;
            whole.then(|| u32::from_str_radix(&digits, 16).ok())?
        };
        found.push(match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            // A byte below 0x80 is a control character, any other one is no UTF-8.
            'x' => char::from_u32(code(2)?).filter(char::is_ascii).unwrap_or('\u{fffd}'),
            'u' => char::from_u32(code(4)?)?,
            'U' => char::from_u32(code(8)?)?,
            other => other,
        });
    }
    Some(found)
}

/// Reads a line about a retry: `Load(<data/…>, 0, 0) returned error, retrying after 1s: …`.
pub fn retry(line: &str) -> Option<Retry<'_>> {
    if let Some((operation, rest)) = line.split_once(" returned error, retrying after ") {
        let (_, error) = rest.split_once(": ")?;
        return Some(Retry::Again { operation, error });
    }
    if let Some((operation, error)) = line.split_once(" failed: ") {
        // Other lines have these words too; an operation of the backend ends with its arguments.
        return operation.ends_with(')').then_some(Retry::Failed { operation, error });
    }
    line.contains(" operation successful after ")
        .then_some(Retry::Succeeded)
}

#[cfg(test)]
mod tests;
