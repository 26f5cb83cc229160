//! What a DNSRecord says of itself, from what its zones say.
use super::*;
use crate::records::SetKey;
use crate::zone::fake_zone::name;

fn record(spec: &str, zones: &[&str]) -> DNSRecord {
    let mut record = DNSRecord::new("vpn", serde_saphyr::from_str(spec).unwrap());
    record.metadata.generation = Some(3);
    let zone_state = |zone: &&str| RecordZoneStatus {
        zone: (*zone).to_owned(),
        name: String::new(),
        state: "Published".to_owned(),
        message: String::new(),
    };
    record.status = (!zones.is_empty()).then(|| DNSRecordStatus {
        zones: zones.iter().map(zone_state).collect(),
        ..DNSRecordStatus::default()
    });
    record
}

fn plain(zones: &[&str]) -> DNSRecord {
    record("{name: vpn, type: A, targets: [192.0.2.1]}", zones)
}

fn result(zone: &str, verdicts: &[RecordVerdict]) -> ZoneResult {
    let key = SetKey::simple(&name("vpn"), crate::record_data::RecordType::A);
    ZoneResult {
        zone: zone.to_owned(),
        listed: true,
        decided: true,
        names: vec!["vpn.example.org".to_owned()],
        verdicts: verdicts.iter().map(|verdict| (key.clone(), verdict.clone())).collect(),
        defect: None,
    }
}

/// `Ready=True Published`, and the zones' states.
fn told(record: &DNSRecord, results: &[ZoneResult], decided: bool) -> (String, Vec<String>) {
    let status = describe(record, results, decided, None, Timestamp::UNIX_EPOCH);
    assert_eq!(status.observed_generation, 3);
    let mut lines: Vec<String> = status
        .conditions
        .iter()
        .map(|condition| format!("{}={} {}", condition.type_, condition.status, condition.reason))
        .collect();
    lines.sort_unstable();
    (
        lines.join(", "),
        status.zones.iter().map(|zone| zone.state.clone()).collect(),
    )
}

#[test]
fn states_of_zones_make_the_condition() {
    let foreign = RecordVerdict::Foreign(Some("other".into()));
    let refused = RecordVerdict::Failed("Refused", "no".to_owned());
    let held = RecordVerdict::Held(crate::crd::zone::Policy::Observe);
    let cases: [(&[RecordVerdict], &str, &str); 6] = [
        (&[RecordVerdict::Published], "Ready=True Published", "Published"),
        (
            &[RecordVerdict::Pending],
            "Ready=False Accepted, Reconciling=True Accepted",
            "Accepted",
        ),
        (
            &[RecordVerdict::Published, RecordVerdict::Pending],
            "Ready=False Accepted, Reconciling=True Accepted",
            "Accepted",
        ),
        (&[held], "Ready=True Observed", "Observed"),
        (
            &[foreign],
            "Ready=False Conflicted, Stalled=True Conflicted",
            "Conflicted",
        ),
        (
            &[RecordVerdict::Published, refused],
            "Ready=False Refused, Stalled=True Refused",
            "Failed",
        ),
    ];
    for (verdicts, condition, state) in cases {
        let (conditions, states) = told(&plain(&[]), &[result("home", verdicts)], true);
        assert_eq!(
            (conditions.as_str(), states[0].as_str()),
            (condition, state),
            "{verdicts:?}"
        );
    }
}

#[test]
fn the_worst_of_several_zones_counts() {
    let good = result("a", &[RecordVerdict::Published]);
    let mut bad = result("b", &[]);
    bad.defect = Some(("InvalidTarget", "it is no address".to_owned()));
    let (conditions, states) = told(&plain(&[]), &[good, bad], true);
    assert_eq!(conditions, "Ready=False InvalidTarget, Stalled=True InvalidTarget");
    assert_eq!(states, ["Published", "Failed"]);
}

#[test]
fn a_record_that_no_zone_takes_waits_until_all_zones_are_listed() {
    let (conditions, _) = told(&plain(&[]), &[], false);
    assert_eq!(
        conditions,
        "Ready=False WaitingForZone, Reconciling=True WaitingForZone"
    );
    let (conditions, _) = told(&plain(&[]), &[], true);
    assert_eq!(conditions, "Ready=False NoZone, Stalled=True NoZone");
}

