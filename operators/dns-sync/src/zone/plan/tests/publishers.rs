//! Who publishes a record although its owner record names another object; the next planning is told of them.
use super::*;

/// The publishers after planning `foo`, where these published sets of `foo` before.
fn publishers<const N: usize>(desired: [&str; N], before: &[(&str, RecordType)], here: &RecordSets) -> Vec<String> {
    with_absence(Absence::Proven, desired, before, here)
}

fn with_absence<const N: usize>(
    absence: Absence,
    desired: [&str; N],
    before: &[(&str, RecordType)],
    here: &RecordSets,
) -> Vec<String> {
    let plan = planned(absence, desired, before, here);
    let text = |(object, key): &Publisher| format!("{} {}", object.resource(), key.record_type.as_str());
    plan.publishers.iter().map(text).collect()
}

fn planned<const N: usize>(
    absence: Absence,
    desired: [&str; N],
    before: &[(&str, RecordType)],
    here: &RecordSets,
) -> NamePlan {
    let zone = zone(Policy::Sync);
    let before: Vec<Publisher> = before
        .iter()
        .map(|(object, kind)| {
            (
                ObjectKey::from_resource(object).unwrap(),
                SetKey::simple(&name("foo"), *kind),
            )
        })
        .collect();
    plan(&name("foo"), &claims(desired), &before, here, &zone.rules(), |_, _| {
        absence
    })
}

fn here(owner: &str, resource: &str) -> RecordSets {
    records(marked("foo A 192.0.2.1", owner, resource))
}

#[test]
fn who_publishes_the_record_of_an_object_that_is_gone_is_noted() {
    let same = ["service/web/new foo A 192.0.2.1"];
    let noted = ["service/web/new A"];
    assert_eq!(publishers(same, &[], &here(US, "service/web/gone")), noted);
    assert_eq!(
        publishers(["service/web/new foo held"], &[], &here(US, "service/web/gone")),
        noted
    );
    // Nobody has to be noted whom the owner record names, or who publishes nothing.
    assert_eq!(publishers(same, &[], &here(US, "service/web/new")), [""; 0]);
    assert_eq!(publishers(same, &[], &here("other", "service/web/gone")), [""; 0]);
    assert_eq!(publishers(same, &[], &RecordSets::default()), [""; 0]);
    for absence in [Absence::Unlisted, Absence::NeverSeen] {
        let none = with_absence(absence, [], &[], &here(US, "service/web/late"));
        assert_eq!(none, [""; 0], "{absence:?}");
    }
}

#[test]
fn an_object_without_an_address_is_no_publisher_of_what_another_publishes() {
    let desired = ["service/web/new foo A 192.0.2.1", "ingress/web/empty foo held"];
    assert_eq!(
        publishers(desired, &[], &here(US, "service/web/gone")),
        ["service/web/new A"]
    );
}

#[test]
fn a_publisher_that_loses_its_address_is_remembered_while_the_holder_lives() {
    let holder = "ingress/web/holder foo A 192.0.2.1";
    let before = [("ingress/web/partner", RecordType::A)];
    let alive = here(US, "ingress/web/holder");
    let waiting = [holder, "ingress/web/partner foo held"];
    assert_eq!(publishers(waiting, &before, &alive), ["ingress/web/partner A"]);
    // One that publishes still is noted once.
    let sharing = [holder, "ingress/web/partner foo A 192.0.2.1"];
    assert_eq!(publishers(sharing, &before, &alive), ["ingress/web/partner A"]);
    let gone = here(US, "ingress/web/gone");
    assert_eq!(
        publishers(["ingress/web/partner foo held"], &before, &gone),
        ["ingress/web/partner A"]
    );
    // Not one that is gone, not of a set that is not there or not ours.
    assert_eq!(publishers([holder], &before, &alive), [""; 0]);
    let of_six = [("ingress/web/partner", RecordType::Aaaa)];
    assert_eq!(publishers(waiting, &of_six, &alive), [""; 0]);
    assert_eq!(
        publishers(waiting, &before, &here("other", "ingress/web/holder")),
        [""; 0]
    );
}

#[test]
fn only_who_has_published_this_very_set_keeps_it_from_an_older_object() {
    let desired = [
        "ingress/web/empty foo held created=9",
        "ingress/web/rival foo A 192.0.2.2 created=1",
    ];
    let here = here(US, "ingress/web/gone");
    for (object, kind, keeps) in [
        ("ingress/web/empty", RecordType::A, true),
        ("ingress/web/empty", RecordType::Aaaa, false),
        ("ingress/web/other", RecordType::A, false),
    ] {
        let plan = planned(Absence::Proven, desired, &[(object, kind)], &here);
        assert_eq!(plan.writes.is_empty(), keeps, "{object} {kind:?}");
    }
}
