//! Repositories that are missing, foreign or locked.
use super::*;

#[tokio::test]
async fn a_repository_is_initialized_once_and_only_if_it_may_be() {
    let lab = Lab::without_repository();
    let report = lab.run(Work::Initialize { create: false }).await;
    failed(&report, Reason::RepositoryMissing);
    let first = lab.run(Work::Initialize { create: true }).await;
    let second = lab.run(Work::Initialize { create: true }).await;
    let third = lab.run(Work::Initialize { create: false }).await;
    for report in [&first, &second, &third] {
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        assert_eq!(report.repository_id, third.repository_id);
    }
    assert_eq!(third.repository_id.unwrap().len(), 64);
}

#[tokio::test]
async fn a_repository_that_lost_its_configuration_is_not_initialized_anew() {
    let lab = Lab::new().await;
    lab.write("a", b"1");
    lab.backed_up("one").await;
    fs::remove_file(lab.path("repository/config")).unwrap();
    let report = lab.run(Work::Initialize { create: true }).await;
    failed(&report, Reason::RepositoryMissing);
    assert!(report.message.contains("not empty"), "{}", report.message);
}

#[tokio::test]
async fn an_initialization_that_was_stopped_is_done_again() {
    let lab = Lab::new().await;
    // The key is written before the configuration.
    fs::remove_file(lab.path("repository/config")).unwrap();
    // restic alone refuses from then on.
    let (code, output) = lab.restic(&["init"]);
    assert!(code == 1 && output.contains("already contains keys"), "{output}");
    let report = lab.run(Work::Initialize { create: true }).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(fs::read_dir(lab.path("repository/keys")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_and_not_shown() {
    let lab = Lab::new().await;
    lab.write("a", b"1");
    let good = lab.backed_up("one").await;
    fs::write(lab.path("secrets/password"), "battery staple").unwrap();
    for work in [
        Work::Initialize { create: true },
        Work::Backup(lab.backup("two")),
        Work::Restore(lab.restore(&good)),
    ] {
        let report = lab.run(work).await;
        failed(&report, Reason::WrongPassphrase);
        assert!(
            !report.retry && !report.message.contains("battery"),
            "{}",
            report.message
        );
    }
    assert_eq!(fs::read_dir(lab.path("target")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_missing_repository_is_told_apart() {
    let lab = Lab::without_repository();
    lab.write("a", b"1");
    let report = lab.run(Work::Backup(lab.backup("one"))).await;
    failed(&report, Reason::RepositoryMissing);
    let report = lab.run(Work::Restore(lab.restore(&"d".repeat(64)))).await;
    failed(&report, Reason::RepositoryMissing);
    assert!(!lab.path("repository").exists());
}

#[tokio::test]
async fn a_lock_that_is_held_is_reported_with_its_holder_and_one_that_is_not_is_removed() {
    let lab = Lab::new().await;
    lab.write("a", &random(1, 8 << 20));
    lab.backed_up("one").await;
    let mut holder = lab.restic_child(&["check", "--read-data", "--limit-download", "200"]);
    while lab.locks() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let report = lab.run(Work::Backup(lab.backup("two"))).await;
    failed(&report, Reason::Locked);
    let process = format!("exclusively by PID {}", holder.id());
    assert!(report.message.contains(&process) && report.retry, "{}", report.message);
    assert_eq!(lab.locks(), 1);

    holder.kill().unwrap();
    holder.wait().unwrap();
    // restic alone waits for a process that is gone.
    let (code, _) = lab.restic(&["backup", &lab.text("data/web")]);
    assert_eq!((code, lab.locks()), (11, 1));
    lab.backed_up("three").await;
    assert_eq!(lab.locks(), 0);
}
