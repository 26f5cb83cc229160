//! Which classes a node has, what it should carry, and what has to be written for that without touching what is others'.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Taint;

use crate::crd::Availability;
use crate::crd::class::{ClassTaint, Dampening, Failover, NodeClass};
use crate::crd::host::FormFactor;
use crate::facts::NodeFacts;

/// What matters of a node for its classes, beside its own facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject<'a> {
    /// The node.
    pub node: &'a NodeFacts,
    /// The NodeHost that claims it.
    pub host: Option<&'a str>,
    /// Of that NodeHost.
    pub form_factor: Option<FormFactor>,
    /// Declared, else learned.
    pub availability: Availability,
    /// Another node of the same zone stays in the disruption count, so that this one may be excluded from it.
    pub may_exclude: bool,
    /// It is flapping under its class' parameters, and the class says Enforce.
    pub flapping: bool,
}

/// What the classes want of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The classes that match, by name.
    pub classes: Vec<String>,
    /// Labels, with the class that each comes from (ours, such as the host label, come from none).
    pub labels: BTreeMap<String, (String, Option<String>)>,
    /// Annotations likewise.
    pub annotations: BTreeMap<String, (String, Option<String>)>,
    /// Taints likewise.
    pub taints: Vec<(ClassTaint, Option<String>)>,
    /// Keys of suspended classes: what is ours of them stays as it is.
    pub frozen_labels: BTreeSet<String>,
    /// Likewise.
    pub frozen_annotations: BTreeSet<String>,
    /// Likewise, as key and effect.
    pub frozen_taints: BTreeSet<(String, String)>,
    /// The dampening of the class with the highest priority that has one.
    pub dampening: Option<Dampening>,
    /// The failover likewise.
    pub failover: Option<Failover>,
    /// Two classes of one priority want different things of one key: key, winner, loser.
    pub ties: Vec<Tie>,
    /// What dry-run classes would add, in words.
    pub dry: Vec<(String, String)>,
}

/// Two classes of the same priority and one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tie {
    /// `label x`, `annotation x`, `taint x:NoSchedule`, `dampening` or `failover`.
    pub key: String,
    /// The class that gets it: its name comes first.
    pub winner: String,
    /// The other.
    pub loser: String,
}

/// What keeps a class from being used at all; the text says what to do.
pub fn problem(_class: &NodeClass) -> Option<String> {
    None
}

/// Whether the class matches.
pub fn matches(_class: &NodeClass, _subject: &Subject<'_>) -> bool {
    false
}

/// Brings the classes together; `classes` are those without a [`problem`], in any order.
pub fn resolve(_classes: &[&NodeClass], _subject: &Subject<'_>) -> Wanted {
    Wanted::default()
}

/// What has to be written to a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    /// The whole set of our labels and annotations for a server-side apply without force; none if nothing differs.
    pub apply: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    /// The new list of taints and the new value of the ownership annotation (none removes it); none if nothing differs.
    pub taints: Option<(Vec<Taint>, Option<String>)>,
    /// What is not written because somebody else has it.
    pub refused: Vec<Refused>,
}

/// A key that somebody else has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// `label x`, `annotation x`, `taint x:NoSchedule`.
    pub key: String,
    /// The class that wanted it.
    pub class: Option<String>,
    /// Who has it and what to do, in words.
    pub why: String,
}

/// Compares what is wanted with what is there. `only_add`: nothing of ours is taken away (the first pass after a start).
/// `extra` are taints that are put beside those of classes (out of service, returning), ours as well; a taint that is ours
/// by the mark and neither wanted nor extra nor frozen is taken away.
pub fn writes(_node: &NodeFacts, _wanted: &Wanted, _extra: &[Taint], _only_add: bool) -> Writes {
    Writes::default()
}

/// What of ours is to be written again although it was written before: somebody took it away.
pub fn restored(_node: &NodeFacts, _writes: &Writes) -> Vec<String> {
    Vec::new()
}
