//! node-class classifies nodes, learns how volatile they are, and makes it safe and quick when a desktop with nodes on it
//! is switched off.
//!
//! Nodes and their leases are watched and reduced to facts ([`facts`]). From when leases change, [`liveness`] tells what
//! happened to a node and when nobody can know; [`history`] keeps it and learns; [`class`] says what each node should
//! carry; [`picture`] what may go off, [`going`] how it goes well, and [`failover`] when a node is proven to be off. The
//! [`mind`] brings it together. All of that is pure; [`reconcile`] carries it out.
pub mod address;
pub mod args;
pub mod class;
pub mod clock;
pub mod crd;
pub mod dwellings;
mod edge_cases;
pub mod facts;
pub mod failover;
pub mod going;
pub mod history;
pub mod host;
pub mod liveness;
pub mod lockouts;
pub mod metrics;
pub mod mind;
pub mod picture;
pub mod ponder;
pub mod reconcile;
pub mod release;
pub mod run;
pub mod stored;
pub mod world;
