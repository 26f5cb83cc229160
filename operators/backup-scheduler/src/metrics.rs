//! `hearth_backup_…`: what can be seen of repositories, runs and claims. docs/observability.md lists them.
//!
//! All of it is in the statuses of objects, so the series are made of the caches every few seconds, and a restart loses none.
mod schedules;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::StreamExt;
use hearth_reconciler::start::Process;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use self::repository::RepositoryMetrics;
use crate::crd::backup_run::{BackupRunStatus, Item, State};
use crate::crd::{BackupRepository, BackupRun, BackupSchedule, RestoreRun};
use crate::plan::backup::NODE_OFF;
use crate::plan::place;
use schedules::Schedules;

mod repository;

/// How often the series are made anew.
const EVERY: Duration = Duration::from_secs(5);
/// The kinds of runs.
const KINDS: [&str; 2] = [BACKUP, RESTORE];
const BACKUP: &str = "backup";
const RESTORE: &str = "restore";
/// A run that has not ended.
const OPEN: &str = "open";
/// How a run ended: all volumes are good, some are, none is.
const RESULTS: [&str; 3] = ["completed", "incomplete", "failed"];

/// All of the operator's own metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    repositories: RepositoryMetrics,
    runs: Series<RunState, Gauge>,
    ended: Family<RunResult, Counter>,
    last_success: Series<ClaimLabels, Gauge<f64, AtomicU64>>,
    size: Series<ClaimLabels, Gauge>,
    not_good: Series<ClaimState, Gauge>,
    schedules: Schedules,
    counted: Arc<Mutex<HashSet<Ended>>>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunState {
    kind: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RunResult {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClaimLabels {
    repository: String,
    // `namespace` is that of the scraped pod.
    object_namespace: String,
    claim: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClaimState {
    repository: String,
    object_namespace: String,
    claim: String,
    state: &'static str,
}

/// A run that has ended: its UID and when. The same RestoreRun may run once more.
type Ended = (String, Timestamp);

/// A family whose series are replaced as a whole.
#[derive(Debug)]
struct Series<L: Clone + Hash + Eq, M> {
    family: Family<L, M>,
    present: Arc<Mutex<HashSet<L>>>,
}

impl<L: Clone + Hash + Eq, M> Clone for Series<L, M> {
    fn clone(&self) -> Self {
        Self {
            family: self.family.clone(),
            present: Arc::clone(&self.present),
        }
    }
}

impl<L: Clone + Hash + Eq, M: Default> Default for Series<L, M> {
    fn default() -> Self {
        Self {
            family: Family::default(),
            present: Arc::default(),
        }
    }
}

impl<L: Clone + Hash + Eq, M: Clone> Series<L, M> {
    /// These series are there, and no others.
    fn replace<V>(&self, values: HashMap<L, V>, set: impl Fn(&M, V)) {
        let mut present = self.present.lock();
        for gone in present.iter().filter(|labels| !values.contains_key(*labels)) {
            self.family.remove(gone);
        }
        *present = values.keys().cloned().collect();
        for (labels, value) in values {
            set(&self.family.get_or_create(&labels), value);
        }
    }
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let all = metrics.clone();
        all.repositories.register(registry);
        add(
            registry,
            "hearth_backup_runs",
            "BackupRuns and RestoreRuns that there are, by state",
            all.runs.family,
        );
        add(
            registry,
            "hearth_backup_runs_ended",
            "BackupRuns and RestoreRuns that have ended, by result",
            all.ended,
        );
        add(
            registry,
            "hearth_backup_claim_last_success_timestamp_seconds",
            "When the newest good backup of a claim began",
            all.last_success.family,
        );
        add(
            registry,
            "hearth_backup_claim_size_bytes",
            "Bytes in the newest good backup of a claim",
            all.size.family,
        );
        add(
            registry,
            "hearth_backup_claim_not_good",
            "1 while the newest backup of a claim is not good",
            all.not_good.family,
        );
        all.schedules.register(registry);
        for kind in KINDS {
            for result in RESULTS {
                drop(metrics.ended.get_or_create_owned(&RunResult { kind, result }));
            }
        }
        metrics
    }

    /// Another replica leads and has these series: two that differ would keep alerts firing.
    pub fn clear(&self) {
        self.repositories.clear();
        self.runs.replace(HashMap::new(), set);
        self.last_success.replace(HashMap::new(), set_seconds);
        self.size.replace(HashMap::new(), set);
        self.not_good.replace(HashMap::new(), set);
        self.schedules.show(&[], Timestamp::UNIX_EPOCH);
        self.counted.lock().clear();
    }

    /// Makes all series anew. Runs that have ended before `since` are not counted: another leader has.
    fn show(
        &self,
        repositories: &[Arc<BackupRepository>],
        backups: &[Arc<BackupRun>],
        restores: &[Arc<RestoreRun>],
        since: Timestamp,
    ) {
        self.repositories.show(repositories);
        let runs: Vec<Run<'_>> = backups.iter().map(|run| Run::from(&**run)).collect();
        self.claims(&runs);
        let runs: Vec<Run<'_>> = runs
            .into_iter()
            .chain(restores.iter().map(|run| Run::from(&**run)))
            .collect();
        let mut states: HashMap<RunState, i64> = HashMap::new();
        for kind in KINDS {
            for state in RESULTS.into_iter().chain([OPEN]) {
                states.insert(RunState { kind, state }, 0);
            }
        }
        for run in &runs {
            let labels = RunState {
                kind: run.kind,
                state: run.result().unwrap_or(OPEN),
            };
            *states.entry(labels).or_default() += 1;
        }
        self.runs.replace(states, set);
        self.count(&runs, since);
    }

    fn count(&self, runs: &[Run<'_>], since: Timestamp) {
        let mut counted = self.counted.lock();
        let mut present = HashSet::new();
        for run in runs {
            let (Some(at), Some(result)) = (run.ended, run.result()) else {
                continue;
            };
            if at < since {
                continue;
            }
            let ended = (run.uid.clone(), at);
            if !counted.contains(&ended) {
                self.ended.get_or_create(&RunResult { kind: run.kind, result }).inc();
            }
            present.insert(ended);
        }
        // Of runs that were deleted nothing is kept.
        *counted = present;
    }

    fn claims(&self, backups: &[Run<'_>]) {
        let mut newest: HashMap<ClaimLabels, (Timestamp, &Item)> = HashMap::new();
        let mut good: HashMap<ClaimLabels, (Timestamp, &Item)> = HashMap::new();
        for run in backups {
            // One whose node was off is no failure: its age is what counts.
            let ended = |item: &&Item| item.state.is_final() && item.reason.as_deref() != Some(NODE_OFF);
            for item in run.items.iter().copied().filter(ended) {
                let labels = ClaimLabels {
                    repository: run.repository.to_owned(),
                    object_namespace: run.namespace.clone(),
                    claim: item.claim.clone(),
                };
                // One that cannot be read is older than all others.
                let ended = time(item.completion_time.as_deref()).unwrap_or(Timestamp::MIN);
                if item.state == State::Completed {
                    let began = time(item.start_time.as_deref()).unwrap_or(ended);
                    keep_newest(&mut good, labels.clone(), began, item);
                }
                keep_newest(&mut newest, labels, ended, item);
            }
        }
        let not_good = newest.into_iter().filter_map(|(claim, (_, item))| {
            let labels = ClaimState {
                state: word(item.state)?,
                repository: claim.repository,
                object_namespace: claim.object_namespace,
                claim: claim.claim,
            };
            Some((labels, 1))
        });
        self.not_good.replace(not_good.collect(), set);
        let sizes = good
            .iter()
            .map(|(claim, (_, item))| (claim.clone(), item.bytes.unwrap_or(0)));
        self.size.replace(sizes.collect(), set);
        let times = good.into_iter().map(|(claim, (at, _))| (claim, at));
        self.last_success.replace(times.collect(), set_seconds);
    }
}

/// What is shown.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The repositories.
    pub repositories: Store<BackupRepository>,
    /// The schedules.
    pub schedules: Store<BackupSchedule>,
    /// The backups.
    pub backups: Store<BackupRun>,
    /// The restores.
    pub restores: Store<RestoreRun>,
}

/// While this process leads, makes the series anew every few seconds. At the end of a term they go.
pub async fn keep(process: Process, metrics: Metrics, stores: Stores) {
    let mut terms = std::pin::pin!(process.leadership.terms());
    while let Some(term) = terms.next().await {
        let since = Timestamp::now();
        let shown = async {
            loop {
                let (backups, restores) = (stores.backups.state(), stores.restores.state());
                metrics.show(&stores.repositories.state(), &backups, &restores, since);
                metrics.schedules.show(&stores.schedules.state(), Timestamp::now());
                tokio::time::sleep(EVERY).await;
            }
        };
        let _: Option<()> = term.within(shown).await;
        metrics.clear();
    }
}

fn add(registry: &mut Registry, name: &str, help: &str, metric: impl Metric) {
    registry.register(name, help, metric);
}

fn set(gauge: &Gauge, value: i64) {
    gauge.set(value);
}

#[allow(clippy::cast_precision_loss, reason = "the seconds of a date are exact in a double")]
fn set_seconds(gauge: &Gauge<f64, AtomicU64>, at: Timestamp) {
    gauge.set(at.as_second() as f64);
}

/// A BackupRun or a RestoreRun.
struct Run<'a> {
    kind: &'static str,
    uid: String,
    namespace: String,
    repository: &'a str,
    items: Vec<&'a Item>,
    ended: Option<Timestamp>,
}

impl<'a> From<&'a BackupRun> for Run<'a> {
    fn from(run: &'a BackupRun) -> Self {
        let status = run.status.as_ref();
        // API objects that are not to be backed up are no failure.
        let wanted = |item: &&Item| item.state != State::Skipped || !place::is_objects(&item.claim);
        Self {
            kind: BACKUP,
            uid: run.uid().unwrap_or_default(),
            namespace: run.namespace().unwrap_or_default(),
            repository: &run.spec.repository,
            items: status
                .into_iter()
                .flat_map(BackupRunStatus::items)
                .filter(wanted)
                .collect(),
            ended: status.and_then(|status| time(status.completion_time.as_deref())),
        }
    }
}

impl<'a> From<&'a RestoreRun> for Run<'a> {
    fn from(run: &'a RestoreRun) -> Self {
        let status = run.status.as_ref();
        Self {
            kind: RESTORE,
            uid: run.uid().unwrap_or_default(),
            namespace: run.namespace().unwrap_or_default(),
            repository: &run.spec.from.repository,
            items: status
                .into_iter()
                .flat_map(|status| status.volumes.iter().chain(&status.objects))
                .collect(),
            ended: status.and_then(|status| time(status.completion_time.as_deref())),
        }
    }
}

