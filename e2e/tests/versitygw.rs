//! The real restic on a real S3 server: that both run, and how restic takes a refusal.
//!
//! `HEARTH_RESTIC` and `HEARTH_VERSITYGW` name the programs (see `hack/tools`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use hearth_e2e::s3::AccessKey;
use hearth_e2e::versitygw::{Options, VersityGw};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const BUCKET: &str = "backups";

/// A folder to back up, and what each call of restic gets.
struct Restic {
    folder: tempfile::TempDir,
    url: String,
    key: AccessKey,
}

impl Restic {
    fn new(server: &VersityGw) -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
            url: server.url(),
            key: server.root().clone(),
        };
        fs::create_dir_all(this.source().join("inner")).unwrap();
        fs::write(this.source().join("one"), "1").unwrap();
        fs::write(this.source().join("inner/many"), vec![7; 100_000]).unwrap();
        this
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn command(&self, key: &AccessKey, arguments: &[&str]) -> Command {
        let program = std::env::var_os("HEARTH_RESTIC")
            .expect("HEARTH_RESTIC is not set; `cargo xtask cluster tool restic` prints its value");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret)
            .env("RESTIC_PASSWORD", "of the repository")
            .args(["--json", "--no-cache", "--repo"])
            .arg(format!("s3:{}/{BUCKET}/app", self.url))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run_as(&self, key: &AccessKey, arguments: &[&str]) -> Output {
        self.command(key, arguments).output().await.unwrap()
    }

    /// A call with the root key, which must succeed: what it has written to its standard output.
    async fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run_as(&self.key, arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn snapshots(&self) -> usize {
        let listed: Value = serde_json::from_str(&self.succeed(&["snapshots", "--no-lock"]).await).unwrap();
        listed.as_array().unwrap().len()
    }
}

async fn server(options: Options) -> VersityGw {
    let server = VersityGw::start(options).await.unwrap();
    server.create_bucket(BUCKET).await.unwrap();
    server
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn assert_equal(one: &Path, other: &Path) {
    for path in ["one", "inner/many"] {
        assert_eq!(fs::read(one.join(path)).unwrap(), fs::read(other.join(path)).unwrap());
    }
}

#[tokio::test]
async fn what_was_saved_is_restored_also_after_the_server_was_killed() {
    let mut server = server(Options::default()).await;
    let restic = Restic::new(&server);
    restic.succeed(&["init"]).await;
    let saved = restic.succeed(&["backup", "source"]).await;
    let summary: Value = serde_json::from_str(saved.lines().last().unwrap()).unwrap();
    assert_eq!(summary["message_type"], "summary");
    assert_eq!(summary["files_new"], 2);

    server.kill().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(restic.snapshots().await, 1);
    let snapshot = format!("{}:source", summary["snapshot_id"].as_str().unwrap());
    restic.succeed(&["restore", &snapshot, "--target", "restored"]).await;
    assert_equal(&restic.source(), &restic.folder.path().join("restored"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_restic_tries_again() {
    let server = server(Options::default()).await;
    let restic = Restic::new(&server);
    restic.succeed(&["init"]).await;
    let wrong = AccessKey {
        secret: "wrong".to_owned(),
        ..server.root().clone()
    };
    let (status, answer) = server.s3(&wrong).unwrap().call("GET", "/", "").await.unwrap();
    assert_eq!(status, 403);
    assert!(answer.contains("SignatureDoesNotMatch"), "{answer}");

    // restic takes only the code AccessDenied as final; with others it tries for 15 minutes.
    let mut child = restic
        .command(&wrong, &["snapshots"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = timeout(Duration::from_mins(1), lines.next_line()).await.unwrap();
    let first = first.unwrap().expect("a line");
    assert!(first.contains("retrying after"), "{first}");
    assert!(first.contains("signature we calculated does not match"), "{first}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn without_the_right_to_delete_a_snapshot_is_saved_and_none_is_removed() {
    let server = server(Options::default()).await;
    let restic = Restic::new(&server);
    restic.succeed(&["init"]).await;
    let stranger = server.create_user("stranger").await.unwrap();
    let output = restic.run_as(&stranger, &["snapshots"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("Access Denied"), "{output:?}");

    let writer = server.create_user_without_delete(BUCKET, "writer").await.unwrap();
    for _ in 0..2 {
        let output = restic.run_as(&writer, &["backup", "source"]).await;
        assert!(output.status.success(), "{output:?}");
    }
    assert_eq!(restic.snapshots().await, 2);

    // Its locks stay, since it cannot delete them. They hold up every command that needs the repository alone.
    let output = restic.run_as(&writer, &["forget", "--keep-last", "1"]).await;
    assert_eq!(output.status.code(), Some(11), "{output:?}");
    restic.succeed(&["unlock", "--remove-all"]).await;

    // Nothing is removed, but restic 0.18.1 ends with 0, and its JSON names the snapshot as removed.
    let output = restic.run_as(&writer, &["forget", "--keep-last", "1"]).await;
    assert!(error_of(&output).contains("unable to remove snapshot/"), "{output:?}");
    assert!(output.status.success(), "{output:?}");
    let forgotten: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(forgotten[0]["remove"].as_array().unwrap().len(), 1);
    assert_eq!(restic.snapshots().await, 2);
}

#[tokio::test]
async fn with_the_right_to_delete_locks_only_a_snapshot_is_saved_and_no_lock_stays() {
    let server = server(Options::default()).await;
    let restic = Restic::new(&server);
    restic.succeed(&["init"]).await;
    let writer = server
        .create_user_for_movers(BUCKET, "writer", "*/locks/*")
        .await
        .unwrap();
    let output = restic.run_as(&writer, &["backup", "source"]).await;
    assert!(output.status.success(), "{output:?}");
    assert!(!error_of(&output).contains("unable to remove"), "{output:?}");
    let repository = server.folder(BUCKET).join("app");
    assert_eq!(fs::read_dir(repository.join("locks")).map_or(0, Iterator::count), 0);
    let snapshot = fs::read_dir(repository.join("snapshots")).unwrap().next().unwrap();
    let name = snapshot.unwrap().file_name();
    let path = format!("/{BUCKET}/app/snapshots/{}", name.to_string_lossy());
    let (status, answer) = server.s3(&writer).unwrap().call("DELETE", &path, "").await.unwrap();
    assert_eq!(status, 403, "{answer}");
    assert_eq!(restic.snapshots().await, 1);
}

#[tokio::test]
async fn tls_by_a_private_authority_needs_its_certificate() {
    let server = server(Options {
        tls: true,
        versioning: true,
        ..Options::default()
    })
    .await;
    let restic = Restic::new(&server);
    let ca = restic.folder.path().join("ca.crt");
    fs::write(&ca, server.ca().unwrap()).unwrap();
    restic.succeed(&["--cacert", ca.to_str().unwrap(), "init"]).await;

    let output = restic.run_as(server.root(), &["init"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("unknown authority"), "{output:?}");
}
