//! Deletes: the guard, parking, confirmation, and proof that no object wants the record.
use super::*;

#[test]
fn sixty_percent_one_by_one_park_from_the_thirty_first_on() {
    let (mut zone, objects) = zone_of(100, "policy: Sync");
    for facts in &objects[..60] {
        zone.now += Mono::from_secs(20);
        zone.drop(facts);
        zone.settle();
    }
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (70, 30));
    zone.now += Mono::from_hours(2);
    zone.relist();
    assert_eq!(
        (zone.records().len(), zone.state.deletes.parked.len()),
        (70, 30),
        "parked stays parked"
    );
    // Other deletes go on when the window has passed.
    zone.drop(&objects[99]);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (69, 30));
}

#[test]
fn nine_records_lose_three() {
    let (mut zone, objects) = zone_of(9, "policy: Sync");
    for facts in &objects {
        zone.drop(facts);
        zone.settle();
    }
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (6, 6));
}

#[test]
fn a_mass_delete_parks_as_a_whole_and_the_hash_releases_exactly_it() {
    let (mut zone, objects) = zone_of(100, "policy: Sync");
    objects[..60].iter().for_each(|facts| zone.drop(facts));
    assert_eq!(zone.settle(), 0);
    assert_eq!(zone.state.deletes.parked.len(), 60);
    let hash = zone.state.deletes.hash();
    // More follow before the confirmation arrives: it was for another set.
    objects[60..95].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    let config = Config {
        confirmed: Some(hash),
        ..zone.state.config.clone()
    };
    zone.configure(config, &objects[95..]);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (100, 95));
    objects[60..95].iter().for_each(|facts| zone.put(facts));
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (40, 0));
    // What a person has confirmed does not use up the window.
    zone.drop(&objects[60]);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (39, 0));
}

#[test]
fn a_confirmation_is_valid_once() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    zone.confirm(&objects[15..]);
    zone.settle();
    assert_eq!(zone.records().len(), 5);
    // Everything comes back; weeks later the same accident happens, and the annotation is still there.
    objects[..15].iter().for_each(|facts| zone.put(facts));
    zone.settle();
    zone.now += Mono::from_secs(1_000_000);
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (20, 15));
    let again = restarted(&zone, &objects, ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (20, 0));
}

#[test]
fn an_old_annotation_confirms_nothing_after_a_restart() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    let hash = zone.state.deletes.hash();
    objects[..15].iter().for_each(|facts| zone.put(facts));
    zone.settle();
    zone.state.config.confirmed = Some(hash);
    let mut again = restarted(&zone, &objects, ALL);
    objects[..15].iter().for_each(|facts| again.drop(facts));
    again.settle();
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (20, 15));
}

#[test]
fn a_confirmed_delete_that_is_wanted_again_is_not_confirmed_for_later() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    zone.confirm(&objects[15..]);
    // Released, but before it is sent the objects come back.
    zone.state.prepare(zone.now, zone.at(), &ALL);
    objects[..15].iter().for_each(|facts| zone.put(facts));
    zone.settle();
    assert_eq!(zone.records().len(), 20);
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (20, 15));
}

#[test]
fn what_was_parked_stays_parked_after_a_restart() {
    let (mut zone, objects) = zone_of(30, "policy: Sync");
    objects[..25].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    assert_eq!(zone.state.deletes.parked.len(), 25);
    // Most come back, so that the guard alone would let the others go.
    objects[..20].iter().for_each(|facts| zone.put(facts));
    zone.settle();
    assert_eq!(zone.state.deletes.parked.len(), 5);
    zone.now += Mono::from_hours(25);
    let left: Vec<Facts> = objects[..20].iter().chain(&objects[25..]).cloned().collect();
    let again = restarted(&zone, &left, ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (30, 5));
    // Also where the source is listed only after the first plan, and the confirmation came meanwhile.
    let mut late = restarted(&zone, &left, ALL.without(SourceKind::Record));
    assert_eq!((late.records().len(), late.state.deletes.parked.len()), (30, 0));
    late.complete = ALL;
    late.state.reconsider_deletes();
    late.settle();
    assert_eq!((late.records().len(), late.state.deletes.parked.len()), (30, 5));
    late.confirm(&left);
    late.settle();
    assert_eq!(late.records().len(), 25);
}

#[test]
fn a_confirmation_that_came_while_the_operator_was_down_counts() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    zone.state.config.confirmed = Some(zone.state.deletes.hash());
    let again = restarted(&zone, &objects[15..], ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (5, 0));
}

#[test]
fn parked_deletes_stay_parked_while_a_source_is_away() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    zone.complete = ALL.without(SourceKind::Record);
    zone.state.reconsider_deletes();
    zone.settle();
    zone.now += Mono::from_hours(25);
    zone.complete = ALL;
    zone.state.reconsider_deletes();
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (20, 15));
}

