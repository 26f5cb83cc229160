//! The line, the operator or a mover goes away in the middle.
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::backup_scheduler::env::{BackupEnv, Home, LATER, SOON};
use crate::backup_scheduler::files;
use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::objects::{apply, get, object_condition, patch};
use crate::wait::{never, until};

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_backup_waits_through_an_outage_and_leaves_nothing_behind", |env| {
            Box::pin(outage(env))
        })
        .slow("restic waits longer and longer before it tries again"),
        Case::new("the_status_shows_how_far_a_mover_is", |env| Box::pin(progress(env))),
        Case::new("a_run_goes_on_when_the_operator_was_killed", |env| {
            Box::pin(killed(env))
        })
        .exclusive(&[Exclusive::Operator]),
        Case::new("a_large_first_upload_waits_for_consent_and_goes_on_by_itself", |env| {
            Box::pin(consent(env))
        })
        .slow("claims are not watched: consent is seen within a minute"),
        Case::new("a_mover_makes_room_for_a_pod_that_needs_its_volume", |env| {
            Box::pin(yields(env))
        })
        .slow("pods are not watched, and restic ends in order"),
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

async fn progress(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("progress").await?;
    let folder = home.bound("data").await?;
    let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(3_000_000).collect();
    std::fs::write(folder.join("file"), content)?;
    home.gate.set(Mode::Slow(Duration::from_millis(1_500)));
    let backup = home.backup("first", json!({"objects": {"enabled": false}}));
    apply(&env.client, &backup).await?;
    until("the progress is in the status", LATER, || async {
        let run = get(&env.client, &backup).await?;
        let progress = &run["status"]["volumes"][0]["progress"];
        Ok((progress["totalBytes"].as_i64() >= Some(1) && progress["time"].is_string()).then_some(()))
    })
    .await?;
    home.gate.set(Mode::Open);
    let run = home.done(&backup, "Completed").await?;
    let volume = &run["status"]["volumes"][0];
    ensure!(volume["progress"].is_null(), "it is still shown: {volume}");
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

async fn consent(env: &BackupEnv) -> Result<()> {
    let mut home = env.home("consent").await?;
    home.repository["spec"]["limits"] = json!({"firstUpload": 1000});
    apply(&env.client, &home.repository).await?;
    home.repository_condition("Ready", "True", "", LATER).await?;
    for (name, size) in [("large", 5_000), ("small", 10)] {
        let folder = home.bound(name).await?;
        // What compresses well would be no upload of this size.
        let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(size).collect();
        std::fs::write(folder.join("file"), content)?;
    }
    let backup = home.backup("first", json!({}));
    apply(&env.client, &backup).await?;
    let message = object_condition(&env.client, &backup, "Reconciling", "True", "NeedsConsent", LATER).await?;
    let run = get(&env.client, &backup).await?;
    ensure!(run["status"]["good"] == 1, "the small volume is held up: {run}");
    let command = "kubectl -n consent annotate --overwrite persistentvolumeclaim large ";
    let rest = message.split(command).nth(1).unwrap_or_default();
    let (key, value) = rest
        .split('`')
        .next()
        .and_then(|line| line.split_once('='))
        .unwrap_or_default();
    ensure!(!value.is_empty(), "{message}");
    let agreed = json!({"metadata": {"annotations": {key: value}}});
    patch(&env.client, &home.claim("large"), &agreed).await?;
    let run = home.done(&backup, "Completed").await?;
    ensure!(run["status"]["good"] == 2, "{run}");
    nothing_left(env, &home).await
}

async fn yields(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("yields").await?;
    let folder = home.bound_as("data", "ReadWriteOncePod").await?;
    std::fs::write(folder.join("file"), "a")?;
    // The mover holds the volume, since it waits for the server.
    home.gate.set(Mode::Closed);
    let backup = home.backup("first", json!({}));
    apply(&env.client, &backup).await?;
    let pods: Api<Pod> = Api::namespaced(env.client.clone(), &home.name);
    let running = |labels: &'static str| {
        let pods = pods.clone();
        async move {
            let found = pods.list(&ListParams::default().labels(labels)).await?.items;
            let phase = |pod: &Pod| pod.status.as_ref()?.phase.clone();
            Ok(found
                .iter()
                .any(|pod| phase(pod).as_deref() == Some("Running"))
                .then_some(()))
        }
    };
    until("the mover is at work", LATER, || running("backup.hearth.home.arpa/run")).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": home.name, "name": "app", "labels": {"app": "app"}},
        "spec": {
            "containers": [{
                "name": "app", "image": "localhost/hearth/pause:dev", "imagePullPolicy": "IfNotPresent",
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    });
    apply(&env.client, &pod).await?;
    until("the application runs", LATER, || running("app=app")).await?;
    home.gate.set(Mode::Open);
    // No second pod may use the volume now, which the run says.
    let message = object_condition(&env.client, &backup, "Stalled", "True", "Failed", LATER).await?;
    ensure!(message.contains("RWOPInUse") && message.contains("app"), "{message}");
    let run = get(&env.client, &backup).await?;
    ensure!(run["status"]["volumes"][0]["yields"] == 1, "{run}");
    nothing_left(env, &home).await
}

async fn jobs(env: &BackupEnv, home: &Home) -> Result<usize> {
    let jobs: Api<Job> = Api::namespaced(env.client.clone(), &home.name);
    Ok(jobs.list(&ListParams::default()).await?.items.len())
}

pub(super) async fn nothing_left(env: &BackupEnv, home: &Home) -> Result<()> {
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
