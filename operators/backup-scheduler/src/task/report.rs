//! How the work of a mover ended, and why.
use serde::{Deserialize, Serialize};

use super::{Found, LONGEST_REPORT, ObjectsReport};

/// A message is cut to about this size in bytes before ids are left out.
const SHORT_MESSAGE: usize = 300;
/// So many API objects are named before hints are left out.
const FIRST_OBJECTS: usize = 10;
/// So many hints stay before the last objects are left out.
const FIRST_HINTS: usize = 4;

/// How the work of a mover ended.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it, and it is proven.
    Completed,
    /// Something is missing; the report says what.
    Partial,
    /// Nothing that counts.
    Failed,
}

/// Why. These are reasons of conditions, so the set is closed.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// It is complete.
    Completed,
    /// Files could not be read at the source.
    Unreadable,
    /// Kinds of API objects could not be listed.
    NotExported,
    /// There are no files now, and the former good snapshot had some.
    NoFiles,
    /// The password does not open the repository (restic's exit code 12).
    WrongPassphrase,
    /// There is no repository (restic's exit code 10).
    RepositoryMissing,
    /// Another process holds a lock (restic's exit code 11).
    Locked,
    /// The server refuses the credentials or the call.
    AccessDenied,
    /// The bucket or the account is full.
    QuotaExceeded,
    /// The clock of this node or of the server is wrong.
    ClockSkew,
    /// The server does not answer, or with 5xx.
    Unreachable,
    /// The server's certificate is of an authority that is not trusted.
    UnknownIssuer,
    /// There is no such bucket.
    BucketMissing,
    /// The target volume is full.
    TargetFull,
    /// The target volume has files already.
    TargetNotEmpty,
    /// The mover may not write into the target volume.
    TargetNotWritable,
    /// There is no such snapshot, or not with this path.
    SnapshotMissing,
    /// Data in the repository is damaged or missing.
    DataDamaged,
    /// What was written differs from the snapshot: owners, modes, kinds, sizes.
    Differs,
    /// API objects could not be restored.
    NotRestored,
    /// The backup has no API object that is selected.
    NothingSelected,
    /// API objects are there that differ from the backup, and nothing was to be written then.
    Exists,
    /// Claims ask for a storage class that is not there.
    StorageClassMissing,
    /// The first upload is larger than the limit.
    NeedsConsent,
    /// Snapshots that the records name are not in the repository.
    RecordsDisagree,
    /// The mover was told to end.
    Cancelled,
    /// restic made no progress for half an hour.
    Stuck,
    /// The snapshot was not found again with this run's mark.
    NotProven,
    /// The task or the mover's files are not as they should be: a fault of this software.
    Internal,
}

impl Reason {
    /// As conditions have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Unreadable => "Unreadable",
            Self::NotExported => "NotExported",
            Self::NoFiles => "NoFiles",
            Self::WrongPassphrase => "WrongPassphrase",
            Self::RepositoryMissing => "RepositoryMissing",
            Self::Locked => "Locked",
            Self::AccessDenied => "AccessDenied",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::ClockSkew => "ClockSkew",
            Self::Unreachable => "Unreachable",
            Self::UnknownIssuer => "UnknownIssuer",
            Self::BucketMissing => "BucketMissing",
            Self::TargetFull => "TargetFull",
            Self::TargetNotEmpty => "TargetNotEmpty",
            Self::TargetNotWritable => "TargetNotWritable",
            Self::SnapshotMissing => "SnapshotMissing",
            Self::DataDamaged => "DataDamaged",
            Self::Differs => "Differs",
            Self::NotRestored => "NotRestored",
            Self::NothingSelected => "NothingSelected",
            Self::Exists => "Exists",
            Self::StorageClassMissing => "StorageClassMissing",
            Self::NeedsConsent => "NeedsConsent",
            Self::RecordsDisagree => "RecordsDisagree",
            Self::Cancelled => "Cancelled",
            Self::Stuck => "Stuck",
            Self::NotProven => "NotProven",
            Self::Internal => "Internal",
        }
    }
}

/// What was wrong with one path.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The path, in the volume.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// The pack that has its data, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
}

