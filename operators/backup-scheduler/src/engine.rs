//! restic as a child process: the only module that knows it.
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::task::Reason;
use command::{Call, Object, Settings};
use findings::Findings;
use messages::{Message, Node, RawSize, Snapshot};
use outcome::{Collected, Exit, Failure};
use process::{Ended, OnLine};

pub use process::Hold;

pub mod command;
pub mod findings;
pub mod lines;
pub mod messages;
pub mod outcome;
pub mod process;

/// The longest answer that is kept as text, in bytes: a configuration.
const LONGEST_ANSWER: usize = 64 * 1024;

/// So many ids are given to one call: a process may have arguments of 2 MiB.
const IDS_PER_CALL: usize = 2000;

/// How often a backup that lost its lock is run again: for a day.
const LOST_LOCKS: u32 = 64;

/// restic and one repository.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The program.
    pub program: PathBuf,
    /// The repository.
    pub settings: Settings,
    /// Ends a call that runs, and lets no other one begin.
    pub stop: CancellationToken,
}

/// What came of a call that did not fail.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Exit code 3: some files of a backup could not be read.
    pub incomplete: bool,
    /// What restic wrote.
    pub collected: Collected,
}

/// A call that failed, with what restic wrote before.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// What restic wrote.
    pub collected: Box<Collected>,
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        failed.failure
    }
}

impl Engine {
    /// Runs a call. If a lock is in its way, stale locks are removed by restic's own rule, and it is run once more. A backup that
    /// lost its lock is run again: restic ends it after 22 minutes where locks cannot be removed, and what it stored stays.
    pub async fn run(&self, call: &Call, on_line: &mut OnLine<'_>) -> Result<Done, Failed> {
        self.run_with(call, None, on_line).await
    }

    /// As [`Engine::run`]. A backup waits, stopped, for `hold` at the first file that cannot be read: there is no snapshot then.
    pub async fn run_with(&self, call: &Call, hold: Option<&Hold>, on_line: &mut OnLine<'_>) -> Result<Done, Failed> {
        let mut first = self.run_once(call, hold, on_line).await;
        for _ in 0..LOST_LOCKS {
            let lost =
                matches!(call, Call::Backup(_)) && first.as_ref().is_err_and(|failed| failed.collected.lock_lost);
            if !lost || self.stop.is_cancelled() {
                break;
            }
            warn!("the backup lost its lock, so it is done again with what it has stored");
            first = self.run_once(call, hold, on_line).await;
        }
        match first {
            Err(failed) if failed.failure.reason == Reason::Locked => {
                warn!("{}", failed.failure.message);
                // A key without the right to delete cannot remove a lock; the second try says who holds it.
                let _ = self.run_once(&Call::Unlock, None, &mut |_, _| ()).await;
                self.run_once(call, hold, on_line).await
            }
            result => result,
        }
    }

    async fn run_once(&self, call: &Call, hold: Option<&Hold>, on_line: &mut OnLine<'_>) -> Result<Done, Failed> {
        let arguments = command::arguments(&self.settings, call);
        let environment = command::environment(&self.settings);
        let ended = process::run(
            &self.program,
            &arguments,
            &environment,
            &self.settings.temporary,
            &self.stop,
            hold,
            on_line,
        )
        .await;
        let Ended {
            exit,
            collected,
            stopped,
        } = ended.map_err(|error| self.not_run(&error))?;
        info!(command = call.name(), ?exit, "restic ended");
        let failure = match (exit, outcome::failure(exit, &collected)) {
            // It was done before it saw the signal.
            (Exit::Code(0), _) => None,
            (_, failure) => stopped.or(failure),
        };
        match failure {
            None => Ok(Done {
                incomplete: exit == Exit::Code(3),
                collected,
            }),
            Some(failure) => Err(Failed {
                failure,
                collected: Box::new(collected),
            }),
        }
    }

    fn not_run(&self, error: &io::Error) -> Failed {
        let text = format!("{} cannot be run: {error}", self.program.display());
        Failed {
            failure: Failure::new(Reason::Internal, &text),
            collected: Box::default(),
        }
    }

