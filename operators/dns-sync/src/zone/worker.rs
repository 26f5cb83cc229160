//! The worker of one zone: gathers what changed, plans, and sends. Runs for one term of leadership.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::lease::Term;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::batch::Group;
use super::config::Config;
use super::state::{Mono, ZoneState};
use crate::metrics::ZoneMetrics;
use crate::name::Name;
use crate::object_cache::{Notice, ObjectCache};
use crate::provider::{Provider, ProviderError};
use crate::source::ObjectKey;

mod schedule;
mod send;

use schedule::Schedule;

/// What the zone's and the records' reconcilers read.
#[derive(Debug)]
pub struct Shared {
    /// What objects want, what is at the provider, and the verdicts.
    pub state: Mutex<ZoneState>,
    /// How calls of the provider end.
    pub provider_status: Mutex<ProviderStatus>,
}

impl Shared {
    /// For a zone at its beginning.
    pub fn new(state: ZoneState) -> Self {
        Self {
            state: Mutex::new(state),
            provider_status: Mutex::default(),
        }
    }

    /// The state; held only for computing, never over a call.
    pub fn state(&self) -> MutexGuard<'_, ZoneState> {
        self.state.lock()
    }

    /// The provider's status.
    pub fn provider_status(&self) -> MutexGuard<'_, ProviderStatus> {
        self.provider_status.lock()
    }
}

/// How calls of the provider end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderStatus {
    /// The zone has been listed and planned in this term.
    pub listed: bool,
    /// [`Instructions::list_request`] as it was when the last list began.
    pub list_request: u64,
    /// The last call's error; `None` after a success.
    pub error: Option<ProviderError>,
}

/// Gets a call when there is something to report.
pub trait Notifier: Send + Sync + 'static {
    /// Something of the zone's status changed. Called at most once a second.
    fn zone_changed(&self);
    /// Something of these objects changed.
    fn objects_changed(&self, objects: &[ObjectKey]);
    /// The zone has been listed and planned for the first time in this term: what waited for it can be answered.
    fn zone_listed(&self);
}

/// What the worker is to do.
#[derive(Clone, Debug)]
pub struct Instructions {
    /// The configuration.
    pub config: Arc<Config>,
    /// Grows when a list of the zone is requested.
    pub list_request: u64,
}

/// The worker.
pub struct Worker<P, A> {
    /// What others read.
    pub shared: Arc<Shared>,
    /// The hosted zone.
    pub provider: P,
    /// The objects.
    pub object_cache: Arc<ObjectCache>,
    /// The term for which it may act.
    pub term: Term,
    /// What changed in the object cache.
    pub notices: UnboundedReceiver<Notice>,
    /// Configuration and requests.
    pub instructions: watch::Receiver<Instructions>,
    /// Gets a call when there is something to report.
    pub notifier: A,
    /// The zone's series.
    pub metrics: ZoneMetrics,
}

/// How long the worker waits for sources to be listed before it begins with what is known.
const SOURCES_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause that a provider may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(15);
/// Where more names are to be read than this, listing the zone is cheaper.
const MAX_READS: usize = 8;

impl<P: Provider, A: Notifier> Worker<P, A> {
    /// Works until the term ends or the zone is taken away.
    pub async fn run(mut self) {
        let term = self.term.clone();
        let _ = term.within(self.work()).await;
    }

