//! Which host has which nodes, and when a host is expected to be off.
use std::collections::{BTreeMap, BTreeSet};

mod claims;
mod window;

pub use claims::claims;
pub use window::{expected_off, window_problem};

/// Who claims what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The host of each claimed node.
    pub host: BTreeMap<String, String>,
    /// Nodes that several hosts claim: they are assigned to none.
    pub disputed: BTreeMap<String, BTreeSet<String>>,
    /// Entries of each host that match no node.
    pub unmatched: BTreeMap<String, Vec<String>>,
}
