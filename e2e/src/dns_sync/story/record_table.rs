//! Where each record comes from and its state, read from statuses and events.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::dns_sync::env::Zone;
use crate::events::events;
use crate::objects::get;
use crate::wait::until;
use anyhow::{Context, Result, ensure};
use kube::Client;
use serde_json::Value;

use super::expected::{ZoneContent, host, manifests};
use crate::demo_install::NAMESPACE;

/// Far longer than anything here takes; machines may be busy.
const LIMIT: Duration = Duration::from_mins(3);

/// The rows of the table.
pub(crate) struct RecordTable {
    rows: Vec<Vec<String>>,
}

impl RecordTable {
    /// Reads the status of the `DNSRecord`s and the events of the Service that does not get its name. A Service or Ingress has no
    /// status of ours: its record is published when the owner record names it.
    pub(crate) async fn read(client: &Client, zone: &Zone, answers: &ZoneContent) -> Result<Self> {
        let mut records = BTreeMap::new();
        for object in manifests()?.iter().filter(|object| object["kind"] == "DNSRecord") {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let state = until(&format!("DNSRecord {name} is published"), LIMIT, || async {
                let now = get(client, object).await?;
                let state = state_in(&now, &zone.name);
                ensure!(state.as_deref() == Some("Published"), "it is {state:?}");
                Ok(state)
            })
            .await?;
            records.insert(format!("dnsrecord/{NAMESPACE}/{name}"), state);
        }
        let conflict = until("the Service files has the event Conflicted", LIMIT, || {
            conflict(client, "files")
        })
        .await?;
        let mut rows = Vec::new();
        for ((label, kind), set) in &answers.0 {
            let (source, state) = match &set.resource {
                Some(resource) => (
                    shown(resource)?,
                    records.get(resource).map_or("Published", String::as_str),
                ),
                None if label == "files" => (format!("Service {NAMESPACE}/files"), conflict.as_str()),
                None => ("somebody else".to_owned(), "foreign, untouched"),
            };
            rows.push(vec![
                host(label),
                kind.clone(),
                source,
                state.to_owned(),
                set.values.join(", "),
            ]);
        }
        Ok(Self { rows })
    }

    /// The rows, ordered by name.
    pub(crate) fn rows(self) -> Vec<Vec<String>> {
        self.rows
    }
}

fn state_in(record: &Value, zone: &str) -> Option<String> {
    let zones = record.pointer("/status/zones")?.as_array()?;
    let found = zones.iter().find(|state| state["zone"] == zone)?;
    found["state"].as_str().map(ToOwned::to_owned)
}

async fn conflict(client: &Client, service: &str) -> Result<Option<String>> {
    let events = events(client, NAMESPACE, "Service", service).await?;
    let mut reasons = events.into_iter().filter_map(|event| event.reason);
    Ok(reasons.find(|reason| reason == "Conflicted"))
}

/// `service/hearth-demo/photos` as people write it.
fn shown(resource: &str) -> Result<String> {
    let (kind, object) = resource.split_once('/').context("an owner record names no object")?;
    let kind = match kind {
        "service" => "Service",
        "ingress" => "Ingress",
        "dnsrecord" => "DNSRecord",
        other => other,
    };
    Ok(format!("{kind} {object}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_shown_as_people_write_them() {
        assert_eq!(shown("dnsrecord/hearth-demo/vpn").unwrap(), "DNSRecord hearth-demo/vpn");
        assert!(shown("nothing").is_err());
    }

    #[test]
    fn the_state_is_that_of_the_zone() {
        let record = serde_json::json!({"status": {"zones": [{"zone": "other", "state": "Failed"}, {"zone": "demo", "state": "Published"}]}});
        assert_eq!(state_in(&record, "demo").as_deref(), Some("Published"));
        assert_eq!(state_in(&record, "none"), None);
    }
}
