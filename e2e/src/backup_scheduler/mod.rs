//! backup-scheduler: its environment, cases, story and benchmark.
mod application;
mod bench;
mod cases;
mod env;
mod files;
mod story;

use self::env::NAME;
use crate::operator::{Demo, Operator, Part};
use crate::{demo, runner};

/// The row of backup-scheduler.
pub(crate) const OPERATOR: Operator = Operator {
    name: NAME,
    parts: &[
        Part {
            name: "backups",
            machines: &[],
            by_request: false,
            names: || runner::names(&cases::all()),
            run: |options| Box::pin(runner::run(cases::all(), options)),
        },
        Part {
            name: "backups-endurance",
            machines: &[],
            by_request: true,
            names: || runner::names(&cases::endurance()),
            run: |options| Box::pin(runner::run(cases::endurance(), options)),
        },
    ],
    demo: Demo {
        machines: &[],
        run: |options| Box::pin(demo::play::<story::BackupStory>(options)),
    },
    bench: |options| Box::pin(crate::bench::run::<bench::Bench>(options)),
};
