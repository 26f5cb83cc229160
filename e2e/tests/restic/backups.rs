//! A backup counts only if it is proven.
use hearth_backup_scheduler::task::Find;

use super::*;

#[tokio::test]
async fn a_snapshot_has_the_slots_time_the_clusters_name_and_the_marks_of_its_run() {
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let report = lab.run(Work::Backup(lab.backup("one"))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let snapshot = report.snapshot.unwrap();
    assert_eq!((snapshot.files, snapshot.bytes), (1, 1));
    let list: serde_json::Value = serde_json::from_str(&lab.restic_ok(&["snapshots"])).unwrap();
    assert_eq!(list[0]["id"], snapshot.id.as_str());
    assert_eq!(list[0]["time"], "2026-11-29T03:00:00Z");
    assert_eq!(list[0]["hostname"], "home");
    assert_eq!(list[0]["paths"], serde_json::json!([lab.text("data/web")]));
    assert_eq!(
        list[0]["tags"],
        serde_json::json!(["run=backup-scheduler/one", "run-uid=one", "claim=web"])
    );
}

#[tokio::test]
async fn a_snapshot_without_unreadable_files_is_forgotten_unless_partial_ones_are_allowed() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.give("repository", NOBODY);
    lab.write("good", b"1");
    lab.write("secret", b"2");
    fs::set_permissions(lab.path("data/web/secret"), fs::Permissions::from_mode(0o600)).unwrap();

    // restic alone leaves a snapshot.
    let (code, _) = lab.restic_as(NOBODY, &["backup", &lab.text("data/web")]);
    assert_eq!((code, lab.snapshots().len()), (3, 1));

    let report = lab.run_as(NOBODY, Work::Backup(lab.backup("one")));
    failed(&report, Reason::Unreadable);
    assert_eq!((paths(&report), report.problem_count), (vec!["/secret"], 1));
    assert!(report.message.contains("`mover.securityContext`"), "{}", report.message);
    assert_eq!((report.not_good.len(), lab.snapshots().len()), (0, 1));

    let mut task = lab.task(Work::Backup(lab.backup("two")));
    task.repository.append_only = true;
    lab.write_task(&task);
    lab.mover(&[], Some(NOBODY)).status().unwrap();
    failed(&lab.report(), Reason::Unreadable);
    assert_eq!((lab.report().not_good.len(), lab.snapshots().len()), (1, 2));

    let partial = Backup {
        allow_partial: true,
        ..lab.backup("three")
    };
    let report = lab.run_as(NOBODY, Work::Backup(partial));
    assert_eq!((report.verdict, report.reason), (Verdict::Partial, Reason::Unreadable));
    assert_eq!(report.snapshot.unwrap().files, 1);
    assert_eq!((report.not_good.len(), lab.snapshots().len()), (0, 3));
}