#[test]
fn other_limits_are_another_decision() {
    let (mut zone, objects) = zone_of(20, "policy: Sync");
    objects[..10].iter().for_each(|facts| zone.drop(facts));
    zone.settle();
    assert_eq!(zone.state.deletes.parked.len(), 10);
    zone.configure(config("policy: Sync, deleteGuard: {maxPercent: 60}"), &objects[10..]);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (10, 0));
}

#[test]
fn families_and_sets_of_one_name_count_one_by_one() {
    let mut zone = TestZone::new("policy: Sync");
    let weighted = |n: usize, address: &str| {
        let spec = format!("{{name: w, type: A, targets: ['{address}'], route53: {{setIdentifier: s{n}, weight: 1}}}}");
        record(&format!("w{n}"), &spec)
    };
    let sets: Vec<Facts> = (0..10).map(|n| weighted(n, "192.0.2.1")).collect();
    for facts in &sets {
        zone.put(facts);
    }
    zone.settle();
    // Each delete comes with a change of another set of the name.
    for (n, gone) in sets[..9].iter().enumerate() {
        zone.drop(gone);
        zone.put(&weighted(9, &format!("192.0.2.{n}")));
        zone.settle();
    }
    assert_eq!(zone.records().len(), 7, "{:?}", zone.records());
}

#[test]
fn a_type_change_is_no_delete() {
    let (mut zone, _) = zone_of(9, "policy: Sync");
    for n in 0..9 {
        zone.put(&record(
            &format!("r{n}"),
            &format!("{{name: r{n}, type: CNAME, targets: [x.example.net]}}"),
        ));
        zone.settle();
    }
    assert!(zone.records().iter().all(|line| line.contains("CNAME")) && zone.state.deletes.parked.is_empty());
    assert!(zone.state.deletes.guard.buckets().is_empty());
}

#[test]
fn a_source_that_is_not_listed_withholds_only_its_own() {
    let (mut zone, objects) = zone_of(4, "policy: Sync");
    let front = service("front", "front.example.org", Some("192.0.2.9"));
    zone.put(&front);
    zone.settle();
    zone.complete = ALL.without(SourceKind::Record);
    zone.drop(&objects[0]);
    zone.drop(&front);
    zone.settle();
    assert_eq!(zone.records().len(), 4);
    assert_eq!(zone.state.totals().unlisted, 1);
    zone.complete = ALL;
    zone.state.reconsider_deletes();
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.totals().unlisted), (3, 0));
}

#[test]
fn a_source_switched_off_or_a_namespace_left_out_parks() {
    for yaml in [
        "{domain: example.org, route53: {}, policy: Sync, sources: {services: {}}}",
        "{domain: example.org, route53: {}, policy: Sync, sources: {records: {namespaces: [other]}}}",
        "{domain: example.org, route53: {}, policy: Sync}",
    ] {
        let (mut zone, objects) = zone_of(2, "policy: Sync");
        zone.configure(config_of(&serde_saphyr::from_str(yaml).unwrap()), &objects);
        zone.settle();
        assert_eq!(
            (zone.records().len(), zone.state.deletes.parked.len()),
            (2, 2),
            "{yaml}"
        );
        assert!(
            zone.state
                .deletes
                .parked
                .values()
                .all(|why| *why == HoldReason::Unwatched)
        );
        zone.configure(config("policy: Sync"), &objects);
        zone.settle();
        assert_eq!(
            (zone.records().len(), zone.state.deletes.parked.len()),
            (2, 0),
            "{yaml}"
        );
    }
}

#[test]
fn an_owner_record_without_an_object_is_only_deleted_after_a_confirmation() {
    let record = set("old A 192.0.2.1");
    let mark = set("_owner.a.old TXT \"heritage=external-dns,external-dns/owner=home\"");
    let mut zone = TestZone::with(
        ZoneState::new(config("policy: Sync"), Guard::default()),
        records([record, mark]),
    );
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (1, 1));
    let unknown = marked("crd A 192.0.2.1", "home", "crd/n/x");
    let mut zone = TestZone::with(
        ZoneState::new(config("policy: Sync"), Guard::default()),
        records(unknown),
    );
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (1, 1));
}

#[test]
fn excluding_a_name_leaves_its_record_alone() {
    let (mut zone, objects) = zone_of(3, "policy: Sync");
    zone.configure(config("policy: Sync, exclude: ['r*']"), &objects);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (3, 0));
}

#[test]
fn deletes_whose_answer_was_lost_count_when_they_turn_out_to_be_done() {
    let (mut zone, objects) = zone_of(9, "policy: Sync");
    objects[..3].iter().for_each(|facts| zone.drop(facts));
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert_eq!(work.groups.len(), 3);
    for group in &work.groups[..2] {
        fake_zone::change(&mut zone.provider, &group.changes).unwrap();
    }
    zone.state.outcome_unknown(&work.groups);
    zone.relist();
    let counted: i64 = zone
        .state
        .deletes
        .guard
        .buckets()
        .iter()
        .map(|bucket| bucket.count)
        .sum();
    assert_eq!((counted, zone.records().len()), (3, 6));
}

