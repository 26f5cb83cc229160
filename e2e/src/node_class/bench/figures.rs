//! What is measured at one scale, and how it is written down.
use serde::Serialize;

use crate::bench::figures::Common;
use crate::bench::restart::Takeover;

/// The figures of one scale: a JSON line, with those of [`Common`].
///
/// - `objects`: nodes that were made; the cluster's own come on top.
/// - `cpu_seconds`: processor time of the process from its start until the first pass was done and stored.
/// - `first_sync_seconds`: from the request for one replica (the nodes are there before) until each node had its labels and taints, which needs
///   no watching; with no nodes made, until the cluster's own had their histories, which the operator stores after it has watched for
///   40 s. Starting the pod is in it.
/// - `change_*_seconds`: from the API server's acknowledgement of a host's new availability until the last of its nodes had the label,
///   one host after another.
/// - `down_seconds`: from a node's last renewal of its lease until its history said that it is down. Kubernetes' own grace is in it.
/// - `idle_millicores`, `idle_api_writes_per_minute`: over a minute between checkpoints, while all leases are renewed every 10 s and
///   statuses posted every 5 minutes; writes as the operator counts its requests that are no GET, or the API server those to our
///   API group and to Nodes, whichever is more. The operator's lease has a client of its own and is not counted.
/// - `writes_per_node_and_day`: writes to a checkpoint, counted with one a minute, by 48 checkpoints a day.
/// - `restart_writes`: to Nodes, by both new processes (pod deleted; killed).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub(crate) common: Common,
    pub(crate) down_seconds: Option<f64>,
    pub(crate) idle_millicores: f64,
    pub(crate) idle_api_writes_per_minute: f64,
    pub(crate) writes_per_node_and_day: f64,
    pub(crate) restart_writes: f64,
    #[serde(skip)]
    pub(crate) beside: Beside,
}

/// What is shown and the JSON line does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// The most that was ever resident (`VmHWM`): the first lists and the first pass.
    pub(crate) peak_bytes: u64,
    /// All writes of the first pass, and the nodes that they were for.
    pub(crate) first_writes: f64,
    pub(crate) nodes: u32,
    pub(crate) takeover: Takeover,
    /// By both new processes, to what is no Node.
    pub(crate) restart_other_writes: f64,
    /// How many hosts were declared otherwise.
    pub(crate) changes: usize,
    /// Processor time of one node's checkpoint, and the mean of a day with all of them, in thousandths of a core.
    pub(crate) checkpoint_cpu_seconds: f64,
    pub(crate) day_millicores: f64,
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_json_line_has_the_keys_that_tools_read() {
        crate::bench::figures::assert_keys(
            &super::super::budget::tests::good(20),
            "down_seconds idle_millicores idle_api_writes_per_minute writes_per_node_and_day restart_writes",
        );
    }
}
