//! Two clusters with one owner, and a cluster that is not the one that wrote the records.
use super::*;

fn theirs(text: &str, resource: &str) -> [(SetKey, crate::records::RecordSet); 2] {
    marked(text, "home", resource)
}

fn weighted(object: &str, identifier: &str) -> Facts {
    record(
        object,
        &format!("{{name: app, type: A, targets: ['192.0.2.1'], route53: {{setIdentifier: {identifier}, weight: 1}}}}"),
    )
}

/// D3: what appeared while the operator was down was not seen in this process's life, but it is not ours either.
#[test]
fn a_restart_deletes_no_record_that_another_cluster_made_meanwhile() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    for (key, set) in theirs("late A 192.0.2.66", "dnsrecord/n/late") {
        zone.provider.insert(key, set);
    }
    let mut again = restarted(&zone, &objects, ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (21, 1));
    assert_eq!(again.state.awaited(), 1);
    // It waits after each restart, and holds up no delete of our own.
    again.drop(&objects[0]);
    again.settle();
    let left = &objects[2..];
    let again = restarted(&again, left, ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (19, 1));
}

/// dns-09: another cluster's owner is taken over by mistake.
#[test]
fn nothing_of_another_cluster_with_our_owner_is_deleted() {
    let provider = || {
        let all = (0..8).flat_map(|n| theirs(&format!("t{n} A 192.0.2.1"), &format!("service/x/t{n}")));
        records(all)
    };
    for policy in ["Sync", "Observe", "CreateOnly"] {
        let mut zone = TestZone::with(
            ZoneState::new(config(&format!("policy: {policy}")), Guard::default()),
            provider(),
        );
        let ours = service("web", "web.example.org", Some("192.0.2.9"));
        zone.put(&ours);
        zone.settle();
        // To let the operator write is no consent to delete these.
        zone.configure(config("policy: Sync"), std::slice::from_ref(&ours));
        zone.settle();
        assert_eq!(
            (zone.records().len(), zone.state.deletes.parked.len()),
            (9, 8),
            "{policy}"
        );
    }
}

/// dns-08: the same manifests in two clusters, told apart by set identifiers.
#[test]
fn a_set_of_another_cluster_stays_though_an_object_of_its_name_is_here() {
    let mut zone = TestZone::with(
        ZoneState::new(config("policy: Sync"), Guard::default()),
        records(theirs("app A 192.0.2.2 set=cluster2 weight=1", "dnsrecord/n/app")),
    );
    zone.put(&weighted("app", "cluster1"));
    zone.settle();
    assert_eq!(
        zone.records(),
        ["app A [cluster1] 192.0.2.1", "app A [cluster2] 192.0.2.2"]
    );
    assert_eq!(zone.state.deletes.parked.len(), 1);
    // The other cluster changes its set.
    for (key, set) in theirs("app A 192.0.2.3 set=cluster2 weight=1", "dnsrecord/n/app") {
        zone.provider.insert(key, set);
    }
    zone.relist();
    assert!(zone.records().contains(&"app A [cluster2] 192.0.2.3".to_owned()));
    // Ours goes, theirs stays.
    zone.drop(&weighted("app", "cluster1"));
    zone.settle();
    assert_eq!(zone.records(), ["app A [cluster2] 192.0.2.3"]);
    // A set without an identifier does not take its place, and says why.
    let plain = address("app", "192.0.2.1");
    zone.put(&plain);
    zone.settle();
    assert_eq!(zone.records(), ["app A [cluster2] 192.0.2.3"]);
    let (verdicts, ..) = zone.state.results_of(&plain.object.key);
    assert!(
        matches!(verdicts, [(_, RecordVerdict::Failed("AnotherWriter", why))] if why.contains("clusterName")),
        "{verdicts:?}"
    );
}