    async fn work(&mut self) {
        let mut schedule = Schedule::first();
        let instructions = self.instructions.borrow_and_update().clone();
        let mut asked = instructions.list_request;
        self.fill();
        // What changed between the worker's creation and its start.
        self.reconfigure(&instructions.config, &mut schedule);
        loop {
            let now = self.object_cache.now();
            if now >= schedule.not_before {
                if schedule.list_due || now >= schedule.next_list {
                    self.list_zone(&mut schedule).await;
                } else if !schedule.unconfirmed.is_empty() {
                    self.read_unconfirmed(&mut schedule).await;
                }
            }
            // What has arrived decides whether the batch waits for more.
            if let Ok(notice) = self.notices.try_recv() {
                self.notice(notice, &mut schedule);
            }
            self.notify(&mut schedule);
            let now = self.object_cache.now();
            if self.batch_due(&mut schedule, now) {
                self.send(&mut schedule).await;
                self.planned(&mut schedule);
                schedule.note_change(self.object_cache.now());
                continue;
            }
            let wake = self.next_wake(&mut schedule, now);
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.notice(notice, &mut schedule),
                    None => return,
                },
                changed = self.instructions.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let instructions = self.instructions.borrow_and_update().clone();
                    if instructions.list_request != asked {
                        asked = instructions.list_request;
                        self.shared.state().forget_contested();
                        (schedule.list_due, schedule.not_before, schedule.failures) = (true, Mono::ZERO, 0);
                    }
                    self.reconfigure(&instructions.config, &mut schedule);
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Takes over everything that the object cache knows.
    fn fill(&mut self) {
        let now = self.object_cache.now();
        let facts = self.object_cache.all();
        let mut state = self.shared.state();
        for facts in facts {
            state.set_object(&facts.object.key, Some(&facts), now, None);
        }
    }

    fn reconfigure(&mut self, config: &Arc<Config>, schedule: &mut Schedule) {
        if self.shared.state().config.same(config) {
            return;
        }
        self.shared.state().set_config((**config).clone());
        self.fill();
        schedule.note_change(self.object_cache.now());
    }

    /// Takes over one notice and all that wait behind it.
    fn notice(&mut self, first: Notice, schedule: &mut Schedule) {
        let mut next = Some(first);
        let mut state = self.shared.state();
        while let Some(notice) = next {
            match notice {
                Notice::Object(key, at) => {
                    schedule.note_event(&key, at);
                    let facts = self.object_cache.get(&key);
                    state.set_object(&key, facts.as_deref(), self.object_cache.now(), Some(at));
                }
                Notice::Sources => state.reconsider_deletes(),
            }
            next = self.notices.try_recv().ok();
        }
        drop(state);
        schedule.note_change(self.object_cache.now());
    }

    /// Lists the zone.
    async fn list_zone(&mut self, schedule: &mut Schedule) {
        let asked = self.instructions.borrow().list_request;
        let result = self.provider.list().await;
        schedule.note_answer(self.object_cache.now());
        match result {
            Ok(records) => {
                self.shared.provider_status().list_request = asked;
                self.shared.state().set_records(records, self.object_cache.now());
                schedule.unconfirmed.clear();
                schedule.list_due = false;
                let interval = self.shared.state().config.drift_interval;
                schedule.next_list = self.object_cache.now() + interval.mul_f64(0.9 + 0.2 * fastrand::f64());
                self.succeeded(schedule);
            }
            Err(error) => self.failed(error, schedule),
        }
    }

    /// Reads the names whose last change has an unknown outcome.
    async fn read_unconfirmed(&mut self, schedule: &mut Schedule) {
        if schedule.unconfirmed.len() > MAX_READS {
            schedule.list_due = true;
            return;
        }
        let names: Vec<Name> = schedule.unconfirmed.iter().cloned().collect();
        match self.provider.read(&names).await {
            Ok(found) => {
                for (name, sets) in found {
                    self.shared.state().read(&name, sets);
                }
                schedule.unconfirmed.clear();
                self.succeeded(schedule);
            }
            Err(error) => self.failed(error, schedule),
        }
    }

    /// The zone has been listed and all of it planned: from now on the state says something. Before, it would report
    /// that nothing is parked, and forget what was when the process ends.
    fn planned(&self, schedule: &mut Schedule) {
        let mut provider_status = self.shared.provider_status();
        let all_planned = {
            let state = self.shared.state();
            state.records.is_some() && !state.backlog
        };
        if !provider_status.listed && !schedule.list_due && all_planned {
            provider_status.listed = true;
            schedule.note_change(self.object_cache.now());
            drop(provider_status);
            self.notifier.zone_listed();
        }
    }

    fn succeeded(&self, schedule: &mut Schedule) {
        (schedule.failures, schedule.not_before) = (0, Mono::ZERO);
        let mut provider_status = self.shared.provider_status();
        if provider_status.error.take().is_some() {
            schedule.note_change(self.object_cache.now());
        }
        self.metrics.success(jiff::Timestamp::now().as_duration().as_secs_f64());
    }

    fn failed(&self, error: ProviderError, schedule: &mut Schedule) {
        schedule.failures = schedule.failures.saturating_add(1);
        let longest = match error {
            ProviderError::Throttled(_) | ProviderError::Busy => Duration::from_secs(30),
            // When the provider, or the way to it, is back, a minute is soon enough.
            ProviderError::Unreachable(_) => Duration::from_mins(1),
            _ => Duration::from_mins(5),
        };
        let pause = Duration::from_secs(1 << (schedule.failures - 1).min(9)).min(longest);
        let asked = match error {
            ProviderError::Throttled(Some(pause)) => pause.min(MAX_RETRY_AFTER),
            _ => Duration::ZERO,
        };
        schedule.not_before = self.object_cache.now() + pause.mul_f64(0.7 + 0.6 * fastrand::f64()).max(asked);
        let mut provider_status = self.shared.provider_status();
        if provider_status.error.as_ref().map(ProviderError::reason) != Some(error.reason()) {
            tracing::warn!(zone = &*self.zone(), reason = error.reason(), %error, "provider call failed; it is retried");
            schedule.note_change(self.object_cache.now());
        }
        provider_status.error = Some(error);
    }

    fn zone(&self) -> Arc<str> {
        Arc::clone(&self.instructions.borrow().config.zone)
    }

    /// Whether the gathered changes shall be sent now.
    fn batch_due(&self, schedule: &mut Schedule, now: Mono) -> bool {
        if schedule.list_due || !schedule.unconfirmed.is_empty() || now < schedule.not_before {
            return false;
        }
        let state = self.shared.state();
        if !state.has_work(now) {
            schedule.close_batch();
            drop(state);
            self.planned(schedule);
            return false;
        }
        let sources: Vec<_> = state
            .config
            .wanted_sources()
            .filter(|kind| state.config.reach.sources.contains(kind))
            .collect();
        if now < SOURCES_TIMEOUT && !self.object_cache.settled(&sources) {
            return false;
        }
        now >= schedule.batch_at(now, state.config.batch_window)
    }

    /// How long to wait when nothing happens.
    fn next_wake(&self, schedule: &mut Schedule, now: Mono) -> Duration {
        let state = self.shared.state();
        let mut at = schedule.next_list.max(schedule.not_before);
        if schedule.list_due || !schedule.unconfirmed.is_empty() {
            at = schedule.not_before;
        } else if schedule.batch_since.is_some() {
            let due = schedule.batch_at(now, state.config.batch_window);
            at = at.min(due.max(schedule.not_before));
        } else if state.has_work(now) {
            at = at.min((now + Duration::from_millis(50)).max(schedule.not_before));
        }
        if let Some(due) = state.next_due() {
            at = at.min(due.max(schedule.not_before));
        }
        if let Some(told) = schedule.notify_at(state.has_work(now)) {
            at = at.min(told);
        }
        at.saturating_sub(now)
            .clamp(Duration::from_millis(1), Duration::from_mins(1))
    }

    /// Reports what is new: objects at once, the zone at most once a second.
    fn notify(&self, schedule: &mut Schedule) {
        let now = self.object_cache.now();
        let changed = self.shared.state().take_changed();
        if !changed.is_empty() {
            schedule.note_change(self.object_cache.now());
            self.notifier.objects_changed(&changed);
        }
        let state = self.shared.state();
        if schedule.notify_at(state.has_work(now)).is_none_or(|at| now < at) {
            return;
        }
        (schedule.notified, schedule.changed_since) = (Some(now), None);
        let totals = state.totals();
        let failed = totals.failed + i64::try_from(state.defective()).unwrap_or(0);
        let counts = [
            totals.desired,
            totals.owned,
            totals.foreign,
            totals.pending,
            totals.conflicted,
            failed,
        ];
        self.metrics.records(counts, state.deletes.parked.len());
        drop(state);
        self.notifier.zone_changed();
    }

    /// Names at which something was to be changed: the record's and its owner records'.
    fn names_of(groups: &[Group]) -> BTreeSet<Name> {
        groups
            .iter()
            .flat_map(|group| group.changes.iter().map(|change| change.key.name.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
