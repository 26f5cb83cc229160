//! Ownership: who may touch what, and what is written to prove it.
use super::*;

#[test]
fn a_new_name_is_made_together_with_its_owner_record() {
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &RecordSets::default()),
        [
            "+ foo A 192.0.2.1",
            "+ _owner.a.foo mark service/web/front",
            "service/web/front A Pending"
        ]
    );
}

#[test]
fn a_change_deletes_the_exact_old_set_and_leaves_a_fitting_mark_alone() {
    let old = records(marked("foo A 192.0.2.1|192.0.2.2 ttl=60", US, "service/web/front"));
    let desired = claims(["service/web/front foo A 192.0.2.3"]);
    let plan = zone(Policy::Sync).plan("foo", &desired, &old);
    assert_eq!(
        lines(&plan),
        [
            "- foo A 192.0.2.1, 192.0.2.2",
            "+ foo A 192.0.2.3",
            "service/web/front A Pending"
        ]
    );
    assert_eq!(plan.writes[0].set, set("foo A 192.0.2.1|192.0.2.2 ttl=60").1);
}

#[test]
fn spelling_is_no_change() {
    let here = records(marked("foo AAAA 2001:0db8:0:0:0:0:0:1", US, "service/web/front"));
    let desired = claims(["service/web/front foo AAAA 2001:db8::1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        ["service/web/front AAAA Published"]
    );
    let here = records(marked("foo CNAME Target.Example.NET.", US, "service/web/front"));
    let desired = claims(["service/web/front foo CNAME target.example.net"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        ["service/web/front CNAME Published"]
    );
}

#[test]
fn a_ttl_that_nobody_requests_is_kept() {
    let here = records(marked("foo A 192.0.2.1 ttl=77", US, "service/web/front"));
    let unset = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &unset, &here),
        ["service/web/front A Published"]
    );
    let wished = claims(["service/web/front foo A 192.0.2.1 ttl=60"]);
    assert_eq!(zone(Policy::Sync).plan("foo", &wished, &here).writes.len(), 2);
    let of_zone = Zone {
        ttl: Some(60),
        ..zone(Policy::Sync)
    };
    assert_eq!(of_zone.plan("foo", &unset, &here).writes.len(), 2);
}

#[test]
fn an_owner_record_is_written_again_when_its_object_is_gone_for_certain() {
    let here = records(marked("foo A 192.0.2.1", US, "service/web/old"));
    let same = claims(["service/web/new foo A 192.0.2.1"]);
    for policy in [Policy::UpsertOnly, Policy::Sync] {
        assert_eq!(
            zone(policy).lines("foo", &same, &here),
            [
                "- _owner.a.foo mark service/web/old",
                "+ _owner.a.foo mark service/web/new",
                "service/web/new A Published"
            ]
        );
    }
    // Not while it may come, not where nothing may be changed, and not while it shares the record.
    for absence in [Absence::NeverSeen, Absence::Unlisted, Absence::Unwatched] {
        let zone = Zone {
            absence,
            ..zone(Policy::Sync)
        };
        assert_eq!(
            zone.lines("foo", &same, &here),
            ["service/web/new A Published"],
            "{absence:?}"
        );
    }
    for policy in [Policy::Observe, Policy::CreateOnly] {
        assert_eq!(zone(policy).lines("foo", &same, &here), ["service/web/new A Published"]);
    }
    let both = claims(["service/web/new foo A 192.0.2.1", "service/web/old foo A 192.0.2.1"]);
    assert!(zone(Policy::Sync).plan("foo", &both, &here).writes.is_empty());
    let other = claims(["service/web/new foo A 192.0.2.2"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &other, &here),
        ["_owner.a.foo mark service/web/new", "foo A 192.0.2.2"]
    );
}

#[test]
fn what_is_not_marked_or_marked_by_another_is_never_touched() {
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    for (here, owner) in [
        (records([set("foo A 198.51.100.1")]), "-"),
        (records([set("foo A 192.0.2.1")]), "-"),
        (records(marked("foo A 198.51.100.1", "other", "service/a/b")), "other"),
        (records([set("foo CNAME x.example.net")]), "-"),
        (
            records(marked("foo CNAME x.example.net", "other", "service/a/b")),
            "other",
        ),
        (records([set("foo AAAA 2001:db8::1")]), "-"),
    ] {
        let lines = zone(Policy::Sync).lines("foo", &desired, &here);
        assert_eq!(lines, [format!("service/web/front A foreign {owner}")]);
        assert!(zone(Policy::Sync).lines("foo", &[], &here).is_empty());
    }
}

