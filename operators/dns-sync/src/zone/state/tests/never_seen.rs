//! Records of ours whose objects have never been in this cluster: a rebuilt cluster, another one with the same owner.
use super::*;

/// The zone of a cluster that was rebuilt: the provider still has everything, the cluster nothing.
fn rebuilt(zone: &TestZone) -> TestZone {
    let state = ZoneState::new(zone.state.config.clone(), Guard::default());
    let mut next = TestZone::with(state, zone.provider.clone());
    assert_eq!(next.settle(), 0);
    next
}

#[test]
fn a_rebuilt_cluster_keeps_what_its_objects_do_not_want_yet() {
    // Three of three, and three of a thousand: the guard alone would let them go.
    for count in [3, 20] {
        let (zone, objects) = zone_of(count, "policy: Sync");
        let mut next = rebuilt(&zone);
        assert_eq!(
            (next.state.deletes.parked.len(), next.state.awaited()),
            (count, i64::try_from(count).unwrap())
        );
        for facts in objects.iter().rev() {
            next.put(facts);
            assert_eq!(next.settle(), 0, "nothing is written when they come");
        }
        assert_eq!(
            (next.records(), next.state.deletes.parked.len(), next.state.awaited()),
            (zone.records(), 0, 0)
        );
        // From then on they are like any other.
        next.drop(&objects[0]);
        next.settle();
        assert_eq!(next.records().len(), count - 1);
    }
}

#[test]
fn an_object_that_has_claimed_its_record_counts_as_seen() {
    let (zone, objects) = zone_of(20, "policy: Sync");
    let mut next = rebuilt(&zone);
    next.put(&objects[0]);
    next.drop(&objects[0]);
    // This one has never wanted the name that the owner record says: another cluster may have one of its name.
    next.put(&record("r1", "{name: other, type: A, targets: [192.0.2.7]}"));
    next.settle();
    assert_eq!((next.records().len(), next.state.deletes.parked.len()), (20, 19));
    assert!(!next.records().iter().any(|line| line.starts_with("r0 ")));
    assert!(next.records().iter().any(|line| line.starts_with("r1 ")));
}

#[test]
fn another_object_does_not_take_the_name_before_its_holder_can_come() {
    let (zone, objects) = zone_of(3, "policy: Sync");
    let mut next = rebuilt(&zone);
    let rival = record("rival", "{name: r0, type: A, targets: [192.0.2.9]}");
    next.put(&rival);
    assert_eq!(next.settle(), 0);
    let (verdicts, ..) = next.state.results_of(&rival.object.key);
    assert!(
        matches!(verdicts, [(_, RecordVerdict::Conflict(holder))] if *holder == objects[0].object.key),
        "{verdicts:?}"
    );
    next.put(&objects[0]);
    assert_eq!(next.settle(), 0);
    assert_eq!(next.records(), zone.records());
}

#[test]
fn a_confirmation_deletes_records_of_objects_that_were_never_seen() {
    let (zone, objects) = zone_of(20, "policy: Sync");
    let mut next = rebuilt(&zone);
    objects[..18].iter().for_each(|facts| next.put(facts));
    let rival = record("rival", "{name: r19, type: A, targets: [192.0.2.9]}");
    next.put(&rival);
    next.settle();
    assert_eq!(next.state.deletes.parked.len(), 2);
    let here: Vec<Facts> = objects[..18].iter().cloned().chain([rival]).collect();
    next.confirm(&here);
    next.settle();
    assert_eq!((next.records().len(), next.state.deletes.parked.len()), (19, 0));
    assert!(
        next.lines().contains(&"r19 A 192.0.2.9".to_owned()),
        "{:?}",
        next.lines()
    );
}

