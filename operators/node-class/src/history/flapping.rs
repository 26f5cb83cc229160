//! Flap dampening after RFC 2439, rescaled for machines: each outage adds a penalty, which halves after each half-life.

const HALF_LIFE: i64 = 3600;
/// From this penalty a node counts as flapping: more than twice what one outage adds.
const SUPPRESS: i64 = 2500;
/// Below this penalty it is calm again.
const REUSE: i64 = 750;
/// It is calm after this time without another outage, whatever the penalty.
const MAX_SUPPRESS: i64 = 4 * 3600;
/// The penalty that decays to `REUSE` in `MAX_SUPPRESS`: more would not matter.
pub(super) const CEILING: i64 = REUSE << (MAX_SUPPRESS / HALF_LIFE);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flapping {
    /// The penalty at `at`.
    pub penalty: i64,
    /// The last outage.
    pub at: i64,
    pub since: Option<i64>,
}

impl Flapping {
    /// The penalty now; a time before the last outage counts as that.
    pub(super) fn value(&self, now: i64) -> i64 {
        decay(self.penalty, now.saturating_sub(self.at))
    }

    pub(super) fn add(&mut self, points: i64, at: i64) {
        if points > 0 {
            let at = at.max(self.at);
            self.penalty = self.value(at).saturating_add(points).min(CEILING);
            self.at = at;
        }
    }

    /// Decides whether it counts as flapping.
    pub(super) fn update(&mut self, now: i64) -> bool {
        let value = self.value(now);
        let recent = now.saturating_sub(self.at) < MAX_SUPPRESS;
        match self.since {
            None if value >= SUPPRESS && recent => self.since = Some(now),
            Some(_) if value < REUSE || !recent => self.since = None,
            _ => {}
        }
        // A penalty of zero is stored as none.
        if self.penalty == 0 && self.since.is_none() {
            self.at = 0;
        }
        self.since.is_some()
    }
}

/// What is left of a value after some seconds, at most [`CEILING`].
#[allow(clippy::cast_possible_truncation, reason = "no more than CEILING, and never NaN")]
fn decay(value: i64, elapsed: i64) -> i64 {
    // Not negative; all that is more than 68 years, or two thousand million points, is the same.
    let float = |number: i64| f64::from(i32::try_from(number.max(0)).unwrap_or(i32::MAX));
    let left = float(value) * (-float(elapsed) / float(HALF_LIFE)).exp2();
    (left.round() as i64).min(CEILING)
}
