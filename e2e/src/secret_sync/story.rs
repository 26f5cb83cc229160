//! secret-sync's story: secrets of an `OpenBao` and of a Key Vault arrive, follow a rotation, and stay while both are away.
mod chapters;

use anyhow::{Result, bail};
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use self::chapters::{Chapters, KEY_VAULT, VAULT};
use super::env::{NAME, SecretEnv};
use crate::case::{Case, Exclusive};
use crate::demo::Story;
use crate::demo_install::{Before, Chart, knows, remove_namespace};
use crate::environment::Environment;
use crate::install::NAMESPACE as SYSTEM;
use crate::objects::delete;
use crate::screen::Screen;

const CHART: Chart = Chart {
    name: NAME,
    crds: &[
        "clustersecretsources.secrets.hearth.home.arpa",
        "secretsyncs.secrets.hearth.home.arpa",
    ],
};

pub(crate) fn cases() -> Vec<Case<SecretEnv>> {
    let case = Case::new("the_demo_shows_what_secret_sync_does", |env| Box::pin(silently(env)));
    vec![case.exclusive(&[Exclusive::Operator])]
}

async fn silently(env: &SecretEnv) -> Result<()> {
    let shown = Chapters::new(env, &mut Screen::silent()).run().await;
    let removed = clear(&env.client).await;
    shown.and(removed)
}

/// The story on a cluster.
pub(crate) struct SecretStory {
    env: SecretEnv,
    before: Before,
}

impl Story for SecretStory {
    async fn begin(screen: &Screen, environment: Environment) -> Result<Self> {
        let client = environment.client().await?;
        let before = Before::read(&environment, &client, &CHART).await?;
        if environment.control.is_none()
            && let Some(other) = other_sources(&client).await?.first()
        {
            bail!(
                "this cluster has the ClusterSecretSource {other}; the demo's operator would begin to use it, so it stops here"
            );
        }
        clear(&client).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        let env = SecretEnv::new(environment).await?;
        env.install(&before.values()).await?;
        Ok(Self { env, before })
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<()> {
        Chapters::new(&self.env, screen).run().await
    }

    async fn remove(&self) -> Result<()> {
        clear(&self.env.client).await?;
        self.before.restore(&self.env.operator).await
    }
}

/// Removes the sample objects, whoever left them.
async fn clear(client: &Client) -> Result<()> {
    for name in [VAULT, KEY_VAULT] {
        if knows(client, &CHART).await? {
            let source = json!({
                "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "ClusterSecretSource", "metadata": {"name": name},
            });
            delete(client, &source).await?;
        }
        for secret in [format!("{name}-vault"), format!("{name}-sp")] {
            let secret =
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": SYSTEM, "name": secret}});
            delete(client, &secret).await?;
        }
        remove_namespace(client, name).await?;
    }
    Ok(())
}

async fn other_sources(client: &Client) -> Result<Vec<String>> {
    if !knows(client, &CHART).await? {
        return Ok(Vec::new());
    }
    let kind = GroupVersionKind::gvk("secrets.hearth.home.arpa", "v1alpha1", "ClusterSecretSource");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let sources = api
        .list(&ListParams::default())
        .await?
        .into_iter()
        .map(|source| source.name_any());
    Ok(sources.filter(|name| name != VAULT && name != KEY_VAULT).collect())
}
