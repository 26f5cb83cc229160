use serde_json::json;

use super::*;
use crate::task::ObjectResult;

fn task() -> RestoreObjects {
    RestoreObjects {
        namespaces: vec!["home".to_owned()],
        ..RestoreObjects::default()
    }
}

/// A folder with an export of this many objects, by its header, and these files.
fn export_of(objects: u64, owned: u64, format: u64, files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let header =
        json!({"format": format, "summary": {"objects": {"configmaps": objects}, "owned": owned, "terminating": 0}});
    fs::write(folder.path().join(HEADER), header.to_string()).unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "home"}});
        fs::write(path, object.to_string()).unwrap();
    }
    folder
}

fn read_it(folder: &tempfile::TempDir) -> (u64, Plan, Got) {
    let (task, mut got) = (task(), Got::default());
    let mut planner = Planner::new(&task);
    let files = read(folder.path(), Path::new("home"), Some("home"), &mut planner, &mut got).unwrap();
    (files, planner.finish(), got)
}

#[test]
fn the_files_of_an_export_are_planned_and_those_that_controllers_make_again_are_not() {
    let folder = export_of(
        3,
        1,
        1,
        &["configmaps/a.json", "configmaps/b.json", "owned/configmaps/c.json"],
    );
    let (files, plan, got) = read_it(&folder);
    assert_eq!((files, got.problems.len()), (2, 0));
    let files: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.file.to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, ["home/configmaps/a.json", "home/configmaps/b.json"]);
}

/// Case 84.
#[test]
fn a_backup_that_lacks_objects_or_its_header_or_is_of_a_newer_version_is_told() {
    let (_, plan, got) = read_it(&export_of(2, 0, 1, &["configmaps/a.json"]));
    assert_eq!(
        (plan.steps.len(), got.problems[0].message.as_str()),
        (1, "the backup has 1 objects of 2")
    );
    let folder = export_of(1, 0, 1, &["configmaps/a.json"]);
    fs::remove_file(folder.path().join(HEADER)).unwrap();
    let (_, plan, got) = read_it(&folder);
    assert_eq!(
        (plan.steps.len(), got.problems[0].path.as_str()),
        (1, "home/export.json")
    );
    let (files, plan, got) = read_it(&export_of(1, 0, 2, &["configmaps/a.json"]));
    assert_eq!((files, plan.steps.len()), (0, 0));
    assert!(got.problems[0].message.contains("newer version"));
}

fn result(object: &str, result: &str) -> ObjectResult {
    ObjectResult {
        object: object.to_owned(),
        result: result.to_owned(),
        message: Some("no".to_owned()),
    }
}

#[test]
fn what_is_skipped_on_purpose_is_complete_and_what_is_lost_is_not() {
    let objects = |created: u64, failed: u64, reason: &str| ObjectsReport {
        created,
        failed,
        skipped: [(reason.to_owned(), 2)].into(),
        objects: vec![result("home/configmaps/a", "Failed")],
        ..ObjectsReport::default()
    };
    let verdict = |objects: ObjectsReport| {
        let report = judge(&task(), Ok(objects), Got::default());
        (report.verdict, report.reason, report.message)
    };
    for reason in ["Flux", "Exists", "Finished", "Volume"] {
        assert_eq!(verdict(objects(0, 0, reason)).0, Verdict::Completed, "{reason}");
    }
    let (verdict_, reason, message) = verdict(objects(1, 1, "NotServed"));
    assert_eq!((verdict_, reason), (Verdict::Partial, Reason::NotRestored));
    assert!(
        message.starts_with("1 objects could not be restored, first home/configmaps/a: no; the kinds of 2 objects"),
        "{message}"
    );
    assert_eq!(verdict(objects(1, 0, "VolumeNotRestored")).0, Verdict::Partial);
    assert_eq!(verdict(objects(0, 1, "Flux")).0, Verdict::Failed);
    let mut got = Got {
        damaged: true,
        ..Got::default()
    };
    got.problem("/configmaps/a.json", "damaged");
    let report = judge(&task(), Ok(objects(5, 0, "Flux")), got);
    assert_eq!(
        (report.verdict, report.reason, report.problem_count),
        (Verdict::Partial, Reason::DataDamaged, 1)
    );
}

