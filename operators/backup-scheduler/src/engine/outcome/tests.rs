//! Output of restic 0.18.1, captured, and what it means.
use super::*;

fn collected(lines: &str) -> Collected {
    let mut collected = Collected::default();
    for line in lines.lines() {
        collected.read(line);
    }
    collected
}

fn fail(code: i32, lines: &str) -> Failure {
    failure(Exit::Code(code), &collected(lines)).unwrap()
}

/// A call that failed with exit code 1 and this text.
fn exit_1(text: &str) -> Failure {
    let text = serde_json::to_string(text).unwrap();
    fail(
        1,
        &format!(r#"{{"message_type":"exit_error","code":1,"message":{text}}}"#),
    )
}

#[test]
fn a_missing_repository() {
    let failure = fail(
        10,
        r#"{"message_type":"exit_error","code":10,"message":"Fatal: repository does not exist: unable to open config file: Stat: The specified key does not exist.\nIs there a repository at the following location?\ns3:http://127.0.0.1:7571/home/none"}"#,
    );
    assert_eq!((failure.reason, failure.retry), (Reason::RepositoryMissing, false));
}

#[test]
fn a_wrong_password_is_not_retried() {
    let failure = fail(
        12,
        r#"{"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"}"#,
    );
    assert_eq!((failure.reason, failure.retry), (Reason::WrongPassphrase, false));
    assert!(failure.message.contains("`passphraseSecretRef`"));
}

#[test]
fn a_lock_is_reported_with_its_holder() {
    let failure = fail(
        11,
        r#"{"message_type":"exit_error","code":11,"message":"unable to create lock in backend: repository is already locked exclusively by PID 5219 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-30 12:01:45 (4.876484573s ago)\nstorage ID 8ab2abf1\nthe `unlock` command can be used to remove stale locks"}"#,
    );
    assert_eq!((failure.reason, failure.retry), (Reason::Locked, true));
    assert_eq!(
        failure.message,
        "repository is already locked exclusively by PID 5219 on vm by root (UID 0, GID 0); \
         lock was created at 2026-11-30 12:01:45 (4.876484573s ago)"
    );
}

#[test]
fn exit_code_3_is_a_backup_with_named_gaps() {
    let collected = collected(
        r#"{"message_type":"error","error":{"message":"openfile for readdirnames failed: open /data/web/priv: permission denied"},"during":"scan","item":"/data/web/priv"}
{"message_type":"error","error":{"message":"openfile for readdirnames failed: open /data/web/priv: permission denied"},"during":"archival","item":"/data/web/priv"}
{"message_type":"error","error":{"message":"open /data/web/secret: permission denied"},"during":"archival","item":"/data/web/secret"}
{"message_type":"summary","files_new":1,"total_files_processed":1,"snapshot_id":"5d96e759"}
{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}"#,
    );
    assert_eq!(failure(Exit::Code(3), &collected), None);
    let paths: Vec<&str> = collected.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["/data/web/priv", "/data/web/secret"]);
    assert_eq!(collected.problem_count, 2);
    assert_eq!(collected.summary.unwrap().snapshot_id.unwrap(), "5d96e759");
}

#[test]
fn damaged_data_is_named_with_path_and_pack() {
    let collected = collected(
        r#"Load(<data/6b9a5a5ae3>, 5151926, 0) failed: file is too short
{"message_type":"error","error":{"message":"ReadFull(\u003cdata/6b9a5a5ae3\u003e): file is too short"},"during":"restore","item":"/b"}
{"message_type":"error","error":{"message":"ReadFull(\u003cdata/6b9a5a5ae3\u003e): file is too short"},"during":"restore","item":"/b"}
{"message_type":"error","error":{"message":"decrypting blob \u003cdata/a5449266\u003e from 77aa5a5a failed: ciphertext verification failed"},"during":"restore","item":"/c"}
{"message_type":"exit_error","code":1,"message":"Fatal: There were 3 errors\n"}"#,
    );
    let found: Vec<(&str, &str)> = collected
        .problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.pack.as_deref().unwrap()))
        .collect();
    assert_eq!(found, [("/b", "6b9a5a5ae3"), ("/c", "77aa5a5a")]);
    assert_eq!(collected.problem_count, 3);
}

