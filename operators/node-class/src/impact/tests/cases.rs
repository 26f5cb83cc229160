//! Reports of people, each with its case's number: what they had, tried on this code.
mod limits;

use std::sync::Arc;

use hearth_reconciler::testing::thread_cpu_time;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Taint, Toleration};

use super::*;
use crate::workloads::{Demands, PodFacts, Role};

impl One {
    /// A control-plane node; where etcd is, it does not say.
    fn control_plane(self) -> Self {
        self.label(CONTROL_PLANE, "")
    }

    fn kubelet(mut self, versions: &str) -> Self {
        versions.clone_into(&mut self.facts.machine.versions);
        self
    }

    fn unready(mut self) -> Self {
        self.facts.ready.status = Some(false);
        self
    }

    fn tainted(mut self, key: &str) -> Self {
        self.facts.taints.push(Taint {
            key: key.to_owned(),
            effect: "NoSchedule".to_owned(),
            ..Taint::default()
        });
        self
    }

    fn memory(mut self, gib: u64) -> Self {
        self.facts.allocatable = gib << 30;
        self
    }

    /// A request for its host was granted, this second.
    fn granted(mut self, second: i64) -> Self {
        self.leaving = Some(Leaving::Granted(Timestamp::from_second(second).unwrap()));
        self
    }

    fn window(mut self) -> Self {
        self.leaving = Some(Leaving::Window);
        self
    }
}

fn pod(workload: &str, node: &str) -> PodFacts {
    PodFacts {
        workload: workload.into(),
        node: Some(node.into()),
        role: Role::Moves,
        works: true,
        ending: false,
        empty_dir: false,
        etcd: false,
        memory: 0,
        demands: None,
    }
}

fn demanding(pod: PodFacts, change: impl FnOnce(&mut Demands)) -> PodFacts {
    let mut demands = Demands::default();
    change(&mut demands);
    PodFacts {
        demands: Some(Box::new(demands)),
        ..pod
    }
}

fn running(pods: impl IntoIterator<Item = PodFacts>) -> Workloads {
    Workloads {
        pods: pods.into_iter().map(Arc::new).collect(),
        ..Workloads::default()
    }
}

fn with(nodes: &[One], workloads: &Workloads) -> Impact {
    assess(&members(nodes), Some(workloads), &[], true)
}

/// What `gamer` gets, as it is and emptied, and a request for it.
fn gamer(impact: &Impact) -> (Answer, Answer, Answer) {
    (
        impact.hosts["gamer"].answer,
        impact.emptied["gamer"].answer,
        impact.requests["gamer"],
    )
}

fn says_of(impact: &Impact, host: &str, words: &str) -> bool {
    impact.hosts[host].because.iter().any(|line| line.contains(words))
}

/// Case `n01`: three nodes that only run etcd, two that only run the control plane.
#[test]
fn control_plane_nodes_without_etcd_do_not_vote() {
    let nodes = [
        node("e1").label(ETCD, "true").on("gamer"),
        node("e2").label(ETCD, "true").on("gamer"),
        node("e3").label(ETCD, "true"),
        node("c1").control_plane(),
        node("c2").control_plane(),
    ];
    let impact = assessed(&nodes);
    assert_eq!(gamer(&impact), (Answer::No, Answer::No, Answer::No));
    assert!(says_of(&impact, "gamer", "1 of 3 members left, 2 needed"), "{impact:?}");
    assert_eq!(impact.quorum_hosts, BTreeSet::from(["gamer".to_owned()]));
    assert_eq!(impact.hosts["c1"].answer, Answer::Yes);
}

/// Case `n01`, on kubeadm: pods say where etcd is.
#[test]
fn the_pods_of_etcd_say_where_its_members_are() {
    let nodes = [
        node("a").control_plane().on("gamer"),
        node("b").control_plane(),
        node("c").control_plane(),
        node("d"),
    ];
    let etcd = |nodes: &[&str]| Workloads {
        etcd: nodes.iter().map(|node| (*node).to_owned()).collect(),
        ..Workloads::default()
    };
    let all = with(&nodes, &etcd(&["a", "b", "c"]));
    assert_eq!((all.quorum.members, all.hosts["gamer"].answer), (3, Answer::Yes));
    let one = with(&nodes, &etcd(&["a"]));
    assert_eq!((one.quorum.members, one.hosts["gamer"].answer), (1, Answer::No));
    assert_eq!(one.hosts["b"].answer, Answer::Yes, "it has no member");
}

