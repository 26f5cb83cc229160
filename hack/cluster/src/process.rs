//! Processes that outlive the command that started them, identified by their id and their start time.
//!
//! The kernel uses ids again; together with the start time and the machine's boot an id is unique.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// How long a killed process may take to end. The kernel needs a second or two for a machine full of pods.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// A started process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) pid: i32,
    start: u64,
    boot: String,
    /// A hash over all that it was started with; with another hash it must be restarted.
    pub(crate) key: String,
}

/// What the kernel says about a process.
#[derive(Debug, PartialEq)]
struct Stat {
    state: char,
    parent: i32,
    threads: i64,
    start: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The program's name stands in parentheses and may itself hold blanks and parentheses.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            threads: fields.get(17)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// A zombie has ended, but only with its last thread: until then its sockets are open and its ports in use.
    fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// The state of a process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// Stopped by SIGSTOP.
    Stalled,
}

impl Record {
    fn path(run: &Path, name: &str) -> PathBuf {
        run.join(format!("{name}.json"))
    }

    /// The live process of this name.
    pub(crate) fn find(run: &Path, name: &str) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(Self::path(run, name)).ok()?).ok()?;
        record.condition().is_some().then_some(record)
    }

    /// Starts a process in a session of its own with its output appended to a file.
    pub(crate) fn spawn(run: &Path, name: &str, command: &[String], key: String, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| log.display().to_string())?;
        // In its own session no terminal's end reaches it, neither by SIGINT nor by SIGHUP.
        let child = Command::new("setsid")
            .args(command)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let pid = i32::try_from(child.id())?;
        let start = Stat::of(pid)
            .with_context(|| format!("{name} ended at once; see {}", log.display()))?
            .start;
        let record = Self {
            pid,
            start,
            boot: boot_id(),
            key,
        };
        fs::create_dir_all(run)?;
        fs::write(Self::path(run, name), serde_json::to_vec(&record)?)?;
        Ok(record)
    }

    /// `None` when it has ended (a zombie has ended too).
    pub(crate) fn condition(&self) -> Option<Condition> {
        let stat = Stat::of(self.pid).filter(|stat| stat.start == self.start && self.boot == boot_id())?;
        match stat.state {
            _ if stat.ended() => None,
            'T' | 't' => Some(Condition::Stalled),
            _ => Some(Condition::Running),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.condition().is_some() {
            send(self.pid, signal);
        }
    }

    /// Kills it and all of its descendants and waits until they have ended.
    pub(crate) fn end(&self) -> Result<()> {
        if self.condition().is_none() {
            return Ok(());
        }
        let mut tree = descendants(self.pid);
        tree.push(self.pid);
        end_all(&tree)
    }

    /// Stops or continues it with all of its descendants. Repeated, because a process may have a child meanwhile.
    pub(crate) fn signal_tree(&self, signal: Signal) {
        let mut reached = BTreeSet::new();
        while self.condition().is_some() {
            let mut tree = descendants(self.pid);
            tree.insert(0, self.pid);
            let news: Vec<i32> = tree.into_iter().filter(|pid| reached.insert(*pid)).collect();
            if news.is_empty() {
                break;
            }
            for pid in news {
                send(pid, signal);
            }
        }
    }
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // The only failures left are "has ended already" and "not root", and the caller sees both.
        let _ = kill_process(pid, signal);
    }
}

/// Kills processes and waits until none is left.
pub(crate) fn end_all(pids: &[i32]) -> Result<()> {
    let started: Vec<(i32, u64)> = pids
        .iter()
        .filter_map(|pid| Some((*pid, Stat::of(*pid)?.start)))
        .collect();
    for (pid, _) in &started {
        send(*pid, Signal::KILL);
    }
    let begin = Instant::now();
    let lives = |(pid, start): &(i32, u64)| Stat::of(*pid).is_some_and(|stat| stat.start == *start && !stat.ended());
    while started.iter().any(lives) {
        if begin.elapsed() > ENDS_WITHIN {
            bail!("processes that were killed do not end: {started:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// All descendants of a process, parents before children.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    below(root, pids.filter_map(|pid| Some((pid, Stat::of(pid)?.parent))))
}

fn below(root: i32, parents: impl Iterator<Item = (i32, i32)>) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let (mut found, mut next) = (Vec::new(), vec![root]);
    while let Some(parent) = next.pop() {
        let own = children.remove(&parent).unwrap_or_default();
        found.extend(&own);
        next.extend(own);
    }
    found
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) T 7 42 42 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 3 0 9876 0 0";
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                state: 'T',
                parent: 7,
                threads: 3,
                start: 9876
            })
        );
    }

    #[test]
    fn a_zombie_whose_threads_go_on_has_not_ended() {
        let stat = |state, threads| Stat {
            state,
            parent: 1,
            threads,
            start: 0,
        };
        assert!(stat('Z', 1).ended() && !stat('Z', 2).ended() && !stat('S', 1).ended());
    }

    #[test]
    fn descendants_come_after_their_parents_and_others_not_at_all() {
        let all = [(2, 1), (3, 2), (4, 3), (5, 1), (9, 8)];
        assert_eq!(below(2, all.into_iter()), [3, 4]);
        assert_eq!(below(8, all.into_iter()), [9]);
    }

    #[test]
    fn a_reused_id_is_not_taken_for_the_process() {
        let me = i32::try_from(std::process::id()).unwrap();
        let start = Stat::of(me).unwrap().start;
        let record = Record {
            pid: me,
            start,
            boot: boot_id(),
            key: String::new(),
        };
        assert_eq!(record.condition(), Some(Condition::Running));
        assert_eq!(
            Record {
                start: start + 1,
                ..record.clone()
            }
            .condition(),
            None
        );
        assert_eq!(
            Record {
                boot: "another".into(),
                ..record
            }
            .condition(),
            None
        );
    }

    #[test]
    fn a_process_is_stalled_continued_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let command = ["sleep".to_owned(), "60".to_owned()];
        let record = Record::spawn(dir.path(), "sleep", &command, "k".into(), &dir.path().join("log")).unwrap();
        assert_eq!(Record::find(dir.path(), "sleep"), Some(record.clone()));
        record.signal_tree(Signal::STOP);
        while record.condition() == Some(Condition::Running) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(record.condition(), Some(Condition::Stalled));
        record.signal_tree(Signal::CONT);
        record.end().unwrap();
        assert_eq!(Record::find(dir.path(), "sleep"), None);
    }
}
