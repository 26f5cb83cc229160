//! API objects: they are in a repository of their own, and no mover of a namespace can open it.
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::backup_scheduler::application::{application, available, object};
use crate::backup_scheduler::env::{BackupEnv, Home, LABELS, LATER, PASSPHRASE, SOON};
use crate::backup_scheduler::files;
use crate::case::Case;
use crate::install::NAMESPACE;
use crate::namespaces::apply as apply_namespace;
use crate::objects::{apply, delete, get};
use crate::wait::until;

/// The label of what belongs to a run.
const RUN: &str = "backup.hearth.home.arpa/run";

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    vec![
        Case::new(
            "objects_of_a_namespace_are_backed_up_and_nothing_in_it_can_open_them",
            |env| Box::pin(namespace(env)),
        ),
        Case::new(
            "a_deleted_namespace_comes_back_with_its_data_before_its_workloads",
            |env| Box::pin(deleted(env)),
        ),
        Case::new(
            "a_namespace_is_copied_under_another_name_from_the_operators_namespace",
            |env| Box::pin(copied(env)),
        ),
        Case::new(
            "everything_comes_back_by_one_restore_after_all_namespaces_were_lost",
            |env| Box::pin(everything(env)),
        ),
    ]
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

fn settings(home: &Home) -> Value {
    object(home, "v1", "ConfigMap", "settings", json!({"data": {"mode": "quiet"}}))
}

fn reader(home: &Home) -> Value {
    let rules = json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]});
    object(home, "rbac.authorization.k8s.io/v1", "Role", "reader", rules)
}

fn token(home: &Home, value: &str) -> Value {
    object(home, "v1", "Secret", "token", json!({"stringData": {"token": value}}))
}

