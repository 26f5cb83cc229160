//! Ten thousand names must not be a matter of seconds. The limit is generous, since tests run on
//! busy machines; without optimisation a thousand have to do.
use std::time::{Duration, Instant};

use super::*;

const NAMES: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

fn timed<T>(what: &str, limit: Duration, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    let took = begun.elapsed();
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
    let mut bench = Bench::new("policy: Sync, emptyTarget: {policy: Delete, after: 1h}");
    timed("objects", limit, || objects.iter().for_each(|facts| bench.put(facts)));
    let mut sent = 0;
    timed("planned and accepted", limit, || {
        while bench.state.has_work(bench.now) {
            let work = bench.state.prepare(bench.now, EPOCH, &ALL);
            for group in &work.groups {
                strict::change_quickly(&mut bench.provider, &group.changes);
            }
            sent += work.groups.len();
            bench.state.accepted(&work.groups, EPOCH);
        }
    });
    assert_eq!(sent, NAMES);
    timed("all move", limit, || {
        let moved = (0..NAMES).map(|n| service(&format!("s{n}"), &format!("s{n}.example.org"), Some("192.0.2.2")));
        moved.for_each(|facts| bench.put(&facts));
        while bench.state.has_work(bench.now) {
            let work = bench.state.prepare(bench.now, EPOCH, &ALL);
            for group in &work.groups {
                strict::change_quickly(&mut bench.provider, &group.changes);
            }
            bench.state.accepted(&work.groups, EPOCH);
        }
    });
    timed("look", limit, || bench.look());
    timed("ten thousand wake-ups", limit, || {
        for _ in 0..NAMES {
            assert!(!bench.state.has_work(bench.now) && bench.state.next_due().is_none());
        }
    });
    let empty: Vec<Facts> = (0..NAMES)
        .map(|n| service(&format!("s{n}"), &format!("s{n}.example.org"), None))
        .collect();
    timed("all lose their address", limit, || {
        for facts in &empty {
            bench.put(facts);
        }
        bench.settle()
    });
    bench.now += Duration::from_hours(1);
    timed("all park", limit, || bench.look());
    assert_eq!(bench.state.parked.len(), NAMES);
    timed("a look while all are parked", limit, || bench.look());
    timed("all are confirmed", limit, || bench.confirm(&[]));
    let work = timed("release", limit, || {
        bench.state.prepare(bench.now, EPOCH, &ALL);
        bench.state.prepare(bench.now, EPOCH, &ALL)
    });
    assert_eq!(work.groups.len(), NAMES);
    timed("all are refused", limit, || {
        for group in &work.groups {
            bench.state.refused(group, "no", bench.now, 0.5);
        }
    });
    timed("a hundred wake-ups with all in trouble", limit, || {
        for _ in 0..100 {
            assert!(!bench.state.has_work(bench.now) && bench.state.next_due().is_some());
        }
    });
}

#[test]
fn fifty_thousand_records_of_others_are_looked_at_and_left_alone() {
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });
    let mut provider = Image::default();
    for n in 0..50_000 {
        let (key, value) = set(&format!("f{n} A 192.0.2.1"));
        provider.insert(key, value);
    }
    let mut bench = Bench::with(State::new(config("policy: Sync"), Guard::default()), provider);
    bench.put(&address("f7", "192.0.2.7"));
    bench.put(&address("mine", "192.0.2.7"));
    assert_eq!(timed("first look", limit, || bench.settle()), 1);
    assert_eq!(bench.state.totals().foreign, 50_000);
    assert_eq!(bench.records().len(), 50_001);
    assert!(bench.lines().contains(&"f7 A 192.0.2.1".to_owned()));
    assert_eq!(timed("another look", limit, || bench.look()), 0);
}
