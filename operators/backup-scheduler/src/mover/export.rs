//! Exports API objects into a folder, and backs that up. An export that is not complete is backed up only if that is allowed.
use std::fs;
use std::path::Path;

use kube::Client;
use tracing::{info, warn};

use super::{Mover, backup};
use crate::export::{self, Scope, Summary};
use crate::task::{Export, Problem, Reason, Report, Verdict};

/// So many kinds are named in a report.
const NAMED: usize = 20;

/// Exports and backs up.
pub async fn export(mover: &mut Mover<'_>, task: &Export) -> Report {
    let client = match Client::try_default().await {
        Ok(client) => client,
        Err(failed) => return Report::failed(Reason::Internal, format!("no client for the API server: {failed}")),
    };
    let scope = match &task.namespace {
        Some(namespace) => Scope::Namespace(namespace.clone()),
        None => Scope::Cluster,
    };
    let folder = Path::new(&task.backup.path);
    let summary = match fill(&client, &scope, &task.exclude_kinds, folder).await {
        Ok(summary) => summary,
        Err(failed) => {
            let text = format!("the export cannot be written to {}: {failed}", folder.display());
            return Report::failed(Reason::Internal, text).with_retry(true);
        }
    };
    info!(
        objects = summary.objects.values().sum::<u64>(),
        owned = summary.owned,
        "exported"
    );
    if summary.failed.is_empty() {
        return backup::backup(mover, &task.backup).await;
    }
    warn!(kinds = ?summary.failed.keys(), "kinds could not be exported");
    if !task.backup.allow_partial {
        return incomplete(&summary, Report::failed(Reason::NotExported, ""));
    }
    let report = backup::backup(mover, &task.backup).await;
    match report.verdict {
        Verdict::Failed => report,
        _ => incomplete(&summary, report),
    }
}

/// Exports into a folder that is empty: what an earlier attempt has left would be backed up too.
async fn fill(client: &Client, scope: &Scope, exclude: &[String], folder: &Path) -> std::io::Result<Summary> {
    clear(folder)?;
    export::export(client, scope, exclude, folder).await
}

/// Makes a folder, or empties the one that is there.
pub(super) fn clear(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn incomplete(summary: &Summary, report: Report) -> Report {
    let problems = summary.failed.iter().take(NAMED).map(|(kind, why)| Problem {
        path: kind.clone(),
        message: why.clone(),
        pack: None,
    });
    let first = summary.failed.iter().next();
    let first = first.map_or(String::new(), |(kind, why)| format!("{kind}: {why}"));
    let count = summary.failed.len();
    Report {
        verdict: match report.verdict {
            Verdict::Failed => Verdict::Failed,
            _ => Verdict::Partial,
        },
        reason: Reason::NotExported,
        message: format!(
            "{count} kinds could not be listed, first {first}; make their API servers and webhooks answer, leave the kinds out by \
             `objects.exclude`, or set `allowPartial`"
        ),
        problems: problems.collect(),
        problem_count: u64::try_from(count).unwrap_or(u64::MAX),
        ..report
    }
}

#[cfg(test)]
mod tests {
    use hearth_reconciler::testing::script::Script;

    use super::*;

    #[tokio::test]
    async fn what_an_earlier_attempt_has_left_is_not_in_the_export() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pods")).unwrap();
        fs::write(folder.path().join("pods/old.json"), "{}").unwrap();
        fs::write(folder.path().join("old"), "").unwrap();
        let (client, server) = Script::new()
            .refuse("GET", "/api/v1", 503, "ServiceUnavailable")
            .start();
        let summary = fill(&client, &Scope::Cluster, &[], folder.path()).await.unwrap();
        server.finish();
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [export::HEADER]);
        assert_eq!(summary.failed.len(), 1);
    }

    #[test]
    fn an_incomplete_export_names_the_kinds() {
        let mut summary = Summary::default();
        for number in 10..40 {
            summary
                .failed
                .insert(format!("things{number}.x.io"), "no answer".to_owned());
        }
        let report = incomplete(&summary, Report::completed(None));
        assert_eq!(
            (report.verdict, report.reason, report.problem_count),
            (Verdict::Partial, Reason::NotExported, 30)
        );
        assert_eq!(report.problems.len(), NAMED);
        assert!(report.message.contains("30 kinds") && report.message.contains("things10.x.io: no answer"));
        let report = incomplete(&summary, Report::failed(Reason::NotExported, ""));
        assert_eq!(report.verdict, Verdict::Failed);
    }
}
