//! Damage of a repository is found, told apart from everything else, and repaired so that later backups do not rest on it.
use hearth_backup_scheduler::task::{Check, Part, Prune, RepairPacks};

use super::gate::Answer;
use super::*;

/// A check that reads everything.
fn check(damaged: &[&String]) -> Work {
    Work::Check(Check {
        read: Some(Part { number: 1, of: 1 }),
        damaged: damaged.iter().map(|id| short(id)).collect(),
    })
}

fn short(id: &str) -> String {
    id[..8].to_owned()
}

fn sorted(ids: &[&String]) -> Vec<String> {
    let mut ids: Vec<String> = ids.iter().map(|id| short(id)).collect();
    ids.sort();
    ids
}

fn name(pack: &Path) -> String {
    pack.file_name().unwrap().to_str().unwrap().to_owned()
}

fn repair(pack: &Path) -> Work {
    Work::RepairPacks(RepairPacks {
        packs: vec![name(pack)],
    })
}

/// Overwrites a part of a pack in the middle with zeros.
fn damage(pack: &Path) {
    let mut bytes = fs::read(pack).unwrap();
    let (middle, length) = (bytes.len() / 2, bytes.len() / 10);
    bytes[middle..middle + length].fill(0);
    fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(pack, bytes).unwrap();
}

fn completed(report: &Report) {
    assert_eq!(
        (report.verdict, report.reason),
        (Verdict::Completed, Reason::Completed),
        "{report:?}"
    );
}

fn parent(lab: &Lab, run_uid: &str, parent: &str) -> Work {
    Work::Backup(Backup {
        parent: Some(parent.to_owned()),
        ..lab.backup(run_uid)
    })
}

/// The second case of part 1.
#[tokio::test]
async fn after_a_repair_the_next_backup_does_not_rest_on_the_damaged_pack() {
    let lab = Lab::in_bucket().await;
    lab.write("other", b"1");
    let good = lab.backed_up("zero").await;
    lab.write("a", &random(1, 3_000_000));
    let first = lab.backed_up("one").await;
    completed(&lab.run(check(&[])).await);
    let pack = lab.packs()[0].clone();
    damage(&pack);
    let second = lab.run(parent(&lab, "two", &first)).await.snapshot.unwrap().id;
    // Without reading the data, nothing is found.
    completed(
        &lab.run(Work::Check(Check {
            read: None,
            damaged: Vec::new(),
        }))
        .await,
    );

    let report = lab.run(check(&[])).await;
    failed(&report, Reason::DataDamaged);
    assert_eq!(report.damaged_packs, [name(&pack)]);
    assert_eq!(report.damaged_snapshots, sorted(&[&first, &second]), "not {good}");
    assert!(
        !report.retry && report.repository_bytes.unwrap() > 3_000_000,
        "{report:?}"
    );
    for words in [&name(&pack)[..8], &first[..8], &second[..8], "annotation"] {
        assert!(report.message.contains(words), "{}", report.message);
    }
    // restic alone stores nothing anew, even if it reads all files.
    let output = lab.restic_ok(&["backup", "--force", "--host", "alone", &lab.text("data/web")]);
    assert!(output.contains(r#""data_blobs":0"#), "{output}");
    lab.restic_ok(&[
        "forget",
        "--host",
        "alone",
        "--keep-last",
        "0",
        "--unsafe-allow-remove-all",
    ]);

    let report = lab.run(repair(&pack)).await;
    completed(&report);
    assert_eq!(report.damaged_snapshots, sorted(&[&first, &second]));
    assert_eq!((lab.snapshots().len(), lab.locks(), pack.exists()), (3, 0, false));
    assert!(
        fs::read_dir(lab.path("tmp"))
            .unwrap()
            .all(|file| !name(&file.unwrap().path()).starts_with("pack-"))
    );
    // That the two lack data is news only as long as nobody knows it.
    let report = lab.run(check(&[])).await;
    failed(&report, Reason::DataDamaged);
    assert_eq!(
        (report.damaged_packs, report.damaged_snapshots),
        (Vec::new(), sorted(&[&first, &second]))
    );
    let (code, output) = lab.restic(&["check"]);
    assert!(code == 1 && output.contains("repository contains errors"), "{output}");
    completed(&lab.run(check(&[&first, &second])).await);
    let report = lab.run(check(&[&first])).await;
    assert_eq!(report.damaged_snapshots, sorted(&[&second]), "{report:?}");

    let third = lab.run(Work::Backup(lab.backup("three"))).await;
    completed(&third);
    let third = third.snapshot.unwrap();
    assert!(third.added_bytes > 500_000, "{third:?}");
    let report = lab.run(Work::Restore(lab.restore(&third.id))).await;
    completed(&report);
    assert_eq!(fs::read(lab.target("a")).unwrap(), random(1, 3_000_000));
    completed(&lab.run(check(&[&first, &second])).await);
    assert_eq!(lab.snapshots().len(), 4);
}

#[tokio::test]
async fn a_pack_that_is_gone_is_taken_out_of_the_index() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 3_000_000));
    let first = lab.backed_up("one").await;
    let pack = lab.packs()[0].clone();
    fs::remove_file(&pack).unwrap();
    let report = lab
        .run(Work::Check(Check {
            read: None,
            damaged: Vec::new(),
        }))
        .await;
    failed(&report, Reason::DataDamaged);
    assert_eq!(
        (report.damaged_packs, report.damaged_snapshots),
        (vec![name(&pack)], sorted(&[&first]))
    );

    // restic alone repairs no pack that is gone, and says nothing.
    let (_, _) = lab.restic(&["repair", "packs", &name(&pack)]);
    let (code, output) = lab.restic(&["check"]);
    assert!(code == 1 && output.contains("does not exist"), "{output}");
    let report = lab.run(repair(&pack)).await;
    completed(&report);
    assert_eq!(report.damaged_snapshots, sorted(&[&first]));
    completed(&lab.run(parent(&lab, "two", &first)).await);
    lab.restic_ok(&["check", "--read-data"]);
}

