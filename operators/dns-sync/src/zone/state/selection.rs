//! Objects that exist but that the zone's settings do not select, and names that objects lost by a change of the settings.
//! A slip in the settings must not delete a record; what an object itself does is meant.
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::name::Name;
use crate::source::ObjectKey;

/// What the zone's settings leave out.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Objects that exist and are not selected.
    unselected: HashSet<ObjectKey>,
    /// Objects that were changed so that they are not selected any more.
    left: HashSet<ObjectKey>,
    /// Names that selected objects lost when the settings changed (`hostnameTemplate`).
    lost: HashMap<ObjectKey, BTreeSet<Name>>,
}

impl Selection {
    /// The object is gone.
    pub(super) fn remove(&mut self, object: &ObjectKey) {
        self.unselected.remove(object);
        self.left.remove(object);
        self.lost.remove(object);
    }

    /// An object exists. `own_change`: this is because of an event of the object, and not of other settings.
    pub(super) fn update(
        &mut self,
        object: &ObjectKey,
        selected: bool,
        own_change: bool,
        before: &[Name],
        now: &[Name],
    ) {
        if selected {
            self.unselected.remove(object);
            self.left.remove(object);
            if !own_change && before != now {
                let lost: Vec<Name> = before.iter().filter(|name| !now.contains(name)).cloned().collect();
                if !lost.is_empty() {
                    self.lost.entry(object.clone()).or_default().extend(lost);
                }
            }
            if let Some(lost) = self.lost.get_mut(object) {
                lost.retain(|name| !now.contains(name));
                if lost.is_empty() {
                    self.lost.remove(object);
                }
            }
        } else if own_change && !before.is_empty() {
            self.left.insert(object.clone());
        } else if !self.left.contains(object) {
            self.unselected.insert(object.clone());
        }
    }

    /// Whether the settings are why the object does not claim the name.
    pub(super) fn is_cause(&self, object: &ObjectKey, name: &Name) -> bool {
        self.unselected.contains(object) || self.lost.get(object).is_some_and(|names| names.contains(name))
    }
}
