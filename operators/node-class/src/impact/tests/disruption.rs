//! The node lifecycle controller's arithmetic.
use super::*;
use crate::impact::zones::{Count, Counts};

/// The counts of the one zone.
fn counted(nodes: &[One]) -> Count {
    let counts = Counts::of(&members(nodes));
    counts.get(&(String::new(), String::new())).unwrap()
}

/// `ComputeZoneState`, as it is written upstream, and the rate of a small or large zone.
fn upstream_stands_still(counted: u32, not_ready: u32) -> bool {
    let ready = counted - not_ready;
    if ready == 0 {
        return true; // the only zone, so all zones are fully disrupted
    }
    not_ready > 2 && f64::from(not_ready) / f64::from(counted) >= 0.55 - 1e-9 && counted <= 50
}

fn one_zone(counted: u32, not_ready: u32) -> Zone {
    let nodes: Vec<_> = (0..counted)
        .map(|n| {
            let one = node(&format!("n{n:03}"));
            if n < not_ready { one.off() } else { one }
        })
        .collect();
    let mut zones = assessed(&nodes).zones;
    assert_eq!(zones.len(), 1);
    zones.remove(0)
}

#[test]
fn the_smallest_number_that_freezes_is_that_of_the_reference() {
    for (nodes, frozen_from) in [(4, 3), (5, 3), (6, 4), (7, 4), (8, 5), (9, 5), (10, 6), (12, 7)] {
        assert!(!one_zone(nodes, frozen_from - 1).frozen, "{nodes}");
        assert!(one_zone(nodes, frozen_from).frozen, "{nodes}");
        assert_eq!(one_zone(nodes, frozen_from - 1).headroom, 0, "{nodes}");
        let headroom = usize::try_from(frozen_from - 1).unwrap();
        assert_eq!(one_zone(nodes, 0).headroom, headroom, "{nodes}");
    }
}

#[test]
fn one_zone_is_judged_as_upstream_does_at_every_size() {
    for counted in 1..=60 {
        for not_ready in 0..=counted {
            let zone = one_zone(counted, not_ready);
            assert_eq!(
                zone.frozen,
                upstream_stands_still(counted, not_ready),
                "{not_ready} of {counted}"
            );
            let more = (0..=counted - not_ready).take_while(|more| !upstream_stands_still(counted, not_ready + more));
            assert_eq!(
                zone.headroom,
                more.count().saturating_sub(1),
                "{not_ready} of {counted}"
            );
        }
    }
}

#[test]
fn a_large_zone_is_only_slower_and_never_frozen_by_its_share() {
    assert!(one_zone(50, 28).frozen);
    assert!(!one_zone(51, 50).frozen);
    assert!(one_zone(51, 51).frozen, "but by being all there is");
}

#[test]
fn a_zone_without_a_ready_node_is_evicted_while_another_zone_has_one() {
    let nodes = [
        node("a1").zone("a").off(),
        node("a2").zone("a").off(),
        node("a3").zone("a").off(),
        node("b1").zone("b"),
    ];
    let zones = assessed(&nodes).zones;
    assert_eq!(zones.iter().map(|z| z.frozen).collect::<Vec<_>>(), [false, false]);
    assert_eq!(zones[1].headroom, 0, "when b1 goes as well, all stops");

    let all: Vec<_> = nodes.into_iter().map(One::off).collect();
    assert!(assessed(&all).zones.iter().all(|zone| zone.frozen));
}

#[test]
fn a_zone_whose_loss_stops_nothing_has_all_its_nodes_as_headroom() {
    let nodes = [node("a1").zone("a"), node("a2").zone("a"), node("b1").zone("b")];
    let zones = assessed(&nodes).zones;
    assert_eq!(zones[0].headroom, 2);
    assert_eq!(zones[1].headroom, 1);
    let large = (0..51).map(|n| node(&format!("a{n}")).zone("a"));
    let large = large.enumerate().map(|(n, one)| if n < 5 { one.off() } else { one });
    let nodes: Vec<One> = large.chain([node("b1").zone("b")]).collect();
    assert_eq!(assessed(&nodes).zones[0].headroom, 46, "those that are off cannot go");
}

#[test]
fn a_node_that_is_not_ready_counts_whatever_its_condition_says() {
    let mut nodes = home();
    for (one, status) in nodes.iter_mut().zip([Some(false), None, Some(false), None]) {
        one.facts.ready.status = status;
    }
    let zone = assessed(&nodes).zones.remove(0);
    assert_eq!((counted(&nodes).not_ready, zone.frozen), (4, true));
}

