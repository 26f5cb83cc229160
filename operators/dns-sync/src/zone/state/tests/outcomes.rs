//! What is told of names and objects: refusals, waiting, news.
use super::*;
use crate::zone::plan::ALIAS_TARGET_NOT_FOUND;

fn refuse(bench: &mut Bench) -> Vec<Group> {
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    for group in &work.groups {
        bench.state.refused(group, "no", bench.now, 0.5);
    }
    work.groups
}

#[test]
fn a_refused_name_is_tried_again_later_and_later() {
    let mut bench = Bench::new("policy: Sync");
    bench.put(&address("bad", "192.0.2.1"));
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(refuse(&mut bench).len(), 1);
        assert!(!bench.state.has_work(bench.now));
        let next = bench.state.next_due().unwrap();
        waits.push(next.saturating_sub(bench.now).as_secs());
        bench.now = next;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert_eq!(bench.state.failures(&name("bad")), 10);
    bench.settle();
    assert_eq!(
        (
            bench.records().len(),
            bench.state.totals().failed,
            bench.state.next_due()
        ),
        (1, 0, None)
    );
}

#[test]
fn a_zone_is_filled_a_thousand_names_at_a_time_and_deletes_are_judged_together() {
    let (mut bench, objects) = zone_of(1200, "policy: Sync");
    for n in 0..1500 {
        bench.put(&address(&format!("a{n}"), "192.0.2.1"));
    }
    for facts in &objects {
        bench.drop(facts);
    }
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert_eq!((work.groups.len(), work.more, bench.state.backlog), (1000, true, true));
    assert_eq!(bench.state.parked.len(), 1200, "those of names that come later too");
    for group in &work.groups {
        strict::change(&mut bench.provider, &group.changes).unwrap();
    }
    bench.state.accepted(&work.groups, EPOCH);
    let rest = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert_eq!((rest.groups.len(), rest.more, bench.state.backlog), (500, false, false));
    for group in &rest.groups {
        strict::change(&mut bench.provider, &group.changes).unwrap();
    }
    bench.state.accepted(&rest.groups, EPOCH);
    // Changes of what is there come in the same portions.
    for n in 0..1500 {
        bench.put(&address(&format!("a{n}"), "192.0.2.2"));
    }
    assert_eq!(bench.state.prepare(bench.now, bench.at(), &ALL).groups.len(), 1000);
}

#[test]
fn an_event_or_a_zone_that_changed_is_a_reason_to_try_at_once() {
    let mut bench = Bench::new("policy: Sync");
    bench.put(&address("bad", "192.0.2.1"));
    refuse(&mut bench);
    bench.put(&address("bad", "192.0.2.2"));
    assert!(bench.state.has_work(bench.now));
    refuse(&mut bench);
    bench.list();
    assert!(!bench.state.due(&name("bad"), bench.now), "the zone is as it was");
    let mut changed = bench.provider.clone();
    let (key, text) = set("_owner.a.bad TXT \"x\"");
    changed.insert(key, text);
    bench.state.looked(changed, |_| true);
    assert!(bench.state.due(&name("bad"), bench.now));
}

#[test]
fn trouble_ends_when_nothing_is_left_to_do() {
    let mut bench = Bench::new("policy: Sync");
    let bad = address("bad", "192.0.2.1");
    bench.put(&bad);
    refuse(&mut bench);
    assert_eq!(bench.state.totals().failed, 1);
    // Another replica, or a person, has done it.
    bench.provider = image(marked("bad A 192.0.2.1", "home", "dnsrecord/n/bad"));
    bench.look();
    assert_eq!((bench.state.totals().failed, bench.state.totals().pending), (0, 0));
    assert!(matches!(bench.state.outcome(&bad.key).0, [(_, Verdict::Published)]));
}

#[test]
fn only_what_was_refused_is_told_as_refused() {
    let mut bench = Bench::new("policy: Sync");
    let good = address("r", "192.0.2.1");
    let text = |value: &str| record("t", &format!("{{name: r, type: TXT, targets: ['{value}']}}"));
    bench.put(&good);
    bench.settle();
    bench.put(&text("one"));
    refuse(&mut bench);
    assert!(matches!(bench.state.outcome(&good.key).0, [(_, Verdict::Published)]));
    assert!(matches!(
        bench.state.outcome(&text("one").key).0,
        [(_, Verdict::Failed("Refused", _))]
    ));
    bench.recount();
}

#[test]
fn an_alias_follows_as_soon_as_its_target_is_there() {
    let mut bench = Bench::new("policy: Sync");
    let alias = record(
        "a",
        "{name: a, type: A, targets: [target.example.org], route53: {alias: true}}",
    );
    bench.put(&alias);
    bench.settle();
    assert!(matches!(
        bench.state.outcome(&alias.key).0,
        [(_, Verdict::Failed(ALIAS_TARGET_NOT_FOUND, _))]
    ));
    bench.put(&address("target", "192.0.2.1"));
    bench.settle();
    assert_eq!(bench.records(), ["a A alias target.example.org", "target A 192.0.2.1"]);
}

