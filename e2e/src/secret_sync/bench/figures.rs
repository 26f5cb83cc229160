//! What is measured at one scale, and how it is written down.
use serde::Serialize;

use crate::bench::figures::Common;
use crate::bench::restart::Takeover;

/// The figures of one scale: a JSON line, with those of [`Common`].
///
/// - `objects`: SecretSyncs of two keys each, every one of another object at the provider.
/// - `first_sync_seconds`: from the request for one replica (source and SecretSyncs are there before) until every Secret had its
///   values; with none, until the source was Ready. Scheduling and starting the pod are in it.
/// - `first_reads`: requests of the first sync for objects, as they pass the gate before the provider.
/// - `writes_per_sync`: writes of the first sync to Secrets and SecretSyncs, as the API server counts them, for each SecretSync. It
///   cannot be below 2: a Secret and a status, both of which are waited for.
/// - `change_*_seconds`: from the API server's acknowledgement of a new SecretSync until its Secret had its values, one after another.
/// - `rotation_*_seconds`: from the API server's acknowledgement of the annotation `reconcile-at` until the Secret had the new value,
///   which the provider has before, one after another.
/// - `idle_*_per_minute`: over a minute without changes; provider calls are requests of every kind.
/// - `restart_reads`, `restart_writes`: of both new processes (pod deleted; killed), each until 15 s after it was ready and had the
///   lease. Writes are all that the operator counts; the lease has a client of its own and is not counted.
/// - `outage_calls_per_minute`: requests and refused connections, as the gate counts them, over two minutes. They begin a minute after
///   the gate was closed. A new read of every SecretSync was requested when it was closed.
/// - `return_seconds`: from the first call that the provider answers after the outage until every SecretSync had been read again. Before
///   that call the operator cannot know of the return: it comes with the next probe, of which there is one a minute.
/// - `shared_reads`: requests for objects by as many SecretSyncs that are all of one object, in their first sync.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) first_reads: u32,
    pub(crate) writes_per_sync: Option<f64>,
    pub(crate) rotation_p50_seconds: Option<f64>,
    pub(crate) rotation_p99_seconds: Option<f64>,
    pub(crate) idle_provider_calls_per_minute: f64,
    pub(crate) idle_api_writes_per_minute: f64,
    pub(crate) restart_reads: u32,
    pub(crate) restart_writes: f64,
    pub(crate) outage_calls_per_minute: Option<f64>,
    pub(crate) return_seconds: Option<f64>,
    pub(crate) shared_reads: Option<u32>,
    #[serde(skip)]
    pub(crate) beside: Beside,
}

/// What is shown and the JSON line does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// The most that was ever resident (`VmHWM`) until the minute without changes was over.
    pub(crate) peak_bytes: u64,
    /// Processor time over the idle minute, in thousandths of a core.
    pub(crate) idle_millicores: f64,
    pub(crate) takeover: Takeover,
    /// How many new SecretSyncs and how many rotations there were.
    pub(crate) changes: usize,
    pub(crate) rotations: usize,
    /// From the opening of the gate until every SecretSync had been read again: with the time until the next probe.
    pub(crate) return_with_probe: Option<f64>,
    /// The first sync of those that are of one object.
    pub(crate) shared_seconds: Option<f64>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_json_line_has_the_keys_that_tools_read() {
        crate::bench::figures::assert_keys(
            &super::super::budget::tests::good(1_000),
            "first_reads writes_per_sync rotation_p50_seconds rotation_p99_seconds idle_provider_calls_per_minute \
             idle_api_writes_per_minute restart_reads restart_writes outage_calls_per_minute return_seconds shared_reads",
        );
    }
}
