//! What the demo puts into the cluster, and how it is removed.
use std::time::Duration;

use crate::environment::Environment;
use crate::install::{Installation, NAMESPACE as SYSTEM};
use crate::objects::delete;
use crate::wait::until;
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use serde_json::{Value, json};

/// The namespace of what the demo's operators work with.
pub(crate) const NAMESPACE: &str = "hearth-demo";
/// The chart's only required value, and with it the owner of the demo's records.
const CLUSTER_NAME: &str = "demo";
const LIMIT: Duration = Duration::from_mins(2);

/// A chart and its CRDs.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    pub(crate) crds: &'static [&'static str],
}

/// What was in the cluster before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    chart: &'static Chart,
    crds: bool,
    namespace: bool,
}

impl Before {
    /// A cluster without the chart's CRDs, and with the namespace of operators.
    pub(crate) fn nothing(chart: &'static Chart) -> Self {
        Self {
            chart,
            crds: false,
            namespace: true,
        }
    }

    /// Reads it from the cluster; refuses one where the demo would replace an installation that is in use.
    pub(crate) async fn read(environment: &Environment, client: &Client, chart: &'static Chart) -> Result<Self> {
        let crds = knows(client, chart).await?;
        let namespace = Api::<Namespace>::all(client.clone()).get_opt(SYSTEM).await?.is_some();
        let owner = release_owner(environment, chart.name).await?;
        ensure!(
            environment.control.is_some() || owner.as_deref().is_none_or(|owner| owner == CLUSTER_NAME),
            "{} is already installed in namespace {SYSTEM} of this cluster; the demo would replace it, so it stops here",
            chart.name
        );
        // What an interrupted demo has left is the demo's to remove.
        let leftover = owner.as_deref() == Some(CLUSTER_NAME);
        Ok(Self {
            chart,
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

    /// Removes the operator and what came with it.
    pub(crate) async fn restore(self, operator: &Installation) -> Result<()> {
        let client = &operator.client;
        operator.uninstall().await?;
        if !self.namespace {
            remove_namespace(client, SYSTEM).await?;
        }
        if !self.crds {
            for name in self.chart.crds {
                let api = Api::<CustomResourceDefinition>::all(client.clone());
                until(&format!("{name} is removed"), LIMIT, || async {
                    Ok(api.get_opt(name).await?.is_none().then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    }
}

/// Whether the cluster has the chart's CRDs.
pub(crate) async fn knows(client: &Client, chart: &Chart) -> Result<bool> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    for name in chart.crds {
        if api.get_opt(name).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Deletes a namespace if it is there, and waits until it is removed.
pub(crate) async fn remove_namespace(client: &Client, name: &str) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    delete(client, &namespace).await?;
    let api = Api::<Namespace>::all(client.clone());
    until(&format!("namespace {name} is removed"), LIMIT, || async {
        Ok(api.get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

/// The `clusterName` of the release that is there, if one is.
async fn release_owner(environment: &Environment, name: &str) -> Result<Option<String>> {
    let filter = format!("^{name}$");
    let listed = environment
        .helm(&["list", "--namespace", SYSTEM, "--filter", &filter, "--output", "json"])
        .await?;
    let releases: Vec<Value> = serde_json::from_str(&listed)?;
    if releases.is_empty() {
        return Ok(None);
    }
    let values = environment
        .helm(&["get", "values", name, "--namespace", SYSTEM, "--output", "json"])
        .await?;
    let values: Value = serde_json::from_str(&values)?;
    Ok(Some(values["clusterName"].as_str().unwrap_or_default().to_owned()))
}
