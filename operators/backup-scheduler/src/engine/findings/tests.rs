//! Lines of restic 0.18.1.
use super::*;
use crate::engine::messages::message;

const PACK: &str = "6b9a5a5ae3000000000000000000000000000000000000000000000000000001";
const BLOB: &str = "a544926600000000000000000000000000000000000000000000000000000002";

fn found(errors: &[&str]) -> Findings {
    let mut findings = Findings::default();
    for error in errors {
        let line = format!(
            r#"{{"message_type":"error","message":{}}}"#,
            serde_json::to_string(&format!("{error}\n")).unwrap()
        );
        findings.read(&line, message(&line).as_ref());
    }
    findings
}

#[test]
fn a_damaged_pack_is_named_with_its_blobs() {
    let text = format!(
        "pack {PACK} contains 3 errors: [blob {BLOB}: ciphertext verification failed blob {PACK} is not contained in index or \
         position is incorrect unexpected pack id {BLOB}]"
    );
    let findings = found(&[
        &text,
        "\nThe repository contains damaged pack files.",
        "restic repair packs 6b9a\nrestic repair snapshots --forget",
        "Damaged pack files can be caused by backend problems",
    ]);
    assert_eq!(findings.packs[PACK], Pack::Damaged(vec![BLOB.to_owned()]));
    assert!(findings.damage() && findings.other.is_none() && findings.unread.is_none());
    // The summary names it again.
    let line =
        format!(r#"{{"message_type":"summary","num_errors":1,"broken_packs":["{PACK}"],"suggest_prune":false}}"#);
    let mut again = findings.clone();
    again.read(&line, message(&line).as_ref());
    assert_eq!(again, findings);
    let none = r#"{"message_type":"summary","num_errors":0,"broken_packs":null}"#;
    again.read(none, message(none).as_ref());
    assert_eq!(again, findings);
}

#[test]
fn a_line_that_was_cut_still_names_the_pack() {
    let line =
        format!(r#"{{"message_type":"error","message":"pack {PACK} contains 9 errors: [blob {BLOB}: ciphertext ver"#);
    let mut findings = Findings::default();
    findings.read(&line, message(&line).as_ref());
    assert_eq!(findings.packs[PACK], Pack::Damaged(vec![BLOB.to_owned()]));
}

#[test]
fn a_pack_that_is_missing_or_too_short_is_told_apart() {
    let findings = found(&[
        &format!("pack {PACK}: does not exist"),
        &format!("pack {BLOB}: unexpected file size: got 1000, expected 3000"),
        "download error: ReadFull(<data/a544926600>): file is too short",
    ]);
    assert_eq!(findings.packs[PACK], Pack::Missing);
    assert_eq!(findings.packs[BLOB], Pack::Truncated);
    assert_eq!(findings.unread, None);
}

/// restic counts these as errors, and the second even as a damaged pack.
#[test]
fn an_outage_is_no_damage() {
    let partial = format!("pack {PACK} contains 1 errors: [partial download error: unexpected EOF]");
    for text in [
        "download error: ReadFull(<data/6b9a5a5ae3>): dial tcp 127.0.0.1:1: connect: connection refused",
        "download error: context canceled",
        "error: error loading index 0123: Load(<index/0123>, 0, 0): Access Denied.",
        &partial,
    ] {
        let mut findings = found(&[text]);
        let line = format!(r#"{{"message_type":"summary","broken_packs":["{PACK}"]}}"#);
        if text == partial {
            findings.read(&line, message(&line).as_ref());
        }
        assert!(!findings.damage() && findings.unread.is_some(), "{text}: {findings:?}");
    }
    let tree = found(&[
        "error for tree 0123abcd:",
        "  ReadFull(<data/01>): dial tcp: connection refused",
    ]);
    assert!(!tree.damage() && tree.unread.is_some(), "{tree:?}");
}

#[test]
fn what_was_read_at_the_second_attempt_is_right() {
    let findings = found(&["check successful on second attempt, original error pack 01 contains 1 errors: [x]"]);
    assert!(!findings.any(), "{findings:?}");
}

#[test]
fn data_that_is_not_in_the_index_is_no_damage_of_a_pack() {
    let findings = found(&[
        "error for tree 0123abcd:",
        &format!(r#"  tree {PACK}: file "a" blob {BLOB} not found in index"#),
        "error for tree 0123abce:",
        &format!("  id {PACK} not found in repository"),
    ]);
    assert!(findings.incomplete && !findings.damage(), "{findings:?}");
}

#[test]
fn a_folder_an_index_or_a_snapshot_can_be_damaged() {
    let findings = found(&[
        "error for tree 0123abcd:",
        "  decrypting blob <tree/01> from 02 failed: ciphertext verification failed",
    ]);
    assert_eq!(findings.trees.iter().collect::<Vec<_>>(), ["0123abcd"]);
    let findings = found(&["error: error loading index 0123: LoadRaw(<index/0123>): invalid data returned"]);
    assert!(findings.damage() && findings.other.unwrap().contains("loading index"));
}

#[test]
fn only_what_two_looks_found_counts() {
    let missing = format!("pack {PACK}: does not exist");
    let (first, second) = (found(&[&missing]), found(&[]));
    assert!(!first.confirmed(second.clone()).any() && !second.confirmed(first.clone()).any());
    assert_eq!(first.confirmed(first.clone()), first);
}
