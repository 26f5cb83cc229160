//! The mover with a real restic, and a repository in a folder or in a bucket of versitygw. Each rule of the guard is first shown
//! to be needed: restic alone does otherwise.
//!
//! `HEARTH_RESTIC` and `HEARTH_VERSITYGW` name the programs (see `hack/tools`). Tests with other owners need root, and are left out without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests are tests"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use hearth_backup_scheduler::mover::{self, Places};
use hearth_backup_scheduler::task::{
    Backup, Reason, Report, Repository, Restore, Task, Verdict, Volume, WithoutParent, Work,
};
use hearth_reconciler::args::LogFormat;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

#[path = "restic/adopted.rs"]
mod adopted;
#[path = "restic/backups.rs"]
mod backups;
#[path = "restic/bucket.rs"]
mod bucket;
#[path = "restic/damage.rs"]
mod damage;
#[path = "restic/gate.rs"]
mod gate;
#[path = "restic/initializations.rs"]
mod initializations;
#[path = "restic/interruptions.rs"]
mod interruptions;
#[path = "restic/keep.rs"]
mod keep;
#[path = "restic/objects.rs"]
mod objects;
#[path = "restic/repositories.rs"]
mod repositories;
#[path = "restic/restores.rs"]
mod restores;
#[path = "restic/retention.rs"]
mod retention;
#[path = "restic/volumes.rs"]
mod volumes;

/// Names the program restic.
const PROGRAM: &str = "HEARTH_RESTIC";
/// Makes this program a mover, with the folder of its lab.
const LAB: &str = "HEARTH_TEST_LAB";
/// `nobody` on every Linux.
const NOBODY: u32 = 65534;

/// A volume, a repository and what a mover needs, in a folder that every user may read.
struct Lab {
    folder: TempDir,
    /// The bucket with the repository; none: it is in the folder.
    bucket: Option<bucket::Bucket>,
}

impl Lab {
    /// A volume that is empty, and a repository that is initialized.
    async fn new() -> Self {
        let lab = Self::without_repository();
        let report = lab.run(Work::Initialize { create: true }).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        lab
    }