/// Edge case 47: 4 of 7 stand still; with the label on the desktops nothing does.
#[test]
fn nodes_with_the_exclude_label_do_not_count() {
    let off = without(home(), &["gamer", "nixos"]);
    let zone = assessed(&off).zones.remove(0);
    let count = counted(&off);
    assert_eq!((count.counted, count.not_ready), (7, 4));
    assert_eq!((zone.frozen, zone.headroom), (true, 0));

    let off = excluding(off, &["talos03", "talos06", "talos07", "talos08"]);
    let (zone, count) = (assessed(&off).zones.remove(0), counted(&off));
    assert_eq!((count.counted, count.not_ready), (3, 0));
    assert_eq!((zone.frozen, zone.headroom), (false, 2));
}

#[test]
fn a_zone_of_excluded_nodes_only_is_forgotten_as_upstream_does() {
    let nodes = [node("a").zone("a").excluded(), node("b").zone("b")];
    let zones = assessed(&nodes).zones;
    assert_eq!(zones.len(), 1);
    assert_eq!(zones[0].name, (String::new(), "b".to_owned()));
}

#[test]
fn a_zones_last_steady_node_stays_in_the_count() {
    let nodes = [
        node("pi").unproven(),
        node("gamer").volatile(),
        node("nas").zone("cellar").volatile(),
    ];
    let members = members(&nodes);
    assert!(may_exclude(&members).contains("gamer"), "an unproven node remains");
    assert!(!may_exclude(&members).contains("pi"));
    assert!(
        !may_exclude(&members).contains("nas"),
        "the steady node is in another zone"
    );
    assert!(!may_exclude(&members).contains("nobody"));
}

#[test]
fn of_several_steady_nodes_the_first_by_name_stays_in_the_count() {
    let nodes = [node("mini"), node("board"), node("gamer").volatile(), node("pi")];
    assert_eq!(may_exclude(&members(&nodes)), BTreeSet::from(["gamer", "mini", "pi"]));
}

#[test]
fn a_steady_node_with_the_label_is_no_anchor() {
    let nodes = [node("pi").excluded(), node("gamer").volatile()];
    assert!(!may_exclude(&members(&nodes)).contains("gamer"));
}

/// Edge case 45.
#[test]
fn where_every_node_is_volatile_none_may_be_excluded() {
    let nodes: Vec<_> = home().into_iter().map(One::volatile).collect();
    let members = members(&nodes);
    assert!(may_exclude(&members).is_empty());
}

/// A class that asks for all nodes gets an answer that stays the same once it is followed, whatever was labelled before.
#[test]
fn following_the_answers_keeps_an_anchor_and_does_not_change_them() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..2000 {
        let mut nodes: Vec<_> = (0..random.usize(1..7))
            .map(|n| {
                let one = node(&format!("n{n}")).zone(["a", "b"][usize::from(random.bool())]);
                let one = if random.bool() { one.volatile() } else { one };
                if random.bool() { one.excluded() } else { one }
            })
            .collect();
        let follow = |nodes: &[One]| -> Vec<One> {
            let members = members(nodes);
            let put = |one: &One| {
                let mut one = one.clone();
                one.facts.labels.remove(EXCLUDE_DISRUPTION);
                if may_exclude(&members).contains(one.facts.name.as_str()) {
                    one.excluded()
                } else {
                    one
                }
            };
            nodes.iter().map(put).collect()
        };
        let labelled = |nodes: &[One]| nodes.iter().map(|one| one.facts.labels.clone()).collect::<Vec<_>>();
        let mut settled = false;
        for _ in 0..4 {
            let next = follow(&nodes);
            settled = labelled(&next) == labelled(&nodes);
            nodes = next;
        }
        assert!(settled, "{nodes:?}");
        for zone in ["a", "b"] {
            let here: Vec<_> = members(&nodes)
                .into_iter()
                .filter(|m| m.node.zone().1 == zone)
                .collect();
            let anchored = here
                .iter()
                .any(|m| m.availability != Availability::Volatile && !m.node.labels.contains_key(EXCLUDE_DISRUPTION));
            let excluded = here.iter().any(|m| m.node.labels.contains_key(EXCLUDE_DISRUPTION));
            assert!(anchored || !excluded, "{here:?}");
        }
    }
}
