//! The limits of these rules: what just fits, what just counts.
use k8s_openapi::api::core::v1::NodeSelector;

use super::*;

/// A server of `MicroK8s`: it runs a control plane, and its datastore cannot be seen.
fn server(name: &str) -> One {
    node(name).label("node.kubernetes.io/microk8s-controlplane", "microk8s-controlplane")
}

#[test]
fn a_host_that_is_off_already_is_not_named_as_one_to_be_expected_off() {
    let nodes = [node("gamer"), node("nixos").granted(1).off(), node("mini")];
    assert!(!says_of(&assessed(&nodes), "gamer", "counted as off"));
}

#[test]
fn servers_of_unknown_state_may_be_up() {
    let gamer_half_seen = [
        server("a").on("gamer"),
        server("b").on("gamer").state(State::Unknown),
        server("c"),
    ];
    let impact = assessed(&gamer_half_seen);
    assert!(
        says_of(&impact, "gamer", "Of 3 control-plane nodes 1 would be left"),
        "{impact:?}"
    );
    let other_unseen = [server("gamer"), server("b").state(State::Unknown), server("c")];
    assert_eq!(assessed(&other_unseen).requests["gamer"], Answer::Yes);
}

#[test]
fn more_than_half_of_the_servers_may_be_needed() {
    let five = ["gamer", "b", "c", "d", "e"].map(server);
    let words = "Of 5 control-plane nodes 4 would be left, and 3 may be needed";
    assert!(says_of(&assessed(&five), "gamer", words));
}

#[test]
fn two_of_five_members_on_one_host_do_not_end_the_quorum() {
    let nodes = [
        node("a").etcd().on("gamer"),
        node("b").etcd().on("gamer"),
        node("c").etcd(),
        node("d").etcd(),
        node("e").etcd(),
    ];
    assert_eq!(assessed(&nodes).quorum_hosts, BTreeSet::new());
}

#[test]
fn the_last_ready_node_is_told_that_nothing_is_evicted_then() {
    let nodes = [node("gamer"), node("mini").off()];
    let impact = assessed(&nodes);
    let words = "Kubernetes evicts nothing while no node is ready";
    assert!(says_of(&impact, "gamer", words), "{impact:?}");
}

#[test]
fn a_volume_keeps_its_pod_where_it_can_be_used() {
    let data = demanding(pod("Deployment home/db", "gamer"), |demands| {
        demands.claims.push("home/data".to_owned());
    });
    let nodes = [node("gamer"), node("pi").etcd()];
    for (usable, nowhere) in [
        (Some(vec!["gamer"]), true),
        (Some(vec!["gamer", "pi"]), false),
        (None, false),
    ] {
        let mut all = running([data.clone()]);
        let usable = usable.map(|nodes| nodes.into_iter().map(str::to_owned).collect());
        all.claims = usable
            .map(|nodes| ("home/data".to_owned(), nodes))
            .into_iter()
            .collect();
        let words = "Deployment home/db (its volume cannot be used on another node)";
        assert_eq!(says_of(&with(&nodes, &all), "gamer", words), nowhere);
        assert_eq!(says_of(&with(&nodes, &all), "gamer", "nowhere"), nowhere);
    }
}

#[test]
fn an_affinity_says_whether_the_architecture_or_another_label_is_missing() {
    for (key, words) in [
        ("kubernetes.io/arch", "its architecture is on no other node"),
        ("gpu", "no other node has the labels that it demands"),
    ] {
        let terms =
            serde_json::json!([{ "matchExpressions": [{ "key": key, "operator": "In", "values": ["amd64"] }] }]);
        let affinity: NodeSelector = serde_json::from_value(serde_json::json!({ "nodeSelectorTerms": terms })).unwrap();
        let bound = demanding(pod("Deployment home/plex", "gamer"), |demands| {
            demands.affinity = Some(affinity);
        });
        let impact = with(&[node("gamer"), node("pi").etcd()], &running([bound]));
        assert!(says_of(&impact, "gamer", words), "{key}: {impact:?}");
    }
}

#[test]
fn what_stays_or_is_ending_need_not_go_anywhere() {
    let bound = |name: &str, role, ending| {
        let bound = demanding(pod(name, "gamer"), |demands| {
            demands.selector.insert("gpu".to_owned(), "yes".to_owned());
        });
        PodFacts { role, ending, ..bound }
    };
    let nodes = [node("gamer").label("gpu", "yes"), node("pi").etcd()];
    let pods = [
        bound("DaemonSet home/driver", Role::Stays, false),
        bound("Deployment home/old", Role::Moves, true),
    ];
    assert!(!says_of(&with(&nodes, &running(pods)), "gamer", "nowhere"));
}

#[test]
fn memory_counts_only_where_a_pod_requests_it_and_the_node_says_how_much_it_has() {
    let sized = |name: &str, node: &str, gib: u64| PodFacts {
        memory: gib << 30,
        ..pod(name, node)
    };
    let silent = [node("gamer"), node("pi").etcd()];
    let one = running([sized("Deployment home/a", "gamer", 1)]);
    assert!(!says_of(&with(&silent, &one), "gamer", "nowhere"));

    let full = [node("gamer"), node("pi").memory(1).etcd()];
    let pods = [
        sized("Deployment home/a", "gamer", 0),
        sized("Deployment home/b", "pi", 2),
    ];
    assert!(!says_of(&with(&full, &running(pods)), "gamer", "nowhere"));
}
