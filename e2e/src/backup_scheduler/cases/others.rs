//! Repositories that others have made.
use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::backup_scheduler::env::{BackupEnv, Home, LATER, PASSPHRASE, SOON};
use crate::case::Case;
use crate::objects::{apply, rejection};

/// The password of repositories of others.
const PASSWORD: &str = "of somebody else";

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new(
            "a_folder_of_an_adopted_repository_is_restored_and_nothing_is_written_to_it",
            |env| Box::pin(adopted(env)),
        ),
        Case::new("a_repository_that_is_taken_over_keeps_the_snapshots_of_others", |env| {
            Box::pin(taken_over(env))
        }),
    ]
}

async fn adopted(env: &BackupEnv) -> Result<()> {
    let mut home = env.home("adopted").await?;
    let source = tempfile::tempdir()?;
    std::fs::write(source.path().join("a"), "of a machine")?;
    let path = source.path().display().to_string();
    let old = "old/nas";
    home.restic_at(env, old, PASSWORD, &["init"]).await?;
    home.restic_at(env, old, PASSWORD, &["backup", "--host", "nas", &path])
        .await?;

    let spec = &mut home.repository["spec"];
    spec["adopt"] = json!({"path": old, "passwordSecretRef": {"name": "adopted-old"}, "host": "nas"});
    spec["initialize"] = json!("Never");
    let message = rejection(&env.client, &home.repository).await?;
    ensure!(message.contains("exactly one"), "{message}");
    if let Some(spec) = home.repository["spec"].as_object_mut() {
        spec.remove("passphraseSecretRef");
    }
    home.secret("old", &json!({"password": PASSWORD})).await?;
    let before = home.gate.mark();
    apply(&env.client, &home.repository).await?;
    home.repository_condition("Ready", "True", "Adopted", LATER).await?;
    let writes = home.gate.count(before, "PUT ");
    ensure!(writes == 0, "{writes} writes");

    let message = home.ends(&home.backup("new", json!({})), "RepositoryReadOnly").await?;
    ensure!(message.contains("another BackupRepository"), "{message}");
    let unnamed = home.restore("unnamed", json!({"from": {"path": path}}));
    let message = rejection(&env.client, &unnamed).await?;
    ensure!(message.contains("select.claims"), "{message}");
    let folder = home.bound("data").await?;
    let restore = json!({"from": {"path": path}, "select": {"claims": ["data"]}});
    home.done(&home.restore("back", restore), "Completed").await?;
    ensure!(std::fs::read_to_string(folder.join("a"))? == "of a machine");
    ensure!(snapshots(env, &home, old, PASSWORD).await? == 1);
    Ok(())
}

async fn taken_over(env: &BackupEnv) -> Result<()> {
    let mut home = env.home("taken-over").await?;
    let spec = &mut home.repository["spec"];
    spec["layout"] = json!("Single");
    let message = rejection(&env.client, &home.repository).await?;
    ensure!(message.contains("TakeOver"), "{message}");
    home.repository["spec"]["initialize"] = json!("TakeOver");
    apply(&env.client, &home.repository).await?;
    home.repository_condition("Ready", "False", "RepositoryMissing", SOON)
        .await?;
    ensure!(
        home.gate.count(0, "PUT ") == 0,
        "something was written where nothing is"
    );

    let source = tempfile::tempdir()?;
    std::fs::write(source.path().join("a"), "of a machine")?;
    let path = source.path().display().to_string();
    home.restic_at(env, "hearth", PASSPHRASE, &["init"]).await?;
    home.restic_at(env, "hearth", PASSPHRASE, &["backup", "--host", "nas", &path])
        .await?;
    home.repository_condition("Ready", "True", "Ready", LATER).await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("b"), "of ours")?;
    home.done(&home.backup("first", json!({})), "Completed").await?;
    ensure!(snapshots(env, &home, "hearth", PASSPHRASE).await? == 2);
    home.lose("data").await?;
    let folder = home.volume("data").await?;
    home.done(&home.restore("back", json!({})), "Completed").await?;
    ensure!(std::fs::read_to_string(folder.join("b"))? == "of ours");
    Ok(())
}

/// How many snapshots are in a repository.
async fn snapshots(env: &BackupEnv, home: &Home, path: &str, password: &str) -> Result<usize> {
    let listed = home.restic_at(env, path, password, &["snapshots", "--json"]).await?;
    let listed: Value = serde_json::from_str(&listed)?;
    Ok(listed.as_array().map_or(0, Vec::len))
}
