//! Takes damaged packs out of the index, so that the next backup stores their content anew. No snapshot is changed.
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use tracing::{info, warn};

use super::Mover;
use super::storage::Storage;
use crate::engine::Engine;
use crate::engine::messages::is_hex;
use crate::engine::outcome::Failure;
use crate::task::{Reason, RepairPacks, Report};

/// The digits of an id.
const ID: usize = 64;
/// So many packs are repaired by one call, so that their copies fit into the folder of temporary files.
const PACKS_PER_CALL: usize = 16;

/// Takes the packs out of the index. What can be read of them is stored again.
pub async fn repair(mover: &Mover<'_>, task: &RepairPacks) -> Report {
    run(mover, task).await.unwrap_or_else(Failure::report)
}

async fn run(mover: &Mover<'_>, task: &RepairPacks) -> Result<Report, Failure> {
    let engine = &mover.engine;
    if let Some(wrong) = task.packs.iter().find(|id| id.len() != ID || !is_hex(id)) {
        let text = format!("{wrong} is no full id of a pack");
        return Err(Failure::new(Reason::Internal, &text));
    }
    if mover.append_only {
        return Err(Failure::new(
            Reason::AccessDenied,
            "a repository with `appendOnly` is not repaired",
        ));
    }
    Storage::new(&engine.settings)?.may_delete().await?;
    let there = engine.full_pack_ids(&task.packs).await?;
    let there: Vec<String> = there.into_iter().flatten().collect();
    salvage(engine, &there).await?;
    // restic repairs no pack that is not there.
    if there.len() < task.packs.len() || task.packs.is_empty() {
        engine.repair_index().await?;
    }
    let (findings, _) = engine.check(None).await?;
    if let Some(pack) = task.packs.iter().find(|id| findings.packs.contains_key(*id)) {
        let text = format!("the index still has the damaged pack {pack}");
        return Err(Failure::new(Reason::NotProven, &text));
    }
    let damaged = if findings.incomplete {
        engine.incomplete(&[]).await?
    } else {
        BTreeSet::new()
    };
    info!("{} snapshots lack data now", damaged.len());
    Ok(Report {
        damaged_snapshots: damaged.into_iter().collect(),
        ..Report::completed(None)
    })
}

/// restic leaves a copy of each pack in its folder, and refuses to overwrite one.
async fn salvage(engine: &Engine, packs: &[String]) -> Result<(), Failure> {
    let folder = &engine.settings.temporary;
    for packs in packs.chunks(PACKS_PER_CALL) {
        let remove = || packs.iter().for_each(|pack| remove_copy(folder, pack));
        remove();
        let repaired = engine.repair_packs(packs).await;
        remove();
        repaired?;
    }
    Ok(())
}

fn remove_copy(folder: &Path, pack: &str) {
    match fs::remove_file(folder.join(format!("pack-{pack}"))) {
        Err(failed) if failed.kind() != io::ErrorKind::NotFound => warn!("a copy of pack {pack} stays: {failed}"),
        _ => {}
    }
}
