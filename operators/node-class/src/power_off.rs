//! Switching a host off safely: what happens between "I want to switch it off" and its return.
//!
//! All that a request needs is in the NodeHost: the annotation, `status.off` and `status.lastHandledOff`. So an operator
//! that starts in the middle continues. Pods are evicted, never deleted: what a disruption budget keeps stays, and is reported.
//!
//! ```text
//! asked ─┬─ may not ──► Refused ──┐ may           ┌─► Drained ──┐
//!        └─ may ──► Draining ◄────┘ ──────────────┼─► Incomplete├─► Off ──► back: cordons lifted, request handled
//!                      └───────── deadline passed ┘             │
//!        taken back at any time: cordons lifted, request handled◄┘
//! ```
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::crd::OFF;
use crate::crd::host::{Answer, HostState, OffPhase, OffRequest};

/// How many lines the status bears (`OffRequest::waiting`).
const LINES: usize = 20;
/// How often an emptied host is checked for pods that came or went meanwhile.
const WATCH: Duration = Duration::from_mins(1);
/// How often evictions are tried again. A refused one may be repeated after about 10 s (the API's Retry-After).
const RETRY: Duration = Duration::from_secs(10);
/// When to check for the first time after the cordon.
const SOON: Duration = Duration::from_secs(1);

/// What the decision needs.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The value of the annotation that asks, if it is there.
    pub asked: Option<&'a str>,
    /// The request whose end is already noted.
    pub handled: Option<&'a str>,
    /// The request under way.
    pub off: Option<&'a OffRequest>,
    /// Whether the host is on; Unknown while liveness is not clear.
    pub state: HostState,
    /// The host has been seen off since the request under way (a boot in between, for example).
    pub was_off: bool,
    /// Whether it may go off once it is emptied ([`crate::impact::Impact::emptied`]).
    pub may: Answer,
    /// The boots of its nodes that are up.
    pub boots: &'a BTreeMap<String, String>,
    /// Nodes that were cordoned and are not any more.
    pub lifted: &'a [String],
    /// Pods that still run there and have to go, in words with the reason; none if they were not listed.
    pub left: Option<&'a [String]>,
    /// How long evictions are tried.
    pub deadline: Duration,
    /// The request's value says that it shall happen whatever the answer is (`force` or a value ending in `!`).
    pub forced: bool,
}

/// What to do. Nothing of it is a step that must be taken exactly once: the same case gives the same answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// The nodes shall be cordoned (by us). Neither this nor `uncordon`: cordons stay as they are.
    pub cordon: bool,
    /// Pods shall be evicted now.
    pub evict: bool,
    /// Cordons of ours shall be lifted, should there be any. Do it before the new status is written.
    pub uncordon: bool,
    /// The new state of the request; none when there is none under way.
    pub off: Option<OffRequest>,
    /// The new value of the request that is handled; none if it stays as it is.
    pub handled: Option<String>,
    /// When to decide again.
    pub again: Option<Duration>,
}

/// Whether a request's value says that it shall happen whatever the answer is.
pub fn forced(request: &str) -> bool {
    request == "force" || request.ends_with('!')
}

/// Decides.
pub fn decide(case: &Case<'_>, now: Timestamp) -> Next {
    if case.state == HostState::Unknown {
        return Next {
            off: case.off.cloned(),
            ..Next::default()
        };
    }
    let back = |off: &OffRequest| {
        case.state != HostState::Off && (case.was_off || off.phase == OffPhase::Off || rebooted(case, off))
    };
    match (case.asked, case.off) {
        (None, Some(off)) => ended(Some(off.request.clone())),
        (Some(asked), Some(off)) if back(off) && asked == off.request => ended(Some(asked.to_owned())),
        // A new request after it came back: another request, from the beginning.
        (Some(asked), Some(off)) if back(off) => begun(case, asked, now),
        (Some(asked), Some(off)) => under_way(case, asked, off, now),
        (Some(asked), None) if case.handled != Some(asked) => begun(case, asked, now),
        (_, None) => ended(None),
    }
}

/// It was switched off and on, so quickly that it was not seen off, or booted instead. While a node still runs as it did
/// then, it is the reboot of a virtual machine.
fn rebooted(case: &Case<'_>, off: &OffRequest) -> bool {
    let same = |(node, boot): (&String, &String)| Some(case.boots.get(node)? == boot);
    let mut known = off.boots.iter().filter_map(same).peekable();
    known.peek().is_some() && known.all(|same| !same)
}

/// No request is under way.
fn ended(handled: Option<String>) -> Next {
    Next {
        uncordon: true,
        handled,
        ..Next::default()
    }
}

