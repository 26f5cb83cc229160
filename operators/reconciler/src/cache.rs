//! What a watch has delivered, by key and reduced to what decides something. A watch that is being listed or fails proves
//! nothing about objects that are absent.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher::Event;

use crate::{health::Check, watch::Update};

/// The objects of one watch, and whether it can be relied on.
#[derive(Debug)]
pub struct Cache<K, V> {
    items: BTreeMap<K, V>,
    /// It has been listed to the end once in this process' life.
    listed: bool,
    /// It does not work now: reason and message.
    failing: Option<(&'static str, String)>,
    /// The keys that a list under way has delivered so far.
    listing: Option<BTreeSet<K>>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            listed: false,
            failing: None,
            listing: None,
        }
    }
}

/// What an update changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<K, V> {
    /// This object is new or differs from what was known.
    Updated(K),
    /// These were removed. A list that has ended returns this also when it removed none.
    Removed(Vec<(K, V)>),
    /// No object changed; the status of the watch may have.
    Unchanged,
}

impl<K: Ord + Clone, V: PartialEq> Cache<K, V> {
    /// The objects, by key.
    pub fn items(&self) -> &BTreeMap<K, V> {
        &self.items
    }

    /// Whether what is absent here is absent in the cluster: the watch has been listed to the end, works, and no list is
    /// under way. After a gap the objects here are the past until the new list has ended.
    pub fn is_complete(&self) -> bool {
        self.listed && self.failing.is_none() && self.listing.is_none()
    }

    /// Whether the watch has been listed to the end once in this process' life.
    pub fn was_listed(&self) -> bool {
        self.listed
    }

    /// Whether there is nothing to wait for: the watch has been listed, or cannot be for a reason that time does not fix
    /// (`Forbidden`, `NotServed`).
    pub fn is_settled(&self) -> bool {
        let failing = self.failing.as_ref();
        self.listed || failing.is_some_and(|(reason, _)| matches!(*reason, "Forbidden" | "NotServed"))
    }

    /// Why the watch does not work: reason and message, see [`Update::Failing`].
    pub fn failing(&self) -> Option<&(&'static str, String)> {
        self.failing.as_ref()
    }

    /// Takes over one update. `reduce` returns an object's key, and what is kept of it, if anything. The gate is passed when
    /// the watch is settled.
    pub fn take<O>(&mut self, update: &Update<O>, reduce: impl Fn(&O) -> (K, Option<V>), gate: &Check) -> Change<K, V> {
        match update {
            Update::Event(Event::Init) => self.listing = Some(BTreeSet::new()),
            Update::Event(Event::InitApply(object) | Event::Apply(object)) => {
                let (key, value) = reduce(object);
                if let Some(listing) = &mut self.listing {
                    listing.insert(key.clone());
                }
                return self.put(key, value);
            }
            Update::Event(Event::InitDone) => {
                (self.listed, self.failing) = (true, None);
                gate.pass();
                // What the list did not deliver has been removed.
                let Some(listing) = self.listing.take() else {
                    return Change::Unchanged;
                };
                let removed = self.items.extract_if(.., |key, _| !listing.contains(key));
                return Change::Removed(removed.collect());
            }
            Update::Event(Event::Delete(object)) => return self.put(reduce(object).0, None),
            Update::Failing { reason, message } => {
                self.failing = Some((reason, message.clone()));
                if self.is_settled() {
                    gate.pass();
                }
            }
            Update::Recovered => self.failing = None,
        }
        Change::Unchanged
    }

