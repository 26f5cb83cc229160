//! Measures an operator against the budgets of its design: on a real API server, installed by its chart. What is measured and how
//! is in the folder of each operator, each figure's meaning in its `figures`.
pub(crate) mod budget;
pub(crate) mod figures;
pub(crate) mod idle;
mod image;
pub(crate) mod mass;
pub(crate) mod replicas;
pub(crate) mod restart;
pub(crate) mod steps;
pub(crate) mod watched;
pub(crate) mod writes;

use std::io::Write;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use self::budget::Line;
use crate::columns::columns;
use crate::environment::Environment;
use crate::install::Installation;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// The numbers of objects to measure at; those of the operator if empty.
    pub scales: Vec<u32>,
    /// One JSON line per scale on standard output; the rest goes to standard error.
    pub json: bool,
}

/// What the runner needs of an operator's measurement.
pub(crate) trait Measurement: Sized {
    /// Installs the operator without a pod; its image has so many bytes.
    async fn new(environment: Environment, image_bytes: u64) -> Result<Self>;
    /// Scales unless others are asked for, and the largest that works.
    const SCALES: &[u32];
    const LARGEST: u32;

    /// Measures with so many objects.
    async fn scale(&self, objects: u32) -> Result<Measured>;
    /// Stops the operator and removes what was made, so that nothing of one measurement is in the next. Also what an earlier run
    /// has left.
    async fn clear(&self) -> Result<()>;
    /// The operator whose log is shown after a failure.
    fn operator(&self) -> &Installation;
}

/// What came of a scale.
pub(crate) struct Measured {
    /// The figures as one line.
    pub(crate) json: String,
    pub(crate) lines: Vec<Line>,
}

impl Measured {
    pub(crate) fn new(figures: &impl Serialize, lines: Vec<Line>) -> Result<Self> {
        Ok(Self {
            json: serde_json::to_string(figures)?,
            lines,
        })
    }
}

/// Fails if the cluster has objects of these kinds that are not of the measurement.
pub(crate) fn alone(kinds: &str, others: &[String]) -> Result<()> {
    ensure!(
        others.is_empty(),
        "the cluster has other {kinds}, whose work would be measured too: {}; delete them first",
        others.join(", ")
    );
    Ok(())
}

/// Measures at all scales; whether every budget was kept.
pub(crate) async fn run<M: Measurement>(options: Options) -> Result<bool> {
    let bench = &M::new(Environment::from_env()?, image::bytes()?).await?;
    let asked = if options.scales.is_empty() {
        M::SCALES
    } else {
        &options.scales
    };
    ensure!(
        asked.iter().all(|&scale| scale <= M::LARGEST),
        "a scale is at most {}",
        M::LARGEST
    );
    bench.clear().await?;
    let measured = scales(bench, asked, options.json).await;
    if let Err(error) = &measured {
        eprintln!("the measurement failed: {error:#}");
        let log = bench.operator().log().await.unwrap_or_default();
        eprintln!("{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"));
    }
    bench.clear().await?;
    bench.operator().uninstall().await?;
    measured
}

/// All scales; whether every budget was kept.
async fn scales<M: Measurement>(bench: &M, scales: &[u32], json: bool) -> Result<bool> {
    let mut broken = Vec::new();
    for &objects in scales {
        let measured = bench
            .scale(objects)
            .await
            .with_context(|| format!("at {objects} objects"))?;
        let missed = budget::broken(&measured.lines).into_iter();
        broken.extend(missed.map(|what| format!("{objects} objects: {what}")));
        let head = [format!("{objects} OBJECTS"), "MEASURED".to_owned(), "BUDGET".to_owned()].to_vec();
        let rows: Vec<Vec<String>> = [head]
            .into_iter()
            .chain(measured.lines.iter().map(Line::cells))
            .collect();
        let table = columns(&rows, 0);
        if json {
            writeln!(std::io::stdout(), "{}", measured.json)?;
            eprintln!("{table}");
        } else {
            writeln!(std::io::stdout(), "{table}")?;
        }
        bench.clear().await?;
    }
    for line in &broken {
        eprintln!("broken: {line}");
    }
    Ok(broken.is_empty())
}
