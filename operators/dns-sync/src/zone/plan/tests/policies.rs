//! What each policy permits, and what it says about the rest.
use super::*;

fn update_here() -> RecordSets {
    records(marked("foo A 192.0.2.1", US, "service/web/front"))
}

#[test]
fn every_policy_on_a_new_name() {
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    let observed = [
        "held: CREATE foo.example.org A: 192.0.2.1",
        "service/web/front A Held(Observe)",
    ];
    assert_eq!(
        zone(Policy::Observe).lines("foo", &desired, &RecordSets::default()),
        observed
    );
    for policy in [Policy::CreateOnly, Policy::UpsertOnly, Policy::Sync] {
        assert_eq!(
            zone(policy).plan("foo", &desired, &RecordSets::default()).writes.len(),
            2
        );
    }
}

#[test]
fn every_policy_on_a_change() {
    let desired = claims(["service/web/front foo A 192.0.2.2"]);
    for policy in [Policy::Observe, Policy::CreateOnly] {
        assert_eq!(
            zone(policy).lines("foo", &desired, &update_here()),
            [
                "held: UPDATE foo.example.org A: 192.0.2.2 instead of 192.0.2.1".to_owned(),
                format!("service/web/front A Held({policy:?})")
            ]
        );
    }
    for policy in [Policy::UpsertOnly, Policy::Sync] {
        assert_eq!(zone(policy).plan("foo", &desired, &update_here()).writes.len(), 2);
    }
}

#[test]
fn every_policy_on_a_delete() {
    for policy in [Policy::Observe, Policy::CreateOnly, Policy::UpsertOnly] {
        assert_eq!(
            zone(policy).lines("foo", &[], &update_here()),
            ["held: DELETE foo.example.org A: 192.0.2.1"]
        );
    }
    assert_eq!(
        zone(Policy::Sync).lines("foo", &[], &update_here()),
        ["x foo A 192.0.2.1", "x _owner.a.foo mark service/web/front"]
    );
}

#[test]
fn a_delete_needs_proof() {
    let unwatched = Zone {
        absence: Absence::Unwatched,
        ..zone(Policy::Sync)
    };
    assert_eq!(
        unwatched.lines("foo", &[], &update_here()),
        ["? foo A 192.0.2.1", "? _owner.a.foo mark service/web/front"]
    );
    let unlisted = Zone {
        absence: Absence::Unlisted,
        ..zone(Policy::Sync)
    };
    assert_eq!(unlisted.lines("foo", &[], &update_here()), ["… foo.example.org A"]);
    assert_eq!(unlisted.plan("foo", &[], &update_here()).removals().count(), 0);
}

#[test]
fn a_type_that_its_object_wants_no_more_needs_proof_too() {
    let six = claims(["service/web/front foo AAAA 2001:db8::1"]);
    for (absence, awaited) in [(Absence::Proven, 0), (Absence::Unwatched, 0), (Absence::NeverSeen, 1)] {
        let zone = Zone {
            absence,
            ..zone(Policy::Sync)
        };
        let plan = zone.plan("foo", &six, &update_here());
        let removals: Vec<_> = plan.removals().map(|(key, _)| key.record_type).collect();
        assert_eq!((removals, plan.awaited), (vec![RecordType::A], awaited), "{absence:?}");
        assert_eq!(
            plan.deletes.len(),
            usize::from(absence == Absence::Proven),
            "{absence:?}"
        );
    }
}

#[test]
fn a_type_change_is_one_batch() {
    for policy in [Policy::UpsertOnly, Policy::Sync] {
        let cname = records(marked("foo CNAME x.example.net", US, "service/web/front"));
        let addresses = claims([
            "service/web/front foo A 192.0.2.1",
            "service/web/front foo AAAA 2001:db8::1",
        ]);
        assert_eq!(
            zone(policy).publish("foo", &addresses, &cname),
            [
                "_owner.a.foo mark service/web/front",
                "_owner.aaaa.foo mark service/web/front",
                "foo A 192.0.2.1",
                "foo AAAA 2001:db8::1"
            ]
        );
        let both = records(
            marked("foo A 192.0.2.1", US, "service/web/front")
                .into_iter()
                .chain(marked("foo AAAA 2001:db8::1", US, "service/web/front")),
        );
        let host = claims(["service/web/front foo CNAME x.example.net"]);
        assert_eq!(
            zone(policy).publish("foo", &host, &both),
            ["_owner.cname.foo mark service/web/front", "foo CNAME x.example.net"]
        );
    }
    let cname = records(marked("foo CNAME x.example.net", US, "service/web/front"));
    let address = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::CreateOnly).lines("foo", &address, &cname),
        [
            "held: CREATE foo.example.org A: 192.0.2.1",
            "service/web/front A Held(CreateOnly)"
        ]
    );
}

