//! The mass guard: when much changes at once, it is rather our own mistake (an API server that starts, a jumping clock)
//! than that many machines fail in one minute.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Domains;

/// Changes within this time are together.
const TOGETHER: Duration = Duration::from_mins(1);
/// The guard ends after this many times the grace at the latest: one node that flaps must not hold up all others.
const AT_MOST: u32 = 15;

/// What the guard has to know of this moment.
pub(super) struct Moment<'a> {
    pub(super) mono: Duration,
    /// The latest moment that is proven to be watched, counted from a moment.
    pub(super) watched_since: &'a dyn Fn(Duration) -> Duration,
    pub(super) grace: Duration,
    /// All judged nodes that have a Node object.
    pub(super) nodes: &'a [&'a str],
    /// Those whose silence is long, but not yet long enough.
    pub(super) suspects: &'a [&'a str],
    pub(super) domains: &'a Domains,
}

#[derive(Debug, Default)]
pub(super) struct MassGuard {
    recent: Vec<(Duration, String)>,
    on: Option<On>,
}

#[derive(Debug)]
struct On {
    since: Duration,
    changed: Duration,
    reason: String,
}

impl MassGuard {
    /// Why it holds things back, if it does.
    pub(super) fn reason(&self) -> Option<&str> {
        self.on.as_ref().map(|on| on.reason.as_str())
    }

    /// Takes the nodes that changed in this step. True while everything is to be held back.
    pub(super) fn update(&mut self, changed: Vec<String>, moment: &Moment<'_>) -> bool {
        self.recent
            .retain(|(at, _)| moment.mono.saturating_sub(*at) <= TOGETHER);
        let any = !changed.is_empty();
        self.recent.extend(changed.into_iter().map(|name| (moment.mono, name)));
        if let Some(on) = &mut self.on {
            if any {
                on.changed = moment.mono;
            }
            let stable = (moment.watched_since)(on.changed) >= moment.grace.saturating_mul(2);
            let enough = (moment.watched_since)(on.since) >= moment.grace.saturating_mul(AT_MOST);
            if stable || enough {
                self.on = None;
            }
        } else if any {
            let recent = self.recent.iter().map(|(_, name)| name.as_str());
            let together: BTreeSet<&str> = recent.chain(moment.suspects.iter().copied()).collect();
            self.on = mass(&together, moment.nodes, moment.domains).map(|reason| On {
                since: moment.mono,
                changed: moment.mono,
                reason,
            });
        }
        self.on.is_some()
    }
}

#[derive(Default)]
struct Tally {
    all: usize,
    changed: usize,
}

impl Tally {
    fn whole(&self) -> bool {
        self.all == self.changed
    }
}

/// Whether this is too much at once; the reason in words. A host is one failure domain: its nodes go together.
fn mass(changed: &BTreeSet<&str>, nodes: &[&str], domains: &Domains) -> Option<String> {
    let mut hosts: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut steady: BTreeMap<&str, Tally> = BTreeMap::new();
    for &node in nodes {
        let host = domains.host.get(node).map_or(node, String::as_str);
        let count = |tallies: &mut BTreeMap<_, Tally>| {
            let tally = tallies.entry(host).or_default();
            tally.all += 1;
            tally.changed += usize::from(changed.contains(node));
        };
        count(&mut hosts);
        if domains.steady.contains(node) {
            count(&mut steady);
        }
    }
    let whole = |tallies: &BTreeMap<&str, Tally>| tallies.values().filter(|tally| tally.whole()).count();
    let seconds = TOGETHER.as_secs();
    if hosts.len() >= 2 && whole(&hosts) == hosts.len() {
        return Some(format!("all {} hosts changed within {seconds} s", hosts.len()));
    }
    let (of_hosts, hosts_changed) = (steady.len(), whole(&steady));
    if hosts_changed >= 2 && hosts_changed * 2 > of_hosts {
        return Some(format!(
            "{hosts_changed} of {of_hosts} steady hosts changed within {seconds} s"
        ));
    }
    // Some nodes of many hosts: no host has failed, and yet too much has changed.
    let touched = steady.values().filter(|tally| tally.changed > 0).count();
    let of_nodes: usize = steady.values().map(|tally| tally.all).sum();
    let nodes_changed: usize = steady.values().map(|tally| tally.changed).sum();
    (touched >= 2 && nodes_changed * 2 > of_nodes)
        .then(|| format!("{nodes_changed} of {of_nodes} steady nodes changed within {seconds} s"))
}
