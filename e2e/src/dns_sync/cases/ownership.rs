//! Which records are ours, and what each policy allows.
use std::time::Duration;

use crate::fake_route53::{RecordSet, Routing};
use crate::objects::{apply, delete, load_balancer, object_condition, record};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::dns_sync::env::{DnsEnv, LATER, SOON};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("two_zones_with_two_credentials", |env| Box::pin(two_zones(env))),
        Case::new("a_takeover_from_external_dns_changes_nothing", |env| {
            Box::pin(takeover(env))
        }),
        Case::new("a_foreign_record_created_between_two_listings_stays", |env| {
            Box::pin(foreign(env))
        }),
        Case::new("each_policy_allows_only_its_changes", |env| Box::pin(policies(env))),
        Case::new("the_first_of_two_objects_with_one_name_keeps_it", |env| {
            Box::pin(conflict(env))
        }),
        Case::new("names_below_a_nested_zone_belong_to_the_nested_zone", |env| {
            Box::pin(nested(env))
        }),
    ]
}

/// `upper` publishes a name until `low.upper` has a DNSZone; then the new one does, and nothing is taken away.
async fn nested(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "nested").await?;
    let upper = env.zone("upper", json!({})).await?;
    let host = format!("a.low.{}", upper.domain);
    apply(client, &load_balancer("nested", "a", &host, &["192.0.2.45"])).await?;
    upper.holds("a.low", "A", &["192.0.2.45"], LATER).await?;
    let mut lower = env.unapplied_zone("low.upper", json!({})).await?;
    "low".clone_into(&mut lower.name);
    lower.object["metadata"]["name"] = json!("low");
    apply(client, &lower.object).await?;
    lower.holds("a", "A", &["192.0.2.45"], LATER).await?;
    upper
        .condition("DeletesParked", "True", "ConfirmationNeeded", LATER)
        .await?;
    let mark = control.mark();
    apply(client, &load_balancer("nested", "b", &lower.host("b"), &["192.0.2.46"])).await?;
    lower.holds("b", "A", &["192.0.2.46"], LATER).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let writes = [upper.writes_since(mark), lower.writes_since(mark)].concat();
    ensure!(writes.len() == 1, "the upper zone wrote as well: {writes:?}");
    upper.holds("a.low", "A", &["192.0.2.45"], LATER).await
}

/// A set as another tool would have written it.
pub(crate) fn set(name: &str, kind: &str, values: &[&str]) -> RecordSet {
    RecordSet {
        name: name.to_owned(),
        kind: kind.to_owned(),
        set_identifier: None,
        routing: Routing::Simple,
        ttl: Some(300),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        alias: None,
        health_check: None,
    }
}

fn mark(owner: &str, resource: &str) -> String {
    format!("\"heritage=external-dns,external-dns/owner={owner},external-dns/resource={resource}\"")
}

async fn two_zones(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "two").await?;
    let one = env.zone("two-a", json!({})).await?;
    let other = env.zone("two-b", json!({})).await?;
    apply(
        client,
        &load_balancer(
            "two",
            "both",
            &format!("{},{}", one.host("x"), other.host("x")),
            &["192.0.2.40"],
        ),
    )
    .await?;
    one.holds("x", "A", &["192.0.2.40"], LATER).await?;
    other.holds("x", "A", &["192.0.2.40"], LATER).await?;
    // A revoked credential stops its own zone only, says so, and a new one is noticed at once.
    control.revoke(&one.key);
    apply(
        client,
        &load_balancer(
            "two",
            "late",
            &format!("{},{}", one.host("y"), other.host("y")),
            &["192.0.2.41"],
        ),
    )
    .await?;
    other.holds("y", "A", &["192.0.2.41"], SOON).await?;
    let message = one.condition("Reachable", "False", "AccessDenied", LATER).await?;
    ensure!(
        !message.contains("not-a-real-secret"),
        "the message shows a credential: {message}"
    );
    control.allow("AKIANEW", crate::fake_route53::Access::zones([one.id.as_str()]));
    let mut secret = one.secret.clone();
    secret["stringData"]["access-key-id"] = json!("AKIANEW");
    apply(client, &secret).await?;
    one.holds("y", "A", &["192.0.2.41"], LATER).await?;
    one.condition("Ready", "True", "Publishing", LATER).await.map(drop)
}

