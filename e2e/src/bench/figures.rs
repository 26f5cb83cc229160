//! What is measured of every operator, and statistics.
use std::time::Duration;

use serde::Serialize;

use super::idle::Idle;
use super::restart::Restarts;
use crate::pod_process::Process;

/// The figures that every operator has, as keys of its JSON line.
///
/// - `rss_bytes`, `anon_bytes`: `VmRSS` and `RssAnon` of proc(5) after a minute of idling.
/// - `cpu_seconds`: processor time of the process from its start until the first sync was done.
/// - `first_sync_seconds`: from the request for one replica (the objects are there before) until everything was written. Starting
///   the pod is in it.
/// - `change_*_seconds`: from the API server's acknowledgement of a change until it arrived, one change after another.
/// - `restart_ready_seconds`: from the start of the new process, after the pod was deleted, to the first 200 of `/readyz`.
/// - `image_bytes`: the image's one layer with its manifests, uncompressed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Common {
    pub(crate) operator: &'static str,
    pub(crate) objects: u32,
    pub(crate) rss_bytes: u64,
    pub(crate) anon_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) first_sync_seconds: f64,
    pub(crate) change_p50_seconds: Option<f64>,
    pub(crate) change_p99_seconds: Option<f64>,
    pub(crate) restart_ready_seconds: f64,
    pub(crate) image_bytes: u64,
}

/// What is measured.
pub(crate) struct Subject {
    pub(crate) operator: &'static str,
    pub(crate) objects: u32,
    pub(crate) image_bytes: u64,
}

/// The first sync of a process.
pub(crate) struct First {
    pub(crate) took: Duration,
    pub(crate) cpu_seconds: f64,
    pub(crate) process: Process,
}

impl Common {
    pub(crate) fn new(
        subject: &Subject,
        first: &First,
        idle: &Idle,
        changes: &[Duration],
        restarts: &Restarts,
    ) -> Self {
        Self {
            operator: subject.operator,
            objects: subject.objects,
            rss_bytes: idle.rss,
            anon_bytes: idle.anon,
            cpu_seconds: first.cpu_seconds,
            first_sync_seconds: first.took.as_secs_f64(),
            change_p50_seconds: percentile(changes, 50),
            change_p99_seconds: percentile(changes, 99),
            restart_ready_seconds: restarts.ready.as_secs_f64(),
            image_bytes: subject.image_bytes,
        }
    }

    /// Figures that keep every budget.
    #[cfg(test)]
    pub(crate) fn good(operator: &'static str, objects: u32) -> Self {
        let some = |value| (objects > 0).then_some(value);
        Self {
            operator,
            objects,
            rss_bytes: 11 << 20,
            anon_bytes: 5 << 20,
            cpu_seconds: 0.5,
            first_sync_seconds: 4.0,
            change_p50_seconds: some(0.03),
            change_p99_seconds: some(0.3),
            restart_ready_seconds: 0.4,
            image_bytes: 8 << 20,
        }
    }
}

/// The value below which `percent` of 100 lie, by the nearest-rank method; `None` of nothing.
pub(crate) fn percentile(values: &[Duration], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(Duration::as_secs_f64)
}

/// Checks the keys of a JSON line: those of [`Common`] and these.
#[cfg(test)]
pub(crate) fn assert_keys(figures: &impl Serialize, own: &str) {
    let line = serde_json::to_value(figures).unwrap();
    let keys: std::collections::BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let common = "operator objects rss_bytes anon_bytes cpu_seconds first_sync_seconds change_p50_seconds change_p99_seconds \
                  restart_ready_seconds image_bytes";
    let expected = common.split_whitespace().chain(own.split_whitespace()).collect();
    assert_eq!(keys, expected);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<Duration> = (1..=300).rev().map(Duration::from_millis).collect();
        let is = |percent, expected: f64| {
            assert!(
                (percentile(&values, percent).unwrap() - expected).abs() < 1e-9,
                "{percent}"
            );
        };
        is(50, 0.150);
        is(99, 0.297);
        is(100, 0.300);
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[Duration::from_secs(2)], 99), Some(2.0));
    }
}
