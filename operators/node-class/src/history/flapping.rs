//! Flap dampening after RFC 2439, rescaled for machines: a penalty for each outage, which halves by itself. Two numbers
//! are its whole state. Integers only, so that it comes out the same everywhere and is stored exactly.
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
    /// The last flap.
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
    /// The penalty by now; a time before the last flap counts as that.
    pub(super) fn value(&self, now: i64) -> i64 {
        decay(self.penalty, now.saturating_sub(self.at), self.half_life)
    }

    /// It flapped.
    pub(super) fn add(&mut self, points: i64, at: i64) {
        if points > 0 {
            let at = at.max(self.at);
            self.penalty = self.value(at).saturating_add(points).min(MOST);
            self.at = at;
        }
    }

    /// What was added at `at` for a flap was not deserved: what is left of it is taken back.
    pub(super) fn refund(&mut self, points: i64, at: i64) {
        let left = decay(points, self.at.saturating_sub(at), self.half_life);
        self.penalty = self.penalty.saturating_sub(left).max(0);
        self.forget_nothing();
    }

    /// Decides whether it counts as flapping.
    pub(super) fn dampen(&mut self, params: &Dampening, now: i64) -> bool {
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

    /// No penalty is stored as none at all.
    fn forget_nothing(&mut self) {
        if self.penalty == 0 && self.since.is_none() {
            self.at = 0;
        }
    }
}

/// Parameters; what is absent or cannot be read is the default.
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
        Self {
            half_life: time(&params.half_life, HALF_LIFE),
            suppress,
            // Otherwise it would be both at once.
            reuse: params
                .reuse
                .filter(|value| *value > 0)
                .unwrap_or(REUSE)
                .min(suppress - 1),
            max_suppress: time(&params.max_suppress, MAX_SUPPRESS),
        }
    }

    /// The penalty that decays to `reuse` in `max_suppress`: nothing above it matters.
    fn ceiling(&self) -> i64 {
        let halvings = self.max_suppress / self.half_life + 1;
        let doubled = u32::try_from(halvings).ok().and_then(|by| 1_i64.checked_shl(by));
        let most = doubled
            .filter(|factor| *factor > 0)
            .and_then(|factor| self.reuse.checked_mul(factor));
        match most {
            Some(most) if most <= MOST => decay(most, halvings * self.half_life - self.max_suppress, self.half_life),
            _ => MOST,
        }
    }
}

/// 2^(-1/2), 2^(-1/4) … 2^(-1/65536), times 2^32.
const ROOTS: [i64; 16] = [
    3_037_000_500,
    3_611_622_603,
    3_938_502_376,
    4_112_874_773,
    4_202_935_003,
    4_248_701_965,
    4_271_771_996,
    4_283_353_945,
    4_289_156_690,
    4_292_061_010,
    4_293_513_907,
    4_294_240_540,
    4_294_603_903,
    4_294_785_595,
    4_294_876_445,
    4_294_921_870,
];

/// What is left of a value after some seconds, to the nearest whole number.
fn decay(value: i64, elapsed: i64, half_life: i64) -> i64 {
    let (elapsed, half_life) = (elapsed.max(0), half_life.max(1));
    let halvings = elapsed / half_life;
    if halvings > 40 || value <= 0 {
        return 0;
    }
    // The rest of a half-life as a binary fraction: each of its bits is one root.
    let fraction = i128::from(elapsed % half_life) * 65_536 / i128::from(half_life);
    let mut left = i128::from(value) << 16;
    for (place, root) in ROOTS.iter().enumerate() {
        if fraction >> (15 - place) & 1 == 1 {
            left = (left * i128::from(*root)) >> 32;
        }
    }
    let left = left >> halvings;
    i64::try_from((left + (1 << 15)) >> 16).unwrap_or(value)
}
