//! Deletes: the guard, parking, confirmation, and proof that nobody wants the record.
use super::*;

#[test]
fn sixty_percent_one_by_one_park_from_the_thirty_first_on() {
    let (mut bench, objects) = zone_of(100, "policy: Sync");
    for facts in &objects[..60] {
        bench.now += Mono::from_secs(20);
        bench.drop(facts);
        bench.settle();
    }
    assert_eq!((bench.records().len(), bench.state.parked.len()), (70, 30));
    bench.now += Mono::from_hours(2);
    bench.look();
    assert_eq!(
        (bench.records().len(), bench.state.parked.len()),
        (70, 30),
        "parked stays parked"
    );
    // Other deletes go on when the window has passed.
    bench.drop(&objects[99]);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (69, 30));
}

#[test]
fn nine_records_lose_three() {
    let (mut bench, objects) = zone_of(9, "policy: Sync");
    for facts in &objects {
        bench.drop(facts);
        bench.settle();
    }
    assert_eq!((bench.records().len(), bench.state.parked.len()), (6, 6));
}

#[test]
fn a_mass_delete_parks_as_a_whole_and_the_hash_releases_exactly_it() {
    let (mut bench, objects) = zone_of(100, "policy: Sync");
    objects[..60].iter().for_each(|facts| bench.drop(facts));
    assert_eq!(bench.settle(), 0);
    assert_eq!(bench.state.parked.len(), 60);
    let hash = bench.state.parked_hash();
    // More follow before the confirmation arrives: it was for another set.
    objects[60..95].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    let config = Config {
        confirmed: Some(hash),
        ..bench.state.config.clone()
    };
    bench.configure(config, &objects[95..]);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (100, 95));
    objects[60..95].iter().for_each(|facts| bench.put(facts));
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (40, 0));
    // What a person has looked at does not use up the window.
    bench.drop(&objects[60]);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (39, 0));
}

#[test]
fn a_confirmation_is_good_for_once() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    bench.confirm(&objects[15..]);
    bench.settle();
    assert_eq!(bench.records().len(), 5);
    // Everything comes back; weeks later the same accident happens, and the annotation is still there.
    objects[..15].iter().for_each(|facts| bench.put(facts));
    bench.settle();
    bench.now += Mono::from_secs(1_000_000);
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (20, 15));
    let again = restarted(&bench, &objects, ALL);
    assert_eq!((again.records().len(), again.state.parked.len()), (20, 0));
}

#[test]
fn an_old_annotation_confirms_nothing_after_a_restart() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    let hash = bench.state.parked_hash();
    objects[..15].iter().for_each(|facts| bench.put(facts));
    bench.settle();
    bench.state.config.confirmed = Some(hash);
    let mut again = restarted(&bench, &objects, ALL);
    objects[..15].iter().for_each(|facts| again.drop(facts));
    again.settle();
    assert_eq!((again.records().len(), again.state.parked.len()), (20, 15));
}

#[test]
fn a_confirmed_delete_that_is_wanted_again_is_not_confirmed_for_later() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    bench.confirm(&objects[15..]);
    // Released, but before it is sent the objects come back.
    bench.state.prepare(bench.now, bench.at(), &ALL);
    objects[..15].iter().for_each(|facts| bench.put(facts));
    bench.settle();
    assert_eq!(bench.records().len(), 20);
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (20, 15));
}

#[test]
fn what_was_parked_stays_parked_after_a_restart() {
    let (mut bench, objects) = zone_of(30, "policy: Sync");
    objects[..25].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    assert_eq!(bench.state.parked.len(), 25);
    // Most come back, so that the guard alone would let the others go.
    objects[..20].iter().for_each(|facts| bench.put(facts));
    bench.settle();
    assert_eq!(bench.state.parked.len(), 5);
    bench.now += Mono::from_hours(25);
    let left: Vec<Facts> = objects[..20].iter().chain(&objects[25..]).cloned().collect();
    let again = restarted(&bench, &left, ALL);
    assert_eq!((again.records().len(), again.state.parked.len()), (30, 5));
    // Also where the source is listed only after the first plan, and the confirmation came meanwhile.
    let mut late = restarted(&bench, &left, Complete { records: false, ..ALL });
    assert_eq!((late.records().len(), late.state.parked.len()), (30, 0));
    late.complete = ALL;
    late.state.reconsider_deletes();
    late.settle();
    assert_eq!((late.records().len(), late.state.parked.len()), (30, 5));
    late.confirm(&left);
    late.settle();
    assert_eq!(late.records().len(), 25);
}

#[test]
fn a_confirmation_that_came_while_the_operator_was_down_counts() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    bench.state.config.confirmed = Some(bench.state.parked_hash());
    let again = restarted(&bench, &objects[15..], ALL);
    assert_eq!((again.records().len(), again.state.parked.len()), (5, 0));
}

