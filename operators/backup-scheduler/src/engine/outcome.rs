//! From what restic wrote and its exit code to an outcome. Pure.
use std::collections::VecDeque;
use std::time::Duration;

use super::messages::{ItemError, Message, Progress, Retry, Summary, message, retry};
use crate::task::{Problem, Reason, Report};

/// Paths with problems that are kept; the others are only counted. A report has room for fewer.
pub const KEPT_PROBLEMS: usize = 100;
/// Plain lines of standard error that are kept, for an exit without a message.
const KEPT_LINES: usize = 5;
/// The longest text of restic that goes into a message, in characters.
const LONGEST_TEXT: usize = 500;

/// How the removal of a lock begins, in lines about the backend.
const LOCK_REMOVAL: &str = "Remove(<lock/";

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What is wrong, and what to do.
    pub message: String,
    /// Whether the same may succeed a little later.
    pub retry: bool,
    /// The bytes that a first backup would upload, if it needs consent.
    pub upload_bytes: Option<u64>,
}

impl Failure {
    /// A failure with the advice and the chance of a retry that its reason has.
    pub fn new(reason: Reason, text: &str) -> Self {
        let advice = advice(reason);
        let text = shorten(text);
        Self {
            reason,
            message: if advice.is_empty() {
                text
            } else {
                format!("{text}; {advice}")
            },
            retry: matches!(
                reason,
                Reason::Locked | Reason::Unreachable | Reason::Cancelled | Reason::NotProven
            ),
            upload_bytes: None,
        }
    }

    /// As the report of a mover.
    pub fn report(self) -> Report {
        Report {
            upload_bytes: self.upload_bytes,
            ..Report::failed(self.reason, self.message).with_retry(self.retry)
        }
    }
}

/// What a call wrote, as much of it as is needed: the memory does not grow with its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The figures at its end.
    pub summary: Option<Summary>,
    /// The first paths with problems, each once. They are as restic wrote them.
    pub problems: Vec<Problem>,
    /// The problems in all, of which several may be of one path.
    pub problem_count: u64,
    /// Why it ended.
    pub exit_message: Option<String>,
    /// The last error of the backend.
    pub backend_error: Option<String>,
    /// restic ended because it could not refresh its lock for 22 minutes.
    pub lock_lost: bool,
    lines: VecDeque<String>,
}

impl Collected {
    /// Takes a line of either stream.
    pub fn read(&mut self, line: &str) -> Option<Message> {
        let Some(message) = message(line) else {
            match retry(line) {
                // A lock that cannot be removed explains no failure.
                Some(Retry::Again { operation, .. } | Retry::Failed { operation, .. })
                    if operation.starts_with(LOCK_REMOVAL) => {}
                Some(Retry::Again { error, .. } | Retry::Failed { error, .. }) => {
                    self.backend_error = Some(error.to_owned());
                }
                Some(Retry::Succeeded) => self.backend_error = None,
                None if line.starts_with('{') || line.starts_with('[') => {}
                None => self.keep(line),
            }
            return None;
        };
        match &message {
            Message::Summary(summary) => self.summary = Some(summary.clone()),
            Message::ExitError(error) => self.exit_message = Some(without_stack(&error.message).trim().to_owned()),
            Message::Error(error) => self.problem(error),
            _ => {}
        }
        Some(message)
    }

    fn problem(&mut self, error: &ItemError) {
        // What the scan of a backup meets, the backup itself meets again if it matters.
        // A check names no path, and is read by `Findings`.
        if error.during == "scan" || !error.message.is_empty() {
            return;
        }
        self.problem_count += 1;
        let known = self.problems.iter().any(|problem| problem.path == error.item);
        if !known && self.problems.len() < KEPT_PROBLEMS {
            self.problems.push(Problem {
                path: error.item.clone(),
                message: shorten(&error.error.message),
                pack: pack(&error.error.message).map(str::to_owned),
            });
        }
    }

