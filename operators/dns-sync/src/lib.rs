//! dns-sync publishes the names of a cluster's objects to Route 53.
//!
//! Objects are watched and reduced to facts ([`source`]). Each DNSZone turns facts into desired record sets and compares
//! them with the record sets at the provider ([`zone`]). The difference is sent as compare-and-swap ([`provider`]). Owner
//! TXT records ([`ownership`]) say which record sets are ours, so that nothing else is ever changed.
pub mod args;
pub mod crd;
pub mod dialect;
pub mod endpoint;
pub mod filter;
pub mod metrics;
pub mod name;
pub mod object_cache;
pub mod ownership;
pub mod provider;
pub mod reconcile;
pub mod record_data;
pub mod records;
pub mod run;
pub mod source;
pub mod zone;
