//! The names to be planned.
use std::collections::BTreeMap;

use super::Mono;
use super::names::Names;
use crate::name::Name;

/// The names to be planned, each with the time of its first event that is not answered yet. Sorted, so that plans do not
/// depend on the order of events.
#[derive(Debug, Default)]
pub(super) struct Queue(BTreeMap<Name, Option<Mono>>);

impl Queue {
    /// The name is to be planned; `since`: when the event came.
    pub(super) fn add(&mut self, name: Name, since: Option<Mono>) {
        let first = self.0.entry(name).or_insert(since);
        *first = match (*first, since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }

    pub(super) fn contains(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// Takes the names that may be planned now; those that were refused wait for their next try.
    pub(super) fn take_due(&mut self, names: &Names, now: Mono) -> BTreeMap<Name, Option<Mono>> {
        let mut due = std::mem::take(&mut self.0);
        let later: Vec<Name> = due.keys().filter(|name| !names.is_due(name, now)).cloned().collect();
        for name in later {
            if let Some((name, since)) = due.remove_entry(&name) {
                self.0.insert(name, since);
            }
        }
        due
    }
}
