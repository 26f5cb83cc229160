//! Which host has which nodes, and when a host is expected to be off.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::crd::host::{NodeHost, Window};
use crate::facts::NodeFacts;

/// Who claims what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The host of each claimed node.
    pub host: BTreeMap<String, String>,
    /// Nodes that several hosts claim: nobody gets them.
    pub disputed: BTreeMap<String, BTreeSet<String>>,
    /// Entries of each host that match no node.
    pub unmatched: BTreeMap<String, Vec<String>>,
}

/// Works out the claims; `known` are names of nodes that have a history but no Node object now (a host keeps those).
pub fn claims<'a>(
    _hosts: impl IntoIterator<Item = &'a NodeHost>,
    _nodes: impl IntoIterator<Item = &'a NodeFacts>,
    _known: &BTreeMap<String, String>,
) -> Claims {
    Claims::default()
}

/// Whether a glob (`*` any run, `?` one character, case-sensitive) matches.
pub fn glob(_pattern: &str, _text: &str) -> bool {
    false
}

/// What is wrong with a window, in words.
pub fn problem(_window: &Window) -> Option<String> {
    None
}

/// Whether one of the windows is open, and when that changes next (none: never).
pub fn expected_off(_windows: &[Window], _zone: &TimeZone, _now: Timestamp) -> (bool, Option<Timestamp>) {
    (false, None)
}