#[test]
fn parked_deletes_stay_parked_while_a_source_is_away() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..15].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    bench.complete = Complete { records: false, ..ALL };
    bench.state.reconsider_deletes();
    bench.settle();
    bench.now += Mono::from_hours(25);
    bench.complete = ALL;
    bench.state.reconsider_deletes();
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (20, 15));
}

#[test]
fn other_limits_are_another_decision() {
    let (mut bench, objects) = zone_of(20, "policy: Sync");
    objects[..10].iter().for_each(|facts| bench.drop(facts));
    bench.settle();
    assert_eq!(bench.state.parked.len(), 10);
    bench.configure(config("policy: Sync, deleteGuard: {maxPercent: 60}"), &objects[10..]);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (10, 0));
}

#[test]
fn families_and_sets_of_one_name_count_one_by_one() {
    let mut bench = Bench::new("policy: Sync");
    let weighted = |n: usize, address: &str| {
        let spec = format!("{{name: w, type: A, targets: ['{address}'], route53: {{setIdentifier: s{n}, weight: 1}}}}");
        record(&format!("w{n}"), &spec)
    };
    let sets: Vec<Facts> = (0..10).map(|n| weighted(n, "192.0.2.1")).collect();
    for facts in &sets {
        bench.put(facts);
    }
    bench.settle();
    // Each delete comes with a change of another set of the name.
    for (n, gone) in sets[..9].iter().enumerate() {
        bench.drop(gone);
        bench.put(&weighted(9, &format!("192.0.2.{n}")));
        bench.settle();
    }
    assert_eq!(bench.records().len(), 7, "{:?}", bench.records());
}

#[test]
fn a_type_change_is_no_delete() {
    let (mut bench, _) = zone_of(9, "policy: Sync");
    for n in 0..9 {
        bench.put(&record(
            &format!("r{n}"),
            &format!("{{name: r{n}, type: CNAME, targets: [x.example.net]}}"),
        ));
        bench.settle();
    }
    assert!(bench.records().iter().all(|line| line.contains("CNAME")) && bench.state.parked.is_empty());
    assert!(bench.state.guard.buckets().is_empty());
}

#[test]
fn a_source_that_is_not_listed_withholds_only_its_own() {
    let (mut bench, objects) = zone_of(4, "policy: Sync");
    let front = service("front", "front.example.org", Some("192.0.2.9"));
    bench.put(&front);
    bench.settle();
    bench.complete = Complete { records: false, ..ALL };
    bench.drop(&objects[0]);
    bench.drop(&front);
    bench.settle();
    assert_eq!(bench.records().len(), 4);
    assert_eq!(bench.state.totals().unlisted, 1);
    bench.complete = ALL;
    bench.state.reconsider_deletes();
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.totals().unlisted), (3, 0));
}

#[test]
fn a_source_switched_off_or_a_namespace_left_out_parks() {
    for yaml in [
        "{domain: example.org, route53: {}, policy: Sync, sources: {services: {}}}",
        "{domain: example.org, route53: {}, policy: Sync, sources: {records: {namespaces: [other]}}}",
        "{domain: example.org, route53: {}, policy: Sync}",
    ] {
        let (mut bench, objects) = zone_of(2, "policy: Sync");
        bench.configure(config_of(&serde_saphyr::from_str(yaml).unwrap()), &objects);
        bench.settle();
        assert_eq!((bench.records().len(), bench.state.parked.len()), (2, 2), "{yaml}");
        assert!(bench.state.parked.values().all(|why| *why == Park::Unwatched));
        bench.configure(config("policy: Sync"), &objects);
        bench.settle();
        assert_eq!((bench.records().len(), bench.state.parked.len()), (2, 0), "{yaml}");
    }
}

#[test]
fn a_mark_without_an_object_is_only_deleted_on_a_persons_word() {
    let record = set("old A 192.0.2.1");
    let mark = set("_owner.a.old TXT \"heritage=external-dns,external-dns/owner=home\"");
    let mut bench = Bench::with(
        State::new(config("policy: Sync"), Guard::default()),
        image([record, mark]),
    );
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (1, 1));
    let unknown = marked("crd A 192.0.2.1", "home", "crd/n/x");
    let mut bench = Bench::with(State::new(config("policy: Sync"), Guard::default()), image(unknown));
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (1, 1));
}

#[test]
fn excluding_a_name_leaves_its_record_alone() {
    let (mut bench, objects) = zone_of(3, "policy: Sync");
    bench.configure(config("policy: Sync, exclude: ['r*']"), &objects);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (3, 0));
}

