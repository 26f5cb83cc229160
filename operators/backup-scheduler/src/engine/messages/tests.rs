//! Lines of restic 0.18.1, and lines of nobody.
use super::*;
use crate::engine::lines::Lines;

#[test]
fn the_lines_of_a_backup() {
    let status = r#"{"message_type":"status","seconds_elapsed":17,"seconds_remaining":3,"percent_done":0.84,"total_files":9,"files_done":8,"total_bytes":82521426,"bytes_done":69760886,"current_files":["/data/web/a"]}"#;
    let Some(Message::Status(progress)) = message(status) else {
        panic!("no status")
    };
    assert_eq!(
        (progress.bytes_done, progress.total_files, progress.seconds_remaining),
        (69_760_886, 9, 3)
    );
    let summary = r#"{"message_type":"summary","files_new":1,"files_changed":0,"files_unmodified":8,"dirs_new":0,"dirs_changed":5,"dirs_unmodified":1,"data_blobs":44,"tree_blobs":6,"data_added":60010246,"data_added_packed":60009326,"total_files_processed":9,"total_bytes_processed":82521426,"total_duration":2.06,"backup_start":"2026-11-30T12:02:22.9Z","backup_end":"2026-11-30T12:02:24.9Z","snapshot_id":"cf94d1e049a70f72845769fb27ab15d81734b1ba596d7046b2d0b535318bcdc8"}"#;
    let Some(Message::Summary(summary)) = message(summary) else {
        panic!("no summary")
    };
    assert_eq!(
        (summary.total_files_processed, summary.data_added_packed),
        (9, 60_009_326)
    );
    assert!(summary.snapshot_id.unwrap().starts_with("cf94d1e0"));
}

/// With `--skip-if-unchanged` there is no id, and the duration is nonsense.
#[test]
fn the_summary_of_a_backup_that_equals_its_parent_has_no_snapshot() {
    let line = r#"{"message_type":"summary","files_new":0,"files_unmodified":9,"data_added":0,"total_files_processed":9,"total_bytes_processed":82521426,"total_duration":-9223372036.854776,"backup_start":"2026-11-30T12:02:25.24Z","backup_end":"0001-01-01T00:00:00Z"}"#;
    let Some(Message::Summary(summary)) = message(line) else {
        panic!("no summary")
    };
    assert_eq!((summary.snapshot_id, summary.total_files_processed), (None, 9));
}

#[test]
fn the_lines_of_a_restore() {
    let status = r#"{"message_type":"status","percent_done":0.97,"total_files":12,"files_restored":6,"total_bytes":19521426,"bytes_restored":18981128}"#;
    let Some(Message::Status(progress)) = message(status) else {
        panic!("no status")
    };
    assert_eq!((progress.bytes_done, progress.files_done), (18_981_128, 6));
    let error = r#"{"message_type":"error","error":{"message":"decrypting blob \u003cdata/a5449266\u003e from 6b9a5a5a failed: ciphertext verification failed"},"during":"restore","item":"/b"}"#;
    let Some(Message::Error(error)) = message(error) else {
        panic!("no error")
    };
    assert_eq!((error.item.as_str(), error.during.as_str()), ("/b", "restore"));
    assert!(error.error.message.contains("<data/a5449266> from 6b9a5a5a"));
    let end = r#"{"message_type":"exit_error","code":1,"message":"Fatal: There were 1 errors\n"}"#;
    assert!(matches!(message(end), Some(Message::ExitError(end)) if end.code == 1));
}

#[test]
fn an_entry_has_its_permissions_in_the_bits_of_unix() {
    let node = |mode: u32| Node {
        mode,
        ..Node::default()
    };
    // drwx------, urwxr-xr-x, dgrwxr-x---, and a folder with the sticky bit
    assert_eq!(node(2_147_484_096).permissions(), 0o700);
    assert_eq!(node(8_389_101).permissions(), 0o4755);
    assert_eq!(node(2_151_678_440).permissions(), 0o2750);
    assert_eq!(node(1 << 31 | 1 << 20 | 0o777).permissions(), 0o1777);
    let line = r#"{"name":"we [i]r*d\"\nname","type":"file","path":"/data/web/we [i]r*d\"\nname","uid":999,"gid":998,"size":1,"mode":420,"permissions":"-rw-r--r--","mtime":"2026-11-30T12:00:07.646137727Z","inode":11110466,"message_type":"node","struct_type":"node"}"#;
    let Some(Message::Node(node)) = message(line) else {
        panic!("no node")
    };
    assert_eq!(node.path, "/data/web/we [i]r*d\"\nname");
    assert_eq!(
        (node.uid, node.gid, node.size, node.permissions()),
        (999, 998, 1, 0o644)
    );
}

#[test]
fn the_snapshots_of_a_run() {
    let line = r#"[{"time":"2026-11-29T03:00:00Z","tree":"654b","paths":["/data/web"],"hostname":"home","username":"root","tags":["run-uid=1","claim=web"],"program_version":"restic 0.18.1","summary":{"files_new":8,"total_files_processed":8,"total_bytes_processed":22521426},"id":"9115fcb7","short_id":"9115fcb7"}]"#;
    let snapshots = snapshots(line).unwrap();
    assert_eq!((snapshots[0].id.as_str(), snapshots[0].tags.len()), ("9115fcb7", 2));
    assert_eq!(snapshots[0].summary.as_ref().unwrap().total_files_processed, 8);
    assert_eq!(super::snapshots("[]"), Some(Vec::new()));
    assert_eq!(super::snapshots("Ignoring \"deadbeef\": no matching ID found"), None);
}

