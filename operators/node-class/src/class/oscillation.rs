//! Classes that come and go on a node, because they depend on each other in some way that nobody saw. Such a node keeps the
//! classes that it has for a while.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// More changes than this …
const CHANGES: usize = 3;
/// … within this time freeze a node …
const WINDOW: Duration = Duration::from_mins(10);
/// … for this long.
const FREEZE: Duration = Duration::from_mins(10);

/// Watches the classes of each node. Times are of the monotonic clock.
#[derive(Clone, Debug, Default)]
pub struct Oscillation {
    nodes: BTreeMap<String, Track>,
}

/// The classes to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Their names; while the node is frozen, those that it had before the last change.
    pub classes: Vec<String>,
    /// How much longer it is frozen; none if it is not.
    pub frozen: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Track {
    classes: Vec<String>,
    edition: u64,
    changes: VecDeque<Duration>,
    frozen_until: Option<Duration>,
}

impl Oscillation {
    /// Takes the classes that match a node now (by name, sorted) and tells which to go by. `edition` is any number that
    /// changes when classes or hosts are made, edited or deleted: what changes then is wanted, counts as no oscillation, and
    /// ends a freeze.
    pub fn settle(&mut self, node: &str, classes: &[String], edition: u64, now: Duration) -> Settled {
        let anew = |frozen_until| Track {
            classes: classes.to_vec(),
            edition,
            changes: VecDeque::new(),
            frozen_until,
        };
        let track = self.nodes.entry(node.to_owned()).or_insert_with(|| anew(None));
        if track.edition != edition || track.frozen_until.is_some_and(|until| now >= until) {
            *track = anew(None);
        }
        if track.frozen_until.is_none() && track.classes != classes {
            track.changes.push_back(now);
            track.changes.retain(|change| now.saturating_sub(*change) < WINDOW);
            if track.changes.len() > CHANGES {
                track.frozen_until = Some(now + FREEZE);
            } else {
                track.classes = classes.to_vec();
            }
        }
        Settled {
            classes: track.classes.clone(),
            frozen: track.frozen_until.map(|until| until.saturating_sub(now)),
        }
    }

    /// Forgets nodes that are gone.
    pub fn retain(&mut self, there: impl Fn(&str) -> bool) {
        self.nodes.retain(|node, _| there(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(oscillation: &mut Oscillation, classes: &str, edition: u64, minute: u64) -> (String, bool) {
        let classes: Vec<String> = classes.split_terminator(' ').map(str::to_owned).collect();
        let settled = oscillation.settle("a", &classes, edition, Duration::from_mins(minute));
        (settled.classes.join(" "), settled.frozen.is_some())
    }

    /// Edge case 18.
    #[test]
    fn the_fourth_change_in_ten_minutes_freezes_what_the_node_has_for_ten_minutes() {
        let mut o = Oscillation::default();
        for (classes, minute, expected) in [
            ("x", 0, ("x", false)),
            ("", 1, ("", false)),
            ("x", 2, ("x", false)),
            ("", 3, ("", false)),
            ("x", 4, ("", true)),
            ("", 5, ("", true)),
            ("x y", 13, ("", true)),
            ("x", 14, ("x", false)),
            ("", 15, ("", false)),
        ] {
            assert_eq!(
                settle(&mut o, classes, 1, minute),
                (expected.0.to_owned(), expected.1),
                "minute {minute}"
            );
        }
    }

    #[test]
    fn slow_changes_and_a_steady_node_never_freeze() {
        let mut o = Oscillation::default();
        for round in 0..20 {
            let classes = if round % 2 == 0 { "x" } else { "" };
            assert_eq!(
                settle(&mut o, classes, 1, round * 4),
                (classes.to_owned(), false),
                "{round}"
            );
            assert_eq!(
                settle(&mut o, classes, 1, round * 4 + 1),
                (classes.to_owned(), false),
                "{round}"
            );
        }
    }

    #[test]
    fn editing_classes_is_no_oscillation_and_ends_a_freeze() {
        let mut o = Oscillation::default();
        for edition in 0..20 {
            let classes = if edition % 2 == 0 { "x" } else { "" };
            assert_eq!(settle(&mut o, classes, edition, 0), (classes.to_owned(), false));
        }
        for classes in ["x", "", "x", ""] {
            settle(&mut o, classes, 19, 1);
        }
        assert!(settle(&mut o, "x", 19, 1).1);
        assert_eq!(settle(&mut o, "x", 20, 1), ("x".to_owned(), false));
    }
}
