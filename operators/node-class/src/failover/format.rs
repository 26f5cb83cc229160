//! Times and commands in messages.
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::OUT_OF_SERVICE;

/// What a person who knows better may run.
pub(super) fn command(node: &str) -> String {
    format!(
        "kubectl taint nodes {node} {OUT_OF_SERVICE}=nodeshutdown:NoExecute (and {OUT_OF_SERVICE}- when it is back)"
    )
}

pub(super) fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A duration, rounded up so coarsely that a message does not change all the time: `40 s`, `3 min`, `2 h`.
pub(super) fn rounded(duration: Duration) -> String {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    match seconds {
        0..60 => format!("{} s", seconds.div_ceil(10).saturating_mul(10)),
        60..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}
