//! "Can I switch it off?"
use super::*;

#[test]
fn a_host_with_one_of_three_members_may_go_off_and_the_remaining_members_are_reported() {
    let impact = assessed(&home());
    assert_eq!(
        says(&impact.hosts["gamer"]),
        (
            Answer::Yes,
            vec!["etcd could lose no further member while it is off: 2 of 3 left, 2 needed"]
        )
    );
    assert_eq!(
        says(&impact.hosts["nixos"]),
        (Answer::Yes, vec!["nothing that is known stands against it"])
    );
    assert_eq!(impact.quorum.spare(), Some(1));
    assert!(impact.quorum_hosts.is_empty());
}

#[test]
fn the_second_desktop_would_stop_evictions_unless_it_is_emptied_or_not_counted() {
    let impact = assessed(&without(home(), &["gamer"]));
    assert_eq!(
        says(&impact.hosts["nixos"]),
        (
            Answer::No,
            vec![
                "its pods would not move: Kubernetes evicts nothing while more than 3 of 7 nodes are not ready; it would \
                 be 4. Empty it first (annotation nodes.hearth.home.arpa/off), or have volatile nodes not counted \
                 (excludeFromDisruptionCount of a NodeClass)"
            ]
        )
    );
    assert_eq!(
        says(&impact.emptied["nixos"]),
        (
            Answer::Yes,
            vec![
                "while it is off, pods of a lost node would not move: Kubernetes evicts nothing while more than 3 of 7 \
                 nodes are not ready; it would be 4. To fix that, have volatile nodes not counted \
                 (excludeFromDisruptionCount of a NodeClass)"
            ]
        )
    );
    let fixed = excluding(without(home(), &["gamer"]), &["talos06"]);
    assert_eq!(assessed(&fixed).hosts["nixos"].answer, Answer::Yes);
}

/// Edge case 47, and an excluded host in a zone that stands still.
#[test]
fn evictions_that_have_stopped_already_are_reported() {
    let mut nodes = without(home(), &["gamer", "nixos"]);
    nodes.push(node("laptop").volatile().excluded());
    let may = assessed(&nodes).may_go_off("laptop", false);
    assert_eq!(may.answer, Answer::No);
    assert!(may.because[0].contains("4 are already"), "{may:?}");
}

#[test]
fn a_zone_is_named_where_there_are_several() {
    let mut nodes: Vec<_> = without(home(), &["gamer"])
        .into_iter()
        .map(|one| one.zone("cellar").label("topology.kubernetes.io/region", "home"))
        .collect();
    nodes.push(node("attic").zone("attic"));
    let impact = assessed(&nodes);
    let because = &impact.hosts["nixos"].because[0];
    assert!(because.contains("3 of 7 nodes of zone home/cellar"), "{because}");
    assert_eq!(impact.hosts["attic"].answer, Answer::Yes, "its own zone may die");
}

/// Edge case 53.
#[test]
fn a_host_with_two_of_three_members_ends_the_quorum() {
    let nodes = [
        node("a").etcd().on("gamer"),
        node("b").etcd().on("gamer"),
        node("c").etcd(),
        node("d"),
    ];
    let impact = assessed(&nodes);
    assert_eq!(
        impact.hosts["gamer"].because[0],
        "etcd would lose its quorum: 1 of 3 members left, 2 needed; the API server would stop"
    );
    assert_eq!(impact.hosts["gamer"].answer, Answer::No);
    assert_eq!(
        impact.emptied["gamer"].answer,
        Answer::No,
        "emptying does not help etcd"
    );
    assert_eq!(impact.quorum_hosts, BTreeSet::from(["gamer".to_owned()]));
}

/// Edge case 52: a warning while it is on; when it is off, the others may not go.
#[test]
fn while_a_member_is_off_the_next_may_not_go() {
    let impact = assessed(&without(home(), &["gamer"]));
    assert_eq!(impact.quorum.spare(), Some(0));
    for host in ["talos01", "talos02"] {
        assert!(
            impact.hosts[host].because[0].starts_with("etcd would lose its quorum: 1 of 3"),
            "{impact:?}"
        );
    }
    assert!(
        impact.quorum_hosts.is_empty(),
        "that is about hosts, not about what is off"
    );
    assert!(!impact.hosts["talos05"].because[0].contains("etcd"));
}

#[test]
fn etcds_arithmetic() {
    for (members, quorum, may_lose) in [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2)] {
        let nodes: Vec<_> = (0..members).map(|n| node(&format!("n{n}")).etcd()).collect();
        let impact = assessed(&nodes);
        assert_eq!(
            (impact.quorum.members, impact.quorum.up, impact.quorum.needed),
            (members, members, quorum)
        );
        assert_eq!(impact.quorum.spare(), Some(may_lose));
    }
}

