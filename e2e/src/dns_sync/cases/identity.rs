//! Identities: roles, and zones of one name.
use crate::fake_route53::{Access, Operation, client};
use crate::objects::{apply, object_condition, record};
use anyhow::{Context, Result, ensure};
use aws_sdk_route53::types::{HostedZoneConfig, Vpc, VpcRegion};
use serde_json::json;

use crate::case::Case;
use crate::dns_sync::env::{DnsEnv, LATER};
use crate::namespaces::namespace;

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    vec![
        Case::new("a_role_is_assumed", |env| Box::pin(role(env))),
        Case::new("a_public_and_a_private_zone_of_one_name", |env| Box::pin(split(env))),
    ]
}

async fn role(env: &DnsEnv) -> Result<()> {
    let (cluster, control) = (&env.client, &env.control);
    namespace(cluster, "role").await?;
    let arn = "arn:aws:iam::123456789012:role/dns-of-home";
    let spec = json!({"route53": {"assumeRole": {"roleARN": arn, "externalID": "hearth"}}});
    let zone = env.unapplied_zone("role", spec).await?;
    // The key itself may do nothing with the zone; the role may.
    control.allow(&zone.key, Access::zones([]));
    control.allow_role(arn, Access::zones([zone.id.as_str()]));
    let before = control.count(Operation::AssumeRole);
    apply(cluster, &zone.object).await?;
    let object = record(
        "role",
        "x",
        &json!({"name": "x", "zone": "role", "type": "A", "targets": ["192.0.2.150"]}),
    );
    apply(cluster, &object).await?;
    zone.holds("x", "A", &["192.0.2.150"], LATER).await?;
    ensure!(control.count(Operation::AssumeRole) > before, "no role was assumed");
    Ok(())
}

async fn split(env: &DnsEnv) -> Result<()> {
    let cluster = &env.client;
    namespace(cluster, "split").await?;
    let public = env.zone("split", json!({"route53": {"zoneID": null}})).await?;
    let creator = client(&env.provider.endpoint(), "AKIACREATOR");
    let made = creator
        .create_hosted_zone()
        .name(&public.domain)
        .caller_reference(format!("split-{}", jiff::Timestamp::now().as_nanosecond()))
        .hosted_zone_config(HostedZoneConfig::builder().private_zone(true).build())
        .vpc(
            Vpc::builder()
                .vpc_region(VpcRegion::UsEast1)
                .vpc_id("vpc-0123456789abcdef0")
                .build(),
        )
        .send()
        .await?;
    let made = made.hosted_zone().context("no zone was made")?;
    let private_id = made.id().trim_start_matches("/hostedzone/").to_owned();
    env.control
        .allow(&public.key, Access::zones([public.id.as_str(), private_id.as_str()]));
    let mut private = public.object.clone();
    private["metadata"]["name"] = json!("split-private");
    private["spec"]["route53"]["type"] = json!("Private");
    apply(cluster, &private).await?;
    object_condition(cluster, &private, "Ready", "True", "Publishing", LATER).await?;
    // An absolute name without a zone goes to both; one with a zone only there.
    let spec = json!({"name": "both.split.example.org.", "type": "A", "targets": ["192.0.2.160"]});
    apply(cluster, &record("split", "both", &spec)).await?;
    let spec = json!({"name": "inside", "zone": "split-private", "type": "A", "targets": ["10.0.0.1"]});
    apply(cluster, &record("split", "inside", &spec)).await?;
    for object in ["both", "inside"] {
        object_condition(
            cluster,
            &record("split", object, &json!({})),
            "Ready",
            "True",
            "Published",
            LATER,
        )
        .await?;
    }
    let at = |zone: &str, label: &str| anyhow::Ok(env.control.get(zone, &public.host(label), "A")?.is_some());
    ensure!(
        at(&public.id, "both")? && at(&private_id, "both")?,
        "the name is not in both zones"
    );
    ensure!(
        !at(&public.id, "inside")? && at(&private_id, "inside")?,
        "a name of the private zone leaked"
    );
    Ok(())
}
