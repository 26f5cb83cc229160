//! What every chapter of the story needs: the environment, the screen, and questions to both.
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use super::prometheus::{Alert, Prometheus};
use crate::demo_install::NAMESPACE;
use crate::events::events;
pub(super) use crate::node_class::env::MEMBER;
use crate::node_class::env::{GAMER, NodeEnv};
use crate::screen::Screen;
use crate::wait::until;

/// The machines of the story: the desktop's two, and three that stay on.
pub(crate) const NODES: [&str; 5] = ["home-1", "mini-1", "mini-2", "talos03", "talos08"];
/// Far longer than anything here takes; machines may be busy.
pub(super) const LIMIT: Duration = Duration::from_mins(1);
/// A Deployment with a budget, and a `StatefulSet`.
pub(super) const PHOTOS: &str = "photos";
pub(super) const DB: &str = "db";

/// Paths of the API server's tables, and columns.
pub(super) const HOSTS: &str = "/apis/nodes.hearth.home.arpa/v1alpha1/nodehosts";
pub(super) const POD_COLUMNS: [&str; 3] = ["NAME", "STATUS", "NODE"];

/// Where the pods are listed.
pub(super) fn pods() -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods")
}

/// Whether a node is one of the desktop's.
pub(super) fn on_gamer(node: &str) -> bool {
    GAMER.contains(&node)
}

/// The lines of a list in a status.
pub(super) fn lines(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|line| line.as_str().map(ToOwned::to_owned)).collect()
}

/// Shows the chapters on one environment.
pub(super) struct Narrator<'a> {
    pub(super) env: &'a NodeEnv,
    pub(super) prometheus: &'a Prometheus,
    pub(super) screen: &'a mut Screen,
    began: Timestamp,
}

impl<'a> Narrator<'a> {
    pub(super) fn new(env: &'a NodeEnv, prometheus: &'a Prometheus, screen: &'a mut Screen) -> Self {
        Self {
            env,
            prometheus,
            screen,
            began: Timestamp::now(),
        }
    }

    /// The note of an event of this telling.
    pub(super) async fn event(&self, kind: &str, name: &str, reason: &str) -> Result<String> {
        until(&format!("{kind} {name} has the event {reason}"), LIMIT, || async {
            let mut events = events(&self.env.client, "default", kind, name).await?;
            events.retain(|event| {
                let at = event.event_time.as_ref().map(|time| time.0);
                event.reason.as_deref() == Some(reason) && at >= Some(self.began)
            });
            events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
            Ok(events.pop().map(|event| event.note.unwrap_or_default()))
        })
        .await
    }

    /// Waits until Prometheus' alerts are as they should be.
    pub(super) async fn alerts(&self, what: &str, so: impl Fn(&[Alert]) -> bool) -> Result<Vec<Alert>> {
        until(what, LIMIT, || async {
            let alerts = self.prometheus.alerts_now().await?;
            ensure!(so(&alerts), "there are {:?}", shown(&alerts));
            Ok(Some(alerts))
        })
        .await
    }
}

/// Whether this alert is among them, about this node if one is given.
pub(super) fn has(alerts: &[Alert], name: &str, about: Option<&str>) -> bool {
    let so = |alert: &Alert| alert.name == name && about.is_none_or(|about| alert.is_about(about));
    alerts.iter().any(so)
}

/// A line for each.
pub(super) fn shown(alerts: &[Alert]) -> Vec<String> {
    alerts.iter().map(Alert::line).collect()
}
