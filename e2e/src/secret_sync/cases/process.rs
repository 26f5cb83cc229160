//! The operator's process: what answers cost it.
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;

use crate::case::{Case, Exclusive};
use crate::http_gate::Mode;
use crate::objects::object_condition;
use crate::pod_process::of_pod;
use crate::secret_sync::env::{LATER, SOON, SecretEnv};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("twenty_endless_answers_need_less_than_five_mebibytes", |env| {
            Box::pin(endless(env))
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
