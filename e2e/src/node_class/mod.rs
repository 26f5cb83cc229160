//! node-class: its environment, cases, story and benchmark.
mod bench;
mod cases;
mod env;
mod story;

use self::env::{NAME, NodeEnv};
use crate::case::Case;
use crate::operator::{Demo, Operator, Part};
use crate::{demo, runner};

/// The row of node-class.
pub(crate) const OPERATOR: Operator = Operator {
    name: NAME,
    parts: &[
        Part {
            name: "nodes",
            // In one case four of seven are off.
            machines: &["home-1", "mini-1", "mini-2", "talos03", "talos06", "talos07", "talos08"],
            by_request: false,
            names: || runner::names(&cases::nodes()),
            run: |options| Box::pin(runner::run(cases::nodes(), options)),
        },
        Part {
            name: "nodes-alone",
            machines: &story::NODES,
            by_request: false,
            names: || runner::names(&alone()),
            run: |options| Box::pin(runner::run(alone(), options)),
        },
        Part {
            name: "endurance",
            machines: &["home-1", "mini-1", "talos03", "talos08"],
            by_request: true,
            names: || runner::names(&cases::endurance()),
            run: |options| Box::pin(runner::run(cases::endurance(), options)),
        },
    ],
    demo: Demo {
        machines: &story::NODES,
        run: |options| Box::pin(demo::play::<story::NodeStory>(options)),
    },
    bench: |options| Box::pin(crate::bench::run::<bench::Bench>(options)),
};

/// The cases that need the operator or the API server for themselves.
fn alone() -> Vec<Case<NodeEnv>> {
    [cases::alone(), story::cases(), cases::last()]
        .into_iter()
        .flatten()
        .collect()
}
