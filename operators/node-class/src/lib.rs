//! node-class classifies nodes, learns how volatile they are, and makes it safe and quick when a desktop with nodes on it
//! is switched off.
//!
//! Nodes and their leases are watched and reduced to facts ([`facts`]). From when leases change, [`liveness`] tells what
//! happened to a node and when nobody can know; [`history`] keeps it and learns; [`class`] says what each node should
//! carry; [`picture`] what may go off, [`going`] how it goes well, and [`failover`] when a node is proven to be off. All of that
//! is pure.
pub mod args;
pub mod class;
pub mod clock;
pub mod crd;
pub mod facts;
pub mod failover;
pub mod going;
pub mod history;
pub mod host;
pub mod liveness;
pub mod picture;
