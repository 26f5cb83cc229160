//! The series of schedules.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use kube::ResourceExt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Series, add, set, set_seconds, time};
use crate::crd::BackupSchedule;
use crate::plan::schedule;

/// The series of schedules. Those of a schedule that was deleted go.
#[derive(Clone, Debug, Default)]
pub(super) struct Schedules {
    created: Series<ScheduleLabels, Gauge<f64, AtomicU64>>,
    success: Series<ScheduleLabels, Gauge<f64, AtomicU64>>,
    missed: Series<ScheduleLabels, Counter>,
    rpo: Series<ScheduleLabels, Gauge>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ScheduleLabels {
    repository: String,
    object_namespace: String,
    schedule: String,
}

impl Schedules {
    pub(super) fn register(self, registry: &mut Registry) {
        add(
            registry,
            "hearth_backup_schedule_created_timestamp_seconds",
            "When a schedule was made: its first backup may be as late as its others",
            self.created.family,
        );
        add(
            registry,
            "hearth_backup_schedule_last_success_timestamp_seconds",
            "The newest slot of a schedule whose backups are all good",
            self.success.family,
        );
        add(
            registry,
            "hearth_backup_schedule_missed_slots",
            "Slots of a schedule that had no run",
            self.missed.family,
        );
        add(
            registry,
            "hearth_backup_schedule_rpo_seconds",
            "How old the newest good backup of a schedule may become; none while it is suspended",
            self.rpo.family,
        );
    }

    /// Makes all series anew.
    pub(super) fn show(&self, schedules: &[Arc<BackupSchedule>], now: Timestamp) {
        let (mut success, mut missed, mut rpo) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut created = HashMap::new();
        for schedule in schedules {
            let labels = ScheduleLabels {
                repository: schedule.spec.repository.clone(),
                object_namespace: schedule.namespace().unwrap_or_default(),
                schedule: schedule.name_any(),
            };
            if let Some(made) = schedule.creation_timestamp() {
                created.insert(labels.clone(), made.0);
            }
            let status = schedule.status.as_ref();
            if let Some(at) = time(status.and_then(|status| status.last_good.as_deref())) {
                success.insert(labels.clone(), at);
            }
            let promised = schedule::parse(schedule).ok().and_then(|parsed| parsed.rpo(now));
            if let Some(promised) = promised.filter(|_| !schedule.spec.suspend) {
                rpo.insert(labels.clone(), i64::try_from(promised.as_secs()).unwrap_or(i64::MAX));
            }
            let slots = status.and_then(|status| status.missed).unwrap_or(0);
            missed.insert(labels, u64::try_from(slots).unwrap_or(0));
        }
        self.created.replace(created, set_seconds);
        self.success.replace(success, set_seconds);
        self.rpo.replace(rpo, set);
        // The status counts, so that a restart loses nothing.
        self.missed
            .replace(missed, |counter, slots| counter.inner().store(slots, Ordering::Relaxed));
    }
}
