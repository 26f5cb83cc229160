//! Going off well: what happens between "I want to switch it off" and its return.
use std::time::Duration;

use jiff::Timestamp;

use crate::crd::host::{Answer, Going, HostState};

/// What the decision needs.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The value of the annotation that asks, if it is there.
    pub asked: Option<&'a str>,
    /// The request whose end is already noted.
    pub handled: Option<&'a str>,
    /// The request under way.
    pub going: Option<&'a Going>,
    /// Whether the host is on.
    pub state: HostState,
    /// The host has been seen off since the request.
    pub was_off: bool,
    /// Whether it may go off, and why not.
    pub may: Answer,
    /// Pods that still run there and have to go, in words with the reason; none if they were not looked at.
    pub left: Option<&'a [String]>,
    /// How long evictions are tried.
    pub deadline: Duration,
    /// The request's value says that it shall happen whatever the answer is (`force` or a value ending in `!`).
    pub forced: bool,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// The nodes shall be cordoned (by us).
    pub cordon: bool,
    /// Pods shall be evicted now.
    pub evict: bool,
    /// Cordons of ours shall be lifted.
    pub uncordon: bool,
    /// The new state of the request; none when there is none under way.
    pub going: Option<Going>,
    /// The new value of the request that is handled.
    pub handled: Option<String>,
    /// When to look again.
    pub again: Option<Duration>,
}

/// Decides.
pub fn decide(_case: &Case<'_>, _now: Timestamp) -> Next {
    Next::default()
}
