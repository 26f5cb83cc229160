//! node-class classifies nodes, learns how volatile they are, and makes it safe and quick when a desktop with nodes on it
//! is switched off.
//!
//! Nodes and their leases are watched and reduced to facts ([`facts`]). From when leases change, [`liveness`] tells what
//! happened to a node and when nobody can know; [`history`] keeps it and learns; [`class`] says what each node should
//! carry; [`impact`] what may go off, [`power_off`] how it goes well, and [`failover`] when a node is proven to be off. The
//! [`planner`] brings it together. All of that is pure; [`reconcile`] carries it out.
pub mod address_probe;
pub mod args;
pub mod class;
pub mod clock;
pub mod control_loop;
pub mod crd;
pub mod daemonset_watch;
pub mod dispatch;
mod edge_cases;
pub mod facts;
pub mod failover;
pub mod history;
pub mod history_store;
pub mod host;
pub mod impact;
pub mod liveness;
pub mod metrics;
pub mod observe;
pub mod planner;
pub mod power_off;
pub mod reconcile;
pub mod release;
pub mod run;
pub mod workloads;
