//! What becomes of the request to switch a host off. The host's reconciler carries it out.
use std::time::Duration;

use hearth_reconciler::duration;
use kube::ResourceExt;

use super::Planner;
use super::types::{Plan, Step};
use crate::args::Feature;
use crate::crd::host::{HostState, OffPhase};
use crate::crd::{NodeHost, OFF};
use crate::power_off::{self, Next};

/// How long evictions are tried when the host does not say.
const DEADLINE: Duration = Duration::from_mins(5);
/// And at the most.
const LONGEST: Duration = Duration::from_hours(1);

impl Planner {
    /// The next state of a host's request.
    pub(super) fn off_request(&self, step: &Step<'_>, plan: &Plan, host: &NodeHost, state: HostState) -> Next {
        let status = host.status.as_ref();
        let off = status.and_then(|status| status.off.as_ref());
        let asked = host.annotations().get(OFF).map(String::as_str);
        let asked = asked.filter(|asked| !asked.is_empty());
        if host.spec.suspend || !self.has(Feature::Drain) || (asked.is_none() && off.is_none()) {
            return Next {
                off: off.cloned(),
                ..Next::default()
            };
        }
        let name = host.name_any();
        let case = power_off::Case {
            asked,
            handled: status.and_then(|status| status.last_handled_off.as_deref()),
            off,
            state,
            was_off: off.is_some_and(|off| off.phase == OffPhase::Off),
            may: plan.impact.may_go_off(&name, true).answer,
            left: step.observed.pods_left.get(&name).map(Vec::as_slice),
            deadline: deadline(host),
        };
        power_off::decide(&case, step.now.wall)
    }
}

fn deadline(host: &NodeHost) -> Duration {
    let given = host.spec.drain.as_ref().and_then(|drain| drain.deadline.as_deref());
    let given = given.and_then(|text| duration::parse(text).ok());
    given.unwrap_or(DEADLINE).min(LONGEST)
}
