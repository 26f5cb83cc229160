//! dns-sync's story: the names of a home in a stand-in for Route 53.
mod home;
mod states;
mod story;

use anyhow::{Result, bail};
use hearth_e2e::bed::Bed;
use hearth_e2e::install::{NAMESPACE as SYSTEM, Operator};
use hearth_e2e::objects::delete;
use hearth_e2e::surroundings::Surroundings;
use kube::api::{DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use self::home::ZONE;
use crate::Tale;
use crate::install::{Before, Chart, NAMESPACE, knows, remove_namespace};
use crate::screen::Screen;

const CHART: Chart = Chart {
    name: "dns-sync",
    crds: &["dnszones.dns.hearth.home.arpa", "dnsrecords.dns.hearth.home.arpa"],
};

/// The teller and what the tale is about.
pub(crate) struct Story {
    screen: Screen,
    bed: Bed,
    operator: Operator,
    before: Before,
}

impl Tale for Story {
    async fn begin(screen: Screen, surroundings: Surroundings) -> Result<Self> {
        let client = surroundings.client().await?;
        let before = Before::look(&surroundings, &client, &CHART).await?;
        if surroundings.control.is_none()
            && let Some(other) = other_zones(&client).await?.first()
        {
            bail!(
                "this cluster has the DNSZone {other}; the demo's operator would begin to manage it, so it stops here"
            );
        }
        clear(&client).await?;
        screen.say("The chart is being installed; a moment, please.")?;
        let bed = Bed::new(surroundings).await?;
        let operator = Operator::install(&bed.surroundings, &bed.client, CHART.name, &before.values()).await?;
        Ok(Self {
            screen,
            bed,
            operator,
            before,
        })
    }

    fn screen(&self) -> &Screen {
        &self.screen
    }

    async fn tell(&mut self) -> Result<()> {
        self.chapters().await
    }

    async fn clean(&self) -> Result<()> {
        let client = &self.bed.client;
        clear(client).await?;
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": SYSTEM, "name": format!("{ZONE}-route53")}});
        delete(client, &secret).await?;
        self.before.restore(&self.operator).await
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
