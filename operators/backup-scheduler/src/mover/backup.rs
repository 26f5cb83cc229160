//! Backs up one volume. A snapshot counts only if restic ended with 0 and it was read again from the repository.
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::volume::LOST_AND_FOUND;
use super::{Mover, find, not_good, volume};
use crate::engine::Done;
use crate::engine::command::{self, Call};
use crate::engine::messages::Snapshot;
use crate::engine::outcome::{Failure, progress};
use crate::task::{Backup, Problem, Reason, Report, SnapshotReport, Verdict, WithoutParent};

/// How often a backup is done again because what was wrong may not be so the next time.
const REPEATS: u32 = 2;

/// So long a lock of another process is waited for at the end, where a backup that is good has ended.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Backs up the volume.
pub async fn backup(mover: &mut Mover<'_>, task: &Backup) -> Report {
    let mut flow = Flow {
        mover,
        task,
        discard: Vec::new(),
    };
    let mut report = flow.run().await.unwrap_or_else(Failure::report);
    let kept = report.snapshot.as_ref().map(|snapshot| snapshot.id.clone());
    flow.discard.retain(|id| Some(id) != kept.as_ref());
    // Where the repository cannot be reached, this would only take another 15 minutes. The next attempt finds them by their tag.
    report.not_good = match report.reason {
        Reason::Completed | Reason::Unreadable | Reason::DataDamaged | Reason::NoFiles | Reason::NotProven => {
            flow.forget().await
        }
        _ => flow.discard,
    };
    report
}

struct Flow<'a, 'b> {
    mover: &'a mut Mover<'b>,
    task: &'a Backup,
    /// Snapshots of this run that do not count.
    discard: Vec<String>,
}

/// A snapshot that restic made, or found equal to its parent.
struct Made {
    id: String,
    /// It was there already, and nothing differed.
    adopted: bool,
    added_bytes: u64,
    incomplete: bool,
    problems: Vec<Problem>,
    problem_count: u64,
}

impl Flow<'_, '_> {
    async fn run(&mut self) -> Result<Report, Failure> {
        let root = self.root()?;
        let time = self.time()?;
        self.discard = self.earlier().await?;
        // An earlier attempt of this run may have left a snapshot. Whether it is complete is not known, so it does not
        // count. Its content is good: as parent it spares this attempt the upload, and proves itself if nothing differs.
        let own = self.discard.last().cloned();
        let parent = own.clone().or_else(|| self.task.parent.clone());
        let parent = match parent {
            None if self.task.without_parent == WithoutParent::Newest => self.newest().await?,
            parent => parent,
        };
        if parent.is_none() {
            self.consent(&time).await?;
        }
        let mut made = self.make(&time, parent, own.is_some()).await?;
        for _ in 0..REPEATS {
            if !(made.incomplete && all(&made, passes)) {
                break;
            }
            info!("what was wrong may not be so the next time, so the backup is done again");
            made = self.make(&time, Some(made.id), true).await?;
        }
        let snapshot = self.prove(&made, &time).await?;
        let report = self.judge(&made, &snapshot, root)?;
        // A snapshot of an earlier attempt, which may have marked it.
        if report.verdict == Verdict::Completed && made.adopted {
            not_good::write(&self.mover.engine.settings, &self.task.run_uid, Some(&made.id)).await?;
        }
        Ok(report)
    }

    /// A mover whose user cannot list the root would store a snapshot of an empty folder.
    fn root(&self) -> Result<String, Failure> {
        let path = Path::new(&self.task.path);
        let root = volume::root(path).map_err(|failed| {
            let text = format!("the volume is not mounted at {}: {failed}", self.task.path);
            Failure::new(Reason::Internal, &text)
        })?;
        match volume::listable(path) {
            Ok(()) => Ok(root),
            Err(failed) => {
                let text = format!(
                    "the mover cannot read / of the volume ({root}): {failed}; set `mover.securityContext` so that it \
                     runs as a user or group that can"
                );
                Err(Failure::new(Reason::Unreadable, &text))
            }
        }
    }

