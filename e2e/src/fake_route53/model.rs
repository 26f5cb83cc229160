//! The record sets of one hosted zone, in Route 53's order.
//!
//! This model is the store: moto keeps only the zone itself. Measured with moto 5.2.5 on two cores: a batch of 500 CREATEs
//! takes 0.1 s in a small zone, 0.7 s at 5,000 sets and 15 s at 15,000, since each searches the zone's whole history; the same
//! history makes it refuse DELETE and CREATE of a value that the set once had. Nothing could be mirrored there, and nothing
//! would read it.

use std::collections::BTreeMap;

use super::name::reversed;
use super::record::RecordSet;

/// Sort key of a set: reversed name, type, set identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String, String, String);

impl Key {
    /// The key of a set whose name is normalised.
    pub fn of(set: &RecordSet) -> Self {
        Self::new(&set.name, &set.kind, set.set_identifier.as_deref().unwrap_or_default())
    }

    /// A key from its parts; empty ones sort before all others.
    pub fn new(name: &str, kind: &str, identifier: &str) -> Self {
        Self(reversed(name), kind.to_owned(), identifier.to_owned())
    }
}

/// A hosted zone's sets.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Without `/hostedzone/`.
    pub id: String,
    /// Normalised, with final dot.
    pub apex: String,
    sets: BTreeMap<Key, RecordSet>,
}

/// One answer to a list: the sets, and the one that the next page begins with.
pub type Page<'a> = (Vec<&'a RecordSet>, Option<&'a RecordSet>);

impl Zone {
    /// A zone with these sets, whose names are normalised.
    pub fn new(id: &str, apex: &str, sets: impl IntoIterator<Item = RecordSet>) -> Self {
        let sets = sets.into_iter().map(|set| (Key::of(&set), set)).collect();
        Self {
            id: id.to_owned(),
            apex: apex.to_owned(),
            sets,
        }
    }

    /// How many sets there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Never true of a zone Route 53 made: it has SOA and NS.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Everything, in order.
    pub fn sets(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.values()
    }

    /// The set of that key.
    pub fn get(&self, key: &Key) -> Option<&RecordSet> {
        self.sets.get(key)
    }

    /// All sets of a normalised name.
    pub fn at<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a RecordSet> {
        self.sets
            .range(Key::new(name, "", "")..)
            .map(|(_, set)| set)
            .take_while(move |set| set.name == name)
    }

    /// All sets of a normalised name and a type.
    pub fn of_kind<'a>(&'a self, name: &'a str, kind: &'a str) -> impl Iterator<Item = &'a RecordSet> {
        self.at(name).filter(move |set| set.kind == kind)
    }

    /// Puts a set in its place and gives the former one.
    pub fn insert(&mut self, set: RecordSet) -> Option<RecordSet> {
        self.sets.insert(Key::of(&set), set)
    }

    /// Takes a set out.
    pub fn remove(&mut self, key: &Key) -> Option<RecordSet> {
        self.sets.remove(key)
    }

    /// Up to `most` sets from a key on.
    pub fn page(&self, from: &Key, most: usize) -> Page<'_> {
        let mut rest = self.sets.range(from..).map(|(_, set)| set);
        (rest.by_ref().take(most).collect(), rest.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_reversed_labels() {
        let names = [
            "b.example.org.",
            "example.org.",
            "z.a.example.org.",
            "a.example.org.",
            "\\052.example.org.",
        ];
        let zone = Zone::new(
            "Z",
            "example.org.",
            names.map(|name| RecordSet::simple(name, "A", 1, &["192.0.2.1"])),
        );
        let (first, next) = zone.page(&Key::new("example.org.", "", ""), 3);
        let shown: Vec<_> = first.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(shown, ["example.org.", "\\052.example.org.", "a.example.org."]);
        let next = next.unwrap();
        let (last, end) = zone.page(&Key::of(next), 3);
        assert_eq!((last.len(), last[0].name.as_str(), end), (2, "z.a.example.org.", None));
    }
}
