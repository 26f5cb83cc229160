//! The cgroup under which everything of a node runs, in both generations of the kernel's interface.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const ROOT: &str = "/sys/fs/cgroup";

/// The cgroup of the machine's own daemons. Generation 2 allows processes only in leaves, and pods are its siblings.
const DAEMONS: &str = "machine";

/// The mounted trees: one in generation 2, one for each controller in generation 1.
fn trees() -> Vec<PathBuf> {
    if unified() {
        return vec![ROOT.into()];
    }
    let mut trees: Vec<PathBuf> = fs::read_dir(ROOT)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    trees.retain(|tree| !tree.is_symlink() && tree.join("cgroup.procs").exists());
    trees.sort();
    trees
}

fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// An error if a controller is missing without which kubelet does not start.
pub(crate) fn check() -> Result<()> {
    let controllers = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &&&str| Path::new(ROOT).join(name).exists() || controllers.split_whitespace().any(|c| c == **name);
    let missing: Vec<&&str> = ["cpu", "cpuset", "memory", "pids"]
        .iter()
        .filter(|name| !has(name))
        .collect();
    if !missing.is_empty() {
        bail!("the cgroup controllers {missing:?} are not mounted under {ROOT}; kubelet cannot run here");
    }
    Ok(())
}

/// Makes the node's cgroup in every tree and returns the files that move a process into it.
pub(crate) fn ensure(node: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for tree in trees() {
        if unified() {
            enable(&tree)?;
        }
        let group = tree.join(node);
        for group in [&group, &group.join(DAEMONS)] {
            fs::create_dir_all(group)?;
            // In generation 1 a new cpuset is empty, and no process can enter an empty one.
            for file in ["cpuset.cpus", "cpuset.mems"].map(|file| group.join(file)) {
                if file.exists() && !unified() {
                    let parent = group
                        .parent()
                        .unwrap_or(group)
                        .join(file.file_name().unwrap_or_default());
                    fs::write(&file, fs::read(parent)?)?;
                }
            }
        }
        if unified() {
            enable(&group)?;
        }
        files.push(group.join(DAEMONS).join("cgroup.procs"));
    }
    Ok(files)
}

/// Enables the controllers of a generation 2 group for its children.
fn enable(group: &Path) -> Result<()> {
    let controllers = fs::read_to_string(group.join("cgroup.controllers"))?;
    for controller in controllers.split_whitespace() {
        // Some cannot be delegated (realtime cpu, for example). The others still must be.
        let _ = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Removes the node's cgroups from the leaves up. Their processes must be dead; the kernel may need a moment more.
pub(crate) fn remove(node: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let left: Vec<PathBuf> = trees()
            .into_iter()
            .map(|tree| tree.join(node))
            .filter(|group| !removed(group))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if begin.elapsed() > Duration::from_secs(10) {
            bail!("these cgroups could not be removed: {left:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn removed(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            removed(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
    !group.exists()
}

/// The groups of a slot, also those that are in no settings.
pub(crate) fn left_over(prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = trees()
        .iter()
        .flat_map(|tree| fs::read_dir(tree).into_iter().flatten().flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names.dedup();
    names
}