/// Variant of 54: k3s with an SQL datastore, two servers.
#[test]
fn servers_with_an_sql_datastore_have_no_quorum() {
    for kubelet in ["v1.32.1+k3s1 6.6.0 Debian", "v1.32.1 6.6.0 Debian"] {
        let server = |name: &str| {
            let node = node(name).control_plane().kubelet(kubelet);
            node.label("node-role.kubernetes.io/master", "true")
        };
        let impact = assessed(&[server("gamer"), server("mini"), node("pi")]);
        assert_eq!(impact.hosts["gamer"].answer, Answer::Unknown, "{impact:?}");
        assert!(impact.quorum_hosts.is_empty());
        assert_eq!((impact.quorum.members, impact.hosts["pi"].answer), (0, Answer::Yes));
    }
    let server = node("gamer").control_plane().kubelet("v1.32.1+k3s1");
    let two = assessed(&[server.clone(), node("mini").control_plane().kubelet("v1.32.1+k3s1")]);
    assert_eq!(two.requests["gamer"], Answer::Yes, "one server is enough");
    assert_eq!(
        assessed(&[server, node("pi")]).requests["gamer"],
        Answer::No,
        "none is not"
    );
}

/// Variant of 54: `MicroK8s`, whose servers have no role.
#[test]
fn an_unknown_layout_is_unknown_and_likely_loss_refuses_a_request() {
    let label = "node.kubernetes.io/microk8s-controlplane";
    let server = |name: &str| node(name).label(label, "microk8s-controlplane");
    let impact = assessed(&[server("a").on("gamer"), server("b").on("gamer"), server("c")]);
    assert_eq!(gamer(&impact), (Answer::Unknown, Answer::Unknown, Answer::No));
    assert!(
        says_of(
            &impact,
            "gamer",
            "Of 3 control-plane nodes 1 would be left, and 2 may be needed"
        ),
        "{impact:?}"
    );
    assert_eq!(
        (impact.hosts["c"].answer, impact.requests["c"]),
        (Answer::Unknown, Answer::Yes)
    );
    assert!(impact.quorum_hosts.is_empty() && impact.quorum.spare().is_none());
}

/// Talos runs etcd on each control-plane node, as a service that cannot be seen.
#[test]
fn on_talos_each_control_plane_node_is_a_member() {
    let talos = |name: &str| {
        node(name)
            .control_plane()
            .kubelet("v1.34.0 6.12.1-talos Talos (v1.11.0)")
    };
    let impact = assessed(&[talos("gamer"), talos("b"), talos("c")]);
    assert_eq!((impact.quorum.members, impact.hosts["gamer"].answer), (3, Answer::Yes));
}

/// A node that is alive but not Ready may run no etcd.
#[test]
fn a_member_on_a_node_that_is_not_ready_is_not_counted_on() {
    let nodes = [
        node("gamer").etcd(),
        node("b").etcd().unready(),
        node("c").etcd(),
        node("d"),
    ];
    let impact = assessed(&nodes);
    assert_eq!(impact.hosts["gamer"].answer, Answer::Unknown, "{impact:?}");
    assert_eq!(impact.quorum.spare(), Some(0));
}

/// Case `n03`: what was granted before counts as off, and the earlier request does not suffer from the later one.
#[test]
fn what_was_granted_is_off_for_every_later_answer() {
    let home = |second: i64| {
        [
            node("gamer").etcd().granted(10),
            node("nixos").etcd().granted(second),
            node("mini").etcd(),
            node("pi"),
        ]
    };
    let mut asked = home(0);
    asked[1].leaving = None;
    let impact = assessed(&asked);
    assert_eq!(
        (impact.hosts["nixos"].answer, impact.requests["nixos"]),
        (Answer::No, Answer::No)
    );
    assert!(
        says_of(&impact, "nixos", "counted as off, as it is to be expected: gamer"),
        "{impact:?}"
    );
    assert_eq!(impact.hosts["gamer"].answer, Answer::Yes);
    let both = assessed(&home(20));
    assert_eq!(
        (both.requests["gamer"], both.requests["nixos"]),
        (Answer::Yes, Answer::No)
    );
    let other = assessed(&home(5));
    assert_eq!(
        (other.requests["gamer"], other.requests["nixos"]),
        (Answer::No, Answer::Yes)
    );
}

