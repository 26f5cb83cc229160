//! dns-sync publishes the names of a cluster's objects to Route 53.
//!
//! Objects are watched and reduced to facts ([`source`]); each DNSZone turns facts into wishes and compares them with
//! what the provider has ([`zone`]); the difference is sent as compare-and-swap ([`provider`]). Owner TXT records
//! ([`ownership`]) say what is ours, so that nothing else is ever changed.
pub mod args;
pub mod crd;
pub mod data;
pub mod duration;
pub mod filter;
pub mod metrics;
pub mod name;
pub mod ownership;
pub mod provider;
pub mod reconcile;
pub mod run;
pub mod source;
pub mod world;
pub mod zone;
