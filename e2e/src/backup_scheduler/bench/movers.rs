//! What movers need: a volume of 20,000 files and 1.1 GB, with restic alone beside it, and 5,000 API objects. The programs of the image run
//! as processes of this machine, with the memory limit of a Job, against a real S3 server.
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use hearth_backup_scheduler::plan::job::{MEMORY, restore_memory};
use hearth_backup_scheduler::task::{
    Backup, Check, Export, Part, Prune, Report, Repository, Restore, Task, Volume, WithoutParent, Work,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde::Serialize;
use serde_json::json;
use tempfile::TempDir;

use super::limited::{self, Needed};
use crate::backup_scheduler::env::{BackupEnv, CLUSTER};
use crate::bench::budget::{self, Line};
use crate::bench::mass::{PARALLEL, create};
use crate::bench::steps::Steps;
use crate::http_gate::HttpGate;
use crate::namespaces::namespace;

const BUCKET: &str = "bench-movers";
const NAMESPACE: &str = "bench-objects";
const PASSWORD: &str = "of a benchmark";
const FILES: u64 = 20_000;
const BYTES_PER_FILE: usize = 55_000;
const OBJECTS: u32 = 5_000;
/// So many requests a backup of an unchanged volume may send.
const UNCHANGED: f64 = 40.0;

/// Figures of one job.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Job {
    seconds: f64,
    processor_seconds: f64,
    anonymous_bytes: u64,
    requests: usize,
}

/// Figures of all.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Movers {
    restic_alone: Job,
    first: Job,
    unchanged: Job,
    check: Job,
    prune: Job,
    restore: Job,
    export: Job,
    exporter_bytes: u64,
}

/// What all jobs share.
struct Lab<'a> {
    env: &'a BackupEnv,
    folder: TempDir,
    gate: HttpGate,
}

/// Measures.
pub(super) async fn measure(env: &BackupEnv, steps: &Steps) -> Result<Movers> {
    env.s3.create_bucket(BUCKET).await?;
    let server: SocketAddr = env.s3.url().trim_start_matches("http://").parse()?;
    let lab = Lab {
        env,
        folder: tempfile::Builder::new().prefix("hearth-bench-").tempdir()?,
        gate: HttpGate::start(env.environment.host, server).await?,
    };
    let volume = lab.path("data");
    write_files(&volume)?;
    steps.done("the volume is written");

    lab.restic("alone", &["init"]).await?;
    let restic_alone = lab.restic("alone", &["backup", lab.text("data").as_str()]).await?;
    steps.done("restic alone has ended");
    lab.mover("ours", Work::Initialize { create: true }, MEMORY).await?;
    let backup = lab.backup("web", "first");
    let (first, report) = lab.mover("ours", Work::Backup(backup), MEMORY).await?;
    let snapshot = report.snapshot.context("no snapshot")?;
    ensure!(snapshot.files >= FILES, "{} files", snapshot.files);
    steps.done("the first backup has ended");
    let mut again = lab.backup("web", "second");
    (again.parent, again.former_files) = (Some(snapshot.id.clone()), snapshot.files);
    let (unchanged, _) = lab.mover("ours", Work::Backup(again), MEMORY).await?;
    steps.done("an unchanged backup has ended");
    let read = Some(Part { number: 1, of: 10 });
    let check = Work::Check(Check {
        read,
        damaged: Vec::new(),
    });
    let (check, _) = lab.mover("ours", check, MEMORY).await?;
    let (prune, _) = lab
        .mover("ours", Work::Prune(Prune { only_delete: false }), MEMORY)
        .await?;
    steps.done("check and prune have ended");
    fs::create_dir_all(lab.path("target"))?;
    let restore = Restore {
        snapshot: snapshot.id,
        path: lab.text("data"),
        target: lab.text("target"),
        overwrite: false,
        devices: false,
        setuid: false,
    };
    let (restore, _) = lab
        .mover("ours", Work::Restore(restore), restore_memory(snapshot.files))
        .await?;
    steps.done("a restore has ended");
    let (export, exporter_bytes) = export(&lab).await?;
    steps.done("an export has ended");
    Ok(Movers {
        restic_alone,
        first,
        unchanged,
        check,
        prune,
        restore,
        export,
        exporter_bytes,
    })
}

async fn export(lab: &Lab<'_>) -> Result<(Job, u64)> {
    let client = &lab.env.client;
    namespace(client, NAMESPACE).await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let made = futures::stream::iter(0..OBJECTS).map(|number| {
        let maps = maps.clone();
        async move {
            let object =
                json!({"metadata": {"name": format!("settings-{number}")}, "data": {"number": number.to_string()}});
            create(&maps, &object, "bench").await
        }
    });
    made.buffer_unordered(PARALLEL).try_collect::<()>().await?;
    fs::create_dir_all(lab.path("objects"))?;
    lab.mover("objects", Work::Initialize { create: true }, MEMORY).await?;
    let mut backup = lab.backup(".objects", "objects");
    backup.path = lab.text("objects");
    let export = Work::Export(Export {
        namespace: Some(NAMESPACE.to_owned()),
        exclude_kinds: Vec::new(),
        backup,
    });
    let (needed, requests, report) = lab.run("objects", export, MEMORY).await?;
    let files = report.snapshot.map_or(0, |snapshot| snapshot.files);
    ensure!(files >= u64::from(OBJECTS), "{files} files");
    Ok((job(needed, requests), needed.resident))
}

