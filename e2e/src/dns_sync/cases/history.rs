//! What becomes of records and of their owner records when objects, settings, hosted zones and other writers change over time.
use std::time::Duration;

use crate::fake_route53::{Access, client};
use crate::objects::{apply, delete, ingress, load_balancer, object_condition, record};
use crate::wait::{never, until};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::ownership::set;
use crate::case::Case;
use crate::dns_sync::env::{DnsEnv, LATER, SOON, Zone};
use crate::namespaces::namespace;

/// For so long nothing must happen: several times what a change takes.
const QUIET: Duration = Duration::from_secs(4);

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("a_shared_record_stays_as_long_as_one_of_its_objects", |env| {
            Box::pin(shared(env))
        }),
        Case::new("an_owner_record_without_its_record_goes_with_the_object", |env| {
            Box::pin(separated(env))
        }),
        Case::new("a_changed_class_parks_the_names_of_the_old_one", |env| {
            Box::pin(settings(env))
        }),
        Case::new("another_writer_with_our_owner_is_corrected_once", |env| {
            Box::pin(another_writer(env))
        })
        .slow("the zone has to be listed again, which happens once a minute at most"),
        Case::new("a_hosted_zone_that_is_created_again_is_found", |env| {
            Box::pin(created_again(env))
        }),
    ]
}

fn address(namespace: &str, name: &str, more: &Value) -> Value {
    let mut spec = json!({"name": "x", "zone": namespace, "type": "A", "targets": ["192.0.2.200"]});
    crate::objects::merge(&mut spec, more.clone());
    record(namespace, name, &spec)
}

/// Asks for a list of the zone, and waits until it is done.
async fn list(zone: &mut Zone, request: &str) -> Result<()> {
    zone.annotate("dns.hearth.home.arpa/reconcile-at", request).await?;
    until("the zone is listed", LATER, || async {
        let done = zone.now().await?["status"]["lastHandledReconcileAt"] == *request;
        Ok(done.then_some(()))
    })
    .await
}

/// Two objects want the same value; the one that the owner record names goes while the other is suspended.
async fn shared(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "shared").await?;
    let zone = env.zone("shared", json!({})).await?;
    let service = load_balancer("shared", "web", &zone.host("x"), &["192.0.2.200"]);
    apply(client, &service).await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    let other = address("shared", "other", &json!({}));
    apply(client, &other).await?;
    object_condition(client, &other, "Ready", "True", "Published", LATER).await?;
    apply(client, &address("shared", "other", &json!({"suspend": true}))).await?;
    object_condition(client, &other, "Ready", "True", "Suspended", LATER).await?;
    delete(client, &service).await?;
    never("the record of a suspended object goes", QUIET, || async {
        let values = zone.values("x", "A")?;
        Ok((values != ["192.0.2.200"]).then(|| format!("{values:?}")))
    })
    .await?;
    apply(client, &other).await?;
    object_condition(client, &other, "Ready", "True", "Published", LATER).await?;
    delete(client, &other).await?;
    zone.removed("x", "A", LATER).await?;
    until("no owner record is left", SOON, || async {
        let sets = zone.sets()?;
        ensure!(sets.is_empty(), "{sets:?}");
        Ok(Some(()))
    })
    .await
}

/// A person deletes the record, and then the object goes.
async fn separated(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "apart").await?;
    let zone = env.zone("apart", json!({})).await?;
    let object = address("apart", "x", &json!({}));
    apply(client, &object).await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    ensure!(
        env.control.remove(&zone.id, &zone.host("x"), "A")?,
        "there was no record to remove"
    );
    delete(client, &object).await?;
    until("the owner record is deleted", LATER, || async {
        let sets = zone.sets()?;
        ensure!(sets.is_empty(), "{sets:?}");
        Ok(Some(()))
    })
    .await?;
    // What a person creates there later is not ours.
    env.control.put(&zone.id, set(&zone.host("x"), "A", &["203.0.113.9"]))?;
    let mut zone = zone;
    list(&mut zone, "later").await?;
    never("a record of a person goes", QUIET, || async {
        let values = zone.values("x", "A")?;
        Ok((values != ["203.0.113.9"]).then(|| format!("{values:?}")))
    })
    .await
}