/// A request is seen for the first time.
fn begun(case: &Case<'_>, request: &str, now: Timestamp) -> Next {
    let off = |phase| new(request, phase, now);
    if case.state == HostState::Off {
        return switched_off(off(OffPhase::Off));
    }
    if refused(case, false) {
        return refusal(off(OffPhase::Refused));
    }
    // What is left counts once the cordon is there: until then pods may still come.
    let left = case.left.unwrap_or_default();
    Next {
        cordon: true,
        evict: !left.is_empty(),
        off: Some(OffRequest {
            waiting: lines(left),
            boots: case.boots.clone(),
            ..off(OffPhase::Draining)
        }),
        again: Some(SOON),
        ..Next::default()
    }
}

/// A request is under way, perhaps with another value than before.
fn under_way(case: &Case<'_>, asked: &str, off: &OffRequest, now: Timestamp) -> Next {
    if case.state == HostState::Off {
        return switched_off(OffRequest {
            request: asked.to_owned(),
            phase: OffPhase::Off,
            ..off.clone()
        });
    }
    let anew = asked != off.request;
    if refused(case, off.phase == OffPhase::Refused && !anew) {
        let since = if anew { Time(now) } else { off.since.clone() };
        return refusal(OffRequest {
            since,
            ..new(asked, OffPhase::Refused, now)
        });
    }
    if off.phase == OffPhase::Refused {
        return begun(case, asked, now);
    }
    // Once the cordon was lifted, nothing is known of a host that was empty: it is emptied again. And a clock that went backwards
    // starts the time again; it is then measured from the new clock's time.
    let lifted = !case.lifted.is_empty();
    let restart = lifted && off.phase == OffPhase::Drained;
    let since = if anew || restart || now < off.since.0 {
        now
    } else {
        off.since.0
    };
    let over = Duration::try_from(now.duration_since(since)).unwrap_or_default() >= case.deadline;
    let unseen = case.left.is_none() && off.phase == OffPhase::Draining && over;
    let phase = match case.left {
        _ if lifted && over => OffPhase::Incomplete,
        _ if lifted => OffPhase::Draining,
        Some([]) => OffPhase::Drained,
        Some(_) if over => OffPhase::Incomplete,
        Some(_) => OffPhase::Draining,
        None if unseen => OffPhase::Incomplete,
        // The pods were not listed: the phase is neither confirmed nor refuted.
        None if anew => OffPhase::Draining,
        None => off.phase,
    };
    let waiting = match case.left {
        _ if lifted => lines(&case.lifted.iter().map(|node| lifted_line(node)).collect::<Vec<_>>()),
        Some(left) => lines(left),
        None if unseen => vec!["its pods could not be looked at".to_owned()],
        None => off.waiting.clone(),
    };
    let rest = case
        .deadline
        .saturating_sub(Duration::try_from(now.duration_since(since)).unwrap_or_default());
    Next {
        cordon: true,
        evict: !lifted && phase == OffPhase::Draining && case.left.is_some_and(|left| !left.is_empty()),
        off: Some(OffRequest {
            request: asked.to_owned(),
            since: Time(since),
            phase,
            waiting,
            boots: if off.boots.is_empty() { case.boots } else { &off.boots }.clone(),
        }),
        again: Some(if phase == OffPhase::Draining {
            RETRY.min(rest)
        } else {
            WATCH
        }),
        ..Next::default()
    }
}

/// Whether the answer stands against it. What was refused goes on only with a clear Yes.
fn refused(case: &Case<'_>, before: bool) -> bool {
    let stands_against = match case.may {
        Answer::Yes => false,
        Answer::No => true,
        Answer::Unknown => before,
    };
    stands_against && !case.forced
}

fn new(request: &str, phase: OffPhase, now: Timestamp) -> OffRequest {
    OffRequest {
        request: request.to_owned(),
        since: Time(now),
        phase,
        waiting: Vec::new(),
        boots: BTreeMap::new(),
    }
}

fn lifted_line(node: &str) -> String {
    format!(
        "somebody lifted the cordon of {node}, so that pods may have come back; it is set again, the more rarely the more often \
         this happens. To take the request back, remove the annotation {OFF} of the NodeHost"
    )
}

fn refusal(off: OffRequest) -> Next {
    Next {
        uncordon: true,
        off: Some(off),
        ..Next::default()
    }
}

/// It is off. Cordons stay until it is back: a node that boots must not fill up before the request is closed.
fn switched_off(off: OffRequest) -> Next {
    Next {
        off: Some(off),
        ..Next::default()
    }
}

/// At most as many lines as the status bears.
fn lines(left: &[String]) -> Vec<String> {
    if left.len() <= LINES {
        return left.to_vec();
    }
    let shown = LINES - 1;
    let mut lines = left.iter().take(shown).cloned().collect::<Vec<_>>();
    lines.push(format!("and {} more", left.len() - shown));
    lines
}
