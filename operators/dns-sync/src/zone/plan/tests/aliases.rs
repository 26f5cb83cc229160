//! Aliases: of load balancers, and of records of the zone itself.
use super::*;

const ELB: &str = "bar.eu-central-1.elb.amazonaws.com";
const ELB_ZONE: &str = "Z215JYRZR1TBD5";

#[test]
fn a_load_balancer_becomes_an_alias_of_both_families() {
    let desired = claims([&format!("service/web/front foo CNAME {ELB} auto")]);
    let plan = zone(Policy::Sync).plan("foo", &desired, &RecordSets::default());
    assert_eq!(plan.writes.len(), 4);
    let (_, alias) = set(&format!("foo A {ELB} alias zone={ELB_ZONE}"));
    assert_eq!(plan.writes[0].set, alias);
    assert_eq!(
        zone(Policy::Sync)
            .publish("foo", &desired, &RecordSets::default())
            .len(),
        4
    );
    let kept = claims([&format!("service/web/front foo CNAME {ELB}")]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &kept, &RecordSets::default()),
        [
            "_owner.cname.foo mark service/web/front".to_owned(),
            format!("foo CNAME {ELB}")
        ]
    );
}

#[test]
fn an_alias_keeps_to_the_managed_types() {
    let zone = Zone {
        types: vec![RecordType::A],
        ..zone(Policy::Sync)
    };
    let desired = claims([&format!("service/web/front foo CNAME {ELB} auto")]);
    assert_eq!(
        zone.publish("foo", &desired, &RecordSets::default()),
        [
            "_owner.a.foo mark service/web/front".to_owned(),
            format!("foo A alias {ELB}")
        ]
    );
}

#[test]
fn a_requested_ttl_makes_no_difference_for_an_alias() {
    let here = [
        marked(&format!("foo A {ELB} alias zone={ELB_ZONE}"), US, "service/web/front"),
        marked(
            &format!("foo AAAA {ELB}. alias zone={ELB_ZONE}"),
            US,
            "service/web/front",
        ),
    ];
    let desired = claims([&format!("service/web/front foo CNAME {ELB} auto ttl=60")]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &desired, &records(here.into_iter().flatten())),
        ["service/web/front A Published", "service/web/front AAAA Published"]
    );
}

#[test]
fn an_alias_within_the_zone_follows_the_types_of_its_target() {
    let here = records([set("bar A 192.0.2.1")]);
    let desired = claims(["ingress/web/front foo CNAME bar.example.org yes"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        [
            "_owner.a.foo mark ingress/web/front",
            "bar A 192.0.2.1",
            "foo A alias bar.example.org"
        ]
    );
    let none = zone(Policy::Sync).lines("foo", &desired, &RecordSets::default());
    assert_eq!(none, [format!("ingress/web/front CNAME {ALIAS_TARGET_NOT_FOUND}")]);
    let abroad = claims(["ingress/web/front foo CNAME bar.example.net yes"]);
    let lines = zone(Policy::Sync).lines("foo", &abroad, &here);
    assert_eq!(lines, ["ingress/web/front CNAME InvalidTarget"]);
}

#[test]
fn the_apex_may_be_an_alias() {
    let desired = claims([&format!("service/web/front @ CNAME {ELB} auto")]);
    assert_eq!(
        zone(Policy::Sync).publish("@", &desired, &RecordSets::default()).len(),
        4
    );
}

#[test]
fn values_become_an_alias_and_back() {
    let here = records(marked("foo A 192.0.2.1", US, "service/web/front"));
    let desired = claims([&format!("service/web/front foo CNAME {ELB} auto")]);
    assert_eq!(zone(Policy::Sync).publish("foo", &desired, &here).len(), 4);
    let alias = records(marked(
        &format!("foo A {ELB} alias zone={ELB_ZONE}"),
        US,
        "service/web/front",
    ));
    let back = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &back, &alias),
        ["_owner.a.foo mark service/web/front", "foo A 192.0.2.1"]
    );
}

#[test]
fn an_alias_with_a_cname_owner_record_gets_the_current_form_with_the_next_change() {
    let zone = Zone {
        affix: affix("", "", ""),
        ..zone(Policy::Sync)
    };
    let alias = set(&format!("foo A {ELB} alias zone={ELB_ZONE}"));
    let here = records([alias.clone(), mark_at("cname-foo", US, "service/web/front", &alias)]);
    let back = claims(["service/web/front foo A 192.0.2.1"]);
    assert_eq!(
        zone.publish("foo", &back, &here),
        [
            "a-foo mark service/web/front",
            "cname-foo mark service/web/front",
            "foo A 192.0.2.1"
        ]
    );
    assert_eq!(zone.publish("foo", &[], &here), [""; 0]);
    // Where the current owner record cannot be written, the record stays as it is: as an address it would have no owner.
    let taken = records([
        alias.clone(),
        mark_at("cname-foo", US, "service/web/front", &alias),
        set("a-foo TXT \"x\""),
    ]);
    assert_eq!(zone.lines("foo", &back, &taken), ["service/web/front A foreign -"]);
}
