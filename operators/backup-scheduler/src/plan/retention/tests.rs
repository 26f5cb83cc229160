use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn snapshot(claim: &str, time: &str) -> Snapshot {
    Snapshot {
        id: format!("{claim}@{time}"),
        run_uid: time.to_owned(),
        claim: claim.to_owned(),
        time: at(time),
        good: true,
        lost: false,
        pinned: false,
    }
}

/// One at three o'clock of each of the last days of November, the newest first.
fn daily(days: i64) -> Vec<Snapshot> {
    let newest = at("2026-11-30T03:00:00Z");
    let day = |days: i64| newest.checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    (0..days).map(|days| snapshot("data", &day(days).to_string())).collect()
}

fn keep(rule: impl FnOnce(&mut Keep)) -> Keep {
    let mut keep = Keep {
        last: Some(0),
        ..Keep::default()
    };
    rule(&mut keep);
    keep
}

fn decided(keep: &Keep, zone: &str, snapshots: &[Snapshot], consent: Option<&str>) -> Decision {
    decide(&Observed {
        keep,
        zone: &TimeZone::get(zone).unwrap(),
        snapshots,
        newest: Some(&["data".to_owned()].into()),
        consent,
    })
}

/// The days of those that stay, the newest first, with consent to anything.
fn stays(keep: &Keep, zone: &str, snapshots: &[Snapshot]) -> Vec<String> {
    let gone = match decided(keep, zone, snapshots, None) {
        Decision::NeedsConsent(_, token) => decided(keep, zone, snapshots, Some(&token)),
        other => other,
    };
    let gone: BTreeSet<String> = match gone {
        Decision::Forget(gone) => gone.into_iter().map(|snapshot| snapshot.id).collect(),
        _ => BTreeSet::new(),
    };
    let stays = snapshots.iter().filter(|snapshot| !gone.contains(&snapshot.id));
    stays
        .map(|snapshot| snapshot.time.to_string()[..10].to_owned())
        .collect()
}

#[test]
fn each_rule_keeps_the_newest_of_its_time() {
    let last = keep(|keep| keep.last = Some(2));
    assert_eq!(stays(&last, "UTC", &daily(6)), ["2026-11-30", "2026-11-29"]);
    let weekly = keep(|keep| keep.weekly = Some(3));
    // The 30th is a Monday.
    assert_eq!(
        stays(&weekly, "UTC", &daily(40)),
        ["2026-11-30", "2026-11-29", "2026-11-22"]
    );
    let monthly = keep(|keep| keep.monthly = Some(2));
    assert_eq!(stays(&monthly, "UTC", &daily(40)), ["2026-11-30", "2026-10-31"]);
    let within = keep(|keep| keep.within = Some("2d".to_owned()));
    assert_eq!(
        stays(&within, "UTC", &daily(6)),
        ["2026-11-30", "2026-11-29", "2026-11-28"]
    );
}

#[test]
fn the_oldest_stays_while_a_rule_asks_for_more() {
    let yearly = keep(|keep| keep.yearly = Some(5));
    assert_eq!(stays(&yearly, "UTC", &daily(9)), ["2026-11-30", "2026-11-22"]);
}

