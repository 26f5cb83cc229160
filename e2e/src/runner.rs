//! Runs the cases of a part: those at the same time that do not need the same things for themselves.
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::case::{Case, TestEnv};
use crate::environment::Environment;

/// The longest that a case may take.
const LIMIT: Duration = Duration::from_mins(25);
/// A case that takes longer says why.
const QUICK: Duration = Duration::from_mins(1);
/// Names a file to which the failures are appended too, for whoever runs several parts and reports the end.
const FAILURES: &str = "HEARTH_E2E_FAILURES";
/// Names a file to which each case's seconds, part, name, result and reason are appended, with tabs between.
const TIMES: &str = "HEARTH_E2E_TIMES";
/// Lines of the operator's log that are shown after a failure.
const LOG_LINES: usize = 40;

/// Which cases run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Leave out, by name, what needs a cluster whose parts can be stopped.
    pub foreign: bool,
    /// The most cases that run at the same time.
    pub jobs: usize,
    /// Run the cases whose names contain one of these; all if there is none.
    pub words: Vec<String>,
}

impl Options {
    /// Whether a case was asked for.
    pub fn select(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

/// What came of some cases.
#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failed: Vec<String>,
    left_out: usize,
    times: Vec<CaseTime>,
}

#[derive(Debug)]
struct CaseTime {
    name: &'static str,
    took: Duration,
    passed: bool,
    reason: Option<&'static str>,
}

impl CaseTime {
    /// Why it took longer than a minute, or that it does not say why.
    fn reason(&self) -> &'static str {
        let missing = if self.took > QUICK {
            "over a minute, for no given reason"
        } else {
            ""
        };
        self.reason.unwrap_or(missing)
    }
}

impl Report {
    /// Adds what came of others.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.left_out += other.left_out;
        self.times.extend(other.times);
    }

    /// Prints the times, slowest first, the failures, and as the last line the counts; `part` names them. Appends the failures to
    /// the file of the environment. Whether all passed, and at least one.
    pub fn finish(mut self, part: Option<&str>) -> Result<bool> {
        let mut out = std::io::stdout();
        self.times.sort_by_key(|time| std::cmp::Reverse(time.took));
        for time in &self.times {
            writeln!(
                out,
                "{:>7.1} s  {}  {}",
                time.took.as_secs_f64(),
                time.name,
                time.reason()
            )?;
        }
        for failure in &self.failed {
            writeln!(out, "failed: {failure}")?;
        }
        append(FAILURES, &self.failed)?;
        append(TIMES, &self.time_lines(part.unwrap_or("all")))?;
        if self.left_out > 0 {
            writeln!(out, "{} cases were left out", self.left_out)?;
        }
        let part = part.map(|part| format!(" {part}")).unwrap_or_default();
        writeln!(out, "e2e{part}: {} passed, {} failed", self.passed, self.failed.len())?;
        Ok(self.failed.is_empty() && self.passed > 0)
    }

    fn time_lines(&self, part: &str) -> Vec<String> {
        let line = |time: &CaseTime| {
            let (seconds, result) = (time.took.as_secs_f64(), if time.passed { "ok" } else { "FAILED" });
            format!("{seconds:.1}\t{part}\t{}\t{result}\t{}", time.name, time.reason())
        };
        self.times.iter().map(line).collect()
    }
}

/// Appends lines to the file that this variable names, if it is set. One write, so that lines of several processes do not mix.
fn append(variable: &str, lines: &[String]) -> Result<()> {
    let Some(path) = std::env::var_os(variable).filter(|_| !lines.is_empty()) else {
        return Ok(());
    };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    Ok(file.write_all(format!("{}\n", lines.join("\n")).as_bytes())?)
}

/// The names of these cases.
pub(crate) fn names<E>(cases: &[Case<E>]) -> Vec<&'static str> {
    cases.iter().map(|case| case.name).collect()
}

