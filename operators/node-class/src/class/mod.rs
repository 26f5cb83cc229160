//! Which classes a node has, what it should carry, and what has to be written for that without touching what is others'.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Taint;
use litemap::LiteMap;

use crate::crd::Availability;
use crate::crd::class::{ClassTaint, Dampening, Failover};
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
pub(crate) use resolve::taint_key;
pub use resolve::{control_plane_refusal, resolve};
pub use validate::validate;
pub(crate) use writes::{OwnedTaints, UNREADABLE, is_out_of_service};
pub use writes::{node_diff, yielded};

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
    /// Annotations likewise.
    pub annotations: Sourced,
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
    /// What dry-run classes would add: the class, and what in words.
    pub dry: Vec<(String, String)>,
    /// What is not set although a class (or we) would, and why.
    pub refused: Vec<Refused>,
    /// Keys (`label x`, `annotation x`, `taint x:NoSchedule`) that others keep taking away: they are not put back now. Filled
    /// by [`contention::Contention::held`]; what is there of them stays.
    pub held: BTreeSet<String>,
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

/// What has to be written to a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeDiff {
    /// The whole set of our labels and annotations for a server-side apply without force; none if nothing differs.
    pub apply: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    /// The new list of taints and the new value of the ownership annotation (none removes it); none if nothing differs.
    pub taints: Option<(Vec<Taint>, Option<String>)>,
    /// What is not written because somebody else has it.
    pub refused: Vec<Refused>,
}

/// A key that is not set: somebody else has it, or it must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// `label x`, `annotation x`, `taint x:NoSchedule`; or the annotation of another (or of ours) that cannot be read.
    pub key: String,
    /// The class that wanted it; none for what is ours, such as the host label.
    pub class: Option<String>,
    /// Who has it or why not, and what to do, in words.
    pub why: String,
}

#[cfg(test)]
mod tests;