#[test]
fn of_two_snapshots_in_one_day_of_the_zone_the_newer_is_kept() {
    let two = [
        snapshot("data", "2026-11-30T22:30:00Z"),
        snapshot("data", "2026-11-30T23:30:00Z"),
        snapshot("data", "2026-11-29T12:00:00Z"),
        snapshot("data", "2026-11-28T12:00:00Z"),
    ];
    let rules = keep(|keep| keep.daily = Some(2));
    let gone = |zone| match decided(&rules, zone, &two, None) {
        Decision::Forget(gone) => gone.into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let older = [two[2].id.clone(), two[3].id.clone()];
    assert_eq!(gone("UTC"), ["data@2026-11-30T22:30:00Z".to_owned(), older[1].clone()]);
    // There it is half past eleven, and half past twelve of the next day.
    assert_eq!(gone("Europe/Berlin"), older);
}

#[test]
fn three_stay_if_the_rules_do_not_say_how_many() {
    let rules = Keep {
        yearly: Some(1),
        ..Keep::default()
    };
    assert_eq!(stays(&rules, "UTC", &daily(6)).len(), 3);
}

#[test]
fn nothing_is_forgotten_after_a_run_that_was_not_good() {
    let rules = keep(|keep| keep.daily = Some(1));
    let decision = decide(&Observed {
        keep: &rules,
        zone: &TimeZone::UTC,
        snapshots: &daily(3),
        newest: None,
        consent: Some("2-000000"),
    });
    assert_eq!(decision, Decision::Nothing);
}

#[test]
fn a_bad_snapshot_never_displaces_a_good_one() {
    let mut snapshots = daily(8);
    for bad in &mut snapshots[..4] {
        bad.good = false;
    }
    let rules = keep(|keep| keep.last = Some(2));
    // Two good ones, and two of the bad ones.
    assert_eq!(
        stays(&rules, "UTC", &snapshots),
        ["2026-11-30", "2026-11-29", "2026-11-26", "2026-11-25"]
    );
}

#[test]
fn a_claim_that_is_backed_up_no_more_keeps_what_it_has() {
    let mut snapshots = daily(4);
    snapshots.extend(["2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"].map(|time| snapshot("renamed", time)));
    let rules = keep(|keep| keep.last = Some(1));
    assert_eq!(
        stays(&rules, "UTC", &snapshots),
        ["2026-11-30", "2026-01-01", "2026-01-02"]
    );
}

#[test]
fn a_pinned_snapshot_stays() {
    let mut snapshots = daily(5);
    snapshots[4].pinned = true;
    let rules = keep(|keep| keep.last = Some(2));
    assert_eq!(
        stays(&rules, "UTC", &snapshots),
        ["2026-11-30", "2026-11-29", "2026-11-26"]
    );
}

#[test]
fn many_at_once_need_the_consent_to_just_these() {
    let rules = keep(|keep| keep.daily = Some(30));
    let many = daily(41);
    let Decision::NeedsConsent(11, token) = decided(&rules, "UTC", &many, None) else {
        panic!("no consent was needed")
    };
    assert!(token.starts_with("11-"), "{token}");
    for other in ["11", "11-", "10-000000"] {
        assert_eq!(
            decided(&rules, "UTC", &many, Some(other)),
            Decision::NeedsConsent(11, token.clone())
        );
    }
    assert!(matches!(decided(&rules, "UTC", &many, Some(&token)), Decision::Forget(gone) if gone.len() == 11));
    // The same number of others.
    let others: Vec<Snapshot> = many
        .iter()
        .cloned()
        .map(|mut snapshot| {
            snapshot.id.push('x');
            snapshot
        })
        .collect();
    assert!(matches!(
        decided(&rules, "UTC", &others, Some(&token)),
        Decision::NeedsConsent(11, _)
    ));
    assert!(matches!(decided(&rules, "UTC", &daily(40), None), Decision::Forget(gone) if gone.len() == 10));
    // More than half of few.
    let rules = keep(|keep| keep.daily = Some(3));
    assert!(matches!(
        decided(&rules, "UTC", &daily(7), None),
        Decision::NeedsConsent(4, _)
    ));
    assert!(matches!(decided(&rules, "UTC", &daily(6), None), Decision::Forget(gone) if gone.len() == 3));
}

#[test]
fn what_is_kept_once_is_not_forgotten_at_the_same_time() {
    // Applied again to what stays, the rules forget nothing more.
    let rules = keep(|keep| (keep.daily, keep.weekly, keep.monthly) = (Some(7), Some(4), Some(6)));
    let all = daily(300);
    let stays = stays(&rules, "UTC", &all);
    let left: Vec<Snapshot> = all
        .into_iter()
        .filter(|snapshot| stays.contains(&snapshot.time.to_string()[..10].to_owned()))
        .collect();
    assert_eq!(decided(&rules, "UTC", &left, None), Decision::Nothing);
    assert_eq!(left.len(), 7 + 2 + 5);
}

#[test]
fn a_duration_that_cannot_be_read_keeps_everything() {
    let rules = keep(|keep| keep.within = Some("a while".to_owned()));
    assert_eq!(decided(&rules, "UTC", &daily(40), Some("39")), Decision::Nothing);
}

#[test]
fn a_snapshot_that_needs_lost_data_goes_when_three_good_ones_have_followed() {
    let rules = keep(|keep| keep.last = Some(9));
    let mut snapshots = daily(5);
    for lost in &mut snapshots[2..] {
        (lost.good, lost.lost) = (false, true);
    }
    assert_eq!(decided(&rules, "UTC", &snapshots, None), Decision::Nothing);
    snapshots.insert(0, snapshot("data", "2026-12-01T03:00:00Z"));
    assert_eq!(
        stays(&rules, "UTC", &snapshots),
        ["2026-12-01", "2026-11-30", "2026-11-29"]
    );
}