/// dns-08: the same manifests in two clusters without set identifiers. Each corrects the other's address once, then stops.
#[test]
fn two_clusters_do_not_overwrite_each_other_for_ever() {
    let begin = |value: &str, provider: RecordSets| {
        let mut zone = TestZone::with(ZoneState::new(config("policy: Sync"), Guard::default()), provider);
        zone.put(&address("app", value));
        zone.settle();
        zone
    };
    let mut one = begin("192.0.2.1", RecordSets::default());
    let mut other = begin("192.0.2.2", one.provider.clone());
    let mut written = 0;
    for _ in 0..4 {
        one.provider = other.provider.clone();
        one.now += Mono::from_mins(15);
        written += one.relist();
        other.provider = one.provider.clone();
        other.now += Mono::from_mins(15);
        written += other.relist();
    }
    one.provider = other.provider.clone();
    assert_eq!(written, 2, "each corrects the other once");
    assert_eq!(one.state.contested() + other.state.contested(), 1);
    let (told, quiet) = if one.state.contested() > 0 {
        (&mut one, &mut other)
    } else {
        (&mut other, &mut one)
    };
    let (verdicts, ..) = told.state.results_of(&address("app", "").object.key);
    assert!(
        matches!(verdicts, [(_, RecordVerdict::Failed("AnotherWriter", why))] if why.contains("spec.ownerID")),
        "{verdicts:?}"
    );
    // Its own object goes: the record is the other's.
    let before = told.provider.clone();
    told.drop(&address("app", ""));
    told.settle();
    assert_eq!(told.lines(), fake_zone::lines(&before));
    assert_eq!(told.state.deletes.parked.len(), 1);
    // Nor does a restart make it ours.
    let mut again = restarted(told, &[], ALL);
    assert_eq!(
        (again.lines(), again.state.deletes.parked.len()),
        (fake_zone::lines(&before), 1)
    );
    // The other one takes its object away, and the name is free.
    quiet.provider = before;
    quiet.drop(&address("app", ""));
    quiet.settle();
    again.provider = quiet.provider.clone();
    again.put(&address("app", "192.0.2.7"));
    again.relist();
    assert_eq!(again.records(), ["app A 192.0.2.7"]);
}

#[test]
fn a_contested_record_is_tried_again_on_request_and_after_an_hour() {
    let (mut zone, _) = zone_of(1, "policy: Sync");
    let vandalise = |zone: &mut TestZone, value: &str| {
        let (key, set) = set(&format!("r0 A {value}"));
        zone.provider.insert(key, set);
        zone.now += Mono::from_mins(1);
        zone.relist()
    };
    // A person who changes a record to several values is corrected each time.
    for n in 1..5 {
        assert_eq!(vandalise(&mut zone, &format!("198.51.100.{n}")), 1);
    }
    assert_eq!(vandalise(&mut zone, "198.51.100.9"), 1);
    assert_eq!(vandalise(&mut zone, "198.51.100.9"), 0);
    assert_eq!(
        (zone.records(), zone.state.contested()),
        (vec!["r0 A 198.51.100.9".to_owned()], 1)
    );
    zone.state.forget_contested();
    assert_eq!((zone.settle(), zone.records()), (1, vec!["r0 A 192.0.2.1".to_owned()]));
    assert_eq!(
        (
            vandalise(&mut zone, "198.51.100.9"),
            vandalise(&mut zone, "198.51.100.9")
        ),
        (1, 0)
    );
    zone.now += Mono::from_hours(2);
    zone.relist();
    assert_eq!(
        (zone.state.contested(), zone.records()),
        (0, vec!["r0 A 192.0.2.1".to_owned()])
    );
}

/// What an earlier process of this cluster has published, it may delete without asking.
#[test]
fn a_record_whose_object_went_while_the_operator_was_down_is_deleted() {
    let (zone, objects) = zone_of(20, "policy: Sync");
    let again = restarted(&zone, &objects[2..], ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (18, 0));
    // But not one that somebody has changed meanwhile.
    let mut changed = zone;
    let (key, set) = set("r0 A 192.0.2.77");
    changed.provider.insert(key, set);
    let again = restarted(&changed, &objects[2..], ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (19, 1));
}
