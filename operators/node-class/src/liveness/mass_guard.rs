//! The mass guard: when much changes at once, it is rather our own mistake (an API server that starts, a jumping clock)
//! than that many machines fail in one minute.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Domains;
use super::node::NodeLiveness;
use super::verdict::View;

/// Changes within this time are together.
const TOGETHER: Duration = Duration::from_mins(1);
/// The guard ends after this many times the grace at the latest: one node that flaps must not hold up all others.
const AT_MOST: u32 = 15;

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

    /// Takes the nodes that changed in this step; `fallen`: one of them is silent now. True while everything is to be held back.
    pub(super) fn update(
        &mut self,
        changed: Vec<String>,
        fallen: bool,
        nodes: &BTreeMap<String, Box<NodeLiveness>>,
        view: &View<'_>,
        domains: &Domains,
    ) -> bool {
        let now = view.now.mono;
        self.recent.retain(|(at, _)| now.saturating_sub(*at) <= TOGETHER);
        let any = !changed.is_empty();
        self.recent.extend(changed.into_iter().map(|name| (now, name)));
        if let Some(on) = &mut self.on {
            if any {
                on.changed = now;
            }
            let watched = |from, times| view.visibility.watched_since(from) >= view.timing.grace.saturating_mul(times);
            if watched(on.changed, 2) || watched(on.since, AT_MOST) {
                self.on = None;
            }
        } else if any {
            // Those whose silence is long, but not yet long enough, count as well.
            let suspects = nodes.iter().filter(|(_, liveness)| fallen && liveness.suspect(view));
            let recent = self.recent.iter().map(|(_, name)| name.as_str());
            let together: BTreeSet<&str> = recent.chain(suspects.map(|(name, _)| name.as_str())).collect();
            let judged = nodes.iter().filter(|(_, liveness)| liveness.counts());
            let judged: Vec<&str> = judged.map(|(name, _)| name.as_str()).collect();
            self.on = mass(&together, &judged, domains).map(|reason| On {
                since: now,
                changed: now,
                reason,
            });
        }
        self.on.is_some()
    }
}

/// The nodes of a host, and how many of them changed.
type Tally = (usize, usize);

/// Whether this is too much at once; the reason in words. A host is one failure domain: its nodes go together.
fn mass(changed: &BTreeSet<&str>, nodes: &[&str], domains: &Domains) -> Option<String> {
    let mut hosts: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut steady: BTreeMap<&str, Tally> = BTreeMap::new();
    for &node in nodes {
        let host = domains.host.get(node).map_or(node, String::as_str);
        let count = |tallies: &mut BTreeMap<_, Tally>| {
            let tally = tallies.entry(host).or_default();
            tally.0 += 1;
            tally.1 += usize::from(changed.contains(node));
        };
        count(&mut hosts);
        if domains.steady.contains(node) {
            count(&mut steady);
        }
    }
    let whole = |tallies: &BTreeMap<&str, Tally>| tallies.values().filter(|(all, changed)| all == changed).count();
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
    let touched = steady.values().filter(|(_, changed)| *changed > 0).count();
    let of_nodes: usize = steady.values().map(|(all, _)| all).sum();
    let nodes_changed: usize = steady.values().map(|(_, changed)| changed).sum();
    (touched >= 2 && nodes_changed * 2 > of_nodes)
        .then(|| format!("{nodes_changed} of {of_nodes} steady nodes changed within {seconds} s"))
}
