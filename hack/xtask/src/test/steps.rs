//! The steps of the test command, and how long each took.
use std::time::{Duration, Instant};

use anyhow::Result;

/// What was run, with its duration.
pub(crate) struct Steps {
    begin: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs a step, with a line before and after it.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("== {name}");
        let start = Instant::now();
        let result = work();
        self.add(name, start.elapsed(), result.is_ok());
        result
    }

    /// Adds a step that was run elsewhere.
    pub(crate) fn add(&mut self, name: &str, took: Duration, passed: bool) {
        let outcome = if passed { "passed" } else { "FAILED" };
        eprintln!("== {name}: {outcome} in {:.0} s", took.as_secs_f64());
        self.done.push((name.to_owned(), took));
    }

    /// Prints the steps, the slowest first. Steps that ran at the same time add up to more than the whole.
    pub(crate) fn print(&mut self) {
        self.done.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        eprintln!("steps, slowest first:");
        for (name, took) in &self.done {
            eprintln!("{:>7.0} s  {name}", took.as_secs_f64());
        }
        eprintln!("{:>7.0} s  in total", self.begin.elapsed().as_secs_f64());
    }
}

/// The times of end-to-end cases, as the program `e2e` writes them (`seconds`, `part`, `case`, `ok` or `FAILED`, with tabs
/// between), slowest first and ready to print.
pub(crate) fn cases(times: &str) -> Vec<String> {
    let mut cases: Vec<(f64, &str)> = times
        .lines()
        .filter_map(|line| {
            let (seconds, rest) = line.split_once('\t')?;
            Some((seconds.parse().ok()?, rest))
        })
        .collect();
    cases.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    cases
        .iter()
        .map(|(seconds, rest)| format!("{seconds:>7.1} s  {}", rest.replace('\t', "  ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_listed_slowest_first() {
        let times = "2.5\tcalm\ta_case\tok\nnot a line of ours\n110.25\tnodes\tanother\tFAILED\n";
        assert_eq!(
            cases(times),
            ["  110.2 s  nodes  another  FAILED", "    2.5 s  calm  a_case  ok"]
        );
    }
}
