//! Invalid input: rejected with a message, or reported in the status of the object; everything else is published.
use crate::objects::{apply, delete, load_balancer, object_condition, record, rejection};
use crate::wait::until;
use anyhow::{Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::case::Case;
use crate::dns_sync::env::{DnsEnv, LATER, SOON};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("the_api_server_rejects_what_the_schema_forbids", |env| {
            Box::pin(refused(env))
        }),
        Case::new("invalid_records_get_a_status_and_valid_ones_are_published", |env| {
            Box::pin(invalid_records(env))
        }),
        Case::new("invalid_annotations_become_events", |env| Box::pin(events(env))),
        Case::new("zone_conditions_say_what_is_wrong", |env| Box::pin(zones(env))),
    ]
}

fn zone(spec: &Value) -> Value {
    json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": "bad"}, "spec": spec})
}

async fn refused(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "bad").await?;
    let record = |spec: Value| record("bad", "bad", &spec);
    let cases = [
        (
            zone(&json!({"domain": "example.org", "policy": "Sync"})),
            "exactly one provider must be set",
        ),
        (zone(&json!({"domain": "example.org", "route53": {}})), "policy"),
        (
            zone(&json!({"domain": "exa mple.org", "policy": "Sync", "route53": {}})),
            "plain domain name",
        ),
        (
            zone(&json!({"domain": "example.org", "policy": "Sync", "route53": {}, "registry": {"kind": "None"}})),
            "only with policy Observe or CreateOnly",
        ),
        (
            zone(
                &json!({"domain": "example.org", "policy": "Sync", "route53": {}, "registry": {"prefix": "a", "suffix": "b"}}),
            ),
            "not both",
        ),
        (
            zone(&json!({"domain": "example.org", "policy": "Sync", "route53": {"zoneID": "nope"}})),
            "route53.zoneID looks like",
        ),
        (
            zone(
                &json!({"domain": "example.org", "policy": "Sync", "route53": {}, "emptyTarget": {"policy": "Delete"}}),
            ),
            "emptyTarget.after",
        ),
        (
            record(json!({"name": "x", "type": "CNAME", "targets": ["a.example.net", "b.example.net"]})),
            "exactly one target",
        ),
        (record(json!({"name": "x", "type": "A", "targets": []})), "targets"),
        (
            record(json!({"name": "x", "type": "A", "targets": ["192.0.2.1"], "ttl": 0})),
            "ttl",
        ),
        (record(json!({"name": "x", "type": "PTR", "targets": ["x"]})), "type"),
        (
            record(json!({"name": "x", "type": "A", "targets": ["192.0.2.1"], "route53": {"weight": 1}})),
            "setIdentifier",
        ),
        (
            record(json!({"name": "x", "type": "MX", "targets": ["10 a"], "route53": {"alias": true}})),
            "route53.alias",
        ),
    ];
    for (object, words) in cases {
        let message = rejection(client, &object).await?;
        ensure!(
            message.contains(words),
            "{object} was refused with {message}, which lacks \"{words}\""
        );
    }
    Ok(())
}

