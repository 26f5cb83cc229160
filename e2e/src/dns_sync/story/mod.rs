//! dns-sync's story: the names of a home in a fake Route 53.
mod chapters;
mod expected;
mod record_table;

use anyhow::{Result, bail};
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use self::chapters::Chapters;
use self::expected::ZONE;
use super::env::{DnsEnv, NAME, VALUES};
use crate::case::{Case, Exclusive};
use crate::demo::Story;
use crate::demo_install::{Before, Chart, NAMESPACE, knows, remove_namespace};
use crate::environment::Environment;
use crate::install::NAMESPACE as SYSTEM;
use crate::objects::delete;
use crate::screen::Screen;

const CHART: Chart = Chart {
    name: NAME,
    crds: &["dnszones.dns.hearth.home.arpa", "dnsrecords.dns.hearth.home.arpa"],
};

pub(crate) fn cases() -> Vec<Case<DnsEnv>> {
    let case = Case::new("the_demo_shows_what_dns_sync_does_and_removes_it", |env| {
        Box::pin(silently(env))
    });
    vec![case.exclusive(&[Exclusive::Operator])]
}

/// The whole demo, as on a cluster that had nothing of dns-sync.
async fn silently(env: &DnsEnv) -> Result<()> {
    let story = DnsStory {
        env: env.with_own_provider().await?,
        before: Before::nothing(&CHART),
    };
    env.operator.upgrade(&story.before.values()).await?;
    let shown = Chapters::new(&story.env, &mut Screen::silent()).run().await;
    let removed = story.remove().await;
    env.operator.upgrade(&VALUES).await?;
    shown.and(removed)
}

/// The story on a cluster.
pub(crate) struct DnsStory {
    env: DnsEnv,
    before: Before,
}

impl Story for DnsStory {
    async fn begin(screen: &Screen, environment: Environment) -> Result<Self> {
        let client = environment.client().await?;
        let before = Before::read(&environment, &client, &CHART).await?;
        if environment.control.is_none()
            && let Some(other) = other_zones(&client).await?.first()
        {
            bail!(
                "this cluster has the DNSZone {other}; the demo's operator would begin to manage it, so it stops here"
            );
        }
        clear(&client).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        let env = DnsEnv::new(environment).await?;
        env.operator.upgrade(&before.values()).await?;
        Ok(Self { env, before })
    }

    async fn run(&mut self, screen: &mut Screen) -> Result<()> {
        Chapters::new(&self.env, screen).run().await
    }

    async fn remove(&self) -> Result<()> {
        let client = &self.env.client;
        clear(client).await?;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": SYSTEM, "name": format!("{ZONE}-route53")}});
        delete(client, &secret).await?;
        self.before.restore(&self.env.operator).await
    }
}

/// Removes the zone and the sample objects, whoever left them.
async fn clear(client: &Client) -> Result<()> {
    if knows(client, &CHART).await? {
        delete(
            client,
            &json!({"apiVersion": "dns.hearth.home.arpa/v1alpha1", "kind": "DNSZone", "metadata": {"name": ZONE}}),
        )
        .await?;
    }
    remove_namespace(client, NAMESPACE).await
}

async fn other_zones(client: &Client) -> Result<Vec<String>> {
    if !knows(client, &CHART).await? {
        return Ok(Vec::new());
    }
    let kind = GroupVersionKind::gvk("dns.hearth.home.arpa", "v1alpha1", "DNSZone");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, "dnszones"));
    let zones = api.list(&ListParams::default()).await?;
    Ok(zones
        .into_iter()
        .map(|zone| zone.name_any())
        .filter(|name| name != ZONE)
        .collect())
}
