//! Snapshots that are no longer needed go, damage is found, and what is left is whole.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::backup_scheduler::env::{BackupEnv, Home, LATER};
use crate::backup_scheduler::files;
use crate::case::Case;
use crate::objects::{apply, get, object_condition, patch};
use crate::wait::until;

/// A schedule of every minute, and what is done then.
const NEXT_MINUTE: Duration = Duration::from_mins(3);

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("what_the_retention_does_not_keep_is_forgotten_and_pruned", |env| {
            Box::pin(retention(env))
        })
        .slow("the prune waits for its minute"),
        Case::new("snapshots_that_somebody_else_removed_stop_the_retention", |env| {
            Box::pin(disagree(env))
        }),
        Case::new("damage_is_found_and_no_later_backup_rests_on_it", |env| {
            Box::pin(damage(env))
        })
        .slow("two checks wait for their minutes"),
    ]
}

/// Makes a run of the schedule now, the first, the second and so on, and waits until it has ended well.
async fn runs(env: &BackupEnv, home: &Home, count: usize) -> Result<()> {
    let annotations = json!({"backup.hearth.home.arpa/run-now": count.to_string()});
    patch(
        &env.client,
        &schedule(home),
        &json!({"metadata": {"annotations": annotations}}),
    )
    .await?;
    until(&format!("run {count} is good"), LATER, || async {
        let status = get(&env.client, &schedule(home)).await?["status"].clone();
        let begun = status["lastManualToken"].as_str() == Some(count.to_string().as_str());
        // Runs whose snapshots are gone are deleted.
        let runs = home.runs(env).await?;
        let is_good = |run: &Value| run["status"]["good"] == 1 && run["status"]["completionTime"].is_string();
        Ok((begun && !runs.is_empty() && runs.iter().all(is_good)).then_some(()))
    })
    .await
}

/// Makes the schedule. A token that is there from the start starts nothing.
async fn scheduled(env: &BackupEnv, home: &Home) -> Result<()> {
    let schedule = schedule(home);
    apply(&env.client, &schedule).await?;
    object_condition(&env.client, &schedule, "Ready", "True", "Scheduled", LATER)
        .await
        .map(drop)
}

fn schedule(home: &Home) -> Value {
    json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupSchedule",
        "metadata": {"namespace": home.name, "name": "nightly"},
        // It runs on request only.
        "spec": {"repository": home.name, "cron": "0 0 1 1 *", "keep": {"last": 2}},
    })
}

async fn snapshots(env: &BackupEnv, home: &Home) -> Result<Vec<String>> {
    let list: Value = serde_json::from_str(&home.restic(env, &["snapshots", "--no-lock", "--json"]).await?)?;
    let list = list.as_array().context("no list of snapshots")?;
    Ok(list
        .iter()
        .map(|one| one["id"].as_str().unwrap_or_default().to_owned())
        .collect())
}

async fn retention(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("retention").await?;
    let folder = home.bound("data").await?;
    scheduled(env, &home).await?;
    for count in 1..=4 {
        let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(300_000).collect();
        fs::write(folder.join("file"), content)?;
        runs(env, &home, count).await?;
    }
    until("two snapshots are left", LATER, || async {
        Ok((snapshots(env, &home).await?.len() == 2).then_some(()))
    })
    .await?;
    // The oldest is no record of anything any more; of the three that stay, one knows that its snapshot is gone.
    until("the runs know it", LATER, || async {
        let runs = home.runs(env).await?;
        let is_forgotten = |run: &&Value| run["status"]["volumes"][0]["forgotten"] == true;
        let forgotten = runs.iter().filter(is_forgotten).count();
        Ok((runs.len() == 3 && forgotten == 1).then_some(()))
    })
    .await?;
    let before = size(&home, env)?;
    patch(
        &env.client,
        &home.repository,
        &json!({"spec": {"prune": {"schedule": "* * * * *"}}}),
    )
    .await?;
    until("it is pruned", NEXT_MINUTE, || async {
        let status = get(&env.client, &home.repository).await?["status"]["maintenance"].clone();
        Ok(status[&home.name]["pruned"].is_string().then_some(()))
    })
    .await?;
    patch(
        &env.client,
        &home.repository,
        &json!({"spec": {"prune": {"suspend": true}}}),
    )
    .await?;
    let after = size(&home, env)?;
    ensure!(
        after + 500_000 < before,
        "{before} bytes before the prune, {after} after it"
    );
    home.repository_condition("Maintained", "True", "", LATER).await?;
    home.restic(env, &["check", "--no-lock", "--read-data"]).await?;
    // The newest comes back.
    let expected = fs::read(folder.join("file"))?;
    fs::write(folder.join("file"), "other")?;
    home.done(
        &home.restore("back", json!({"volumes": {"existing": "Overwrite"}})),
        "Completed",
    )
    .await?;
    ensure!(fs::read(folder.join("file"))? == expected, "another file came back");
    Ok(())
}

