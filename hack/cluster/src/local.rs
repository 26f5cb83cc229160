//! The cluster in `$HEARTH_CLUSTER_HOME`, for other tasks of this workspace.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::binaries::Tools;
use crate::control::Component;
use crate::lifecycle;
use crate::node::{Machine, file_name};
use crate::process::Condition;
use crate::state::{Home, Settings, UpOptions};

/// Creates or repairs the cluster and prints how to use it.
pub fn up(options: &UpOptions) -> Result<()> {
    let (home, begin) = (Home::locate()?, Instant::now());
    lifecycle::up(&home, options)?;
    let kubectl = Tools::ensure()?.kubectl();
    eprintln!("The cluster is up after {} s. To use it:", begin.elapsed().as_secs());
    eprintln!("  export KUBECONFIG={}", home.kubeconfig().display());
    eprintln!("  {kubectl} get nodes");
    Ok(())
}

/// The options that make the cluster as it is now; none if there is no cluster.
pub fn shape() -> Result<Option<UpOptions>> {
    Ok(Home::locate()?.load()?.as_ref().map(Settings::options))
}

/// What to set `HEARTH_CLUSTER_HOME` to for another cluster beside this one.
pub fn home_beside(name: &str) -> Result<PathBuf> {
    let mut home = Home::locate()?.0.into_os_string();
    home.push("-");
    home.push(name);
    Ok(home.into())
}

/// Removes the cluster, if there is one.
pub fn down() -> Result<()> {
    lifecycle::down(&Home::locate()?)
}

/// The path of the cluster's kubeconfig. An error if there is no cluster.
pub fn kubeconfig_path() -> Result<PathBuf> {
    let home = Home::locate()?;
    home.existing()?;
    Ok(home.kubeconfig())
}

/// Whether every part of the cluster's control plane runs and at least one node.
pub fn is_up() -> bool {
    let Ok(home) = Home::locate() else { return false };
    let Ok(Some(settings)) = home.load() else { return false };
    let running = |condition: Option<Condition>| condition == Some(Condition::Running);
    Component::ALL
        .into_iter()
        .all(|component| running(component.condition(&home)))
        && machines(&home, &settings).any(|machine| running(machine.condition()))
}

/// The address under which pods reach servers on this machine. An error if there is no cluster.
pub fn host_address() -> Result<String> {
    Ok(Home::locate()?.existing()?.addresses().host().to_string())
}

/// Loads an image archive into every node; those that are off load it when they are switched on.
pub fn load_image(file: &Path) -> Result<()> {
    let home = Home::locate()?;
    let settings = home.existing()?;
    let _held = home.lock()?;
    let name = file_name(file)?;
    ensure!(
        Path::new(name).extension().is_some_and(|end| end == "tar"),
        "{name} is no .tar archive"
    );
    let kept = home.images().join(name);
    let partial = kept.with_extension("partial");
    fs::create_dir_all(home.images())?;
    fs::copy(file, &partial).with_context(|| format!("failed to copy {}", file.display()))?;
    fs::rename(&partial, &kept)?;
    machines(&home, &settings).try_for_each(|machine| machine.import(&kept))
}

pub(crate) fn machines<'a>(home: &'a Home, settings: &'a Settings) -> impl Iterator<Item = Machine<'a>> {
    settings.nodes.iter().map(move |node| Machine { home, settings, node })
}