#[test]
fn a_suspended_record_is_ready_and_keeps_the_states_of_its_zones() {
    let suspended = record("{name: vpn, type: A, targets: [192.0.2.1], suspend: true}", &["home"]);
    assert_eq!(
        told(&suspended, &[], true),
        ("Ready=True Suspended".to_owned(), vec!["Published".to_owned()])
    );
}

#[test]
fn the_list_request_is_echoed() {
    let mut asked = plain(&[]);
    asked
        .annotations_mut()
        .insert(RECONCILE_AT.to_owned(), "now".to_owned());
    let status = describe(&asked, &[], true, None, Timestamp::UNIX_EPOCH);
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("now"));
}

#[test]
fn an_answer_needs_every_zone_that_may_have_one() {
    let takers = |a: bool, b: bool| vec![("a".to_owned(), a), ("b".to_owned(), b)];
    let says = result("a", &[RecordVerdict::Published]);
    // New: while no zone knows it, each might take it.
    assert!(!decided(&plain(&[]), &[], &takers(true, false)));
    assert!(decided(&plain(&[]), &[], &takers(true, true)));
    // New, and one zone takes it: the others have nothing to do with it.
    assert!(decided(&plain(&[]), std::slice::from_ref(&says), &takers(true, false)));
    // It was in both before: nothing is reported before both are listed.
    assert!(!decided(
        &plain(&["a", "b"]),
        std::slice::from_ref(&says),
        &takers(true, false)
    ));
    assert!(decided(
        &plain(&["a"]),
        std::slice::from_ref(&says),
        &takers(true, false)
    ));
    // A zone that takes it and has not planned it.
    let waits = ZoneResult {
        decided: false,
        ..result("a", &[])
    };
    assert!(!decided(&plain(&[]), &[waits], &takers(true, true)));
}

#[test]
fn a_record_whose_zone_was_removed_waits_for_the_others() {
    let others = [("b".to_owned(), false)];
    assert!(!decided(&plain(&["a"]), &[], &others));
    assert!(decided(&plain(&["a"]), &[], &[("b".to_owned(), true)]));
    // Another one of its zones has answered and has nothing to do with it any more.
    let all = [("a".to_owned(), true), ("b".to_owned(), false)];
    assert!(!decided(&plain(&["a"]), &[], &all));
}

#[test]
fn a_record_that_a_zone_is_too_busy_to_know_is_not_decided() {
    use crate::source::scope::Reach;
    use crate::zone::config::Config;
    use crate::zone::guard::Guard;
    let spec = "{domain: example.org, route53: {}, policy: Sync, sources: {records: {}}, exclude: ['x.*']}";
    let spec = serde_saphyr::from_str(spec).unwrap();
    let config = Config::new("home", &spec, "home", &Arc::new(Reach::default())).unwrap();
    let mut state = ZoneState::new(config, Guard::default());
    let of = |state: &ZoneState, facts: &Facts| {
        of_zone(
            "home",
            true,
            state,
            &facts.object.key,
            facts.object.generation,
            Some(facts),
        )
    };
    let vpn = Facts::of_record(&plain(&[]));
    let found = of(&state, &vpn).unwrap();
    assert!(!found.decided && found.names == ["vpn.example.org"] && found.defect.is_none());
    let excluded = Facts::of_record(&record("{name: x, type: A, targets: [192.0.2.1]}", &[]));
    assert_eq!(of(&state, &excluded), None);
    state.set_object(&vpn.object.key, Some(&vpn), std::time::Duration::ZERO, None);
    assert_eq!(of(&state, &vpn).unwrap().names, ["vpn.example.org"]);
}

#[test]
fn a_record_that_a_nested_zone_has_but_does_not_select_says_which_zone() {
    let status = describe(&plain(&[]), &[], true, Some("it is lab's"), Timestamp::UNIX_EPOCH);
    let ready = hearth_reconciler::conditions::get(&status.conditions, hearth_reconciler::conditions::READY).unwrap();
    assert_eq!(ready.reason, "NoZone");
    assert!(ready.message.contains("it is lab's"), "{}", ready.message);
}