#[test]
fn what_cannot_be_listed_yet_is_awaited_as_soon_as_it_can() {
    let (zone, objects) = zone_of(5, "policy: Sync");
    let state = ZoneState::new(zone.state.config.clone(), Guard::default());
    let mut next = TestZone::with(state, zone.provider.clone());
    next.complete.set(SourceKind::Record, false);
    next.settle();
    assert_eq!((next.state.deletes.parked.len(), next.state.totals().unlisted), (0, 5));
    // Listed, and still empty.
    next.complete = ALL;
    next.state.reconsider_deletes();
    assert_eq!(next.settle(), 0);
    assert_eq!((next.state.deletes.parked.len(), next.state.awaited()), (5, 5));
    for facts in &objects {
        next.put(facts);
    }
    assert_eq!((next.settle(), next.state.deletes.parked.len()), (0, 0));
}

#[test]
fn records_of_another_cluster_with_our_owner_are_left_to_it() {
    let (mut zone, _) = zone_of(20, "policy: Sync");
    let theirs = [
        "theirs A 192.0.2.66",
        "_owner.a.theirs TXT \"heritage=external-dns,external-dns/owner=home,external-dns/resource=dnsrecord/n/theirs\"",
    ];
    for text in theirs {
        let (key, set) = set(text);
        zone.provider.insert(key, set);
    }
    assert_eq!(zone.relist(), 0);
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (21, 1));
    zone.put(&address("theirs", "192.0.2.66"));
    assert_eq!((zone.settle(), zone.state.deletes.parked.len()), (0, 0));
}

#[test]
fn what_we_may_have_written_ourselves_is_ours_to_delete() {
    let (mut zone, _) = zone_of(20, "policy: Sync");
    let late = address("late", "192.0.2.7");
    zone.put(&late);
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    for group in &work.groups {
        fake_zone::change(&mut zone.provider, &group.changes).unwrap();
    }
    zone.state.outcome_unknown(&work.groups);
    zone.drop(&late);
    zone.relist();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (20, 0));
}

#[test]
fn a_restart_alone_is_no_reason_to_keep_records_of_removed_objects() {
    let (zone, objects) = zone_of(20, "policy: Sync");
    let next = restarted(&zone, &objects[2..], ALL);
    assert_eq!((next.records().len(), next.state.deletes.parked.len()), (18, 0));
}

#[test]
fn another_object_does_not_take_the_name_where_nothing_may_be_deleted_either() {
    let (zone, objects) = zone_of(3, "policy: UpsertOnly");
    let mut next = rebuilt(&zone);
    next.put(&record("rival", "{name: r0, type: A, targets: [192.0.2.9]}"));
    assert_eq!(next.settle(), 0);
    assert_eq!(next.records(), zone.records());
    assert_eq!((next.state.deletes.parked.len(), next.state.awaited()), (0, 3));
    next.put(&objects[0]);
    assert_eq!(next.settle(), 0);
    assert_eq!((next.records(), next.state.awaited()), (zone.records(), 2));
}

#[test]
fn what_becomes_ours_by_another_owner_or_prefix_may_be_for_objects_that_were_never_seen() {
    for yaml in [
        "policy: Sync, ownerID: old",
        "policy: Sync, registry: {prefix: 'x.%{record_type}.'}",
    ] {
        let theirs = |object: &str| {
            let record = set(&format!("{object} A 192.0.2.1"));
            let resource = format!("dnsrecord/n/{object}");
            let marks = [("_owner.a.", "old"), ("x.a.", "home")];
            let marks =
                marks.map(|(at, owner)| fake_zone::mark_at(&format!("{at}{object}"), owner, &resource, &record));
            marks.into_iter().chain([record])
        };
        let provider = records(["r0", "r1"].into_iter().flat_map(theirs));
        let mut zone = TestZone::with(ZoneState::new(config("policy: Sync"), Guard::default()), provider);
        let here = address("r0", "192.0.2.1");
        zone.put(&here);
        zone.settle();
        zone.configure(config(yaml), std::slice::from_ref(&here));
        assert_eq!(zone.settle(), 0, "{yaml}");
        assert_eq!(
            (zone.records().len(), zone.state.deletes.parked.len()),
            (2, 1),
            "{yaml}"
        );
        assert_eq!(zone.state.awaited(), 1);
    }
}
