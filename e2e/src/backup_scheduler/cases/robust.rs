//! The line, the operator or a mover goes away in the middle.
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, Home, LATER, SOON};
use crate::backup_scheduler::files;
use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::objects::{apply, get, object_condition};
use crate::wait::{never, until};

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_backup_waits_through_an_outage_and_leaves_nothing_behind", |env| {
            Box::pin(outage(env))
        })
        .slow("restic waits longer and longer before it tries again"),
        Case::new("a_run_goes_on_when_the_operator_was_killed", |env| {
            Box::pin(killed(env))
        })
        .exclusive(&[Exclusive::Operator]),
    ]
}

async fn outage(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("outage").await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    home.gate.set(Mode::Closed);
    let backup = home.backup(
        "first",
        json!({"mover": {"securityContext": {"runAsUser": 999, "runAsGroup": 998}}}),
    );
    apply(&env.client, &backup).await?;
    object_condition(&env.client, &backup, "Reconciling", "True", "Running", SOON).await?;
    // restic itself waits for the server, for up to 15 minutes.
    never("the run ends", Duration::from_secs(10), || async {
        let run = get(&env.client, &backup).await?;
        Ok(run["status"].get("completionTime").map(ToString::to_string))
    })
    .await?;
    home.repository_condition("Ready", "True", "", SOON).await?;
    home.gate.set(Mode::Open);
    home.done(&backup, "Completed").await?;
    nothing_left(env, &home).await
}

async fn killed(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("killed").await?;
    for name in ["a", "b"] {
        let folder = home.bound(name).await?;
        std::fs::write(folder.join("file"), name)?;
    }
    let backup = home.backup("first", json!({}));
    apply(&env.client, &backup).await?;
    until("a mover is started", SOON, || async {
        Ok((jobs(env, &home).await? > 0).then_some(()))
    })
    .await?;
    env.operator.kill_and_restart(LATER).await?;
    let run = home.done(&backup, "Completed").await?;
    ensure!(run["status"]["good"] == 2, "{run}");
    let snapshots = home.restic(env, &["snapshots", "--json"]).await?;
    let snapshots: serde_json::Value = serde_json::from_str(&snapshots)?;
    ensure!(snapshots.as_array().is_some_and(|all| all.len() == 2), "{snapshots}");
    nothing_left(env, &home).await
}

async fn jobs(env: &BackupEnv, home: &Home) -> Result<usize> {
    let jobs: Api<Job> = Api::namespaced(env.client.clone(), &home.name);
    Ok(jobs.list(&ListParams::default()).await?.items.len())
}

async fn nothing_left(env: &BackupEnv, home: &Home) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &home.name);
    until("no Job and no Secret is left", SOON, || async {
        let left = (
            jobs(env, home).await?,
            secrets.list(&ListParams::default()).await?.items.len(),
        );
        ensure!(left == (0, 0), "{left:?} Jobs and Secrets");
        Ok(Some(()))
    })
    .await
}
