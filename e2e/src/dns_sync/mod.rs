//! dns-sync: its environment, cases, story and benchmark.
mod bench;
mod cases;
mod env;
mod story;

use self::env::{DnsEnv, NAME};
use crate::case::Case;
use crate::operator::{Demo, Operator, Part};
use crate::{demo, runner};

/// The row of dns-sync.
pub(crate) const OPERATOR: Operator = Operator {
    name: NAME,
    parts: &[
        Part {
            name: "calm",
            machines: &[],
            by_request: false,
            names: || runner::names(&calm()),
            run: |options| Box::pin(runner::run(calm(), options)),
        },
        Part {
            name: "blackout",
            machines: &[],
            by_request: false,
            names: || runner::names(&cases::blackout()),
            run: |options| Box::pin(runner::run(cases::blackout(), options)),
        },
    ],
    demo: Demo {
        machines: &[],
        run: |options| Box::pin(demo::play::<story::DnsStory>(options)),
    },
    bench: |options| Box::pin(crate::bench::run::<bench::Bench>(options)),
};

/// The story comes last: at its end it removes the CRDs.
fn calm() -> Vec<Case<DnsEnv>> {
    [cases::calm(), story::cases()].into_iter().flatten().collect()
}
