//! Aliases: of load balancers, and of records of the zone itself.
use super::*;
use crate::records::Content;

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
    assert_eq!(none, [format!("ingress/web/front CNAME {TARGET_NOT_FOUND}")]);
    let abroad = claims(["ingress/web/front foo CNAME bar.example.net yes"]);
    let lines = zone(Policy::Sync).lines("foo", &abroad, &here);
    assert_eq!(lines, ["ingress/web/front CNAME InvalidTarget"]);
    // Another name's change may help only where the target is missing.
    for (claims, waits) in [(&desired, true), (&abroad, false)] {
        let plan = zone(Policy::Sync).plan("foo", claims, &RecordSets::default());
        assert_eq!(plan.verdicts[0].2.waits_for_another_name(), waits);
    }
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

/// dns-07: Route 53 permits no alias to `CloudFront` that follows its health, whatever is asked for.
#[test]
fn an_alias_to_cloudfront_never_follows_its_health() {
    let health = |target: &str, mode: &str| -> Vec<bool> {
        let desired = claims([&format!("service/web/front @ CNAME {target} {mode}")]);
        let plan = zone(Policy::Sync).plan("@", &desired, &RecordSets::default());
        let contents = plan.writes.iter().filter_map(|change| match change.set.content {
            Content::Alias {
                evaluate_target_health, ..
            } => Some(evaluate_target_health),
            Content::Values { .. } => None,
        });
        contents.collect()
    };
    for mode in ["auto", "yes"] {
        assert_eq!(health("d111111abcdef8.cloudfront.net", mode), [false, false], "{mode}");
        assert_eq!(
            health("lb-1.eu-central-1.elb.amazonaws.com", mode),
            [true, true],
            "{mode}"
        );
    }
    let named = "dist.example.net";
    assert_eq!(
        health(named, "yes zone=Z2FDTNDATAQYW2"),
        [false, false],
        "by its hosted zone"
    );
}

/// dns-28: a load balancer in a region that is not known here yet, at the apex.
#[test]
fn the_hosted_zone_of_an_unknown_target_can_be_named() {
    let target = "lb-1.xx-future-1.elb.amazonaws.com";
    for mode in ["auto", "yes"] {
        let unnamed = claims([&format!("service/web/front @ CNAME {target} {mode}")]);
        let lines = zone(Policy::Sync).lines("@", &unnamed, &RecordSets::default());
        assert!(
            lines[0].contains("CNAMEAtApex") || lines[0].contains("InvalidTarget"),
            "{lines:?}"
        );
        let named = claims([&format!("service/web/front @ CNAME {target} {mode} zone=Z0NEWREGION")]);
        let plan = zone(Policy::Sync).plan("@", &named, &RecordSets::default());
        let zones: Vec<&str> = plan
            .writes
            .iter()
            .filter_map(|change| match &change.set.content {
                Content::Alias { zone_id, .. } => Some(&**zone_id),
                Content::Values { .. } => None,
            })
            .collect();
        assert_eq!(zones, ["Z0NEWREGION", "Z0NEWREGION"], "{mode}");
    }
    // Who wants no alias gets none.
    let cname = claims([&format!("service/web/front foo CNAME {target} zone=Z0NEWREGION")]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &cname, &RecordSets::default())[0],
        format!("+ foo CNAME {target}")
    );
}

#[test]
fn an_address_stays_an_address_although_a_hosted_zone_is_named() {
    let desired = claims(["service/web/front foo A 192.0.2.1 auto zone=Z0NEWREGION"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &RecordSets::default()),
        ["_owner.a.foo mark service/web/front", "foo A 192.0.2.1"]
    );
}
