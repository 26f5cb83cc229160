//! Ten thousand names must not be a matter of seconds. The limit is generous, since tests run on
//! busy machines; without optimisation a thousand have to do.
use std::time::Duration;

use hearth_reconciler::testing::thread_cpu_time;

use super::*;

const NAMES: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

fn timed<T>(what: &str, limit: Duration, work: impl FnOnce() -> T) -> T {
    let begun = thread_cpu_time();
    let done = work();
    let took = thread_cpu_time().saturating_sub(begun);
    println!("{what}: {took:?}");
    assert!(took < limit, "{what} took {took:?}");
    done
}

#[test]
fn ten_thousand_names_are_planned_quickly() {
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });
    let objects: Vec<Facts> = (0..NAMES)
        .map(|n| service(&format!("s{n}"), &format!("s{n}.example.org"), Some("192.0.2.1")))
        .collect();
    let mut zone = TestZone::new("policy: Sync, emptyTarget: {policy: Delete, after: 1h}");
    timed("objects", limit, || objects.iter().for_each(|facts| zone.put(facts)));
    let mut sent = 0;
    timed("planned and accepted", limit, || {
        while zone.state.has_work(zone.now) {
            let work = zone.state.prepare(zone.now, EPOCH, &ALL);
            for group in &work.groups {
                fake_zone::change_quickly(&mut zone.provider, &group.changes);
            }
            sent += work.groups.len();
            zone.state.accepted(&work.groups, EPOCH);
        }
    });
    assert_eq!(sent, NAMES);
    timed("all move", limit, || {
        let moved = (0..NAMES).map(|n| service(&format!("s{n}"), &format!("s{n}.example.org"), Some("192.0.2.2")));
        moved.for_each(|facts| zone.put(&facts));
        while zone.state.has_work(zone.now) {
            let work = zone.state.prepare(zone.now, EPOCH, &ALL);
            for group in &work.groups {
                fake_zone::change_quickly(&mut zone.provider, &group.changes);
            }
            zone.state.accepted(&work.groups, EPOCH);
        }
    });
    timed("look", limit, || zone.relist());
    timed("ten thousand wake-ups", limit, || {
        for _ in 0..NAMES {
            assert!(!zone.state.has_work(zone.now) && zone.state.next_due().is_none());
        }
    });
    let empty: Vec<Facts> = (0..NAMES)
        .map(|n| service(&format!("s{n}"), &format!("s{n}.example.org"), None))
        .collect();
    timed("all lose their address", limit, || {
        for facts in &empty {
            zone.put(facts);
        }
        zone.settle()
    });
    zone.now += Duration::from_hours(1);
    timed("all park", limit, || zone.relist());
    assert_eq!(zone.state.deletes.parked.len(), NAMES);
    timed("a look while all are parked", limit, || zone.relist());
    timed("all are confirmed", limit, || zone.confirm(&[]));
    let work = timed("release", limit, || {
        zone.state.prepare(zone.now, EPOCH, &ALL);
        zone.state.prepare(zone.now, EPOCH, &ALL)
    });
    assert_eq!(work.groups.len(), NAMES);
    timed("all are refused", limit, || {
        for group in &work.groups {
            zone.state.refused(group, "no", zone.now, 0.5);
        }
    });
    timed("a hundred wake-ups with all in trouble", limit, || {
        for _ in 0..100 {
            assert!(!zone.state.has_work(zone.now) && zone.state.next_due().is_some());
        }
    });
}

#[test]
fn fifty_thousand_foreign_records_are_listed_and_left_alone() {
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });
    let mut provider = RecordSets::default();
    for n in 0..50_000 {
        let (key, value) = set(&format!("f{n} A 192.0.2.1"));
        provider.insert(key, value);
    }
    let mut zone = TestZone::with(ZoneState::new(config("policy: Sync"), Guard::default()), provider);
    zone.put(&address("f7", "192.0.2.7"));
    zone.put(&address("mine", "192.0.2.7"));
    assert_eq!(timed("first look", limit, || zone.settle()), 1);
    assert_eq!(zone.state.totals().foreign, 50_000);
    assert_eq!(zone.records().len(), 50_001);
    assert!(zone.lines().contains(&"f7 A 192.0.2.1".to_owned()));
    assert_eq!(timed("another look", limit, || zone.relist()), 0);
}

/// Carries everything out without the provider's rules.
fn carry_out(zone: &mut TestZone) {
    while zone.state.has_work(zone.now) {
        let work = zone.state.prepare(zone.now, EPOCH, &ALL);
        for group in &work.groups {
            fake_zone::change_quickly(&mut zone.provider, &group.changes);
        }
        zone.state.accepted(&work.groups, EPOCH);
    }
}

/// D8: to share a name takes time in proportion to the number of objects, and not to its square.
#[test]
fn many_objects_of_one_name_are_planned_quickly() {
    let count = if cfg!(debug_assertions) { 2_000 } else { 4_000 };
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 16 } else { 2 });
    let address = |n: usize| format!("10.{}.{}.1", n / 250, n % 250);
    for kind in ["services", "records with one value", "records with values of their own"] {
        let object = |n: usize| match kind {
            "services" => service(&format!("s{n}"), "x.example.org", Some(&address(n))),
            "records with one value" => record(&format!("r{n}"), "{name: x, type: A, targets: ['10.0.0.1']}"),
            _ => record(
                &format!("r{n}"),
                &format!("{{name: x, type: A, targets: ['{}']}}", address(n)),
            ),
        };
        let objects: Vec<Facts> = (0..count).map(object).collect();
        let mut zone = TestZone::new("policy: Sync");
        timed(kind, limit, || {
            for facts in &objects {
                zone.put(facts);
            }
            carry_out(&mut zone);
        });
        assert_eq!(zone.lines().len(), 2, "{kind}");
        timed("one of them changes", limit / 4, || {
            zone.put(&object(count - 1));
            carry_out(&mut zone);
        });
        timed("one of them goes", limit / 4, || {
            zone.drop(&objects[0]);
            carry_out(&mut zone);
        });
    }
}

/// D8: the lock is held while one object with thousands of names is taken over and planned.
#[test]
fn one_object_with_eight_thousand_names_is_planned_quickly() {
    // With optimisation each step takes less than a tenth of a second; a busy machine gets three times that.
    let (count, limit) = if cfg!(debug_assertions) {
        (2_000, Duration::from_secs(10))
    } else {
        (8_000, Duration::from_millis(300))
    };
    let names = |suffix: &str| {
        let names: Vec<String> = (0..count).map(|n| format!("n{n}{suffix}.example.org")).collect();
        names.join(",")
    };
    let mut zone = TestZone::new("policy: Sync");
    for (suffix, address) in [("", "192.0.2.1"), ("", "192.0.2.2"), ("-b", "192.0.2.2")] {
        let object = service("s", &names(suffix), Some(address));
        timed("taken over", limit, || zone.put(&object));
        while zone.state.has_work(zone.now) {
            let work = timed("planned", limit, || zone.state.prepare(zone.now, EPOCH, &ALL));
            for group in &work.groups {
                fake_zone::change_quickly(&mut zone.provider, &group.changes);
            }
            timed("accepted", limit, || zone.state.accepted(&work.groups, EPOCH));
        }
    }
    timed("fingerprints", limit, || zone.state.fingerprints());
}
