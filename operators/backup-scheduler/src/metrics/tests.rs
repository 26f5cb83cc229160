use serde_json::{Value, json};

use super::*;

fn repository(conditions: &Value) -> Arc<BackupRepository> {
    let spec = json!({
        "s3": {"endpoint": "https://s3.example.org", "bucket": "home", "secretRef": {"name": "s3"}},
        "passphraseSecretRef": {"name": "p"}, "initialize": "WhenEmpty",
    });
    let meta = json!({"name": "b2", "uid": "r"});
    object(json!({"metadata": meta, "spec": spec, "status": {"conditions": conditions}}))
}

fn object<K: serde::de::DeserializeOwned>(mut value: Value) -> Arc<K> {
    value["apiVersion"] = "backup.hearth.home.arpa/v1alpha1".into();
    value["kind"] = "x".into();
    Arc::new(serde_json::from_value(value).unwrap())
}

fn condition(type_: &str, status: &str) -> Value {
    json!({"type": type_, "status": status, "reason": "R", "message": "", "lastTransitionTime": at(0)})
}

fn at(second: i64) -> String {
    Timestamp::from_second(second).unwrap().to_string()
}

fn backup(uid: &str, ended: Option<i64>, items: &Value) -> Arc<BackupRun> {
    let status = json!({"completionTime": ended.map(at), "volumes": items});
    let meta = json!({"name": uid, "namespace": "media", "uid": uid});
    object(json!({"metadata": meta, "spec": {"repository": "b2"}, "status": status}))
}

fn restore(uid: &str, ended: Option<i64>, items: &Value) -> Arc<RestoreRun> {
    let status = json!({"completionTime": ended.map(at), "volumes": items});
    let meta = json!({"name": uid, "namespace": "media", "uid": uid});
    object(json!({"metadata": meta, "spec": {"from": {"repository": "b2"}}, "status": status}))
}

fn item(state: &str, began: i64, bytes: i64) -> Value {
    json!({"claim": "data", "state": state, "startTime": at(began), "completionTime": at(began + 10), "bytes": bytes})
}

struct Shown(Registry, Metrics);

impl Shown {
    fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        Self(registry, metrics)
    }

    fn backups(&self, backups: &[Arc<BackupRun>]) {
        self.1.show(&[], backups, &[], Timestamp::UNIX_EPOCH);
    }

    /// The series of a metric, sorted.
    fn series(&self, name: &str) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0).unwrap();
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with(name))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    }
}

#[test]
fn a_condition_that_nobody_knows_has_no_series() {
    let shown = Shown::new();
    let list = json!([
        condition("Ready", "True"),
        condition("Reachable", "Unknown"),
        condition("KeyEscrowed", "False")
    ]);
    shown.1.show(&[repository(&list)], &[], &[], Timestamp::UNIX_EPOCH);
    let expected = [
        "hearth_backup_repository_condition{repository=\"b2\",type=\"KeyEscrowed\"} 0",
        "hearth_backup_repository_condition{repository=\"b2\",type=\"Ready\"} 1",
    ];
    assert_eq!(shown.series("hearth_backup_repository_condition{"), expected);
    shown.1.show(&[], &[], &[], Timestamp::UNIX_EPOCH);
    assert!(shown.series("hearth_backup_repository_condition{").is_empty());
}

#[test]
fn a_failed_backup_does_not_hide_the_good_one_before_it() {
    let shown = Shown::new();
    let good = backup("one", Some(110), &json!([item("Completed", 100, 7)]));
    let failed = backup("two", Some(210), &json!([item("Failed", 200, 0)]));
    shown.backups(&[failed, Arc::clone(&good)]);
    let labels = "{repository=\"b2\",object_namespace=\"media\",claim=\"data\"";
    let last = format!("hearth_backup_claim_last_success_timestamp_seconds{labels}}} 100.0");
    assert_eq!(shown.series("hearth_backup_claim_last_success"), [last]);
    assert_eq!(
        shown.series("hearth_backup_claim_size_bytes{"),
        [format!("hearth_backup_claim_size_bytes{labels}}} 7")]
    );
    let not_good = format!("hearth_backup_claim_not_good{labels},state=\"Failed\"}} 1");
    assert_eq!(shown.series("hearth_backup_claim_not_good{"), [not_good]);
    // The run that failed was deleted.
    shown.backups(&[good]);
    assert!(shown.series("hearth_backup_claim_not_good{").is_empty());
}

