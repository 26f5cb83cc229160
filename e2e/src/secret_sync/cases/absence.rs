//! What is absent, forgotten or empty deletes nothing.
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::namespaces::namespace;
use crate::objects::{apply, get, object_condition};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, Source, is_current};
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
        Case::new(
            "a_crd_deleted_while_the_operator_is_off_takes_no_secret_with_it",
            |env| Box::pin(crd_goes_while_off(env)),
        )
        .exclusive(&[Exclusive::Operator]),
        Case::new("a_namespace_goes_while_the_operator_is_off", |env| {
            Box::pin(namespace_goes_while_off(env))
        })
        .exclusive(&[Exclusive::Operator]),
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

/// A namespace with 50 SecretSyncs, whose provider then refuses everything.
async fn full_namespace(env: &SecretEnv, name: &str, prefix: &'static str) -> Result<Source> {
    const COUNT: usize = 50;
    let source = env.ready_source(name).await?;
    source.put("a", &[("v", "one")]).await?;
    let mut last = json!(null);
    for number in 0..COUNT {
        last = source
            .apply(&format!("app-{number}"), json!({"keys": {"A": "a#v"}}))
            .await?;
    }
    source.holds("app-49", &[("A", "one")], LATER).await?;
    for object in [&last, &source.secret("app-49")] {
        let finalizers = get(&env.client, object).await?["metadata"]["finalizers"].clone();
        ensure!(finalizers.is_null(), "{} has {finalizers}", object["kind"]);
    }
    let refusal = r#"{"errors":["permission denied"]}"#.to_owned();
    source.gate.set(Mode::Answer(prefix, 403, refusal));
    Ok(source)
}

async fn delete_namespace(env: &SecretEnv, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(env.client.clone());
    namespaces.delete(name, &DeleteParams::default()).await?;
    until("the namespace is gone", Duration::from_secs(30), || async {
        Ok(namespaces.get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

/// External Secrets #6677, #5426: finalizers and retries keep a namespace from going.
async fn namespace_goes(env: &SecretEnv) -> Result<()> {
    let _source = full_namespace(env, "going", "/v1/going/").await?;
    delete_namespace(env, "going").await
}

/// The same, when nobody is there who could remove a finalizer.
async fn namespace_goes_while_off(env: &SecretEnv) -> Result<()> {
    let _source = full_namespace(env, "going-off", "/v1/going-off/").await?;
    env.operator.while_off(delete_namespace(env, "going-off"), LATER).await
}

/// Three SecretSyncs in two namespaces, and their Secrets.
struct Three<'a> {
    env: &'a SecretEnv,
    syncs: Vec<Value>,
    secrets: Vec<Value>,
    _source: Source,
}

impl<'a> Three<'a> {
    async fn new(env: &'a SecretEnv, name: &str) -> Result<Self> {
        let source = env.ready_source(&format!("{name}-a")).await?;
        namespace(&env.client, &format!("{name}-b")).await?;
        let mut object = source.object.clone();
        object["spec"]["allow"] = json!([{"namespaces": [format!("{name}-?")]}]);
        apply(&env.client, &object).await?;
        source.put("a", &[("v", "one")]).await?;
        let spec = json!({"keys": {"A": "a#v"}});
        let mut syncs = ["one", "two", "three"].map(|sync| source.sync(sync, spec.clone()));
        syncs[2]["metadata"]["namespace"] = json!(format!("{name}-b"));
        let secret = |sync: &Value| {
            let meta = &sync["metadata"];
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": meta["namespace"], "name": meta["name"]}})
        };
        let three = Self {
            env,
            secrets: syncs.iter().map(secret).collect(),
            syncs: syncs.into(),
            _source: source,
        };
        three.apply().await?;
        three.ready().await?;
        Ok(three)
    }

    async fn apply(&self) -> Result<()> {
        for sync in &self.syncs {
            apply(&self.env.client, sync).await?;
        }
        Ok(())
    }

    async fn ready(&self) -> Result<()> {
        for sync in &self.syncs {
            object_condition(&self.env.client, sync, "Ready", "True", "Synced", LATER).await?;
        }
        Ok(())
    }

    /// UIDs and versions: nothing was written.
    async fn found(&self) -> Result<Vec<(Value, Value)>> {
        let mut found = Vec::new();
        for secret in &self.secrets {
            let meta = get(&self.env.client, secret).await?["metadata"].clone();
            found.push((meta["uid"].clone(), meta["resourceVersion"].clone()));
        }
        Ok(found)
    }

    async fn stays(&self, before: &[(Value, Value)], time: Duration) -> Result<()> {
        never("a Secret goes or changes", time, || async {
            let now = self.found().await;
            let same = now.as_ref().is_ok_and(|now| now == before);
            Ok((!same).then(|| format!("{now:?} after {before:?}")))
        })
        .await
    }
}

/// Deletes the CRD; returns it as it can be created again.
async fn delete_crd(env: &SecretEnv) -> Result<CustomResourceDefinition> {
    let crds: Api<CustomResourceDefinition> = Api::all(env.client.clone());
    let mut crd = crds.get(CRD).await?;
    crds.delete(CRD, &DeleteParams::default()).await?;
    until("the CRD is gone", LATER, || async {
        Ok(crds.get_opt(CRD).await?.is_none().then_some(()))
    })
    .await?;
    crd.metadata = kube::api::ObjectMeta {
        name: Some(CRD.to_owned()),
        labels: crd.metadata.labels.clone(),
        annotations: Some(crd.annotations().clone()),
        ..Default::default()
    };
    crd.status = None;
    Ok(crd)
}

async fn create_crd(env: &SecretEnv, crd: &CustomResourceDefinition) -> Result<()> {
    let crds: Api<CustomResourceDefinition> = Api::all(env.client.clone());
    crds.create(&PostParams::default(), crd).await?;
    Ok(())
}

/// thaum-xyz/ankhmorpork #1461: the CRDs go with an uninstall, and 74 Secrets with them.
async fn crd_goes(env: &SecretEnv) -> Result<()> {
    let three = Three::new(env, "crd").await?;
    let before = three.found().await?;
    let crd = delete_crd(env).await?;
    let gone = three.stays(&before, Duration::from_secs(5)).await;
    create_crd(env, &crd).await?;
    gone?;
    // Git is slow: a whole minute and more the CRD is there, and its objects are not.
    three.stays(&before, Duration::from_secs(80)).await?;
    three.apply().await?;
    three.ready().await?;
    ensure!(three.found().await? == before, "written after the return");
    Ok(())
}

/// The same while the operator is off: what it does not see, it cannot repair either.
async fn crd_goes_while_off(env: &SecretEnv) -> Result<()> {
    let three = Three::new(env, "crd-off").await?;
    let before = three.found().await?;
    let off = async {
        let crd = delete_crd(env).await?;
        // The garbage collector deletes what has an owner that is gone, within seconds.
        let gone = three.stays(&before, Duration::from_secs(20)).await;
        create_crd(env, &crd).await?;
        gone?;
        until("the objects are back", LATER, || async {
            three.apply().await.map(Some)
        })
        .await
    };
    env.operator.while_off(off, LATER).await?;
    // Their UIDs are others, as after a restore from Git.
    three.ready().await?;
    ensure!(three.found().await? == before, "written after the return");
    Ok(())
}
