//! A restore never ends well with something missing.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use super::*;

/// A volume with all that a file system has.
fn furnish(lab: &Lab) {
    lab.write("a", &random(1, 3_000_000));
    lab.write("b", &random(2, 3_000_000));
    lab.write("sub/c", &random(3, 3_000_000));
    lab.write("odd [x]*?\\ \"name\n", b"odd");
    lab.write("empty", b"");
    let volume = lab.path("data/web");
    fs::hard_link(volume.join("a"), volume.join("sub/hard")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", volume.join("link")).unwrap();
    fs::File::create(volume.join("hole"))
        .unwrap()
        .set_len(50 << 20)
        .unwrap();
    fs::set_permissions(volume.join("sub"), fs::Permissions::from_mode(0o2750)).unwrap();
    fs::set_permissions(volume.join("b"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();
    let name = OsStr::from_bytes(b"caf\xe9");
    fs::write(volume.join(name), "latin").unwrap();
}

fn same(lab: &Lab, name: &str) -> bool {
    fs::read(lab.path("data/web").join(name)).unwrap() == fs::read(lab.target(name)).unwrap()
}

#[tokio::test]
async fn everything_comes_back() {
    let lab = Lab::new().await;
    furnish(&lab);
    let id = lab.backed_up("one").await;
    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let snapshot = report.snapshot.unwrap();
    assert_eq!((snapshot.files, snapshot.id), (8, id));
    for name in ["a", "b", "sub/c", "sub/hard", "odd [x]*?\\ \"name\n", "empty", "hole"] {
        assert!(same(&lab, name), "{name}");
    }
    assert_eq!(fs::read_link(lab.target("link")).unwrap(), Path::new("/etc/shadow"));
    assert_eq!(
        fs::metadata(lab.target("a")).unwrap().ino(),
        fs::metadata(lab.target("sub/hard")).unwrap().ino()
    );
    assert_eq!(fs::metadata(lab.target("hole")).unwrap().blocks(), 0);
    assert!(!lab.target(".hearth-restore").exists());
}

/// The fifth case of part 1.
#[tokio::test]
async fn the_root_of_the_volume_gets_its_owner_mode_and_time() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let volume = lab.path("data/web");
    chown(&volume, Some(999), Some(999)).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o700)).unwrap();
    let id = lab.backed_up("one").await;

    // restic alone leaves the root as it is.
    fs::create_dir(lab.path("alone")).unwrap();
    fs::set_permissions(lab.path("alone"), fs::Permissions::from_mode(0o777)).unwrap();
    let from = format!("{id}:{}", lab.text("data/web"));
    lab.restic_ok(&["restore", &from, "--target", &lab.text("alone")]);
    let alone = fs::metadata(lab.path("alone")).unwrap();
    assert_eq!((alone.uid(), alone.mode() & 0o7777), (0, 0o777));

    fs::set_permissions(lab.path("target"), fs::Permissions::from_mode(0o777)).unwrap();
    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(report.snapshot.unwrap().root.unwrap(), "999:999 0700");
    let (found, was) = (
        fs::metadata(lab.path("target")).unwrap(),
        fs::metadata(&volume).unwrap(),
    );
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (999, 999, 0o700));
    assert_eq!((found.mtime(), found.mtime_nsec()), (was.mtime(), was.mtime_nsec()));
}