/// Runs these cases in one environment.
pub(crate) async fn run<E: TestEnv>(cases: Vec<Case<E>>, options: Options) -> Result<Report> {
    let mut report = Report::default();
    let mut waiting = Vec::new();
    for case in cases.into_iter().filter(|case| options.select(case.name)) {
        if options.foreign && case.local {
            writeln!(std::io::stdout(), "{} ... left out: needs the local cluster", case.name)?;
            report.left_out += 1;
        } else {
            waiting.push(case);
        }
    }
    if waiting.is_empty() {
        return Ok(report);
    }
    let env = E::setup(Environment::from_env()?).await?;
    let (mut running, mut results) = (Vec::<&Case<E>>::new(), FuturesUnordered::new());
    let mut waiting: Vec<&Case<E>> = waiting.iter().collect();
    while !waiting.is_empty() || !results.is_empty() {
        while running.len() < options.jobs.max(1)
            && let Some(next) = next(&waiting, &running)
        {
            let case = waiting.remove(next);
            running.push(case);
            results.push(run_one(&env, case));
        }
        if let Some(outcome) = results.next().await {
            running.retain(|case| case.name != outcome.case.name);
            report.passed += usize::from(outcome.error.is_none());
            report.times.push(CaseTime {
                name: outcome.case.name,
                took: outcome.took,
                passed: outcome.error.is_none(),
                reason: outcome.case.slow,
            });
            outcome.print()?;
            let failed = outcome.error.map(|error| format!("{}: {error:#}", outcome.case.name));
            report.failed.extend(failed);
        }
    }
    Ok(report)
}

/// The first case that can run beside those that do.
fn next<E>(waiting: &[&Case<E>], running: &[&Case<E>]) -> Option<usize> {
    waiting
        .iter()
        .position(|case| running.iter().all(|other| case.runs_beside(other)))
}

struct Outcome<'a, E> {
    case: &'a Case<E>,
    took: Duration,
    error: Option<anyhow::Error>,
    log: String,
}

async fn run_one<'a, E: TestEnv>(env: &'a E, case: &'a Case<E>) -> Outcome<'a, E> {
    let start = Instant::now();
    let result = tokio::time::timeout(LIMIT, (case.run)(env))
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("took longer than {LIMIT:?}")));
    let log = match &result {
        Ok(()) => String::new(),
        Err(_) => env.operator().log().await.unwrap_or_default(),
    };
    // A case that passed and left something behind has failed: the next one would have to explain it.
    let cleaned = env.cleanup().await.context("cleaning up after it");
    Outcome {
        case,
        took: start.elapsed(),
        error: result.and(cleaned).err(),
        log,
    }
}

impl<E> Outcome<'_, E> {
    fn print(&self) -> Result<()> {
        let mut out = std::io::stdout();
        let (name, took) = (self.case.name, self.took.as_secs_f64());
        let Some(error) = &self.error else {
            return Ok(writeln!(out, "{name} ... ok ({took:.1} s)")?);
        };
        writeln!(out, "{name} ... FAILED ({took:.1} s)\n    {error:#}")?;
        let lines: Vec<&str> = self.log.lines().collect();
        for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
            writeln!(out, "    operator: {}", line.chars().take(240).collect::<String>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Exclusive;

    fn case(name: &'static str, exclusive: &'static [Exclusive]) -> Case<()> {
        Case::new(name, |()| Box::pin(async { Ok(()) })).exclusive(exclusive)
    }

    #[test]
    fn a_case_waits_for_those_that_need_the_same() {
        let (free, alone) = (case("free", &[]), case("alone", &[Exclusive::Operator]));
        assert_eq!(next(&[&alone, &free], &[]), Some(0));
        assert_eq!(next(&[&alone, &free], &[&free]), Some(1));
        assert_eq!(next(&[&free], &[&alone]), None);
    }

    #[test]
    fn words_select_cases_by_their_names() {
        let options = |words: &[&str]| Options {
            foreign: false,
            jobs: 1,
            words: words.iter().map(|&word| word.to_owned()).collect(),
        };
        assert!(options(&[]).select("a_case") && options(&["x", "case"]).select("a_case"));
        assert!(!options(&["x"]).select("a_case"));
    }

    #[test]
    fn times_have_a_line_with_the_reason() {
        let mut report = Report::default();
        report.times.push(CaseTime {
            name: "a_case",
            took: Duration::from_secs(90),
            passed: true,
            reason: Some("it waits"),
        });
        assert_eq!(report.time_lines("calm"), ["90.0\tcalm\ta_case\tok\tit waits"]);
        report.times[0].reason = None;
        assert!(report.time_lines("calm")[0].ends_with("for no given reason"));
    }

    #[test]
    fn nothing_passed_is_no_success() {
        assert!(!Report::default().finish(Some("calm")).unwrap());
    }
}
