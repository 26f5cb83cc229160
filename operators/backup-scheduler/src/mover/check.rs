//! Checks a repository, and tells damage from data that could not be read.
use std::collections::BTreeSet;

use tracing::{info, warn};

use super::Mover;
use super::storage::Storage;
use crate::engine::Engine;
use crate::engine::command::Object;
use crate::engine::findings::{Findings, Pack};
use crate::engine::outcome::Failure;
use crate::task::{Check, Part, Reason, Report};

/// Into more parts the data is not cut: restic looks at the first byte of a pack's id.
const MOST_PARTS: u64 = 256;
/// So many ids are named in a message.
const NAMED: usize = 10;

/// Checks the repository, and the part of its data.
pub async fn check(mover: &Mover<'_>, task: &Check) -> Report {
    run(mover, task).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &Mover<'_>, task: &Check) -> Result<Report, Failure> {
    let engine = &mover.engine;
    let part = task.read.map(part);
    let (mut findings, mut failure) = engine.check(part).await?;
    if findings.any() {
        // It takes no lock, so what a backup or a prune did meanwhile may look like damage.
        info!("something was found, so it is checked again");
        let (second, second_failure) = engine.check(part).await?;
        findings = findings.confirmed(second);
        failure = second_failure;
    }
    // What a snapshot lacks is no news after a repair, as long as it is known of this snapshot.
    let mut damaged = if findings.incomplete {
        engine.incomplete(&[]).await?
    } else {
        BTreeSet::new()
    };
    let known: BTreeSet<String> = damaged.iter().filter(|id| is_known(task, id)).cloned().collect();
    damaged.retain(|id| !known.contains(id));
    if !findings.damage() && damaged.is_empty() {
        return match unread(&findings, failure) {
            Some(failure) => Err(failure),
            None => Ok(Report {
                repository_bytes: bytes(engine).await,
                damaged_snapshots: known.into_iter().collect(),
                ..Report::completed(None)
            }),
        };
    }
    damaged.extend(need(engine, &findings).await?);
    damaged.retain(|id| !is_known(task, id));
    Ok(Report {
        repository_bytes: bytes(engine).await,
        damaged_packs: findings.packs.keys().cloned().collect(),
        message: message(&findings, &damaged),
        damaged_snapshots: damaged.into_iter().collect(),
        ..Report::failed(Reason::DataDamaged, "")
    })
}

/// The part as restic takes it.
fn part(part: Part) -> (u64, u64) {
    let of = part.of.clamp(1, MOST_PARTS);
    (part.number.saturating_sub(1) % of + 1, of)
}

fn is_known(task: &Check, id: &str) -> bool {
    task.damaged.iter().any(|known| known.starts_with(id))
}

/// The failure of a check that could not read everything.
fn unread(findings: &Findings, failure: Option<Failure>) -> Option<Failure> {
    let text = findings.unread.as_deref()?;
    let reason = crate::engine::outcome::reason(text).filter(|reason| *reason != Reason::DataDamaged);
    match (reason, failure) {
        // It was ended, so this says why.
        (_, Some(failure)) if !matches!(failure.reason, Reason::DataDamaged | Reason::Internal) => Some(failure),
        (reason, _) => Some(Failure::new(reason.unwrap_or(Reason::Unreachable), text)),
    }
}

/// The bytes in the repository. They are for a figure only, so a failure is none of the check.
async fn bytes(engine: &Engine) -> Option<u64> {
    let bytes = match Storage::new(&engine.settings) {
        Ok(storage) => storage.bytes().await,
        Err(failure) => Err(failure),
    };
    bytes
        .inspect_err(|failure| warn!("the size of the repository is not known: {}", failure.message))
        .ok()
}

/// The short ids of the snapshots that need what is damaged. Where it cannot be found out, these are all.
async fn need(engine: &Engine, findings: &Findings) -> Result<BTreeSet<String>, Failure> {
    let mut blobs = Vec::new();
    // What a pack holds is known from the index if it is missing, and else from the pack.
    let mut packs = Vec::new();
    for (id, pack) in &findings.packs {
        match pack {
            Pack::Damaged(found) if !found.is_empty() => blobs.extend(found.iter().cloned()),
            _ => packs.push(id.clone()),
        }
    }
    let trees: Vec<String> = findings.trees.iter().cloned().collect();
    let mut damaged = BTreeSet::new();
    for (object, ids) in [(Object::Blob, blobs), (Object::Tree, trees), (Object::Pack, packs)] {
        match engine.needed_by(object, &ids).await {
            Ok(found) => damaged.extend(found),
            Err(failure) if matches!(failure.reason, Reason::DataDamaged | Reason::Internal) => {
                warn!("which snapshots need damaged packs is not known: {}", failure.message);
                return all(engine).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(damaged)
}

async fn all(engine: &Engine) -> Result<BTreeSet<String>, Failure> {
    let all = engine.all_snapshots(None).await?;
    Ok(all
        .iter()
        .filter_map(|snapshot| snapshot.id.get(..8))
        .map(str::to_owned)
        .collect())
}

fn message(findings: &Findings, damaged: &BTreeSet<String>) -> String {
    let mut parts = Vec::new();
    if !findings.packs.is_empty() {
        let ids = findings.packs.keys().map(|id| id.get(..8).unwrap_or(id));
        parts.push(format!(
            "{} packs are damaged or missing: {}",
            findings.packs.len(),
            names(ids)
        ));
    }
    if !findings.trees.is_empty() {
        let ids = findings.trees.iter().map(String::as_str);
        parts.push(format!(
            "{} folders cannot be read: {}",
            findings.trees.len(),
            names(ids)
        ));
    }
    parts.extend(findings.other.clone());
    if !damaged.is_empty() {
        let ids = damaged.iter().map(String::as_str);
        parts.push(format!(
            "{} snapshots cannot be restored in full: {}",
            damaged.len(),
            names(ids)
        ));
    }
    format!(
        "the check found damage: {}. Copy the bucket if you can. To take the damaged packs out of the index, so that the next \
         backup stores their content anew, set the annotation that the condition Healthy of the BackupRepository names",
        parts.join("; ")
    )
}

/// The first ids, and how many follow.
fn names<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = ids.len().saturating_sub(NAMED);
    let first = ids.take(NAMED).collect::<Vec<_>>().join(", ");
    if more == 0 {
        first
    } else {
        format!("{first} and {more} more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restic_reads_at_most_256_parts() {
        let of = |number, of| part(Part { number, of });
        assert_eq!(of(3, 14), (3, 14));
        assert_eq!((of(256, 1000), of(257, 1000)), ((256, 256), (1, 256)));
        assert_eq!((of(0, 0), of(9, 1)), ((1, 1), (1, 1)));
    }

    #[test]
    fn a_message_names_the_first_and_counts_the_others() {
        let ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        assert_eq!(names(ids.into_iter()), "a, b, c, d, e, f, g, h, i, j and 2 more");
        assert_eq!(names(["a"].into_iter()), "a");
    }
}
