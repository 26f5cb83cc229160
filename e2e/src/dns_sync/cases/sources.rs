//! What each source publishes, changes and removes.
use std::time::Duration;

use crate::objects::{apply, delete, ingress, load_balancer, object_condition, record};
use anyhow::{Result, ensure};
use serde_json::json;

use crate::case::Case;
use crate::dns_sync::env::{DnsEnv, SOON};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("a_service_is_published_changed_and_removed", |env| {
            Box::pin(service(env))
        }),
        Case::new("an_ingress_is_published_changed_and_removed", |env| {
            Box::pin(an_ingress(env))
        }),
        Case::new("a_dnsrecord_is_published_changed_and_removed", |env| {
            Box::pin(a_record(env))
        }),
    ]
}

async fn service(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "svc").await?;
    let zone = env.zone("svc", json!({})).await?;
    zone.condition("Ready", "True", "Publishing", Duration::from_secs(30))
        .await?;
    let mark = env.control.mark();
    let web = load_balancer("svc", "web", &zone.host("web"), &["192.0.2.10"]);
    apply(client, &web).await?;
    zone.holds("web", "A", &["192.0.2.10"], SOON).await?;
    let owner = "\"heritage=external-dns,external-dns/owner=e2e,external-dns/resource=service/svc/web\"";
    zone.holds("_owner.a.web", "TXT", &[owner], SOON).await?;
    let writes = zone.writes_since(mark);
    ensure!(
        writes.len() == 1,
        "record and mark must be one call, not {}",
        writes.len()
    );

    apply(
        client,
        &load_balancer("svc", "web", &zone.host("web"), &["192.0.2.11", "192.0.2.12"]),
    )
    .await?;
    zone.holds("web", "A", &["192.0.2.11", "192.0.2.12"], SOON).await?;
    delete(client, &web).await?;
    zone.removed("web", "A", SOON).await?;
    zone.removed("_owner.a.web", "TXT", SOON).await
}

async fn an_ingress(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "ing").await?;
    let zone = env
        .zone("ing", json!({"sources": {"ingresses": {"classes": ["public"]}}}))
        .await?;
    zone.condition("Ready", "True", "Publishing", Duration::from_secs(30))
        .await?;
    apply(
        client,
        &ingress("ing", "hidden", "internal", &zone.host("hidden"), &["192.0.2.20"]),
    )
    .await?;
    let shown = ingress("ing", "shown", "public", &zone.host("shown"), &["192.0.2.21"]);
    apply(client, &shown).await?;
    zone.holds("shown", "A", &["192.0.2.21"], SOON).await?;
    ensure!(
        zone.values("hidden", "A")?.is_empty(),
        "an ingress of another class was published"
    );
    apply(
        client,
        &ingress("ing", "shown", "public", &zone.host("moved"), &["192.0.2.21"]),
    )
    .await?;
    zone.holds("moved", "A", &["192.0.2.21"], SOON).await?;
    zone.removed("shown", "A", SOON).await?;
    delete(client, &shown).await?;
    zone.removed("moved", "A", SOON).await
}

async fn a_record(env: &DnsEnv) -> Result<()> {
    let client = &env.client;
    namespace(client, "rec").await?;
    let zone = env.zone("rec", json!({})).await?;
    zone.condition("Ready", "True", "Publishing", Duration::from_secs(30))
        .await?;
    let kinds = [
        (
            "a4",
            json!({"name": "a4", "zone": "rec", "type": "A", "targets": ["192.0.2.30"], "ttl": 60}),
            "A",
            "192.0.2.30",
        ),
        (
            "a6",
            json!({"name": "a6", "zone": "rec", "type": "AAAA", "targets": ["2001:db8:0:0::1"]}),
            "AAAA",
            "2001:db8::1",
        ),
        (
            "mx",
            json!({"name": "@", "zone": "rec", "type": "MX", "targets": ["10 mail.example.net"]}),
            "MX",
            "10 mail.example.net",
        ),
        (
            "txt",
            json!({"name": "txt", "zone": "rec", "type": "TXT", "targets": ["v=spf1 -all"]}),
            "TXT",
            "\"v=spf1 -all\"",
        ),
        (
            "srv",
            json!({"name": "_x._tcp", "zone": "rec", "type": "SRV", "targets": ["0 50 443 a4.rec.example.org."]}),
            "SRV",
            "0 50 443 a4.rec.example.org",
        ),
        (
            "caa",
            json!({"name": "caa", "zone": "rec", "type": "CAA", "targets": ["0 issue \"letsencrypt.org\""]}),
            "CAA",
            "0 issue \"letsencrypt.org\"",
        ),
        (
            "ns",
            json!({"name": "sub", "zone": "rec", "type": "NS", "targets": ["ns1.example.net", "ns2.example.net"]}),
            "NS",
            "ns1.example.net",
        ),
    ];
    for (name, spec, _, _) in &kinds {
        apply(client, &record("rec", name, spec)).await?;
    }
    for (name, spec, kind, value) in &kinds {
        let object = record("rec", name, spec);
        object_condition(client, &object, "Ready", "True", "Published", Duration::from_secs(10)).await?;
        let label = spec["name"].as_str().unwrap_or_default();
        let host = if label == "@" {
            zone.domain.clone()
        } else {
            zone.host(label)
        };
        let found = env.control.get(&zone.id, &host, kind)?;
        let found = found.map(|set| set.values).unwrap_or_default();
        ensure!(
            found.iter().any(|one| one.trim_end_matches('.') == *value),
            "{host} {kind} is {found:?}, not {value}"
        );
    }
    let changed = record(
        "rec",
        "a4",
        &json!({"name": "a4", "zone": "rec", "type": "A", "targets": ["192.0.2.31"], "ttl": 120}),
    );
    apply(client, &changed).await?;
    zone.holds("a4", "A", &["192.0.2.31"], SOON).await?;
    ensure!(
        zone.at("a4", "A")?.and_then(|set| set.ttl) == Some(120),
        "the ttl was not changed"
    );
    delete(client, &changed).await?;
    zone.removed("a4", "A", SOON).await
}