#[test]
fn a_good_backup_ends_what_a_failed_one_has_said() {
    let shown = Shown::new();
    let failed = backup("one", Some(110), &json!([item("Skipped", 100, 0)]));
    let good = backup("two", Some(210), &json!([item("Completed", 200, 7)]));
    shown.backups(&[Arc::clone(&failed)]);
    assert_eq!(shown.series("hearth_backup_claim_not_good{").len(), 1);
    let open = backup("three", None, &json!([item("Running", 300, 0)]));
    shown.backups(&[good, failed, open]);
    assert!(shown.series("hearth_backup_claim_not_good{").is_empty());
    assert_eq!(
        shown.series("hearth_backup_runs{kind=\"backup\",state=\"open\"}"),
        ["hearth_backup_runs{kind=\"backup\",state=\"open\"} 1"]
    );
}

#[test]
fn each_end_of_a_run_is_counted_once() {
    let shown = Shown::new();
    let all = "hearth_backup_runs_ended_total{";
    assert_eq!(shown.series(all).len(), 6, "they begin at 0");
    let count = |kind: &str, result: &str| {
        let name = format!("{all}kind=\"{kind}\",result=\"{result}\"}} ");
        shown.series(&name)[0][name.len()..].to_owned()
    };
    let runs = [
        backup("before", Some(5), &json!([item("Completed", 0, 0)])),
        backup("good", Some(110), &json!([item("Completed", 100, 0)])),
        backup(
            "some",
            Some(110),
            &json!([item("Completed", 100, 0), item("Skipped", 100, 0)]),
        ),
        backup("nothing", Some(110), &json!([])),
    ];
    let partial = |ended| [restore("back", Some(ended), &json!([item("Partial", 100, 0)]))];
    let since = Timestamp::from_second(10).unwrap();
    for _ in 0..2 {
        shown.1.show(&[], &runs, &partial(110), since);
    }
    for result in RESULTS {
        assert_eq!(count("backup", result), "1", "{result}");
    }
    assert_eq!(count("restore", "incomplete"), "1");
    shown.1.show(&[], &runs, &partial(300), since);
    assert_eq!(count("restore", "incomplete"), "2", "it ran once more");
}

#[test]
fn a_replica_that_leads_no_more_shows_no_objects() {
    let shown = Shown::new();
    let runs = [backup(
        "one",
        Some(110),
        &json!([item("Completed", 100, 7), item("Failed", 200, 0)]),
    )];
    shown.1.show(
        &[repository(&json!([condition("Ready", "True")]))],
        &runs,
        &[],
        Timestamp::UNIX_EPOCH,
    );
    assert!(shown.series("hearth_backup_").len() > 6);
    shown.1.clear();
    assert_eq!(shown.series("hearth_backup_").len(), 6, "the counters stay");
}

fn schedule(spec: &Value, status: &Value) -> Arc<BackupSchedule> {
    let mut whole = json!({"repository": "b2", "cron": "0 3 * * *", "keep": {"daily": 7}});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let meta = json!({"name": "nightly", "namespace": "media", "uid": "s1", "creationTimestamp": at(40)});
    object(json!({"metadata": meta, "spec": whole, "status": status}))
}

