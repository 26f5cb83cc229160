//! Schedules make runs at their slots, once, and where they are to.
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_backup_scheduler::crd::BackupRun;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::backup_scheduler::env::{BackupEnv, Home, LATER, SOON};
use crate::case::{Case, Exclusive};
use crate::install::NAMESPACE;
use crate::namespaces::LABEL;
use crate::objects::{apply, delete, get, object_condition, patch};
use crate::wait::{never, until};

/// The next minute begins within this, and its run is made.
const MINUTE: Duration = Duration::from_secs(75);

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new("a_schedule_makes_runs_in_the_namespaces_that_it_chooses", |env| {
            Box::pin(chooses(env))
        })
        .slow("the shortest interval of cron is a minute"),
        Case::new("a_killed_operator_makes_no_second_run_for_a_slot", |env| {
            Box::pin(killed(env))
        })
        .exclusive(&[Exclusive::Operator])
        .slow("two slots, a minute apart"),
        Case::new("a_run_now_starts_once_while_the_schedule_is_suspended", |env| {
            Box::pin(by_hand(env))
        }),
        Case::new("wrong_input_of_schedules_says_what_to_change", |env| {
            Box::pin(input(env))
        }),
    ]
}

fn schedule(home: &Home, namespace: &str, more: Value) -> Value {
    let mut spec = json!({"repository": home.name, "cron": "* * * * *", "keep": {"daily": 7}});
    crate::objects::merge(&mut spec, more);
    json!({
        "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupSchedule",
        "metadata": {"namespace": namespace, "name": home.name, "labels": {(LABEL): "e2e"}}, "spec": spec,
    })
}

async fn runs(env: &BackupEnv, namespace: &str) -> Result<Vec<BackupRun>> {
    let api: Api<BackupRun> = Api::namespaced(env.client.clone(), namespace);
    Ok(api.list(&ListParams::default()).await?.items)
}

fn slot(run: &BackupRun) -> String {
    let schedule = run.spec.schedule.as_ref();
    schedule.map(|schedule| schedule.slot.clone()).unwrap_or_default()
}

fn is_good(run: &BackupRun) -> bool {
    run.status
        .as_ref()
        .is_some_and(|status| status.good == Some(1) && status.total == Some(1))
}

async fn chooses(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("chosen").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    let other = env.ready_home("not-chosen").await?;
    other.bound("data").await?;
    // The second namespace is selected, and its repository is another one: this one does not allow it.
    let selector = json!({"namespaces": {"names": [home.name, other.name]}});
    let schedule = schedule(&home, NAMESPACE, selector);
    apply(&env.client, &schedule).await?;
    object_condition(&env.client, &schedule, "Ready", "True", "Scheduled", SOON).await?;
    ensure!(
        runs(env, &home.name).await?.is_empty(),
        "a new schedule starts nothing at once"
    );
    let run = until("a slot has its run", MINUTE, || async {
        Ok(runs(env, &home.name).await?.into_iter().next())
    })
    .await?;
    ensure!(run.owner_references().is_empty(), "{run:?}");
    until("a run is good", LATER, || async {
        Ok(runs(env, &home.name).await?.iter().any(is_good).then_some(()))
    })
    .await?;
    let status = until("the schedule knows it", SOON, || async {
        let status = get(&env.client, &schedule).await?["status"].clone();
        Ok(status["lastGood"].is_string().then_some(status))
    })
    .await?;
    ensure!(
        status["lastSlot"].is_string() && status["nextSlot"].is_string(),
        "{status}"
    );
    ensure!(
        status.to_string().contains("not-chosen"),
        "what is left out is named: {status}"
    );
    ensure!(
        runs(env, &other.name).await?.is_empty(),
        "a run where the repository allows none"
    );
    // The time of the snapshot is the slot.
    let snapshots = home.restic(env, &["snapshots", "--json"]).await?;
    let snapshots: Value = serde_json::from_str(&snapshots)?;
    let times: Vec<&str> = snapshots
        .as_array()
        .map(|all| all.iter().filter_map(|one| one["time"].as_str()).collect())
        .unwrap_or_default();
    let slots: BTreeSet<String> = runs(env, &home.name).await?.iter().map(slot).collect();
    let minute = |text: &str| text.chars().take("2026-01-01T00:00".len()).collect::<String>();
    ensure!(
        !times.is_empty()
            && times
                .iter()
                .all(|time| slots.iter().any(|slot| minute(slot) == minute(time))),
        "{times:?} {slots:?}"
    );
    delete(&env.client, &schedule).await?;
    ensure!(
        !runs(env, &home.name).await?.is_empty(),
        "runs stay when their schedule is deleted"
    );
    Ok(())
}

