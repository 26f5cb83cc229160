//! Records and owner records that people separate by hand.
use super::*;

/// Somebody removes a record and leaves the owner record.
fn remove_by_hand(zone: &mut TestZone, at: &str) {
    let key = SetKey::simple(&name(at), crate::record_data::RecordType::A);
    let set = zone.provider.get(&key).unwrap().clone();
    fake_zone::change_quickly(
        &mut zone.provider,
        &[crate::records::RecordChange {
            action: crate::records::Action::Delete,
            key,
            set,
        }],
    );
}

fn make_by_hand(zone: &mut TestZone, text: &str) {
    let (key, set) = set(text);
    zone.provider.insert(key, set);
}

/// dns-02: the record is gone, its owner record stays behind until the object goes; then a record is made by hand.
#[test]
fn an_owner_record_without_a_record_goes_with_its_object() {
    for listed in [true, false] {
        let (mut zone, objects) = zone_of(4, "policy: Sync");
        remove_by_hand(&mut zone, "r3");
        zone.drop(&objects[3]);
        if listed {
            zone.list();
        } else {
            // The delete is refused, and the names are read again.
            let work = zone.state.prepare(zone.now, zone.at(), &ALL);
            assert!(fake_zone::change(&mut zone.provider, &work.groups[0].changes).is_err());
            let found = [name("r3"), name("_owner.a.r3")].map(|name| (name.clone(), zone.provider.at(&name).clone()));
            assert!(zone.state.reread(&found));
            zone.state.postponed(&work.groups);
        }
        zone.settle();
        assert!(
            !zone.lines().iter().any(|line| line.contains("r3")),
            "{:?}",
            zone.lines()
        );
        make_by_hand(&mut zone, "r3 A 198.51.100.77");
        zone.relist();
        let again = restarted(&zone, &objects[..3], ALL);
        assert!(again.records().contains(&"r3 A 198.51.100.77".to_owned()));
        assert_eq!((again.state.deletes.parked.len(), again.state.totals().foreign), (0, 1));
    }
}

/// dns-02: where the owner record must stay, it says nothing of a record that is made beside it later.
#[test]
fn an_owner_record_that_stood_alone_proves_nothing_about_a_later_record() {
    // The object is suspended, so that the record is not created again.
    let mut zone = TestZone::new("policy: Sync");
    let spec = |more: &str| record("r", &format!("{{name: r, type: A, targets: ['192.0.2.1']{more}}}"));
    zone.put(&spec(""));
    zone.settle();
    zone.put(&spec(", suspend: true"));
    zone.settle();
    remove_by_hand(&mut zone, "r");
    zone.relist();
    make_by_hand(&mut zone, "r A 198.51.100.77");
    zone.relist();
    zone.put(&spec(""));
    zone.settle();
    assert!(
        zone.lines().contains(&"r A 198.51.100.77".to_owned()),
        "{:?}",
        zone.lines()
    );
    let (verdicts, ..) = zone.state.results_of(&spec("").object.key);
    assert!(matches!(verdicts, [(_, RecordVerdict::Foreign(None))]), "{verdicts:?}");
    zone.drop(&spec(""));
    zone.settle();
    assert_eq!(
        zone.lines(),
        ["r A 198.51.100.77"],
        "and the owner record goes with the object"
    );
    // When the record that was made by hand goes, the name is free.
    remove_by_hand(&mut zone, "r");
    zone.put(&spec(""));
    zone.relist();
    assert_eq!(zone.records(), ["r A 192.0.2.1"]);
}

/// dns-02: an owner record that this cluster has not written stays, and what is made beside it is not deleted.
#[test]
fn an_owner_record_of_an_object_that_was_never_here_stays() {
    let like = set("r A 192.0.2.1");
    let mark = || fake_zone::mark_at("_owner.a.r", "home", "dnsrecord/n/r", &like);
    let mut zone = TestZone::with(
        ZoneState::new(config("policy: Sync"), Guard::default()),
        records([mark()]),
    );
    zone.settle();
    assert_eq!(zone.lines(), ["_owner.a.r mark dnsrecord/n/r"]);
    make_by_hand(&mut zone, "r A 198.51.100.77");
    zone.relist();
    assert_eq!(
        (zone.records().len(), zone.state.deletes.parked.len()),
        (1, 0),
        "it is nobody's"
    );
    let again = restarted(&zone, &[], ALL);
    assert_eq!((again.records().len(), again.state.deletes.parked.len()), (1, 1));
}

/// D2: owner records in the form before 0.12 of wildcards went with no record.
#[test]
fn an_old_owner_record_of_a_wildcard_goes_with_the_record() {
    let yaml = "policy: Sync, registry: {prefix: 'txt.', wildcardReplacement: any}";
    let star = set("* A 192.0.2.1");
    let old = fake_zone::mark_at("txt.any", "home", "dnsrecord/n/star", &star);
    let mut zone = TestZone::with(ZoneState::new(config(yaml), Guard::default()), records([star, old]));
    let object = record("star", "{name: '*', type: A, targets: ['192.0.2.1']}");
    zone.put(&object);
    zone.settle();
    zone.drop(&object);
    zone.settle();
    assert_eq!(zone.lines(), [""; 0]);
}

#[test]
fn an_owner_record_that_may_be_for_another_record_stays() {
    // `txt.a-team` may be the present one of `team` or, without a type, the old one of `a-team`.
    let yaml = "policy: Sync, registry: {prefix: 'txt.'}";
    let like = set("a-team A 198.51.100.1");
    let mark = fake_zone::mark_at("txt.a-team", "home", "dnsrecord/n/team", &like);
    let mut zone = TestZone::with(
        ZoneState::new(config(yaml), Guard::default()),
        records([mark, set("a-team MX 10~mail.example.net")]),
    );
    let team = record("team", "{name: team, type: A, targets: ['192.0.2.1']}");
    zone.put(&team);
    zone.drop(&team);
    zone.settle();
    assert!(
        zone.lines().iter().any(|line| line.contains("mark")),
        "{:?}",
        zone.lines()
    );
}
