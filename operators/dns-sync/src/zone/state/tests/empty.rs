//! Objects that cannot say what they want: without an address, suspended, faulty.
use super::*;

const AFTER: &str = "policy: Sync, emptyTarget: {policy: Delete, after: 1h}";

fn published(yaml: &str) -> TestZone {
    let mut zone = TestZone::new(yaml);
    zone.put(&service("front", "front.example.org", Some("192.0.2.1")));
    zone.settle();
    assert_eq!(zone.records(), ["front A 192.0.2.1"]);
    zone
}

#[test]
fn a_record_without_address_is_kept() {
    let mut zone = published("policy: Sync");
    zone.put(&service("front", "front.example.org", None));
    zone.settle();
    zone.now += Mono::from_secs(1_000_000);
    zone.relist();
    assert_eq!(zone.records(), ["front A 192.0.2.1"]);
    zone.drop(&service("front", "front.example.org", None));
    zone.settle();
    assert_eq!(zone.records(), [""; 0]);
}

#[test]
fn a_record_without_address_is_deleted_after_the_configured_time() {
    let mut zone = published(AFTER);
    let empty = service("front", "front.example.org", None);
    zone.put(&empty);
    zone.settle();
    assert_eq!(zone.state.next_due(), Some(zone.now + Mono::from_hours(1)));
    zone.now += Mono::from_mins(50);
    zone.put(&empty); // another event does not restart the hour
    zone.settle();
    assert_eq!(zone.records().len(), 1);
    zone.now += Mono::from_mins(10);
    zone.state.prepare(zone.now, zone.at(), &ALL);
    zone.relist();
    assert_eq!((zone.records().len(), zone.state.next_due()), (0, None));
}

#[test]
fn an_address_that_returns_in_time_keeps_the_record() {
    let mut zone = published(AFTER);
    zone.put(&service("front", "front.example.org", None));
    zone.settle();
    zone.now += Mono::from_mins(50);
    zone.put(&service("front", "front.example.org", Some("192.0.2.2")));
    zone.settle();
    zone.now += Mono::from_mins(50);
    zone.relist();
    assert_eq!(
        (zone.records(), zone.state.next_due()),
        (vec!["front A 192.0.2.2".to_owned()], None)
    );
}

#[test]
fn a_parked_delete_of_an_empty_name_can_be_confirmed() {
    let mut zone = TestZone::new(AFTER);
    let all = |address| (0..9).map(move |n| service(&format!("s{n}"), &format!("s{n}.example.org"), address));
    all(Some("192.0.2.1")).for_each(|facts| zone.put(&facts));
    zone.settle();
    let empty: Vec<Facts> = all(None).collect();
    for facts in &empty {
        zone.put(facts);
    }
    zone.settle();
    zone.now += Mono::from_hours(1);
    zone.relist();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (9, 9));
    zone.confirm(&empty);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (0, 0));
}

#[test]
fn a_suspended_record_stays_as_it_is_however_long() {
    let spec = |address: &str, suspend| format!("{{name: r, type: A, targets: ['{address}'], suspend: {suspend}}}");
    let mut zone = TestZone::new(AFTER);
    zone.put(&record("r", &spec("192.0.2.1", false)));
    zone.settle();
    zone.put(&record("r", &spec("192.0.2.2", true)));
    zone.settle();
    zone.now += Mono::from_secs(1_000_000);
    zone.relist();
    assert_eq!(
        (zone.records(), zone.state.next_due()),
        (vec!["r A 192.0.2.1".to_owned()], None)
    );
    zone.put(&record("r", &spec("192.0.2.2", false)));
    zone.settle();
    assert_eq!(zone.records(), ["r A 192.0.2.2"]);
}

#[test]
fn a_fault_after_a_good_state_holds_the_record() {
    for fault in [
        "{name: r, type: A, targets: [nonsense]}",
        "{name: r, type: AAAA, targets: ['192.0.2.1']}",
    ] {
        let mut zone = TestZone::new(AFTER);
        zone.put(&address("r", "192.0.2.1"));
        zone.settle();
        zone.put(&record("r", fault));
        zone.settle();
        zone.now += Mono::from_secs(1_000_000);
        zone.relist();
        assert_eq!(zone.records(), ["r A 192.0.2.1"], "{fault}");
        assert_eq!(zone.state.defective(), 1);
    }
}

#[test]
fn a_name_that_cannot_be_read_holds_all_that_was_published_for_the_object() {
    let mut zone = published("policy: Sync");
    zone.put(&service("front", "fro nt!.example.org", Some("192.0.2.1")));
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.totals().unlisted), (1, 1));
    // After a restart too, when its former address is not known.
    let mut again = restarted(
        &zone,
        &[service("front", "fro nt!.example.org", Some("192.0.2.1"))],
        ALL,
    );
    assert_eq!(again.records().len(), 1);
    again.put(&service("front", "new.example.org", Some("192.0.2.1")));
    again.settle();
    assert_eq!(again.records(), ["new A 192.0.2.1"]);
}
