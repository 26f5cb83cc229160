//! What an owner record says against the history of objects: renames, shared names, holders that went, objects that come back.
use std::collections::BTreeMap;

use super::*;

fn suspended(object: &str, name: &str, value: &str) -> Facts {
    record(
        object,
        &format!("{{name: '{name}', type: A, targets: ['{value}'], suspend: true}}"),
    )
}

fn wants(object: &str, name: &str, value: &str) -> Facts {
    record(object, &format!("{{name: '{name}', type: A, targets: ['{value}']}}"))
}

/// dns-01: two Services, one name, one address. The one that the owner record names goes, then the other one has no address.
#[test]
fn a_shared_record_stays_while_the_service_that_is_left_has_no_address() {
    for gap in [true, false] {
        let mut zone = TestZone::new("policy: Sync");
        let (tcp, udp) = (
            service("dns-tcp", "blocky.example.org", Some("192.0.2.27")),
            service("dns-udp", "blocky.example.org", Some("192.0.2.27")),
        );
        zone.put(&tcp);
        zone.put(&udp);
        zone.settle();
        assert_eq!(zone.relist(), 0);
        zone.drop(&tcp);
        if gap {
            assert_eq!(zone.settle(), 1, "the owner record names the other one now");
            assert!(
                zone.lines()
                    .contains(&"_owner.a.blocky mark service/n/dns-udp".to_owned())
            );
            assert_eq!(zone.relist(), 0);
        }
        zone.put(&service("dns-udp", "blocky.example.org", None));
        zone.settle();
        assert_eq!(zone.records(), ["blocky A 192.0.2.27"], "gap: {gap}");
        let mut again = restarted(&zone, &[service("dns-udp", "blocky.example.org", None)], ALL);
        assert_eq!(again.records(), ["blocky A 192.0.2.27"], "gap: {gap}");
        again.drop(&udp);
        again.settle();
        assert_eq!(again.lines(), [""; 0], "gap: {gap}");
    }
}

/// dns-01: a DNSRecord that was renamed and is suspended afterwards says that its record stays as it is.
#[test]
fn a_renamed_record_that_is_suspended_keeps_its_record() {
    for gap in [true, false] {
        let mut zone = TestZone::new("policy: Sync");
        let old = wants("old", "vpn", "192.0.2.1");
        zone.put(&old);
        zone.settle();
        zone.drop(&old);
        zone.put(&wants("new", "vpn", "192.0.2.1"));
        if gap {
            zone.settle();
        }
        zone.put(&suspended("new", "vpn", "192.0.2.1"));
        zone.settle();
        assert_eq!(zone.records(), ["vpn A 192.0.2.1"], "gap: {gap}");
        // An invalid one keeps it, too.
        zone.put(&record("new", "{name: vpn, type: A, targets: [nonsense]}"));
        zone.settle();
        assert_eq!(zone.records(), ["vpn A 192.0.2.1"], "gap: {gap}");
        zone.drop(&wants("new", "vpn", "192.0.2.1"));
        zone.settle();
        assert_eq!(zone.lines(), [""; 0]);
    }
}

/// dns-01: an older object, which had lost the name, does not take it from the one that publishes it.
#[test]
fn an_older_object_does_not_take_the_name_of_a_publisher_whose_partner_went() {
    let aged = |object: &str, value: &str, created: &str| {
        let spec = format!("{{name: x, type: A, targets: ['{value}']}}");
        let mut one = DNSRecord::new(object, serde_saphyr::from_str(&spec).unwrap());
        one.metadata.namespace = Some("n".to_owned());
        one.metadata.creation_timestamp = Some(serde_json::from_value(created.into()).unwrap());
        Facts::of_record(&one)
    };
    let first = aged("first", "192.0.2.1", "2026-02-01T00:00:00Z");
    let partner = aged("partner", "192.0.2.1", "2026-03-01T00:00:00Z");
    let oldest = aged("oldest", "192.0.2.9", "2026-01-01T00:00:00Z");
    let mut zone = TestZone::new("policy: Sync");
    for facts in [&first, &partner] {
        zone.put(facts);
        zone.settle();
    }
    zone.put(&oldest);
    zone.settle();
    let (verdicts, ..) = zone.state.results_of(&partner.object.key);
    assert!(matches!(verdicts, [(_, RecordVerdict::Published)]), "{verdicts:?}");
    let (verdicts, ..) = zone.state.results_of(&oldest.object.key);
    assert!(matches!(verdicts, [(_, RecordVerdict::Conflict(_))]), "{verdicts:?}");
    // In one batch the holder goes and the partner is suspended.
    zone.drop(&first);
    zone.put(&suspended("partner", "x", "192.0.2.1"));
    zone.settle();
    assert_eq!(zone.records(), ["x A 192.0.2.1"]);
    zone.put(&partner);
    zone.settle();
    assert_eq!(zone.lines(), ["_owner.a.x mark dnsrecord/n/partner", "x A 192.0.2.1"]);
    zone.drop(&partner);
    zone.settle();
    assert_eq!(zone.records(), ["x A 192.0.2.9"]);
}

