//! A process with a memory limit: what it and its children need.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;
use tokio::time::sleep;

/// The memory controller of cgroup version 1, where it is a hierarchy of its own.
const VERSION_1: &str = "/sys/fs/cgroup/memory";
/// All controllers of cgroup version 2.
const VERSION_2: &str = "/sys/fs/cgroup";
/// Clock ticks in a second, which Linux fixes for `/proc`.
const TICKS: f64 = 100.0;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(10);

/// What a process has needed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needed {
    /// Whether it ended with the exit code 0.
    pub(super) succeeded: bool,
    /// Seconds.
    pub(super) seconds: f64,
    /// Seconds of processor time, with its children.
    pub(super) processor: f64,
    /// The most anonymous memory of it and its children, in bytes.
    pub(super) anonymous: u64,
    /// The most resident memory of the process alone, in bytes.
    pub(super) resident: u64,
}

/// A control group with a memory limit. It is removed at the end.
struct Group {
    folder: PathBuf,
    is_version_1: bool,
}

impl Group {
    fn new(limit: u64) -> Result<Self> {
        let is_version_1 = Path::new(VERSION_1).is_dir();
        let root = if is_version_1 { VERSION_1 } else { VERSION_2 };
        let folder = Path::new(root).join(format!("hearth-bench-{}", std::process::id()));
        if !folder.is_dir() {
            fs::create_dir(&folder)
                .with_context(|| format!("no control group {}; this needs root", folder.display()))?;
        }
        let group = Self { folder, is_version_1 };
        let file = if is_version_1 {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        };
        fs::write(group.folder.join(file), limit.to_string())?;
        Ok(group)
    }

    /// The anonymous memory of all its processes, in bytes.
    fn anonymous(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let name = if self.is_version_1 { "total_rss " } else { "anon " };
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        value.unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Runs a program with this memory limit for it and its children, in bytes. The output is shown if it fails.
pub(super) async fn run(program: &Path, limit: u64, prepare: impl FnOnce(&mut Command)) -> Result<Needed> {
    let group = Group::new(limit)?;
    let mut command = Command::new("/bin/sh");
    // The shell enters the group, and becomes the program.
    let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.folder.display());
    command.args(["-c", &script, "sh"]).arg(program);
    prepare(&mut command);
    command.kill_on_drop(true);
    let (before, begin) = (processor_of_children()?, Instant::now());
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()?;
    let pid = child.id().context("it has ended")?;
    let mut needed = Needed::default();
    let ended = child.wait_with_output();
    tokio::pin!(ended);
    let output = loop {
        tokio::select! {
            output = &mut ended => break output?,
            () = sleep(LOOK) => {
                needed.anonymous = needed.anonymous.max(group.anonymous());
                needed.resident = needed.resident.max(resident(pid));
            }
        }
    };
    needed.succeeded = output.status.success();
    needed.seconds = begin.elapsed().as_secs_f64();
    needed.processor = processor_of_children()? - before;
    if !needed.succeeded {
        eprintln!(
            "{}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(needed)
}

/// Processor time of children that have ended, and of theirs, in seconds.
fn processor_of_children() -> Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The name of the program may have spaces; fields 16 and 17 are those of children.
    let (_, rest) = text.rsplit_once(')').context("no such /proc/self/stat")?;
    let fields: Vec<f64> = rest
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    ensure!(fields.len() == 2, "no such /proc/self/stat: {text}");
    Ok(fields.iter().sum::<f64>() / TICKS)
}

fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) << 10
}
