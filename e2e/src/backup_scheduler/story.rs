//! backup-scheduler's story: a namespace is backed up, lost, and comes back with its data.
use anyhow::{Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use super::application::{application, available};
use super::env::{BackupEnv, NAME, remove};
use super::files;
use crate::case::{Case, Exclusive};
use crate::demo::Story;
use crate::demo_install::{Before, Chart};
use crate::environment::Environment;
use crate::objects::apply;
use crate::screen::{Screen, commands_to_follow, good_bye};

const CHART: Chart = Chart {
    name: NAME,
    crds: &[
        "backuprepositories.backup.hearth.home.arpa",
        "backupruns.backup.hearth.home.arpa",
        "backupschedules.backup.hearth.home.arpa",
        "restoreruns.backup.hearth.home.arpa",
    ],
};
/// The namespace, bucket and repository.
const DEMO: &str = "demo-backup";

pub(super) fn cases() -> Vec<Case<BackupEnv>> {
    let case = Case::new("the_demo_shows_what_backup_scheduler_does", |env| {
        Box::pin(silently(env))
    });
    vec![case.exclusive(&[Exclusive::Operator])]
}

async fn silently(env: &BackupEnv) -> Result<()> {
    chapters(env, &mut Screen::silent()).await
}

/// The story on a cluster.
pub(super) struct BackupStory {
    env: BackupEnv,
    before: Before,
}

impl Story for BackupStory {
    async fn begin(screen: &Screen, environment: Environment) -> Result<Self> {
        let client: Client = environment.client().await?;
        let before = Before::read(&environment, &client, &CHART).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        let env = BackupEnv::new(environment).await?;
        env.install(&before.values()).await?;
        Ok(Self { env, before })
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<()> {
        chapters(&self.env, screen).await
    }

    async fn remove(&self) -> Result<()> {
        remove(&self.env.client).await?;
        self.before.restore(&self.env.operator).await
    }
}

async fn chapters(env: &BackupEnv, screen: &mut Screen) -> Result<()> {
    screen.chapter("A namespace is backed up")?;
    screen.say("backup-scheduler backs up volumes and API objects to S3 with restic, and restores them.")?;
    commands_to_follow(screen, &env.environment, NAME)?;
    let home = env.ready_home(DEMO).await?;
    screen.checked("the repository is ready: the bucket was tried out and marked as this cluster's")?;
    let folder = home.bound("data").await?;
    files::write(&folder)?;
    let before = files::read(&folder)?;
    let web = application(&home);
    apply(&env.client, &web).await?;
    available(env, &web).await?;
    screen.checked("an application runs in it, with a volume")?;
    let run = home.done(&home.backup("nightly", json!({})), "Completed").await?;
    let (volume, objects) = (&run["status"]["volumes"][0], &run["status"]["objects"][0]);
    screen.checked(&format!(
        "claim data is in snapshot {}: {} files",
        short(volume),
        volume["files"]
    ))?;
    screen.checked(&format!(
        "the API objects are in snapshot {}, in a repository of their own",
        short(objects)
    ))?;
    screen.pause("The namespace will be lost now.")?;

    screen.chapter("The namespace is lost")?;
    home.lose_namespace().await?;
    let folder = home.volume("data").await?;
    screen.checked("the namespace is deleted, and with it all that it had")?;

    screen.chapter("It comes back")?;
    let restore = home.restore("back", json!({"objects": {}}));
    let run = home.done(&restore, "Completed").await?;
    ensure!(files::read(&folder)? == before, "the files differ");
    screen.checked("the claim is there again, with every file, owner and mode")?;
    available(env, &web).await?;
    screen.checked(&format!(
        "then the API objects were made: {} of them; the application runs again",
        run["status"]["restoredObjects"]["created"]
    ))?;
    screen.say("A RestoreRun that is applied again by Flux or Argo CD does nothing: the same spec runs once.")?;
    good_bye(screen, env.environment.control.is_some(), "namespace demo-backup")
}

fn short(item: &Value) -> String {
    item["snapshot"].as_str().unwrap_or_default().chars().take(8).collect()
}
