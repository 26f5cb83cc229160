//! What is absent, forgotten or empty deletes nothing.
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::namespaces::namespace;
use crate::objects::{apply, get, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, is_current};
use crate::wait::{never, until};

const CRD: &str = "secretsyncs.secrets.hearth.home.arpa";

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("an_emptied_server_empties_no_secret", |env| Box::pin(emptied(env))),
        Case::new("a_namespace_with_fifty_syncs_goes_as_fast_as_without_us", |env| {
            Box::pin(namespace_goes(env))
        }),
        Case::new("a_deleted_crd_takes_no_secret_with_it", |env| Box::pin(crd_goes(env)))
            .exclusive(&[Exclusive::Operator])
            .slow("a Secret of a deleted SecretSync would go after a minute"),
    ]
}

/// A Vault that was initialised anew, an engine that was unmounted, a policy that was taken away.
async fn emptied(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("emptied").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    let before = source.found("app").await?["metadata"]["resourceVersion"].clone();
    let stays = |request: &'static str, reason: &'static str| {
        let (source, sync, before) = (&source, &sync, &before);
        async move {
            source.request(sync, request).await?;
            object_condition(&env.client, sync, "Fresh", "False", reason, SOON).await?;
            ensure!(is_current(&get(&env.client, sync).await?), "not current: {reason}");
            ensure!(
                source.found("app").await?["metadata"]["resourceVersion"] == *before,
                "written: {reason}"
            );
            anyhow::Ok(())
        }
    };
    let api = &source.api;
    api.succeed("DELETE", "sys/policies/acl/emptied", json!(null)).await?;
    stays("1", "Denied").await?;
    let rules = "path \"emptied/data/*\" { capabilities = [\"read\"] }";
    api.post("sys/policies/acl/emptied", json!({"policy": rules})).await?;
    api.succeed("DELETE", "emptied/data/a", json!(null)).await?;
    stays("2", "KeyDeleted").await?;
    api.succeed("DELETE", "emptied/metadata/a", json!(null)).await?;
    stays("3", "KeyMissing").await?;
    api.succeed("DELETE", "sys/mounts/emptied", json!(null)).await?;
    // Without the engine the policy's path is of no engine: that is told apart from an object that is missing.
    stays("4", "MountMissing").await?;
    source
        .api
        .post("sys/mounts/emptied", json!({"type": "kv", "options": {"version": "2"}}))
        .await?;
    until("the engine is there again", SOON, || async {
        Ok(source.put("a", &[("v", "two")]).await.ok())
    })
    .await?;
    source.request(&sync, "5").await?;
    source.holds("app", &[("A", "two")], SOON).await
}

/// External Secrets #6677, #5426: finalizers and retries keep a namespace from going.
async fn namespace_goes(env: &SecretEnv) -> Result<()> {
    const COUNT: usize = 50;
    let source = env.ready_source("going").await?;
    source.put("a", &[("v", "one")]).await?;
    for number in 0..COUNT {
        source
            .apply(&format!("app-{number}"), json!({"keys": {"A": "a#v"}}))
            .await?;
    }
    source.holds("app-49", &[("A", "one")], LATER).await?;
    let refusal = r#"{"errors":["permission denied"]}"#.to_owned();
    source.gate.set(Mode::Answer("/v1/going/", 403, refusal));
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(env.client.clone());
    namespaces.delete("going", &DeleteParams::default()).await?;
    until("the namespace is gone", Duration::from_secs(30), || async {
        Ok(namespaces.get_opt("going").await?.is_none().then_some(()))
    })
    .await
}

/// thaum-xyz/ankhmorpork #1461: the CRDs go with an uninstall, and 74 Secrets with them.
async fn crd_goes(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("crd-a").await?;
    namespace(&env.client, "crd-b").await?;
    let mut object = source.object.clone();
    object["spec"]["allow"] = json!([{"namespaces": ["crd-?"]}]);
    apply(&env.client, &object).await?;
    source.put("a", &[("v", "one")]).await?;
    let mut syncs = vec![
        source.sync("one", json!({"keys": {"A": "a#v"}})),
        source.sync("two", json!({"keys": {"A": "a#v"}})),
        source.sync("three", json!({"keys": {"A": "a#v"}})),
    ];
    syncs[2]["metadata"]["namespace"] = json!("crd-b");
    for sync in &syncs {
        apply(&env.client, sync).await?;
        object_condition(&env.client, sync, "Ready", "True", "Synced", LATER).await?;
    }
    let secrets: Vec<_> = syncs
        .iter()
        .map(|sync| {
            let meta = &sync["metadata"];
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": meta["namespace"], "name": meta["name"]}})
        })
        .collect();
    let all = || async {
        let mut found = Vec::new();
        for secret in &secrets {
            let secret = get(&env.client, secret).await?;
            found.push((secret["metadata"]["uid"].clone(), secret["data"].clone()));
        }
        anyhow::Ok(found)
    };
    let before = all().await?;
    let crds: Api<CustomResourceDefinition> = Api::all(env.client.clone());
    let mut crd = crds.get(CRD).await?;
    crds.delete(CRD, &DeleteParams::default()).await?;
    until("the CRD is gone", LATER, || async {
        Ok(crds.get_opt(CRD).await?.is_none().then_some(()))
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    crd.metadata = kube::api::ObjectMeta {
        name: Some(CRD.to_owned()),
        labels: crd.metadata.labels.clone(),
        annotations: Some(crd.annotations().clone()),
        ..Default::default()
    };
    crd.status = None;
    crds.create(&PostParams::default(), &crd).await?;
    // Git is slow: a whole minute and more the CRD is there, and its objects are not.
    never("a Secret goes or changes", Duration::from_secs(80), || async {
        let now = all().await;
        Ok(match now {
            Ok(now) if now == before => None,
            other => Some(format!("{other:?}")),
        })
    })
    .await?;
    for sync in &syncs {
        apply(&env.client, sync).await?;
        object_condition(&env.client, sync, "Ready", "True", "Synced", LATER).await?;
    }
    ensure!(all().await? == before);
    Ok(())
}