/// dns-01: external-dns never corrects an owner record. Taken over, such a record is published, whoever its owner record
/// names, and is protected.
#[test]
fn a_record_of_external_dns_that_names_another_object_is_protected() {
    for resource in ["service/n/ghost", "dnsrecord/n/ghost", "crd/n/ghost"] {
        let theirs = records(marked("web A 192.0.2.1", "home", resource));
        let mut zone = TestZone::with(ZoneState::new(config("policy: Observe"), Guard::default()), theirs);
        let web = wants("web", "web", "192.0.2.1");
        zone.put(&web);
        zone.settle();
        assert_eq!(
            zone.state.plan_lines(9),
            (Vec::new(), 0),
            "{resource}: nothing would change"
        );
        assert_eq!(zone.state.totals().conflicted, 0, "{resource}");
        zone.configure(config("policy: Sync"), std::slice::from_ref(&web));
        zone.settle();
        assert_eq!(zone.state.deletes.parked.len(), 0, "{resource}");
        zone.put(&suspended("web", "web", "192.0.2.1"));
        zone.settle();
        assert_eq!(
            (zone.records(), zone.state.deletes.parked.len()),
            (vec!["web A 192.0.2.1".to_owned()], 0),
            "{resource}"
        );
    }
}

/// dns-11 with equal addresses: there is nothing to decide between them.
#[test]
fn objects_that_want_the_same_value_share_the_record() {
    let mut zone = TestZone::new("policy: Sync");
    let (one, other) = (wants("a", "x", "192.0.2.1"), wants("b", "x", "192.0.2.1"));
    zone.put(&one);
    zone.put(&other);
    zone.settle();
    for facts in [&one, &other] {
        let (verdicts, ..) = zone.state.results_of(&facts.object.key);
        assert!(matches!(verdicts, [(_, RecordVerdict::Published)]), "{verdicts:?}");
    }
    assert_eq!((zone.state.totals().conflicted, zone.state.totals().desired), (0, 1));
    // The one that is left has it alone, without a moment without the record.
    zone.drop(&one);
    assert_eq!(zone.settle(), 1);
    assert_eq!(zone.lines(), ["_owner.a.x mark dnsrecord/n/b", "x A 192.0.2.1"]);
    // A suspended holder and one that wants the same: nobody loses.
    zone.put(&suspended("b", "x", "192.0.2.1"));
    zone.put(&one);
    assert_eq!(zone.settle(), 0);
    let (verdicts, ..) = zone.state.results_of(&one.object.key);
    assert!(matches!(verdicts, [(_, RecordVerdict::Published)]), "{verdicts:?}");
}

#[test]
fn an_object_keeps_no_record_of_another_type_that_a_removed_object_had() {
    let mut zone = TestZone::new("policy: Sync");
    let text = record("t", "{name: x, type: TXT, targets: [hello]}");
    zone.put(&text);
    zone.put(&service("s", "x.example.org", None));
    zone.settle();
    zone.drop(&text);
    zone.settle();
    assert_eq!(zone.lines(), [""; 0]);
}

/// What one object of the history is at the moment.
#[derive(Clone, Debug, PartialEq)]
struct Life {
    name: &'static str,
    value: &'static str,
    suspended: bool,
    has_address: bool,
}

fn facts(object: &str, life: &Life) -> Facts {
    if object.starts_with('s') {
        let address = (life.has_address && !life.suspended).then_some("192.0.2.1");
        return service(object, &format!("{}.example.org", life.name), address);
    }
    let value = if life.has_address { life.value } else { "nonsense" };
    record(
        object,
        &format!(
            "{{name: {}, type: A, targets: ['{value}'], suspend: {}}}",
            life.name, life.suspended
        ),
    )
}

