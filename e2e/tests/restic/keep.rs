//! The rules of the retention keep what restic's `forget` keeps by the same rules.
use std::collections::BTreeSet;

use hearth_backup_scheduler::crd::Keep;
use hearth_backup_scheduler::plan::retention::{Decision, Observed, Snapshot, decide};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;

/// So many snapshots, and so many sets of rules.
const SNAPSHOTS: usize = 28;
const RULES: usize = 24;

/// Times that are close together and far apart, the newest last.
fn times(random: &mut fastrand::Rng) -> Vec<Timestamp> {
    let mut at: Timestamp = "2025-11-28T21:30:00Z".parse().unwrap();
    let mut times = Vec::new();
    for _ in 0..SNAPSHOTS {
        let steps = [
            random.i64(60..3600),
            random.i64(3600..90_000),
            random.i64(90_000..4_000_000),
        ];
        let step = SignedDuration::from_secs(steps[random.usize(..steps.len())]);
        at = at.checked_add(step).unwrap();
        times.push(at);
    }
    times
}

fn rules(random: &mut fastrand::Rng) -> Keep {
    let mut number = |most: i64| random.bool().then(|| random.i64(0..=most));
    let mut keep = Keep {
        last: number(4),
        hourly: number(6),
        daily: number(8),
        weekly: number(6),
        monthly: number(8),
        yearly: number(3),
        within: None,
    };
    keep.within = random.bool().then(|| format!("{}h", random.u32(1..2000)));
    keep
}

fn arguments(keep: &Keep) -> Vec<String> {
    let number = |name: &str, value: Option<i64>| value.map(|value| format!("--keep-{name}={value}"));
    let numbers = [
        // Ours, where the rules do not say.
        number("last", Some(keep.last.unwrap_or(3))),
        number("hourly", keep.hourly),
        number("daily", keep.daily),
        number("weekly", keep.weekly),
        number("monthly", keep.monthly),
        number("yearly", keep.yearly),
        keep.within.as_ref().map(|within| format!("--keep-within={within}")),
    ];
    numbers.into_iter().flatten().collect()
}

fn forgotten_by_us(keep: &Keep, snapshots: &[Snapshot]) -> BTreeSet<String> {
    let claims = BTreeSet::from(["web".to_owned()]);
    let zone = TimeZone::UTC;
    let observed = |consent| Observed {
        keep,
        zone: &zone,
        snapshots,
        newest: Some(&claims),
        consent,
    };
    let decision = match decide(&observed(None)) {
        Decision::NeedsConsent(_, token) => decide(&observed(Some(&token))),
        other => other,
    };
    match decision {
        Decision::Nothing => BTreeSet::new(),
        Decision::Forget(snapshots) => snapshots.into_iter().map(|snapshot| snapshot.id).collect(),
        other @ Decision::NeedsConsent(..) => panic!("{other:?}"),
    }
}

fn forgotten_by_restic(lab: &Lab, keep: &Keep) -> BTreeSet<String> {
    let rules = arguments(keep);
    let mut call = vec!["forget", "--dry-run", "--json", "--no-lock", "--group-by", "host"];
    call.extend(rules.iter().map(String::as_str));
    let output = lab.restic_ok(&call);
    let line = output.lines().find(|line| line.starts_with('[')).unwrap();
    let groups: Value = serde_json::from_str(line).unwrap();
    let groups = groups.as_array().unwrap();
    assert_eq!(groups.len(), 1, "{output}");
    let remove = groups[0]["remove"].as_array().into_iter().flatten();
    remove
        .map(|snapshot| snapshot["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_same_rules_keep_the_same_snapshots_as_restic() {
    let lab = Lab::new().await;
    lab.write("a", b"a");
    let mut random = fastrand::Rng::with_seed(13);
    let path = lab.text("data/web");
    for time in times(&mut random) {
        let time = time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
        lab.restic_ok(&["backup", "--host", "home", "--force", "--time", &time, &path]);
    }
    let listed: Value = serde_json::from_str(&lab.restic_ok(&["snapshots", "--json"])).unwrap();
    let snapshots: Vec<Snapshot> = listed.as_array().unwrap().iter().map(snapshot).collect();
    assert_eq!(snapshots.len(), SNAPSHOTS);
    let mut removals = 0;
    for _ in 0..RULES {
        let keep = rules(&mut random);
        if arguments(&keep).iter().all(|argument| argument.ends_with("=0")) {
            continue;
        }
        let ours = forgotten_by_us(&keep, &snapshots);
        removals += usize::from(!ours.is_empty());
        assert_eq!(ours, forgotten_by_restic(&lab, &keep), "{keep:?}");
    }
    assert!(removals > RULES / 2, "only {removals} sets of rules forget anything");
}

fn snapshot(listed: &Value) -> Snapshot {
    Snapshot {
        id: listed["id"].as_str().unwrap().to_owned(),
        run_uid: String::new(),
        claim: "web".to_owned(),
        time: listed["time"].as_str().unwrap().parse().unwrap(),
        good: true,
        lost: false,
        pinned: false,
    }
}
