//! Servers, probes and helpers that the end-to-end tests, the demo and the benchmarks share.

pub mod route53;