/// Records in every form that external-dns wrote, with its default settings, and the same objects in the cluster.
async fn takeover(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "take").await?;
    let zone = env
        .unapplied_zone(
            "take",
            json!({"ownerID": "old-cluster", "policy": "Observe", "registry": {"prefix": ""}}),
        )
        .await?;
    let service = |name: &str| format!("service/take/{name}");
    let sets = [
        // Today's form, the form before 0.12, the default owner's record, somebody else's, and nobody's.
        set(&zone.host("typed"), "A", &["192.0.2.50"]),
        set(&zone.host("a-typed"), "TXT", &[&mark("old-cluster", &service("typed"))]),
        set(&zone.host("legacy"), "A", &["192.0.2.51"]),
        set(&zone.host("legacy"), "TXT", &[&mark("old-cluster", &service("legacy"))]),
        set(&zone.host("other"), "A", &["192.0.2.52"]),
        set(
            &zone.host("a-other"),
            "TXT",
            &[&mark("another-cluster", &service("other"))],
        ),
        set(&zone.host("nobody"), "A", &["192.0.2.53"]),
        set(&zone.host("gone"), "A", &["192.0.2.54"]),
        set(&zone.host("a-gone"), "TXT", &[&mark("old-cluster", &service("gone"))]),
    ];
    control.put_all(&zone.id, sets)?;
    for (name, address) in [
        ("typed", "192.0.2.50"),
        ("legacy", "192.0.2.51"),
        ("other", "192.0.2.60"),
        ("nobody", "192.0.2.61"),
    ] {
        apply(client, &load_balancer("take", name, &zone.host(name), &[address])).await?;
    }
    let before = control.mark();
    apply(client, &zone.object).await?;
    zone.condition("Ready", "True", "Observing", LATER).await?;
    let plan = crate::wait::until("the plan is one delete", SOON, || async {
        let plan = zone.now().await?["status"]["plan"].clone();
        Ok((plan.as_array().map(Vec::len) == Some(1)).then(|| plan.to_string()))
    })
    .await?;
    ensure!(
        plan.contains("DELETE") && plan.contains("gone.take"),
        "the plan is {plan}"
    );
    // Foreign are the two that are not ours and the zone's own name servers.
    let counts = zone.now().await?["status"]["records"].clone();
    ensure!(
        counts["owned"] == 3 && counts["foreign"] == 3 && counts["conflicted"] == 2,
        "counts are {counts}"
    );
    let mut zone = zone;
    zone.change(json!({"policy": "Sync"})).await?;
    // To let the operator write is no consent to delete what it has not published.
    zone.condition("DeletesParked", "True", "ObjectsAwaited", LATER).await?;
    ensure!(
        zone.writes_since(before).is_empty(),
        "something was written without consent"
    );
    let parked = zone.now().await?["status"]["parked"].clone();
    let hash = parked["hash"].as_str().context("no hash")?.to_owned();
    zone.annotate("dns.hearth.home.arpa/confirm-deletes", &hash).await?;
    zone.removed("gone", "A", LATER).await?;
    zone.removed("a-gone", "TXT", SOON).await?;
    let writes = zone.writes_since(before);
    ensure!(
        writes.len() == 1,
        "a takeover must write nothing but the delete, not {writes:?}"
    );
    ensure!(
        zone.values("other", "A")? == ["192.0.2.52"] && zone.values("nobody", "A")? == ["192.0.2.53"],
        "a foreign record was changed"
    );
    Ok(())
}

