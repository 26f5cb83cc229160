//! Which classes a node has, what it should carry, and what has to be written for that without touching what is others'.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Taint;
use litemap::LiteMap;

use crate::crd::Availability;
use crate::crd::class::{ClassTaint, Failover};
use crate::crd::host::FormFactor;
use crate::facts::{NodeFacts, Text};

pub mod contention;
mod keys;
pub mod lockout;
mod matching;
mod resolve;
mod talos;
mod validate;
mod writes;

pub use matching::matches;
pub use resolve::resolve;
pub(crate) use resolve::taint_key;
pub use validate::validate;
pub use writes::node_diff;
pub(crate) use writes::{OwnedTaints, UNREADABLE, id, is_out_of_service};

/// What matters of a node for its classes, beside its own facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject<'a> {
    pub node: &'a NodeFacts,
    pub host: Option<&'a str>,
    pub form_factor: Option<FormFactor>,
    pub availability: Availability,
    /// Another node of the same zone stays in the disruption count, so that this one may be excluded from it.
    pub may_exclude: bool,
}

/// Values by key, each with the class that it comes from (none for what is ours). There are few, and a set for each node.
pub type Sourced = LiteMap<Text, (Text, Option<Text>)>;

/// What the classes want of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The classes that match, by name.
    pub classes: Vec<String>,
    /// Labels, with the class that each comes from (ours, such as the host label, come from none).
    pub labels: Sourced,
    pub annotations: Sourced,
    pub taints: Vec<(ClassTaint, Option<String>)>,
    /// Keys of suspended classes (`label x`, `annotation x`, `taint x:NoSchedule`): what is ours of them stays as it is.
    pub frozen: BTreeSet<String>,
    /// That of the class with the highest priority that has one.
    pub failover: Option<Failover>,
    /// What dry-run classes would add: the class, and what in words.
    pub dry: Vec<(String, String)>,
    /// What is not set although a class (or we) would, and why; and what two classes of one priority want differently.
    pub refused: Vec<Refused>,
    /// Keys (`label x`, `annotation x`, `taint x:NoSchedule`) that others keep taking away: they are not put back now. Filled
    /// by [`contention::Contention::held`]; what is there of them stays.
    pub held: BTreeSet<String>,
    /// Keys that others manage, with the manager, as the API server answered when we applied them: they are left to them. It is
    /// needed for annotations: of those that others own the watch keeps nothing.
    pub theirs: Vec<(String, String)>,
}

/// What has to be written to a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeDiff {
    /// The whole set of our labels and annotations for a server-side apply without force; none if nothing differs.
    pub apply: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    /// The new list of taints and the new value of the ownership annotation (none removes it); none if nothing differs.
    pub taints: Option<(Vec<Taint>, Option<String>)>,
    /// What is not written because another writer has it.
    pub refused: Vec<Refused>,
}

/// A key that is not set: another writer has it, or it must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// `label x`, `annotation x`, `taint x:NoSchedule`, `failover`; or the annotation of another (or of ours) that cannot be read.
    pub key: String,
    /// The class that wanted it; none for what is ours, such as the host label.
    pub class: Option<String>,
    /// Who has it or why not, and what to do, in words.
    pub why: String,
}

impl Refused {
    fn new(key: &str, class: Option<&str>, why: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            class: class.map(str::to_owned),
            why: why.into(),
        }
    }
}

/// A taint as it is written. No value and an empty one are the same to the API.
pub(crate) fn taint(key: &str, value: Option<&str>, effect: &str) -> Taint {
    Taint {
        key: key.to_owned(),
        value: value.filter(|value| !value.is_empty()).map(str::to_owned),
        effect: effect.to_owned(),
        time_added: None,
    }
}

#[cfg(test)]
mod tests;
