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
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The value of the annotation that asks, if it is there.
    pub asked: Option<&'a str>,
    /// The request whose end is already noted.
    pub handled: Option<&'a str>,
    pub off: Option<&'a OffRequest>,
    /// Whether the host is on; Unknown while liveness is not clear.
    pub state: HostState,
    /// Whether it may go off once it is emptied ([`crate::impact::Impact::emptied`]).
    pub may: Answer,
    /// The boots of its nodes that are up.
    pub boots: &'a BTreeMap<String, String>,
    /// Nodes that were cordoned and are not any more.
    pub lifted: &'a [String],
    /// Pods that still run there and have to go, in words with the reason; none if they were not listed.
    pub left: Option<&'a [String]>,
    pub deadline: Duration,
}

/// What to do. While a request is under way and not refused, the nodes are cordoned; while it is `Draining`, pods are evicted.
/// Nothing of it is a step that must be taken exactly once: the same case gives the same answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Next {
    /// The new state of the request; none when there is none under way.
    pub off: Option<OffRequest>,
    /// The new value of the request that is handled; none if it stays as it is.
    pub handled: Option<String>,
}

impl Next {
    /// Nothing has ended.
    pub fn only(off: impl Into<Option<OffRequest>>) -> Self {
        Self {
            off: off.into(),
            handled: None,
        }
    }

    fn ended(request: &str) -> Self {
        Self {
            off: None,
            handled: Some(request.to_owned()),
        }
    }
}

/// Whether a request's value says that it shall happen whatever the answer is.
pub fn forced(request: &str) -> bool {
    request == "force" || request.ends_with('!')
}

pub fn decide(case: &Case<'_>, now: Timestamp) -> Next {
    if case.state == HostState::Unknown {
        return Next::only(case.off.cloned());
    }
    let back = |off: &OffRequest| case.state != HostState::Off && (off.phase == OffPhase::Off || rebooted(case, off));
    match (case.asked, case.off) {
        (None, Some(off)) => Next::ended(&off.request),
        (Some(asked), Some(off)) if back(off) && asked == off.request => Next::ended(asked),
        // A new request after it came back: another request, from the beginning.
        (Some(asked), Some(off)) if back(off) => begun(case, asked, now),
        (Some(asked), Some(off)) => under_way(case, asked, off, now),
        (Some(asked), None) if case.handled != Some(asked) => begun(case, asked, now),
        (_, None) => Next::default(),
    }
}

/// It was switched off and on, so quickly that it was not seen off, or booted instead. While a node still runs as it did
/// then, it is the reboot of a virtual machine.
fn rebooted(case: &Case<'_>, off: &OffRequest) -> bool {
    let same = |(node, boot): (&String, &String)| Some(case.boots.get(node)? == boot);
    let mut known = off.boots.iter().filter_map(same).peekable();
    known.peek().is_some() && known.all(|same| !same)
}

/// A request for which nothing was done yet.
fn request(asked: &str, since: Timestamp, phase: OffPhase) -> OffRequest {
    OffRequest {
        request: asked.to_owned(),
        since: Time(since),
        phase,
        waiting: Vec::new(),
        boots: BTreeMap::new(),
    }
}

/// A request is seen for the first time.
fn begun(case: &Case<'_>, asked: &str, now: Timestamp) -> Next {
    if case.state == HostState::Off {
        return Next::only(request(asked, now, OffPhase::Off));
    }
    if refused(case, asked, false) {
        return Next::only(request(asked, now, OffPhase::Refused));
    }
    // What is left counts once the cordon is there: until then pods may still come.
    Next::only(OffRequest {
        waiting: lines(case.left.unwrap_or_default()),
        boots: case.boots.clone(),
        ..request(asked, now, OffPhase::Draining)
    })
}

/// A request is under way, perhaps with another value than before.
fn under_way(case: &Case<'_>, asked: &str, off: &OffRequest, now: Timestamp) -> Next {
    if case.state == HostState::Off {
        // Cordons stay until it is back: a node that boots must not fill up before the request is closed.
        return Next::only(OffRequest {
            request: asked.to_owned(),
            phase: OffPhase::Off,
            ..off.clone()
        });
    }
    let changed = asked != off.request;
    if refused(case, asked, off.phase == OffPhase::Refused && !changed) {
        let since = if changed { now } else { off.since.0 };
        return Next::only(request(asked, since, OffPhase::Refused));
    }
    if off.phase == OffPhase::Refused {
        return begun(case, asked, now);
    }
    // Once the cordon was lifted, nothing is known of a host that was empty: it is emptied again. And a clock that went backwards
    // starts the time again; it is then measured from the new clock's time.
    let lifted = !case.lifted.is_empty();
    let restart = changed || (lifted && off.phase == OffPhase::Drained) || now < off.since.0;
    let since = if restart { now } else { off.since.0 };
    let passed = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    let over = passed >= case.deadline;
    let unseen = case.left.is_none() && off.phase == OffPhase::Draining && over;
    let phase = match case.left {
        _ if lifted && over => OffPhase::Incomplete,
        _ if lifted => OffPhase::Draining,
        Some([]) => OffPhase::Drained,
        Some(_) if over => OffPhase::Incomplete,
        Some(_) => OffPhase::Draining,
        None if unseen => OffPhase::Incomplete,
        // The pods were not listed: the phase is neither confirmed nor refuted.
        None if changed => OffPhase::Draining,
        None => off.phase,
    };
    let waiting = match case.left {
        _ if lifted => lines(&case.lifted.iter().map(|node| lifted_line(node)).collect::<Vec<_>>()),
        Some(left) => lines(left),
        None if unseen => vec!["its pods could not be looked at".to_owned()],
        None => off.waiting.clone(),
    };
    Next::only(OffRequest {
        request: asked.to_owned(),
        since: Time(since),
        phase,
        waiting,
        boots: if off.boots.is_empty() { case.boots } else { &off.boots }.clone(),
    })
}

/// Whether the answer stands against it. What was refused continues only with a clear Yes.
fn refused(case: &Case<'_>, request: &str, before: bool) -> bool {
    let stands_against = match case.may {
        Answer::Yes => false,
        Answer::No => true,
        Answer::Unknown => before,
    };
    stands_against && !forced(request)
}

fn lifted_line(node: &str) -> String {
    format!(
        "the cordon of {node} was lifted, so that pods may have come back; it is set again, the more rarely the more often \
         this happens. To take the request back, remove the annotation {OFF} of the NodeHost"
    )
}

/// At most as many lines as the status bears.
fn lines(left: &[String]) -> Vec<String> {
    if left.len() <= LINES {
        return left.to_vec();
    }
    let mut lines = left[..LINES - 1].to_vec();
    lines.push(format!("and {} more", left.len() - lines.len()));
    lines
}
