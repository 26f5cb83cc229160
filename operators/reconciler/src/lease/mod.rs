//! The leader lease: at most one process acts at any moment, under clock skew, stalls and lost answers
//! (docs/adr/0001-leader-lease.md). The decisions are in `candidate`; this module carries them out.

mod candidate;
#[cfg(test)]
mod candidate_tests;
#[cfg(test)]
mod election_tests;
#[cfg(test)]
mod simulation;
mod term;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, Config, api::PostParams};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

pub(crate) use self::candidate::Held;
use self::candidate::{Candidate, Failed, Rules, Step};
pub(crate) use self::term::{Clock, boot_clock};
pub use self::term::{Leadership, Term, boot_time};
use crate::{health::Check, metrics::Metrics};

/// The lease loop may be silent for this long before the process counts as stuck; its requests end after 3 s.
pub(crate) const MAX_SILENCE: Duration = Duration::from_mins(1);

/// A client of its own for the lease: the operator's client retries, and may wait for minutes on a stalled server.
pub(crate) fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(Rules::DEFAULT.attempt);
    Client::try_from(config)
}

/// What the election needs.
pub(crate) struct Election {
    pub(crate) api: Api<Lease>,
    /// The lease's name, which is the operator's.
    pub(crate) name: &'static str,
    /// The pod's name, the readable part of the identity.
    pub(crate) pod: String,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: Arc<Check>,
}

/// A running election. It goes on until [`Running::release`].
pub(crate) struct Running {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends the term, gives the lease back so that a standby need not wait, and stops. Takes three requests at most.
    pub(crate) async fn release(self) {
        self.stop.notify_one();
        // It fails only if it panicked, and then there is nothing to give back.
        let _ = self.task.await;
    }
}

/// Starts the election. It never ends by itself: a leader that lost goes back to waiting.
pub(crate) fn start(election: Election) -> (Leadership, Running) {
    let (sender, receiver) = watch::channel(None);
    let stop = Arc::new(Notify::new());
    let leadership = Leadership::of(Arc::clone(&election.clock), receiver);
    let task = tokio::spawn(election.run(sender, Arc::clone(&stop)));
    (leadership, Running { stop, task })
}

impl Election {
    async fn run(self, current: watch::Sender<Option<Held>>, stop: Arc<Notify>) {
        // Unique to this run: the pod's name is not, its containers restart under it.
        let identity = format!("{}_{:08x}", self.pod, fastrand::u32(..));
        tracing::info!(lease = self.name, identity, "waiting for the lease");
        let mut candidate = Candidate::new(identity, Rules::DEFAULT);
        self.metrics.leading(self.name, false);
        loop {
            self.heartbeat.pass();
            let next = candidate.step((self.clock)(), Timestamp::now());
            self.publish(&current, &mut candidate);
            let Step::Sleep(time) = next else {
                // A request is never cut off by the end: its outcome decides what there is to release.
                self.perform(&mut candidate, next).await;
                continue;
            };
            // Standbys look at different times, so that they seldom race.
            let leading = current.borrow().is_some();
            let jitter = if leading { 1.0 } else { 0.8 + fastrand::f64() * 0.4 };
            tokio::select! {
                () = tokio::time::sleep(time.mul_f64(jitter)) => {}
                () = stop.notified() => break,
            }
        }
        candidate.resign();
        self.publish(&current, &mut candidate);
        self.give_back(candidate).await;
    }

    async fn perform(&self, candidate: &mut Candidate, request: Step) {
        let sent = (self.clock)();
        // Not beyond the deadline: the end of a term is noticed when it comes.
        let left = candidate.held(sent).map(|held| held.until.saturating_sub(sent));
        let limit = Rules::DEFAULT.attempt.min(left.unwrap_or(Duration::MAX));
        match request {
            Step::Read => {
                let answer = attempt(limit, self.api.get_opt(self.name)).await;
                candidate.read(answer, (self.clock)());
            }
            Step::Write(lease) => {
                let answer = attempt(limit, self.write(*lease)).await;
                candidate.wrote(answer, sent, (self.clock)());
            }
            Step::Sleep(_) => {}
        }
    }

    async fn write(&self, mut lease: Lease) -> kube::Result<Lease> {
        let params = PostParams::default();
        if lease.metadata.resource_version.is_some() {
            return self.api.replace(self.name, &params, &lease).await;
        }
        lease.metadata.name = Some(self.name.to_owned());
        self.api.create(&params, &lease).await
    }

    async fn give_back(&self, mut candidate: Candidate) {
        // The answer to the last renewal may have been lost.
        self.perform(&mut candidate, Step::Read).await;
        let Some(lease) = candidate.release(Timestamp::now()) else {
            return;
        };
        let given_back = attempt(Rules::DEFAULT.attempt, self.write(lease)).await.is_ok();
        tracing::info!(
            lease = self.name,
            given_back,
            "the election ends; a lease that is not given back runs out by itself"
        );
    }

    /// Makes the term known, or its end, or its new deadline.
    fn publish(&self, current: &watch::Sender<Option<Held>>, candidate: &mut Candidate) {
        let (now, old) = ((self.clock)(), *current.borrow());
        if old.is_some_and(|old| old.until <= now) {
            // Whoever looked meanwhile has seen the end: a renewal that came after it revives nothing.
            candidate.resign();
        }
        let held = candidate.held(now);
        current.send_replace(held);
        if old.map(|old| old.since) == held.map(|held| held.since) {
            return;
        }
        self.metrics.leading(self.name, held.is_some());
        let term = held.map(|held| held.number);
        tracing::info!(lease = self.name, term, leading = held.is_some(), "leadership changed");
    }
}

async fn attempt<T>(limit: Duration, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
    let answer = tokio::time::timeout(limit, request).await;
    let answer = answer.unwrap_or_else(|_| Err(kube::Error::Service("no answer in time".into())));
    answer.map_err(|error| {
        tracing::debug!(%error, "lease request failed");
        Failed
    })
}
