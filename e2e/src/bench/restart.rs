//! Restarts: the pod deleted, and the process killed.
use std::time::{Duration, Instant};

use crate::install::{Installation, NAMESPACE};
use crate::pod_process::{Process, of_pod};
use crate::wait::until;
use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, ResourceExt};

/// From the end of a process to the next one's lease, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Takeover {
    /// From the end of the old and the start of the new process, after the pod was deleted.
    pub(crate) after_end: f64,
    /// From SIGKILL.
    pub(crate) after_kill: f64,
}

const LIMIT: Duration = Duration::from_mins(2);

/// One restart.
pub(crate) struct Restarted {
    /// The pod that runs now.
    pub(crate) pod: String,
    /// From the new process' start to ready.
    pub(crate) ready: Duration,
    /// To the lease: from the end of the old and the start of the new process, or from SIGKILL.
    pub(crate) leading: Duration,
}

/// A restart of each kind.
pub(crate) struct Restarts {
    /// From the new process' start to ready, after the pod was deleted.
    pub(crate) ready: Duration,
    pub(crate) takeover: Takeover,
}

/// Deletes the pod, then kills the process of the new one; with what `after` says of each new process.
pub(crate) async fn both<T>(
    operator: &Installation,
    mut after: impl AsyncFnMut(Restarted) -> Result<T>,
) -> Result<(Restarts, [T; 2])> {
    let ended = end(operator).await?;
    let (ready, after_end) = (ended.ready, ended.leading.as_secs_f64());
    let first = after(ended).await?;
    let killed = kill(operator).await?;
    let after_kill = killed.leading.as_secs_f64();
    let second = after(killed).await?;
    let takeover = Takeover { after_end, after_kill };
    Ok((Restarts { ready, takeover }, [first, second]))
}

/// Deletes the pod.
async fn end(operator: &Installation) -> Result<Restarted> {
    let old = operator.pod().await?;
    let (old_process, old_holder) = (of_pod(&old, operator.name)?, holder(operator).await?);
    let pods: Api<Pod> = Api::namespaced(operator.client.clone(), NAMESPACE);
    pods.delete(&old.name_any(), &DeleteParams::default()).await?;
    let pod = until("the new pod", LIMIT, || async {
        Ok(operator.pods().await?.into_iter().find(|pod| pod.uid() != old.uid()))
    })
    .await?;
    let process = started(operator, &pod, None).await?;
    let both = async {
        until("the old process has ended", LIMIT, || async {
            Ok((!old_process.is_running()).then_some(()))
        })
        .await?;
        let begin = Instant::now();
        taken(operator, &old_holder).await?;
        anyhow::Ok(begin.elapsed())
    };
    let (ready, leading) = tokio::try_join!(ready(operator, &pod, &process), both)?;
    Ok(Restarted {
        pod: pod.name_any(),
        ready,
        leading,
    })
}

/// Kills the process as power loss would.
async fn kill(operator: &Installation) -> Result<Restarted> {
    let pod = operator.pod().await?;
    let (old, old_holder) = (of_pod(&pod, operator.name)?, holder(operator).await?);
    let begin = Instant::now();
    old.kill()?;
    let process = started(operator, &pod, Some(&old)).await?;
    taken(operator, &old_holder).await?;
    let leading = begin.elapsed();
    let ready = ready(operator, &pod, &process).await?;
    Ok(Restarted {
        pod: pod.name_any(),
        ready,
        leading,
    })
}

/// The pod's process, once it is another than the old one.
pub(crate) async fn started(operator: &Installation, pod: &Pod, old: Option<&Process>) -> Result<Process> {
    until("the new process has started", LIMIT, || async {
        let process = of_pod(pod, operator.name)?;
        Ok((Some(&process) != old).then_some(process))
    })
    .await
}

/// The process' age when it is ready.
async fn ready(operator: &Installation, pod: &Pod, process: &Process) -> Result<Duration> {
    until("the new process is ready", LIMIT, || async {
        operator.page(&pod.name_any(), "readyz").await?;
        Ok(Some(process.age()?))
    })
    .await
}

async fn holder(operator: &Installation) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(operator.client.clone(), NAMESPACE);
    let lease = leases.get(operator.name).await?;
    Ok(lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

async fn taken(operator: &Installation, before: &str) -> Result<()> {
    until("the new process holds the lease", LIMIT, || async {
        let now = holder(operator).await?;
        Ok((!now.is_empty() && now != before).then_some(()))
    })
    .await
}
