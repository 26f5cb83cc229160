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

use self::candidate::{Candidate, Failure, Held, Rules, Step};
pub use self::term::{Ended, Leadership, Term};
use crate::{clock::Clock, health::Heartbeat, metrics::Metrics};

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
    pub(crate) client: Client,
    pub(crate) namespace: String,
    /// The lease's name, which is the operator's.
    pub(crate) name: String,
    /// Unique to this run of the process.
    pub(crate) identity: String,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: Heartbeat,
}

/// An identity unique to this run: the pod's name is not, its containers restart under it.
pub(crate) fn identity(pod: &str) -> String {
    format!("{pod}_{:08x}", fastrand::u32(..))
}

/// A running election. It goes on until [`Running::release`].
#[derive(Debug)]
pub(crate) struct Running {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends the term, gives the lease back so that a standby need not wait, and stops. Takes some seconds at most.
    pub(crate) async fn release(mut self) {
        self.stop.notify_one();
        let limit = Rules::DEFAULT.attempt * 4;
        if tokio::time::timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Starts the election. It never ends by itself: a leader that lost goes back to waiting.
pub(crate) fn start(election: Election) -> (Leadership, Running) {
    let (sender, receiver) = watch::channel(None);
    let stop = Arc::new(Notify::new());
    let task = tokio::spawn(election.run(sender, Arc::clone(&stop)));
    (Leadership::of(receiver), Running { stop, task })
}

impl Election {
    async fn run(self, current: watch::Sender<Option<Term>>, stop: Arc<Notify>) {
        let mut candidate = Candidate::new(self.identity.clone(), Rules::DEFAULT);
        self.metrics.leading(&self.name, false);
        tracing::info!(lease = self.name, identity = self.identity, "waiting for the lease");
        loop {
            self.heartbeat.beat();
            let next = candidate.step(self.clock.now(), Timestamp::now());
            self.publish(&current, candidate.held(self.clock.now()));
            // A request is never cut off by the end: its outcome decides what there is to release.
            match next {
                Step::Sleep(time) => {
                    tokio::select! {
                        () = tokio::time::sleep(jittered(time, candidate.held(self.clock.now()).is_some())) => {}
                        () = stop.notified() => break,
                    }
                }
                request => self.perform(&mut candidate, request).await,
            }
            self.publish(&current, candidate.held(self.clock.now()));
        }
        candidate.resign();
        self.publish(&current, None);
        self.give_back(candidate).await;
    }

    async fn perform(&self, candidate: &mut Candidate, request: Step) {
        let sent = self.clock.now();
        // Not beyond the deadline: the end of a term is noticed when it comes.
        let left = candidate
            .held(sent)
            .map_or(Rules::DEFAULT.attempt, |held| held.until.saturating_sub(sent));
        let limit = left.min(Rules::DEFAULT.attempt);
        match request {
            Step::Read => {
                let answer = attempt(limit, self.api().get_opt(&self.name)).await;
                candidate.read(answer, self.clock.now());
            }
            Step::Write(lease) => {
                let answer = attempt(limit, self.write(*lease)).await;
                candidate.wrote(answer, sent, self.clock.now());
            }
            Step::Sleep(_) => {}
        }
    }

    async fn write(&self, mut lease: Lease) -> kube::Result<Lease> {
        let params = PostParams {
            field_manager: Some(self.name.clone()),
            ..PostParams::default()
        };
        if lease.metadata.resource_version.is_some() {
            return self.api().replace(&self.name, &params, &lease).await;
        }
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.namespace = Some(self.namespace.clone());
        self.api().create(&params, &lease).await
    }

    async fn give_back(&self, mut candidate: Candidate) {
        // Twice: the first write may meet a renewal whose answer was lost.
        for _ in 0..2 {
            if candidate.is_uncertain() {
                self.perform(&mut candidate, Step::Read).await;
            }
            let Some(lease) = candidate.release(Timestamp::now()) else {
                return;
            };
            match attempt(Rules::DEFAULT.attempt, self.write(lease)).await {
                Ok(_) => {
                    tracing::info!(lease = self.name, "lease given back");
                    return;
                }
                Err(failure) => candidate.wrote(Err(failure), self.clock.now(), self.clock.now()),
            }
        }
        tracing::info!(lease = self.name, "lease not given back; it runs out by itself");
    }

    /// Makes the term known, or its end, or its new deadline.
    fn publish(&self, current: &watch::Sender<Option<Term>>, held: Option<Held>) {
        let old = current.borrow().clone();
        match (old, held) {
            (Some(term), Some(held)) if term.number() == held.number && term.is_current() => term.extend(held.until),
            (old, held) => {
                if old.is_none() && held.is_none() {
                    return;
                }
                if let Some(term) = old {
                    term.end();
                    tracing::info!(lease = self.name, term = term.number(), "not leading any more");
                }
                if let Some(held) = held {
                    tracing::info!(lease = self.name, term = held.number, "leading");
                }
                self.metrics.leading(&self.name, held.is_some());
                current.send_replace(held.map(|held| Term::new(self.clock.clone(), held)));
            }
        }
    }

    fn api(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Standbys look at different times, so that they seldom race.
fn jittered(time: Duration, leading: bool) -> Duration {
    if leading {
        time
    } else {
        time.mul_f64(0.8 + fastrand::f64() * 0.4)
    }
}

async fn attempt<T>(limit: Duration, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::debug!(%error, "lease request failed");
            match error {
                kube::Error::Api(status) if status.code == 409 => Err(Failure::Outdated),
                _ => Err(Failure::Unknown),
            }
        }
        Err(_) => {
            tracing::debug!(?limit, "lease request without answer");
            Err(Failure::Unknown)
        }
    }
}
