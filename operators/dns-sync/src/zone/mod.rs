//! One hosted zone: what is there, what should be, and the changes between them.
pub mod actor;
pub mod batch;
pub mod config;
pub mod guard;
pub mod image;
pub mod owner;
pub mod plan;
pub mod resolve;
pub mod state;
#[cfg(test)]
pub(crate) mod strict;