#[tokio::test]
async fn a_pack_that_is_too_short_and_a_folder_that_is_damaged_are_found() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 3_000_000));
    let first = lab.backed_up("one").await;
    lab.write("b", &random(2, 10_000));
    let second = lab.backed_up("two").await;
    let packs = lab.packs();
    let copy = fs::read(&packs[0]).unwrap();
    fs::set_permissions(&packs[0], fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&packs[0], &copy[..1000]).unwrap();
    let report = lab.run(check(&[])).await;
    failed(&report, Reason::DataDamaged);
    // Which of them need it cannot be read any more.
    assert_eq!(
        (report.damaged_packs, report.damaged_snapshots),
        (vec![name(&packs[0])], sorted(&[&first, &second]))
    );
    fs::write(&packs[0], &copy).unwrap();
    completed(&lab.run(check(&[])).await);

    // The last one has the folders of one of the two.
    fs::remove_dir_all(lab.path("cache")).unwrap();
    let trees = lab.packs().last().unwrap().clone();
    damage(&trees);
    let report = lab.run(check(&[])).await;
    failed(&report, Reason::DataDamaged);
    assert_eq!(
        (report.damaged_packs, report.damaged_snapshots.len()),
        (vec![name(&trees)], 1)
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_no_damage() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 1_000_000));
    lab.backed_up("one").await;
    lab.gate().rule(|method, path| match method {
        "GET" if path.contains("/data/") => Answer::Refuse(403, "AccessDenied", "Access Denied."),
        _ => Answer::Pass,
    });
    // restic alone ends as if there were damage.
    let (code, output) = lab.restic(&["check", "--no-lock", "--read-data"]);
    assert!(code == 1 && output.contains("repository contains errors"), "{output}");
    let report = lab.run(check(&[])).await;
    failed(&report, Reason::AccessDenied);
    assert_eq!(
        (report.damaged_packs, report.damaged_snapshots),
        (Vec::<String>::new(), Vec::<String>::new())
    );
    lab.gate().open();
    fs::write(lab.path("secrets/password"), "battery staple").unwrap();
    failed(&lab.run(check(&[])).await, Reason::WrongPassphrase);
}

/// Backups go on, and a bucket that is full or may only be read is checked all the same.
#[tokio::test]
async fn a_check_takes_no_lock_and_writes_nothing() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 1_000_000));
    lab.backed_up("one").await;
    lab.gate().requests();
    completed(&lab.run(check(&[])).await);
    let requests = lab.gate().requests();
    assert!(
        requests
            .iter()
            .all(|request| request.starts_with("GET ") || request.starts_with("HEAD ")),
        "{requests:?}"
    );
    // restic alone locks everybody out, as long as it reads.
    lab.restic_ok(&["check", "--read-data"]);
    let requests = lab.gate().requests();
    assert!(
        requests
            .iter()
            .any(|request| request.starts_with("PUT ") && request.contains("/locks/")),
        "{requests:?}"
    );
}

/// A pack that somebody prunes during the check is not there, and is not needed.
#[tokio::test]
async fn what_only_one_of_two_looks_finds_is_no_damage() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 1_000_000));
    lab.backed_up("one").await;
    let pack = lab.packs()[0].clone();
    let hidden = lab.path("hidden");
    let mut lists = 0;
    fs::rename(&pack, &hidden).unwrap();
    let (from, to) = (hidden.clone(), pack.clone());
    lab.gate().rule(move |_, path| {
        lists += usize::from(path.contains("prefix=home%2Fweb%2Fdata"));
        // It is back before the second look.
        if lists == 2 {
            let _ = fs::rename(&from, &to);
        }
        Answer::Pass
    });
    completed(&lab.run(check(&[])).await);
    assert!(pack.exists());
}

#[tokio::test]
async fn nothing_is_pruned_as_long_as_a_snapshot_lacks_data() {
    let lab = Lab::in_bucket().await;
    lab.write("a", &random(1, 3_000_000));
    let first = lab.backed_up("one").await;
    let pack = lab.packs()[0].clone();
    damage(&pack);
    fs::remove_file(lab.path("data/web/a")).unwrap();
    lab.write("b", b"1");
    let second = lab.backed_up("two").await;
    completed(&lab.run(repair(&pack)).await);
    let prune = Work::Prune(Prune { only_delete: false });
    let report = lab.run(prune.clone()).await;
    failed(&report, Reason::DataDamaged);
    assert!(
        report.message.contains(&first[..8]) && !report.message.contains(&second[..8]),
        "{}",
        report.message
    );
    lab.restic_ok(&["forget", &first]);
    completed(&lab.run(prune).await);
    lab.restic_ok(&["check", "--read-data"]);
}