async fn disagree(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("disagree").await?;
    let folder = home.bound("data").await?;
    scheduled(env, &home).await?;
    for count in 1..=2 {
        fs::write(folder.join("file"), count.to_string())?;
        runs(env, &home, count).await?;
    }
    let newest = get(&env.client, &home.newest_run(env).await?).await?;
    let removed = newest["status"]["volumes"][0]["snapshot"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    home.restic(env, &["forget", &removed]).await?;
    fs::write(folder.join("file"), "3")?;
    runs(env, &home, 3).await?;
    let message = home
        .repository_condition("Maintained", "False", "Failed", LATER)
        .await?;
    ensure!(message.contains(&removed[..8]), "{message}");
    ensure!(snapshots(env, &home).await?.len() == 2, "something was removed");
    Ok(())
}

/// longhorn #1385.
async fn damage(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("damage").await?;
    let folder = home.bound("data").await?;
    let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(600_000).collect();
    fs::write(folder.join("file"), &content)?;
    let before = files::read(&folder)?;
    let first = home.done(&home.backup("first", json!({})), "Completed").await?;
    let pack = largest(
        &env.s3
            .folder(&home.name)
            .join("hearth/volumes")
            .join(&home.name)
            .join("data"),
    )?;
    let mut bytes = fs::read(&pack)?;
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1000].fill(0);
    fs::write(&pack, bytes)?;
    let every_minute = json!({"spec": {"check": {"schedule": "* * * * *", "readData": "1/1"}}});
    patch(&env.client, &home.repository, &every_minute).await?;
    let message = home
        .repository_condition("Healthy", "False", "DataDamaged", NEXT_MINUTE)
        .await?;
    let pack = pack.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let snapshot = first["status"]["volumes"][0]["snapshot"].as_str().unwrap_or_default();
    ensure!(
        message.contains(&pack[..8]) && message.contains(&snapshot[..8]),
        "{message}"
    );
    // Before the repair a backup is made, and does not count.
    let second = home.backup("second", json!({}));
    home.ends(&second, "Failed").await?;
    let second = get(&env.client, &second).await?;
    ensure!(
        second["status"]["volumes"][0]["state"] == "Partial",
        "{}",
        second["status"]
    );
    let check =
        get(&env.client, &home.repository).await?["status"]["maintenance"][&home.name]["damage"]["check"].clone();
    let agreed = json!({"metadata": {"annotations": {"backup.hearth.home.arpa/repair": check}}});
    patch(&env.client, &home.repository, &agreed).await?;
    home.repository_condition("Healthy", "True", "Checked", NEXT_MINUTE)
        .await?;
    let third = home.done(&home.backup("third", json!({})), "Completed").await?;
    let added = third["status"]["volumes"][0]["addedBytes"].as_i64().unwrap_or(0);
    ensure!(added > 500_000, "it rests on what is lost: {added} bytes were added");
    fs::remove_file(folder.join("file"))?;
    home.done(
        &home.restore("back", json!({"volumes": {"existing": "Overwrite"}})),
        "Completed",
    )
    .await?;
    ensure!(files::read(&folder)? == before, "another file came back");
    // The first two are listed as damaged, and are still there.
    let status = get(&env.client, &home.repository).await?["status"]["maintenance"][&home.name].clone();
    ensure!(
        status["damagedSnapshots"].to_string().contains(&snapshot[..8]),
        "{status}"
    );
    ensure!(snapshots(env, &home).await?.len() == 3, "something was removed");
    Ok(())
}

fn size(home: &Home, env: &BackupEnv) -> Result<u64> {
    let data = env
        .s3
        .folder(&home.name)
        .join("hearth/volumes")
        .join(&home.name)
        .join("data");
    Ok(all(&data)?.iter().map(|(size, _)| size).sum())
}

fn largest(folder: &Path) -> Result<PathBuf> {
    let largest = all(folder)?.into_iter().max().context("there is no pack")?;
    Ok(largest.1)
}

/// All files below a folder, with their sizes.
fn all(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            found.extend(all(&entry.path())?);
        } else {
            found.push((meta.len(), entry.path()));
        }
    }
    Ok(found)
}
