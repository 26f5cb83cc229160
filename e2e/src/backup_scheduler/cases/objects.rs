//! API objects: they are in a repository of their own, and no mover of a namespace can open it.
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::backup_scheduler::env::{BackupEnv, Home, PASSPHRASE, SOON};
use crate::case::Case;
use crate::install::NAMESPACE;
use crate::objects::apply;
use crate::wait::until;

/// The label of what belongs to a run.
const RUN: &str = "backup.hearth.home.arpa/run";

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![Case::new(
        "objects_of_a_namespace_are_backed_up_and_nothing_in_it_can_open_them",
        |env| Box::pin(namespace(env)),
    )]
}

/// A manifest in the namespace of a case.
fn object(home: &Home, version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = rest;
    object["apiVersion"] = json!(version);
    object["kind"] = json!(kind);
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(home.name);
    object
}

/// What plain restic says of the repository of objects.
async fn restic(env: &BackupEnv, home: &Home, arguments: &[&str]) -> Result<String> {
    let passphrase = hearth_backup_scheduler::passphrase::Passphrase::from_secret(PASSPHRASE.as_bytes())?;
    let password = passphrase.password(".objects");
    home.restic_at(env, "hearth/objects", password.expose(), arguments)
        .await
}

/// An object in a snapshot.
async fn exported(env: &BackupEnv, home: &Home, snapshot: &str, file: &str) -> Result<Value> {
    let path = format!("/objects/{}/{file}", home.name);
    let text = restic(env, home, &["dump", "--no-lock", snapshot, &path]).await?;
    Ok(serde_json::from_str(&text)?)
}

fn of_objects(run: &Value) -> Result<&Value> {
    let item = run["status"]["objects"].as_array().and_then(|items| items.first());
    let item = item.context("the run has no objects")?;
    ensure!(item["state"] == "Completed", "{item}");
    Ok(item)
}

async fn namespace(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("objects").await?;
    let settings = object(&home, "v1", "ConfigMap", "settings", json!({"data": {"mode": "quiet"}}));
    let token = object(
        &home,
        "v1",
        "Secret",
        "token",
        json!({"stringData": {"token": "planted-in-objects"}}),
    );
    let labels = json!({"app": "web"});
    let pod =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "localhost/none"}]}});
    let web = json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}});
    let web = object(&home, "apps/v1", "Deployment", "web", web);
    for object in [&settings, &token, &web] {
        apply(&env.client, object).await?;
    }

    // There is no claim: the objects are enough for a good run.
    let first = home.backup("first", json!({}));
    apply(&env.client, &first).await?;
    runs_elsewhere(env, &home).await?;
    let first = home.done(&first, "Completed").await?;
    let item = of_objects(&first)?;
    let snapshot = item["snapshot"].as_str().context("no snapshot")?.to_owned();
    let map = exported(env, &home, &snapshot, "configmaps/settings.json").await?;
    ensure!(
        map["data"]["mode"] == "quiet" && map["metadata"]["managedFields"].is_null(),
        "{map}"
    );
    let secret = exported(env, &home, &snapshot, "secrets/token.json").await?;
    ensure!(secret["data"]["token"].is_string(), "the Secret is not there");
    let deployment = exported(env, &home, &snapshot, "deployments.apps/web.json").await?;
    ensure!(deployment["spec"]["replicas"] == 0, "{deployment}");
    let own = exported(env, &home, &snapshot, "namespaces/objects.json").await?;
    ensure!(own["metadata"]["labels"].is_object(), "{own}");

    // The next one has the former as parent, and what did not change is not stored again.
    let mut settings = settings;
    settings["data"]["mode"] = json!("loud");
    apply(&env.client, &settings).await?;
    let second = home.done(&home.backup("second", json!({})), "Completed").await?;
    let item = of_objects(&second)?;
    let snapshot = item["snapshot"].as_str().context("no snapshot")?.to_owned();
    let map = exported(env, &home, &snapshot, "configmaps/settings.json").await?;
    ensure!(map["data"]["mode"] == "loud", "{map}");
    let snapshots: Value = serde_json::from_str(&restic(env, &home, &["snapshots", "--no-lock", "--json"]).await?)?;
    ensure!(snapshots.as_array().map(Vec::len) == Some(2), "{snapshots}");
    ensure!(snapshots[1]["parent"] == snapshots[0]["id"], "{snapshots}");
    nothing_is_left(env, &first).await?;
    nothing_is_left(env, &second).await
}

/// While the mover is at work, it is in the operator's namespace, and nothing of it is in that of the run.
async fn runs_elsewhere(env: &BackupEnv, home: &Home) -> Result<()> {
    let jobs: Api<Job> = Api::namespaced(env.client.clone(), NAMESPACE);
    until("a mover of objects is at work", SOON, || async {
        let found = jobs.list(&ListParams::default().labels(RUN)).await?.items;
        let ours = |job: &Job| {
            let claim = job.annotations().get("backup.hearth.home.arpa/claim");
            let repository = job.annotations().get("backup.hearth.home.arpa/repository");
            claim.is_some_and(|claim| claim == ".objects") && repository == Some(&home.name)
        };
        Ok(found.iter().any(ours).then_some(()))
    })
    .await?;
    let secrets: Api<Secret> = Api::namespaced(env.client.clone(), &home.name);
    let found = secrets.list(&ListParams::default().labels(RUN)).await?.items;
    ensure!(found.is_empty(), "a mover's Secret is in the namespace of the run");
    Ok(())
}

/// Jobs and Secrets of a run that has ended go.
async fn nothing_is_left(env: &BackupEnv, run: &Value) -> Result<()> {
    let uid = run["metadata"]["uid"].as_str().unwrap_or_default();
    let of_run = ListParams::default().labels(&format!("{RUN}={uid}"));
    until("nothing is left of the run", SOON, || async {
        let jobs: Api<Job> = Api::namespaced(env.client.clone(), NAMESPACE);
        let secrets: Api<Secret> = Api::namespaced(env.client.clone(), NAMESPACE);
        let left = jobs.list(&of_run).await?.items.len() + secrets.list(&of_run).await?.items.len();
        Ok((left == 0).then_some(()))
    })
    .await
}
