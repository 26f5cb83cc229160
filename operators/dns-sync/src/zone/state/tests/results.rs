//! What is reported of names and objects: refusals, waiting, changes.
use super::*;
use crate::dialect::TARGET_NOT_FOUND;

fn refuse(zone: &mut TestZone) -> Vec<Group> {
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    for group in &work.groups {
        zone.state.refused(group, "no", zone.now, 0.5);
    }
    work.groups
}

#[test]
fn a_refused_name_is_retried_with_growing_delays() {
    let mut zone = TestZone::new("policy: Sync");
    zone.put(&address("bad", "192.0.2.1"));
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(refuse(&mut zone).len(), 1);
        assert!(!zone.state.has_work(zone.now));
        let next = zone.state.next_due().unwrap();
        waits.push(next.saturating_sub(zone.now).as_secs());
        zone.now = next;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert_eq!(zone.state.failures(&name("bad")), 10);
    zone.settle();
    assert_eq!(
        (zone.records().len(), zone.state.totals().failed, zone.state.next_due()),
        (1, 0, None)
    );
}

#[test]
fn a_zone_is_filled_a_thousand_names_at_a_time_and_deletes_are_judged_together() {
    let (mut zone, objects) = zone_of(1200, "policy: Sync");
    for n in 0..1500 {
        zone.put(&address(&format!("a{n}"), "192.0.2.1"));
    }
    for facts in &objects {
        zone.drop(facts);
    }
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert_eq!((work.groups.len(), work.more, zone.state.backlog), (1000, true, true));
    assert_eq!(
        zone.state.deletes.parked.len(),
        1200,
        "those of names that come later too"
    );
    for group in &work.groups {
        fake_zone::change(&mut zone.provider, &group.changes).unwrap();
    }
    zone.state.accepted(&work.groups, EPOCH);
    let rest = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert_eq!((rest.groups.len(), rest.more, zone.state.backlog), (500, false, false));
    for group in &rest.groups {
        fake_zone::change(&mut zone.provider, &group.changes).unwrap();
    }
    zone.state.accepted(&rest.groups, EPOCH);
    // Changes of what is there come in the same portions.
    for n in 0..1500 {
        zone.put(&address(&format!("a{n}"), "192.0.2.2"));
    }
    assert_eq!(zone.state.prepare(zone.now, zone.at(), &ALL).groups.len(), 1000);
}

#[test]
fn an_event_or_a_changed_zone_causes_a_retry_at_once() {
    let mut zone = TestZone::new("policy: Sync");
    zone.put(&address("bad", "192.0.2.1"));
    refuse(&mut zone);
    zone.put(&address("bad", "192.0.2.2"));
    assert!(zone.state.has_work(zone.now));
    refuse(&mut zone);
    zone.list();
    assert!(
        !zone.state.names.is_due(&name("bad"), zone.now),
        "the zone is as it was"
    );
    let mut changed = zone.provider.clone();
    let (key, text) = set("_owner.a.bad TXT \"x\"");
    changed.insert(key, text);
    zone.state.set_records(changed, zone.now);
    assert!(zone.state.names.is_due(&name("bad"), zone.now));
}

#[test]
fn a_refusal_ends_when_nothing_is_left_to_do() {
    let mut zone = TestZone::new("policy: Sync");
    let bad = address("bad", "192.0.2.1");
    zone.put(&bad);
    refuse(&mut zone);
    assert_eq!(zone.state.totals().failed, 1);
    // Another replica, or a person, has done it.
    zone.provider = records(marked("bad A 192.0.2.1", "home", "dnsrecord/n/bad"));
    zone.relist();
    assert_eq!((zone.state.totals().failed, zone.state.totals().pending), (0, 0));
    assert!(matches!(
        zone.state.results_of(&bad.object.key).0,
        [(_, RecordVerdict::Published)]
    ));
}

#[test]
fn only_what_was_refused_is_reported_as_refused() {
    let mut zone = TestZone::new("policy: Sync");
    let good = address("r", "192.0.2.1");
    let text = |value: &str| record("t", &format!("{{name: r, type: TXT, targets: ['{value}']}}"));
    zone.put(&good);
    zone.settle();
    zone.put(&text("one"));
    refuse(&mut zone);
    assert!(matches!(
        zone.state.results_of(&good.object.key).0,
        [(_, RecordVerdict::Published)]
    ));
    assert!(matches!(
        zone.state.results_of(&text("one").object.key).0,
        [(_, RecordVerdict::Failed("Refused", _))]
    ));
    zone.recount();
}

#[test]
fn an_alias_is_written_as_soon_as_its_target_exists() {
    let mut zone = TestZone::new("policy: Sync");
    let alias = record(
        "a",
        "{name: a, type: A, targets: [target.example.org], route53: {alias: true}}",
    );
    zone.put(&alias);
    zone.settle();
    assert!(matches!(
        zone.state.results_of(&alias.object.key).0,
        [(_, RecordVerdict::Failed(TARGET_NOT_FOUND, _))]
    ));
    zone.put(&address("target", "192.0.2.1"));
    zone.settle();
    assert_eq!(zone.records(), ["a A alias target.example.org", "target A 192.0.2.1"]);
}