    /// The time of the snapshot, as restic wants it.
    fn time(&self) -> Result<String, Failure> {
        let time: Timestamp =
            self.task.time.parse().map_err(|failed| {
                Failure::new(Reason::Internal, &format!("`time` of the task is no time: {failed}"))
            })?;
        Ok(time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    fn run_tag(&self) -> String {
        format!("run-uid={}", self.task.run_uid)
    }

    /// Snapshots that earlier attempts of this run made, the oldest first.
    async fn earlier(&self) -> Result<Vec<String>, Failure> {
        if self.task.first_attempt {
            return Ok(Vec::new());
        }
        let (host, path) = (self.task.host.clone(), self.task.path.clone());
        let found = self.mover.engine.tagged(self.run_tag(), host, path).await?;
        Ok(found.into_iter().map(|snapshot| snapshot.id).collect())
    }

    /// The newest snapshot of the same host and path, whoever made it.
    async fn newest(&self) -> Result<Option<String>, Failure> {
        let all = self.mover.engine.all_snapshots(Some(&self.task.host)).await?;
        let same = all
            .into_iter()
            .filter(|snapshot| snapshot.paths == [self.task.path.as_str()]);
        let newest = same.max_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        Ok(newest.map(|snapshot| snapshot.id))
    }

    /// Stops a first upload that is larger than the limit. The files are read by restic only if they may be too large: what it
    /// would write is less than their size where they have holes, or the same content twice.
    async fn consent(&mut self, time: &str) -> Result<(), Failure> {
        let limit = self.task.first_upload_limit;
        if limit == 0 || volume::bytes(Path::new(&self.task.path)) <= limit {
            return Ok(());
        }
        let call = command::Backup {
            dry_run: true,
            ..self.call(time, None, false)
        };
        let done = self.call_restic(&Call::Backup(call)).await?;
        let summary = done.collected.summary.unwrap_or_default();
        if summary.data_added_packed <= limit {
            return Ok(());
        }
        Err(Failure {
            upload_bytes: Some(summary.data_added_packed),
            ..Failure::new(
                Reason::NeedsConsent,
                &format!(
                    "the first backup of this volume would upload {} in {} files, which is more than `limits.firstUpload` \
                     ({})",
                    volume::human(summary.data_added_packed),
                    summary.total_files_processed,
                    volume::human(limit)
                ),
            )
        })
    }

    fn call(&self, time: &str, parent: Option<String>, skip_if_unchanged: bool) -> command::Backup {
        let task = self.task;
        // Only root can read it, and no application has anything there.
        let lost_and_found = command::pattern(&format!("{}/{LOST_AND_FOUND}", task.path));
        let exclude = task.exclude.iter().cloned().chain([lost_and_found]).collect();
        command::Backup {
            path: task.path.clone(),
            host: task.host.clone(),
            time: time.to_owned(),
            tags: [
                vec![
                    format!("run={}", task.run),
                    self.run_tag(),
                    format!("claim={}", task.claim),
                ],
                find::tags_of(&task.volume),
            ]
            .concat(),
            parent,
            skip_if_unchanged,
            exclude,
            dry_run: false,
        }
    }

    async fn call_restic(&mut self, call: &Call) -> Result<Done, Failure> {
        let tell = &mut self.mover.progress;
        let mut on_line = |_: &str, message: Option<&_>| {
            if let Some(progress) = message.and_then(progress) {
                tell(progress);
            }
        };
        // A snapshot without some files may count if that is allowed.
        let writes = matches!(call, Call::Backup(backup) if !backup.dry_run);
        let hold = (writes && !self.task.allow_partial)
            .then(|| not_good::hold(&self.mover.engine.settings, &self.task.run_uid));
        Ok(self.mover.engine.run_with(call, hold.as_deref(), &mut on_line).await?)
    }

    /// Makes a snapshot. It is to be discarded until it is proven.
    async fn make(&mut self, time: &str, parent: Option<String>, skip_if_unchanged: bool) -> Result<Made, Failure> {
        let call = self.call(time, parent.clone(), skip_if_unchanged);
        let mut result = self.call_restic(&Call::Backup(call)).await;
        if parent.is_some()
            && result
                .as_ref()
                .is_err_and(|failure| failure.reason == Reason::SnapshotMissing)
        {
            warn!(
                "the parent {} is not there, so all files are read",
                parent.as_deref().unwrap_or_default()
            );
            result = self.call_restic(&Call::Backup(self.call(time, None, false))).await;
        }
        let done = result?;
        let summary = done.collected.summary.clone().unwrap_or_default();
        let (id, adopted) = match (summary.snapshot_id, parent) {
            (Some(id), _) => (id, false),
            (None, Some(parent)) if skip_if_unchanged => (parent, true),
            (None, _) => return Err(Failure::new(Reason::NotProven, "restic named no snapshot")),
        };
        if !self.discard.contains(&id) {
            self.discard.push(id.clone());
        }
        Ok(Made {
            id,
            adopted,
            added_bytes: summary.data_added_packed,
            // An exit code of 0 beside errors of files would be a fault of restic; it is not trusted.
            incomplete: done.incomplete || done.collected.problem_count > 0,
            problems: done.collected.problems,
            problem_count: done.collected.problem_count,
        })
    }

    /// The snapshot, read again from the repository: it has the marks of this run.
    async fn prove(&self, made: &Made, time: &str) -> Result<Snapshot, Failure> {
        let not_proven = |what: &str| Failure::new(Reason::NotProven, &format!("snapshot {}: {what}", made.id));
        let found = self.mover.engine.snapshot(&made.id).await?;
        let snapshot = found.ok_or_else(|| not_proven("it was not found again in the repository"))?;
        let found_time = snapshot
            .time
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string();
        if !snapshot.tags.contains(&self.run_tag()) {
            return Err(not_proven("it was found again without the tag of this run"));
        }
        if snapshot.paths != [self.task.path.as_str()] || snapshot.hostname != self.task.host || found_time != time {
            return Err(not_proven("it was found again with another path, host or time"));
        }
        Ok(snapshot)
    }

    fn judge(&self, made: &Made, snapshot: &Snapshot, root: String) -> Result<Report, Failure> {
        let summary = snapshot.summary.clone().unwrap_or_default();
        let counted = SnapshotReport {
            id: snapshot.id.clone(),
            files: summary.total_files_processed,
            bytes: summary.total_bytes_processed,
            added_bytes: made.added_bytes,
            root: Some(root),
        };
        if made.incomplete {
            let kept = self.task.allow_partial;
            let damaged = made.problems.iter().any(is_damage);
            return Ok(Report {
                verdict: if kept { Verdict::Partial } else { Verdict::Failed },
                reason: if damaged {
                    Reason::DataDamaged
                } else {
                    Reason::Unreadable
                },
                message: self.unreadable(made, damaged),
                snapshot: kept.then_some(counted),
                problems: made.problems.iter().map(|problem| self.in_volume(problem)).collect(),
                problem_count: made.problem_count,
                retry: all(made, passes),
                ..Report::completed(None)
            });
        }
        if counted.files == 0 && self.task.former_files > 0 {
            let text = format!(
                "the volume has no files now, and the former good backup has {}: this backup does not count",
                self.task.former_files
            );
            return Err(Failure::new(Reason::NoFiles, &text));
        }
        Ok(Report::completed(Some(counted)))
    }

    fn unreadable(&self, made: &Made, damaged: bool) -> String {
        let first = made.problems.first().map(|problem| self.in_volume(problem));
        let first = first.map(|problem| format!("{}: {}", problem.path, problem.message));
        let advice = if damaged {
            "run a check of the repository that reads the data"
        } else {
            "set `mover.securityContext` so that the mover runs as a user or group that can, leave them out with \
             `exclude`, or set `allowPartial`"
        };
        format!(
            "{} paths could not be read, first {}; {advice}",
            made.problem_count,
            first.unwrap_or_default()
        )
    }

    /// The problem with its path in the volume.
    fn in_volume(&self, problem: &Problem) -> Problem {
        let path = problem.path.strip_prefix(&self.task.path).unwrap_or(&problem.path);
        Problem {
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
            ..problem.clone()
        }
    }

    /// Forgets the snapshots that do not count, and returns those that stay.
    async fn forget(&mut self) -> Vec<String> {
        let ids = std::mem::take(&mut self.discard);
        if ids.is_empty() || self.mover.append_only {
            return ids;
        }
        // It is exclusive, and the lock of a mover that was killed is stale only after half an hour. The retention forgets them then.
        let settings = &mut self.mover.engine.settings;
        settings.lock_patience = settings.lock_patience.min(LOCK_PATIENCE);
        match self.mover.engine.forget(&ids).await {
            Ok(()) => Vec::new(),
            Err(failure) => {
                warn!("snapshots that do not count are not forgotten: {}", failure.message);
                ids
            }
        }
    }
}

/// Whether all problems of a backup are of a kind.
fn all(made: &Made, kind: impl Fn(&Problem) -> bool) -> bool {
    let all_known = u64::try_from(made.problems.len()).is_ok_and(|known| known == made.problem_count);
    all_known && made.problem_count > 0 && made.problems.iter().all(kind)
}

/// Whether a problem is none in the next backup. restic says nothing of a file that is removed between the listing and its look
/// at it, but takes one that is removed just after that for unreadable. And it takes it for an error that the parent refers to
/// data that is not in the index, such as after `repair packs`, and stores the file anew.
fn passes(problem: &Problem) -> bool {
    let removed =
        problem.message.ends_with("no such file or directory") && Path::new(&problem.path).symlink_metadata().is_err();
    let stored_anew = [
        "; storing the file again",
        "is not known; the repository could be damaged",
    ];
    removed || stored_anew.iter().any(|words| problem.message.contains(words))
}

/// Whether a problem is of the repository: a folder of the parent cannot be read there.
fn is_damage(problem: &Problem) -> bool {
    problem.message.contains("the repository could be damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &str, message: &str) -> Problem {
        Problem {
            path: path.to_owned(),
            message: message.to_owned(),
            pack: None,
        }
    }

    #[test]
    fn a_file_that_is_gone_or_was_stored_anew_is_no_problem_the_next_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        assert!(passes(&problem(
            "/no/such/file",
            "open /no/such/file: no such file or directory"
        )));
        assert!(!passes(&problem(path, "open it: no such file or directory")));
        assert!(!passes(&problem(
            "/no/such/file",
            "open /no/such/file: permission denied"
        )));
        let anew = "parts of /data/a not found in the repository index; storing the file again";
        assert!(passes(&problem(path, anew)));
        let tree = "tree 0123 is not known; the repository could be damaged, run `repair index` to try to repair it";
        assert!(passes(&problem(path, tree)) && is_damage(&problem(path, tree)));
        let tree = "tree 0123 could not be loaded; the repository could be damaged: ciphertext verification failed";
        assert!(!passes(&problem(path, tree)) && is_damage(&problem(path, tree)));
    }

    #[test]
    fn problems_that_are_not_known_are_of_no_kind() {
        let mut made = Made {
            id: String::new(),
            adopted: false,
            added_bytes: 0,
            incomplete: true,
            problems: vec![problem("/a", "x")],
            problem_count: 1,
        };
        assert!(all(&made, |_| true));
        made.problem_count = 2;
        assert!(!all(&made, |_| true));
        made.problems.clear();
        made.problem_count = 0;
        assert!(!all(&made, |_| true));
    }
}
