//! Tasks of this program that run beside each other, each as a process with a cluster of its own.
use std::collections::VecDeque;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// How many clusters run at the same time. The tests mostly wait: four of them keep two cores busy.
const AT_ONCE: usize = 4;
/// How often it is reported what still runs.
const REPORT_EVERY: Duration = Duration::from_mins(2);

/// A task that is to be run.
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, std::ffi::OsString)>,
    /// About how long it takes; the longest begins first.
    pub(crate) minutes: u32,
}

/// A task that has ended.
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) took: Duration,
    pub(crate) passed: bool,
    /// What it has written.
    pub(crate) output: String,
}

impl Job {
    /// This program, with the home of the job's own cluster.
    fn command(&self) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .env("HEARTH_CLUSTER_HOME", hearth_cluster::home_beside(&self.name)?)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Removes the job's cluster.
    fn clean_up(&self) -> Result<()> {
        let output = self.command()?.args(["cluster", "down"]).output()?;
        ensure!(
            output.status.success(),
            "the cluster of {} could not be removed: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

struct Running {
    job: Job,
    child: Child,
    output: NamedTempFile,
    begin: Instant,
}

impl Running {
    fn start(job: Job) -> Result<Self> {
        // An interrupted run may have left a cluster.
        job.clean_up()?;
        let output = NamedTempFile::new()?;
        let file = output.reopen()?;
        let child = job
            .command()?
            .args(&job.arguments)
            .envs(job.environment.iter().map(|(name, value)| (name, value)))
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run {}", job.name))?;
        eprintln!("-- {} begins on a cluster of its own", job.name);
        Ok(Self {
            job,
            child,
            output,
            begin: Instant::now(),
        })
    }
}

/// Runs all jobs, the longest first. What each has written is shown when it ends; then `ended` is called.
pub(crate) fn run_all(mut jobs: Vec<Job>, mut ended: impl FnMut(Ended)) -> Result<()> {
    jobs.sort_by_key(|job| std::cmp::Reverse(job.minutes));
    let mut waiting: VecDeque<Job> = jobs.into();
    let mut running: Vec<Running> = Vec::new();
    let begin = Instant::now();
    let mut next = REPORT_EVERY;
    loop {
        while running.len() < AT_ONCE {
            let Some(job) = waiting.pop_front() else { break };
            running.push(Running::start(job)?);
        }
        let mut still = Vec::new();
        for mut run in running {
            let Some(status) = run.child.try_wait()? else {
                still.push(run);
                continue;
            };
            let took = run.begin.elapsed();
            eprintln!("-- {}:", run.job.name);
            let output = String::from_utf8_lossy(&std::fs::read(run.output.path())?).into_owned();
            eprint!("{output}");
            run.job.clean_up()?;
            ended(Ended {
                name: run.job.name,
                took,
                passed: status.success(),
                output,
            });
        }
        running = still;
        if running.is_empty() && waiting.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > next {
            let names: Vec<&str> = running.iter().map(|run| run.job.name.as_str()).collect();
            eprintln!("-- {} min: {} still running", next.as_secs() / 60, names.join(", "));
            next += REPORT_EVERY;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