    /// The id of the repository.
    pub async fn repository_id(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let mut keep = |line: &str, _: Option<&Message>| {
            if text.len() + line.len() < LONGEST_ANSWER && !line.starts_with("{\"message_type\"") {
                text.push_str(line);
            }
        };
        self.run(&Call::Config, &mut keep).await?;
        let repository = messages::repository(&text);
        Ok(repository.ok_or_else(|| unexpected("configuration"))?.id)
    }

    /// Initializes the repository.
    pub async fn initialize(&self) -> Result<(), Failure> {
        self.run(&Call::Init, &mut |_, _| ()).await?;
        Ok(())
    }

    /// The snapshot with this id, read from the repository.
    pub async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        let found = self.snapshots(&Call::Snapshot(id.to_owned())).await?;
        Ok(found.into_iter().next())
    }

    /// The snapshots with a tag, of one host and path, the oldest first.
    pub async fn tagged(&self, tag: String, host: String, path: String) -> Result<Vec<Snapshot>, Failure> {
        let mut found = self.snapshots(&Call::Snapshots { tag, host, path }).await?;
        found.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(found)
    }

    /// All snapshots of a host; of every host, if there is none.
    pub async fn all_snapshots(&self, host: Option<&str>) -> Result<Vec<Snapshot>, Failure> {
        self.snapshots(&Call::AllSnapshots(host.map(str::to_owned))).await
    }

    async fn snapshots(&self, call: &Call) -> Result<Vec<Snapshot>, Failure> {
        let mut found = None;
        let mut left_out = None;
        let mut read = |line: &str, _: Option<&Message>| {
            found = messages::snapshots(line).or(found.take());
            left_out = outcome::left_out(line).or(left_out.take());
        };
        self.run(call, &mut read).await?;
        left_out.map_or(Ok(()), Err)?;
        found.ok_or_else(|| unexpected("list of snapshots"))
    }

    /// Every entry of a folder of a snapshot, the folder first.
    pub async fn list(
        &self,
        snapshot: &str,
        path: &str,
        entry: &mut (dyn FnMut(&Node) + Send),
    ) -> Result<Option<Snapshot>, Failed> {
        let call = Call::List {
            snapshot: snapshot.to_owned(),
            path: path.to_owned(),
        };
        let mut header = None;
        let mut read = |_: &str, message: Option<&Message>| match message {
            Some(Message::Node(node)) => entry(node),
            Some(Message::Snapshot(snapshot)) => header = Some(snapshot.clone()),
            _ => {}
        };
        self.run(&call, &mut read).await?;
        Ok(header)
    }

    /// The size of what a snapshot refers to.
    pub async fn raw_size(&self, snapshot: &str) -> Result<RawSize, Failure> {
        let mut size = None;
        let mut read = |line: &str, _: Option<&Message>| size = messages::raw_size(line).or(size);
        self.run(&Call::RawSize(snapshot.to_owned()), &mut read).await?;
        size.ok_or_else(|| unexpected("size of the snapshot"))
    }

    /// Removes snapshots. One that is not there is no error. restic succeeds also where it could not remove one; here it is a
    /// failure, and nothing more is tried.
    pub async fn forget(&self, ids: &[String]) -> Result<(), Failure> {
        for batch in ids.chunks(IDS_PER_CALL) {
            let (mut left_out, mut refused) = (None, false);
            let mut read = |line: &str, _: Option<&Message>| {
                left_out = outcome::left_out(line).or(left_out.take());
                refused |= outcome::is_not_removed(line);
            };
            let done = self.run(&Call::Forget(batch.to_vec()), &mut read).await?;
            left_out.map_or(Ok(()), Err)?;
            if refused {
                return Err(outcome::not_removed(&done.collected));
            }
        }
        Ok(())
    }

    /// Checks the structure, and reads a part of the packs: number and count, of at most 256. What restic finds is no failure; one
    /// that is returned beside it says why some of it could not be read.
    pub async fn check(&self, part: Option<(u64, u64)>) -> Result<(Findings, Option<Failure>), Failure> {
        let mut findings = Findings::default();
        let mut read = |line: &str, message: Option<&Message>| findings.read(line, message);
        match self.run(&Call::Check(part), &mut read).await {
            Ok(_) => Ok((findings, None)),
            Err(failed) if findings.any() => Ok((findings, Some(failed.failure))),
            Err(failed) => Err(failed.failure),
        }
    }

    /// The short ids of snapshots that need one of these objects.
    pub async fn needed_by(&self, object: Object, ids: &[String]) -> Result<BTreeSet<String>, Failure> {
        let mut found = BTreeSet::new();
        for batch in ids.chunks(IDS_PER_CALL) {
            let mut left_out = None;
            let mut read = |line: &str, _: Option<&Message>| {
                found.extend(messages::needed_by(line).map(str::to_owned));
                left_out = outcome::left_out(line).or(left_out.take());
            };
            self.run(&Call::Find(object, batch.to_vec()), &mut read).await?;
            left_out.map_or(Ok(()), Err)?;
        }
        Ok(found)
    }

    /// The short ids of snapshots for which data is missing in the index, of these or of all.
    pub async fn incomplete(&self, snapshots: &[String]) -> Result<BTreeSet<String>, Failure> {
        let (mut found, mut current, mut left_out) = (BTreeSet::new(), None, None);
        let mut read = |line: &str, _: Option<&Message>| {
            if let Some(id) = messages::snapshot_header(line) {
                current = Some(id.to_owned());
            } else if messages::lacks_data(line) {
                found.extend(current.clone());
            }
            left_out = outcome::left_out(line).or(left_out.take());
        };
        self.run(&Call::Missing(snapshots.to_vec()), &mut read).await?;
        left_out.map_or(Ok(found), Err)
    }

    /// Removes data that no snapshot needs. restic succeeds also where it could not remove a pack; here it is a failure.
    pub async fn prune(&self, only_delete: bool) -> Result<(), Failure> {
        let mut refused = false;
        let mut read = |line: &str, _: Option<&Message>| refused |= outcome::is_not_removed(line);
        let done = self.run(&Call::Prune { only_delete }, &mut read).await?;
        if refused {
            return Err(outcome::not_removed(&done.collected));
        }
        Ok(())
    }

    /// Takes packs out of the index, and stores again what can be read of them. All must be there.
    pub async fn repair_packs(&self, packs: &[String]) -> Result<(), Failure> {
        if !packs.is_empty() {
            self.run(&Call::RepairPacks(packs.to_vec()), &mut |_, _| ()).await?;
        }
        Ok(())
    }

    /// Takes packs out of the index that are not there.
    pub async fn repair_index(&self) -> Result<(), Failure> {
        self.run(&Call::RepairIndex, &mut |_, _| ()).await?;
        Ok(())
    }

    /// The paths of files in a snapshot whose data is not in the index, up to a size of all in bytes. More are a failure.
    pub async fn missing(&self, snapshot: &str, most: usize) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        let mut bytes = 0;
        let mut count: u64 = 0;
        let mut read = |line: &str, _: Option<&Message>| {
            if let Some(path) = messages::missing(line) {
                bytes += path.len();
                count += 1;
                if bytes <= most {
                    found.push(path);
                }
            }
        };
        self.run(&Call::Missing(vec![snapshot.to_owned()]), &mut read).await?;
        if bytes <= most {
            return Ok(found);
        }
        let text = format!("the data of {count} files is not in the repository");
        Err(Failure::new(Reason::DataDamaged, &text))
    }

    /// The full ids of packs, in the order of their short ids; none for one that is not there.
    pub async fn full_pack_ids(&self, short: &[String]) -> Result<Vec<Option<String>>, Failure> {
        let mut full = vec![None; short.len()];
        let mut read = |line: &str, _: Option<&Message>| {
            for (short, full) in short.iter().zip(&mut full) {
                if line.starts_with(short.as_str()) {
                    *full = Some(line.to_owned());
                }
            }
        };
        self.run(&Call::Packs, &mut read).await?;
        Ok(full)
    }
}

fn unexpected(what: &str) -> Failure {
    Failure::new(Reason::Internal, &format!("restic succeeded without the {what}"))
}
