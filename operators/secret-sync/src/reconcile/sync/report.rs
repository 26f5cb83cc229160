//! The status of a SecretSync, and what else is told of it.
use std::time::Duration;

use hearth_reconciler::conditions::{Conditions, READY, get};
use hearth_reconciler::outcome::begin;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};

use super::Context;
use crate::crd::{RECONCILE_AT, SecretSync, SecretSyncStatus};
use crate::metrics::SyncState;
use crate::sync::Problem;
use crate::sync::plan::FRESH;
use crate::sync::values::Assembled;

/// A status in the making.
pub(super) struct Report<'a> {
    sync: &'a SecretSync,
    old: &'a SecretSyncStatus,
    /// What is written.
    pub(super) status: SecretSyncStatus,
    /// Without the annotation: a request that could not be handled is not echoed.
    handled: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(sync: &'a SecretSync, old: &'a SecretSyncStatus, handled: bool) -> Self {
        Self {
            sync,
            old,
            status: old.clone(),
            handled,
        }
    }

    /// Sets `observedGeneration`, and echoes the request if it was handled.
    fn set(&mut self, set: impl FnOnce(&mut Conditions<'_>)) {
        let echoed = self.status.last_handled_reconcile_at.clone();
        set(&mut begin(self.sync, RECONCILE_AT, &mut self.status, Timestamp::now()));
        if !self.handled {
            self.status.last_handled_reconcile_at = echoed;
        }
    }

    pub(super) fn synced(&mut self, secret: &str, assembled: &Assembled) {
        let count = assembled.keys.len();
        let keys = if count == 1 {
            "1 key".to_owned()
        } else {
            format!("{count} keys")
        };
        self.set(|conditions| {
            conditions.ready("Synced", &format!("Secret {secret} has {keys}"));
            conditions.set(FRESH, true, "Synced", "the values were read when they were due");
        });
        self.status.secret = Some(secret.to_owned());
        self.status.key_count = i64::try_from(count).ok();
        self.status.keys.clone_from(&assembled.keys);
        self.status.certificate_expires = assembled.certificate_expires.map(|time| time.to_string());
    }

    /// `present`: the Secret is there.
    pub(super) fn suspended(&mut self, present: bool) {
        let message = "spec.suspend is set; nothing is read or written";
        self.set(|conditions| {
            conditions.ready("Suspended", message);
            if !present {
                conditions.set(READY, false, "Suspended", message);
            }
            conditions.set(FRESH, None, "Suspended", message);
        });
    }

    /// Ready stays while the Secret is in place: it is what pods need.
    pub(super) fn waiting(&mut self, problem: &Problem, in_place: bool) {
        self.set(|conditions| {
            if !in_place {
                conditions.reconciling(problem.reason, &problem.message);
            }
            conditions.set(FRESH, false, problem.reason, &problem.message);
        });
    }

    /// As [`Report::waiting`], where a retry cannot help.
    pub(super) fn stalled(&mut self, problem: &Problem, in_place: bool) {
        self.set(|conditions| {
            if !in_place {
                conditions.stalled(problem.reason, &problem.message);
            }
            conditions.set(FRESH, false, problem.reason, &problem.message);
        });
    }

    /// Metrics.
    pub(super) fn export(&self, ctx: &Context, refresh: Option<Duration>) {
        let fresh = get(&self.status.conditions, FRESH);
        let stale = fresh.filter(|fresh| fresh.status == "False").map(|fresh| {
            let since = fresh.last_transition_time.0.as_duration().as_secs_f64();
            (since, refresh.map_or(0.0, |refresh| refresh.as_secs_f64()))
        });
        let expires = self.status.certificate_expires.as_deref();
        let expires = expires.and_then(|time| time.parse::<Timestamp>().ok());
        let shown = SyncState {
            stale,
            conflict: fresh.is_some_and(|fresh| fresh.status == "False" && fresh.reason == "Conflict"),
            certificate_expires: expires.map(|time| time.as_duration().as_secs_f64()),
        };
        let namespace = self.sync.namespace().unwrap_or_default();
        ctx.metrics.sync(&namespace, &self.sync.name_any(), &shown);
    }

    /// An event when Fresh turns to a new problem of this SecretSync. An outage of its source is told there, once.
    pub(super) fn tell(&self, ctx: &Context) {
        let word = |condition: Option<&Condition>| {
            condition.map(|condition| (condition.status.clone(), condition.reason.clone()))
        };
        let (before, fresh) = (get(&self.old.conditions, FRESH), get(&self.status.conditions, FRESH));
        let Some(fresh) = fresh.filter(|fresh| fresh.status == "False" && word(Some(fresh)) != word(before)) else {
            return;
        };
        if fresh.message.starts_with("ClusterSecretSource ") {
            return;
        }
        let reference = self.sync.object_ref(&());
        let events = &ctx.process.events;
        events.publish(&reference, EventType::Warning, &fresh.reason, "Sync", &fresh.message);
    }
}
