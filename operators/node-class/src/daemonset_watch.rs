//! What is needed to see whom a taint would lock out: DaemonSets, and the operator's own pod.
use std::sync::Arc;

use futures::StreamExt;
use hearth_reconciler::cache::Cache;
use hearth_reconciler::start::Process;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio::task::JoinSet;

use crate::class::lockout::DaemonSetFacts;
use crate::reconcile::Context;

fn facts(set: &DaemonSet) -> (String, Option<DaemonSetFacts>) {
    let (namespace, name) = (set.namespace().unwrap_or_default(), set.name_any());
    let spec = set.spec.template.spec.as_ref();
    let facts = DaemonSetFacts {
        tolerations: spec.and_then(|spec| spec.tolerations.clone()).unwrap_or_default(),
        host_network: spec.and_then(|spec| spec.host_network).unwrap_or_default(),
        priority_class: spec.and_then(|spec| spec.priority_class_name.clone()),
        namespace: namespace.clone(),
        name: name.clone(),
    };
    (format!("{namespace}/{name}"), Some(facts))
}

/// Watches DaemonSets and reads the own pod once. Without permission nothing is known, and nothing refused for it.
pub fn watch(tasks: &mut JoinSet<()>, process: &Process, ctx: &Arc<Context>, config: watcher::Config) {
    let updates = hearth_reconciler::watch::watch(Api::<DaemonSet>::all(process.client.clone()), config, |_| ());
    let gate = process.health.gate("daemonsets listed");
    let feeding = Arc::clone(ctx);
    tasks.spawn(async move {
        let mut cache = Cache::default();
        let mut updates = std::pin::pin!(updates);
        while let Some(update) = updates.next().await {
            cache.take(&update, facts, &gate);
            if cache.is_complete() {
                feeding.observed.lock().daemon_sets = Some(Arc::new(cache.items().values().cloned().collect()));
                feeding.wake.notify_one();
            }
        }
    });
    let api = Api::<Pod>::namespaced(process.client.clone(), &process.args.namespace);
    let (name, ctx) = (process.args.pod_name.clone(), Arc::clone(ctx));
    tasks.spawn(async move {
        loop {
            match api.get_opt(&name).await {
                Ok(pod) => {
                    let spec = pod.and_then(|pod| pod.spec);
                    let tolerations = spec.map(|spec| spec.tolerations.unwrap_or_default());
                    ctx.observed.lock().own_tolerations = tolerations.map(Arc::new);
                    return ctx.wake.notify_one();
                }
                Err(error) => tracing::debug!(%error, "the own pod cannot be read"),
            }
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        }
    });
}
