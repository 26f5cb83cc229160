//! One hosted zone: what is there, what should be, and the changes between them.
pub mod batch;
pub mod config;
#[cfg(test)]
pub(crate) mod fake_zone;
pub mod fingerprints;
pub mod guard;
pub mod owner;
pub mod plan;
pub mod state;
pub mod worker;
