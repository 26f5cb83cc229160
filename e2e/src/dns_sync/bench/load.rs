//! The objects to measure with: Services as users have them, and pods that must not matter.
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::namespaces;
use crate::objects::load_balancer;
use crate::wait::until;
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::bench::mass::{PARALLEL, again, create};

/// Services in one namespace.
const PER_NAMESPACE: u32 = 500;
/// The field manager of what is made.
const MANAGER: &str = "hearth-bench";
/// What the names of our namespaces begin with.
const PREFIX: &str = "hearth-bench-";

/// A Service by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered(pub(crate) u32);

impl Numbered {
    pub(crate) fn namespace(self) -> String {
        format!("{PREFIX}{}", self.0 / PER_NAMESPACE)
    }

    pub(crate) fn name(self) -> String {
        format!("service-{:05}", self.0)
    }

    /// The first label of its hostname.
    pub(crate) fn label(self) -> String {
        format!("s{:05}", self.0)
    }

    /// An address from 10.0.0.0 on; another for each `version`.
    pub(crate) fn address(self, version: u32) -> Ipv4Addr {
        Ipv4Addr::from((10 << 24) + (version << 16) + self.0)
    }

    fn status(self, version: u32) -> Value {
        json!({"loadBalancer": {"ingress": [{"ip": self.address(version), "ipMode": "VIP"}]}})
    }

    /// Gives it another address, as a load balancer does.
    pub(crate) async fn move_to(self, client: &Client, version: u32) -> Result<()> {
        let api: Api<Service> = Api::namespaced(client.clone(), &self.namespace());
        api.patch_status(
            &self.name(),
            &PatchParams::default(),
            &Patch::Merge(json!({"status": self.status(version)})),
        )
        .await?;
        Ok(())
    }

    /// No kube-proxy and no load balancer work for it: a machine with 10,000 of them would measure those.
    async fn create(self, client: &Client, domain: &str) -> Result<()> {
        let hostname = format!("{}.{domain}", self.label());
        let mut object = load_balancer(&self.namespace(), &self.name(), &hostname, &[]);
        object["metadata"]["labels"] = json!({"service.kubernetes.io/service-proxy-name": "none"});
        object["spec"]["loadBalancerClass"] = json!("bench.hearth.home.arpa/none");
        let api: Api<Service> = Api::namespaced(client.clone(), &self.namespace());
        create(&api, &object, MANAGER).await?;
        again(|| self.move_to(client, 0)).await
    }
}

/// Creates so many Services with their addresses.
pub(crate) async fn services(client: &Client, count: u32, domain: &str) -> Result<()> {
    for number in (0..count).step_by(PER_NAMESPACE as usize) {
        namespaces::apply(client, &Numbered(number).namespace(), &[]).await?;
    }
    stream::iter(0..count)
        .map(|number| Numbered(number).create(client, domain))
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// Creates so many pods that no scheduler takes: objects that the operator must not hold.
pub(crate) async fn pods(client: &Client, count: u32) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let place = format!("{PREFIX}pods");
    namespaces::apply(client, &place, &[]).await?;
    // Pods are refused before their namespace has its service account.
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(client.clone(), &place);
    until("the service account is there", Duration::from_mins(1), || async {
        Ok(accounts.get_opt("default").await?)
    })
    .await?;
    let api: Api<Pod> = Api::namespaced(client.clone(), &place);
    let pod = |number: u32| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("pod-{number:05}"), "labels": {"app": format!("app-{}", number % 100)}},
            "spec": {"schedulerName": "none", "automountServiceAccountToken": false, "containers": [{"name": "main", "image": "localhost/none:none"}]}
        })
    };
    let api = &api;
    stream::iter(0..count)
        .map(|number| async move { create(api, &pod(number), MANAGER).await })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// Removes every object of ours, and waits until all are removed.
pub(crate) async fn clear(client: &Client) -> Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let ours = |names: Vec<Namespace>| {
        names
            .into_iter()
            .map(|namespace| namespace.name_any())
            .filter(|name| name.starts_with(PREFIX))
            .collect::<Vec<_>>()
    };
    let names = ours(api.list(&ListParams::default()).await?.items);
    let clear = |name: String| async move {
        let parameters = (DeleteParams::default().grace_period(0), ListParams::default());
        let pods = Api::<Pod>::namespaced(client.clone(), &name)
            .delete_collection(&parameters.0, &parameters.1)
            .await;
        let services = Api::<Service>::namespaced(client.clone(), &name)
            .delete_collection(&DeleteParams::default(), &parameters.1)
            .await;
        // A request that ended for its length has done its part; the namespace's deletion does the rest.
        drop((pods, services));
        Api::<Namespace>::all(client.clone())
            .delete(&name, &DeleteParams::default())
            .await
            .map(drop)
            .or_else(|error| match error {
                kube::Error::Api(status) if matches!(status.code, 404 | 409) => Ok(()),
                other => Err(other),
            })
    };
    stream::iter(names)
        .map(clear)
        .buffer_unordered(4)
        .try_collect::<()>()
        .await?;
    until(
        "the namespaces of the measurement are removed",
        Duration::from_mins(15),
        || async {
            let left = ours(api.list(&ListParams::default()).await?.items);
            Ok(left.is_empty().then_some(()))
        },
    )
    .await
    .context("cleaning up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_names_and_addresses_of_their_own() {
        let (first, last) = (Numbered(0), Numbered(9_999));
        assert_eq!(
            (first.namespace(), last.namespace()),
            ("hearth-bench-0".to_owned(), "hearth-bench-19".to_owned())
        );
        assert_eq!(
            (last.name(), last.label()),
            ("service-09999".to_owned(), "s09999".to_owned())
        );
        assert_eq!(last.address(0), Ipv4Addr::new(10, 0, 39, 15));
        assert_eq!(last.address(300), Ipv4Addr::new(11, 44, 39, 15));
    }
}
