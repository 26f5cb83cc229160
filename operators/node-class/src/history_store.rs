//! What is stored of all nodes. Histories are the largest objects here, and after a month each has 10 kB: the watch keeps of them
//! only which there are, and what is in them is read page by page when a process starts and when it begins to lead.
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::crd::{NodeHistory, NodeHistoryStatus};
use crate::history::Unreadable;
use crate::planner::{Entry, Stored};
use crate::reconcile::Context;

/// A NodeHistory of any version of the operator.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = NodeHistory)]
#[serde(default)]
struct RawHistory {
    metadata: ObjectMeta,
    status: serde_json::Value,
}

/// One that cannot be read, because a newer operator wrote it, holds up no other.
fn stored(history: RawHistory) -> (String, Box<Entry>) {
    let name = history.metadata.name.unwrap_or_default();
    let status: Result<Option<NodeHistoryStatus>, _> = serde_json::from_value(history.status);
    let status = status.map_err(|error| Unreadable(error.to_string()));
    let entry = status.and_then(|status| Entry::stored(&status.unwrap_or_default()));
    let entry = entry.unwrap_or_else(|error| {
        tracing::warn!(node = name, %error, "its history is left alone");
        Entry::unreadable()
    });
    (name, entry)
}

const PAGE: u32 = 25;
/// A page arrives within this time, or reading starts again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads what is stored, beside everything else: liveness is judged meanwhile.
#[derive(Default)]
pub(crate) struct Reading(JoinSet<anyhow::Result<Stored>>);

impl Reading {
    /// Begins to read, if that has not begun. What is stored, once all of it is read; until then ask again, every few seconds
    /// or when something has changed.
    pub(crate) fn ask(&mut self, ctx: &Arc<Context>) -> Option<Stored> {
        let done = self.0.try_join_next();
        match done.map(|read| read.map_err(anyhow::Error::from).flatten()) {
            Some(Ok(stored)) => return Some(stored),
            Some(Err(error)) => tracing::warn!(
                error = format!("{error:#}"),
                "cannot read the histories; it is repeated"
            ),
            None => {}
        }
        if self.0.is_empty() {
            let ctx = Arc::clone(ctx);
            self.0.spawn(async move {
                let stored = read(&ctx.process.client).await;
                if stored.is_err() {
                    tokio::time::sleep(PATIENCE).await;
                }
                ctx.wake.notify_one();
                stored
            });
        }
        None
    }
}

async fn read(client: &Client) -> anyhow::Result<Stored> {
    let api = Api::<RawHistory>::all(client.clone());
    let (mut all, mut next) = (Stored::new(), ListParams::default().limit(PAGE));
    loop {
        let page = tokio::time::timeout(PATIENCE, api.list(&next)).await;
        let page = page.context("the API server takes too long")??;
        all.extend(page.items.into_iter().map(stored));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => next = next.continue_token(&token),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests;