    fn keep(&mut self, line: &str) {
        self.lock_lost |=
            line.contains("failed to refresh lock in time") || line.contains("failed to refresh stale lock");
        if line.trim().is_empty() || line.contains("received, cleaning up") {
            return;
        }
        self.lines.push_back(shorten(line));
        if self.lines.len() > KEPT_LINES {
            self.lines.pop_front();
        }
    }

    /// The words for an exit that has no message.
    fn text(&self, exit: Exit) -> String {
        if let Some(message) = &self.exit_message {
            return message.clone();
        }
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        match exit {
            Exit::Code(code) => format!("restic ended with exit code {code}: {}", lines.join("; ")),
            Exit::Signal(9) => "restic was killed: perhaps the memory limit of the mover is too low".to_owned(),
            Exit::Signal(signal) => format!("restic was ended by signal {signal}: {}", lines.join("; ")),
        }
    }
}

/// The failure that an exit is; none for 0. Exit code 3 is none either: it is a backup without some files.
pub fn failure(exit: Exit, collected: &Collected) -> Option<Failure> {
    let text = collected.text(exit);
    if collected.lock_lost && matches!(exit, Exit::Code(1 | 130)) {
        let text = "the lock of the repository could not be refreshed for 22 minutes, so restic ended";
        return Some(Failure::new(Reason::Unreachable, text));
    }
    let reason = match exit {
        Exit::Code(0 | 3) => return None,
        Exit::Code(10) => Reason::RepositoryMissing,
        Exit::Code(11) => return Some(Failure::new(Reason::Locked, &lock_holder(&text))),
        Exit::Code(12) => Reason::WrongPassphrase,
        Exit::Code(130) => Reason::Cancelled,
        // The kernel's memory killer; another run needs more memory, which is not for restic to say.
        Exit::Signal(_) => {
            return Some(Failure {
                retry: true,
                ..Failure::new(Reason::Internal, &text)
            });
        }
        Exit::Code(_) => {
            let texts = [Some(text.as_str()), collected.backend_error.as_deref()];
            let found = texts.into_iter().flatten().find_map(|text| Some((reason(text)?, text)));
            let Some((reason, found)) = found else {
                return Some(Failure::new(Reason::Internal, &text));
            };
            return Some(Failure::new(reason, found));
        }
    };
    Some(Failure::new(reason, &text))
}