/// A slip in `sources.ingresses.classes`.
async fn settings(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "slip").await?;
    let mut zone = env
        .zone("slip", json!({"sources": {"ingresses": {"classes": ["public"]}}}))
        .await?;
    apply(
        client,
        &ingress("slip", "web", "public", &zone.host("web"), &["192.0.2.210"]),
    )
    .await?;
    zone.holds("web", "A", &["192.0.2.210"], LATER).await?;
    zone.change(json!({"sources": {"ingresses": {"classes": ["pubilc"]}}}))
        .await?;
    zone.condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    ensure!(
        zone.values("web", "A")? == ["192.0.2.210"],
        "a slip in the classes has deleted the record"
    );
    // It is put right.
    zone.change(json!({"sources": {"ingresses": {"classes": ["public"]}}}))
        .await?;
    zone.condition("DeletesParked", "False", "NothingParked", LATER).await?;
    zone.holds("web", "A", &["192.0.2.210"], SOON).await
}

/// Another cluster with the same owner, and an object of the same name.
async fn another_writer(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "twin").await?;
    let mut zone = env.zone("twin", json!({"driftInterval": "1m"})).await?;
    let object = address("twin", "x", &json!({}));
    apply(client, &object).await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    object_condition(client, &object, "Ready", "True", "Published", LATER).await?;
    let theirs = set(&zone.host("x"), "A", &["203.0.113.77"]);
    env.control.put(&zone.id, theirs.clone())?;
    list(&mut zone, "first").await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    // It is written back at once: this is no drift, but somebody who insists.
    env.control.put(&zone.id, theirs)?;
    // No request: that would ask for another attempt.
    let message = zone
        .condition("InSync", "False", "AnotherWriter", Duration::from_mins(2))
        .await?;
    ensure!(
        message.contains("clusterName") && message.contains("ownerID"),
        "the message names no way out: {message}"
    );
    ensure!(
        zone.values("x", "A")? == ["203.0.113.77"],
        "it was overwritten all the same"
    );
    object_condition(client, &object, "Ready", "False", "AnotherWriter", LATER)
        .await
        .map(drop)
}

/// A person deletes the hosted zone and creates it again; the DNSZone names no id.
async fn created_again(env: &DnsEnv) -> Result<()> {
    let cluster = &env.client;
    namespace(cluster, "again").await?;
    let mut zone = env.zone("again", json!({"route53": {"zoneID": null}})).await?;
    let object = address("again", "x", &json!({}));
    apply(cluster, &object).await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    for set in zone.sets()? {
        env.control.remove(&zone.id, &set.name, &set.kind)?;
    }
    let creator = client(&env.provider.endpoint(), "AKIACREATOR");
    creator.delete_hosted_zone().id(&zone.id).send().await?;
    let reference = format!("again-{}", jiff::Timestamp::now().as_nanosecond());
    let made = creator
        .create_hosted_zone()
        .name(&zone.domain)
        .caller_reference(reference)
        .send()
        .await?;
    let id = made.hosted_zone().context("no zone was made")?.id();
    id.trim_start_matches("/hostedzone/").clone_into(&mut zone.id);
    env.control.allow(&zone.key, Access::zones([zone.id.as_str()]));
    zone.annotate("dns.hearth.home.arpa/reconcile-at", "now").await?;
    zone.holds("x", "A", &["192.0.2.200"], LATER).await?;
    zone.condition("Ready", "True", "Publishing", LATER).await?;
    let found = zone.now().await?["status"]["zoneID"].clone();
    ensure!(found == zone.id.as_str(), "the zone in use is {found}");
    Ok(())
}
