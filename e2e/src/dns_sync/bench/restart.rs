//! What restarts come to, and what they write.
use std::time::Duration;

use crate::dns_sync::env::Zone;
use crate::fake_route53::{Mark, Operation};
use crate::wait::until;
use anyhow::{Result, ensure};

use super::Bench;
use super::measure::{SETTLE, calls_of};
use crate::bench::restart::{self, Restarts};
use crate::bench::writes;

const LIMIT: Duration = Duration::from_mins(2);

/// Deletes the pod, then kills the process of the new one; with what both new processes wrote to the API server and the provider.
pub(crate) async fn restarts(bench: &Bench, zone: &Zone) -> Result<(Restarts, u64)> {
    // What the last change leaves to be reported must not be work of the new process.
    tokio::time::sleep(SETTLE).await;
    zone.condition("InSync", "True", "", LIMIT).await?;
    let mut mark = bench.env.control.mark();
    let (restarts, writes) = restart::both(&bench.env.operator, async |restarted| {
        let writes = written(bench, zone, &restarted.pod, mark).await?;
        mark = bench.env.control.mark();
        Ok(writes)
    })
    .await?;
    Ok((restarts, writes.iter().sum()))
}

/// What a process wrote from its start until it has listed the zone and settled.
async fn written(bench: &Bench, zone: &Zone, pod: &str, mark: Mark) -> Result<u64> {
    let control = &bench.env.control;
    until("the zone has been listed", LIMIT, || async {
        let calls = calls_of(zone, control.calls_since(mark));
        Ok(calls
            .iter()
            .any(|call| call.operation == Operation::ListResourceRecordSets && call.status == 200)
            .then_some(()))
    })
    .await?;
    tokio::time::sleep(SETTLE).await;
    zone.condition("InSync", "True", "", LIMIT).await?;
    let reported = writes::reported(&bench.env.operator, pod).await?;
    ensure!(
        reported >= 0.0 && reported.fract() == 0.0,
        "the operator counts {reported} writes"
    );
    let provider = control.writes_since(mark).len();
    if reported > 0.0 || provider > 0 {
        eprintln!("writes of the new process: {reported} to the API server, {provider} to the provider");
        eprintln!("{}", writes::shown(&bench.env.operator, pod).await?);
        eprintln!("  the zone's status: {}", zone.now().await?["status"]);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number, as was made sure"
    )]
    Ok(reported as u64 + u64::try_from(provider)?)
}