/// Words of errors, in lower case, and what they mean. The first that is found wins: a full bucket is often an access error
/// too. restic prints the message of an S3 error, and its code only if there is no message.
const WORDS: &[(&str, Reason)] = &[
    // Backblaze: "Cannot upload files, storage cap exceeded."
    ("cap exceeded", Reason::QuotaExceeded),
    ("quota", Reason::QuotaExceeded),
    ("insufficient storage", Reason::QuotaExceeded),
    ("insufficientstorage", Reason::QuotaExceeded),
    ("storagefull", Reason::QuotaExceeded),
    ("507 ", Reason::QuotaExceeded),
    ("minimum free drive threshold", Reason::QuotaExceeded),
    ("no space left on device", Reason::QuotaExceeded),
    ("request time and the server's time", Reason::ClockSkew),
    ("requesttimetooskewed", Reason::ClockSkew),
    ("request time too skewed", Reason::ClockSkew),
    // A certificate that is not valid yet: "current time … is before …".
    ("z is before 20", Reason::ClockSkew),
    ("failed to verify certificate", Reason::UnknownIssuer),
    ("x509:", Reason::UnknownIssuer),
    ("bucket does not exist", Reason::BucketMissing),
    ("nosuchbucket", Reason::BucketMissing),
    ("invalid lock file", Reason::Locked),
    ("no matching id found", Reason::SnapshotMissing),
    ("no snapshot found", Reason::SnapshotMissing),
    ("failed to find snapshot", Reason::SnapshotMissing),
    ("already contains keys", Reason::RepositoryMissing),
    (": not found", Reason::SnapshotMissing),
    (": not a directory", Reason::SnapshotMissing),
    ("access denied", Reason::AccessDenied),
    ("accessdenied", Reason::AccessDenied),
    ("signature", Reason::AccessDenied),
    ("access key", Reason::AccessDenied),
    ("accesskey", Reason::AccessDenied),
    ("accountproblem", Reason::AccessDenied),
    ("forbidden", Reason::AccessDenied),
    ("security token", Reason::AccessDenied),
    ("expiredtoken", Reason::AccessDenied),
    ("no credentials found", Reason::AccessDenied),
    ("permission denied", Reason::AccessDenied),
    ("ciphertext verification failed", Reason::DataDamaged),
    ("invalid data returned", Reason::DataDamaged),
    ("repository could be damaged", Reason::DataDamaged),
    ("file is too short", Reason::DataDamaged),
    ("unknown blob", Reason::DataDamaged),
    ("not found in index", Reason::DataDamaged),
    ("could not be loaded", Reason::DataDamaged),
    ("index is not complete", Reason::DataDamaged),
    ("packs from index missing", Reason::DataDamaged),
    ("pack size does not match", Reason::DataDamaged),
    ("contains errors", Reason::DataDamaged),
    ("unexpected eof", Reason::Unreachable),
    ("dial tcp", Reason::Unreachable),
    // After an outage, or when the node was suspended.
    ("refresh lock", Reason::Unreachable),
    ("no such host", Reason::Unreachable),
    ("timeout", Reason::Unreachable),
    ("deadline exceeded", Reason::Unreachable),
    ("connection re", Reason::Unreachable),
    ("connection closed", Reason::Unreachable),
    ("broken pipe", Reason::Unreachable),
    ("circuit breaker", Reason::Unreachable),
    ("reduce your request rate", Reason::Unreachable),
    ("slow down", Reason::Unreachable),
    ("slowdown", Reason::Unreachable),
    ("internal error", Reason::Unreachable),
    ("internalerror", Reason::Unreachable),
    ("service unavailable", Reason::Unreachable),
    ("bad gateway", Reason::Unreachable),
    ("50", Reason::Unreachable),
];

/// What the text of an error of restic means.
pub fn reason(text: &str) -> Option<Reason> {
    let text = text.to_lowercase();
    // An id in full is not looked for in the list, so a snapshot that is gone is a file that is missing.
    let gone = ["no such file", "does not exist", "nosuchkey"];
    if text.contains("failed to load snapshot") && gone.iter().any(|words| text.contains(words)) {
        return Some(Reason::SnapshotMissing);
    }
    let found = WORDS.iter().find(|(words, _)| match *words {
        // A status code, not a part of a size or an id.
        "50" => ["500 ", "502 ", "503 ", "504 "].iter().any(|code| text.contains(code)),
        words => text.contains(words),
    });
    found.map(|(_, reason)| *reason)
}

/// What a user can do about a reason that comes from restic.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::WrongPassphrase => "correct the passphrase in the Secret of `passphraseSecretRef`",
        Reason::AccessDenied => {
            "check the key in the Secret of `s3.secretRef` and what it may do in this bucket and prefix"
        }
        Reason::QuotaExceeded => "raise the limit at the provider, or remove data; backups can be restored meanwhile",
        Reason::ClockSkew => "correct the clock of the node or of the server",
        Reason::UnknownIssuer => "if the authority is a private one, put its certificate into `s3.ca`",
        Reason::BucketMissing => "create the bucket, or correct `s3.bucket`",
        Reason::RepositoryMissing => "check the location; a repository whose `config` is lost cannot be opened again",
        Reason::DataDamaged => "run a check of the repository that reads the data",
        _ => "",
    }
}

/// The failure in a line such as `Ignoring "0123…": …` or `could not load snapshots: …`, which restic writes where it leaves out
/// a snapshot that it could not read, or all of them, and then succeeds. A snapshot that is not there is no failure.
pub fn left_out(line: &str) -> Option<Failure> {
    if let Some(text) = line.strip_prefix("could not load snapshots: ") {
        return Some(Failure::new(reason(text).unwrap_or(Reason::Unreachable), text));
    }
    let (_, text) = line.strip_prefix("Ignoring \"")?.split_once("\": ")?;
    match reason(text) {
        Some(Reason::SnapshotMissing) => None,
        found => Some(Failure::new(found.unwrap_or(Reason::Internal), text)),
    }
}

