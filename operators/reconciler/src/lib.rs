//! What Hearth's operators need in the same form, and only that. No kube type is hidden or renamed.
//!
//! A program's main is wiring:
//!
//! ```no_run
//! # use std::{process::ExitCode, sync::Arc};
//! # use clap::Parser;
//! # use hearth_reconciler::{args::Args, error::ReconcileError, run::run, start::{Process, block_on, start}};
//! # use k8s_openapi::api::core::v1::ConfigMap;
//! # use kube::{Api, runtime::{Controller, controller::Action, watcher}};
//! # #[derive(Parser)] struct Command { #[command(flatten)] args: Args }
//! # struct Context;
//! # async fn reconcile(_: Arc<ConfigMap>, _: Arc<Context>) -> Result<Action, kube::Error> { Ok(Action::await_change()) }
//! fn main() -> ExitCode {
//!     let args = Command::parse().args;
//!     block_on(async {
//!         let process = start("example", args).await?;
//!         let api = Api::<ConfigMap>::all(process.client.clone());
//!         let controller = Controller::new(api, watcher::Config::default());
//!         run(controller, &process, "configmap", Arc::new(Context), reconcile).await;
//!         process.finish().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! A reconciler observes, plans (pure), acts, reports and says when to look again. It returns errors that know their
//! [reason and retry](error::ReconcileError); [`run::run`] turns them into requeues, logs, metrics and events.

mod admin_server;
pub mod apply;
pub mod args;
pub mod backoff;
pub mod cache;
mod client_metrics;
pub mod conditions;
pub mod crd;
pub mod duration;
pub mod error;
pub mod events;
pub mod health;
pub mod labels;
pub mod lease;
pub mod metrics;
pub mod rate_limit;
pub mod run;
pub mod secrets;
pub mod start;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trigger;
pub mod watch;