/// Case `n03`, for the failover: a member that is about to go off is none to spare.
#[test]
fn a_member_that_is_expected_to_go_off_is_not_spare() {
    let spare = |nixos: One| {
        let names = ["gamer", "mini", "pi", "nas"];
        let nodes = names.map(|name| node(name).etcd()).into_iter().chain([nixos.etcd()]);
        assessed(&nodes.collect::<Vec<_>>()).quorum.spare()
    };
    assert_eq!(spare(node("nixos")), Some(2));
    assert_eq!(spare(node("nixos").granted(10)), Some(1));
    assert_eq!(spare(node("nixos").window()), Some(1));
    assert_eq!(spare(node("nixos").granted(10).off()), Some(1), "it is off already");
}

/// Case `n03`, for zones, shelter and workloads, and with a window in place of a request.
#[test]
fn a_host_that_is_expected_to_be_off_shelters_nothing() {
    let nodes = [node("gamer"), node("nixos").window()];
    assert_eq!(
        assessed(&nodes).emptied["gamer"].answer,
        Answer::No,
        "no node is left to take its pods"
    );

    let all = workloads(&[("Deployment home/web", &["gamer", "nixos"])]);
    let nodes = [node("gamer"), node("nixos").granted(1), node("mini")];
    assert!(says_of(&with(&nodes, &all), "gamer", "1 workload runs only here"));

    let mut nodes = home();
    for one in &mut nodes {
        if one.host == "gamer" {
            *one = one.clone().window();
        }
    }
    let impact = assessed(&nodes);
    assert_eq!(
        impact.hosts["nixos"].answer,
        Answer::No,
        "with gamer it would be 4 of 7"
    );
    assert!(says_of(&impact, "nixos", "its pods would not move"));
}

/// Case `n09`, second part: pods that only this node can run.
#[test]
fn a_workload_that_could_go_nowhere_is_named() {
    let nodes = [node("gamer").label("gpu", "yes"), node("pi").memory(1).etcd()];
    let gpu = demanding(pod("Deployment home/whisper", "gamer"), |demands| {
        demands.selector.insert("gpu".to_owned(), "yes".to_owned());
    });
    let impact = with(&nodes, &running([gpu, pod("Deployment home/web", "gamer")]));
    assert_eq!(impact.hosts["gamer"].answer, Answer::Yes);
    assert_eq!(
        impact.hosts["gamer"].because,
        ["1 workload could go nowhere: Deployment home/whisper (no other node has the labels that it demands)"]
    );
}

/// Case `n09`: an image for amd64 only, among small boards.
#[test]
fn architecture_and_memory_are_looked_at() {
    let arm = |name: &str| {
        let mut one = node(name).memory(2);
        "arm64".clone_into(&mut one.facts.architecture);
        one
    };
    let amd64 = demanding(pod("Deployment home/plex", "gamer"), |demands| {
        demands
            .selector
            .insert("kubernetes.io/arch".to_owned(), "amd64".to_owned());
    });
    let nodes = [node("gamer"), arm("pi-1"), arm("pi-2")];
    let impact = with(&nodes, &running([amd64]));
    assert!(says_of(
        &impact,
        "gamer",
        "Deployment home/plex (its architecture is on no other node)"
    ));

    let sized = |name: &str, node: &str, gib: u64| PodFacts {
        memory: gib << 30,
        ..pod(name, node)
    };
    let pods = [
        sized("Deployment home/a", "gamer", 1),
        sized("Deployment home/b", "gamer", 1),
        sized("Deployment home/c", "gamer", 1),
        sized("Deployment home/d", "pi-1", 1),
    ];
    let impact = with(&nodes, &running(pods.clone()));
    assert!(
        !says_of(&impact, "gamer", "nowhere"),
        "three fit beside what is there: {impact:?}"
    );
    let impact = with(
        &nodes,
        &running(pods.into_iter().chain([sized("Deployment home/e", "gamer", 1)])),
    );
    assert!(
        says_of(&impact, "gamer", "1 workload could go nowhere: Deployment home/e"),
        "{impact:?}"
    );
    assert!(says_of(&impact, "gamer", "1024 MiB of memory"));
}

