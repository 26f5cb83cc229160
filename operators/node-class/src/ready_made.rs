//! The classes that everybody needs, `volatile` and `steady`: created where they are missing, and never changed after that.
//!
//! They are not objects of the chart: Helm cannot create objects of a CRD from the same release, and a rollback to a revision
//! without them would delete them, and with them the labels and taints of all nodes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::api::PostParams;

use crate::crd::class::{ClassTaint, Effect, NodeClassSpec};
use crate::crd::{Availability, NodeClass};
use crate::facts::MANAGER;
use crate::reconcile::Context;

/// Below the classes of users, which have 0 by default.
const PRIORITY: i64 = -100;
/// After a failure, such as a CRD that is not served yet or a missing permission.
const RETRY: Duration = Duration::from_secs(30);

/// At the beginning of each term creates those that are missing, until it has succeeded. A class that somebody deletes comes back
/// with the next term; who does not want it switches this off.
pub(crate) async fn run(ctx: Arc<Context>) {
    let mut terms = std::pin::pin!(ctx.process.leadership.terms());
    while let Some(term) = terms.next().await {
        let api = Api::<NodeClass>::all(ctx.process.client.clone());
        let work = async {
            while let Err(error) = create_missing(&api).await {
                tracing::warn!(%error, "the ready-made classes were not created; trying again");
                tokio::time::sleep(RETRY).await;
            }
        };
        term.within(work).await;
    }
}

/// Creates what is not there. What is there is left as it is, whoever made it.
async fn create_missing(api: &Api<NodeClass>) -> kube::Result<()> {
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    for class in classes() {
        let name = class.metadata.name.as_deref().unwrap_or_default();
        if api.get_metadata_opt(name).await?.is_some() {
            continue;
        }
        match api.create(&params, &class).await {
            Ok(_) => tracing::info!(class = name, "created a ready-made class"),
            // Somebody else was quicker.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn classes() -> [NodeClass; 2] {
    let class = |name, availability| {
        let mut class = NodeClass::new(name, NodeClassSpec::default());
        let by_us = ("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned());
        class.metadata.labels = Some(BTreeMap::from([by_us]));
        class.spec.matches.availability = Some(availability);
        class.spec.priority = Some(PRIORITY);
        class
    };
    let mut volatile = class("volatile", Availability::Volatile);
    volatile.spec.taints.push(ClassTaint {
        key: "nodes.hearth.home.arpa/volatile".to_owned(),
        value: None,
        effect: Effect::PreferNoSchedule,
    });
    volatile.spec.exclude_from_disruption_count = true;
    let mut steady = class("steady", Availability::AlwaysOn);
    let label = ("hearth.home.arpa/steady".to_owned(), "true".to_owned());
    steady.spec.labels.extend([label]);
    [volatile, steady]
}

#[cfg(test)]
mod tests;
