//! Flap dampening after RFC 2439, rescaled for machines: each outage adds a penalty, which halves after each half-life.
use hearth_reconciler::duration;

use crate::crd::class::Dampening;

/// More than any ceiling that makes sense.
pub(super) const MOST: i64 = 1_000_000_000;
const HALF_LIFE: i64 = 3600;
const SUPPRESS: i64 = 2500;
const REUSE: i64 = 750;
const MAX_SUPPRESS: i64 = 4 * 3600;

/// The penalty of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flapping {
    /// The penalty at `at`.
    pub penalty: i64,
    /// The last outage.
    pub at: i64,
    /// Since when it counts as flapping.
    pub since: Option<i64>,
    /// Of the class; not stored.
    half_life: i64,
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            penalty: 0,
            at: 0,
            since: None,
            half_life: HALF_LIFE,
        }
    }
}

impl PartialEq for Flapping {
    fn eq(&self, other: &Self) -> bool {
        (self.penalty, self.at, self.since) == (other.penalty, other.at, other.since)
    }
}

impl Flapping {
    /// The penalty now; a time before the last outage counts as that.
    pub(super) fn value(&self, now: i64) -> i64 {
        decay(self.penalty, now.saturating_sub(self.at), self.half_life)
    }

    /// Adds an outage.
    pub(super) fn add(&mut self, points: i64, at: i64) {
        if points > 0 {
            let at = at.max(self.at);
            self.penalty = self.value(at).saturating_add(points).min(MOST);
            self.at = at;
        }
    }

    /// The outage at `at` deserved so many points less: what is left of them is taken back.
    pub(super) fn refund(&mut self, points: i64, at: i64) {
        let left = decay(points, self.at.saturating_sub(at), self.half_life);
        self.penalty = self.penalty.saturating_sub(left).max(0);
        self.forget_nothing();
    }

    /// Decides whether it counts as flapping.
    pub(super) fn update(&mut self, params: &Dampening, now: i64) -> bool {
        let limits = Limits::of(params);
        self.half_life = limits.half_life;
        self.penalty = self.penalty.min(limits.ceiling());
        let value = self.value(now);
        let recent = now.saturating_sub(self.at) < limits.max_suppress;
        match self.since {
            None if value >= limits.suppress && recent => self.since = Some(now),
            Some(_) if value < limits.reuse || !recent => self.since = None,
            _ => {}
        }
        self.forget_nothing();
        self.since.is_some()
    }

    /// A penalty of zero is stored as none.
    fn forget_nothing(&mut self) {
        if self.penalty == 0 && self.since.is_none() {
            self.at = 0;
        }
    }
}

/// Parameters in seconds and points; what is absent or cannot be read is the default.
struct Limits {
    half_life: i64,
    suppress: i64,
    reuse: i64,
    max_suppress: i64,
}

impl Limits {
    fn of(params: &Dampening) -> Self {
        let time = |text: &Option<String>, default: i64| {
            let read = text.as_deref().and_then(|text| duration::parse(text).ok());
            let read = read.and_then(|time| i64::try_from(time.as_secs()).ok());
            read.filter(|seconds| *seconds > 0).unwrap_or(default)
        };
        let suppress = params.suppress.filter(|value| *value > 1).unwrap_or(SUPPRESS);
        let reuse = params.reuse.filter(|value| *value > 0).unwrap_or(REUSE);
        Self {
            half_life: time(&params.half_life, HALF_LIFE),
            suppress,
            // Otherwise it would be both at once.
            reuse: reuse.min(suppress - 1),
            max_suppress: time(&params.max_suppress, MAX_SUPPRESS),
        }
    }

    /// The penalty that decays to `reuse` in `max_suppress`: more would not matter.
    fn ceiling(&self) -> i64 {
        whole(float(self.reuse) * (float(self.max_suppress) / float(self.half_life)).exp2())
    }
}

/// What is left of a value after some seconds.
fn decay(value: i64, elapsed: i64, half_life: i64) -> i64 {
    whole(float(value) * (-float(elapsed) / float(half_life)).exp2())
}

/// Not negative; all that is more than 68 years, or two thousand million points, is the same.
fn float(number: i64) -> f64 {
    f64::from(i32::try_from(number.max(0)).unwrap_or(i32::MAX))
}

/// The nearest whole number, at most [`MOST`].
#[allow(
    clippy::cast_possible_truncation,
    reason = "no more than MOST, and never NaN: half-lives are positive"
)]
fn whole(number: f64) -> i64 {
    (number.round() as i64).min(MOST)
}
