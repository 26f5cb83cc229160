//! `cargo xtask cluster …`: a real Kubernetes cluster on a bare Linux machine.
//!
//! It is made of namespaces, so the machine's own network, mounts and settings stay as they are. Its nodes are machines
//! with a power button, its control plane can be stopped and stalled, and its memory can be wiped: what the tests of node
//! loss, blackouts and rebuilds need. docs/local-cluster.md is its manual.
mod certificates;
mod cgroups;
mod command;
mod control;
mod lifecycle;
mod network;
mod node;
mod plan;
mod process;
mod ready;
mod slots;
mod state;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Subcommand, ValueEnum};

use self::control::Component;
use self::lifecycle::Tools;
use self::node::Machine;
use self::process::Condition;
pub(crate) use self::state::{Grace, UpOptions};
use self::state::{Home, Settings};
use crate::tools;

/// A real Kubernetes cluster on this machine: up, down, status, kubeconfig, node …
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the cluster, or repair it, or change it; a healthy one is left alone
    Up(UpOptions),
    /// Remove the cluster and everything it has made (built tools stay in the cache)
    Down,
    /// What runs
    Status,
    /// Print the path of the kubeconfig
    Kubeconfig,
    /// Print the address under which pods reach servers on this machine
    HostAddress,
    /// Print the path of a pinned tool, built first if need be: kubectl, helm, `moto_server` …
    Tool { name: String },
    /// A node's power button
    Node {
        action: NodeAction,
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Kill parts of the control plane; they stay down
    Stop { components: Vec<ComponentArg> },
    /// Freeze parts of the control plane (SIGSTOP): connections stay open, nothing answers
    Stall { components: Vec<ComponentArg> },
    /// Let frozen parts go on
    Resume { components: Vec<ComponentArg> },
    /// Start or resume parts of the control plane, and wait until the API server is ready
    Start { components: Vec<ComponentArg> },
    /// Cut the power of everything at once: nodes and control plane
    Blackout,
    /// Empty the cluster: etcd's data is removed; certificates, tokens and nodes stay
    WipeEtcd,
    /// Give every node an image from an OCI or Docker archive
    LoadImage { file: PathBuf },
}

/// What can happen to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NodeAction {
    /// Cut the power
    Off,
    /// Switch it on, or wake it
    On,
    /// Close the lid (SIGSTOP)
    Suspend,
    /// Open the lid
    Resume,
    /// Cut the power and switch it on
    Reboot,
    /// Pull the network cable
    Unplug,
    /// Plug the network cable in
    Plug,
    /// Switch it on with an empty disk and new machine ids
    Reinstall,
}

/// A component, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComponentArg {
    All,
    One(Component),
}

impl ValueEnum for ComponentArg {
    fn value_variants<'a>() -> &'a [Self] {
        const EACH: [ComponentArg; 5] = [
            ComponentArg::One(Component::Etcd),
            ComponentArg::One(Component::Apiserver),
            ComponentArg::One(Component::ControllerManager),
            ComponentArg::One(Component::Scheduler),
            ComponentArg::All,
        ];
        &EACH
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        match self {
            Self::All => Some("all".into()),
            Self::One(component) => component.to_possible_value(),
        }
    }
}

/// The components meant, in the order in which they start; none named means all.
fn chosen(arguments: &[ComponentArg]) -> Vec<Component> {
    let all = arguments.is_empty() || arguments.contains(&ComponentArg::All);
    Component::ALL
        .into_iter()
        .filter(|&component| all || arguments.contains(&ComponentArg::One(component)))
        .collect()
}

pub(crate) fn run(args: Args) -> Result<()> {
    let home = Home::locate()?;
    match args.command {
        Command::Up(options) => return up(&options),
        Command::Down => return down(),
        Command::Status => return status(&home),
        Command::Kubeconfig => println!("{}", kubeconfig_path()?.display()),
        Command::HostAddress => println!("{}", host_address()?),
        Command::Tool { name } => println!("{}", tool(&name)?.display()),
        Command::LoadImage { file } => load_image(&file)?,
        Command::Node { action, names } => node_action(&home, action, &names)?,
        Command::Stop { components } => {
            let _held = home.lock()?;
            chosen(&components)
                .into_iter()
                .rev()
                .try_for_each(|component| component.stop(&home))?;
        }
        Command::Stall { components } => {
            chosen(&components)
                .into_iter()
                .rev()
                .try_for_each(|component| component.stall(&home, true))?;
        }
        Command::Resume { components } => {
            chosen(&components)
                .into_iter()
                .try_for_each(|component| component.stall(&home, false))?;
        }
        Command::Start { components } => start(&home, &chosen(&components))?,
        Command::Blackout => blackout(&home)?,
        Command::WipeEtcd => {
            let _held = home.lock()?;
            lifecycle::wipe_etcd(&home)?;
        }
    }
    Ok(())
}

/// Makes or repairs the cluster and says how to use it.
pub(crate) fn up(options: &UpOptions) -> Result<()> {
    let (home, begin) = (Home::locate()?, Instant::now());
    lifecycle::up(&home, options)?;
    let kubectl = tool("kubectl")?;
    eprintln!("The cluster is up after {} s. To use it:", begin.elapsed().as_secs());
    eprintln!("  export KUBECONFIG={}", home.kubeconfig().display());
    eprintln!("  {} get nodes", kubectl.display());
    Ok(())
}

