//! Snapshots are removed only where the repository and the records agree, and data only where no snapshot needs it.
use std::time::{Duration, Instant};

use hearth_backup_scheduler::task::{Check, Forget, Prune, Recorded};

use super::gate::Answer;
use super::*;

fn recorded(id: &str, run_uid: &str) -> Recorded {
    Recorded {
        id: id.to_owned(),
        run_uid: run_uid.to_owned(),
    }
}

fn forget(snapshots: &[(&str, &str)], kept: &[(&str, &str)]) -> Work {
    let all = |of: &[(&str, &str)]| of.iter().map(|(id, run)| recorded(id, run)).collect();
    Work::Forget(Forget {
        host: "home".to_owned(),
        snapshots: all(snapshots),
        kept: all(kept),
    })
}

const PRUNE: Work = Work::Prune(Prune { only_delete: false });

/// A repository in a bucket with three snapshots, of which only the last one has the content of the volume.
async fn three() -> (Lab, [String; 3]) {
    let lab = Lab::in_bucket().await;
    let mut ids = Vec::new();
    for number in 0..3_u64 {
        lab.write("a", &random(number, 1_000_000));
        ids.push(lab.backed_up(&format!("run-{number}")).await);
    }
    (lab, ids.try_into().unwrap())
}

#[tokio::test]
async fn snapshots_that_are_not_kept_are_removed_once() {
    let (lab, [a, b, c]) = three().await;
    let work = forget(&[(&a, "run-0"), (&b, "run-1")], &[(&c, "run-2")]);
    let report = lab.run(work.clone()).await;
    assert_eq!(
        (report.verdict, report.forgotten),
        (Verdict::Completed, 2),
        "{report:?}"
    );
    assert_eq!(lab.snapshots(), std::slice::from_ref(&c));
    // A mover that was killed before its report is started again.
    let report = lab.run(work).await;
    assert_eq!(
        (report.verdict, report.forgotten),
        (Verdict::Completed, 2),
        "{report:?}"
    );
    assert_eq!((lab.snapshots(), lab.locks()), (vec![c], 0));
}

#[tokio::test]
async fn nothing_is_removed_where_the_records_and_the_repository_disagree() {
    let (lab, [a, b, c]) = three().await;
    lab.restic_ok(&["forget", &c]);
    // restic alone removes what it is told to.
    let report = lab.run(forget(&[(&a, "run-0")], &[(&b, "run-1"), (&c, "run-2")])).await;
    failed(&report, Reason::RecordsDisagree);
    assert!(report.message.contains(&c) && !report.retry, "{}", report.message);
    let report = lab.run(forget(&[(&a, "run-0"), (&b, "run-7")], &[])).await;
    failed(&report, Reason::RecordsDisagree);
    assert!(report.message.contains(&b), "{}", report.message);
    assert_eq!((lab.snapshots().len(), report.forgotten), (2, 0));
    // Another host's snapshots are not these.
    let other = Work::Forget(Forget {
        host: "other".to_owned(),
        snapshots: vec![recorded(&a, "run-0")],
        kept: vec![recorded(&b, "run-1")],
    });
    failed(&lab.run(other).await, Reason::RecordsDisagree);
    assert_eq!(lab.snapshots().len(), 2);
}

/// restic writes an empty list then, and ends with 0.
#[tokio::test]
async fn a_list_that_is_refused_is_no_empty_list() {
    let (lab, [a, b, _]) = three().await;
    let refuse = |lab: &Lab| {
        lab.gate().rule(
            |method, path| match (method, path.contains("prefix=home%2Fweb%2Fsnapshots")) {
                ("GET", true) => Answer::Refuse(403, "AccessDenied", "Access Denied."),
                _ => Answer::Pass,
            },
        );
    };
    refuse(&lab);
    let (code, output) = lab.restic(&["snapshots", "--no-lock"]);
    assert!(code == 0 && output.contains("could not load snapshots"), "{output}");
    for work in [
        forget(&[(&a, "run-0")], &[]),
        forget(&[(&a, "run-0")], &[(&b, "run-1")]),
    ] {
        let report = lab.run(work).await;
        failed(&report, Reason::AccessDenied);
        assert_eq!(report.forgotten, 0);
    }
    lab.gate().open();
    assert_eq!(lab.snapshots().len(), 3);
}

#[tokio::test]
async fn without_the_right_to_delete_nothing_is_tried_and_no_lock_is_left() {
    let (mut lab, [a, b, c]) = three().await;
    lab.without_delete().await;
    lab.gate().requests();
    let report = lab.run(forget(&[(&a, "run-0"), (&b, "run-1")], &[(&c, "run-2")])).await;
    failed(&report, Reason::AccessDenied);
    assert!(!report.retry && report.forgotten == 0, "{report:?}");
    let report = lab.run(PRUNE).await;
    failed(&report, Reason::AccessDenied);
    let requests = lab.gate().requests();
    let writes: Vec<_> = requests
        .iter()
        .filter(|request| !request.starts_with("GET") && !request.starts_with("HEAD"))
        .collect();
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert_eq!(lab.locks(), 0);

    // restic alone ends with 0, has removed nothing, and leaves a lock that ends every backup.
    let (code, output) = lab.restic(&["forget", &a]);
    assert!(code == 0 && output.contains("unable to remove snapshot/"), "{output}");
    let (code, _) = lab.restic(&["backup", &lab.text("data/web")]);
    assert_eq!((code, lab.locks()), (11, 1));
    assert_eq!(lab.objects("snapshots"), 3);
}

