//! The measurements on a running operator: first sync, idling, single changes.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::dns_sync::env::Zone;
use crate::fake_route53::{Action, Call, Mark, Operation, RecordSet};
use crate::pod_process::{Process, of_pod};
use crate::wait::until;
use anyhow::{Context, Result, ensure};

use super::Bench;
use super::load::Numbered;
use crate::bench::figures::First;
use crate::bench::idle::{self, Idle};
use crate::bench::replicas;
use crate::bench::steps::spread;

/// What Route 53 takes in one request: `ResourceRecord` elements, and characters of their values
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
const MOST_RECORDS: usize = 1000;
const MOST_CHARACTERS: usize = 32_000;
/// Status and events of what was done are written by then.
pub(crate) const SETTLE: Duration = Duration::from_secs(10);

/// The first sync.
pub(crate) struct FirstSync {
    pub(crate) first: First,
    pub(crate) batches: usize,
    pub(crate) least_batches: usize,
}

/// Asks for one replica and waits until all is at the provider and reported in the zone's status.
pub(crate) async fn first_sync(bench: &Bench, zone: &Zone, objects: u32) -> Result<FirstSync> {
    let control = &bench.env.control;
    let mark = control.mark();
    let begin = Instant::now();
    replicas::set(&bench.env.operator, 1).await?;
    let last = until(
        &format!("{objects} Services are published"),
        Duration::from_mins(10),
        || async {
            let calls = control.calls_since(mark);
            let published: usize = calls.iter().filter(|call| call.applied).map(creates).sum();
            let listed = calls
                .iter()
                .any(|call| call.operation == Operation::ListResourceRecordSets && call.status == 200);
            ensure!(listed && published >= objects as usize, "{published} are");
            Ok(calls.into_iter().next_back())
        },
    )
    .await?;
    zone.condition("InSync", "True", "", Duration::from_mins(1)).await?;
    let process = of_pod(&bench.env.operator.pod().await?, bench.env.operator.name)?;
    let cpu_seconds = process.cpu_seconds()?;
    let sets = zone.sets()?;
    ensure!(
        sets.len() == 2 * objects as usize,
        "{} record sets for {objects} Services and their owner records",
        sets.len()
    );
    let batches = control.writes_since(mark).len();
    Ok(FirstSync {
        first: First {
            took: last.at + last.took - begin,
            cpu_seconds,
            process,
        },
        batches,
        least_batches: least_batches(&sets),
    })
}

/// How many addresses a batch created.
fn creates(call: &Call) -> usize {
    call.edits
        .iter()
        .filter(|edit| edit.action == Action::Create && edit.kind == "A")
        .count()
}

/// No fewer requests can carry these sets, however they are cut.
fn least_batches(sets: &[RecordSet]) -> usize {
    let records: usize = sets.iter().map(|set| set.values.len()).sum();
    let characters: usize = sets
        .iter()
        .flat_map(|set| &set.values)
        .map(|value| value.chars().count())
        .sum();
    records.div_ceil(MOST_RECORDS).max(characters.div_ceil(MOST_CHARACTERS))
}

/// Watches the operator do nothing; with its calls of the provider, per minute.
pub(crate) async fn idle(bench: &Bench, zone: &Zone, process: &Process) -> Result<(Idle, f64)> {
    tokio::time::sleep(SETTLE).await;
    let mark = bench.env.control.mark();
    let idle = idle::minute(&bench.env.operator, process, async || bench.counted_writes().await).await?;
    let calls = u32::try_from(calls_of(zone, bench.env.control.calls_since(mark)).len())?;
    let calls = idle.per_minute(f64::from(calls));
    Ok((idle, calls))
}

/// Single changes, one after another.
pub(crate) struct Changes {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) calls: usize,
}

/// Moves one Service after another to a new address and takes the time until its batch arrives.
pub(crate) async fn changes(bench: &Bench, zone: &Zone, objects: u32, count: u32) -> Result<Changes> {
    let control = &bench.env.control;
    let (all, mut latencies, mut moved) = (control.mark(), Vec::new(), BTreeSet::new());
    for step in 0..count.min(objects) {
        let service = Numbered(spread(step, objects));
        ensure!(moved.insert(service.0), "Service {} would be moved twice", service.0);
        let mark = control.mark();
        service.move_to(&bench.env.client, 1 + step).await?;
        let applied = Instant::now();
        let name = zone.host(&service.label());
        let call = arrival(control, mark, &name)
            .await
            .with_context(|| format!("change {step} of {name}"))?;
        latencies.push(call.at.saturating_duration_since(applied));
        // Out of step with the batch window.
        tokio::time::sleep(Duration::from_millis(50 + u64::from(step) * 37 % 250)).await;
    }
    Ok(Changes {
        latencies,
        calls: calls_of(zone, control.calls_since(all)).len(),
    })
}

async fn arrival(control: &crate::fake_route53::Control, mark: Mark, name: &str) -> Result<Call> {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let hit = |call: &Call| {
            call.applied
                && call
                    .edits
                    .iter()
                    .any(|edit| edit.action == Action::Create && edit.name.trim_end_matches('.') == name)
        };
        if let Some(call) = control.calls_since(mark).into_iter().find(hit) {
            return Ok(call);
        }
        ensure!(Instant::now() < end, "it did not arrive within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The operator's calls, by its access key.
pub(crate) fn calls_of(zone: &Zone, mut calls: Vec<Call>) -> Vec<Call> {
    calls.retain(|call| call.key == zone.key);
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_number_of_batches_follows_from_the_tighter_limit() {
        let set = |kind: &str, value: &str| RecordSet::simple("a.example.org", kind, 300, &[value]);
        assert_eq!(least_batches(&[]), 0);
        assert_eq!(least_batches(&vec![set("A", "10.0.0.1"); 1001]), 2);
        assert_eq!(least_batches(&vec![set("TXT", &"x".repeat(100)); 640]), 2);
        assert_eq!(least_batches(&vec![set("TXT", &"x".repeat(100)); 641]), 3);
    }
}
