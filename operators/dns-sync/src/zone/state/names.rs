//! What is known of each name of the zone.
use std::collections::{BTreeSet, HashMap};

use super::Mono;
use super::totals::NameCounts;
use crate::name::Name;
use crate::records::SetKey;
use crate::zone::plan::Publisher;
use crate::zone::plan::types::Claim;

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct NameState {
    /// Who wants it.
    pub(super) claims: Vec<Claim>,
    /// Its record sets by state.
    pub(super) counts: NameCounts,
    /// What only few names have at a time.
    progress: Option<Box<Progress>>,
}

/// What is under way at a name.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What was sent for it and has no answer yet.
    pub(super) in_flight: Option<InFlight>,
    /// The provider refused it.
    pub(super) refusal: Option<Refusal>,
    /// It was blamed in a batch with others: it goes alone until it is known whether it is at fault.
    pub(super) suspected: bool,
    /// Its lines of the pending plan.
    pub(super) lines: Vec<String>,
    /// Objects that publish its sets although the owner records name others.
    pub(super) publishers: Vec<Publisher>,
}

/// What was sent for a name.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// When the first event came that it answers.
    pub(super) since: Option<Mono>,
    /// Deletes that count for the guard.
    pub(super) deletes: Vec<SetKey>,
}

/// That the provider refused what was to be done at a name.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// How many times in a row.
    pub(super) failures: u32,
    /// When it is tried next.
    pub(super) not_before: Mono,
    /// The provider's message.
    pub(super) message: String,
    /// What the refused change touched.
    pub(super) names: Vec<Name>,
}

impl NameState {
    fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.counts == NameCounts::default() && self.progress.is_none()
    }

    pub(super) fn progress(&self) -> Option<&Progress> {
        self.progress.as_deref()
    }

    /// Changes what is under way, and frees it when nothing is.
    pub(super) fn update_progress<T>(&mut self, change: impl FnOnce(&mut Progress) -> T) -> T {
        let mut progress = self.progress.take().unwrap_or_default();
        let result = change(&mut progress);
        let Progress {
            in_flight,
            refusal,
            suspected,
            lines,
            publishers,
        } = &*progress;
        let quiet = in_flight.is_none() && refusal.is_none() && !*suspected;
        if !quiet || !lines.is_empty() || !publishers.is_empty() {
            self.progress = Some(progress);
        }
        result
    }

    /// Takes over the outcome of planning.
    pub(super) fn set_plan(&mut self, counts: NameCounts, lines: Vec<String>, publishers: &[Publisher]) {
        self.counts = counts;
        if self.progress.is_some() || !lines.is_empty() || !publishers.is_empty() {
            self.update_progress(|progress| {
                progress.lines = lines;
                progress.publishers = publishers.to_vec();
            });
        }
    }

    pub(super) fn retain_claims(&mut self, keep: impl FnMut(&Claim) -> bool) {
        self.claims.retain(keep);
        if self.claims.is_empty() {
            self.claims = Vec::new();
        }
    }

    pub(super) fn add_claim(&mut self, claim: Claim) {
        // Nearly every name has one claim; a vector's first push would make room for four.
        if self.claims.is_empty() {
            self.claims.reserve_exact(1);
        }
        self.claims.push(claim);
    }
}

/// Every name of which something is known.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: HashMap<Name, NameState>,
    /// Names that a change at another name may fix.
    waiting: BTreeSet<Name>,
}

impl Names {
    pub(super) fn get(&self, name: &Name) -> Option<&NameState> {
        self.all.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &NameState)> {
        self.all.iter()
    }

    pub(super) fn claims(&self, name: &Name) -> &[Claim] {
        self.all.get(name).map_or(&[], |state| state.claims.as_slice())
    }

    pub(super) fn publishers(&self, name: &Name) -> &[Publisher] {
        let progress = self.all.get(name).and_then(NameState::progress);
        progress.map_or(&[], |progress| progress.publishers.as_slice())
    }

    pub(super) fn counts(&self, name: &Name) -> NameCounts {
        self.all.get(name).map(|state| state.counts).unwrap_or_default()
    }

    pub(super) fn refusal(&self, name: &Name) -> Option<&Refusal> {
        self.all.get(name)?.progress()?.refusal.as_ref()
    }

    /// Whether a name may be planned and sent now.
    pub(super) fn is_due(&self, name: &Name, now: Mono) -> bool {
        self.refusal(name).is_none_or(|refusal| refusal.not_before <= now)
    }

    /// Changes what is known of a name, and forgets the name when nothing is.
    pub(super) fn update<T>(&mut self, name: &Name, change: impl FnOnce(&mut NameState) -> T) -> T {
        let state = self.all.entry(name.clone()).or_default();
        let result = change(state);
        if state.is_empty() {
            self.all.remove(name);
        }
        result
    }

    /// Changes what is under way at a name, if there is anything.
    pub(super) fn update_progress<T>(&mut self, name: &Name, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        self.all.get(name)?.progress()?;
        Some(self.update(name, |state| state.update_progress(change)))
    }

    /// Ends refusals, but for those that `keep` keeps.
    pub(super) fn retain_refusals(&mut self, keep: impl Fn(&Refusal) -> bool) {
        self.all.retain(|_, state| {
            if state.progress().is_some_and(|progress| progress.refusal.is_some()) {
                state.update_progress(|progress| progress.refusal = progress.refusal.take().filter(&keep));
            }
            !state.is_empty()
        });
    }

    /// Whether a change at another name may fix this one.
    pub(super) fn set_waiting(&mut self, name: &Name, waits: bool) {
        if waits {
            self.waiting.insert(name.clone());
        } else {
            self.waiting.remove(name);
        }
    }

    /// The names that a change at another name may fix, once.
    pub(super) fn take_waiting(&mut self) -> BTreeSet<Name> {
        std::mem::take(&mut self.waiting)
    }
}