async fn namespace(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("objects").await?;
    let settings = settings(&home);
    let token = token(&home, "planted-in-objects");
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

async fn deleted(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("deleted").await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    let web = application(&home);
    let settings = settings(&home);
    let token = token(&home, "planted-in-deleted");
    let helm = json!({
        "metadata": {
            "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "web"},
        },
        "data": {"of": "helm"},
    });
    let helm = object(&home, "v1", "ConfigMap", "of-helm", helm);
    for object in [&settings, &token, &web, &helm] {
        apply(&env.client, object).await?;
    }
    available(env, &web).await?;
    let run = home.done(&home.backup("first", json!({})), "Completed").await?;
    of_objects(&run)?;

    home.lose_namespace().await?;
    let folder = home.volume("data").await?;
    let restore = home.restore("back", json!({"objects": {}}));
    let run = home.done(&restore, "Completed").await?;
    let restored = &run["status"]["restoredObjects"];
    ensure!(
        restored["failed"] == 0 && restored["skipped"]["Helm"] == 1,
        "{restored}"
    );
    let after = files::read(&folder)?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    available(env, &web).await?;
    let map = get(&env.client, &settings).await?;
    ensure!(map["data"]["mode"] == "quiet", "{map}");
    let secret = get(&env.client, &token).await?;
    ensure!(secret["data"]["token"].is_string(), "the Secret is not there");
    ensure!(
        get(&env.client, &helm).await.is_err(),
        "what Helm makes is left to Helm"
    );
    // The data was there before the pod.
    let claim = get(&env.client, &home.claim("data")).await?;
    let (claim, pod) = (created(&claim), created(&get(&env.client, &web).await?));
    ensure!(claim < pod, "the claim is of {claim}, the workload of {pod}");
    Ok(())
}

fn created(object: &Value) -> String {
    object["metadata"]["creationTimestamp"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

async fn everything(env: &BackupEnv) -> Result<()> {
    let mut home = env.home("everything").await?;
    let second = "everything-plain";
    home.repository["spec"]["namespaces"] = json!([home.name, second]);
    apply_namespace(&env.client, second, &LABELS).await?;
    apply(&env.client, &home.repository).await?;
    home.repository_condition("Ready", "True", "", LATER).await?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    let (web, reader) = (application(&home), reader(&home));
    let mut plain = settings(&home);
    plain["metadata"]["namespace"] = json!(second);
    for object in [&web, &reader, &plain] {
        apply(&env.client, object).await?;
    }
    available(env, &web).await?;
    let mut without_volumes = home.backup("first", json!({}));
    without_volumes["metadata"]["namespace"] = json!(second);
    home.done(&home.backup("first", json!({})), "Completed").await?;
    home.done(&without_volumes, "Completed").await?;

    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    for name in [home.name.as_str(), second] {
        namespaces.delete(name, &DeleteParams::default()).await?;
    }
    until("the namespaces are gone", LATER, || async {
        let first = namespaces.get_opt(&home.name).await?;
        Ok((first.is_none() && namespaces.get_opt(second).await?.is_none()).then_some(()))
    })
    .await?;
    let folder = home.volume("data").await?;
    let mut restore = home.restore("everything", json!({"objects": {"namespaces": ["*"]}}));
    restore["metadata"]["namespace"] = json!(NAMESPACE);
    restore["metadata"]["labels"] = json!({(crate::namespaces::LABEL): "e2e"});
    let run = home.done(&restore, "Completed").await?;
    let status = &run["status"];
    ensure!(status["good"] == 1 && status["total"] == 1, "{status}");
    ensure!(
        status["namespaces"][0]["state"] == "Completed" && status["namespaces"][1]["state"] == "Completed",
        "{status}"
    );
    let after = files::read(&folder)?;
    ensure!(after == before, "{after:?} instead of {before:?}");
    available(env, &web).await?;
    // It is of the cluster's administrator, so roles are restored too.
    get(&env.client, &reader).await?;
    let map = get(&env.client, &plain).await?;
    ensure!(map["data"]["mode"] == "quiet", "{map}");
    delete(&env.client, &restore).await
}

async fn copied(env: &BackupEnv) -> Result<()> {
    let home = env.ready_home("copied").await?;
    let settings = settings(&home);
    let reader = reader(&home);
    for object in [&settings, &reader] {
        apply(&env.client, object).await?;
    }
    home.done(&home.backup("first", json!({})), "Completed").await?;

    // A tenant gets no rights by a restore, and writes in no other namespace.
    delete(&env.client, &reader).await?;
    let run = home
        .done(&home.restore("own", json!({"objects": {"only": true}})), "Completed")
        .await?;
    let restored = &run["status"]["restoredObjects"];
    ensure!(restored["skipped"]["NotPermitted"] == 1, "{restored}");
    ensure!(get(&env.client, &reader).await.is_err(), "the Role is there");
    let other = json!({"objects": {"only": true, "namespaces": ["default"]}});
    let message = home.ends(&home.restore("other", other), "InvalidSpec").await?;
    ensure!(message.contains("operator's namespace"), "{message}");

    let mut copy = home.restore(
        "copy",
        json!({
            "objects": {"only": true, "namespaces": [home.name]}, "namespaceMapping": {(home.name.as_str()): "copied-anew"},
            "dryRun": true,
        }),
    );
    copy["metadata"]["namespace"] = json!(NAMESPACE);
    copy["metadata"]["labels"] = json!({(crate::namespaces::LABEL): "e2e"});
    let run = home.done(&copy, "DryRun").await?;
    let planned = &run["status"]["restoredObjects"];
    ensure!(planned["created"].as_i64() >= Some(3), "{planned}");
    let mut there = settings.clone();
    there["metadata"]["namespace"] = json!("copied-anew");
    ensure!(get(&env.client, &there).await.is_err(), "a dry run has written");
    copy["spec"]["dryRun"] = json!(false);
    home.done(&copy, "Completed").await?;
    let map = get(&env.client, &there).await?;
    ensure!(map["data"]["mode"] == "quiet", "{map}");
    let mut role = reader.clone();
    role["metadata"]["namespace"] = json!("copied-anew");
    get(&env.client, &role).await?;
    delete(&env.client, &copy).await
}