/// The options that make the cluster as it is now; none if there is no cluster.
pub(crate) fn shape() -> Result<Option<UpOptions>> {
    Ok(Home::locate()?.load()?.as_ref().map(Settings::options))
}

/// What to set `HEARTH_CLUSTER_HOME` to for another cluster beside this one.
pub(crate) fn second_home() -> Result<PathBuf> {
    let mut name = Home::locate()?.0.into_os_string();
    name.push("-second");
    Ok(name.into())
}

/// Removes the cluster, if there is one.
pub(crate) fn down() -> Result<()> {
    lifecycle::down(&Home::locate()?)
}

/// Where the kubeconfig of the cluster lies.
pub(crate) fn kubeconfig_path() -> Result<PathBuf> {
    let home = Home::locate()?;
    home.existing()?;
    Ok(home.kubeconfig())
}

/// Whether every part of the cluster's control plane runs and at least one node.
pub(crate) fn is_up() -> bool {
    let Ok(home) = Home::locate() else { return false };
    let Ok(Some(settings)) = home.load() else { return false };
    let running = |condition: Option<Condition>| condition == Some(Condition::Running);
    Component::ALL
        .into_iter()
        .all(|component| running(component.condition(&home)))
        && machines(&home, &settings).any(|machine| running(machine.condition()))
}

/// The address under which pods reach servers on this machine.
pub(crate) fn host_address() -> Result<String> {
    Ok(Home::locate()?.existing()?.addresses().host().to_string())
}

/// Gives an image archive to every node; those that are off get it when they are switched on.
pub(crate) fn load_image(file: &Path) -> Result<()> {
    let home = Home::locate()?;
    let settings = home.existing()?;
    let _held = home.lock()?;
    let name = node::file_name(file)?;
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

fn machines<'a>(home: &'a Home, settings: &'a Settings) -> impl Iterator<Item = Machine<'a>> {
    settings.nodes.iter().map(move |node| Machine { home, settings, node })
}

fn tool(name: &str) -> Result<PathBuf> {
    match name {
        "kubectl" => Ok(tools::ensure("kubernetes")?.with_file_name("kubectl")),
        "moto_server" => tools::python_venv(&tools::workspace().join("hack/tools/moto/requirements.txt")),
        name => tools::ensure(name),
    }
}

fn node_action(home: &Home, action: NodeAction, names: &[String]) -> Result<()> {
    let settings = home.existing()?;
    let _held = home.lock()?;
    for name in names {
        let machine = Machine {
            home,
            settings: &settings,
            node: settings.node(name)?,
        };
        match action {
            NodeAction::Off => machine.off()?,
            NodeAction::On => machine.on(&Tools::ensure()?.kubernetes)?,
            NodeAction::Suspend => machine.suspend()?,
            NodeAction::Resume => machine.resume()?,
            NodeAction::Unplug | NodeAction::Plug => {
                network::set_cable(settings.addresses(), machine.node, action == NodeAction::Plug)?;
            }
            NodeAction::Reboot => {
                machine.off()?;
                machine.on(&Tools::ensure()?.kubernetes)?;
            }
            NodeAction::Reinstall => {
                machine.wipe()?;
                machine.on(&Tools::ensure()?.kubernetes)?;
            }
        }
    }
    Ok(())
}

fn start(home: &Home, components: &[Component]) -> Result<()> {
    let (settings, tools) = (home.existing()?, Tools::ensure()?);
    let _held = home.lock()?;
    for component in components {
        component.start(home, &settings, &tools.kubernetes)?;
    }
    let all_there = [Component::Etcd, Component::Apiserver]
        .iter()
        .all(|part| part.condition(home) == Some(Condition::Running));
    if all_there {
        ready::await_apiserver(home, &tools)
    } else {
        Ok(())
    }
}

fn blackout(home: &Home) -> Result<()> {
    let settings = home.existing()?;
    let _held = home.lock()?;
    for component in Component::ALL {
        component.stop(home)?;
    }
    machines(home, &settings).try_for_each(|machine| machine.off())
}

fn status(home: &Home) -> Result<()> {
    let Some(settings) = home.load()? else {
        println!("there is no cluster; `cargo xtask cluster up` makes one");
        return Ok(());
    };
    let plan = settings.addresses();
    println!(
        "kubeconfig  {}\nhost        {}\nlogs        {}",
        home.kubeconfig().display(),
        plan.host(),
        home.logs().display()
    );
    for component in Component::ALL {
        let state = match component.condition(home) {
            Some(Condition::Running) => "running",
            Some(Condition::Stalled) => "stalled",
            None => "stopped",
        };
        println!("{:<24} {state}", component.name());
    }
    for machine in machines(home, &settings) {
        let state = match machine.condition() {
            Some(Condition::Running) => "on",
            Some(Condition::Stalled) => "suspended",
            None => "off",
        };
        println!(
            "node {:<19} {state:<10} {}",
            machine.node.name,
            plan.node(machine.node.index)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_start_in_order_and_none_means_all() {
        let (etcd, api) = (
            ComponentArg::One(Component::Etcd),
            ComponentArg::One(Component::Apiserver),
        );
        assert_eq!(chosen(&[api, etcd]), [Component::Etcd, Component::Apiserver]);
        assert_eq!(chosen(&[]), Component::ALL);
        assert_eq!(chosen(&[ComponentArg::All]), Component::ALL);
    }
}