#[test]
fn deletes_whose_answer_was_lost_count_when_they_turn_out_to_be_done() {
    let (mut bench, objects) = zone_of(9, "policy: Sync");
    objects[..3].iter().for_each(|facts| bench.drop(facts));
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert_eq!(work.groups.len(), 3);
    for group in &work.groups[..2] {
        strict::change(&mut bench.provider, &group.changes).unwrap();
    }
    bench.state.lost(&work.groups);
    bench.look();
    let counted: i64 = bench.state.guard.buckets().iter().map(|bucket| bucket.count).sum();
    assert_eq!((counted, bench.records().len()), (3, 6));
}

#[test]
fn a_restart_remembers_parked_deletes_of_names_that_are_planned_later() {
    let (mut bench, mut objects) = zone_of(9, "policy: Sync, deleteGuard: {minRecords: 0, maxPercent: 0}");
    // One name that is to be changed and has a record that nobody wants any more.
    let late = record("z", "{name: z, type: AAAA, targets: ['2001:db8::1']}");
    let other = service("z", "z.example.org", Some("192.0.2.1"));
    bench.put(&late);
    bench.put(&other);
    bench.settle();
    bench.drop(&late);
    bench.settle();
    assert_eq!(bench.state.parked.len(), 1);
    // The operator begins again, a thousand names are new, and DNSRecords cannot be listed yet.
    objects.push(service("z", "z.example.org", Some("192.0.2.2")));
    objects.extend((0..1000).map(|n| service(&format!("a{n}"), &format!("a{n}.example.org"), Some("192.0.2.1"))));
    bench
        .state
        .set_config(config("policy: Sync, deleteGuard: {maxPercent: 100}"));
    let mut state = State::new(bench.state.config.clone(), Guard::default());
    state.park_all = true;
    for facts in &objects {
        state.set_object(&facts.key, Some(facts), bench.now, None);
    }
    let mut next = Bench::with(state, bench.provider.clone());
    next.complete = Complete { records: false, ..ALL };
    next.settle();
    next.complete = ALL;
    next.state.reconsider_deletes();
    next.settle();
    assert!(next.records().contains(&"z AAAA 2001:db8::1".to_owned()));
    assert_eq!(next.state.parked.len(), 1);
}

#[test]
fn a_confirmation_that_was_used_means_nothing_after_a_restart() {
    let (mut bench, objects) = zone_of(9, "policy: Sync");
    for _ in 0..2 {
        for facts in &objects {
            bench.put(facts);
        }
        bench.settle();
        for facts in &objects {
            bench.drop(facts);
        }
        bench.settle();
        assert_eq!((bench.records().len(), bench.state.parked.len()), (9, 9));
        if bench.state.config.confirmed.is_none() {
            bench.confirm(&[]);
            bench.settle();
            assert_eq!((bench.records().len(), bench.state.parked.len()), (0, 0));
        }
    }
    let begin = |used: Option<String>| {
        let mut state = State::new(bench.state.config.clone(), Guard::default());
        (state.park_all, state.used) = (true, used);
        let mut next = Bench::with(state, bench.provider.clone());
        next.settle();
        (next.records().len(), next.state.parked.len())
    };
    let used = bench.state.used_confirmation().cloned();
    assert_eq!(used, bench.state.config.confirmed);
    assert_eq!(begin(used), (9, 9));
    assert_eq!(begin(None), (0, 0), "one that came while nobody was there counts");
}

/// What is at the provider when `r0`, `r1` … of these numbers are ours.
fn ours(numbers: std::ops::Range<usize>) -> Image {
    let sets = numbers.map(|n| marked(&format!("r{n} A 192.0.2.1"), "home", &format!("dnsrecord/n/r{n}")));
    image(sets.flatten())
}

#[test]
fn the_guard_counts_all_that_is_ours_though_a_thousand_names_are_planned_at_once() {
    let mut bench = Bench::with(State::new(config("policy: Sync"), Guard::default()), ours(0..2_400));
    // All names move but for every fifth, which is not wanted any more.
    for n in (0..2_400).filter(|n| n % 5 != 0) {
        bench.put(&address(&format!("r{n}"), "192.0.2.2"));
    }
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert!(work.more);
    assert_eq!((work.groups.len(), bench.state.parked.len()), (1_480, 0));
}

#[test]
fn the_guard_does_not_count_what_has_vanished_though_its_name_is_planned_later() {
    let mut bench = Bench::with(State::new(config("policy: Sync"), Guard::default()), ours(0..1_600));
    let objects: Vec<Facts> = (0..1_600).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        bench.put(facts);
    }
    assert_eq!(bench.settle(), 0);
    // Somebody empties most of the zone, and of what is left little is wanted any more.
    bench.provider = ours(1_500..1_600);
    bench.list();
    objects[1_500..1_590].iter().for_each(|facts| bench.drop(facts));
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert!(work.more);
    assert_eq!((work.groups.len(), bench.state.parked.len()), (1_000, 90));
}
