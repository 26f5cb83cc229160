//! What is measured at one scale, and how it is written down.
use serde::Serialize;

use crate::bench::figures::Common;
use crate::bench::restart::Takeover;

/// The figures of one scale: a JSON line, with those of [`Common`].
///
/// - `first_sync_seconds`: from the request for one replica (the objects are there before) until the fake Route 53 had the last batch;
///   with no objects, until the zone was listed. Scheduling and starting the pod are in it.
/// - `change_*_seconds`: from the API server's acknowledgement of a Service's new address to the arrival of its
///   `ChangeResourceRecordSets`, one change after another.
/// - `provider_calls_per_change`: all calls of the operator during those changes, reads too.
/// - `idle_*_per_minute`: over a minute without changes; writes as the operator counts its requests that are no GET, or the API
///   server those to our API group, whichever is more. The lease has a client of its own and is not counted.
/// - `restart_writes`: to the API server and to the provider, by both new processes (pod deleted; killed).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) provider_calls_per_change: Option<f64>,
    pub(crate) idle_provider_calls_per_minute: f64,
    pub(crate) idle_api_writes_per_minute: f64,
    pub(crate) restart_writes: u64,
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
    pub(crate) takeover: Takeover,
    /// How many single changes were made, and the slowest.
    pub(crate) changes: usize,
    pub(crate) slowest_change: Option<f64>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_json_line_has_the_keys_that_tools_read() {
        crate::bench::figures::assert_keys(
            &super::super::budget::tests::good(1000),
            "provider_calls_per_change idle_provider_calls_per_minute idle_api_writes_per_minute restart_writes",
        );
    }
}
