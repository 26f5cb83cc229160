//! What Hearth's operators need in the same form, and only that. No kube type is hidden or renamed.
//!
//! A program's main is wiring; a reconciler observes, plans (pure), acts, reports and says when it is to run next. It returns
//! errors that know their [reason and retry](error::ReconcileError); [`run::run`] turns them into requeues, logs, metrics and
//! events. A whole operator, but for its CRD:
//!
//! ```no_run
//! # use std::{process::ExitCode, sync::Arc};
//! # use clap::Parser;
//! # use hearth_reconciler::{apply::{ApplyError, Owner, apply}, args::Args, cli::Command, outcome::{Outcome, StatusFields, begin}};
//! # use hearth_reconciler::{run, start::{Process, start}, namespaces::{owners, reflect_namespaces, watch_namespaces}, status::patch_status};
//! # use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Condition};
//! # use kube::{Api, CustomResource, CustomResourceExt, ResourceExt};
//! # use kube::runtime::{Controller, controller::Action, reflector, watcher::Config};
//! # #[derive(CustomResource, Debug, Clone, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
//! # #[kube(group = "x.io", version = "v1", kind = "Greeting", namespaced, status = "GreetingStatus")]
//! # struct GreetingSpec { text: String, suspend: bool }
//! # #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
//! # struct GreetingStatus { observed_generation: i64, conditions: Vec<Condition>, last_handled_reconcile_at: Option<String> }
//! # impl StatusFields for GreetingStatus {
//! #     fn conditions(&mut self) -> &mut Vec<Condition> { &mut self.conditions }
//! #     fn set_observed_generation(&mut self, generation: i64) { self.observed_generation = generation; }
//! #     fn last_handled_reconcile_at(&mut self) -> &mut Option<String> { &mut self.last_handled_reconcile_at }
//! # }
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(subcommand)]
//!     command: Command<Args>,
//! }
//!
//! fn main() -> ExitCode {
//!     Cli::parse().command.execute(&[Greeting::crd()], run)
//! }
//!
//! async fn run(args: Args) -> anyhow::Result<()> {
//!     let process = start("greeter", args).await?;
//!     let (store, writer) = reflector::store::<Greeting>();
//!     let updates = watch_namespaces(&process, &Config::default(), |_| ());
//!     let touched = reflect_namespaces(updates, process.args.namespaces(), writer);
//!     let owned = watch_namespaces::<ConfigMap>(&process, &Config::default(), |_| ());
//!     let controller = Controller::for_stream(touched, store).reconcile_on(owners(owned));
//!     let ctx = Arc::new(process.clone());
//!     run::run(controller, &process, "greeting", run::OnTakeover::ReconcileAll, ctx, reconcile).await;
//!     process.finish().await;
//!     Ok(())
//! }
//!
//! async fn reconcile(greeting: Arc<Greeting>, process: Arc<Process>) -> Result<Action, ApplyError> {
//!     let namespace = greeting.namespace().unwrap_or_default();
//!     let outcome = if greeting.spec.suspend {
//!         Outcome::suspended("the ConfigMap stays as it is")
//!     } else {
//!         let mut desired = ConfigMap::default();
//!         desired.metadata.name = Some(greeting.name_any());
//!         desired.data = Some([("text".to_owned(), greeting.spec.text.clone())].into());
//!         let api = Api::namespaced(process.client.clone(), &namespace);
//!         apply(&api, "greeter", &Owner::controller(&*greeting), &desired).await?;
//!         Outcome::Ready("Applied", "the ConfigMap has the text".to_owned())
//!     };
//!     let mut status = greeting.status.clone().unwrap_or_default();
//!     let now = jiff::Timestamp::now();
//!     let action = outcome.report(&mut begin(&*greeting, "x.io/reconcile-at", &mut status, now));
//!     let api = Api::namespaced(process.client.clone(), &namespace);
//!     patch_status(&api, "greeter", &*greeting, &status).await?;
//!     Ok(action)
//! }
//! ```

pub mod admin_server;
pub mod apply;
pub mod args;
pub mod backoff;
pub mod cache;
pub mod cli;
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
pub mod namespaces;
pub mod outcome;
pub mod rate_limit;
pub mod run;
pub mod secrets;
pub mod start;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trigger;
pub mod watch;
