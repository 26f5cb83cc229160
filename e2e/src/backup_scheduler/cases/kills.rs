//! A backup is broken off at each of its steps, by each of those who may break off. It ends complete or honestly failed, leaves nothing
//! behind, and the next one is not held up.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::robust::nothing_left;
use crate::backup_scheduler::env::{BackupEnv, Home, LATER, SOON};
use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::install::NAMESPACE;
use crate::objects::{apply, get};
use crate::pod_process;
use crate::wait::until;

/// Each request takes so long, so that there is time to break off between any two.
const SLOW: Duration = Duration::from_millis(150);
/// The time between two moments of a backup at which it is broken off.
const STEP: Duration = Duration::from_millis(1_300);
/// So many moments: together they are longer than a backup takes.
const MOMENTS: u32 = 6;
/// A lost mover is started again after 20 s, and the line may be away for some of restic's retries.
const END: Duration = Duration::from_mins(4);

/// Who breaks off.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Operator,
    Mover,
    Restic,
    Line,
    /// The machine, with kubelet, containerd and all pods.
    Machine,
}

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_backup_that_is_broken_off_at_any_step_is_complete_or_failed", |env| {
            Box::pin(broken_off(env))
        })
        .local()
        .exclusive(&[Exclusive::Operator])
        .slow("30 backups, each of which is broken off and ends"),
    ]
}

async fn broken_off(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("kills").await?;
    let folder = home.bound("data").await?;
    for number in 0..20 {
        std::fs::write(folder.join(format!("{number}")), random(50_000))?;
    }
    home.done(&home.backup("before", json!({})), "Completed").await?;
    for victim in [
        Victim::Operator,
        Victim::Mover,
        Victim::Restic,
        Victim::Line,
        Victim::Machine,
    ] {
        for moment in 0..MOMENTS {
            let name = format!("{victim:?}-{moment}").to_lowercase();
            let run = round(env, &home, &folder, victim, moment, &name)
                .await
                .with_context(|| format!("{victim:?} at moment {moment}"))?;
            eprintln!("{name}: {}", run["status"]["volumes"][0]["state"]);
        }
    }
    let before = contents(&folder)?;
    home.done(&home.backup("last", json!({})), "Completed").await?;
    // The locks of what was killed are there for half an hour, and no backup waits for them.
    let check = home.restic(env, &["check", "--read-data", "--no-lock"]).await?;
    ensure!(check.contains("no errors were found"), "{check}");
    home.lose("data").await?;
    let folder = home.volume("data").await?;
    home.done(&home.restore("back", json!({})), "Completed").await?;
    ensure!(contents(&folder)? == before, "what came back differs");
    Ok(())
}

/// Kills its process, and the pod: kubelet waits longer each time before it starts a container again that was killed.
async fn kill_operator(env: &BackupEnv) -> Result<()> {
    env.operator.kill().await?;
    let pods: Api<Pod> = Api::namespaced(env.client.clone(), NAMESPACE);
    for pod in env.operator.pods().await? {
        pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0))
            .await?;
    }
    Ok(())
}

fn machine(pod: &Pod) -> Result<String> {
    let spec = pod.spec.as_ref().context("a pod without a spec")?;
    spec.node_name.clone().context("a pod that runs nowhere")
}

fn random(length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect()
}

fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        found.insert(
            entry.file_name().to_string_lossy().into_owned(),
            std::fs::read(entry.path())?,
        );
    }
    Ok(found)
}

async fn round(env: &BackupEnv, home: &Home, folder: &Path, victim: Victim, moment: u32, name: &str) -> Result<Value> {
    std::fs::write(folder.join("changing"), random(200_000))?;
    home.gate.set(Mode::Slow(SLOW));
    let backup = home.backup(name, json!({"objects": {"enabled": false}}));
    apply(&env.client, &backup).await?;
    let pod = until("the mover is at work", LATER, || async {
        let pods: Api<Pod> = Api::namespaced(env.client.clone(), &home.name);
        let pods = pods.list(&ListParams::default()).await?.items;
        let running = |pod: &&Pod| {
            pod.status
                .as_ref()
                .is_some_and(|status| status.phase.as_deref() == Some("Running"))
        };
        Ok(pods.iter().find(running).cloned())
    })
    .await?;
    sleep(STEP * moment).await;
    // It may have ended by now, which is a moment too.
    match victim {
        Victim::Operator => kill_operator(env).await?,
        Victim::Mover => drop(pod_process::of_pod(&pod, "backup-scheduler").map(|process| process.kill())),
        Victim::Restic => drop(pod_process::of_pod(&pod, "restic").map(|process| process.kill())),
        Victim::Machine => env.environment.control()?.node("reboot", &[&machine(&pod)?]).await?,
        Victim::Line => {
            home.gate.set(Mode::Closed);
            sleep(Duration::from_secs(3)).await;
        }
    }
    home.gate.set(Mode::Open);
    let run = until("the run has ended", END, || async {
        let run = get(&env.client, &backup).await?;
        Ok(run["status"]["completionTime"].is_string().then_some(run))
    })
    .await?;
    honest(env, home, &run).await?;
    if matches!(victim, Victim::Operator | Victim::Machine) {
        env.operator.ready(1, LATER).await?;
    }
    nothing_left(env, home).await?;
    home.repository_condition("Ready", "True", "", SOON).await?;
    Ok(run)
}

/// A volume that is called good is in the repository; one that is not says why.
async fn honest(env: &BackupEnv, home: &Home, run: &Value) -> Result<()> {
    let volume = &run["status"]["volumes"][0];
    match volume["state"].as_str() {
        Some("Completed") => {
            let id = volume["snapshot"]
                .as_str()
                .context("a good volume without a snapshot")?;
            let found = home.restic(env, &["snapshots", "--json", "--no-lock", id]).await?;
            let found: Vec<Value> = serde_json::from_str(&found)?;
            ensure!(found.len() == 1, "{found:?}");
        }
        Some("Failed") => ensure!(
            volume["reason"].is_string() && volume["message"].is_string(),
            "no reason: {volume}"
        ),
        state => bail!("the run has ended, and the volume is {state:?}: {volume}"),
    }
    Ok(())
}