/// A snapshot that was made, or restored.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotReport {
    /// Its id, in full.
    pub id: String,
    /// Files in it.
    pub files: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Bytes that were added to the repository.
    #[serde(default)]
    pub added_bytes: u64,
    /// The owner, group and mode of the volume's root: `999:999 0700`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// What a mover says at its end.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What is wrong, and every way out. Empty if it is complete.
    #[serde(default)]
    pub message: String,
    /// The snapshot that counts. A snapshot that does not count is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotReport>,
    /// The id of the repository, if it was opened or initialized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    /// The bytes that a first backup would upload, if it needs consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_bytes: Option<u64>,
    /// Snapshots of this run that do not count and could not be forgotten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_good: Vec<String>,
    /// The first paths with problems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// How many paths had problems in all.
    #[serde(default)]
    pub problem_count: u64,
    /// The snapshots that were found, by claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<Found>,
    /// More were found than the report has room for: ask again after the last claim.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Snapshots that are not there any more after a [`super::Forget`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u64,
    /// Bytes that a prune removed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub freed_bytes: u64,
    /// Bytes in the repository after a prune or a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_bytes: Option<u64>,
    /// The full ids of packs that a check found damaged or missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged_packs: Vec<String>,
    /// The short ids (8 digits) of snapshots that need them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged_snapshots: Vec<String>,
    /// What came of a restore of API objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<ObjectsReport>,
    /// Whether the same may succeed a little later without a change: an outage, a lock.
    #[serde(default)]
    pub retry: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Report {
    /// A report that all is well.
    pub fn completed(snapshot: Option<SnapshotReport>) -> Self {
        Self {
            verdict: Verdict::Completed,
            reason: Reason::Completed,
            message: String::new(),
            snapshot,
            repository_id: None,
            upload_bytes: None,
            not_good: Vec::new(),
            problems: Vec::new(),
            problem_count: 0,
            found: Vec::new(),
            more: false,
            forgotten: 0,
            freed_bytes: 0,
            repository_bytes: None,
            damaged_packs: Vec::new(),
            damaged_snapshots: Vec::new(),
            objects: None,
            retry: false,
        }
    }

    /// The same, which may succeed a little later without a change.
    #[must_use]
    pub fn with_retry(self, retry: bool) -> Self {
        Self { retry, ..self }
    }

    /// A report that nothing counts.
    pub fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Failed,
            reason,
            message: message.into(),
            ..Self::completed(None)
        }
    }

    /// As JSON of at most [`LONGEST_REPORT`] bytes: problems are left out from the end, then the message is cut. The count of
    /// problems stays.
    pub fn encode(&self) -> String {
        let mut report = self.clone();
        loop {
            // A report has no map with keys that are not text, so this cannot fail.
            let text = serde_json::to_string(&report).unwrap_or_default();
            if text.len() <= LONGEST_REPORT {
                return text;
            }
            if report.found.len() > 1 {
                report.found.pop();
                report.more = true;
                continue;
            }
            if report.problems.pop().is_some() || report.not_good.pop().is_some() {
                continue;
            }
            if report.objects.as_mut().is_some_and(shorten) {
                continue;
            }
            if report.message.len() > SHORT_MESSAGE {
                report.message = report
                    .message
                    .chars()
                    .take(report.message.chars().count() / 2)
                    .collect();
            } else if report.damaged_packs.len() > report.damaged_snapshots.len() / 4 {
                // What is not named here is found by the check after the repair.
                report.damaged_packs.pop();
            } else if report.damaged_snapshots.pop().is_none() {
                report.message.pop();
            }
        }
    }
}

/// Leaves out a name, or a hint; whether there was one. The first ones are the most important.
fn shorten(objects: &mut ObjectsReport) -> bool {
    if objects.objects.len() > FIRST_OBJECTS || objects.hints.len() <= FIRST_HINTS {
        return objects.objects.pop().is_some() || objects.hints.pop().is_some();
    }
    objects.hints.pop().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::ObjectResult;

    #[test]
    fn a_report_of_many_objects_fits_and_names_the_first_of_them_and_what_a_person_should_know() {
        let result = |number: usize| ObjectResult {
            object: format!("home/deployments.apps/web-{number}"),
            result: "Failed".to_owned(),
            message: Some("m".repeat(300)),
        };
        let objects = ObjectsReport {
            created: 5000,
            objects: (0..200).map(result).collect(),
            hints: (0..9).map(|number| format!("{number}{}", "h".repeat(200))).collect(),
            ..ObjectsReport::default()
        };
        let report = Report {
            objects: Some(objects),
            ..Report::failed(Reason::NotRestored, "")
        };
        let text = report.encode();
        assert!(text.len() <= LONGEST_REPORT, "{}", text.len());
        let read = serde_json::from_str::<Report>(&text).unwrap().objects.unwrap();
        assert_eq!((read.created, read.hints.len()), (5000, FIRST_HINTS));
        assert!(
            read.objects.len() >= 5 && read.objects[0].object.ends_with("web-0"),
            "{}",
            read.objects.len()
        );
    }

    #[test]
    fn a_report_fits_the_termination_message() {
        let problem = |number: usize| Problem {
            path: format!("/{number}/{}", "\u{1}".repeat(100)),
            message: "permission denied".to_owned(),
            pack: None,
        };
        let report = Report {
            problems: (0..500).map(problem).collect(),
            problem_count: 500,
            message: "\u{1}".repeat(2000),
            ..Report::failed(Reason::Unreadable, "")
        };
        let text = report.encode();
        assert!(text.len() <= LONGEST_REPORT, "{}", text.len());
        let read: Report = serde_json::from_str(&text).unwrap();
        assert_eq!((read.problem_count, read.reason), (500, Reason::Unreadable));
    }

    #[test]
    fn a_report_of_much_damage_fits_too_and_names_packs_and_snapshots() {
        let report = Report {
            damaged_packs: (0..500).map(|number| format!("{number:064}")).collect(),
            damaged_snapshots: (0..900).map(|number| format!("{number:08}")).collect(),
            problems: vec![Problem {
                path: "/a".to_owned(),
                message: "m".to_owned(),
                pack: None,
            }],
            ..Report::failed(Reason::DataDamaged, "x".repeat(9000))
        };
        let text = report.encode();
        assert!(text.len() <= LONGEST_REPORT, "{}", text.len());
        let read: Report = serde_json::from_str(&text).unwrap();
        assert!(read.damaged_packs.len() > 20 && read.damaged_snapshots.len() > 80 && !read.message.is_empty());
    }

    #[test]
    fn a_report_that_fits_is_as_it_was() {
        let report = Report::failed(Reason::Locked, "by host a");
        assert_eq!(serde_json::from_str::<Report>(&report.encode()).unwrap(), report);
    }
}