impl Run<'_> {
    /// How it ended; none while it has not. A run without any volume has failed: nothing was selected or found.
    fn result(&self) -> Option<&'static str> {
        self.ended?;
        let is_good = |item: &Item| item.state == State::Completed;
        // As the reason of Ready: what a restore has written in part is there, what a backup has saved in part is not good.
        let counts = |item: &Item| is_good(item) || self.kind == RESTORE && item.state == State::Partial;
        // API objects alone are no backup of a namespace with volumes.
        let is_volume = |item: &Item| self.kind == RESTORE || !place::is_objects(&item.claim);
        let has_volumes = self.items.iter().copied().any(is_volume);
        let counts = |item: &Item| counts(item) && (is_volume(item) || !has_volumes);
        let [completed, incomplete, failed] = RESULTS;
        Some(match self.items.iter().copied().any(counts) {
            false => failed,
            true if self.items.iter().copied().all(is_good) => completed,
            true => incomplete,
        })
    }
}

/// The states that are final and not good.
fn word(state: State) -> Option<&'static str> {
    match state {
        State::Partial => Some("Partial"),
        State::Suspicious => Some("Suspicious"),
        State::Failed => Some("Failed"),
        State::Skipped => Some("Skipped"),
        State::Completed | State::Pending | State::Deferred | State::Running => None,
    }
}

fn keep_newest<'a>(
    map: &mut HashMap<ClaimLabels, (Timestamp, &'a Item)>,
    labels: ClaimLabels,
    at: Timestamp,
    item: &'a Item,
) {
    let known = map.entry(labels).or_insert((at, item));
    if known.0 < at {
        *known = (at, item);
    }
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests;
