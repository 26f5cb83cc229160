//! `cargo xtask cluster …`: the cluster's command line.
use std::path::PathBuf;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};

use crate::binaries::Tools;
use crate::control::Component;
use crate::local::{down, host_address, kubeconfig_path, load_image, machines, up};
use crate::node::Machine;
use crate::process::Condition;
use crate::state::{Home, UpOptions};
use crate::{go_tools, lifecycle, network, packages, ready};

/// A real Kubernetes cluster on this machine: up, down, status, kubeconfig, node …
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create, repair or change the cluster; a healthy one is not touched
    Up(UpOptions),
    /// Remove the cluster and everything that belongs to it (built tools stay in the cache)
    Down,
    /// Print what runs
    Status,
    /// Print the path of the kubeconfig
    Kubeconfig,
    /// Print the address under which pods reach servers on this machine
    HostAddress,
    /// Print the path of a pinned tool, which is built first if it is missing: kubectl, helm, `moto_server`, bao, vault, `azure_python` …
    Tool { name: String },
    /// Switch nodes off and on, or suspend or disconnect them
    Node {
        action: NodeAction,
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Kill parts of the control plane; they stay down
    Stop { components: Vec<ComponentArg> },
    /// Freeze parts of the control plane (SIGSTOP): connections stay open, nothing answers
    Stall { components: Vec<ComponentArg> },
    /// Resume frozen parts
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

/// What can be done to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NodeAction {
    /// Cut the power
    Off,
    /// Switch it on, or resume it
    On,
    /// Suspend it (SIGSTOP)
    Suspend,
    /// Resume it
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

/// The named components, in the order in which they start; all if none is named.
fn chosen(arguments: &[ComponentArg]) -> Vec<Component> {
    let all = arguments.is_empty() || arguments.contains(&ComponentArg::All);
    Component::ALL
        .into_iter()
        .filter(|&component| all || arguments.contains(&ComponentArg::One(component)))
        .collect()
}

/// Carries out a command of the command line on the cluster in `$HEARTH_CLUSTER_HOME`.
pub fn run(args: Args) -> Result<()> {
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

fn tool(name: &str) -> Result<PathBuf> {
    match name {
        "kubectl" => Ok(go_tools::ensure("kubernetes")?.with_file_name("kubectl")),
        "moto_server" => packages::moto_server(),
        "azure_python" => packages::azure_python(),
        "bao" => packages::openbao(),
        name => go_tools::ensure(name),
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
