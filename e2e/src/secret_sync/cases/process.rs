//! The operator's process: what answers cost it, and what it gives away.
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::objects::object_condition;
use crate::pod_process::of_pod;
use crate::secret_sync::env::{CANARY, LATER, SOON, SecretEnv, base64};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("twenty_endless_answers_need_less_than_five_mebibytes", |env| {
            Box::pin(endless(env))
        })
        .exclusive(&[Exclusive::Operator]),
    ]
}

/// The search for planted values comes after all other cases.
pub(super) fn last() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("planted_values_are_in_secrets_and_nowhere_else", |env| {
            Box::pin(canary(env))
        })
        .exclusive(&[Exclusive::Operator]),
    ]
}

async fn endless(env: &SecretEnv) -> Result<()> {
    const COUNT: usize = 20;
    const MOST: u64 = 5 * 1024 * 1024;
    let source = env.ready_source("endless").await?;
    let mut syncs = Vec::new();
    for number in 0..COUNT {
        let object = format!("s-{number}");
        source.put(&object, &[("v", "one")]).await?;
        let spec = json!({"keys": {"A": format!("{object}#v")}});
        syncs.push(source.synced(&object, spec).await?);
    }
    let process = of_pod(&env.operator.pod().await?, env.operator.name)?;
    source.gate.set(Mode::Endless("/v1/endless/data/"));
    process.reset_peak()?;
    let before = process.peak()?;
    try_join_all(syncs.iter().map(|sync| source.request(sync, "1"))).await?;
    for sync in &syncs {
        object_condition(&env.client, sync, "Fresh", "False", "TooLarge", LATER).await?;
    }
    let more = process.peak()? - before;
    ensure!(more <= MOST, "{more} bytes more than {before}");
    // One object's answer says nothing about the others.
    source.condition("Reachable", "True", "", SOON).await?;
    source.holds("s-7", &[("A", "one")], SOON).await
}

/// The canary is in every value that was planted at the server.
async fn canary(env: &SecretEnv) -> Result<()> {
    let (client, pod) = (&env.client, env.operator.pod().await?);
    let mut texts = vec![
        ("the log", env.operator.log().await?),
        ("metrics", env.operator.page(&pod.name_any(), "metrics").await?),
        // With its annotations, its environment, and how its containers have ended: what `kubectl describe` shows.
        ("the pod", serde_json::to_string(&pod)?),
    ];
    let events = Api::<Event>::all(client.clone()).list(&ListParams::default()).await?;
    texts.push(("events", serde_json::to_string(&events.items)?));
    for kind in ["SecretSync", "ClusterSecretSource"] {
        let gvk = kube::core::GroupVersionKind::gvk("secrets.hearth.home.arpa", "v1alpha1", kind);
        let resource = kube::discovery::ApiResource::from_gvk(&gvk);
        let objects = Api::<DynamicObject>::all_with(client.clone(), &resource)
            .list(&ListParams::default())
            .await?;
        ensure!(!objects.items.is_empty(), "there is no {kind} to look at");
        texts.push(("objects", serde_json::to_string(&objects.items)?));
    }
    for (what, text) in &texts {
        ensure!(!text.contains(CANARY), "a planted value is in {what}");
        ensure!(!text.contains(&base64(CANARY)[..12]), "an encoded value is in {what}");
    }
    let process = of_pod(&pod, env.operator.name)?;
    ensure!(!process.dumps_core()?, "a crash would write the values into a file");
    Ok(())
}
