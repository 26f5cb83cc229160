//! The operator as a user installs it: by its chart, under its own RBAC.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tempfile::TempDir;

use crate::environment::{Environment, text};
use crate::namespaces;
use crate::wait::until;

/// The namespace that operators are installed in.
pub(crate) const NAMESPACE: &str = "hearth-system";

/// An installed operator.
#[derive(Clone)]
pub(crate) struct Installation {
    /// Release, chart and container name.
    pub(crate) name: &'static str,
    /// The cluster.
    pub(crate) client: Client,
    environment: Environment,
    charts: Arc<TempDir>,
}

/// A copy of the charts with what they depend on: helm writes into a chart's own folder, and others may be at it.
async fn charts(environment: &Environment, name: &str) -> Result<TempDir> {
    let place = tempfile::tempdir()?;
    copy(&environment.workspace.join("charts"), place.path())?;
    let chart = place.path().join(name);
    environment
        .helm(&["dependency", "build", "--skip-refresh", text(&chart)?])
        .await?;
    Ok(place)
}

/// Copies a folder; links are followed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            std::fs::create_dir(&target)?;
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

impl Installation {
    /// Installs or upgrades; `values` are `key=value` pairs for `--set`. Waits until the pods are ready.
    pub(crate) async fn install(
        environment: &Environment,
        client: &Client,
        name: &'static str,
        values: &[&str],
    ) -> Result<Self> {
        let operator = Self::prepare(environment, client, name).await?;
        operator.upgrade(values).await?;
        Ok(operator)
    }

    /// Makes the namespace and gathers the chart; nothing is installed yet.
    pub(crate) async fn prepare(environment: &Environment, client: &Client, name: &'static str) -> Result<Self> {
        let labels = [("pod-security.kubernetes.io/enforce", "restricted")];
        namespaces::apply(client, NAMESPACE, &labels).await?;
        Ok(Self {
            charts: Arc::new(charts(environment, name).await?),
            name,
            client: client.clone(),
            environment: environment.clone(),
        })
    }

    /// `helm upgrade --install` with the test image; waits until the pods are ready.
    pub(crate) async fn upgrade(&self, values: &[&str]) -> Result<()> {
        self.apply(values, true).await
    }

    /// The same; without waiting for pods that may not become ready.
    pub(crate) async fn apply(&self, values: &[&str], wait: bool) -> Result<()> {
        let image = self.image_values()?;
        let chart = self.charts.path().join(self.name);
        let mut arguments = vec![
            "upgrade",
            "--install",
            self.name,
            text(&chart)?,
            "--namespace",
            NAMESPACE,
            "--set",
            &image,
        ];
        for value in values {
            arguments.extend(["--set", value]);
        }
        if wait {
            arguments.extend(["--wait", "--timeout", "180s"]);
        }
        self.environment.helm(&arguments).await.map(drop)
    }

