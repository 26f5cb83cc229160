//! Movers and restics that are killed or told to end: the next attempt is good.
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use hearth_backup_scheduler::task::Prune;

use super::*;

fn process(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}

/// Kills the restic of a mover, which any of its threads may have started.
fn kill_restic(mover: &Child) {
    let threads = fs::read_dir(format!("/proc/{}/task", mover.id())).unwrap();
    for thread in threads {
        let children = fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            let _ = kill_process(Pid::from_raw(child.parse().unwrap()).unwrap(), Signal::KILL);
        }
    }
}

/// Kills a mover with its restic, as the end of their container does.
fn kill(mover: &mut Child) {
    // Stopped first, so that it does not report the end of its restic.
    let _ = kill_process(process(mover), Signal::STOP);
    kill_restic(mover);
    let _ = kill_process(process(mover), Signal::KILL);
    mover.wait().unwrap();
}

fn slow(lab: &Lab, work: Work) -> Task {
    let mut task = lab.task(work);
    task.repository.limit_upload = 8 * 1024;
    task
}

#[tokio::test]
async fn a_backup_that_was_killed_at_any_time_is_done_again() {
    let lab = Lab::new().await;
    for number in 0..12 {
        lab.write(&format!("f{number}"), &random(number, 1_000_000));
    }
    for (number, delay) in [100, 400, 700, 1000, 1400, 1800, 2300].into_iter().enumerate() {
        lab.write("changed", format!("{number}").as_bytes());
        let backup = lab.backup(&format!("run-{number}"));
        lab.write_task(&slow(&lab, Work::Backup(backup.clone())));
        let mut mover = lab.mover(&[], None).spawn().unwrap();
        sleep(Duration::from_millis(delay)).await;
        kill(&mut mover);
        let again = Backup {
            first_attempt: false,
            ..backup
        };
        let report = lab.run(Work::Backup(again)).await;
        assert_eq!(report.verdict, Verdict::Completed, "{delay}: {report:?}");
        assert_eq!(report.snapshot.unwrap().files, 13);
        let own = lab.restic_ok(&["snapshots", "--tag", &format!("run-uid=run-{number}")]);
        assert_eq!(own.matches("\"short_id\"").count(), 1, "{own}");
    }
    lab.restic_ok(&["unlock"]);
    lab.restic_ok(&["check", "--read-data"]);
}

#[tokio::test]
async fn a_backup_that_is_told_to_end_leaves_no_lock() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 30_000_000));
    lab.write_task(&slow(&lab, Work::Backup(lab.backup("one"))));
    let mut mover = lab.mover(&[], None).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while lab.locks() == 0 && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    kill_process(process(&mover), Signal::TERM).unwrap();
    mover.wait().unwrap();
    failed(&lab.report(), Reason::Cancelled);
    assert!(lab.report().retry);
    assert_eq!((lab.locks(), lab.snapshots().len()), (0, 0));
}

#[tokio::test]
async fn a_restore_that_was_killed_at_any_time_is_continued() {
    let lab = Lab::new().await;
    for number in 0..40 {
        lab.write(&format!("d{}/f{number}", number % 7), &random(number, 1_000_000));
    }
    let id = lab.backed_up("one").await;
    for delay in [200, 500, 800, 1100, 1500, 2000] {
        lab.write_task(&lab.task(Work::Restore(lab.restore(&id))));
        let mut mover = lab.mover(&[], None).spawn().unwrap();
        sleep(Duration::from_millis(delay)).await;
        kill(&mut mover);
        // It may have been done already.
        let done = lab.target("d0").exists() && !lab.target(".hearth-restore").exists();
        if !done {
            let report = lab.run(Work::Restore(lab.restore(&id))).await;
            assert_eq!(report.verdict, Verdict::Completed, "{delay}: {report:?}");
        }
        for number in 0..40 {
            let name = format!("d{}/f{number}", number % 7);
            assert!(
                fs::read(lab.target(&name)).unwrap() == random(number, 1_000_000),
                "{delay}: {name}"
            );
        }
        fs::remove_dir_all(lab.path("target")).unwrap();
        fs::create_dir(lab.path("target")).unwrap();
    }
}

#[tokio::test]
async fn a_restic_that_is_killed_alone_is_a_failure_that_may_be_retried() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 30_000_000));
    lab.write_task(&slow(&lab, Work::Backup(lab.backup("one"))));
    let mut mover = lab.mover(&[], None).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while lab.locks() == 0 && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    kill_restic(&mover);
    mover.wait().unwrap();
    failed(&lab.report(), Reason::Internal);
    assert!(
        lab.report().retry && lab.report().message.contains("memory limit"),
        "{:?}",
        lab.report()
    );
    let again = Backup {
        first_attempt: false,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(again)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn a_prune_that_was_killed_at_any_time_is_done_again() {
    let lab = Lab::new().await;
    for (number, delay) in [100, 200, 350, 550, 900].into_iter().enumerate() {
        for file in 0..20 {
            let seed = u64::try_from(number * 100 + file).unwrap();
            lab.write(&format!("f{file}"), &random(seed, 400_000));
        }
        let all = lab.backed_up(&format!("all-{number}")).await;
        // Half of each pack is needed.
        for file in (0..20).step_by(2) {
            fs::remove_file(lab.path(&format!("data/web/f{file}"))).unwrap();
        }
        let half = lab.backed_up(&format!("half-{number}")).await;
        lab.restic_ok(&["forget", &all]);
        let prune = Work::Prune(Prune { only_delete: false });
        let before = fs::read_dir(lab.path("repository/index")).unwrap().count();
        assert!(before > 0);
        lab.write_task(&slow(&lab, prune.clone()));
        let mut mover = lab.mover(&[], None).spawn().unwrap();
        sleep(Duration::from_millis(delay)).await;
        kill(&mut mover);
        let mut report = lab.run(prune.clone()).await;
        // The lock counts as held until the system has removed the killed process.
        let end = Instant::now() + Duration::from_secs(30);
        while report.reason == Reason::Locked && Instant::now() < end {
            report = lab.run(prune.clone()).await;
        }
        assert_eq!(report.verdict, Verdict::Completed, "{delay}: {report:?}");
        lab.restic_ok(&["check", "--read-data"]);
        assert_eq!(lab.locks(), 0);
        let report = lab.run(Work::Restore(lab.restore(&half))).await;
        assert_eq!(report.verdict, Verdict::Completed, "{delay}: {report:?}");
        fs::remove_dir_all(lab.path("target")).unwrap();
        fs::create_dir(lab.path("target")).unwrap();
    }
    // Nothing that is not needed stays.
    let bytes: u64 = lab.packs().iter().map(|pack| fs::metadata(pack).unwrap().len()).sum();
    assert!(bytes < 5 * 11 * 400_000, "{bytes}");
}
