//! A pod's process as this machine sees it, to do to it what power, kernels and suspended laptops do.
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// A process of a pod of the local cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    /// Start time in clock ticks since boot, so that another process with the same number is never meant.
    started: u64,
}

/// The pod's process with this program name. Only processes whose cgroup names the pod are read.
pub(crate) fn of_pod(pod: &Pod, program: &str) -> Result<Process> {
    let uid = pod.uid().context("the pod has no uid")?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let cgroup = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if !cgroup.contains(&uid) && !cgroup.contains(&uid.replace('-', "_")) {
            continue;
        }
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        if Path::new(&*String::from_utf8_lossy(first))
            .file_name()
            .is_some_and(|name| name == program)
        {
            return Ok(Process {
                pid,
                started: started(pid)?,
            });
        }
    }
    bail!("no process {program} of pod {} on this machine", pod.name_any())
}

impl Process {
    /// SIGKILL.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal("KILL")
    }

    /// SIGSTOP: as if the machine were suspended, for this process.
    pub(crate) fn suspend(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        ensure!(started(self.pid)? == self.started, "process {} has ended", self.pid);
        let status = Command::new("kill")
            .args(["-s", name, &self.pid.to_string()])
            .status()?;
        ensure!(status.success(), "kill -s {name} {} failed", self.pid);
        Ok(())
    }

    /// Resident memory and its anonymous part, in bytes (`VmRSS` and `RssAnon` of proc(5)).
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        Ok((self.status("VmRSS")?, self.status("RssAnon")?))
    }

    /// The most memory that was ever resident, in bytes, or since [`Process::reset_peak`] (`VmHWM` of proc(5)).
    pub(crate) fn peak(&self) -> Result<u64> {
        self.status("VmHWM")
    }

    /// Sets the peak to what is resident now.
    pub(crate) fn reset_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?)
    }

    /// Whether a core dump of it is possible: the limit, which holds for files, or its `dumpable` attribute, which holds for
    /// programs too, would allow one. What is below /proc/PID belongs to root unless it is dumpable (proc(5)).
    pub(crate) fn dumps_core(&self) -> Result<bool> {
        let limits = fs::read_to_string(format!("/proc/{}/limits", self.pid))?;
        let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
        let core = core.context("no limit of core files")?;
        let limited = core.split_whitespace().take(2).eq(["0", "0"]);
        let owner = fs::metadata(format!("/proc/{}/environ", self.pid))?.uid();
        Ok(!(limited && owner == 0))
    }

    /// A field of /proc/PID/status that is in kB, in bytes.
    fn status(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("no {name} of process {}", self.pid))?;
        let kilobytes: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Processor time used so far, in seconds (utime and stime of proc(5); a tick is 10 ms on Linux).
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let fields = stat(self.pid)?;
        let ticks = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
        };
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Whether it still runs; one that has ended and was not waited for does not.
    pub(crate) fn is_running(&self) -> bool {
        stat(self.pid).is_ok_and(|fields| {
            fields.first().is_some_and(|state| state != "Z") && fields.get(19) == Some(&self.started.to_string())
        })
    }

    /// How long ago it was started, to 10 ms.
    pub(crate) fn age(&self) -> Result<Duration> {
        let text = fs::read_to_string("/proc/uptime")?;
        let uptime: f64 = text
            .split_whitespace()
            .next()
            .context("unreadable /proc/uptime")?
            .parse()?;
        Ok(Duration::from_secs_f64(uptime).saturating_sub(Duration::from_millis(self.started * 10)))
    }
}

/// The fields of /proc/PID/stat behind the program's name.
fn stat(pid: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has ended"))?;
    let (_, rest) = stat.rsplit_once(')').context("unreadable /proc/PID/stat")?;
    Ok(rest.split_whitespace().map(ToOwned::to_owned).collect())
}

fn started(pid: u32) -> Result<u64> {
    stat(pid)?
        .get(19)
        .and_then(|text| text.parse().ok())
        .context("unreadable start time")
}