    fn put(&mut self, key: K, value: Option<V>) -> Change<K, V> {
        let Some(value) = value else {
            let removed = self.items.remove_entry(&key);
            return removed.map_or(Change::Unchanged, |entry| Change::Removed(vec![entry]));
        };
        if self.items.get(&key) == Some(&value) {
            return Change::Unchanged;
        }
        self.items.insert(key.clone(), value);
        Change::Updated(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    type Names = Cache<String, u8>;

    fn names(cache: &Names) -> Vec<&str> {
        cache.items().keys().map(String::as_str).collect()
    }

    fn removed(name: &str) -> Change<String, u8> {
        Change::Removed(vec![(name.to_owned(), 1)])
    }

    /// Of objects named `-…` nothing is kept.
    fn take(cache: &mut Names, update: &Update<&'static str>) -> Change<String, u8> {
        let gate = Health::default().gate("x");
        let reduce = |name: &&'static str| ((*name).to_owned(), (!name.starts_with('-')).then_some(1));
        cache.take(update, reduce, &gate)
    }

    fn failing(reason: &'static str) -> Update<&'static str> {
        let message = String::new();
        Update::Failing { reason, message }
    }

    #[test]
    fn only_a_list_that_ended_shows_what_was_removed() {
        let mut cache = Cache::default();
        for event in [
            Event::Init,
            Event::InitApply("a"),
            Event::InitApply("b"),
            Event::InitDone,
        ] {
            take(&mut cache, &Update::Event(event));
        }
        assert!(cache.is_complete());
        take(&mut cache, &Update::Event(Event::Init));
        take(&mut cache, &Update::Event(Event::InitApply("b")));
        assert_eq!(names(&cache), ["a", "b"], "half a list proves nothing");
        assert!(!cache.is_complete());
        let change = take(&mut cache, &Update::Event(Event::InitDone));
        assert_eq!((change, names(&cache)), (removed("a"), vec!["b"]));
    }

    #[test]
    fn a_list_that_broke_off_removes_nothing() {
        let mut cache = Cache::default();
        take(&mut cache, &Update::Event(Event::Apply("a")));
        take(&mut cache, &Update::Event(Event::Init));
        take(&mut cache, &failing("Unreachable"));
        take(&mut cache, &Update::Event(Event::Init));
        take(&mut cache, &Update::Event(Event::InitApply("a")));
        let change = take(&mut cache, &Update::Event(Event::InitDone));
        assert_eq!((change, names(&cache)), (Change::Removed(Vec::new()), vec!["a"]));
    }

    #[test]
    fn a_failing_watch_keeps_what_it_delivered_and_is_not_complete() {
        let mut cache = Cache::default();
        take(&mut cache, &Update::Event(Event::Apply("a")));
        take(&mut cache, &Update::Event(Event::InitDone));
        take(&mut cache, &failing("Forbidden"));
        assert!(!cache.is_complete() && cache.is_settled());
        assert_eq!(cache.failing().unwrap().0, "Forbidden");
        assert_eq!(names(&cache), ["a"]);
        take(&mut cache, &Update::Recovered);
        assert!(cache.is_complete());
    }

    #[test]
    fn the_gate_opens_when_there_is_nothing_to_wait_for() {
        let (health, mut cache) = (Health::default(), Names::default());
        let gate = health.gate("listed");
        let reduce = |name: &&'static str| ((*name).to_owned(), Some(1));
        cache.take(&failing("Unreachable"), reduce, &gate);
        assert!(!cache.is_settled() && health.missing() == ["listed"]);
        cache.take(&failing("NotServed"), reduce, &gate);
        assert!(cache.is_settled() && !cache.was_listed() && health.missing().is_empty());
    }

    #[test]
    fn only_differences_are_changes() {
        let mut cache = Cache::default();
        let updated = |name: &str| Change::Updated(name.to_owned());
        assert_eq!(take(&mut cache, &Update::Event(Event::Apply("a"))), updated("a"));
        assert_eq!(take(&mut cache, &Update::Event(Event::Apply("a"))), Change::Unchanged);
        assert_eq!(take(&mut cache, &Update::Event(Event::Apply("-b"))), Change::Unchanged);
        assert_eq!(take(&mut cache, &Update::Event(Event::Delete("a"))), removed("a"));
        assert_eq!(take(&mut cache, &Update::Event(Event::Delete("a"))), Change::Unchanged);
    }
}