#[test]
fn our_address_is_kept_up_beside_a_foreign_one_of_the_other_family() {
    let here = records(
        marked("foo A 192.0.2.1", US, "service/web/front")
            .into_iter()
            .chain(marked("foo AAAA 2001:db8::1", "b", "x")),
    );
    let desired = claims([
        "service/web/front foo A 192.0.2.2",
        "service/web/front foo AAAA 2001:db8::2",
    ]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        [
            "- foo A 192.0.2.1",
            "+ foo A 192.0.2.2",
            "service/web/front A Pending",
            "service/web/front AAAA foreign b"
        ]
    );
}

#[test]
fn a_foreign_text_where_the_mark_would_be_means_nothing_is_made() {
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    let like = set("foo A 192.0.2.1");
    for (there, verdict) in [
        (mark_at("_owner.a.foo", "other", "service/a/b", &like), "foreign other"),
        (set("_owner.a.foo TXT \"random\""), "foreign -"),
        (set("_owner.a.foo TXT \"heritage=external-dns\""), "foreign -"),
        (set("_owner.a.foo CNAME x.example.net"), OWNERSHIP_NAME_TAKEN),
    ] {
        let lines = zone(Policy::Sync).lines("foo", &desired, &records([there]));
        assert_eq!(lines, [format!("service/web/front A {verdict}")]);
    }
}

#[test]
fn an_orphaned_mark_of_ours_is_adopted() {
    let like = set("foo A 192.0.2.1");
    let here = records([mark_at("_owner.a.foo", US, "service/web/front", &like)]);
    let desired = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &here),
        ["+ foo A 192.0.2.1", "service/web/front A Pending"]
    );
    let here = records([mark_at("_owner.a.foo", US, "service/web/old", &like)]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        ["_owner.a.foo mark service/web/front", "foo A 192.0.2.1"]
    );
}

#[test]
fn only_the_first_value_of_a_text_is_a_mark() {
    let heritage = render_at("service/web/front");
    let second = set(&format!("_owner.a.foo TXT \"random\"|{heritage}"));
    let first = set(&format!("_owner.a.foo TXT {heritage}|\"random\""));
    let record = set("foo A 192.0.2.1");
    assert!(
        zone(Policy::Sync)
            .plan("foo", &[], &records([record.clone(), second]))
            .deletes
            .is_empty()
    );
    assert_eq!(
        zone(Policy::Sync)
            .plan("foo", &[], &records([record, first]))
            .deletes
            .len(),
        1
    );
}

fn render_at(resource: &str) -> String {
    crate::ownership::txt::render(US, resource).to_string()
}

#[test]
fn spaces_and_another_heritage_are_no_mark() {
    for text in [
        "\"heritage=external-dns,~external-dns/owner=home\"",
        "\"heritage=mate,external-dns/owner=home\"",
    ] {
        let here = records([set("foo A 192.0.2.1"), set(&format!("_owner.a.foo TXT {text}"))]);
        assert!(zone(Policy::Sync).lines("foo", &[], &here).is_empty());
    }
}

#[test]
fn a_desired_record_at_the_name_of_an_owner_record_is_refused() {
    let here = records(marked("foo A 192.0.2.1", US, "service/web/front"));
    let desired = claims(["dnsrecord/web/x _owner.a.foo TXT \"mine\""]);
    assert_eq!(
        zone(Policy::Sync).lines("_owner.a.foo", &desired, &here),
        [format!("dnsrecord/web/x TXT {OWNERSHIP_NAME_TAKEN}")]
    );
    let theirs = records(marked("foo A 192.0.2.1", "other", "service/web/front"));
    assert_eq!(
        zone(Policy::Sync).lines("_owner.a.foo", &desired, &theirs),
        ["dnsrecord/web/x TXT foreign other"]
    );
}

