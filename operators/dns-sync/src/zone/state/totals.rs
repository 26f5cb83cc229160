//! Record sets by what they are to us, name by name and altogether.

/// The counts of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) desired: u32,
    pub(super) owned: u32,
    pub(super) foreign: u32,
    pub(super) pending: u32,
    pub(super) conflicted: u32,
    pub(super) failed: u32,
    pub(super) unlisted: u32,
    pub(super) never_seen: u32,
}

/// Record sets by what they are to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Wanted by objects.
    pub desired: i64,
    /// Marked as ours.
    pub owned: i64,
    /// Not ours.
    pub foreign: i64,
    /// Waiting to be changed.
    pub pending: i64,
    /// Wanted but held by another object or owner.
    pub conflicted: i64,
    /// Wanted but invalid or refused.
    pub failed: i64,
    /// Unwanted as it seems, but a source has not been listed.
    pub unlisted: i64,
    /// Kept for objects that have never been in this cluster.
    pub never_seen: i64,
}

impl Totals {
    pub(super) fn add(&mut self, summary: Summary) {
        self.shift(summary, 1);
    }

    pub(super) fn subtract(&mut self, summary: Summary) {
        self.shift(summary, -1);
    }

    fn shift(&mut self, summary: Summary, sign: i64) {
        let Summary {
            desired,
            owned,
            foreign,
            pending,
            conflicted,
            failed,
            unlisted,
            never_seen,
        } = summary;
        let parts = [
            (&mut self.desired, desired),
            (&mut self.owned, owned),
            (&mut self.foreign, foreign),
            (&mut self.pending, pending),
            (&mut self.conflicted, conflicted),
            (&mut self.failed, failed),
            (&mut self.unlisted, unlisted),
            (&mut self.never_seen, never_seen),
        ];
        for (total, part) in parts {
            *total += sign * i64::from(part);
        }
    }
}