/// The fourth case of part 1.
#[tokio::test]
async fn a_root_that_cannot_be_listed_is_no_backup() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let good = lab.backed_up("good").await;
    lab.give("repository", NOBODY);
    chown(lab.path("data/web"), Some(10_000), Some(10_001)).unwrap();
    fs::set_permissions(lab.path("data/web"), fs::Permissions::from_mode(0o2770)).unwrap();

    let report = lab.run_as(NOBODY, Work::Backup(lab.backup("one")));
    failed(&report, Reason::Unreadable);
    for words in ["/ of the volume", "10000:10001 2770", "`mover.securityContext`"] {
        assert!(report.message.contains(words), "{}", report.message);
    }
    assert_eq!(lab.snapshots(), [good]);

    // restic alone stores an empty folder.
    let (code, output) = lab.restic_as(NOBODY, &["backup", &lab.text("data/web")]);
    assert_eq!((code, lab.snapshots().len()), (3, 2), "{output}");
    assert!(output.contains(r#""total_files_processed":0"#), "{output}");
}

#[tokio::test]
async fn a_volume_that_lost_all_files_is_no_backup() {
    let lab = Lab::new().await;
    fs::create_dir(lab.path("data/web/empty")).unwrap();
    // restic alone calls it a success.
    lab.restic_ok(&["backup", &lab.text("data/web")]);
    let emptied = Backup {
        former_files: 3,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(emptied)).await;
    failed(&report, Reason::NoFiles);
    assert_eq!((report.not_good.len(), lab.snapshots().len()), (0, 1));
    let report = lab.run(Work::Backup(lab.backup("two"))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn a_first_upload_over_the_limit_waits_for_consent() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 3 << 20));
    fs::File::create(lab.path("data/web/hole"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    let limited = |limit: u64| Backup {
        first_upload_limit: limit,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(limited(1 << 20))).await;
    failed(&report, Reason::NeedsConsent);
    let bytes = report.upload_bytes.unwrap();
    assert!((3 << 20..4 << 20).contains(&bytes), "{bytes}");
    assert!(report.message.contains("3.0 MiB in 2 files") && report.message.contains("`limits.firstUpload`"));
    assert_eq!((lab.snapshots().len(), lab.packs().len()), (0, 0));
    // A hole is no upload.
    let report = lab.run(Work::Backup(limited(4 << 20))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn the_parent_is_the_one_of_the_task_and_one_that_is_gone_does_no_harm() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 1 << 20));
    let first = lab.backed_up("one").await;
    let child = |run: &str, parent: &str| Backup {
        parent: Some(parent.to_owned()),
        ..lab.backup(run)
    };
    let report = lab.run(Work::Backup(child("two", &first))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert!(report.snapshot.unwrap().added_bytes < 10_000);

    let gone = "d".repeat(64);
    let (code, output) = lab.restic(&["backup", "--parent", &gone, &lab.text("data/web")]);
    assert_eq!(code, 1, "{output}");
    let report = lab.run(Work::Backup(child("three", &gone))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

/// A snapshot of this run that is there already was made by an attempt that ended before it could say how.
#[tokio::test]
async fn a_second_attempt_adopts_what_it_proves_and_replaces_what_it_does_not() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 1 << 20));
    let first = lab.backed_up("one").await;
    let again = Backup {
        first_attempt: false,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(again.clone())).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    // It is the first one, unless something changed meanwhile: the folders above the volume are in the snapshot, too.
    let found = report.snapshot.unwrap();
    assert!(found.id == first || found.added_bytes > 0, "{found:?}");
    assert_eq!(lab.snapshots(), [found.id]);

    lab.write("b", b"new");
    let report = lab.run(Work::Backup(again)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let second = report.snapshot.unwrap();
    assert_eq!((second.files, second.added_bytes < 10_000), (2, true));
    assert_eq!(lab.snapshots(), [second.id]);
}

#[tokio::test]
async fn a_second_attempt_does_not_adopt_a_snapshot_with_gaps() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.give("repository", NOBODY);
    lab.write("good", b"1");
    lab.write("secret", b"2");
    fs::set_permissions(lab.path("data/web/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    // The first attempt was killed between the snapshot and its end.
    let volume = lab.text("data/web");
    let tags = [
        "--time=2026-11-29 03:00:00",
        "--host=home",
        "--tag=run-uid=one",
        "--force",
    ];
    lab.restic_as(NOBODY, &[&["backup", &volume], &tags[..]].concat());
    assert_eq!(lab.snapshots().len(), 1);
    let again = Backup {
        first_attempt: false,
        ..lab.backup("one")
    };
    let report = lab.run_as(NOBODY, Work::Backup(again));
    failed(&report, Reason::Unreadable);
    assert_eq!((report.not_good, lab.snapshots()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn the_message_fits_and_names_the_first_of_many() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.give("repository", NOBODY);
    for number in 0..300 {
        lab.write(&format!("secret-{number}"), b"2");
        let file = lab.path(&format!("data/web/secret-{number}"));
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let report = lab.run_as(NOBODY, Work::Backup(lab.backup("one")));
    failed(&report, Reason::Unreadable);
    assert_eq!(report.problem_count, 300);
    assert!(
        report.problems.len() > 5 && report.message.contains("300 paths"),
        "{report:?}"
    );
    assert!(fs::metadata(lab.path("tmp/report")).unwrap().len() <= 4096);
}

/// The third backup in the second case of part 1: after the damaged pack was taken out of the index, its data is stored anew.
#[tokio::test]
async fn data_that_was_taken_out_of_the_index_is_stored_anew() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 3_000_000));
    let first = lab.backed_up("one").await;
    let pack = lab.packs()[0].clone();
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1_000_000..1_500_000].fill(0);
    fs::write(&pack, bytes).unwrap();
    // It leaves a copy of the pack in its folder.
    let mut repair = lab.restic_command(&["repair", "packs", pack.file_name().unwrap().to_str().unwrap()]);
    let (_, output) = finish(repair.current_dir(lab.path("tmp")).output().unwrap());
    assert!(output.contains("salvag"), "{output}");

    // restic alone stores the file, and calls it unreadable.
    let arguments = ["backup", "--host", "other", "--parent", &first, &lab.text("data/web")];
    let (code, output) = lab.restic(&arguments);
    assert!(code == 3 && output.contains("storing the file again"), "{output}");
    lab.restic_ok(&[
        "forget",
        "--host",
        "other",
        "--keep-last",
        "0",
        "--unsafe-allow-remove-all",
    ]);
    lab.restic_ok(&["prune"]);

    let second = Backup {
        parent: Some(first),
        ..lab.backup("two")
    };
    let report = lab.run(Work::Backup(second)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!((report.not_good, lab.snapshots().len()), (Vec::new(), 2));
    let report = lab.run(Work::Restore(lab.restore(&report.snapshot.unwrap().id))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(fs::read(lab.target("a")).unwrap(), random(1, 3_000_000));
}

#[tokio::test]
async fn what_a_check_of_the_file_system_left_is_no_part_of_a_volume() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.give("repository", NOBODY);
    lab.write("a", b"1");
    lab.write("lost+found/x", b"1");
    lab.write("sub/lost+found/y", b"1");
    fs::set_permissions(lab.path("data/web/lost+found"), fs::Permissions::from_mode(0o700)).unwrap();
    let report = lab.run_as(NOBODY, Work::Backup(lab.backup("one")));
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(report.snapshot.unwrap().files, 2);
}

/// A cluster that lost its records restores the newest snapshot that it finds.
#[tokio::test]
async fn a_snapshot_that_a_killed_mover_left_is_not_found_by_a_restore() {
    if !is_root() {
        return;
    }
    for bucket in [false, true] {
        let lab = if bucket {
            Lab::in_bucket().await
        } else {
            Lab::new().await
        };
        lab.write("a", b"1");
        let good = lab.backed_up("one").await;
        lab.write("secret", b"2");
        fs::set_permissions(lab.path("data/web/secret"), fs::Permissions::from_mode(0o600)).unwrap();
        lab.give("cache", NOBODY);
        if !bucket {
            lab.give("repository", NOBODY);
        }
        // As if it were killed: the snapshot is not removed.
        let two = Backup {
            time: "2026-11-30T04:00:00+01:00".to_owned(),
            ..lab.backup("two")
        };
        let mut task = lab.task(Work::Backup(two.clone()));
        task.repository.append_only = true;
        lab.write_task(&task);
        lab.mover(&[], Some(NOBODY)).status().unwrap();
        failed(&lab.report(), Reason::Unreadable);
        assert_eq!(lab.snapshots().len(), 2);
        let find = || {
            Work::Find(Find {
                host: "home".to_owned(),
                claims: Vec::new(),
                run: None,
                snapshot: None,
                before: None,
                foreign: false,
                path: None,
                root: None,
                not_good: Vec::new(),
                after: None,
            })
        };
        let report = lab.run(find()).await;
        assert_eq!(report.found.len(), 1, "{report:?}");
        assert_eq!(report.found[0].snapshot, good);

        // The next attempt of the same run is good, and is found.
        fs::set_permissions(lab.path("data/web/secret"), fs::Permissions::from_mode(0o644)).unwrap();
        let again = Backup {
            first_attempt: false,
            ..two
        };
        let report = lab.run(Work::Backup(again)).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        let second = report.snapshot.unwrap().id;
        assert_eq!(lab.run(find()).await.found[0].snapshot, second);
    }
}

/// A mark is written in the bad case only.
#[tokio::test]
async fn a_good_backup_makes_no_request_for_marks() {
    let lab = Lab::in_bucket().await;
    lab.write("a", b"1");
    lab.gate().requests();
    lab.backed_up("one").await;
    let requests = lab.gate().requests();
    assert!(
        !requests.is_empty() && !requests.iter().any(|request| request.contains("hearth-")),
        "{requests:?}"
    );
}
