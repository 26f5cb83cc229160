//! What is wrong is told, and nothing is called good.
use anyhow::{Result, ensure};
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, LATER, SOON};
use crate::case::Case;
use crate::objects::{apply, object_condition, rejection};

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_volume_that_cannot_be_read_is_no_empty_success", |env| {
            Box::pin(unreadable(env))
        }),
        Case::new("a_claim_in_use_is_not_written", |env| Box::pin(in_use(env))),
        Case::new("a_bucket_of_another_cluster_is_left_alone", |env| {
            Box::pin(foreign(env))
        }),
        Case::new("wrong_input_of_runs_says_what_to_change", |env| Box::pin(input(env))),
        Case::new("another_passphrase_opens_nothing", |env| Box::pin(passphrase(env))),
    ]
}

/// k8up #1032.
async fn unreadable(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("unreadable").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "a")?;
    std::os::unix::fs::chown(&folder, Some(10_000), Some(10_001))?;
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o2770))?;
    let message = home.ends(&home.backup("first", json!({})), "Failed").await?;
    for part in ["Unreadable", "10000", "securityContext"] {
        ensure!(message.contains(part), "{message} does not say {part}");
    }
    Ok(())
}

/// velero #7487.
async fn in_use(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("in-use").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    home.done(&home.backup("first", json!({})), "Completed").await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": home.name, "name": "app"},
        "spec": {
            "containers": [{
                "name": "app", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent",
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    });
    apply(&env.client, &pod).await?;
    std::fs::write(folder.join("a"), "two")?;
    let message = home.ends(&home.restore("back", json!({})), "Failed").await?;
    for part in ["ClaimInUse", "app", "scale", "Overwrite"] {
        ensure!(message.contains(part), "{message} does not say {part}");
    }
    ensure!(std::fs::read_to_string(folder.join("a"))? == "two", "it was written");
    Ok(())
}

async fn foreign(env: &BackupEnv) -> Result<()> {
    let home = env.home("foreign").await?;
    let s3 = env.s3.s3(env.s3.root())?;
    let mark = json!({"clusterName": "cellar", "id": "0123456789abcdef"});
    s3.succeed("PUT", "/foreign/hearth/hearth-owner.json", mark.to_string())
        .await?;
    apply(&env.client, &home.repository).await?;
    let message = home
        .repository_condition("Stalled", "True", "ForeignRepository", SOON)
        .await?;
    ensure!(message.contains("cellar") && message.contains("prefix"), "{message}");
    let puts = home.gate.count(0, "PUT ");
    ensure!(puts == 0, "{puts} writes beside the mark of another cluster");
    Ok(())
}

async fn input(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("input").await?;
    let message = home
        .ends(
            &home.backup("nothing", json!({"volumes": {"claims": ["none-*"]}})),
            "NothingSelected",
        )
        .await?;
    ensure!(message.contains("spec.volumes"), "{message}");
    let mut unknown = home.backup("unknown", json!({}));
    unknown["spec"]["repository"] = json!("nobody");
    apply(&env.client, &unknown).await?;
    object_condition(&env.client, &unknown, "Ready", "False", "RepositoryNotFound", SOON).await?;
    let both = home.restore("both", json!({"from": {"run": "a", "snapshot": "0123456789abcdef"}}));
    let message = rejection(&env.client, &both).await?;
    ensure!(message.contains("at most one"), "{message}");
    let mut other = env.home("input-other").await?.backup("denied", json!({}));
    other["spec"]["repository"] = json!("input");
    apply(&env.client, &other).await?;
    object_condition(&env.client, &other, "Ready", "False", "NamespaceNotAllowed", SOON).await?;
    let message = home
        .ends(&home.restore("empty", json!({})), "RepositoryMissing")
        .await?;
    ensure!(!message.is_empty());
    Ok(())
}

async fn passphrase(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("passphrase").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    home.done(&home.backup("first", json!({})), "Completed").await?;
    home.secret("passphrase", &json!({"passphrase": "another one"})).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let message = home.ends(&home.backup("second", json!({})), "Failed").await?;
    ensure!(message.contains("WrongPassphrase"), "{message}");
    home.secret(
        "passphrase",
        &json!({"passphrase": crate::backup_scheduler::env::PASSPHRASE}),
    )
    .await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    home.done(&home.backup("third", json!({})), "Completed").await?;
    home.repository_condition("KeyEscrowed", "False", "NotAcknowledged", LATER)
        .await
        .map(drop)
}
