//! dns-sync on a real cluster, installed by its chart under its own RBAC, against a strict Route 53.
mod blackout;
mod faults;
mod guard;
mod identity;
mod invalid;
mod lifecycle;
mod ownership;
mod sources;

use std::time::Duration;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use hearth_e2e::objects::{create, load_balancer};
use kube::Client;

use crate::{Case, Part};

/// The chart's values for all cases.
pub(crate) const VALUES: [&str; 2] = ["clusterName=e2e", "logging.format=json"];

/// A change in the cluster is at the provider within this.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// What needs a restart, a backoff or a look.
pub(crate) const LATER: Duration = Duration::from_mins(1);

/// The cases of a part of dns-sync, or all in order; those that shake the cluster come last.
pub(crate) fn cases(part: Option<Part>) -> Vec<Case> {
    let calm = [
        sources::cases(),
        ownership::cases(),
        identity::cases(),
        guard::cases(),
        invalid::cases(),
        faults::cases(),
        lifecycle::cases(),
    ];
    let calm = calm.into_iter().flatten().filter(|_| part != Some(Part::Blackout));
    let blackout = blackout::cases().into_iter().filter(|_| part != Some(Part::Calm));
    calm.chain(blackout).collect()
}

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
pub(crate) fn address(number: usize) -> String {
    format!("198.18.{}.{}", number / 250 % 250, number % 250 + 1)
}