    /// A client with the rights of the installed operator.
    pub(crate) async fn operator_client(&self) -> Result<Client> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), NAMESPACE);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(3600),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = api
            .create_token_request(self.name, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        let token = token.context("the token request has no answer")?;
        self.environment.client_with_token(token).await
    }

    /// The chart's values for the test image, as `--set` takes them.
    fn image_values(&self) -> Result<String> {
        let (registry, repository, tag) = image_parts(&self.environment.image)?;
        Ok(format!(
            "image.registry={registry},image.repository={repository},image.tag={tag},image.pullPolicy=IfNotPresent"
        ))
    }

    /// What `helm template` makes of one of the chart's templates with these values.
    pub(crate) async fn rendered(&self, template: &str, values: &[&str]) -> Result<serde_json::Value> {
        let chart = self.charts.path().join(self.name);
        let image = self.image_values()?;
        let mut arguments = vec![
            "template",
            self.name,
            text(&chart)?,
            "--namespace",
            NAMESPACE,
            "--show-only",
            template,
            "--set",
            &image,
        ];
        for value in values {
            arguments.extend(["--set", value]);
        }
        let manifest = self.environment.helm(&arguments).await?;
        serde_saphyr::from_str(&manifest).with_context(|| format!("{template} of {}", self.name))
    }

    /// `helm uninstall`.
    pub(crate) async fn uninstall(&self) -> Result<()> {
        self.helm_and_wait(&["uninstall", self.name]).await
    }

    async fn helm_and_wait(&self, command: &[&str]) -> Result<()> {
        let options = ["--namespace", NAMESPACE, "--wait", "--timeout", "120s"];
        self.environment.helm(&[command, &options].concat()).await.map(drop)
    }

    /// The number of its revision that is deployed.
    pub(crate) async fn revision(&self) -> Result<u64> {
        let arguments = ["status", self.name, "--namespace", NAMESPACE, "--output", "json"];
        let status: serde_json::Value = serde_json::from_str(&self.environment.helm(&arguments).await?)?;
        status["version"].as_u64().context("the release has no revision")
    }

    /// `helm rollback` to this revision; waits until the pods are ready.
    pub(crate) async fn rollback(&self, revision: u64) -> Result<()> {
        self.helm_and_wait(&["rollback", self.name, &revision.to_string()])
            .await
    }

    /// Its pods that are not going away. Kubernetes leaves those that failed, as when their machine came back without them.
    pub(crate) async fn pods(&self) -> Result<Vec<Pod>> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let label = format!("app.kubernetes.io/instance={}", self.name);
        let pods = api.list(&ListParams::default().labels(&label)).await?;
        Ok(pods
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none() && !has_ended(pod))
            .collect())
    }

    /// The only pod.
    pub(crate) async fn pod(&self) -> Result<Pod> {
        self.pods().await?.into_iter().next().context("the operator has no pod")
    }

    /// Waits until as many pods are ready.
    pub(crate) async fn ready(&self, replicas: usize, limit: Duration) -> Result<()> {
        until(&format!("{replicas} ready pods of {}", self.name), limit, || async {
            let pods = self.pods().await?;
            if pods.len() == replicas && pods.iter().all(is_ready) {
                return Ok(Some(()));
            }
            bail!("{}", pods.iter().map(describe).collect::<Vec<_>>().join(", "))
        })
        .await
    }

    /// How often containers were restarted.
    pub(crate) async fn restarts(&self) -> Result<i32> {
        let pods = self.pods().await?;
        let statuses = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref())
            .flatten();
        Ok(statuses.map(|status| status.restart_count).sum())
    }

    /// A page of a pod's admin server, through the API server.
    pub(crate) async fn page(&self, pod: &str, path: &str) -> Result<String> {
        let uri = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/{path}");
        Ok(self
            .client
            .request_text(http::Request::get(uri).body(Vec::new())?)
            .await?)
    }

    /// One sample of a metric: the sum of all series whose line begins with the name and holds all the texts.
    pub(crate) async fn metric(&self, name: &str, texts: &[&str]) -> Result<f64> {
        let mut sum = 0.0;
        for pod in self.pods().await? {
            sum += sum_of(&self.page(&pod.name_any(), "metrics").await?, name, texts);
        }
        Ok(sum)
    }

    /// Asks for so many pods, past the chart, and waits until there are so many and all are ready.
    pub(crate) async fn scale(&self, replicas: usize, limit: Duration) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let body = json!({"spec": {"replicas": replicas}});
        api.patch_scale(self.name, &PatchParams::default(), &Patch::Merge(body))
            .await?;
        self.ready(replicas, limit).await
    }

    /// Does something while no pod runs. After it, one runs again.
    pub(crate) async fn while_off<T>(&self, work: impl Future<Output = Result<T>>, limit: Duration) -> Result<T> {
        self.scale(0, limit).await?;
        let result = work.await;
        let on = self.scale(1, limit).await;
        let result = result?;
        on.map(|()| result)
    }

    /// A pod's log.
    pub(crate) async fn log(&self) -> Result<String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        Ok(api
            .logs(&self.pod().await?.name_any(), &kube::api::LogParams::default())
            .await?)
    }

    /// Kills the pods' processes, and waits until Kubernetes has started them again and all are ready.
    pub(crate) async fn kill_and_restart(&self, limit: Duration) -> Result<()> {
        let (pods, restarts) = (self.pods().await?.len(), self.restarts().await?);
        self.kill().await?;
        until(&format!("{} is started again", self.name), limit, || async {
            Ok((self.restarts().await? > restarts).then_some(()))
        })
        .await?;
        self.ready(pods, limit).await
    }

    /// Kills the pods' processes as power loss would: no signal handler, no grace. Kubernetes starts them again.
    pub(crate) async fn kill(&self) -> Result<()> {
        for pod in self.pods().await? {
            crate::pod_process::of_pod(&pod, self.name)?.kill()?;
        }
        Ok(())
    }
}

/// The sum of all samples on a page of metrics whose line begins with the name and holds all the texts.
pub(crate) fn sum_of(text: &str, name: &str, texts: &[&str]) -> f64 {
    text.lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .filter(|line| texts.iter().all(|text| line.contains(text)))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

/// What of a pod says why it is not ready, or not gone.
fn describe(pod: &Pod) -> String {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    format!(
        "{} on {}: {}{}{}",
        pod.name_any(),
        node.unwrap_or("no node"),
        phase.unwrap_or("no phase"),
        if is_ready(pod) { ", ready" } else { "" },
        if pod.metadata.deletion_timestamp.is_some() {
            ", ending"
        } else {
            ""
        }
    )
}

/// `registry/repository:tag` in its parts.
fn image_parts(image: &str) -> Result<(&str, &str, &str)> {
    let (name, tag) = image.rsplit_once(':').context("the image has no tag")?;
    let Some((registry, repository)) = name.split_once('/') else {
        bail!("the image {image} has no registry")
    };
    Ok((registry, repository, tag))
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Failed" | "Succeeded"))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_labels() {
        let text =
            "# HELP a b\na_total{zone=\"x\",r=\"ok\"} 2\na_total{zone=\"y\",r=\"ok\"} 3\na_total_more 9\nb 1.5\n";
        assert!((sum_of(text, "a_total", &["r=\"ok\""]) - 5.0).abs() < 1e-9);
        assert!((sum_of(text, "a_total", &["zone=\"x\""]) - 2.0).abs() < 1e-9);
        assert!((sum_of(text, "b", &[]) - 1.5).abs() < 1e-9);
    }
}