#[test]
fn the_apex_has_a_mark_inside_the_zone() {
    let desired = claims(["service/web/front @ A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).publish("@", &desired, &RecordSets::default()),
        ["_owner.a mark service/web/front", "@ A 192.0.2.1"]
    );
    let bare = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let made = bare.publish("@", &desired, &RecordSets::default());
    assert_eq!(made, ["_owner.a mark service/web/front", "@ A 192.0.2.1"]);
    let here = records(marked("@ A 192.0.2.1", US, "service/web/front"));
    assert_eq!(bare.plan("@", &[], &here).deletes[0].1.len(), 2);
}

#[test]
fn a_team_is_not_the_team() {
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let team = set("team A 192.0.2.1");
    let here = records([
        team.clone(),
        set("a-team A 192.0.2.2"),
        mark_at("a-team", US, "service/web/team", &team),
    ]);
    assert!(zone.lines("a-team", &[], &here).is_empty());
    let deleted = zone.plan("team", &[], &here).deletes;
    assert_eq!(deleted[0].1.len(), 2);
}

#[test]
fn old_forms_prove_ownership_and_the_current_form_is_written_with_the_next_change() {
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let record = set("foo A 192.0.2.1");
    let here = records([record.clone(), mark_at("foo", US, "service/web/front", &record)]);
    let same = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(zone.lines("foo", &same, &here), ["service/web/front A Published"]);
    let other = claims(["service/web/front foo A 192.0.2.2"]);
    assert_eq!(
        zone.publish("foo", &other, &here),
        [
            "a-foo mark service/web/front",
            "foo A 192.0.2.2",
            "foo mark service/web/front"
        ]
    );
    let six = set("foo AAAA 2001:db8::1");
    let here = records([six.clone(), mark_at("foo", US, "service/web/front", &six)]);
    assert!(
        zone.lines("foo", &[], &here).is_empty(),
        "AAAA never had an untyped mark"
    );
}

#[test]
fn no_owner_record_is_left_that_would_claim_a_later_record_of_the_name() {
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let record = set("foo A 192.0.2.1");
    let marks = ["foo", "a-foo"].map(|at| mark_at(at, US, "service/web/front", &record));
    let here = records([record].into_iter().chain(marks));
    assert_eq!(zone.publish("foo", &[], &here), [""; 0]);

    // While another type may have its mark there, the untyped one stays.
    let (record, text) = (set("foo A 192.0.2.1"), set("foo MX 10~mail.example.net"));
    let here = records([record.clone(), text, mark_at("foo", US, "service/web/front", &record)]);
    let desired = claims(["service/web/front foo MX 10~mail.example.net"]);
    assert_eq!(
        zone.publish("foo", &desired, &here),
        [
            "foo TXT".replace(" TXT", " MX 10 mail.example.net"),
            "foo mark service/web/front".to_owned()
        ]
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
    );
}

#[test]
fn an_untyped_owner_record_stays_while_a_text_may_be_the_one_it_is_for() {
    let zone = Zone {
        affix: affix("txt.", "", ""),
        ..zone(Policy::Sync)
    };
    let (record, text) = (set("foo A 192.0.2.1"), set("foo TXT \"hello\""));
    let mark = mark_at("txt.foo", US, "service/web/front", &record);
    let desired = claims(["service/web/front foo TXT \"hello\""]);
    assert_eq!(
        zone.publish("foo", &desired, &records([record, text, mark])),
        ["foo TXT \"hello\"", "txt.foo mark service/web/front"]
    );
}

#[test]
fn a_name_too_long_for_its_mark_is_not_made() {
    let label = "x".repeat(60);
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let desired = claims([&format!("service/web/front {label} CNAME x.example.net")]);
    assert_eq!(
        zone.lines(&label, &desired, &RecordSets::default()),
        ["service/web/front CNAME OwnershipNameInvalid"]
    );
}

#[test]
fn one_mark_never_stands_for_a_wildcard_and_its_replacement() {
    let zone = Zone {
        affix: affix("", "", "any"),
        ..zone(Policy::Sync)
    };
    let star = set("* A 192.0.2.1");
    let ours = [star.clone(), mark_at("a-any", US, "service/web/star", &star)];
    let alone = records(ours.clone());
    assert_eq!(zone.plan("*", &[], &alone).deletes.len(), 1);
    let desired = claims(["service/web/any any A 192.0.2.2"]);
    assert_eq!(
        zone.lines("any", &desired, &alone),
        [format!("service/web/any A {OWNERSHIP_NAME_TAKEN}")]
    );
    // Somebody made `any` by hand: the mark proves nothing about either now.
    let both = records(ours.into_iter().chain([set("any A 198.51.100.1")]));
    assert!(zone.lines("any", &[], &both).is_empty());
    assert!(zone.lines("*", &[], &both).is_empty());
}

#[test]
fn excluded_names_and_types_are_never_touched() {
    let here = records(marked("foo A 192.0.2.1", US, "service/web/front"));
    let filter = NameFilter::new(&[], &["foo.example.org".to_owned()]).unwrap();
    let excluded = Zone {
        filter,
        ..zone(Policy::Sync)
    };
    assert!(excluded.lines("foo", &[], &here).is_empty());
    assert_eq!(excluded.plan("foo", &[], &here).owned, 1);
    let types = Zone {
        types: vec![RecordType::Cname],
        ..zone(Policy::Sync)
    };
    assert!(types.lines("foo", &[], &here).is_empty());
}