/// Rights may differ from one object to the next: an object lock, a rule for a prefix.
#[tokio::test]
async fn a_snapshot_that_stays_is_no_success() {
    let (lab, [a, b, c]) = three().await;
    let kept = a.clone();
    lab.gate().rule(move |method, path| match method {
        "DELETE" if path.ends_with(&kept) => Answer::Refuse(
            403,
            "AccessDenied",
            "Access Denied because object protected by object lock.",
        ),
        _ => Answer::Pass,
    });
    let report = lab.run(forget(&[(&a, "run-0"), (&b, "run-1")], &[(&c, "run-2")])).await;
    failed(&report, Reason::AccessDenied);
    assert_eq!((report.forgotten, report.retry), (1, false), "{report:?}");
    assert!(
        report.message.contains(&a) && report.message.contains("object lock"),
        "{}",
        report.message
    );
    lab.gate().open();
    assert_eq!((lab.snapshots().len(), lab.locks()), (2, 0));
}

#[tokio::test]
async fn what_no_snapshot_needs_is_pruned_and_what_is_free_is_measured() {
    let (lab, [a, b, c]) = three().await;
    let report = lab.run(forget(&[(&a, "run-0"), (&b, "run-1")], &[(&c, "run-2")])).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let report = lab.run(PRUNE).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert!((1_900_000..2_200_000).contains(&report.freed_bytes), "{report:?}");
    assert!(
        (1_000_000..1_100_000).contains(&report.repository_bytes.unwrap()),
        "{report:?}"
    );
    let report = lab.run(PRUNE).await;
    assert_eq!(
        (report.verdict, report.freed_bytes),
        (Verdict::Completed, 0),
        "{report:?}"
    );
    lab.restic_ok(&["check", "--read-data"]);
    let report = lab.run(Work::Restore(lab.restore(&c))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

/// The ninth case of part 1: a bucket that takes nothing any more. restic alone retries for a quarter of an hour.
async fn full(answer: (u16, &'static str, &'static str), work: impl Fn(&Lab, [&str; 3]) -> Work) {
    let (lab, [a, b, c]) = three().await;
    lab.gate().rule(move |method, _| match method {
        "PUT" => Answer::Refuse(answer.0, answer.1, answer.2),
        _ => Answer::Pass,
    });
    let start = Instant::now();
    let report = lab.run(work(&lab, [&a, &b, &c])).await;
    failed(&report, Reason::QuotaExceeded);
    assert!(start.elapsed() < Duration::from_mins(2), "{:?}", start.elapsed());
    lab.gate().open();
    assert_eq!((lab.snapshots().len(), report.forgotten), (3, 0));
}

const FULL: (u16, &str, &str) = (507, "InsufficientStorage", "Insufficient storage.");

#[tokio::test]
async fn a_backup_into_a_full_bucket_is_told_apart_and_a_check_goes_on() {
    full((507, "", ""), |lab, _| Work::Backup(lab.backup("four"))).await;
    let (lab, _) = three().await;
    lab.gate().rule(|method, _| match method {
        "PUT" => Answer::Refuse(FULL.0, FULL.1, FULL.2),
        _ => Answer::Pass,
    });
    let check = Work::Check(Check {
        read: None,
        damaged: Vec::new(),
    });
    let report = lab.run(check).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn a_restore_from_a_full_bucket_goes_on() {
    let (lab, [_, _, c]) = three().await;
    lab.gate().rule(|method, _| match method {
        "PUT" => Answer::Refuse(403, "QuotaExceeded", "The quota is exceeded."),
        _ => Answer::Pass,
    });
    let report = lab.run(Work::Restore(lab.restore(&c))).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

#[tokio::test]
async fn nothing_is_forgotten_in_a_full_bucket() {
    full((403, "QuotaExceeded", "The quota is exceeded."), |_, [a, b, _]| {
        forget(&[(a, "run-0")], &[(b, "run-1")])
    })
    .await;
}

/// Also a prune that only deletes has to write a lock and an index.
#[tokio::test]
async fn a_bucket_that_takes_no_object_at_all_cannot_be_pruned() {
    full(FULL, |_, _| Work::Prune(Prune { only_delete: true })).await;
}

/// Objects up to 100 kB still fit: an index and a lock.
#[tokio::test]
async fn a_prune_that_only_deletes_needs_no_room_for_packs() {
    let (lab, [a, b, c]) = three().await;
    let report = lab.run(forget(&[(&a, "run-0"), (&b, "run-1")], &[(&c, "run-2")])).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    lab.gate().rule(|method, path| match method {
        "PUT" if path.contains("/data/") => Answer::Refuse(507, "InsufficientStorage", "Insufficient storage."),
        _ => Answer::Pass,
    });
    let report = lab.run(Work::Prune(Prune { only_delete: true })).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert!(report.freed_bytes > 1_900_000, "{report:?}");
}
