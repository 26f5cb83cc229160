//! Only what is ours is changed or deleted.
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::objects::{apply, delete, object_condition, patch};
use crate::secret_sync::env::{LATER, SOON, SecretEnv, base64};
use crate::wait::{never, until};

pub(super) fn cases() -> Vec<Case<SecretEnv>> {
    vec![
        Case::new("an_edited_or_deleted_secret_is_restored_within_a_second", |env| {
            Box::pin(restored(env))
        }),
        Case::new("a_foreign_secret_is_a_conflict_unless_it_is_adopted", |env| {
            Box::pin(foreign(env))
        }),
        Case::new("two_syncs_for_one_secret_are_a_conflict_of_the_younger", |env| {
            Box::pin(two(env))
        }),
        Case::new("a_changed_type_and_name_are_followed", |env| Box::pin(changed(env)))
            .slow("the former Secret goes a minute after it was replaced"),
        Case::new("the_secret_of_a_deleted_sync_goes_after_a_minute", |env| {
            Box::pin(orphan(env))
        })
        .slow("it goes after a minute"),
    ]
}

async fn restored(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("restored").await?;
    source.put("a", &[("v", "one"), ("w", "two")]).await?;
    source.synced("app", json!({"keys": {"A": "a#v", "B": "a#w"}})).await?;
    let values = [("A", "one"), ("B", "two")];
    source.holds("app", &values, SOON).await?;
    let secret = source.secret("app");
    patch(&env.client, &secret, &json!({"data": {"A": base64("other")}})).await?;
    source.holds("app", &values, Duration::from_secs(2)).await?;
    patch(&env.client, &secret, &json!({"data": {"B": null}})).await?;
    source.holds("app", &values, Duration::from_secs(2)).await?;
    delete(&env.client, &secret).await?;
    source.holds("app", &values, Duration::from_secs(2)).await?;
    // Another one's label is not ours to remove.
    patch(&env.client, &secret, &json!({"metadata": {"labels": {"team": "home"}}})).await?;
    never("the label goes", Duration::from_secs(2), || async {
        let labels = source.found("app").await?["metadata"]["labels"].clone();
        Ok((labels["team"] != "home").then(|| labels.to_string()))
    })
    .await
}

async fn foreign(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("foreign").await?;
    source.put("a", &[("v", "one")]).await?;
    let mut secret = source.secret("app");
    secret["data"] = json!({"A": base64("theirs"), "MORE": base64("theirs")});
    apply(&env.client, &secret).await?;
    let spec = json!({"keys": {"A": "a#v"}});
    let sync = source.apply("app", spec.clone()).await?;
    let message = object_condition(&env.client, &sync, "Ready", "False", "Conflict", SOON).await?;
    ensure!(message.contains("adopt"), "{message}");
    ensure!(
        source.found("app").await?["data"] == secret["data"],
        "a foreign Secret was written"
    );
    let mut adopting = spec;
    adopting["target"] = json!({"adopt": true});
    source.synced("app", adopting).await?;
    let data = source.found("app").await?["data"].clone();
    ensure!(
        data["A"] == base64(&crate::secret_sync::env::planted("one")),
        "not adopted"
    );
    ensure!(data["MORE"] == base64("theirs"), "a key that nobody named was removed");
    Ok(())
}

async fn two(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("two").await?;
    source.put("a", &[("v", "one")]).await?;
    source.put("b", &[("v", "two")]).await?;
    source
        .synced("older", json!({"keys": {"A": "a#v"}, "target": {"name": "app"}}))
        .await?;
    let mark = source.gate.mark();
    let younger = source
        .apply("younger", json!({"keys": {"A": "b#v"}, "target": {"name": "app"}}))
        .await?;
    let message = object_condition(&env.client, &younger, "Stalled", "True", "Conflict", SOON).await?;
    ensure!(message.starts_with("spec.target.name: SecretSync older"), "{message}");
    ensure!(source.gate.count(mark, "/data/b") == 0, "the younger one was read");
    source.holds("app", &[("A", "one")], SOON).await
}

async fn changed(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("changed").await?;
    source.put("a", &[("username", "u"), ("password", "p")]).await?;
    let keys = json!({"username": "a#username", "password": "a#password"});
    let values = [("username", "u"), ("password", "p")];
    source.synced("app", json!({"keys": keys})).await?;
    let uid = source.found("app").await?["metadata"]["uid"].clone();
    let typed = json!({"keys": keys, "target": {"type": "kubernetes.io/basic-auth"}});
    source.synced("app", typed).await?;
    let secret = source.found("app").await?;
    ensure!(secret["type"] == "kubernetes.io/basic-auth" && secret["metadata"]["uid"] != uid);
    source.holds("app", &values, SOON).await?;
    let renamed = json!({"keys": keys, "target": {"type": "kubernetes.io/basic-auth", "name": "new"}});
    source.synced("app", renamed).await?;
    source.holds("new", &values, SOON).await?;
    never("the former one goes at once", Duration::from_secs(30), || async {
        Ok(source.found("app").await?.is_null().then(|| "it is gone".to_owned()))
    })
    .await?;
    until("the former Secret is gone", LATER, || async {
        Ok(source.found("app").await?.is_null().then_some(()))
    })
    .await
}

async fn orphan(env: &SecretEnv) -> Result<()> {
    let source = env.ready_source("orphan").await?;
    source.put("a", &[("v", "one")]).await?;
    let sync = source.synced("app", json!({"keys": {"A": "a#v"}})).await?;
    source.synced("other", json!({"keys": {"A": "a#v"}})).await?;
    delete(&env.client, &sync).await?;
    never("the Secret goes at once", Duration::from_secs(45), || async {
        Ok(source.found("app").await?.is_null().then(|| "it is gone".to_owned()))
    })
    .await?;
    until("the Secret is gone", LATER, || async {
        Ok(source.found("app").await?.is_null().then_some(()))
    })
    .await?;
    source.holds("other", &[("A", "one")], SOON).await
}