#[test]
fn a_schedule_shows_its_last_good_slot_its_promise_and_missed_slots_and_goes_when_deleted() {
    let shown = Shown::new();
    let labels = r#"repository="b2",object_namespace="media",schedule="nightly""#;
    let one = schedule(&json!({}), &json!({"lastGood": at(100), "missed": 8}));
    for _ in 0..2 {
        shown.1.schedules.show(&[Arc::clone(&one)], Timestamp::UNIX_EPOCH);
    }
    let series = shown.series("hearth_backup_schedule_");
    let expected = [
        format!("hearth_backup_schedule_created_timestamp_seconds{{{labels}}} 40.0"),
        format!("hearth_backup_schedule_last_success_timestamp_seconds{{{labels}}} 100.0"),
        format!("hearth_backup_schedule_missed_slots_total{{{labels}}} 8"),
        format!("hearth_backup_schedule_rpo_seconds{{{labels}}} 172800"),
    ];
    assert_eq!(series, expected);
    let suspended = schedule(&json!({"suspend": true}), &json!({}));
    shown.1.schedules.show(&[suspended], Timestamp::UNIX_EPOCH);
    assert_eq!(
        shown.series("hearth_backup_schedule_"),
        [
            format!("hearth_backup_schedule_created_timestamp_seconds{{{labels}}} 40.0"),
            format!("hearth_backup_schedule_missed_slots_total{{{labels}}} 0")
        ]
    );
    shown.1.clear();
    assert!(shown.series("hearth_backup_schedule_").is_empty());
}

#[test]
fn a_backup_that_waited_for_a_node_in_vain_is_not_shown_as_a_failure() {
    let shown = Shown::new();
    let mut skipped = item("Skipped", 200, 0);
    skipped["reason"] = json!("NodeOff");
    shown.backups(&[backup("one", Some(210), &json!([skipped.clone()]))]);
    assert!(shown.series("hearth_backup_claim_not_good").is_empty());
    skipped["reason"] = json!("BlockDevice");
    shown.backups(&[backup("one", Some(210), &json!([skipped]))]);
    assert_eq!(shown.series("hearth_backup_claim_not_good").len(), 1);
}

#[test]
fn checks_prunes_sizes_and_coverage_are_shown_as_the_status_of_a_repository_has_them() {
    let shown = Shown::new();
    let status = json!({
        "namespaces": {"media": at(100), "photos": at(100)},
        "maintenance": {"media": {"checked": at(300), "pruned": at(200), "bytes": 7}},
        "coverage": {"protected": 3, "excluded": 1, "unprotected": 2},
    });
    let one = |spec: Value| {
        let mut whole = (*repository(&json!([]))).clone();
        let mut spec_whole = serde_json::to_value(&whole.spec).unwrap();
        for (key, value) in spec.as_object().unwrap() {
            spec_whole[key] = value.clone();
        }
        whole.spec = serde_json::from_value(spec_whole).unwrap();
        whole.status = serde_json::from_value(status.clone()).unwrap();
        Arc::new(whole)
    };
    shown.1.show(&[one(json!({}))], &[], &[], Timestamp::UNIX_EPOCH);
    let place = |namespace: &str| format!("repository=\"b2\",object_namespace=\"{namespace}\"");
    let mut expected = vec![
        format!(
            "hearth_backup_repository_checked_timestamp_seconds{{{}}} 300.0",
            place("media")
        ),
        // Not checked yet: since it was made.
        format!(
            "hearth_backup_repository_checked_timestamp_seconds{{{}}} 100.0",
            place("photos")
        ),
        format!(
            "hearth_backup_repository_pruned_timestamp_seconds{{{}}} 200.0",
            place("media")
        ),
        format!(
            "hearth_backup_repository_pruned_timestamp_seconds{{{}}} 100.0",
            place("photos")
        ),
        format!("hearth_backup_repository_size_bytes{{{}}} 7", place("media")),
    ];
    expected.sort();
    let mut series = shown.series("hearth_backup_repository_");
    series.sort();
    assert_eq!(series, expected);
    let claims = |state: &str, count| format!("hearth_backup_claims{{repository=\"b2\",state=\"{state}\"}} {count}");
    let mut series = shown.series("hearth_backup_claims");
    series.sort();
    assert_eq!(
        series,
        [claims("excluded", 1), claims("protected", 3), claims("unprotected", 2)]
    );
    // Where nothing is checked or pruned, nothing can be too old.
    let none = json!({"check": {"suspend": true}, "appendOnly": true});
    shown.1.show(&[one(none)], &[], &[], Timestamp::UNIX_EPOCH);
    assert_eq!(shown.series("hearth_backup_repository_").len(), 1);
}
