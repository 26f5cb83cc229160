//! secret-sync: its environment, cases, story and benchmark.
mod bench;
mod cases;
mod env;
mod source;
mod story;

use self::env::NAME;
use crate::operator::{Demo, Operator, Part};
use crate::{demo, runner};

/// The row of secret-sync.
pub(crate) const OPERATOR: Operator = Operator {
    name: NAME,
    parts: &[Part {
        name: "secrets",
        machines: &[],
        by_request: false,
        names: || runner::names(&cases::all()),
        run: |options| Box::pin(runner::run(cases::all(), options)),
    }],
    demo: Demo {
        machines: &[],
        run: |options| Box::pin(demo::play::<story::SecretStory>(options)),
    },
    bench: |options| Box::pin(crate::bench::run::<bench::Bench>(options)),
};