/// The first case of part 1, with a pack that is damaged, and with one that is cut short.
#[tokio::test]
async fn a_file_with_damaged_data_is_set_aside_with_all_its_names_and_the_rest_counts() {
    for cut in [false, true] {
        let lab = Lab::new().await;
        lab.write("small", b"1");
        let small = lab.backed_up("zero").await;
        // More than the longest blob: restic makes no file of which it has nothing.
        lab.write("a", &random(1, 12_000_000));
        fs::hard_link(lab.path("data/web/a"), lab.path("data/web/z")).unwrap();
        let id = lab.backed_up("one").await;
        let pack = lab.packs()[0].clone();
        fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
        let mut bytes = fs::read(&pack).unwrap();
        if cut {
            bytes.truncate(1000);
        } else {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 1000].fill(0);
        }
        fs::write(&pack, bytes).unwrap();

        // restic alone leaves a file of full length, under two names of which it reports one.
        let from = format!("{id}:{}", lab.text("data/web"));
        let (code, output) = lab.restic(&["restore", &from, "--target", &lab.text("alone")]);
        assert_eq!(code, 1, "{output}");
        assert!(output.contains(r#""item":"/a""#), "{output}");
        if !cut {
            assert!(!output.contains(r#""item":"/z""#), "{output}");
            assert_eq!(fs::metadata(lab.path("alone/z")).unwrap().len(), 12_000_000);
            assert_ne!(
                fs::read(lab.path("alone/z")).unwrap(),
                fs::read(lab.path("data/web/z")).unwrap()
            );
        }

        let report = lab.run(Work::Restore(lab.restore(&id))).await;
        assert_eq!(
            (report.verdict, report.reason),
            (Verdict::Partial, Reason::DataDamaged),
            "{report:?}"
        );
        assert_eq!(paths(&report)[0], "/a");
        let name = pack.file_name().unwrap().to_str().unwrap();
        assert_eq!(report.problems[0].pack.as_deref(), Some(name));
        assert!(same(&lab, "small"));
        assert!(!lab.target("a").exists() && !lab.target("z").exists());
        assert_eq!(report.problem_count, 2, "{report:?}");

        let report = lab
            .run(Work::Restore(Restore {
                overwrite: true,
                ..lab.restore(&small)
            }))
            .await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    }
}

/// The second case of part 1, as far as a mover meets it: restic trusts its index. A check that reads the data finds it.
#[tokio::test]
async fn a_backup_of_unchanged_data_rests_on_a_damaged_pack_and_its_restore_says_so() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 3_000_000));
    lab.write("b", b"1");
    lab.backed_up("one").await;
    let pack = lab.packs()[0].clone();
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[1_000_000..1_500_000].fill(0);
    fs::write(&pack, bytes).unwrap();
    // Even a full read adds nothing: the content is in the index.
    let report = lab.run(Work::Backup(lab.backup("two"))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let snapshot = report.snapshot.unwrap();
    assert!(snapshot.added_bytes < 10_000);
    let (code, output) = lab.restic(&["check", "--read-data"]);
    assert!(
        code == 1 && output.contains(pack.file_name().unwrap().to_str().unwrap()),
        "{output}"
    );
    let report = lab.run(Work::Restore(lab.restore(&snapshot.id))).await;
    assert_eq!((report.verdict, report.reason), (Verdict::Partial, Reason::DataDamaged));
    assert_eq!(paths(&report), ["/a"]);
}

/// After `repair packs` the index has no entry for the damaged data.
#[tokio::test]
async fn a_file_whose_data_is_not_in_the_index_does_not_hold_up_the_others() {
    let lab = Lab::new().await;
    lab.write("odd [x]*?\\ \"name\n", &random(1, 3_000_000));
    lab.write("small", b"1");
    let id = lab.backed_up("one").await;
    lab.write("later", &random(2, 100_000));
    lab.backed_up("two").await;
    let pack = lab.packs()[0].clone();
    fs::remove_file(&pack).unwrap();
    lab.restic_ok(&["repair", "index"]);
    lab.restic_ok(&["backup", &lab.text("data/web/small")]);

    // restic alone restores nothing.
    let from = format!("{id}:{}", lab.text("data/web"));
    let (code, output) = lab.restic(&["restore", &from, "--target", &lab.text("alone")]);
    assert!(code == 1 && output.contains("Unknown blob"), "{output}");
    assert_eq!(fs::read_dir(lab.path("alone")).unwrap().count(), 0);

    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    assert_eq!(
        (report.verdict, report.reason),
        (Verdict::Partial, Reason::DataDamaged),
        "{report:?}"
    );
    assert_eq!(paths(&report), ["/odd [x]*?\\ \"name\n"]);
    assert!(same(&lab, "small"));
    assert_eq!(fs::read_dir(lab.path("target")).unwrap().count(), 1);
    assert_eq!(lab.snapshots().len(), 3);
}

#[tokio::test]
async fn owners_that_cannot_be_restored_are_reported() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    for name in ["a", "sub/b"] {
        lab.write(name, b"1");
        chown(lab.path("data/web").join(name), Some(999), Some(999)).unwrap();
    }
    let id = lab.backed_up("one").await;
    lab.give("repository", NOBODY);
    lab.give("cache", NOBODY);
    lab.give("target", NOBODY);

    // restic alone calls it a success when it is not root.
    fs::create_dir(lab.path("alone")).unwrap();
    lab.give("alone", NOBODY);
    let from = format!("{id}:{}", lab.text("data/web"));
    let (code, output) = lab.restic_as(NOBODY, &["restore", &from, "--target", &lab.text("alone")]);
    assert_eq!(code, 0, "{output}");
    assert_eq!(fs::metadata(lab.path("alone/a")).unwrap().uid(), NOBODY);

    let report = lab.run_as(NOBODY, Work::Restore(lab.restore(&id)));
    assert_eq!(
        (report.verdict, report.reason),
        (Verdict::Partial, Reason::Differs),
        "{report:?}"
    );
    // The folder `sub` and the root belong to root.
    assert_eq!(report.problem_count, 4, "{report:?}");
    assert!(report.message.contains("3 with another owner"), "{}", report.message);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message == "it has 65534:65534 0644, not 999:999 0644")
    );
}

