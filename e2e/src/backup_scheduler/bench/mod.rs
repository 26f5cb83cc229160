//! What backup-scheduler needs while nothing happens, without objects and with many schedules, each with a run; and what its movers need.
mod limited;
mod movers;

use anyhow::Result;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde::Serialize;
use serde_json::json;

use hearth_backup_scheduler::crd::{BackupRun, BackupSchedule};

use crate::backup_scheduler::env::{BackupEnv, CLUSTER, LATER, NAME, remove};
use crate::bench::budget::{self, Line};
use crate::bench::steps::Steps;
use crate::bench::{Measured, Measurement, alone, idle, replicas, writes};
use crate::environment::Environment;
use crate::install::Installation;
use crate::namespaces::namespace;
use crate::pod_process;

/// The namespace of the runs.
const NAMESPACE: &str = "bench-backups";
/// The budget of the operator's process, in MiB.
const MEMORY: f64 = 15.0;
/// The budget of the image, in MiB.
const IMAGE: f64 = 42.0;

/// The measurement.
pub(super) struct Bench {
    env: BackupEnv,
    image_bytes: u64,
}

#[derive(Serialize)]
struct Figures {
    operator: &'static str,
    objects: u32,
    rss_bytes: u64,
    peak_bytes: u64,
    idle_millicores: f64,
    idle_api_writes_per_minute: f64,
    image_bytes: u64,
    /// Without objects.
    movers: Option<movers::Movers>,
}

impl Bench {
    async fn measure(&self, objects: u32) -> Result<Figures> {
        let steps = Steps::begin(objects);
        let client = &self.env.client;
        if objects > 0 {
            namespace(client, NAMESPACE).await?;
        }
        let runs: Api<BackupRun> = Api::namespaced(client.clone(), NAMESPACE);
        let schedules: Api<BackupSchedule> = Api::namespaced(client.clone(), NAMESPACE);
        for number in 0..objects {
            // They have no repository: each is looked at and told so.
            let run = json!({
                "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRun",
                "metadata": {"name": format!("run-{number}")}, "spec": {"repository": "none", "suspend": true},
            });
            runs.create(&PostParams::default(), &serde_json::from_value(run)?)
                .await?;
            let schedule = json!({
                "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupSchedule",
                "metadata": {"name": format!("schedule-{number}")},
                "spec": {"repository": "none", "cron": "0 0 1 1 *", "keep": {"daily": 7}},
            });
            schedules
                .create(&PostParams::default(), &serde_json::from_value(schedule)?)
                .await?;
        }
        steps.done("the schedules and the runs are there");
        replicas::set(&self.env.operator, 1).await?;
        self.env.operator.ready(1, LATER).await?;
        crate::wait::until("every run has a status", LATER, || async {
            let all = runs.list(&ListParams::default()).await?;
            let told = all
                .items
                .iter()
                .filter(|run| run.status.as_ref().is_some_and(|status| status.observed_generation > 0));
            let made = schedules.list(&ListParams::default()).await?;
            let read = made.items.iter().filter(|schedule| {
                schedule
                    .status
                    .as_ref()
                    .is_some_and(|status| status.observed_generation > 0)
            });
            let wanted = objects as usize;
            Ok((told.count() == wanted && read.count() == wanted).then_some(()))
        })
        .await?;
        steps.done("every schedule and every run has a status");
        let pod = self.env.operator.pod().await?;
        let process = pod_process::of_pod(&pod, NAME)?;
        let ours = |line: &str| {
            let mut kinds = ["backupruns", "backuprepositories", "backupschedules"].iter();
            kinds.any(|kind| line.contains(&format!("resource=\"{kind}\"")))
        };
        let idle = idle::minute(&self.env.operator, &process, async || {
            writes::counted(client, ours).await
        })
        .await?;
        steps.done("a minute without changes is over");
        Ok(Figures {
            operator: NAME,
            objects,
            rss_bytes: idle.rss,
            peak_bytes: idle.peak,
            idle_millicores: idle.millicores,
            idle_api_writes_per_minute: idle.api_writes,
            image_bytes: self.image_bytes,
            movers: match objects {
                0 => Some(movers::measure(&self.env, &steps).await?),
                _ => None,
            },
        })
    }
}

fn lines(figures: &Figures) -> Vec<Line> {
    let mut lines = vec![
        budget::size("resident memory", figures.rss_bytes, Some(MEMORY)),
        budget::size("peak", figures.peak_bytes, None),
        budget::processor("idle", figures.idle_millicores, None),
        budget::idle("writes to the API server", figures.idle_api_writes_per_minute),
        budget::size("image", figures.image_bytes, Some(IMAGE)),
    ];
    lines.extend(figures.movers.iter().flat_map(movers::lines));
    lines
}

impl Measurement for Bench {
    async fn new(environment: Environment, image_bytes: u64) -> Result<Self> {
        let env = BackupEnv::new(environment).await?;
        replicas::set(&env.operator, 0).await?;
        env.operator
            .upgrade(&[&format!("clusterName={CLUSTER}"), "replicaCount=0"])
            .await?;
        Ok(Self { env, image_bytes })
    }

    const SCALES: &[u32] = &[0, 100];
    const LARGEST: u32 = 1_000;

    async fn scale(&self, objects: u32) -> Result<Measured> {
        let runs: Api<BackupRun> = Api::all(self.env.client.clone());
        alone(
            "BackupRuns",
            &crate::bench::mass::names(&runs, &ListParams::default()).await?,
        )?;
        let figures = self.measure(objects).await?;
        Measured::new(&figures, lines(&figures))
    }

    async fn clear(&self) -> Result<()> {
        replicas::set(&self.env.operator, 0).await?;
        replicas::ended(&self.env.operator).await?;
        remove(&self.env.client).await
    }

    fn operator(&self) -> &Installation {
        &self.env.operator
    }
}