/// Case `n13`: the only other node is a tainted control-plane node.
#[test]
fn a_tainted_node_takes_only_pods_that_tolerate_it() {
    let nodes = [node("master").etcd().tainted(CONTROL_PLANE), node("gamer")];
    for pods in [vec![], vec![pod("Deployment home/web", "gamer")]] {
        let impact = with(&nodes, &running(pods));
        assert_eq!(gamer(&impact), (Answer::No, Answer::No, Answer::No));
        assert!(says_of(
            &impact,
            "gamer",
            "taints such as node-role.kubernetes.io/control-plane:NoSchedule"
        ));
    }
    let tolerating = demanding(pod("Deployment home/dns", "gamer"), |demands| {
        demands.tolerations.push(Toleration {
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        });
    });
    assert_eq!(
        with(&nodes, &running([tolerating])).emptied["gamer"].answer,
        Answer::Yes
    );
    let [master, gamer] = nodes;
    let emptied = with(&[master, gamer.granted(1)], &running([]));
    assert_eq!(
        emptied.requests["gamer"],
        Answer::Yes,
        "it is emptied already, and stays granted"
    );
}

/// Case `n10`, and what else a drain would cost.
#[test]
fn jobs_and_what_would_be_lost_are_named_before() {
    let nodes = [node("gamer"), node("pi").etcd()];
    let of = |name: &str, role| PodFacts {
        role,
        ..pod(name, "gamer")
    };
    let cache = PodFacts {
        empty_dir: true,
        ..pod("Deployment home/cache", "gamer")
    };
    let daemon = PodFacts {
        empty_dir: true,
        ..of("DaemonSet home/log", Role::Stays)
    };
    let impact = with(
        &nodes,
        &running([
            of("Job home/backup", Role::Job),
            of("Pod home/shell", Role::Bare),
            cache,
            daemon,
        ]),
    );
    let lines = [
        "Job home/backup: runs a Job, which begins anew elsewhere; a request waits for it until the deadline",
        "Pod home/shell: has no controller, so that it is not started elsewhere; a request leaves it until that is acknowledged",
        "Deployment home/cache: has data in an emptyDir, which is deleted with the pod; a request leaves it until that is \
         acknowledged",
    ];
    assert_eq!(says(&impact.hosts["gamer"]), (Answer::Yes, lines.to_vec()));
}

/// Case `n15`: a control-plane node was replaced, and etcd may still have the old member.
#[test]
fn a_deleted_node_leaves_a_member_behind() {
    let nodes = [node("gamer").etcd(), node("b").etcd(), node("c").etcd(), node("d")];
    let removed = ["old".to_owned()];
    let impact = assess(&members(&nodes), Some(&Workloads::default()), &removed, true);
    assert_eq!(impact.hosts["gamer"].answer, Answer::Unknown);
    assert!(says_of(&impact, "gamer", "2 of 4 members left, 3 needed"), "{impact:?}");
    assert!(says_of(&impact, "gamer", "delete the NodeHistory old"));
    assert_eq!(impact.hosts["d"].answer, Answer::Yes);
}

/// Large clusters: what is judged for each host must not grow with hosts times nodes times pods.
#[test]
fn a_thousand_nodes_are_judged_quickly() {
    let nodes: Vec<_> = (0..1000)
        .map(|n| {
            let one = node(&format!("n{n}")).on(&format!("h{}", n / 4)).memory(64);
            if n % 2 == 0 { one.window() } else { one }
        })
        .collect();
    let pods = (0..10_000).map(|n| PodFacts {
        memory: 1 << 30,
        ..pod(&format!("Deployment home/d{}", n / 3), &format!("n{}", n % 1000))
    });
    let all = running(pods);
    let begun = thread_cpu_time();
    with(&nodes, &all);
    let took = thread_cpu_time().saturating_sub(begun);
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}
