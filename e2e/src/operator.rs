//! A row of the table of operators.
use crate::bench;
use crate::case::LocalFuture;
use crate::demo;
use crate::runner::{Options, Report};

/// One operator.
#[derive(Debug)]
pub struct Operator {
    /// The name of its crate, chart, release, container and program.
    pub name: &'static str,
    /// Its cases, by the cluster that they run on.
    pub parts: &'static [Part],
    /// Its demo.
    pub demo: Demo,
    /// Measures it.
    pub bench: fn(bench::Options) -> LocalFuture<'static, bool>,
}

/// Cases that share one cluster.
#[derive(Debug)]
pub struct Part {
    /// For `--part`.
    pub name: &'static str,
    /// The machines that the cluster must have; any cluster if empty.
    pub machines: &'static [&'static str],
    /// Runs only if it is asked for.
    pub by_request: bool,
    /// The names of its cases.
    pub names: fn() -> Vec<&'static str>,
    /// Runs its cases.
    pub run: fn(Options) -> LocalFuture<'static, Report>,
}

/// A case that is run with narration.
#[derive(Debug)]
pub struct Demo {
    /// The machines that the cluster must have; any cluster if empty.
    pub machines: &'static [&'static str],
    /// Runs it; whether everything was as shown.
    pub run: fn(demo::Options) -> LocalFuture<'static, bool>,
}