#[test]
fn two_names_with_one_owner_record_never_share_a_batch() {
    let mut zone = TestZone::new("policy: Sync, registry: {prefix: '', wildcardReplacement: any}");
    let star = record("s", "{name: '*', type: A, targets: ['192.0.2.1']}");
    let any = record("a", "{name: any, type: A, targets: ['192.0.2.2']}");
    zone.put(&star);
    zone.put(&any);
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert_eq!(work.groups.len(), 1);
    zone.state.postponed(&work.groups);
    zone.settle();
    assert_eq!(zone.records(), ["* A 192.0.2.1"]);
    assert!(matches!(
        zone.state.results_of(&any.object.key).0,
        [(_, RecordVerdict::Failed("OwnershipNameTaken", _))]
    ));
    zone.drop(&star);
    zone.settle();
    assert_eq!(
        zone.records(),
        ["any A 192.0.2.2"],
        "it follows when the owner record is free"
    );
}

#[test]
fn objects_are_reported_once_and_only_after_a_change() {
    let mut zone = TestZone::new("policy: Sync");
    let one = address("one", "192.0.2.1");
    zone.put(&one);
    zone.settle();
    assert_eq!(zone.state.take_changed(), std::slice::from_ref(&one.object.key));
    zone.relist();
    assert!(zone.state.take_changed().is_empty());
    let rival = record("rival", "{name: one, type: A, targets: ['192.0.2.9']}");
    zone.put(&rival);
    zone.settle();
    assert_eq!(zone.state.take_changed(), std::slice::from_ref(&rival.object.key));
    assert!(
        matches!(zone.state.results_of(&rival.object.key).0, [(_, RecordVerdict::Conflict(winner))] if *winner == one.object.key)
    );
    zone.drop(&one);
    zone.settle();
    assert_eq!(zone.state.take_changed(), [one.object.key, rival.object.key.clone()]);
    assert!(matches!(
        zone.state.results_of(&rival.object.key).0,
        [(_, RecordVerdict::Published)]
    ));
    zone.put(&record(
        "rival",
        "{name: elsewhere.example.net., type: A, targets: ['192.0.2.9']}",
    ));
    zone.settle();
    assert_eq!(zone.state.take_changed(), std::slice::from_ref(&rival.object.key));
    assert_eq!(zone.state.results_of(&rival.object.key).2, [] as [Name; 0]);
}

#[test]
fn nothing_is_reported_of_a_changed_object_before_the_change_is_planned() {
    let mut zone = TestZone::new("policy: Sync");
    let at = |generation, value: &str| {
        let mut facts = address("r", value);
        facts.object.generation = Some(generation);
        facts
    };
    let first = at(1, "192.0.2.1");
    zone.put(&first);
    zone.settle();
    assert!(
        zone.state.is_behind(&first.object.key, Some(2)),
        "the event is still on its way"
    );
    zone.put(&at(2, "192.0.2.2"));
    assert!(!zone.state.is_behind(&first.object.key, Some(2)) && zone.state.is_undecided(&first.object.key));
    assert!(zone.state.results_of(&first.object.key).0.is_empty());
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert!(matches!(
        zone.state.results_of(&first.object.key).0,
        [(_, RecordVerdict::Pending)]
    ));
    zone.state.postponed(&work.groups);
    zone.settle();
    assert!(matches!(
        zone.state.results_of(&first.object.key).0,
        [(_, RecordVerdict::Published)]
    ));
    zone.drop(&first);
    assert!(!zone.state.is_behind(&first.object.key, Some(9)));
}

#[test]
fn the_latency_of_an_event_counts_from_the_first_that_was_not_answered() {
    let mut zone = TestZone::new("policy: Sync");
    let first = zone.now;
    zone.put(&address("r", "192.0.2.1"));
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    zone.now += Mono::from_secs(5);
    zone.state.postponed(&work.groups);
    zone.put(&address("r", "192.0.2.2"));
    let work = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert_eq!(zone.state.accepted(&work.groups, zone.at()), [first]);
    let again = zone.state.prepare(zone.now, zone.at(), &ALL);
    assert!(again.groups.is_empty());
}

#[test]
fn another_policy_takes_effect_at_once() {
    let mut zone = TestZone::new("policy: Observe");
    let objects: Vec<Facts> = (0..3).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        zone.put(facts);
    }
    assert_eq!(zone.settle(), 0);
    assert_eq!(zone.state.plan_lines(2).0.len(), 2);
    assert_eq!(zone.state.plan_lines(2).1, 1);
    zone.configure(config("policy: Sync"), &objects);
    zone.settle();
    assert_eq!(zone.records().len(), 3);
    assert_eq!(zone.state.plan_lines(20), (Vec::new(), 0));
}

#[test]
fn a_defect_belongs_to_the_generation_that_had_it() {
    let mut zone = TestZone::new("policy: Sync");
    let mut bad = record("bad", "{name: 'b ad', type: A, targets: [192.0.2.1]}");
    bad.object.generation = Some(1);
    zone.put(&bad);
    zone.settle();
    let (_, defects, names) = zone.state.results_of(&bad.object.key);
    assert_eq!((defects.len(), names.len()), (1, 0));
    assert!(!zone.state.is_behind(&bad.object.key, Some(1)));
    assert!(zone.state.is_behind(&bad.object.key, Some(2)));
    zone.drop(&bad);
    assert!(!zone.state.is_behind(&bad.object.key, Some(2)));
}
