//! Several objects want one name: the present holder, then the oldest, then the first by name.
use super::*;

#[test]
fn the_oldest_wins_then_the_first_by_name() {
    let desired = claims([
        "ingress/b/young foo A 192.0.2.1 created=9",
        "ingress/b/old foo A 192.0.2.2 created=5",
        "ingress/a/old foo A 192.0.2.3 created=5",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &RecordSets::default()),
        [
            "+ foo A 192.0.2.3",
            "+ _owner.a.foo mark ingress/a/old",
            "ingress/b/old A loses to ingress/a/old",
            "ingress/b/young A loses to ingress/a/old",
            "ingress/a/old A Pending"
        ]
    );
}

#[test]
fn the_present_holder_keeps_the_name_whatever_its_targets() {
    let here = records(marked("foo A 192.0.2.9", US, "ingress/z/holder"));
    let desired = claims([
        "ingress/a/old foo A 192.0.2.1 created=1",
        "ingress/z/holder foo A 192.0.2.9 created=9",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        [
            "ingress/a/old A loses to ingress/z/holder",
            "ingress/z/holder A Published"
        ]
    );
}

#[test]
fn the_order_of_claims_does_not_matter() {
    let all = claims([
        "ingress/a/x foo CNAME x.example.net created=3",
        "service/a/y foo A 192.0.2.1 created=3",
        "service/a/z foo A 192.0.2.2 created=2",
        "dnsrecord/a/w foo AAAA 2001:db8::1 created=4",
    ]);
    let expected = zone(Policy::Sync).plan("foo", &all, &RecordSets::default());
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        let mut shuffled = all.clone();
        random.shuffle(&mut shuffled);
        assert_eq!(
            zone(Policy::Sync).plan("foo", &shuffled, &RecordSets::default()),
            expected
        );
    }
}

#[test]
fn a_host_name_and_addresses_of_several_objects_are_one_conflict() {
    let desired = claims([
        "ingress/a/host foo CNAME x.example.net created=1",
        "dnsrecord/a/four foo A 192.0.2.1 created=2",
        "dnsrecord/a/six foo AAAA 2001:db8::1 created=3",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &RecordSets::default()),
        [
            "+ foo CNAME x.example.net",
            "+ _owner.cname.foo mark ingress/a/host",
            "dnsrecord/a/four A loses to ingress/a/host",
            "dnsrecord/a/six AAAA loses to ingress/a/host",
            "ingress/a/host CNAME Pending"
        ]
    );
}

#[test]
fn services_share_addresses_and_the_mark_names_the_first() {
    let desired = claims([
        "service/b/y foo A 192.0.2.2 ttl=60",
        "service/a/x foo A 192.0.2.1 ttl=90",
    ]);
    let plan = zone(Policy::Sync).plan("foo", &desired, &RecordSets::default());
    assert_eq!(
        lines(&plan),
        [
            "+ foo A 192.0.2.1, 192.0.2.2",
            "+ _owner.a.foo mark service/a/x",
            "service/a/x A Pending",
            "service/b/y A Pending"
        ]
    );
    assert_eq!(plan.writes[0].set, set("foo A 192.0.2.1|192.0.2.2 ttl=60").1);
}

#[test]
fn a_service_without_address_holds_nothing_that_another_supplies() {
    let here = records(marked("foo A 192.0.2.1|192.0.2.2", US, "service/a/x"));
    let desired = claims(["service/a/x foo held", "service/b/y foo A 192.0.2.2"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        ["_owner.a.foo mark service/b/y", "foo A 192.0.2.2"]
    );
    let rival = claims([
        "service/a/x foo held",
        "service/b/y foo A 192.0.2.2",
        "ingress/a/z foo A 192.0.2.3 created=-9",
    ]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &rival, &here),
        ["_owner.a.foo mark service/b/y", "foo A 192.0.2.2"]
    );
}

#[test]
fn a_holder_without_address_keeps_its_record_from_others() {
    let here = records(marked("foo A 192.0.2.1", US, "ingress/a/x"));
    for rival in ["ingress/b/y foo A 192.0.2.2", "ingress/b/y foo CNAME y.example.net"] {
        let desired = claims(["ingress/a/x foo held created=9", rival]);
        let plan = zone(Policy::Sync).plan("foo", &desired, &here);
        assert!(plan.writes.is_empty() && plan.deletes.is_empty());
        assert!(
            matches!(&plan.verdicts[..], [(_, _, RecordVerdict::Conflict(winner))] if winner.resource() == "ingress/a/x")
        );
    }
    // It holds what is its own, and an address whose object is gone: it may have been renamed. A text is not its business.
    let held = claims(["ingress/a/x foo held"]);
    let others = records(marked("foo A 192.0.2.1", US, "ingress/b/y"));
    assert!(zone(Policy::Sync).plan("foo", &held, &others).deletes.is_empty());
    let text = records(marked("foo TXT \"hello\"", US, "dnsrecord/b/y"));
    assert_eq!(zone(Policy::Sync).plan("foo", &held, &text).deletes.len(), 1);
}