#[test]
fn a_member_of_unknown_state_is_neither_counted_on_nor_held_lost() {
    let mut nodes = home();
    nodes[0] = node("talos01").etcd().state(State::Unknown);
    let may = assessed(&nodes).may_go_off("gamer", false);
    assert_eq!(
        says(&may),
        (
            Answer::Unknown,
            vec!["it is not known whether etcd would keep its quorum: 1 of 3 members surely left, 2 needed"]
        )
    );
}

#[test]
fn a_member_on_the_host_of_unknown_state_may_be_up_and_counts_as_lost() {
    let mut nodes = without(home(), &["talos01"]);
    nodes[2].state = State::Unknown;
    assert_eq!(assessed(&nodes).hosts["gamer"].answer, Answer::No);
}

/// Edge case 54.
#[test]
fn without_role_labels_etcd_is_not_judged_and_the_answer_is_not_yes() {
    let nodes = [node("a"), node("b"), node("c")];
    let impact = assessed(&nodes);
    assert_eq!(impact.quorum, Quorum::default());
    assert_eq!(impact.quorum.spare(), None);
    assert_eq!(
        says(&impact.hosts["a"]),
        (
            Answer::Unknown,
            vec!["etcd cannot be judged: no node shows that it runs a control plane"]
        )
    );
}

/// Edge case 46, and the same with several nodes on one machine.
#[test]
fn the_only_host_gets_no_advice_and_is_not_emptied() {
    for nodes in [
        vec![node("home").etcd()],
        vec![
            node("a").etcd().on("box"),
            node("b").etcd().on("box"),
            node("c").etcd().on("box"),
        ],
    ] {
        let impact = assessed(&nodes);
        let host = nodes[0].host.as_str();
        assert_eq!(
            says(&impact.hosts[host]),
            (
                Answer::Yes,
                vec!["all nodes are on this host: the whole cluster goes off with it"]
            )
        );
        assert_eq!(impact.emptied[host].answer, Answer::No);
        assert!(impact.quorum_hosts.is_empty());
    }
}

#[test]
fn pods_need_another_node_that_takes_them() {
    let worker = |one: One| vec![node("gamer"), one];
    let pi = || node("pi").etcd();
    let mut cordoned = pi();
    cordoned.facts.unschedulable = true;
    let mut unready = pi();
    unready.facts.ready.status = Some(false);
    for (other, answer) in [
        (pi(), Answer::Yes),
        (cordoned, Answer::No),
        (unready, Answer::No),
        (pi().off(), Answer::No),
        (pi().state(State::Unknown), Answer::Unknown),
    ] {
        let impact = assessed(&worker(other));
        assert_eq!(impact.emptied["gamer"].answer, answer, "{:?}", impact.emptied["gamer"]);
    }
}

#[test]
fn what_is_off_may_go_off() {
    let impact = assessed(&without(home(), &["gamer"]));
    assert_eq!(says(&impact.hosts["gamer"]), (Answer::Yes, vec!["it is off"]));
    assert_eq!(says(&impact.emptied["gamer"]), (Answer::Yes, vec!["it is off"]));
}

/// Edge case 48: a host of which some nodes are off is on.
#[test]
fn a_host_that_is_partly_off_is_judged_by_the_rest() {
    let mut nodes = without(home(), &["talos01"]);
    nodes[6] = nodes[6].clone().off();
    let impact = assessed(&nodes);
    assert!(impact.hosts["gamer"].because[0].starts_with("etcd would lose"));
}

#[test]
fn a_host_of_unknown_state_is_not_judged() {
    let mut nodes = home();
    nodes[4].state = State::Unknown;
    nodes[5].state = State::Unknown;
    assert_eq!(
        says(&assessed(&nodes).hosts["nixos"]),
        (Answer::Unknown, vec!["it is not known whether it is on"])
    );
}

#[test]
fn while_liveness_is_not_visible_every_answer_is_unknown() {
    let nodes = without(home(), &["gamer"]);
    let impact = assess(&members(&nodes), None, &[], false);
    assert_eq!(impact.hosts.len(), 5);
    for may in impact.hosts.values().chain(impact.emptied.values()) {
        assert_eq!(may.answer, Answer::Unknown);
        assert!(may.because[0].starts_with("the nodes are not seen clearly"));
    }
    assert_eq!(impact.zones.len(), 1, "the controller's arithmetic continues");
}

#[test]
fn a_host_without_nodes_is_not_judged() {
    assert_eq!(
        says(&assessed(&home()).may_go_off("attic", false)),
        (Answer::Unknown, vec!["none of its nodes is in the cluster"])
    );
}

