//! Many records of a zone at once.
use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use kube::Client;

use crate::dns_sync::env::Zone;
use crate::objects::{create, load_balancer};
use crate::wait::until;

/// Makes Services `prefix-0 …` whose names are `prefix-0.<domain> …`, many at a time.
pub(crate) async fn mass(
    client: &Client,
    namespace: &str,
    prefix: &str,
    domain: &str,
    numbers: std::ops::Range<usize>,
) -> Result<()> {
    let all = numbers.map(|number| {
        let name = format!("{prefix}-{number}");
        load_balancer(namespace, &name, &format!("{name}.{domain}"), &[&address(number)])
    });
    stream::iter(all.map(|object| async move { create(client, &object).await }))
        .buffer_unordered(16)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// A documentation address (RFC 2544) for a number.
fn address(number: usize) -> String {
    format!("198.18.{}.{}", number / 250 % 250, number % 250 + 1)
}

/// Waits until the zone has so many A records, each with its mark, and nothing else.
pub(crate) async fn complete(zone: &Zone, count: usize, limit: Duration) -> Result<()> {
    until(&format!("{count} records with their marks"), limit, || async {
        let sets = zone.sets()?;
        let of = |kind: &str| sets.iter().filter(|set| set.kind == kind).count();
        if of("A") == count && of("TXT") == count {
            Ok(Some(()))
        } else {
            anyhow::bail!("there are {} A and {} TXT", of("A"), of("TXT"))
        }
    })
    .await
}
