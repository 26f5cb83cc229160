//! Removes data that no snapshot needs.
use tracing::warn;

use super::storage::Storage;
use super::{Mover, volume};
use crate::engine::outcome::Failure;
use crate::task::{Prune, Reason, Report};

/// Removes data that no snapshot needs. It can be stopped at any time: restic removes a pack only when nothing refers to it.
pub async fn prune(mover: &Mover<'_>, task: &Prune) -> Report {
    run(mover, task).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &Mover<'_>, task: &Prune) -> Result<Report, Failure> {
    let engine = &mover.engine;
    if mover.append_only {
        return Err(Failure::new(
            Reason::AccessDenied,
            "a repository with `appendOnly` is not pruned",
        ));
    }
    let storage = Storage::new(&engine.settings)?;
    storage.may_delete().await?;
    let before = storage.bytes().await?;
    let pruned = engine.prune(task.only_delete).await;
    let after = storage
        .bytes()
        .await
        .inspect_err(|failure| warn!("the size of the repository is not known: {}", failure.message))
        .ok();
    // restic says what it means to remove, and not what is gone.
    let freed_bytes = after.map_or(0, |after| before.saturating_sub(after));
    let report = match pruned {
        Ok(()) => Report::completed(None),
        Err(failure) if failure.reason == Reason::DataDamaged => incomplete(mover, failure).await.report(),
        Err(failure) => failure.report(),
    };
    tracing::info!("{} are free", volume::human(freed_bytes));
    Ok(Report {
        freed_bytes,
        repository_bytes: after,
        ..report
    })
}

/// restic prunes nothing as long as a snapshot needs data that is missing.
async fn incomplete(mover: &Mover<'_>, failure: Failure) -> Failure {
    match mover.engine.incomplete(&[]).await {
        Ok(snapshots) if !snapshots.is_empty() => {
            let ids = snapshots.into_iter().collect::<Vec<_>>().join(", ");
            Failure {
                message: format!(
                    "nothing is pruned as long as snapshots need data that is missing: {ids}; restore what you need of them, then \
                     remove them with `restic forget`"
                ),
                ..failure
            }
        }
        _ => failure,
    }
}
