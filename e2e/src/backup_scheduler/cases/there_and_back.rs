//! What is backed up comes back.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, SOON};
use crate::backup_scheduler::files;
use crate::case::Case;
use crate::objects::{apply, delete, get};
use crate::wait::until;

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_lost_claim_comes_back_with_owners_and_modes", |env| {
            Box::pin(lost(env))
        }),
        Case::new("the_same_restore_does_not_run_again", |env| Box::pin(again(env))),
        Case::new("unchanged_files_are_not_uploaded_again", |env| Box::pin(unchanged(env))),
    ]
}

async fn lost(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("lost").await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    home.bound("neighbour").await?;
    let backup = home.backup(
        "first",
        json!({"mover": {"securityContext": {"runAsUser": 999, "runAsGroup": 998}}, "volumes": {"claims": ["data"]}}),
    );
    let run = home.done(&backup, "Completed").await?;
    let item = &run["status"]["volumes"][0];
    ensure!(item["claim"] == "data" && item["files"] == 4, "{item}");
    // Other cases have claims, too: this one is protected now, and its neighbour is not.
    until("the repository counts it", SOON, || async {
        let coverage = get(&env.client, &home.repository).await?["status"]["coverage"].clone();
        let names = coverage["names"].to_string();
        let counted = coverage["protected"].as_i64() >= Some(1) && names.contains("lost/neighbour");
        Ok((counted && !names.contains("lost/data")).then_some(()))
    })
    .await?;
    // The claim and its files are gone; the new volume's root is another user's.
    home.lose("data").await?;
    let folder = home.volume("data").await?;
    let restore = home.restore("back", json!({}));
    home.done(&restore, "Completed").await?;
    let after = files::read(&folder)?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    let claim = get(&env.client, &home.claim("data")).await?;
    ensure!(claim["spec"]["resources"]["requests"]["storage"] == "64Mi", "{claim}");
    // A person needs nothing of ours.
    let target = tempfile::tempdir()?;
    let place = target.path().display().to_string();
    home.restic(env, &["restore", "latest:/data/data", "--target", &place])
        .await?;
    let mut plain = files::read(target.path())?;
    let mut expected = before;
    // restic leaves the root of the target as it is.
    plain.remove("");
    expected.remove("");
    ensure!(plain == expected, "{plain:?} instead of {expected:?}");
    Ok(())
}

/// ionfury/homelab #1031.
async fn again(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("again").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    home.done(&home.backup("first", json!({})), "Completed").await?;
    let restore = home.restore("back", json!({"volumes": {"existing": "Overwrite"}}));
    std::fs::write(folder.join("a"), "two")?;
    home.done(&restore, "Completed").await?;
    ensure!(std::fs::read_to_string(folder.join("a"))? == "one");
    std::fs::write(folder.join("a"), "three")?;
    delete(&env.client, &restore).await?;
    apply(&env.client, &restore).await?;
    let run = home.done(&restore, "AlreadyDone").await?;
    ensure!(run.to_string().contains("RestoreRun again/back"), "{run}");
    ensure!(
        std::fs::read_to_string(folder.join("a"))? == "three",
        "it was restored again"
    );
    let more = home.restore("back", json!({"volumes": {"existing": "Overwrite"}, "again": "1"}));
    home.done(&more, "Completed").await?;
    ensure!(std::fs::read_to_string(folder.join("a"))? == "one");
    Ok(())
}

async fn unchanged(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("unchanged").await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let as_owner = json!({"mover": {"securityContext": {"runAsUser": 999, "runAsGroup": 998}}});
    let first = home.done(&home.backup("first", as_owner.clone()), "Completed").await?;
    let second = home.done(&home.backup("second", as_owner), "Completed").await?;
    let added = |run: &serde_json::Value| run["status"]["volumes"][0]["addedBytes"].as_i64().unwrap_or(-1);
    ensure!(added(&first) > 2_000_000, "{first}");
    ensure!((0..100_000).contains(&added(&second)), "{second}");
    ensure!(first["status"]["volumes"][0]["snapshot"] != second["status"]["volumes"][0]["snapshot"]);
    let snapshots = home.restic(env, &["snapshots", "--json"]).await?;
    let snapshots: serde_json::Value = serde_json::from_str(&snapshots)?;
    ensure!(snapshots.as_array().is_some_and(|all| all.len() == 2), "{snapshots}");
    ensure!(
        snapshots[1]["parent"] == first["status"]["volumes"][0]["snapshot"],
        "{snapshots}"
    );
    ensure!(
        snapshots[0]["hostname"] == crate::backup_scheduler::env::CLUSTER,
        "{snapshots}"
    );
    Ok(())
}