async fn invalid_records(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "told").await?;
    let zone = env.zone("told", json!({})).await?;
    let long = "x".repeat(64);
    let cases = [
        (
            "family",
            json!({"name": "family", "zone": "told", "type": "A", "targets": ["2001:db8::1"]}),
            "AAAA",
        ),
        (
            "label",
            json!({"name": long, "zone": "told", "type": "A", "targets": ["192.0.2.1"]}),
            "63",
        ),
        (
            "mx",
            json!({"name": "mx", "zone": "told", "type": "MX", "targets": ["mail"]}),
            "",
        ),
        (
            "apex",
            json!({"name": "@", "zone": "told", "type": "CNAME", "targets": ["a.example.net"]}),
            "no CNAME",
        ),
        (
            "outside",
            json!({"name": "x.elsewhere.example.", "zone": "told", "type": "A", "targets": ["192.0.2.1"]}),
            "",
        ),
        (
            "alias",
            json!({"name": "al", "zone": "told", "type": "A", "targets": ["missing.told.example.org"], "route53": {"alias": true}}),
            "missing.told",
        ),
    ];
    for (name, spec, _) in &cases {
        apply(client, &record("told", name, spec)).await?;
    }
    apply(
        client,
        &record(
            "told",
            "good",
            &json!({"name": "good", "zone": "told", "type": "A", "targets": ["192.0.2.2"]}),
        ),
    )
    .await?;
    zone.holds("good", "A", &["192.0.2.2"], LATER).await?;
    for (name, spec, words) in &cases {
        let message = object_condition(client, &record("told", name, spec), "Stalled", "True", "", LATER).await?;
        ensure!(
            message.contains(words),
            "{name}: the message lacks \"{words}\": {message}"
        );
    }
    // A good record that turns bad keeps what was published.
    apply(
        client,
        &record(
            "told",
            "good",
            &json!({"name": "good", "zone": "told", "type": "A", "targets": ["not-an-address"]}),
        ),
    )
    .await?;
    object_condition(
        client,
        &record("told", "good", &json!({})),
        "Stalled",
        "True",
        "",
        LATER,
    )
    .await?;
    ensure!(
        zone.values("good", "A")? == ["192.0.2.2"],
        "a bad edit took the record down"
    );
    zone.condition("Ready", "True", "Publishing", SOON).await.map(drop)
}

async fn events(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "noted").await?;
    let zone = env.zone("noted", json!({})).await?;
    let mut bad = load_balancer("noted", "ttl", &zone.host("ttl"), &["192.0.2.3"]);
    bad["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/ttl"] = json!("soon");
    apply(client, &bad).await?;
    // The record is published all the same, with the usual time to live.
    zone.holds("ttl", "A", &["192.0.2.3"], LATER).await?;
    let events: Api<Event> = Api::namespaced(client.clone(), "noted");
    let noted = until("a warning on the Service", LATER, || async {
        let all = events.list(&ListParams::default()).await?;
        let on_service =
            |event: &&Event| event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some("ttl");
        Ok(all.iter().find(on_service).cloned())
    })
    .await?;
    let (kind, note) = (noted.type_.unwrap_or_default(), noted.note.unwrap_or_default());
    ensure!(
        kind == "Warning" && note.contains("soon"),
        "the event is {kind}: {note}"
    );
    Ok(())
}

async fn zones(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    // Credentials that come late: waiting is a state, and the Secret is noticed at once.
    let late = env
        .unapplied_zone(
            "late",
            json!({"route53": {"credentialsSecretRef": {"name": "comes-late"}}}),
        )
        .await?;
    let mut secret = late.secret.clone();
    secret["metadata"]["name"] = json!("comes-late");
    delete(client, &secret).await?;
    apply(client, &late.object).await?;
    let message = late.condition("Ready", "False", "CredentialsNotFound", LATER).await?;
    ensure!(message.contains("comes-late"), "the Secret is not named: {message}");
    apply(client, &secret).await?;
    late.condition("Ready", "True", "Publishing", LATER).await?;
    // Another DNSZone for the same hosted zone.
    let mut twin = late.object.clone();
    twin["metadata"]["name"] = json!("late-twin");
    apply(client, &twin).await?;
    let message = object_condition(client, &twin, "Stalled", "True", "HostedZoneTaken", LATER).await?;
    ensure!(message.contains("late"), "the older zone is not named: {message}");
    // A hosted zone that does not exist.
    let missing = env
        .unapplied_zone("missing", json!({"route53": {"zoneID": "Z0000000NOTHERE"}}))
        .await?;
    env.control.allow(&missing.key, crate::fake_route53::Access::all());
    apply(client, &missing.object).await?;
    missing
        .condition("Stalled", "True", "HostedZoneNotFound", LATER)
        .await
        .map(drop)
}
