//! A repository in a bucket is initialized by one mover, in a bucket that is there.
use super::gate::Answer;
use super::*;

const CREATE: Work = Work::Initialize { create: true };

fn opened(report: &Report) {
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(report.repository_id.as_ref().unwrap().len(), 64);
}

/// Sets the times in the objects of a stopped initialization back.
fn is_long_ago(lab: &Lab) {
    for folder in ["hearth-initialize", "keys"] {
        for file in fs::read_dir(lab.repository().join(folder)).into_iter().flatten() {
            let file = file.unwrap().path();
            let text = fs::read_to_string(&file).unwrap();
            let text = text.replace("\"since\":\"20", "\"since\":\"19");
            fs::write(&file, text.replace("\"created\":\"20", "\"created\":\"19")).unwrap();
        }
    }
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_not_created() {
    let lab = Lab::with_bucket().await;
    let folder = lab.bucket().server.folder("backups");
    fs::remove_dir_all(&folder).unwrap();
    for region in [None, Some("us-east-1")] {
        let mut task = lab.task(CREATE);
        task.repository.region = region.map(str::to_owned);
        failed(&lab.run_task(&task).await, Reason::BucketMissing);
        assert!(!folder.exists(), "{region:?}");
    }
    // restic alone creates it.
    let mut alone = lab.restic_command(&["init"]);
    let (code, output) = finish(alone.env("AWS_DEFAULT_REGION", "us-east-1").output().unwrap());
    assert!(code == 0 && folder.exists(), "{output}");
}

#[tokio::test]
async fn two_initializations_at_once_leave_one_repository() {
    // restic alone: each writes its key, and the last configuration wins.
    let lab = Lab::with_bucket().await;
    let mut keys = 0;
    lab.gate().rule(move |method, path| match method {
        "PUT" if path.contains("/keys/") => {
            keys += 1;
            Answer::Pass
        }
        "PUT" if keys < 2 => Answer::Close,
        _ => Answer::Pass,
    });
    let mut children = [lab.restic_child(&["init"]), lab.restic_child(&["init"])];
    for child in &mut children {
        child.wait().unwrap();
    }
    lab.gate().open();
    assert_eq!(lab.objects("keys"), 2);
    let opens = fs::read_dir(lab.repository().join("keys")).unwrap().map(|key| {
        let key = key.unwrap().file_name().into_string().unwrap();
        lab.restic(&["cat", "config", "--no-cache", "--key-hint", &key]).0 == 0
    });
    assert!(opens.collect::<Vec<_>>().contains(&false));

    let lab = Lab::with_bucket().await;
    lab.write_task(&lab.task(CREATE));
    let mut movers = [
        lab.mover(&[], None).spawn().unwrap(),
        lab.mover(&[], None).spawn().unwrap(),
    ];
    for mover in &mut movers {
        mover.wait().unwrap();
    }
    assert_eq!((lab.objects("keys"), lab.objects("hearth-initialize")), (1, 0));
    opened(&lab.run(Work::Initialize { create: false }).await);
}

#[tokio::test]
async fn an_initialization_in_a_bucket_that_was_stopped_is_done_again_after_a_while() {
    let lab = Lab::with_bucket().await;
    // It is killed after the key, and before the configuration.
    lab.gate().rule(|method, path| match method {
        "PUT" if path.contains("/config") => Answer::Refuse(403, "AccessDenied", "Access Denied."),
        "DELETE" => Answer::Refuse(403, "AccessDenied", "Access Denied."),
        _ => Answer::Pass,
    });
    failed(&lab.run(CREATE).await, Reason::AccessDenied);
    lab.gate().open();
    assert_eq!((lab.objects("keys"), lab.objects("hearth-initialize")), (1, 1));
    // restic alone refuses from then on.
    let (code, output) = lab.restic(&["init"]);
    assert!(code == 1 && output.contains("already contains keys"), "{output}");
    // It may be at work still.
    let report = lab.run(CREATE).await;
    failed(&report, Reason::Locked);
    assert!(
        report.retry && report.message.contains("another mover"),
        "{}",
        report.message
    );
    is_long_ago(&lab);
    opened(&lab.run(CREATE).await);
    assert_eq!((lab.objects("keys"), lab.objects("hearth-initialize")), (1, 0));
    lab.write("a", b"1");
    lab.backed_up("one").await;
}

#[tokio::test]
async fn a_key_that_cannot_be_removed_is_named() {
    let mut lab = Lab::in_bucket().await;
    fs::remove_file(lab.repository().join("config")).unwrap();
    is_long_ago(&lab);
    lab.without_delete().await;
    let report = lab.run(CREATE).await;
    failed(&report, Reason::AccessDenied);
    assert!(report.message.contains("home/web/keys/"), "{}", report.message);
    assert_eq!((lab.objects("keys"), report.retry), (1, false));
}

#[tokio::test]
async fn a_bucket_with_data_and_without_a_configuration_is_left_alone() {
    let lab = Lab::in_bucket().await;
    lab.write("a", b"1");
    lab.backed_up("one").await;
    fs::remove_file(lab.repository().join("config")).unwrap();
    let report = lab.run(CREATE).await;
    failed(&report, Reason::RepositoryMissing);
    assert!(
        !report.retry && report.message.contains("other objects are there"),
        "{}",
        report.message
    );
    assert_eq!(lab.objects("keys"), 1);
}
