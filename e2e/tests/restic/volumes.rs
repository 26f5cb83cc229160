//! Volumes that have files, links, or no room.
use std::os::unix::fs::symlink;

use super::*;

/// Mounts a small file system as the target, then runs the mover there. Only the mover sees it; it ends with the mover.
const SMALL: &str = r#"mount -t tmpfs -o "size=$SIZE,mode=777" tmpfs "$HEARTH_TEST_LAB/target" && "$@"; ls -1 "$HEARTH_TEST_LAB/target" > "$HEARTH_TEST_LAB/tmp/names""#;

/// Runs a restore into a file system of this size; the names that are there afterwards.
fn restore_into(lab: &Lab, size: &str, task: Restore) -> (Report, Vec<String>) {
    lab.write_task(&lab.task(Work::Restore(task)));
    let unshare: &[&str] = if is_root() {
        &["unshare", "-m"]
    } else {
        &["unshare", "-r", "-m"]
    };
    let wrapper = [unshare, &["sh", "-c", SMALL, "sh"]].concat();
    let status = lab.mover(&wrapper, None).env("SIZE", size).status().unwrap();
    assert!(status.success());
    let names = fs::read_to_string(lab.path("tmp/names")).unwrap();
    (lab.report(), names.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_volume_that_is_too_small_is_left_empty() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 3_000_000));
    lab.write("b", &random(2, 3_000_000));
    let id = lab.backed_up("one").await;
    let (report, names) = restore_into(&lab, "4m", lab.restore(&id));
    failed(&report, Reason::TargetFull);
    assert!(report.message.contains("6000000 bytes"), "{}", report.message);
    assert!(report.message.contains("4194304 are free"), "{}", report.message);
    assert_eq!(names, Vec::<String>::new());
}

/// A file with a hole is larger than the volume, but its content is not.
#[tokio::test]
async fn a_file_with_a_hole_fits_where_its_content_does() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 1_000_000));
    fs::File::create(lab.path("data/web/hole"))
        .unwrap()
        .set_len(50 << 20)
        .unwrap();
    let id = lab.backed_up("one").await;
    let (report, names) = restore_into(&lab, "4m", lab.restore(&id));
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(names, ["a", "hole"]);
}

/// What the volume has already is replaced or stays, so how much room there is shows only in the end.
#[tokio::test]
async fn a_volume_that_becomes_full_has_no_short_file_under_its_name() {
    let lab = Lab::new().await;
    for number in 0..8_u8 {
        lab.write(&format!("f{number}"), &random(number.into(), 1_000_000));
    }
    // The content is in the repository once, so it seems to fit.
    fs::copy(lab.path("data/web/f0"), lab.path("data/web/g0")).unwrap();
    fs::copy(lab.path("data/web/f1"), lab.path("data/web/g1")).unwrap();
    let id = lab.backed_up("one").await;
    let (report, names) = restore_into(&lab, "9m", lab.restore(&id));
    failed(&report, Reason::TargetFull);
    assert!(report.message.contains("10000000 bytes"), "{}", report.message);
    assert!(report.problem_count >= 1 && !report.problems.is_empty(), "{report:?}");
    for path in paths(&report) {
        assert!(!names.contains(&path[1..].to_owned()), "{path} in {names:?}");
    }
    let complete = names.iter().filter(|name| name.len() == 2).count();
    assert_eq!(u64::try_from(complete).unwrap() + report.problem_count, 10, "{names:?}");
}

#[tokio::test]
async fn a_volume_with_files_is_left_alone_unless_it_may_be_overwritten() {
    let lab = Lab::new().await;
    lab.write("a", b"from the backup");
    let id = lab.backed_up("one").await;
    fs::create_dir(lab.target("lost+found")).unwrap();
    fs::write(lab.target("a"), "newer").unwrap();
    fs::write(lab.target("other"), "stays").unwrap();
    // restic alone overwrites.
    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    failed(&report, Reason::TargetNotEmpty);
    assert!(
        report.message.contains("`volumes.existing: Overwrite`"),
        "{}",
        report.message
    );
    assert_eq!(fs::read_to_string(lab.target("a")).unwrap(), "newer");

    let overwrite = Restore {
        overwrite: true,
        ..lab.restore(&id)
    };
    let report = lab.run(Work::Restore(overwrite)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(fs::read_to_string(lab.target("a")).unwrap(), "from the backup");
    assert_eq!(fs::read_to_string(lab.target("other")).unwrap(), "stays");

    for name in ["a", "other"] {
        fs::remove_file(lab.target(name)).unwrap();
    }
    let report = lab.run(Work::Restore(lab.restore(&id))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn a_link_in_the_volume_leads_nowhere() {
    let lab = Lab::new().await;
    lab.write("a", b"from the backup");
    lab.write("sub/b", b"from the backup");
    let id = lab.backed_up("one").await;
    fs::create_dir(lab.path("outside")).unwrap();
    fs::write(lab.path("outside/a"), "outside").unwrap();
    symlink(lab.path("outside/a"), lab.target("a")).unwrap();
    symlink(lab.path("outside"), lab.target("sub")).unwrap();
    symlink(lab.path("outside/a"), lab.target(".hearth-restore")).unwrap();
    let overwrite = Restore {
        overwrite: true,
        ..lab.restore(&id)
    };
    let report = lab.run(Work::Restore(overwrite.clone())).await;
    failed(&report, Reason::Internal);
    fs::remove_file(lab.target(".hearth-restore")).unwrap();
    let report = lab.run(Work::Restore(overwrite)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert!(lab.target("sub").symlink_metadata().unwrap().is_dir());
    assert_eq!(fs::read_to_string(lab.path("outside/a")).unwrap(), "outside");
    assert_eq!(fs::read_dir(lab.path("outside")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_volume_that_may_not_be_written_is_told_apart() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let id = lab.backed_up("one").await;
    lab.give("repository", NOBODY);
    lab.give("cache", NOBODY);
    let report = lab.run_as(NOBODY, Work::Restore(lab.restore(&id)));
    failed(&report, Reason::TargetNotWritable);
    assert!(report.message.contains("`mover.securityContext`"), "{}", report.message);
}