#[test]
fn what_s3_refuses_is_told_apart() {
    let cases = [
        ("Stat: The specified bucket does not exist.", Reason::BucketMissing),
        (
            "Stat: The request signature we calculated does not match the signature you provided. Check your key and signing method.",
            Reason::AccessDenied,
        ),
        (
            "Stat: The AWS Access Key Id you provided does not exist in our records.",
            Reason::AccessDenied,
        ),
        ("Save: Access Denied.", Reason::AccessDenied),
        (
            r#"Stat: Get "https://127.0.0.1:7572/home/?location=": tls: failed to verify certificate: x509: certificate signed by unknown authority"#,
            Reason::UnknownIssuer,
        ),
        (
            r#"Stat: Get "https://s3/home/?location=": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-30T12:02:50Z"#,
            Reason::ClockSkew,
        ),
        (
            "Stat: The difference between the request time and the server's time is too large.",
            Reason::ClockSkew,
        ),
        (
            "Save: Cannot upload files, storage cap exceeded. See the Caps & Alerts page to increase your cap.",
            Reason::QuotaExceeded,
        ),
        ("Save: Error response code QuotaExceeded.", Reason::QuotaExceeded),
        ("Save: 507 Insufficient Storage", Reason::QuotaExceeded),
        (
            "client.PutObject: Error response code InsufficientStorage.",
            Reason::QuotaExceeded,
        ),
        (
            "Save: write /backup/data/01/0123: no space left on device",
            Reason::QuotaExceeded,
        ),
        (
            r#"Stat: Get "http://127.0.0.1:7579/home/?location=": dial tcp 127.0.0.1:7579: connect: connection refused"#,
            Reason::Unreachable,
        ),
        (
            r#"Stat: Get "http://no.invalid/home/?location=": dial tcp: lookup no.invalid: no such host"#,
            Reason::Unreachable,
        ),
        ("Save: 503 Service Unavailable", Reason::Unreachable),
        (
            "Save: We encountered an internal error, please try again.",
            Reason::Unreachable,
        ),
        ("Save: Please reduce your request rate.", Reason::Unreachable),
    ];
    for (text, expected) in cases {
        assert_eq!(reason(text), Some(expected), "{text}");
        assert_eq!(
            exit_1(&format!("Fatal: unable to open config file: {text}")).reason,
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_missing_snapshot_or_path() {
    let snapshot = exit_1("Fatal: failed to find snapshot: no matching ID found for prefix \"deadbeef\"");
    assert_eq!(snapshot.reason, Reason::SnapshotMissing);
    let gone = "failed to load snapshot dddddddd: open /repository/snapshots/dddd: no such file or directory";
    assert_eq!(exit_1(gone).reason, Reason::SnapshotMissing);
    let gone = "failed to load snapshot dddddddd: The specified key does not exist.";
    assert_eq!(exit_1(gone).reason, Reason::SnapshotMissing);
    let outage = "failed to load snapshot dddddddd: dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(exit_1(outage).reason, Reason::Unreachable);
    assert_eq!(exit_1("path data/nope: not found").reason, Reason::SnapshotMissing);
    assert_eq!(
        exit_1("path data/web/a: not a directory").reason,
        Reason::SnapshotMissing
    );
}

#[test]
fn an_error_that_restic_did_not_expect_is_shown_without_its_functions() {
    let failure = exit_1(
        "Unknown blob a54492665b\ngithub.com/restic/restic/internal/restorer.(*fileRestorer).forEachBlob\n\tgithub.com/x",
    );
    assert_eq!(failure.reason, Reason::DataDamaged);
    assert!(
        failure.message.starts_with("Unknown blob a54492665b; run a check"),
        "{}",
        failure.message
    );
}

/// The message at the end is `context canceled` then, which says nothing.
#[test]
fn the_last_error_of_the_backend_explains_an_end_that_does_not() {
    let failure = fail(
        1,
        r#"Stat(<config/>) returned error, retrying after 2.59s: Stat: The specified bucket does not exist.
{"message_type":"exit_error","code":1,"message":"Fatal: unable to save snapshot: context canceled"}"#,
    );
    assert_eq!(failure.reason, Reason::BucketMissing);
}

#[test]
fn an_end_without_a_message_is_explained_as_far_as_possible() {
    let killed = failure(Exit::Signal(9), &Collected::default()).unwrap();
    assert!(killed.message.contains("memory limit") && killed.retry);
    let odd = failure(
        Exit::Code(2),
        &collected("panic: runtime error\n\ngoroutine 1 [running]:"),
    )
    .unwrap();
    assert_eq!(odd.reason, Reason::Internal);
    assert_eq!(
        odd.message,
        "restic ended with exit code 2: panic: runtime error; goroutine 1 [running]:"
    );
    assert_eq!(failure(Exit::Code(0), &Collected::default()), None);
}

#[test]
fn a_lock_that_was_lost_or_cannot_be_read() {
    let lost = exit_1("Fatal: failed to refresh lock in time");
    assert_eq!((lost.reason, lost.retry), (Reason::Unreachable, true));
    let invalid =
        exit_1("Fatal: invalid lock file: invalid data returned\n\nthe `unlock --remove-all` command can be used");
    assert_eq!(invalid.reason, Reason::Locked);
}

#[test]
fn an_error_that_no_retry_changes_ends_the_call() {
    let seconds = Duration::from_secs;
    let bucket = "Stat(<config/>) returned error, retrying after 2.59s: Stat: The specified bucket does not exist.";
    let mut hopeless = Hopeless::default();
    hopeless.read(seconds(1), bucket);
    hopeless.read(seconds(9), bucket);
    assert_eq!(hopeless.due(seconds(15)), None);
    assert_eq!(hopeless.due(seconds(16)).unwrap().reason, Reason::BucketMissing);
}

#[test]
fn an_outage_and_an_error_that_ended_do_not_end_the_call() {
    let seconds = Duration::from_secs;
    let mut hopeless = Hopeless::default();
    hopeless.read(
        seconds(0),
        "Save(<data/0a>) returned error, retrying after 1s: Save: 507 Insufficient Storage",
    );
    assert_eq!(hopeless.due(seconds(29)), None);
    assert_eq!(hopeless.due(seconds(30)).unwrap().reason, Reason::QuotaExceeded);
    hopeless.read(seconds(61), "Save(<data/0a>) operation successful after 4 retries");
    assert_eq!(hopeless.due(seconds(300)), None);
    hopeless.read(
        seconds(400),
        "Save(<data/0a>) returned error, retrying after 1s: dial tcp: connection refused",
    );
    assert_eq!(hopeless.due(seconds(2000)), None);
}

#[test]
fn the_memory_does_not_grow_with_the_problems() {
    let mut collected = Collected::default();
    for number in 0..10_000 {
        collected.read(&format!(
            r#"{{"message_type":"error","error":{{"message":"{}"}},"during":"restore","item":"/{number}"}}"#,
            "x".repeat(2000)
        ));
        collected.read(&format!("a plain line {number}"));
    }
    assert_eq!(
        (collected.problems.len(), collected.problem_count),
        (KEPT_PROBLEMS, 10_000)
    );
    assert_eq!(collected.problems[0].message.len(), LONGEST_TEXT);
    assert_eq!(collected.lines.len(), KEPT_LINES);
}

/// With a key that may not delete, each refresh of the lock leaves such a line, every five minutes.
#[test]
fn a_lock_that_cannot_be_removed_ends_no_backup() {
    for line in [
        "Remove(<lock/0123456789>) failed: client.RemoveObject: Access Denied.",
        "Remove(<lock/0123456789>) returned error, retrying after 1s: client.RemoveObject: Forbidden",
    ] {
        let mut hopeless = Hopeless::default();
        hopeless.read(Duration::from_mins(5), line);
        assert_eq!(hopeless.due(Duration::from_mins(50)), None);
        assert_eq!(collected(line).backend_error, None);
    }
}

/// The message at the end says nothing of it.
#[test]
fn a_lock_that_could_not_be_refreshed_is_told_apart() {
    let lines = "unable to refresh lock: client.RemoveObject: Access Denied.\n\
                 failed to refresh stale lock: client.RemoveObject: Access Denied.\n\
                 Fatal: failed to refresh lock in time\n\
                 {\"message_type\":\"exit_error\",\"code\":1,\"message\":\"unable to save snapshot: context canceled\"}";
    let found = collected(lines);
    let failure = failure(Exit::Code(1), &found).unwrap();
    assert_eq!((failure.reason, failure.retry), (Reason::Unreachable, true));
    assert!(
        found.lock_lost && failure.message.contains("lock"),
        "{}",
        failure.message
    );
}

/// restic ends with 0 then.
#[test]
fn what_could_not_be_removed_is_a_failure_with_the_error_of_the_backend() {
    let text = "Remove(<snapshot/2e5ce9f8cd>) failed: client.RemoveObject: Access Denied.\nunable to remove snapshot/2e5ce9f8cd from the repository";
    assert!(!is_not_removed(text.lines().next().unwrap()) && is_not_removed(text.lines().nth(1).unwrap()));
    let failure = not_removed(&collected(text));
    assert_eq!((failure.reason, failure.retry), (Reason::AccessDenied, false));
    assert!(
        failure.message.starts_with("client.RemoveObject: Access Denied."),
        "{}",
        failure.message
    );
}

/// restic ends with 0 then, also where it was to forget that snapshot.
#[test]
fn a_snapshot_that_was_left_out_for_an_error_is_no_success() {
    let line = |text: &str| format!("Ignoring \"dddd\": {text}");
    assert_eq!(left_out(&line("no matching ID found for prefix \"dddd\"")), None);
    assert_eq!(
        left_out(&line("failed to load snapshot dddd: The specified key does not exist.")),
        None
    );
    let unlisted = left_out("could not load snapshots: client.ListObjects: Access Denied.").unwrap();
    assert_eq!(unlisted.reason, Reason::AccessDenied);
    let outage = left_out(&line("failed to load snapshot dddd: dial tcp: connection refused")).unwrap();
    assert_eq!((outage.reason, outage.retry), (Reason::Unreachable, true));
    let damaged = left_out(&line(
        "failed to load snapshot dddd: LoadRaw(<snapshot/dddd>): invalid data returned",
    ));
    assert_eq!(damaged.unwrap().reason, Reason::DataDamaged);
}