#[test]
fn a_restart_remembers_parked_deletes_of_names_that_are_planned_later() {
    let (mut zone, mut objects) = zone_of(9, "policy: Sync, deleteGuard: {minRecords: 0, maxPercent: 0}");
    // One name that is to be changed and has a record that no object wants any more.
    let late = record("z", "{name: z, type: AAAA, targets: ['2001:db8::1']}");
    let other = service("z", "z.example.org", Some("192.0.2.1"));
    zone.put(&late);
    zone.put(&other);
    zone.settle();
    zone.drop(&late);
    zone.settle();
    assert_eq!(zone.state.deletes.parked.len(), 1);
    // The operator restarts, a thousand names are new, and DNSRecords cannot be listed yet.
    objects.push(service("z", "z.example.org", Some("192.0.2.2")));
    objects.extend((0..1000).map(|n| service(&format!("a{n}"), &format!("a{n}.example.org"), Some("192.0.2.1"))));
    zone.state
        .set_config(config("policy: Sync, deleteGuard: {maxPercent: 100}"));
    let mut state = ZoneState::new(zone.state.config.clone(), Guard::default());
    state.deletes.park_all = true;
    for facts in &objects {
        state.set_object(&facts.object.key, Some(facts), zone.now, None);
    }
    let mut next = TestZone::with(state, zone.provider.clone());
    next.complete = ALL.without(SourceKind::Record);
    next.settle();
    next.complete = ALL;
    next.state.reconsider_deletes();
    next.settle();
    assert!(next.records().contains(&"z AAAA 2001:db8::1".to_owned()));
    assert_eq!(next.state.deletes.parked.len(), 1);
}

#[test]
fn a_confirmation_that_was_used_means_nothing_after_a_restart() {
    let (mut zone, objects) = zone_of(9, "policy: Sync");
    for _ in 0..2 {
        for facts in &objects {
            zone.put(facts);
        }
        zone.settle();
        for facts in &objects {
            zone.drop(facts);
        }
        zone.settle();
        assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (9, 9));
        if zone.state.config.confirmed.is_none() {
            zone.confirm(&[]);
            zone.settle();
            assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (0, 0));
        }
    }
    let begin = |used: Option<String>| {
        let mut state = ZoneState::new(zone.state.config.clone(), Guard::default());
        (state.deletes.park_all, state.deletes.used_confirmation) = (true, used);
        let mut next = TestZone::with(state, zone.provider.clone());
        next.settle();
        (next.records().len(), next.state.deletes.parked.len())
    };
    let used = zone.state.deletes.handled_confirmation(&zone.state.config).cloned();
    assert_eq!(used, zone.state.config.confirmed);
    assert_eq!(begin(used), (9, 9));
    assert_eq!(begin(None), (0, 0), "one that came while nobody was there counts");
}

/// A state that knows that an earlier process has published all of this.
fn knowing(records: &RecordSets) -> ZoneState {
    let mut state = ZoneState::new(config("policy: Sync"), Guard::default());
    let mut past = crate::zone::fingerprints::Fingerprints::default();
    for (name, at) in records.iter() {
        for (record_type, _, set) in &at.sets {
            let object = name.first_label();
            past.insert(
                &SetKey::simple(name, *record_type),
                Some(&format!("dnsrecord/n/{object}")),
                set,
            );
        }
    }
    state.recall(past);
    state
}

/// What is at the provider when `r0`, `r1` … of these numbers are ours.
fn ours(numbers: std::ops::Range<usize>) -> RecordSets {
    let sets = numbers.map(|n| marked(&format!("r{n} A 192.0.2.1"), "home", &format!("dnsrecord/n/r{n}")));
    records(sets.flatten())
}

#[test]
fn the_guard_counts_all_that_is_ours_though_a_thousand_names_are_planned_at_once() {
    let mut zone = TestZone::with(knowing(&ours(0..2_400)), ours(0..2_400));
    // All names move but for every fifth, which is not wanted any more.
    for n in (0..2_400).filter(|n| n % 5 != 0) {
        zone.put(&address(&format!("r{n}"), "192.0.2.2"));
    }
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert!(work.more);
    assert_eq!((work.groups.len(), zone.state.deletes.parked.len()), (1_480, 0));
}

#[test]
fn the_guard_does_not_count_what_has_vanished_though_its_name_is_planned_later() {
    let mut zone = TestZone::with(ZoneState::new(config("policy: Sync"), Guard::default()), ours(0..1_600));
    let objects: Vec<Facts> = (0..1_600).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        zone.put(facts);
    }
    assert_eq!(zone.settle(), 0);
    // Somebody empties most of the zone, and of what is left little is wanted any more.
    zone.provider = ours(1_500..1_600);
    zone.list();
    objects[1_500..1_590].iter().for_each(|facts| zone.drop(facts));
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert!(work.more);
    assert_eq!((work.groups.len(), zone.state.deletes.parked.len()), (1_000, 90));
}