#[test]
fn a_holder_whose_record_cannot_be_published_keeps_the_old_one() {
    let here = records(marked("foo A 192.0.2.1", US, "dnsrecord/a/x"));
    let desired = claims([
        "dnsrecord/a/x foo A missing.example.org yes",
        "ingress/b/y foo CNAME y.example.net created=-5",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        [
            format!("dnsrecord/a/x A {TARGET_NOT_FOUND}"),
            "ingress/b/y CNAME loses to dnsrecord/a/x".to_owned()
        ]
    );
}

#[test]
fn nobody_takes_a_name_whose_holder_has_not_been_listed() {
    let here = records(marked("foo A 192.0.2.1", US, "ingress/a/x"));
    let desired = claims(["service/b/y foo A 192.0.2.2"]);
    let unlisted = Zone {
        absence: Absence::Unlisted,
        ..zone(Policy::Sync)
    };
    assert_eq!(
        unlisted.lines("foo", &desired, &here),
        ["… foo.example.org A", "service/b/y A loses to ingress/a/x"]
    );
    for absence in [Absence::Proven, Absence::Unwatched] {
        let known = Zone {
            absence,
            ..zone(Policy::Sync)
        };
        assert_eq!(
            known.publish("foo", &desired, &here),
            ["_owner.a.foo mark service/b/y", "foo A 192.0.2.2"]
        );
    }
}

#[test]
fn an_older_object_of_another_type_does_not_disturb() {
    let here = records(marked("foo A 192.0.2.1", US, "service/a/x"));
    let desired = claims([
        "service/a/x foo A 192.0.2.1 created=9",
        "dnsrecord/a/t foo TXT \"hello\" created=1",
    ]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        [
            "_owner.a.foo mark service/a/x",
            "_owner.txt.foo mark dnsrecord/a/t",
            "foo A 192.0.2.1",
            "foo TXT \"hello\""
        ]
    );
}

#[test]
fn services_do_not_share_host_names_or_load_balancers() {
    let names = claims([
        "service/a/x foo CNAME x.example.net",
        "service/b/y foo CNAME y.example.net",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &names, &RecordSets::default()),
        [
            "+ foo CNAME x.example.net",
            "+ _owner.cname.foo mark service/a/x",
            "service/b/y CNAME loses to service/a/x",
            "service/a/x CNAME Pending"
        ]
    );
    let balancers = claims([
        "service/a/x foo CNAME x.eu-central-1.elb.amazonaws.com auto",
        "service/b/y foo CNAME y.eu-central-1.elb.amazonaws.com auto",
    ]);
    let lines = zone(Policy::Sync).lines("foo", &balancers, &RecordSets::default());
    for family in ["A", "AAAA"] {
        let lost = format!("service/b/y {family} loses to service/a/x");
        assert!(lines.contains(&lost), "{lines:#?}");
    }
}

#[test]
fn a_service_gains_no_rank_by_one_that_has_never_published_the_record() {
    let here = records(marked("foo A 192.0.2.1", US, "ingress/x/gone"));
    let desired = claims([
        "service/a/x foo held",
        "service/b/y foo A 192.0.2.2 created=5",
        "ingress/a/z foo A 192.0.2.3 created=1",
    ]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        ["_owner.a.foo mark ingress/a/z", "foo A 192.0.2.3"]
    );
}

#[test]
fn a_value_that_the_holder_replaces_is_not_shared() {
    let here = records(marked("foo A 192.0.2.1", US, "ingress/a/holder"));
    let desired = claims(["ingress/a/holder foo A 192.0.2.2", "ingress/b/y foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        [
            "- foo A 192.0.2.1",
            "+ foo A 192.0.2.2",
            "ingress/b/y A loses to ingress/a/holder",
            "ingress/a/holder A Pending"
        ]
    );
}

#[test]
fn a_service_that_published_a_part_of_a_shared_record_keeps_the_name_and_nobody_else() {
    let here = records(marked("foo A 192.0.2.1|192.0.2.2", US, "service/a/gone"));
    for (claimant, keeps) in [
        ("service/b/y foo A 192.0.2.2", true),
        ("service/b/y foo A 192.0.2.9", false),
        ("ingress/b/y foo A 192.0.2.2", false),
    ] {
        let younger = format!("{claimant} created=9");
        let desired = claims([&younger, "ingress/a/z foo A 192.0.2.3 created=1"]);
        let lines = zone(Policy::Sync).lines("foo", &desired, &here);
        let lost = "ingress/a/z A loses to service/b/y".to_owned();
        assert_eq!(lines.contains(&lost), keeps, "{claimant}: {lines:#?}");
    }
}

#[test]
fn a_held_object_of_one_type_keeps_only_that_type() {
    let text = Claim {
        record_type: Some(RecordType::Txt),
        ..claim("dnsrecord/b/new foo held")
    };
    let here = ["foo A 192.0.2.1", "foo TXT \"hello\""].map(|text| marked(text, US, "dnsrecord/a/gone"));
    let plan = zone(Policy::Sync).plan("foo", &[text], &records(here.into_iter().flatten()));
    let deleted: Vec<RecordType> = plan.deletes.iter().map(|(key, _)| key.record_type).collect();
    assert_eq!(deleted, [RecordType::A]);
}