async fn killed(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("once").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    let schedule = schedule(&home, &home.name, json!({}));
    apply(&env.client, &schedule).await?;
    until("the first slot has its run", MINUTE, || async {
        Ok((!runs(env, &home.name).await?.is_empty()).then_some(()))
    })
    .await?;
    // At best between the run and the status.
    env.operator.kill_and_restart(LATER).await?;
    let all = until("another slot has its run", LATER, || async {
        let all = runs(env, &home.name).await?;
        let slots: BTreeSet<String> = all.iter().map(slot).collect();
        Ok((slots.len() > 1).then_some(all))
    })
    .await?;
    delete(&env.client, &schedule).await?;
    let slots: BTreeSet<String> = all.iter().map(slot).collect();
    let names: Vec<(String, String)> = all.iter().map(|run| (run.name_any(), slot(run))).collect();
    ensure!(slots.len() == all.len(), "a slot has two runs: {names:?}");
    Ok(())
}

async fn by_hand(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("by-hand").await?;
    let folder = home.bound("data").await?;
    std::fs::write(folder.join("a"), "one")?;
    let mut schedule = schedule(&home, &home.name, json!({"suspend": true}));
    apply(&env.client, &schedule).await?;
    object_condition(&env.client, &schedule, "Ready", "True", "Suspended", SOON).await?;
    let cursor = get(&env.client, &schedule).await?["status"]["cursor"].clone();
    let token = json!({"metadata": {"annotations": {"backup.hearth.home.arpa/run-now": "1"}}});
    patch(&env.client, &schedule, &token).await?;
    until("the run is good", LATER, || async {
        Ok(runs(env, &home.name).await?.iter().any(is_good).then_some(()))
    })
    .await?;
    // The same manifest with the same token, as Flux applies it again and again.
    schedule["metadata"]["annotations"] = token["metadata"]["annotations"].clone();
    apply(&env.client, &schedule).await?;
    let again = json!({"metadata": {"annotations": {"backup.hearth.home.arpa/reconcile-at": "1"}}});
    patch(&env.client, &schedule, &again).await?;
    never("the same token makes another run", Duration::from_secs(5), || async {
        let count = runs(env, &home.name).await?.len();
        Ok((count != 1).then(|| format!("{count} runs")))
    })
    .await?;
    let status = get(&env.client, &schedule).await?["status"].clone();
    ensure!(
        status["lastManualToken"] == "1" && status["cursor"] == cursor,
        "{status}"
    );
    Ok(())
}

async fn input(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("odd-times").await?;
    for (spec, reason, part) in [
        (json!({"cron": "0 0 3 * * *"}), "InvalidCron", "seconds"),
        (json!({"cron": "0 0 31 2 *"}), "InvalidCron", "never comes"),
        (json!({"timeZone": "Mars/Base"}), "InvalidTimeZone", "Mars/Base"),
        (json!({"repository": "nobody"}), "RepositoryNotFound", "create it"),
        (json!({"namespaces": {}}), "NamespacesNotAllowed", NAMESPACE),
    ] {
        let schedule = schedule(&home, &home.name, spec);
        apply(&env.client, &schedule).await?;
        let message = object_condition(&env.client, &schedule, "Stalled", "True", reason, SOON).await?;
        ensure!(message.contains(part), "{message} does not say {part}");
        delete(&env.client, &schedule).await?;
    }
    let empty = schedule(&home, &home.name, json!({"keep": {"daily": 0}}));
    let message = crate::objects::rejection(&env.client, &empty).await?;
    ensure!(message.contains("nothing would be kept"), "{message}");
    Ok(())
}
