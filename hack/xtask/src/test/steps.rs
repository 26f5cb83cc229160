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

/// The time of an end-to-end case.
#[derive(Debug, PartialEq)]
pub(crate) struct CaseTime {
    seconds: f64,
    part: String,
    name: String,
}

/// The times in the output of the program `e2e`: its lines `NAME ... ok (SECONDS s)`, or `FAILED` in place of `ok`.
pub(crate) fn cases(part: &str, output: &str) -> Vec<CaseTime> {
    output
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(" ... ")?;
            let (_, seconds) = rest.strip_suffix(" s)")?.rsplit_once('(')?;
            Some(CaseTime {
                seconds: seconds.parse().ok()?,
                part: part.to_owned(),
                name: name.to_owned(),
            })
        })
        .collect()
}

/// Prints the times of cases, the slowest first.
pub(crate) fn print_cases(mut cases: Vec<CaseTime>) {
    cases.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    eprintln!("end-to-end cases, slowest first:");
    for case in cases {
        eprintln!("{:>7.1} s  {}: {}", case.seconds, case.part, case.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_cases_are_read_from_the_output() {
        let output = "one ... ok (2.5 s)\nanother ... FAILED (110.0 s)\n    an error\nthird ... left out: needs the local cluster\n";
        let case = |seconds, name: &str| CaseTime {
            seconds,
            part: "calm".into(),
            name: name.into(),
        };
        assert_eq!(cases("calm", output), [case(2.5, "one"), case(110.0, "another")]);
    }
}
