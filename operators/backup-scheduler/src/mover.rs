//! What a Job of backup-scheduler does: reads its task, drives restic with the guard around it, and writes a report.
//!
//! Each flow can be run again after it was stopped at any point.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hearth_reconciler::args::LogFormat;
use hearth_reconciler::start::log;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use crate::engine::Engine;
use crate::engine::command::{Credentials, Settings};
use crate::engine::messages::Progress;
use crate::engine::outcome::Failure;
use crate::task::{self, Reason, Report, Task, Verdict, Work};

pub mod backup;
pub mod check;
pub mod export;
pub mod find;
pub mod forget;
pub mod initialize;
pub mod not_good;
mod progress;
pub mod prune;
pub mod repair;
pub mod restore;
pub mod restore_objects;
pub mod storage;
pub mod volume;

/// Where a mover finds what it needs.
#[derive(clap::Args, Clone, Debug)]
pub struct Places {
    /// The folder with the task, the password and the credentials
    #[arg(long, default_value = task::FOLDER)]
    pub folder: PathBuf,
    /// The program restic
    #[arg(long, default_value = "/restic")]
    pub restic: PathBuf,
    /// Where the report is written
    #[arg(long, default_value = task::REPORT)]
    pub report: PathBuf,
    /// The folder of restic's cache
    #[arg(long, default_value = task::CACHE)]
    pub cache: PathBuf,
    /// The folder of temporary files
    #[arg(long, default_value = task::TEMPORARY)]
    pub temporary: PathBuf,
    /// How long to wait for a lock of another process, in seconds
    #[arg(long, default_value_t = 120)]
    pub lock_patience: u64,
    /// How log lines look
    #[arg(long, env = "HEARTH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged: a level, or directives
    #[arg(long, env = "HEARTH_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

/// What a flow has at hand.
pub struct Mover<'a> {
    /// restic and the repository.
    pub engine: Engine,
    /// Nothing may be deleted in the repository.
    pub append_only: bool,
    /// Is told of progress about once a second.
    pub progress: Box<dyn FnMut(Progress) + Send + 'a>,
}

/// Does the task in the folder, in a runtime of its own.
pub fn start(places: &Places) -> ExitCode {
    if let Err(failed) = log(places.log_format, &places.log_level) {
        eprintln!("error: {failed:#}");
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(places, |progress| debug!(?progress, "progress"))),
        Err(failed) => {
            error!("the system does not let it start: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// Does the task in the folder, and writes the report. SIGTERM and SIGINT end it in order.
pub async fn run(places: &Places, progress: impl FnMut(Progress) + Send) -> ExitCode {
    let stop = CancellationToken::new();
    let result = tokio::select! {
        biased;
        report = execute(places, &stop, progress) => report,
        failed = cancel_on_signal(&stop) => Report::failed(Reason::Internal, format!("signals cannot be received: {failed}")),
    };
    info!(verdict = ?result.verdict, reason = ?result.reason, "{}", result.message);
    if let Err(failed) = fs::write(&places.report, result.encode()) {
        error!("the report cannot be written to {}: {failed}", places.report.display());
        return ExitCode::FAILURE;
    }
    match result.verdict {
        Verdict::Completed | Verdict::Partial => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::FAILURE,
    }
}

/// Cancels on the first signal, and returns only if signals cannot be received.
async fn cancel_on_signal(stop: &CancellationToken) -> io::Error {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (mut terminate, mut interrupt) = match signals {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(failed), _) | (_, Err(failed)) => return failed,
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    std::future::pending().await
}

/// Does the task in the folder, until `stop` is cancelled.
pub async fn execute(places: &Places, stop: &CancellationToken, mut tell: impl FnMut(Progress) + Send) -> Report {
    let (task, settings) = match prepare(places) {
        Ok(prepared) => prepared,
        Err(failure) => return failure.report(),
    };
    let seen = progress::Seen::default();
    // Ends restic and nothing else, so that what it has left is still recorded.
    let own = stop.child_token();
    let mut mover = Mover {
        append_only: settings.repository.append_only,
        engine: Engine {
            program: places.restic.clone(),
            settings,
            stop: own.clone(),
        },
        progress: Box::new(|now| {
            seen.note(&now);
            tell(now);
        }),
    };
    let report = tokio::select! {
        report = work(&mut mover, &task.work) => report,
        never = seen.watch(&own) => match never {},
        never = seen.post(task.progress.as_ref()) => match never {},
    };
    drop(mover);
    seen.judge(report)
}

async fn work(mover: &mut Mover<'_>, work: &Work) -> Report {
    match work {
        Work::Initialize { create } => initialize::initialize(mover, *create).await,
        Work::Backup(backup) => {
            if backup.create {
                let opened = initialize::initialize(mover, true).await;
                if opened.verdict != Verdict::Completed {
                    return opened;
                }
            }
            backup::backup(mover, backup).await
        }
        Work::Export(export) => {
            if export.backup.create {
                let opened = initialize::initialize(mover, true).await;
                if opened.verdict != Verdict::Completed {
                    return opened;
                }
            }
            export::export(mover, export).await
        }
        Work::Find(find) => find::find(mover, find).await,
        Work::Restore(restore) => restore::restore(mover, restore).await,
        Work::RestoreObjects(restore) => restore_objects::restore(mover, restore).await,
        Work::Forget(forget) => forget::forget(mover, forget).await,
        Work::Check(check) => check::check(mover, check).await,
        Work::Prune(prune) => prune::prune(mover, prune).await,
        Work::RepairPacks(repair) => repair::repair(mover, repair).await,
    }
}

fn prepare(places: &Places) -> Result<(Task, Settings), Failure> {
    let text = read(&places.folder.join(task::TASK))?.unwrap_or_default();
    let task: Task = serde_json::from_str(&text).map_err(|failed| {
        let text = format!("{} is no task: {failed}", places.folder.join(task::TASK).display());
        Failure::new(Reason::Internal, &text)
    })?;
    let settings = Settings {
        repository: task.repository.clone(),
        credentials: credentials(&places.folder, &task.repository.location)?,
        own_ca: places.folder.join(task::CA).exists(),
        folder: places.folder.clone(),
        cache: places.cache.clone(),
        temporary: places.temporary.clone(),
        memory_limit: task.memory_limit,
        lock_patience: Duration::from_secs(places.lock_patience),
    };
    Ok((task, settings))
}

/// The S3 key. Without one, restic would look for a key at addresses of cloud machines.
fn credentials(folder: &Path, location: &str) -> Result<Option<Credentials>, Failure> {
    if !location.starts_with("s3:") {
        return Ok(None);
    }
    let get = |name: &str| read(&folder.join(name)).map(|text| text.map(|text| text.trim().to_owned()));
    let (Some(access_key_id), Some(secret_access_key)) = (get(task::ACCESS_KEY_ID)?, get(task::SECRET_ACCESS_KEY)?)
    else {
        let text = format!(
            "the keys {} and {} are not there",
            task::ACCESS_KEY_ID,
            task::SECRET_ACCESS_KEY
        );
        return Err(Failure::new(Reason::AccessDenied, &text));
    };
    Ok(Some(Credentials {
        access_key_id,
        secret_access_key,
        session_token: get(task::SESSION_TOKEN)?,
    }))
}

/// The text of a file, if it is there.
fn read(file: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(failed) if failed.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(failed) => {
            let text = format!("{} cannot be read: {failed}", file.display());
            Err(Failure::new(Reason::Internal, &text))
        }
    }
}
