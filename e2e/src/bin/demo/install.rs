//! What the demo puts into the cluster, and how it takes that away again.
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use hearth_e2e::install::{NAMESPACE as SYSTEM, Operator};
use hearth_e2e::objects::delete;
use hearth_e2e::surroundings::Surroundings;
use hearth_e2e::wait::until;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::home::{NAMESPACE, ZONE};

/// The chart's only required value, and with it the owner of the demo's records.
pub(crate) const CLUSTER_NAME: &str = "demo";
const CRDS: [&str; 2] = ["dnszones.dns.hearth.home.arpa", "dnsrecords.dns.hearth.home.arpa"];

/// What was in the cluster before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    crds: bool,
    namespace: bool,
}

impl Before {
    /// Looks, and refuses a cluster where the demo would get in the way of an installation that is in use.
    pub(crate) async fn look(surroundings: &Surroundings, client: &Client) -> Result<Self> {
        let crds = Api::<CustomResourceDefinition>::all(client.clone())
            .get_opt(CRDS[0])
            .await?
            .is_some();
        let namespace = Api::<Namespace>::all(client.clone()).get_opt(SYSTEM).await?.is_some();
        let owner = release_owner(surroundings).await?;
        if surroundings.control.is_none() {
            ensure!(
                owner.as_deref().is_none_or(|owner| owner == CLUSTER_NAME),
                "dns-sync is already installed in namespace {SYSTEM} of this cluster; the demo would replace it, so it stops here"
            );
            if let Some(other) = other_zones(client, crds).await?.first() {
                bail!(
                    "this cluster has the DNSZone {other}; the demo's operator would begin to manage it, so it stops here"
                );
            }
        }
        // What an interrupted demo has left is the demo's to remove.
        let leftover = owner.as_deref() == Some(CLUSTER_NAME);
        Ok(Self {
            crds: crds && !leftover,
            namespace: namespace && !leftover,
        })
    }

    /// The chart's values. CRDs that the demo brings go with it.
    pub(crate) fn values(self) -> [&'static str; 2] {
        [
            "clusterName=demo",
            if self.crds { "crds.keep=true" } else { "crds.keep=false" },
        ]
    }

    /// Takes away all that the demo has put into the cluster.
    pub(crate) async fn restore(self, operator: &Operator) -> Result<()> {
        let client = &operator.client;
        clear(client).await?;
        delete(client, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": SYSTEM, "name": format!("{ZONE}-route53")}})).await?;
        operator.uninstall().await?;
        if !self.namespace {
            remove(client, &namespace_object(SYSTEM)).await?;
        }
        if !self.crds {
            for name in CRDS {
                let api = Api::<CustomResourceDefinition>::all(client.clone());
                until(&format!("{name} is gone"), LIMIT, || async {
                    Ok(api.get_opt(name).await?.is_none().then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    }
}

const LIMIT: Duration = Duration::from_mins(2);

/// Removes the zone and the sample objects, whoever left them.
pub(crate) async fn clear(client: &Client) -> Result<()> {
    if Api::<CustomResourceDefinition>::all(client.clone())
        .get_opt(CRDS[0])
        .await?
        .is_some()
    {
        delete(
            client,
            &json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": ZONE}}),
        )
        .await?;
    }
    remove(client, &namespace_object(NAMESPACE)).await
}

fn namespace_object(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

async fn remove(client: &Client, namespace: &Value) -> Result<()> {
    delete(client, namespace).await?;
    let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
    let api = Api::<Namespace>::all(client.clone());
    until(&format!("namespace {name} is gone"), LIMIT, || async {
        Ok(api.get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

/// The `clusterName` of the release that is there, if one is.
async fn release_owner(surroundings: &Surroundings) -> Result<Option<String>> {
    let listed = surroundings
        .helm(&[
            "list",
            "--namespace",
            SYSTEM,
            "--filter",
            "^dns-sync$",
            "--output",
            "json",
        ])
        .await?;
    let releases: Vec<Value> = serde_json::from_str(&listed)?;
    if releases.is_empty() {
        return Ok(None);
    }
    let values = surroundings
        .helm(&["get", "values", "dns-sync", "--namespace", SYSTEM, "--output", "json"])
        .await?;
    let values: Value = serde_json::from_str(&values)?;
    Ok(Some(values["clusterName"].as_str().unwrap_or_default().to_owned()))
}

async fn other_zones(client: &Client, crds: bool) -> Result<Vec<String>> {
    if !crds {
        return Ok(Vec::new());
    }
    let kind = GroupVersionKind::gvk("dns.hearth.home.arpa", "v1alpha1", "DNSZone");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, "dnszones"));
    let zones = api.list(&kube::api::ListParams::default()).await?;
    Ok(zones
        .into_iter()
        .map(|zone| zone.name_any())
        .filter(|name| name != ZONE)
        .collect())
}
