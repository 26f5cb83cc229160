//! Caches of what watches bring. A feed that is being listed or fails proves nothing about what is absent.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use kube::runtime::watcher::Event;

/// One watch's standing and what it has brought.
#[derive(Debug)]
pub struct Feed<T> {
    items: BTreeMap<String, T>,
    /// The names that a list under way has brought so far.
    listing: Option<BTreeSet<String>>,
    listed: bool,
    failing: Option<&'static str>,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            listing: None,
            listed: false,
            failing: None,
        }
    }
}

/// What an update did.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// This one is new or different.
    Came(String),
    /// These have gone.
    Went(Vec<String>),
    /// The watch's standing may have changed.
    Standing,
}

impl<T: PartialEq> Feed<T> {
    /// Whether it has been listed to the end, works, and no list is under way.
    pub fn complete(&self) -> bool {
        self.listed && self.failing.is_none() && self.listing.is_none()
    }

    /// Whether it has been listed to the end once, or cannot be for a reason that waiting does not mend.
    pub fn settled(&self) -> bool {
        self.listed || matches!(self.failing, Some("Forbidden" | "NotServed"))
    }

    /// What it has brought, by name.
    pub fn items(&self) -> &BTreeMap<String, T> {
        &self.items
    }

    /// Takes over one update. `keep` names and reduces an object.
    pub fn take<K>(&mut self, update: &Update<K>, keep: impl Fn(&K) -> (String, T), gate: &Check) -> Change {
        match update {
            Update::Event(Event::Init) => self.listing = Some(BTreeSet::new()),
            Update::Event(Event::InitApply(object)) => {
                let (name, item) = keep(object);
                if let Some(listing) = &mut self.listing {
                    listing.insert(name.clone());
                }
                return self.put(name, item);
            }
            Update::Event(Event::InitDone) => {
                (self.listed, self.failing) = (true, None);
                gate.pass();
                let Some(listing) = self.listing.take() else {
                    return Change::Standing;
                };
                let gone: Vec<String> = self
                    .items
                    .keys()
                    .filter(|name| !listing.contains(*name))
                    .cloned()
                    .collect();
                self.items.retain(|name, _| listing.contains(name));
                return Change::Went(gone);
            }
            Update::Event(Event::Apply(object)) => {
                let (name, item) = keep(object);
                return self.put(name, item);
            }
            Update::Event(Event::Delete(object)) => {
                let (name, _) = keep(object);
                self.items.remove(&name);
                return Change::Went(vec![name]);
            }
            Update::Failing { reason, .. } => {
                self.failing = Some(reason);
                if self.settled() {
                    gate.pass();
                }
            }
            Update::Recovered => self.failing = None,
        }
        Change::Standing
    }

    fn put(&mut self, name: String, item: T) -> Change {
        if self.items.get(&name) == Some(&item) {
            return Change::Standing;
        }
        self.items.insert(name.clone(), item);
        Change::Came(name)
    }
}

/// Shares what is kept.
pub type Shared<T> = Arc<parking_lot::Mutex<Feed<T>>>;

#[cfg(test)]
mod tests {
    use hearth_reconciler::health::Health;

    use super::*;

    fn names(feed: &Feed<u8>) -> Vec<&str> {
        feed.items().keys().map(String::as_str).collect()
    }

    #[test]
    fn only_a_list_that_ended_tells_who_has_gone() {
        let gate = Health::default().gate("x");
        let mut feed = Feed::default();
        let take = |feed: &mut Feed<u8>, update: Update<&'static str>| {
            feed.take(&update, |name| ((*name).to_owned(), 1), &gate)
        };
        for event in [
            Event::Init,
            Event::InitApply("a"),
            Event::InitApply("b"),
            Event::InitDone,
        ] {
            take(&mut feed, Update::Event(event));
        }
        assert!(feed.complete());
        take(&mut feed, Update::Event(Event::Init));
        take(&mut feed, Update::Event(Event::InitApply("b")));
        assert_eq!(names(&feed), ["a", "b"], "half a list proves nothing");
        assert!(!feed.complete());
        let change = take(&mut feed, Update::Event(Event::InitDone));
        assert_eq!((change, names(&feed)), (Change::Went(vec!["a".to_owned()]), vec!["b"]));
    }

    #[test]
    fn a_failing_watch_keeps_what_it_brought_and_is_not_complete() {
        let gate = Health::default().gate("x");
        let mut feed = Feed::default();
        let keep = |name: &&str| ((*name).to_owned(), 1_u8);
        feed.take(&Update::Event(Event::Apply("a")), keep, &gate);
        feed.take(&Update::Event(Event::InitDone), keep, &gate);
        let failing = Update::Failing {
            reason: "Forbidden",
            message: String::new(),
        };
        feed.take::<&str>(&failing, keep, &gate);
        assert!(!feed.complete() && feed.settled());
        assert_eq!(names(&feed), ["a"]);
        feed.take::<&str>(&Update::Recovered, keep, &gate);
        assert!(feed.complete());
    }
}