/// The objects that publish each record, and what they are.
type Published = BTreeMap<String, Vec<(&'static str, Life)>>;

fn published(zone: &TestZone, lives: &BTreeMap<&'static str, Life>, before: &Published) -> Published {
    let mut all = Published::new();
    for line in zone.records() {
        for (object, life) in lives {
            let value = if object.starts_with('s') {
                "192.0.2.1"
            } else {
                life.value
            };
            let publishes = line == format!("{} A {value}", life.name);
            // One without an address keeps what it published.
            let kept = || {
                before
                    .get(&line)
                    .is_some_and(|all| all.iter().any(|(other, _)| other == object))
            };
            if publishes && (life.has_address && !life.suspended || kept()) {
                all.entry(line.clone()).or_default().push((object, life.clone()));
            }
        }
    }
    all
}

/// Who shared a record with another living object and has no address when the operator restarts is not known as a publisher
/// any more: it keeps the record from nobody else, if that object goes meanwhile.
fn forget_after_restart(before: &mut Published, lives: &BTreeMap<&'static str, Life>, marks: &[String]) {
    let named = |line: &str, object: &str| {
        let at = line.split(' ').next().unwrap_or_default();
        let of_kind = |kind: &str| marks.contains(&format!("_owner.a.{at} mark {kind}/n/{object}"));
        of_kind("dnsrecord") || of_kind("service")
    };
    for (line, publishers) in before {
        publishers.retain(|(object, life)| {
            let usable = |life: &Life| life.has_address && !life.suspended;
            usable(life) && lives.get(object).is_none_or(usable) || named(line, object)
        });
    }
}

/// dns-01 and its like: whatever happens to objects, a record that a living one publishes stays, and nothing is left when the
/// last one goes.
#[test]
fn no_history_removes_a_record_of_a_living_object_or_leaves_one_behind() {
    const OBJECTS: [&str; 6] = ["r1", "r2", "r3", "r4", "s1", "s2"];
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut zone = TestZone::new("policy: Sync, deleteGuard: {maxPercent: 100}");
        let mut lives: BTreeMap<&'static str, Life> = BTreeMap::new();
        let mut before = Published::new();
        for step in 0..25 {
            let mut changed: Vec<&'static str> = Vec::new();
            let restarts = random.u8(..6) == 0;
            for _ in 0..random.usize(1..4) {
                let object = OBJECTS[random.usize(..OBJECTS.len())];
                let new = Life {
                    name: ["x", "y"][random.usize(..2)],
                    value: ["192.0.2.1", "192.0.2.2"][usize::from(random.u8(..4) == 0)],
                    suspended: false,
                    has_address: random.u8(..5) > 0,
                };
                match (lives.get_mut(object), random.u8(..8)) {
                    (Some(life), 0) => life.suspended = !life.suspended,
                    (Some(life), 1 | 2) => life.has_address = !life.has_address,
                    (Some(_), 3..6) => _ = lives.remove(object),
                    (Some(life), _) => {
                        *life = new;
                        changed.push(object);
                    }
                    (None, _) => _ = lives.insert(object, new),
                }
                if !restarts {
                    match lives.get(object) {
                        Some(life) => zone.put(&facts(object, life)),
                        None => zone.drop(&facts(
                            object,
                            &Life {
                                name: "x",
                                value: "",
                                suspended: false,
                                has_address: true,
                            },
                        )),
                    }
                }
            }
            let marks = zone.lines();
            if restarts {
                let all: Vec<Facts> = lives.iter().map(|(object, life)| facts(object, life)).collect();
                zone = restarted(&zone, &all, ALL);
            } else {
                zone.settle();
            }
            if restarts {
                forget_after_restart(&mut before, &lives, &marks);
            }
            let left_there = zone.records();
            for (line, publishers) in &before {
                // Who wants something else now may take the name with it: the others are told.
                if publishers.iter().any(|(object, _)| changed.contains(object)) {
                    continue;
                }
                // The one that the owner record names may change it, also when it becomes valid with another value.
                let at = line.split(' ').next().unwrap();
                let decides = lives.iter().any(|(object, life)| {
                    let mark = format!("_owner.a.{at} mark ");
                    let named = marks
                        .iter()
                        .any(|one| one.starts_with(&mark) && one.ends_with(&format!("/n/{object}")));
                    named && life.name == at && !line.ends_with(&format!(" A {}", life.value))
                });
                if decides {
                    continue;
                }
                let mut left = publishers.iter().filter(|(object, life)| {
                    lives
                        .get(object)
                        .is_some_and(|now| now.name == life.name && now.value == life.value)
                });
                if let Some(publisher) = left.next() {
                    assert!(
                        left_there.contains(line),
                        "seed {seed} step {step} restarts {restarts}: {publisher:?} lost {line}: {left_there:?}\n{lives:?}\nbefore {before:?}\n{marks:?}"
                    );
                }
            }
            before = published(&zone, &lives, &before);
            assert_eq!(zone.state.deletes.parked.len(), 0, "seed {seed} step {step}");
        }
        for object in OBJECTS {
            if let Some(life) = lives.remove(object) {
                zone.drop(&facts(object, &life));
            }
            if random.bool() {
                zone.settle();
            }
        }
        zone.settle();
        assert_eq!(zone.lines(), [""; 0], "seed {seed}");
    }
}
