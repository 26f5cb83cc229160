//! What is measured at one scale, and how it is written down.
use serde::Serialize;

/// The figures of one scale: a JSON line.
///
/// - `rss_bytes`, `anon_bytes`: `VmRSS` and `RssAnon` of proc(5) after a minute of idling.
/// - `cpu_seconds`: processor time of the process from its start until the first sync was done and reported.
/// - `first_sync_seconds`: from the request for one replica (the objects are there before) until the fake Route 53 had the last batch;
///   with no objects, until the zone was listed. Scheduling and starting the pod are in it.
/// - `change_*_seconds`: from the API server's acknowledgement of a Service's new address to the arrival of its
///   `ChangeResourceRecordSets`, one change after another.
/// - `provider_calls_per_change`: all calls of the operator during those changes, reads too.
/// - `idle_*_per_minute`: over a minute without changes; writes as the operator counts its requests that are no GET, or the API
///   server those to our API group, whichever is more. The lease has a client of its own and is not counted.
/// - `restart_ready_seconds`: from the start of the new process, after the pod was deleted, to the first 200 of `/readyz`.
/// - `restart_writes`: to the API server and to the provider, by both new processes (pod deleted; killed).
/// - `image_bytes`: the image's one layer with its manifests, uncompressed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) operator: &'static str,
    pub(crate) objects: u32,
    pub(crate) rss_bytes: u64,
    pub(crate) anon_bytes: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) first_sync_seconds: f64,
    pub(crate) change_p50_seconds: Option<f64>,
    pub(crate) change_p99_seconds: Option<f64>,
    pub(crate) provider_calls_per_change: Option<f64>,
    pub(crate) idle_provider_calls_per_minute: f64,
    pub(crate) idle_api_writes_per_minute: f64,
    pub(crate) restart_ready_seconds: f64,
    pub(crate) restart_writes: u64,
    pub(crate) image_bytes: u64,
    #[serde(skip)]
    pub(crate) beside: Beside,
}

/// What budgets speak of and the JSON line does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Batches of the first sync, refused ones too, and the least that the values permit.
    pub(crate) batches: usize,
    pub(crate) least_batches: usize,
    /// Processor time over the idle minute, in thousandths of a core.
    pub(crate) idle_millicores: f64,
    /// From the end of the old and the start of the new process to the new one's lease, after the pod was deleted.
    pub(crate) leading_after_end: f64,
    /// From SIGKILL to the new process' lease.
    pub(crate) leading_after_kill: f64,
    /// How many single changes were made, and the slowest.
    pub(crate) changes: usize,
    pub(crate) slowest_change: Option<f64>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_json_line_has_the_keys_that_tools_read() {
        let figures = super::super::budget::tests::good(1000);
        let line = serde_json::to_value(&figures).unwrap();
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = "operator objects rss_bytes anon_bytes cpu_seconds first_sync_seconds change_p50_seconds change_p99_seconds \
                        provider_calls_per_change idle_provider_calls_per_minute idle_api_writes_per_minute restart_ready_seconds \
                        restart_writes image_bytes";
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected);
    }
}