#[test]
fn a_restore_that_writes_nothing_says_why_and_what_to_do() {
    let objects = ObjectsReport {
        skipped: [("Exists".to_owned(), 4)].into(),
        objects: vec![result("home/secrets/s", "Flux"), result("home/configmaps/a", "Exists")],
        ..ObjectsReport::default()
    };
    let report = judge(&task(), Err(Stop::Exists(objects)), Got::default());
    assert_eq!(
        (report.verdict, report.reason, report.retry),
        (Verdict::Failed, Reason::Exists, false)
    );
    assert!(
        report
            .message
            .starts_with("4 objects are there and differ from the backup, first home/configmaps/a"),
        "{}",
        report.message
    );
    let report = judge(
        &task(),
        Err(Stop::ClassMissing(vec!["fast".to_owned()])),
        Got::default(),
    );
    assert!(report.reason == Reason::StorageClassMissing && report.message.contains("storageClassMapping"));
    let report = judge(&task(), Err(Stop::Unreachable("no answer".to_owned())), Got::default());
    assert!(report.reason == Reason::Unreachable && report.retry);
}

#[test]
fn a_tenant_never_gets_another_namespace_and_a_name_is_never_a_path() {
    let wide = [
        json!({"cluster": true, "namespaces": ["home"]}),
        json!({"namespaces": ["home", "other"]}),
        json!({"namespaces": []}),
        json!({"namespaces": ["home"], "namespaceMapping": {"home": "other"}}),
    ];
    for more in wide {
        let mut task = json!({"host": "attic", "root": "/objects", "folder": "/objects", "mark": "m"});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let task: RestoreObjects = serde_json::from_value(task).unwrap();
        assert_eq!(check(&task), Ok(()));
        assert!(check(&RestoreObjects { tenant: true, ..task }).is_err(), "{more}");
    }
    assert_eq!(check(&RestoreObjects { tenant: true, ..task() }), Ok(()));
    for name in ["..", "a/b", "", ".cluster"] {
        let task = RestoreObjects {
            namespaces: vec![name.to_owned()],
            ..task()
        };
        assert!(check(&task).is_err(), "{name}");
    }
}

#[test]
fn objects_of_no_namespace_come_first() {
    let task = RestoreObjects {
        cluster: true,
        ..task()
    };
    assert_eq!(sources(&task).collect::<Vec<_>>(), [None, Some("home")]);
}

#[test]
fn a_file_whose_data_is_damaged_is_left_out_and_an_outage_is_tried_again() {
    let folder = export_of(2, 0, 1, &["configmaps/a.json", "configmaps/b.json"]);
    let problem = |path: &str, message: &str| Problem {
        path: path.to_owned(),
        message: message.to_owned(),
        pack: None,
    };
    let mut got = Got::default();
    let problems = vec![
        problem("/configmaps/a.json", "lchown /x: operation not permitted"),
        problem("/configmaps/b.json", "ciphertext verification failed"),
    ];
    assert_eq!(set_aside(problems, folder.path(), &mut got), Ok(()));
    assert!(got.damaged && got.problems.len() == 1);
    assert!(folder.path().join("configmaps/a.json").exists() && !folder.path().join("configmaps/b.json").exists());
    for (message, reason) in [
        (
            "Get \"https://s3/x\": dial tcp: connection refused",
            Reason::Unreachable,
        ),
        ("write /x: no space left on device", Reason::TargetFull),
    ] {
        let failed = set_aside(vec![problem("/configmaps/a.json", message)], folder.path(), &mut got);
        assert_eq!(failed.unwrap_err().reason, reason, "{message}");
    }
}