#[test]
fn a_type_change_replaces_an_old_owner_record_at_the_name_itself() {
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let record = set("foo A 192.0.2.1");
    let here = records([record.clone(), mark_at("foo", US, "service/web/front", &record)]);
    let host = claims(["service/web/front foo CNAME x.example.net"]);
    assert_eq!(
        zone.publish("foo", &host, &here),
        ["cname-foo mark service/web/front", "foo CNAME x.example.net"]
    );
}

#[test]
fn a_family_that_goes_is_a_delete_of_its_own() {
    let both = records(
        marked("foo A 192.0.2.1", US, "service/web/front")
            .into_iter()
            .chain(marked("foo AAAA 2001:db8::1", US, "service/web/front")),
    );
    let four = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &four, &both),
        [
            "x foo AAAA 2001:db8::1",
            "x _owner.aaaa.foo mark service/web/front",
            "service/web/front A Published"
        ]
    );
}

#[test]
fn what_cannot_be_published_does_not_take_down_what_it_would_replace() {
    // A CNAME of ours, another owner's mark where the address' mark would be.
    let record = set("foo A 192.0.2.1");
    let here = records(
        marked("foo CNAME x.example.net", US, "service/web/front")
            .into_iter()
            .chain([mark_at("_owner.a.foo", "other", "service/a/b", &record)]),
    );
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        ["service/web/front A foreign other"]
    );
}

#[test]
fn a_cname_stands_alone() {
    let host = claims(["service/web/front foo CNAME x.example.net"]);
    let foreign = ["service/web/front CNAME foreign -"];
    assert_eq!(
        zone(Policy::Sync).lines("foo", &host, &records([set("foo TXT \"v=spf1\"")])),
        foreign
    );
    let mut other = RecordSets::default();
    other.insert_other(name("foo"));
    assert_eq!(zone(Policy::Sync).lines("foo", &host, &other), foreign);
    let marks = records(marked("x A 192.0.2.1", US, "service/web/front"));
    let at_mark = claims(["service/web/front _owner.a.x CNAME x.example.net"]);
    assert_eq!(zone(Policy::Sync).lines("_owner.a.x", &at_mark, &marks), foreign);
    // Nor where an address of its own would go for it.
    let ours = marked("_owner.a.x A 192.0.2.5", US, "service/web/front");
    let beside = records(marked("x A 192.0.2.1", US, "service/web/front").into_iter().chain(ours));
    assert_eq!(zone(Policy::Sync).lines("_owner.a.x", &at_mark, &beside), foreign);
    let apex = claims(["service/web/front @ CNAME x.example.net"]);
    assert_eq!(
        zone(Policy::Sync).lines("@", &apex, &RecordSets::default()),
        ["service/web/front CNAME CNAMEAtApex"]
    );
}

#[test]
fn without_marks_a_record_that_says_what_is_wanted_is_published() {
    let zone = Zone {
        registry: RegistryKind::None,
        ..zone(Policy::CreateOnly)
    };
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone.publish("foo", &desired, &RecordSets::default()),
        ["foo A 192.0.2.1"]
    );
    let here = records([set("foo A 192.0.2.1")]);
    assert_eq!(zone.lines("foo", &desired, &here), ["service/web/front A Published"]);
    let other = records([set("foo A 192.0.2.9")]);
    assert_eq!(zone.lines("foo", &desired, &other), ["service/web/front A foreign -"]);
    let both = claims([
        "service/web/front foo A 192.0.2.1",
        "service/web/front foo AAAA 2001:db8::1",
    ]);
    assert_eq!(
        zone.publish("foo", &both, &here),
        ["foo A 192.0.2.1", "foo AAAA 2001:db8::1"]
    );
}
