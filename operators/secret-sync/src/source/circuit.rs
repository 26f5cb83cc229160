//! The circuit of one source: when the provider cannot be used, all calls but one probe at a time are held back. Pure: times
//! come in as values.
use std::time::Duration;

use tokio::time::Instant;

use crate::provider::{Failure, Reason};

/// Before the first probe. Each one that fails doubles the time.
pub const FIRST_PROBE: Duration = Duration::from_secs(2);
/// No time between two probes is longer, except when the provider names one.
pub const LONGEST_PROBE: Duration = Duration::from_mins(1);
/// The provider's `Retry-After` is believed between these.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// Whether calls may be made.
#[derive(Debug, Clone, Default)]
pub enum Circuit {
    /// Yes.
    #[default]
    Closed,
    /// No, until a probe succeeds.
    Open {
        /// Why.
        failure: Failure,
        /// When the next probe may be made.
        probe_at: Instant,
        /// How many probes have failed.
        failed: u32,
    },
}

impl Circuit {
    /// Why it is open.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Closed => None,
            Self::Open { failure, .. } => Some(failure),
        }
    }

    /// When the next probe may be made, if it is open.
    pub fn probe_at(&self) -> Option<Instant> {
        match self {
            Self::Closed => None,
            Self::Open { probe_at, .. } => Some(*probe_at),
        }
    }

    /// A call or a probe failed. Returns whether the circuit opened by it. The failure of one object opens nothing. `jitter`
    /// from 0 to 1.
    pub fn failed(&mut self, failure: &Failure, probe: bool, now: Instant, jitter: f64) -> bool {
        if !failure.is_of_source() {
            return false;
        }
        let failed = match self {
            Self::Closed => 0,
            // Calls that were under way when it opened.
            Self::Open { .. } if !probe => return false,
            Self::Open { failed, .. } => *failed + 1,
        };
        let opened = matches!(self, Self::Closed);
        *self = Self::Open {
            probe_at: now + pause(failure, failed, jitter),
            failure: failure.clone(),
            failed,
        };
        opened
    }

    /// A probe or a call succeeded. Returns whether the circuit closed by it.
    pub fn succeeded(&mut self) -> bool {
        let was_open = matches!(self, Self::Open { .. });
        *self = Self::Closed;
        was_open
    }
}

/// Before the next probe; a tenth is added at random, so that many clusters do not come back together.
fn pause(failure: &Failure, failed: u32, jitter: f64) -> Duration {
    let growing = (FIRST_PROBE * (1 << failed.min(10))).min(LONGEST_PROBE);
    let pause = match (failure.retry_after, failure.reason) {
        (Some(asked), _) => asked
            .clamp(RETRY_AFTER.0, RETRY_AFTER.1)
            .max(growing.min(LONGEST_PROBE)),
        // Somebody must change the firewall, or the address of the line must change.
        (None, Reason::ForbiddenByFirewall) => LONGEST_PROBE,
        (None, _) => growing,
    };
    pause.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: Reason) -> Failure {
        Failure::new(reason, "x")
    }

    fn probes(reason: Reason, retry_after: Option<u64>, count: usize) -> Vec<u64> {
        let (mut circuit, mut now) = (Circuit::default(), Instant::now());
        let mut failure = failure(reason);
        failure.retry_after = retry_after.map(Duration::from_secs);
        let mut waits = Vec::new();
        for number in 0..count {
            circuit.failed(&failure, number > 0, now, 0.0);
            let at = circuit.probe_at().unwrap();
            waits.push(at.duration_since(now).as_secs());
            now = at;
        }
        waits
    }

    #[tokio::test]
    async fn probes_come_after_two_seconds_up_to_a_minute() {
        assert_eq!(probes(Reason::Unreachable, None, 8), [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(probes(Reason::ForbiddenByFirewall, None, 2), [60, 60]);
    }

    #[tokio::test]
    async fn a_pause_that_the_provider_names_is_kept_between_a_second_and_five_minutes() {
        assert_eq!(probes(Reason::Throttled, Some(0), 3), [2, 4, 8]);
        assert_eq!(probes(Reason::Throttled, Some(90), 2), [90, 90]);
        assert_eq!(probes(Reason::Throttled, Some(86_400), 2), [300, 300]);
    }

    #[tokio::test]
    async fn one_object_opens_nothing() {
        let mut circuit = Circuit::default();
        for reason in [
            Reason::KeyMissing,
            Reason::Denied,
            Reason::BadAnswer,
            Reason::MountMissing,
        ] {
            assert!(!circuit.failed(&failure(reason), false, Instant::now(), 0.0));
            assert!(circuit.failure().is_none());
        }
    }

    #[tokio::test]
    async fn calls_under_way_do_not_count_as_probes() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        assert!(circuit.failed(&failure(Reason::Sealed), false, now, 0.0));
        let first = circuit.probe_at();
        for _ in 0..8 {
            assert!(!circuit.failed(&failure(Reason::Unreachable), false, now, 0.0));
        }
        assert_eq!(
            (circuit.probe_at(), circuit.failure().unwrap().reason),
            (first, Reason::Sealed)
        );
        assert!(circuit.succeeded() && !circuit.succeeded());
        assert!(circuit.probe_at().is_none());
    }
}