#[test]
fn the_other_answers() {
    let config = "{\n  \"version\": 2,\n  \"id\": \"f0856b42\",\n  \"chunker_polynomial\": \"218ca774551f6f\"\n}\n";
    assert_eq!(repository(config).unwrap().id, "f0856b42");
    let size = r#"{"total_size":69023387,"total_uncompressed_size":69572806,"compression_ratio":1.007,"total_blob_count":64,"snapshots_count":1}"#;
    assert_eq!(raw_size(size).unwrap().total_uncompressed_size, 69_572_806);
    let made = r#"{"message_type":"initialized","id":"f085","repository":"/backup"}"#;
    assert!(matches!(message(made), Some(Message::Initialized(made)) if made.id == "f085"));
}

#[test]
fn the_lines_about_retries() {
    let again = "Stat(<config/>) returned error, retrying after 2.59s: Stat: The specified bucket does not exist.";
    let error = "Stat: The specified bucket does not exist.";
    assert_eq!(
        retry(again),
        Some(Retry::Again {
            operation: "Stat(<config/>)",
            error
        })
    );
    let failed = "Load(<data/6b9a5a5ae3>, 5151926, 0) failed: file is too short";
    let operation = "Load(<data/6b9a5a5ae3>, 5151926, 0)";
    assert_eq!(
        retry(failed),
        Some(Retry::Failed {
            operation,
            error: "file is too short"
        })
    );
    assert_eq!(
        retry("Save(<data/0a>) operation successful after 2 retries"),
        Some(Retry::Succeeded)
    );
    assert_eq!(retry("error while unlocking: x"), None);
}

#[test]
fn the_files_whose_data_is_missing() {
    let line = r#"  file "/data/web/we [i]r*d\"\nname \\ \x7f\xe9\u00a0é": removed missing content"#;
    assert_eq!(
        missing(line).unwrap(),
        "/data/web/we [i]r*d\"\nname \\ \u{7f}\u{fffd}\u{a0}é"
    );
    for line in [
        r#"  dir "/data": replaced with empty directory"#,
        "would modify 1 snapshots",
        r#"  file "/a\": removed missing content"#,
        r#"  file "/a\u12": removed missing content"#,
    ] {
        assert_eq!(missing(line).filter(|path| path != "/a"), None, "{line}");
    }
}

#[test]
fn the_snapshots_that_lack_data() {
    let header = "snapshot b1ec9def of [/tmp/r/d of x] at 2026-11-30 15:54:37.824001716 +0000 UTC by root@vm";
    assert_eq!(snapshot_header(header), Some("b1ec9def"));
    assert_eq!(snapshot_header("snapshot of x"), None);
    assert!(lacks_data("would save new snapshot") && !lacks_data("no snapshots would be modified"));
    assert!(!lacks_data(r#"  file "/data/a": removed missing content"#));
}

#[test]
fn the_snapshots_that_need_an_object() {
    let lines = [
        (" ... in snapshot cc82c35d (2026-11-30 15:54:36)", Some("cc82c35d")),
        (
            " ... which belongs to snapshot 600253a737bb6861f7e18d80860993907c6d5972c006570409ad5475f5716592",
            Some("600253a7"),
        ),
        (" ... in file /a ... in snapshot cc82c35d (x", None),
        (" ... in snapshot cc82c35 (", None),
        (" ... which belongs to snapshot é", None),
        ("Found blob c18612fe", None),
    ];
    for (line, expected) in lines {
        assert_eq!(needed_by(line), expected, "{line}");
    }
}

#[test]
fn messages_of_a_later_restic_are_read_as_far_as_they_are_known() {
    let line = r#"{"message_type":"error","error":{"message":"m","code":7},"during":"restore","item":"/b","pack":"x"}"#;
    assert!(matches!(message(line), Some(Message::Error(error)) if error.item == "/b"));
    assert_eq!(
        message(r#"{"message_type":"from the future","a":1}"#),
        Some(Message::Other)
    );
    assert_eq!(message(r#"{"no":"type"}"#), None);
}

/// Any bytes, real lines with bytes changed, and real lines cut short: nothing panics, and the next line is read.
#[test]
fn nothing_that_a_pipe_may_bring_stops_the_reader() {
    let samples: [&[u8]; 4] = [
        br#"{"message_type":"status","percent_done":0.5,"total_files":12,"bytes_done":18}"#,
        br#"{"message_type":"node","type":"file","path":"/a","mode":420,"mtime":"2026-11-30T12:00:07Z"}"#,
        br#"[{"time":"2026-11-29T03:00:00Z","tags":["a"],"id":"91"}]"#,
        b"Load(<data/6b9a5a5ae3>, 5151926, 0) returned error, retrying after 1s: x",
    ];
    let mut random = fastrand::Rng::with_seed(13);
    for _ in 0..20_000 {
        let mut bytes = match random.u8(0..3) {
            0 => (0..random.usize(0..80)).map(|_| random.u8(..)).collect(),
            _ => random.choice(samples).unwrap_or(b"").to_vec(),
        };
        for _ in 0..random.usize(0..4) {
            if !bytes.is_empty() {
                let place = random.usize(0..bytes.len());
                bytes[place] = random.u8(..);
            }
        }
        bytes.truncate(random.usize(0..200));
        bytes.push(b'\n');
        bytes.extend_from_slice(samples[0]);
        let mut lines = Lines::default();
        let mut last = None;
        let mut read = |line: &str| {
            let _ = (
                snapshots(line),
                repository(line),
                raw_size(line),
                retry(line),
                missing(line),
            );
            last = message(line);
        };
        for chunk in bytes.chunks(7) {
            lines.push(chunk, &mut read);
        }
        lines.finish(&mut read);
        assert!(matches!(last, Some(Message::Status(progress)) if progress.bytes_done == 18));
    }
}