    fn without_repository() -> Self {
        let program =
            std::env::var_os(PROGRAM).expect("HEARTH_RESTIC is not set: it names restic, see hack/tools/restic");
        let lab = Self {
            folder: tempfile::Builder::new().prefix("hearth-restic-").tempdir().unwrap(),
            bucket: None,
        };
        for name in ["", "data/web", "secrets", "cache", "tmp", "target"] {
            fs::create_dir_all(lab.path(name)).unwrap();
            fs::set_permissions(lab.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["cache", "tmp"] {
            fs::set_permissions(lab.path(name), fs::Permissions::from_mode(0o777)).unwrap();
        }
        lab.copy(Path::new(&program), "restic");
        fs::write(lab.path("secrets/password"), "correct horse").unwrap();
        lab
    }

    /// A program in the lab, which others may run where the original is closed to them.
    fn copy(&self, program: &Path, name: &str) -> PathBuf {
        let own = self.path(name);
        if !own.exists() && fs::hard_link(program, &own).is_err() {
            fs::copy(program, &own).unwrap();
        }
        own
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn places(folder: &Path) -> Places {
        Places {
            folder: folder.join("secrets"),
            restic: folder.join("restic"),
            report: folder.join("tmp/report"),
            cache: folder.join("cache"),
            temporary: folder.join("tmp"),
            lock_patience: 1,
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }

    fn task(&self, work: Work) -> Task {
        Task {
            repository: Repository {
                location: self.location(),
                region: None,
                path_style: false,
                append_only: false,
                limit_upload: 0,
            },
            work,
            memory_limit: 160 << 20,
            progress: None,
        }
    }

    /// A backup of the volume by a first attempt of the run.
    fn backup(&self, run_uid: &str) -> Backup {
        Backup {
            path: self.text("data/web"),
            host: "home".to_owned(),
            time: "2026-11-29T04:00:00+01:00".to_owned(),
            run: format!("backup-scheduler/{run_uid}"),
            run_uid: run_uid.to_owned(),
            first_attempt: true,
            claim: "web".to_owned(),
            parent: None,
            without_parent: WithoutParent::Nothing,
            create: false,
            volume: Volume::default(),
            former_files: 0,
            allow_partial: false,
            exclude: Vec::new(),
            first_upload_limit: 0,
        }
    }

    /// A restore of the volume in a snapshot into the target.
    fn restore(&self, snapshot: &str) -> Restore {
        Restore {
            snapshot: snapshot.to_owned(),
            path: self.text("data/web"),
            target: self.text("target"),
            overwrite: false,
            devices: false,
            setuid: false,
        }
    }

    fn write_task(&self, task: &Task) {
        fs::write(self.path("secrets/task.json"), serde_json::to_vec(task).unwrap()).unwrap();
    }

    /// Runs a mover in this process.
    async fn run(&self, work: Work) -> Report {
        self.run_task(&self.task(work)).await
    }

    async fn run_task(&self, task: &Task) -> Report {
        self.write_task(task);
        mover::execute(&Self::places(self.folder.path()), &CancellationToken::new(), |_| ()).await
    }

    /// A mover in a process of its own: with another user, behind a wrapper such as `unshare`, or to be killed.
    fn mover(&self, wrapper: &[&str], user: Option<u32>) -> Command {
        let own = self.copy(&std::env::current_exe().unwrap(), "mover");
        let mut words = wrapper.iter().map(ToString::to_string).collect::<Vec<_>>();
        words.push(own.to_str().unwrap().to_owned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["--exact", "a_mover_process", "--ignored", "--nocapture"]);
        command
            .env(LAB, self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let _ = fs::remove_file(self.path("tmp/report"));
        command
    }

    fn report(&self) -> Report {
        let text = fs::read(self.path("tmp/report")).expect("the mover wrote no report");
        serde_json::from_slice(&text).unwrap()
    }

    /// Runs a mover as another user.
    fn run_as(&self, user: u32, work: Work) -> Report {
        self.write_task(&self.task(work));
        self.mover(&[], Some(user)).status().unwrap();
        self.report()
    }

    /// restic alone.
    fn restic_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("restic"));
        command
            .env_clear()
            .env("TZ", "UTC")
            .args(["--json", "--repo"])
            .arg(self.location());
        if let Some(bucket) = &self.bucket {
            command.env("AWS_ACCESS_KEY_ID", &bucket.key.id);
            command.env("AWS_SECRET_ACCESS_KEY", &bucket.key.secret);
        }
        command.env("RESTIC_PASSWORD_FILE", self.path("secrets/password"));
        command
            .env("RESTIC_CACHE_DIR", self.path("cache"))
            .env("TMPDIR", self.path("tmp"));
        command.args(arguments);
        command
    }

    /// The exit code and the output of restic alone.
    fn restic(&self, arguments: &[&str]) -> (i32, String) {
        finish(self.restic_command(arguments).output().unwrap())
    }

    fn restic_as(&self, user: u32, arguments: &[&str]) -> (i32, String) {
        finish(self.restic_command(arguments).uid(user).gid(user).output().unwrap())
    }

    /// restic alone, which must succeed.
    fn restic_ok(&self, arguments: &[&str]) -> String {
        let (code, output) = self.restic(arguments);
        assert_eq!(code, 0, "{arguments:?}: {output}");
        output
    }

    /// restic alone in the background.
    fn restic_child(&self, arguments: &[&str]) -> Child {
        let mut command = self.restic_command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// The ids of all snapshots.
    fn snapshots(&self) -> Vec<String> {
        let list: serde_json::Value = serde_json::from_str(&self.restic_ok(&["snapshots"])).unwrap();
        let ids = list
            .as_array()
            .unwrap()
            .iter()
            .map(|snapshot| snapshot["id"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }

    /// A backup by the mover, which must succeed; the id of its snapshot.
    async fn backed_up(&self, run_uid: &str) -> String {
        let report = self.run(Work::Backup(self.backup(run_uid))).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        report.snapshot.unwrap().id
    }

    /// A file of the volume.
    fn write(&self, name: &str, content: &[u8]) {
        let file = self.path("data/web").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn target(&self, name: &str) -> PathBuf {
        self.path("target").join(name)
    }

    /// Gives the repository and the cache to another user.
    fn give(&self, name: &str, user: u32) {
        give(&self.path(name), user);
    }

    /// The packs with data, the largest first.
    fn packs(&self) -> Vec<PathBuf> {
        let mut packs = Vec::new();
        for folder in fs::read_dir(self.repository().join("data")).unwrap() {
            for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
                packs.push(pack.unwrap().path());
            }
        }
        packs.sort_by_key(|pack| std::cmp::Reverse(fs::metadata(pack).unwrap().len()));
        packs
    }

    /// Locks that are left in the repository.
    fn locks(&self) -> usize {
        fs::read_dir(self.repository().join("locks")).map_or(0, Iterator::count)
    }

    /// The repository as restic knows it.
    fn location(&self) -> String {
        match &self.bucket {
            Some(bucket) => bucket.location(),
            None => self.text("repository"),
        }
    }

    /// The folder with the files or objects of the repository.
    fn repository(&self) -> PathBuf {
        match &self.bucket {
            Some(bucket) => bucket.folder(),
            None => self.path("repository"),
        }
    }
}

fn finish(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// Bytes that restic cannot compress.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Not a test: what [`Lab::mover`] runs.
#[test]
#[ignore = "run by other tests"]
fn a_mover_process() {
    if let Some(folder) = std::env::var_os(LAB) {
        let _ = mover::start(&Lab::places(Path::new(&folder)));
    }
}

fn paths(report: &Report) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.path.as_str()).collect()
}

fn failed(report: &Report, reason: Reason) {
    assert_eq!((report.verdict, report.reason), (Verdict::Failed, reason), "{report:?}");
    assert_eq!(report.snapshot, None);
}