async fn foreign(env: &DnsEnv) -> Result<()> {
    let (client, control) = (&env.client, &env.control);
    namespace(client, "alien").await?;
    let zone = env.zone("alien", json!({})).await?;
    zone.condition("InSync", "True", "", LATER).await?;
    // Behind the operator's back: the image in its memory knows nothing of these.
    control.put(&zone.id, set(&zone.host("mine"), "A", &["203.0.113.1"]))?;
    control.put(
        &zone.id,
        set(&zone.host("_owner.a.txt"), "TXT", &[&mark("stranger", "service/x/y")]),
    )?;
    for name in ["mine", "txt", "fine"] {
        apply(
            client,
            &record(
                "alien",
                name,
                &json!({"name": name, "zone": "alien", "type": "A", "targets": ["192.0.2.70"]}),
            ),
        )
        .await?;
    }
    zone.holds("fine", "A", &["192.0.2.70"], LATER).await?;
    for name in ["mine", "txt"] {
        let object = record("alien", name, &json!({}));
        object_condition(client, &object, "Ready", "False", "Conflicted", LATER).await?;
    }
    ensure!(
        zone.values("mine", "A")? == ["203.0.113.1"],
        "a foreign record was overwritten"
    );
    ensure!(
        zone.values("txt", "A")?.is_empty(),
        "a record was made without a mark of ours"
    );
    // Deleting our object must not delete the stranger's record.
    delete(client, &record("alien", "mine", &json!({}))).await?;
    delete(client, &record("alien", "fine", &json!({}))).await?;
    zone.removed("fine", "A", LATER).await?;
    ensure!(
        zone.values("mine", "A")? == ["203.0.113.1"],
        "a foreign record was deleted"
    );
    Ok(())
}

async fn policies(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "pol").await?;
    let mut zone = env.zone("pol", json!({"policy": "Observe"})).await?;
    let object = |address: &str| {
        record(
            "pol",
            "x",
            &json!({"name": "x", "zone": "pol", "type": "A", "targets": [address]}),
        )
    };
    apply(client, &object("192.0.2.80")).await?;
    object_condition(client, &object(""), "Ready", "True", "Observed", LATER).await?;
    ensure!(zone.sets()?.is_empty(), "Observe wrote something");
    zone.change(json!({"policy": "CreateOnly"})).await?;
    zone.holds("x", "A", &["192.0.2.80"], LATER).await?;
    apply(client, &object("192.0.2.81")).await?;
    object_condition(client, &object(""), "Ready", "True", "Observed", LATER).await?;
    ensure!(zone.values("x", "A")? == ["192.0.2.80"], "CreateOnly changed a record");
    zone.change(json!({"policy": "UpsertOnly"})).await?;
    zone.holds("x", "A", &["192.0.2.81"], LATER).await?;
    delete(client, &object("192.0.2.81")).await?;
    zone.condition("InSync", "False", "Pending", LATER).await?;
    ensure!(zone.values("x", "A")? == ["192.0.2.81"], "UpsertOnly deleted a record");
    zone.change(json!({"policy": "Sync"})).await?;
    zone.removed("x", "A", LATER).await
}

async fn conflict(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "duel").await?;
    let zone = env.zone("duel", json!({})).await?;
    let object = |name: &str, address: &str| {
        record(
            "duel",
            name,
            &json!({"name": "x", "zone": "duel", "type": "A", "targets": [address]}),
        )
    };
    apply(client, &object("first", "192.0.2.90")).await?;
    zone.holds("x", "A", &["192.0.2.90"], LATER).await?;
    apply(client, &object("a-second", "192.0.2.91")).await?;
    let message = object_condition(client, &object("a-second", ""), "Ready", "False", "Conflicted", LATER).await?;
    ensure!(
        message.contains("first"),
        "the message does not name the winner: {message}"
    );
    ensure!(zone.values("x", "A")? == ["192.0.2.90"], "the holder lost its name");
    // When the holder goes, the other gets the name.
    delete(client, &object("first", "")).await?;
    zone.holds("x", "A", &["192.0.2.91"], LATER).await?;
    object_condition(
        client,
        &object("a-second", ""),
        "Ready",
        "True",
        "Published",
        Duration::from_secs(10),
    )
    .await
    .map(drop)
}