#[tokio::test]
async fn devices_and_setuid_are_restored_only_if_asked() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.write("program", b"1");
    lab.write("group", b"1");
    lab.write("d [1]/x", b"1");
    let volume = lab.path("data/web");
    fs::set_permissions(volume.join("program"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(volume.join("group"), fs::Permissions::from_mode(0o2755)).unwrap();
    fs::set_permissions(volume.join("d [1]"), fs::Permissions::from_mode(0o2775)).unwrap();
    let created = Command::new("mknod")
        .arg(volume.join("d [1]/null"))
        .args(["c", "1", "3"])
        .status()
        .unwrap();
    assert!(created.success());
    let id = lab.backed_up("one").await;

    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let mode = |name: &str| fs::metadata(lab.target(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("program"), mode("group"), mode("d [1]")), (0o755, 0o755, 0o2775));
    assert!(!lab.target("d [1]/null").exists());

    let asked = Restore {
        overwrite: true,
        devices: true,
        setuid: true,
        ..lab.restore(&id)
    };
    let report = lab.run(Work::Restore(asked)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!((mode("program"), mode("group")), (0o4755, 0o2755));
    assert!(lab.target("d [1]/null").exists());
}

#[tokio::test]
async fn a_snapshot_or_a_path_that_is_not_there_is_no_empty_success() {
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let id = lab.backed_up("one").await;
    // restic alone lists nothing, and succeeds.
    let list = lab.restic_ok(&["ls", &id, "/data/other", "--recursive"]);
    assert!(!list.contains(r#""message_type":"node""#), "{list}");
    let cases = [
        lab.restore(&"d".repeat(64)),
        Restore {
            path: "/data/other".to_owned(),
            ..lab.restore(&id)
        },
        Restore {
            path: lab.text("data/web/a"),
            ..lab.restore(&id)
        },
        lab.restore("latest"),
    ];
    for task in cases {
        let report = lab.run(Work::Restore(task)).await;
        failed(&report, Reason::SnapshotMissing);
    }
    assert_eq!(fs::read_dir(lab.path("target")).unwrap().count(), 0);
}