#[test]
fn what_runs_only_here_is_reported_and_is_no_obstacle() {
    let all = workloads(&[
        ("Deployment home/web", &["talos06"]),
        ("Deployment home/both", &["talos06", "talos07"]),
        ("Deployment home/spread", &["talos06", "talos05"]),
        ("Deployment home/elsewhere", &["talos05"]),
        ("Deployment home/nowhere", &[]),
        ("PersistentVolume pv-1", &["talos07"]),
    ]);
    let nodes = home();
    let impact = assess(&members(&nodes), Some(&all), &[], true);
    let volume = "1 volume is only here, what uses it is down until it is back: PersistentVolume pv-1";
    assert_eq!(
        says(&impact.hosts["nixos"]),
        (
            Answer::Yes,
            vec![
                "2 workloads run only here, down until moved or until it is back: Deployment home/both, Deployment home/web",
                volume
            ]
        )
    );
    assert_eq!(says(&impact.emptied["nixos"]), (Answer::Yes, vec![volume]));
    assert_eq!(
        impact.only_volatile,
        ["Deployment home/both", "Deployment home/web", "PersistentVolume pv-1"]
    );
}

#[test]
fn a_workload_that_is_also_on_a_removed_or_switched_off_node_runs_only_here() {
    let all = workloads(&[("Deployment home/web", &["talos06", "talos08", "deleted"])]);
    let nodes = without(home(), &["gamer"]);
    let impact = assess(&members(&nodes), Some(&all), &[], true);
    assert!(
        impact.hosts["nixos"].because[1].starts_with("1 workload runs only here"),
        "{impact:?}"
    );
    assert_eq!(
        impact.only_volatile,
        ["Deployment home/web"],
        "a deleted node holds nothing"
    );
}

#[test]
fn many_names_are_cut() {
    let names: Vec<_> = (0..9).map(|n| format!("Job home/j{n}")).collect();
    let all = Workloads {
        nodes: names
            .iter()
            .map(|n| (n.clone(), BTreeSet::from(["talos06".to_owned()])))
            .collect(),
        ..Workloads::default()
    };
    let nodes = home();
    let impact = assess(&members(&nodes), Some(&all), &[], true);
    let because = &impact.hosts["nixos"].because[0];
    assert!(
        because.starts_with("9 workloads run only here") && because.ends_with("Job home/j4 and 4 more"),
        "{because}"
    );
}

#[test]
fn workloads_that_are_not_watched_are_reported_as_such() {
    let nodes = home();
    let impact = assess(&members(&nodes), None, &[], true);
    assert_eq!(
        says(&impact.hosts["nixos"]),
        (Answer::Yes, vec!["workloads are not watched"])
    );
    assert!(impact.only_volatile.is_empty());
}

#[test]
fn the_most_important_reason_comes_first() {
    let nodes = without(home(), &["nixos", "talos01"]);
    let all = workloads(&[("Deployment home/web", &["talos08"])]);
    let impact = assess(&members(&nodes), Some(&all), &[], true);
    let because = &impact.hosts["gamer"].because;
    let starts = [
        "etcd would lose its quorum",
        "its pods would not move",
        "1 workload runs",
    ];
    assert_eq!(because.len(), 3, "{because:?}");
    for (because, start) in because.iter().zip(starts) {
        assert!(because.starts_with(start), "{because}");
    }
}

/// A host that may go is switched off: nothing stands still then that moved before, and etcd continues.
#[test]
fn a_yes_holds_when_it_is_followed() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut followed = 0;
    for _ in 0..3000 {
        let nodes: Vec<_> = (0..random.usize(2..12))
            .map(|n| {
                let mut one = node(&format!("n{n:02}")).on(&format!("h{}", random.u8(0..5)));
                if random.u8(0..3) == 0 {
                    one = one.etcd();
                }
                if random.bool() {
                    one = one.volatile();
                }
                if random.u8(0..4) == 0 {
                    one = one.excluded();
                }
                if random.u8(0..4) == 0 { one.off() } else { one }
            })
            .collect();
        let impact = assessed(&nodes);
        if impact.hosts.len() < 2 {
            continue;
        }
        for (host, may) in &impact.hosts {
            let is_off = nodes
                .iter()
                .filter(|one| one.host == *host)
                .all(|one| one.state == State::Down);
            if may.answer != Answer::Yes || is_off {
                continue;
            }
            followed += 1;
            let after = assessed(&without(nodes.clone(), &[host]));
            assert!(after.zones.iter().all(|zone| !zone.frozen), "{host} {nodes:?}");
            let had_member = nodes
                .iter()
                .any(|one| one.host == *host && one.facts.etcd() && one.state == State::Up);
            assert!(
                !had_member || after.quorum.up >= after.quorum.needed,
                "{host} {nodes:?}"
            );
        }
    }
    assert!(followed > 500, "{followed}");
}
