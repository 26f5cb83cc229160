//! Counts of record sets by state, of each name and of the zone.

/// The counts of one name. Small: there is one for each name of the zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NameCounts {
    pub(super) desired: u16,
    pub(super) owned: u16,
    pub(super) foreign: u16,
    pub(super) pending: u16,
    pub(super) conflicted: u16,
    pub(super) failed: u16,
    pub(super) unlisted: u16,
    pub(super) never_seen: u16,
}

/// The counts of a zone.
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
    pub(super) fn add(&mut self, counts: NameCounts) {
        self.shift(counts, 1);
    }

    pub(super) fn subtract(&mut self, counts: NameCounts) {
        self.shift(counts, -1);
    }

    fn shift(&mut self, counts: NameCounts, sign: i64) {
        let NameCounts {
            desired,
            owned,
            foreign,
            pending,
            conflicted,
            failed,
            unlisted,
            never_seen,
        } = counts;
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