#[test]
fn two_names_with_one_owner_record_never_share_a_batch() {
    let mut bench = Bench::new("policy: Sync, registry: {prefix: '', wildcardReplacement: any}");
    let star = record("s", "{name: '*', type: A, targets: ['192.0.2.1']}");
    let any = record("a", "{name: any, type: A, targets: ['192.0.2.2']}");
    bench.put(&star);
    bench.put(&any);
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert_eq!(work.groups.len(), 1);
    bench.state.postponed(&work.groups);
    bench.settle();
    assert_eq!(bench.records(), ["* A 192.0.2.1"]);
    assert!(matches!(
        bench.state.outcome(&any.key).0,
        [(_, Verdict::Failed("OwnershipNameTaken", _))]
    ));
    bench.drop(&star);
    bench.settle();
    assert_eq!(
        bench.records(),
        ["any A 192.0.2.2"],
        "it follows when the owner record is free"
    );
}

#[test]
fn objects_are_told_of_once_and_only_what_is_new() {
    let mut bench = Bench::new("policy: Sync");
    let one = address("one", "192.0.2.1");
    bench.put(&one);
    bench.settle();
    assert_eq!(bench.state.take_changed(), std::slice::from_ref(&one.key));
    bench.look();
    assert!(bench.state.take_changed().is_empty());
    let rival = record("rival", "{name: one, type: A, targets: ['192.0.2.9']}");
    bench.put(&rival);
    bench.settle();
    assert_eq!(bench.state.take_changed(), std::slice::from_ref(&rival.key));
    assert!(matches!(bench.state.outcome(&rival.key).0, [(_, Verdict::Conflict(winner))] if *winner == one.key));
    bench.drop(&one);
    bench.settle();
    assert_eq!(bench.state.take_changed(), [one.key, rival.key.clone()]);
    assert!(matches!(bench.state.outcome(&rival.key).0, [(_, Verdict::Published)]));
    bench.put(&record(
        "rival",
        "{name: elsewhere.example.net., type: A, targets: ['192.0.2.9']}",
    ));
    bench.settle();
    assert_eq!(bench.state.take_changed(), std::slice::from_ref(&rival.key));
    assert_eq!(bench.state.outcome(&rival.key).2, [] as [Name; 0]);
}

#[test]
fn nothing_is_said_of_a_changed_object_before_the_change_is_planned() {
    let mut bench = Bench::new("policy: Sync");
    let at = |generation, value: &str| {
        let mut facts = address("r", value);
        facts.generation = Some(generation);
        facts
    };
    let first = at(1, "192.0.2.1");
    bench.put(&first);
    bench.settle();
    assert!(
        bench.state.is_behind(&first.key, Some(2)),
        "the event is still on its way"
    );
    bench.put(&at(2, "192.0.2.2"));
    assert!(!bench.state.is_behind(&first.key, Some(2)) && bench.state.is_undecided(&first.key));
    assert!(bench.state.outcome(&first.key).0.is_empty());
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert!(matches!(bench.state.outcome(&first.key).0, [(_, Verdict::Pending)]));
    bench.state.postponed(&work.groups);
    bench.settle();
    assert!(matches!(bench.state.outcome(&first.key).0, [(_, Verdict::Published)]));
    bench.drop(&first);
    assert!(!bench.state.is_behind(&first.key, Some(9)));
}

#[test]
fn the_latency_of_an_event_counts_from_the_first_that_was_not_answered() {
    let mut bench = Bench::new("policy: Sync");
    let first = bench.now;
    bench.put(&address("r", "192.0.2.1"));
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    bench.now += Mono::from_secs(5);
    bench.state.postponed(&work.groups);
    bench.put(&address("r", "192.0.2.2"));
    let work = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert_eq!(bench.state.accepted(&work.groups, bench.at()), [first]);
    let again = bench.state.prepare(bench.now, bench.at(), &ALL);
    assert!(again.groups.is_empty());
}

#[test]
fn another_policy_takes_effect_at_once() {
    let mut bench = Bench::new("policy: Observe");
    let objects: Vec<Facts> = (0..3).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        bench.put(facts);
    }
    assert_eq!(bench.settle(), 0);
    assert_eq!(bench.state.plan_lines(2).0.len(), 2);
    assert_eq!(bench.state.plan_lines(2).1, 1);
    bench.configure(config("policy: Sync"), &objects);
    bench.settle();
    assert_eq!(bench.records().len(), 3);
    assert_eq!(bench.state.plan_lines(20), (Vec::new(), 0));
}

#[test]
fn a_fault_speaks_of_the_spec_that_had_it() {
    let mut bench = Bench::new("policy: Sync");
    let mut bad = record("bad", "{name: 'b ad', type: A, targets: [192.0.2.1]}");
    bad.generation = Some(1);
    bench.put(&bad);
    bench.settle();
    let (_, defects, names) = bench.state.outcome(&bad.key);
    assert_eq!((defects.len(), names.len()), (1, 0));
    assert!(!bench.state.is_behind(&bad.key, Some(1)));
    assert!(bench.state.is_behind(&bad.key, Some(2)));
    bench.drop(&bad);
    assert!(!bench.state.is_behind(&bad.key, Some(2)));
}