/// Whether a line says that a snapshot or a pack could not be removed. restic ends with 0 all the same.
pub fn is_not_removed(line: &str) -> bool {
    line.starts_with("unable to remove ") && line.ends_with(" from the repository")
}

/// The failure of a call after which something is there that was to be removed.
pub fn not_removed(collected: &Collected) -> Failure {
    let text = collected
        .backend_error
        .as_deref()
        .unwrap_or("objects cannot be removed");
    Failure::new(reason(text).unwrap_or(Reason::AccessDenied), text)
}

/// The pack that an error names: `from 6b9a5a5a failed`, `<data/6b9a5a5ae3>`. restic shortens ids.
pub fn pack(text: &str) -> Option<&str> {
    let id = |text: &'_ str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let after = |words: &str| {
        let rest = &text[text.find(words)? + words.len()..];
        Some(&rest[..id(rest)]).filter(|id| id.len() >= 8)
    };
    // A blob is written like a pack, `<data/…>`, where its pack follows.
    after("> from ").or_else(|| after("<data/"))
}

/// The holder of a lock: who, where and since when.
fn lock_holder(text: &str) -> String {
    let start = text.find("repository is already locked").unwrap_or(0);
    let lines = text[start..]
        .lines()
        .filter(|line| !line.starts_with("storage ID") && !line.starts_with("the `unlock`"));
    lines.collect::<Vec<_>>().join("; ")
}

/// The text of an error without the functions that it came through, which restic adds to those it did not expect.
fn without_stack(text: &str) -> &str {
    let starts = ["\ngithub.com/", "\nmain.", "\nruntime."];
    let start = starts.iter().filter_map(|start| text.find(start)).min();
    &text[..start.unwrap_or(text.len())]
}

fn shorten(text: &str) -> String {
    text.trim().chars().take(LONGEST_TEXT).collect()
}

/// Ends a call whose backend answers with an error that no retry changes. restic retries everything for 15 minutes, apart from
/// a missing object and `AccessDenied`: a wrong key, a missing bucket and an unknown certificate as well.
#[derive(Clone, Debug, Default)]
pub struct Hopeless {
    since: Option<(Duration, Reason, String)>,
}

impl Hopeless {
    /// Takes a line that was written at this time since the start.
    pub fn read(&mut self, now: Duration, line: &str) {
        match retry(line) {
            // With a key that may not delete, this is every refresh of the lock.
            Some(Retry::Again { operation, .. } | Retry::Failed { operation, .. })
                if operation.starts_with(LOCK_REMOVAL) => {}
            Some(Retry::Again { error, .. }) => match reason(error) {
                Some(reason) if patience(reason).is_some() => match &mut self.since {
                    Some((_, known, _)) if *known == reason => {}
                    since => *since = Some((now, reason, error.to_owned())),
                },
                // Something else is wrong now.
                _ => self.since = None,
            },
            // What is not tried again holds nothing up.
            Some(Retry::Succeeded | Retry::Failed { .. }) => self.since = None,
            None => {}
        }
    }

    /// The failure, if the call is to be ended at this time.
    pub fn due(&self, now: Duration) -> Option<Failure> {
        let (since, reason, text) = self.since.as_ref()?;
        (now.saturating_sub(*since) >= patience(*reason)?).then(|| Failure::new(*reason, text))
    }
}

/// How long an error may last before it counts as one that does not end by itself.
fn patience(reason: Reason) -> Option<Duration> {
    match reason {
        // New keys and buckets are not known to all servers of a provider at once.
        Reason::AccessDenied | Reason::BucketMissing | Reason::UnknownIssuer | Reason::ClockSkew => {
            Some(Duration::from_secs(15))
        }
        // Space may become free.
        Reason::QuotaExceeded => Some(Duration::from_secs(30)),
        _ => None,
    }
}

/// Progress in a line, if it has any.
pub fn progress(message: &Message) -> Option<Progress> {
    match message {
        Message::Status(progress) => Some(*progress),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
