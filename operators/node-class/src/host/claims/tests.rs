use super::*;
use crate::crd::history::Machine;
use crate::crd::host::NodeHostSpec;

fn host(name: &str, entries: &[&str]) -> NodeHost {
    let nodes = entries.iter().map(|entry| (*entry).to_owned()).collect();
    NodeHost::new(
        name,
        NodeHostSpec {
            nodes,
            ..NodeHostSpec::default()
        },
    )
}

fn node(name: &str, system_uuid: &str) -> NodeFacts {
    NodeFacts {
        name: name.into(),
        machine: Machine {
            system_uuid: system_uuid.into(),
            ..Machine::default()
        },
        ..NodeFacts::default()
    }
}

fn known(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter()
        .map(|(node, host)| ((*node).to_owned(), (*host).to_owned()))
        .collect()
}

/// `node=host`, `node?host,host` for disputes, `host!entry` for what matches nothing.
fn shown(claims: &Claims) -> String {
    let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    let claimed = claims.host.iter().map(|(node, host)| format!("{node}={host}"));
    let disputed = claims
        .disputed
        .iter()
        .map(|(node, hosts)| format!("{node}?{}", join(hosts)));
    let unmatched = claims
        .unmatched
        .iter()
        .map(|(host, entries)| format!("{host}!{}", entries.join(",")));
    claimed.chain(disputed).chain(unmatched).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_host_gets_nodes_by_name_glob_and_the_beginning_of_a_uuid() {
    let hosts = [
        host("gamer", &["talos03", "gamer-*"]),
        host("mini", &["uuid:4C4C-0042"]),
    ];
    let nodes = [
        node("talos03", "1"),
        node("gamer-2", "2"),
        node("m", "4c4c-0042-aa"),
        node("pi", "9"),
    ];
    let claims = claims(&hosts, &nodes, &known(&[]));
    assert_eq!(
        shown(&claims),
        "gamer-2=gamer m=mini talos03=gamer",
        "a node that no host claims has no host"
    );
}

#[test]
fn a_node_that_two_hosts_claim_is_assigned_to_none() {
    let hosts = [host("a", &["talos03", "talos0?"]), host("b", &["uuid:4c4c"])];
    let nodes = [node("talos03", "4c4c-1"), node("talos04", "5")];
    assert_eq!(shown(&claims(&hosts, &nodes, &known(&[]))), "talos04=a talos03?a,b");
}

#[test]
fn a_suspended_host_keeps_its_nodes() {
    let mut suspended = host("a", &["talos03"]);
    suspended.spec.suspend = true;
    let hosts = [suspended, host("b", &["talos*"])];
    assert_eq!(
        shown(&claims(&hosts, &[node("talos03", "")], &known(&[]))),
        "talos03?a,b"
    );
    assert_eq!(
        shown(&claims(&hosts[..1], &[node("talos03", "")], &known(&[]))),
        "talos03=a"
    );
}

#[test]
fn an_entry_that_matches_nothing_is_reported() {
    let hosts = [host("a", &["talos03", "talos3", "x-*", "uuid:4c4", "uuid:4c4c", ""])];
    let claims = claims(&hosts, &[node("talos03", "4c4")], &known(&[]));
    assert_eq!(shown(&claims), "talos03=a a!talos3,x-*,uuid:4c4,uuid:4c4c,");
}

#[test]
fn a_node_without_an_object_stays_with_its_host_by_name() {
    let hosts = [host("gamer", &["talos03"])];
    let gone = known(&[("talos03", "gamer")]);
    assert_eq!(
        shown(&claims(&hosts, &[], &gone)),
        "talos03=gamer",
        "and the entry does match something"
    );
    assert_eq!(
        shown(&claims(&[host("gamer", &["talos04"])], &[], &gone)),
        "gamer!talos04"
    );
    assert_eq!(shown(&claims(&[], &[], &gone)), "");
    // Another host has taken over the name.
    assert_eq!(
        shown(&claims(&[host("mini", &["talos03"])], &[], &gone)),
        "talos03=mini"
    );
}

#[test]
fn a_node_without_an_object_stays_with_its_host_by_uuid() {
    let gone = known(&[("talos03", "gamer")]);
    let by_uuid = host("gamer", &["uuid:4c4c", "x"]);
    assert_eq!(shown(&claims([&by_uuid], &[], &gone)), "talos03=gamer gamer!x");
    // A claim by name can be checked, one by a UUID that no node shows cannot.
    assert_eq!(
        shown(&claims(&[by_uuid.clone(), host("mini", &["talos03"])], &[], &gone)),
        "talos03=mini gamer!uuid:4c4c,x"
    );
    // The node is there again, and has another UUID: what was before does not matter.
    assert_eq!(
        shown(&claims([&by_uuid], &[node("talos03", "77")], &gone)),
        "gamer!uuid:4c4c,x"
    );
}

/// Edge case 51: a VM moves to another host, whose UUID is passed through.
#[test]
fn a_vm_that_moves_gets_the_host_that_claims_it_now() {
    let hosts = [host("a", &["uuid:aaaa"]), host("b", &["uuid:bbbb"])];
    let before = claims(&hosts, &[node("vm", "AAAA-1")], &known(&[]));
    let after = claims(&hosts, &[node("vm", "bbbb-1")], &known(&[("vm", "a")]));
    assert_eq!(
        (shown(&before), shown(&after)),
        ("vm=a b!uuid:bbbb".into(), "vm=b a!uuid:aaaa".into())
    );
}

/// Edge case 3: cloned VMs have one UUID and two names.
#[test]
fn clones_with_one_uuid_are_distinguished_by_name() {
    let hosts = [host("a", &["vm-1"]), host("b", &["vm-2"])];
    let nodes = [node("vm-1", "aaaa-1"), node("vm-2", "aaaa-1")];
    assert_eq!(shown(&claims(&hosts, &nodes, &known(&[]))), "vm-1=a vm-2=b");
    let nodes = [node("vm-1", "aaaa-1"), node("vm-2", "aaaa-1")];
    assert_eq!(
        shown(&claims(&[host("a", &["uuid:aaaa"])], &nodes, &known(&[]))),
        "vm-1=a vm-2=a"
    );
}

/// No node is ever claimed and disputed, and taking nodes away never gives a node to a host that nothing ties to it.
#[test]
fn claims_hold_together_whatever_the_entries_are() {
    let mut random = fastrand::Rng::with_seed(11);
    let (names, uuids) = (["a1", "a2", "b1"], ["aaaa-1", "aaab-2", "bbbb-1"]);
    let entries = ["a1", "a*", "b?", "*", "uuid:aaaa", "uuid:aaa", "uuid:AAAB", "c"];
    for _ in 0..2000 {
        let hosts: Vec<NodeHost> = ["x", "y", "z"]
            .iter()
            .map(|name| {
                let some: Vec<&str> = (0..random.usize(1..3))
                    .map(|_| entries[random.usize(..entries.len())])
                    .collect();
                host(name, &some)
            })
            .collect();
        let nodes: Vec<NodeFacts> = names.iter().map(|name| node(name, uuids[random.usize(..3)])).collect();
        let full = claims(&hosts, &nodes, &known(&[]));
        assert!(full.host.keys().all(|node| !full.disputed.contains_key(node)));
        assert!(full.disputed.values().all(|hosts| hosts.len() > 1));
        // All objects vanish at once: who had a node by a name still has it, and no other host gets one that was undisputed.
        let gone = claims(&hosts, &[], &full.host);
        for (node, host) in &full.host {
            assert_eq!(gone.host.get(node), Some(host), "{hosts:?}");
        }
    }
}
