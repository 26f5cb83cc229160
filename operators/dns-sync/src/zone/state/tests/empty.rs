//! Objects that cannot say what they want: without an address, suspended, faulty.
use super::*;

const AFTER: &str = "policy: Sync, emptyTarget: {policy: Delete, after: 1h}";

fn published(yaml: &str) -> Bench {
    let mut bench = Bench::new(yaml);
    bench.put(&service("front", "front.example.org", Some("192.0.2.1")));
    bench.settle();
    assert_eq!(bench.records(), ["front A 192.0.2.1"]);
    bench
}

#[test]
fn a_record_without_address_is_kept() {
    let mut bench = published("policy: Sync");
    bench.put(&service("front", "front.example.org", None));
    bench.settle();
    bench.now += Mono::from_secs(1_000_000);
    bench.look();
    assert_eq!(bench.records(), ["front A 192.0.2.1"]);
    bench.drop(&service("front", "front.example.org", None));
    bench.settle();
    assert_eq!(bench.records(), [""; 0]);
}

#[test]
fn it_goes_after_the_time_that_the_zone_gives_it() {
    let mut bench = published(AFTER);
    let empty = service("front", "front.example.org", None);
    bench.put(&empty);
    bench.settle();
    assert_eq!(bench.state.next_due(), Some(bench.now + Mono::from_hours(1)));
    bench.now += Mono::from_mins(50);
    bench.put(&empty); // another event does not begin the hour anew
    bench.settle();
    assert_eq!(bench.records().len(), 1);
    bench.now += Mono::from_mins(10);
    bench.state.prepare(bench.now, bench.at(), &ALL);
    bench.look();
    assert_eq!((bench.records().len(), bench.state.next_due()), (0, None));
}

#[test]
fn an_address_that_returns_in_time_ends_it() {
    let mut bench = published(AFTER);
    bench.put(&service("front", "front.example.org", None));
    bench.settle();
    bench.now += Mono::from_mins(50);
    bench.put(&service("front", "front.example.org", Some("192.0.2.2")));
    bench.settle();
    bench.now += Mono::from_mins(50);
    bench.look();
    assert_eq!(
        (bench.records(), bench.state.next_due()),
        (vec!["front A 192.0.2.2".to_owned()], None)
    );
}

#[test]
fn a_parked_delete_of_an_empty_name_can_be_confirmed() {
    let mut bench = Bench::new(AFTER);
    let all = |address| (0..9).map(move |n| service(&format!("s{n}"), &format!("s{n}.example.org"), address));
    all(Some("192.0.2.1")).for_each(|facts| bench.put(&facts));
    bench.settle();
    let empty: Vec<Facts> = all(None).collect();
    for facts in &empty {
        bench.put(facts);
    }
    bench.settle();
    bench.now += Mono::from_hours(1);
    bench.look();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (9, 9));
    bench.confirm(&empty);
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.parked.len()), (0, 0));
}

#[test]
fn a_suspended_record_stays_as_it_is_however_long() {
    let spec = |address: &str, suspend| format!("{{name: r, type: A, targets: ['{address}'], suspend: {suspend}}}");
    let mut bench = Bench::new(AFTER);
    bench.put(&record("r", &spec("192.0.2.1", false)));
    bench.settle();
    bench.put(&record("r", &spec("192.0.2.2", true)));
    bench.settle();
    bench.now += Mono::from_secs(1_000_000);
    bench.look();
    assert_eq!(
        (bench.records(), bench.state.next_due()),
        (vec!["r A 192.0.2.1".to_owned()], None)
    );
    bench.put(&record("r", &spec("192.0.2.2", false)));
    bench.settle();
    assert_eq!(bench.records(), ["r A 192.0.2.2"]);
}

#[test]
fn a_fault_after_a_good_state_holds_the_record() {
    for fault in [
        "{name: r, type: A, targets: [nonsense]}",
        "{name: r, type: AAAA, targets: ['192.0.2.1']}",
    ] {
        let mut bench = Bench::new(AFTER);
        bench.put(&address("r", "192.0.2.1"));
        bench.settle();
        bench.put(&record("r", fault));
        bench.settle();
        bench.now += Mono::from_secs(1_000_000);
        bench.look();
        assert_eq!(bench.records(), ["r A 192.0.2.1"], "{fault}");
        assert_eq!(bench.state.defective(), 1);
    }
}

#[test]
fn a_name_that_cannot_be_read_holds_all_that_was_published_for_the_object() {
    let mut bench = published("policy: Sync");
    bench.put(&service("front", "fro nt!.example.org", Some("192.0.2.1")));
    bench.settle();
    assert_eq!((bench.records().len(), bench.state.totals().unlisted), (1, 1));
    // After a restart too, when nobody remembers what it was.
    let mut again = restarted(
        &bench,
        &[service("front", "fro nt!.example.org", Some("192.0.2.1"))],
        ALL,
    );
    assert_eq!(again.records().len(), 1);
    again.put(&service("front", "new.example.org", Some("192.0.2.1")));
    again.settle();
    assert_eq!(again.records(), ["new A 192.0.2.1"]);
}