impl Lab<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn location(&self, repository: &str) -> String {
        format!("s3:{}/{BUCKET}/{repository}", self.gate.url())
    }

    fn backup(&self, claim: &str, run: &str) -> Backup {
        Backup {
            path: self.text("data"),
            host: CLUSTER.to_owned(),
            time: "2026-11-29T04:00:00Z".to_owned(),
            run: format!("bench/{run}"),
            run_uid: run.to_owned(),
            first_attempt: true,
            claim: claim.to_owned(),
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

    /// A mover, which must succeed.
    async fn mover(&self, repository: &str, work: Work, limit: u64) -> Result<(Job, Report)> {
        let (needed, requests, report) = self.run(repository, work, limit).await?;
        Ok((job(needed, requests), report))
    }

    async fn run(&self, repository: &str, work: Work, limit: u64) -> Result<(Needed, usize, Report)> {
        let name = format!("{work:?}")
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect::<String>();
        // Each Job has folders of its own, and so no cache.
        let own = tempfile::Builder::new()
            .prefix("mover-")
            .tempdir_in(self.folder.path())?;
        for folder in ["secrets", "cache", "tmp"] {
            fs::create_dir(own.path().join(folder))?;
        }
        let task = Task {
            repository: Repository {
                location: self.location(repository),
                region: None,
                path_style: false,
                append_only: false,
                limit_upload: 0,
            },
            work,
            memory_limit: limit,
            progress: None,
        };
        let key = self.env.s3.root();
        for (file, content) in [
            ("task.json", serde_json::to_string(&task)?),
            ("password", PASSWORD.to_owned()),
            ("access-key-id", key.id.clone()),
            ("secret-access-key", key.secret.clone()),
        ] {
            fs::write(own.path().join("secrets").join(file), content)?;
        }
        let report = own.path().join("report");
        let mark = self.gate.mark();
        let environment = &self.env.environment;
        let needed = limited::run(&environment.program, limit, |command| {
            command
                .arg("move")
                .arg("--folder")
                .arg(own.path().join("secrets"))
                .arg("--restic")
                .arg(restic())
                .arg("--report")
                .arg(&report)
                .arg("--cache")
                .arg(own.path().join("cache"))
                .arg("--temporary")
                .arg(own.path().join("tmp"))
                .env("KUBECONFIG", &environment.kubeconfig);
        })
        .await?;
        ensure!(
            needed.succeeded,
            "{name} did not succeed within {limit} bytes of memory"
        );
        let requests = self.gate.since(mark).len();
        let report = serde_json::from_slice(&fs::read(&report)?)?;
        Ok((needed, requests, report))
    }

    /// restic alone, which must succeed, with the same limits.
    async fn restic(&self, repository: &str, arguments: &[&str]) -> Result<Job> {
        let mark = self.gate.mark();
        let key = self.env.s3.root();
        let needed = limited::run(&restic(), MEMORY, |command| {
            command
                .arg("--repo")
                .arg(self.location(repository))
                .args(arguments)
                .env("RESTIC_PASSWORD", PASSWORD)
                .env("RESTIC_CACHE_DIR", self.path("cache-alone"))
                .env("AWS_ACCESS_KEY_ID", &key.id)
                .env("AWS_SECRET_ACCESS_KEY", &key.secret)
                .env("GOGC", "20")
                .env("GOMEMLIMIT", (MEMORY * 65 / 100).to_string());
        })
        .await?;
        ensure!(needed.succeeded, "restic alone did not succeed");
        Ok(job(needed, self.gate.since(mark).len()))
    }
}

fn restic() -> PathBuf {
    std::env::var_os("HEARTH_RESTIC").map_or_else(|| "restic".into(), PathBuf::from)
}

fn job(needed: Needed, requests: usize) -> Job {
    Job {
        seconds: needed.seconds,
        processor_seconds: needed.processor,
        anonymous_bytes: needed.anonymous,
        requests,
    }
}

/// Files that compress to nothing smaller, in folders of a hundred.
fn write_files(folder: &Path) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut content = vec![0; BYTES_PER_FILE];
    for number in 0..FILES {
        let inside = folder.join((number / 100).to_string());
        fs::create_dir_all(&inside)?;
        random.fill(&mut content);
        fs::write(inside.join(number.to_string()), &content)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred requests")]
pub(super) fn lines(movers: &Movers) -> Vec<Line> {
    let ratio = movers.first.processor_seconds / movers.restic_alone.processor_seconds;
    let mut lines = vec![
        Line::new(
            "first backup, processor time of restic alone",
            ratio,
            Some(1.1),
            "times",
        ),
        Line::new(
            "unchanged backup, requests",
            movers.unchanged.requests as f64,
            Some(UNCHANGED),
            "",
        ),
    ];
    for (name, job) in [
        ("restic alone", &movers.restic_alone),
        ("first backup", &movers.first),
        ("unchanged backup", &movers.unchanged),
        ("check of a tenth", &movers.check),
        ("prune", &movers.prune),
        ("restore", &movers.restore),
    ] {
        lines.push(budget::size(
            &format!("{name}, anonymous memory at most"),
            job.anonymous_bytes,
            None,
        ));
        lines.push(Line::new(
            &format!("{name}, processor"),
            job.processor_seconds,
            None,
            "s",
        ));
        lines.push(Line::new(&format!("{name}, time"), job.seconds, None, "s"));
        lines.push(Line::new(&format!("{name}, requests"), job.requests as f64, None, ""));
    }
    lines.push(Line::new(
        "5,000 API objects, time",
        movers.export.seconds,
        Some(10.0),
        "s",
    ));
    lines.push(budget::size(
        "5,000 API objects, exporter's memory",
        movers.exporter_bytes,
        Some(64.0),
    ));
    lines
}
