//! node-class classifies nodes, learns how volatile they are, and makes it safe and quick when a desktop with nodes on it
//! is switched off.
//!
//! Nodes and their leases are watched and reduced to facts (`facts`). From when leases change, `liveness` knows what
//! happened to a node and when that cannot be known; `history` keeps it and learns; `class` says what each node should
//! carry; `impact` what may go off, `power_off` how it goes well, and `failover` when a node is proven to be off. The
//! `planner` brings it together. All of that is pure; `reconcile` carries it out.
#![allow(
    unreachable_pub,
    reason = "modules are private, so that the compiler finds dead code; `pub` in them means the crate"
)]
mod address_probe;
mod args;
mod class;
mod clock;
mod control_loop;
mod crd;
mod daemonset_watch;
mod dispatch;
#[cfg(test)]
mod edge_cases_tests;
mod facts;
mod failover;
mod history;
mod history_store;
mod host;
mod impact;
mod liveness;
mod metrics;
mod observe;
mod planner;
mod power_off;
mod ready_made;
mod reconcile;
mod release;
mod run;
mod workloads;

use std::process::ExitCode;

use clap::Parser;
use hearth_reconciler::start::block_on;

/// Does what the command line says.
pub fn main() -> ExitCode {
    match args::Cli::parse().command {
        args::Command::Shared(command) => command.execute(&crd::crds(), run::run),
        args::Command::Release(settings) => block_on(release::release(settings)),
    }
}
