//! Weighted sets, and policies that are not managed.
use super::*;

fn blue() -> [(SetKey, RecordSet); 2] {
    marked("foo A 192.0.2.1 set=blue weight=5", US, "service/web/blue")
}

#[test]
fn sets_of_a_name_are_independent() {
    let here = records(blue());
    let desired = claims([
        "service/web/blue foo A 192.0.2.1 set=blue weight=5",
        "service/web/green foo A 192.0.2.2 set=green weight=6",
    ]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        [
            "_owner.a.foo [blue] mark service/web/blue",
            "_owner.a.foo [green] mark service/web/green",
            "foo A [blue] 192.0.2.1",
            "foo A [green] 192.0.2.2"
        ]
    );
}

#[test]
fn another_identifier_is_another_set() {
    let desired = claims(["service/web/blue foo A 192.0.2.1 set=red weight=5"]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &records(blue())),
        ["_owner.a.foo [red] mark service/web/blue", "foo A [red] 192.0.2.1"]
    );
}

#[test]
fn a_new_weight_changes_the_mark_too() {
    let desired = claims(["service/web/blue foo A 192.0.2.1 set=blue weight=50"]);
    let plan = zone(Policy::Sync).plan("foo", &desired, &records(blue()));
    assert_eq!(plan.writes.len(), 4);
    assert!(
        plan.writes[2..]
            .iter()
            .all(|change| change.set.routing == Routing::Weighted(50))
    );
    zone(Policy::Sync).publish("foo", &desired, &records(blue()));
}

#[test]
fn simple_becomes_weighted_and_back_in_one_batch() {
    let simple = records(marked("foo A 192.0.2.1", US, "service/web/blue"));
    let weighted = claims([
        "service/web/blue foo A 192.0.2.1 set=blue weight=5",
        "service/web/green foo A 192.0.2.2 set=green weight=6",
    ]);
    let lines = zone(Policy::Sync).publish("foo", &weighted, &simple);
    assert_eq!(lines.len(), 4, "{lines:?}");
    let two = records(
        blue()
            .into_iter()
            .chain(marked("foo A 192.0.2.2 set=green weight=6", US, "service/web/green")),
    );
    let plain = claims(["service/web/blue foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::UpsertOnly).publish("foo", &plain, &two),
        ["_owner.a.foo mark service/web/blue", "foo A 192.0.2.1"]
    );
}

#[test]
fn a_foreign_set_of_the_name_is_never_changed() {
    let here = records(blue().into_iter().chain([set("foo A 198.51.100.1 set=green weight=6")]));
    let plain = claims(["service/web/blue foo A 192.0.2.1"]);
    assert_eq!(
        zone(Policy::Sync).lines("foo", &plain, &here),
        ["service/web/blue A foreign -"]
    );
}

#[test]
fn a_routing_policy_that_is_not_managed_is_never_changed() {
    let latency = marked("foo A 192.0.2.1 set=eu unmanaged", US, "service/web/eu");
    let here = records(latency);
    assert!(zone(Policy::Sync).lines("foo", &[], &here).is_empty());
    for claim in [
        "service/web/eu foo A 192.0.2.9",
        "service/web/eu foo A 192.0.2.9 set=eu weight=3",
        "service/web/eu foo CNAME x.example.net",
    ] {
        let plan = zone(Policy::Sync).plan("foo", &claims([claim]), &here);
        assert!(plan.writes.is_empty() && plan.deletes.is_empty(), "{claim}: {plan:?}");
        assert!(
            matches!(plan.verdicts[0].2, RecordVerdict::Failed("RoutingNotManaged", _)),
            "{claim}"
        );
    }
    let checked = records(marked("foo A 192.0.2.1 unmanaged", US, "service/web/eu"));
    let desired = claims(["service/web/eu foo A 192.0.2.9"]);
    assert!(zone(Policy::Sync).plan("foo", &desired, &checked).writes.is_empty());
}

#[test]
fn a_weighted_set_that_is_held_leaves_room_for_another() {
    let here = records(marked("foo A 192.0.2.1 set=blue weight=5", US, "service/a/x"));
    let desired = claims([
        "service/a/x foo held set=blue",
        "service/b/y foo A 192.0.2.2 set=green weight=5",
    ]);
    assert_eq!(
        zone(Policy::Sync).publish("foo", &desired, &here),
        [
            "_owner.a.foo [blue] mark service/a/x",
            "_owner.a.foo [green] mark service/b/y",
            "foo A [blue] 192.0.2.1",
            "foo A [green] 192.0.2.2"
        ]
    );
}
