//! What the rest of the process sees of the lease.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::{FutureExt, Stream, stream};
use tokio::sync::watch;

use super::candidate::Held;
use crate::clock::Clock;

/// The term is over: stop, and write nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the leader any more")]
pub struct Ended;

/// Whether this process leads. Clones share it.
#[derive(Clone, Debug)]
pub struct Leadership {
    current: watch::Receiver<Option<Term>>,
    /// Without an election there is no task that would hold the sender.
    _keep: Option<Arc<watch::Sender<Option<Term>>>>,
}

impl Leadership {
    /// Election is off: one term that does not end.
    pub fn always() -> Self {
        let sender = Arc::new(watch::Sender::new(Some(Term::new(
            Clock::boot(),
            Held {
                until: Duration::MAX,
                number: 0,
            },
        ))));
        Self {
            current: sender.subscribe(),
            _keep: Some(sender),
        }
    }

    pub(crate) fn of(current: watch::Receiver<Option<Term>>) -> Self {
        Self { current, _keep: None }
    }

    /// Waits until this process leads. Never returns if it cannot any more (the process ends).
    pub async fn acquired(&self) -> Term {
        self.next(None).await
    }

    /// The current term, if this process leads at this moment.
    pub fn term(&self) -> Option<Term> {
        self.current.borrow().clone().filter(Term::is_current)
    }

    /// Each term as it begins, the current one first.
    pub fn terms(&self) -> impl Stream<Item = Term> + Send + use<> {
        stream::unfold((self.clone(), None), |(leadership, seen)| async move {
            let term = leadership.next(seen).await;
            Some((term.clone(), (leadership, Some(term))))
        })
    }

    async fn next(&self, seen: Option<Term>) -> Term {
        let mut current = self.current.clone();
        let known = |term: &Term| seen.as_ref().is_some_and(|seen| Arc::ptr_eq(&seen.0, &term.0));
        let new = |term: &Option<Term>| term.as_ref().is_some_and(|t| t.is_current() && !known(t));
        let found = current.wait_for(new).await.ok().and_then(|term| term.clone());
        match found {
            Some(term) => term,
            None => std::future::pending().await,
        }
    }
}

/// One term as the leader. Clones share it.
#[derive(Clone, Debug)]
pub struct Term(Arc<State>);

#[derive(Debug)]
struct State {
    clock: Clock,
    number: u64,
    /// On `clock`, in nanoseconds; renewals move it.
    until: AtomicU64,
    lost: AtomicBool,
    changed: watch::Sender<()>,
}

impl Term {
    pub(super) fn new(clock: Clock, held: Held) -> Self {
        Self(Arc::new(State {
            clock,
            number: held.number,
            until: AtomicU64::new(nanos(held.until)),
            lost: AtomicBool::new(false),
            changed: watch::Sender::new(()),
        }))
    }

    /// A term that only [`Term::end`] ends.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn endless(clock: Clock, number: u64) -> Self {
        Self::new(
            clock,
            Held {
                until: Duration::MAX,
                number,
            },
        )
    }

    /// Moves the deadline. A term that is over stays so.
    pub(super) fn extend(&self, until: Duration) {
        if !self.is_current() {
            self.end();
            return;
        }
        self.0.until.store(nanos(until), SeqCst);
    }

    pub(crate) fn end(&self) {
        self.0.lost.store(true, SeqCst);
        self.0.changed.send_replace(());
    }

    /// Whether the term holds at the moment of the call. It looks at the clock itself, so that a process that was
    /// stopped or suspended knows at once.
    pub fn is_current(&self) -> bool {
        !self.0.lost.load(SeqCst) && nanos(self.0.clock.now()) < self.0.until.load(SeqCst)
    }

    /// [`Term::is_current`] as a result, for `?` before a write.
    pub fn check(&self) -> Result<(), Ended> {
        if self.is_current() { Ok(()) } else { Err(Ended) }
    }

    /// The number of the term, growing over all candidates (`leaseTransitions`); 0 without an election.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Waits for the end of the term.
    pub async fn ended(&self) {
        let mut changed = self.0.changed.subscribe();
        while self.is_current() {
            // The timer only wakes us up. It is short because it stands still in suspend, while the clock does not.
            let left = Duration::from_nanos(self.0.until.load(SeqCst)).saturating_sub(self.0.clock.now());
            let nap = left.clamp(Duration::from_millis(1), Duration::from_secs(1));
            let _ = tokio::time::timeout(nap, changed.changed()).await;
        }
    }

    /// Does the work while the term holds. It is not begun when the term is over, looked at before **every** poll, and
    /// dropped at the end of the term.
    pub async fn within<F: Future>(&self, work: F) -> Result<F::Output, Ended> {
        let (mut work, mut ended) = (std::pin::pin!(work), std::pin::pin!(self.ended().fuse()));
        std::future::poll_fn(|cx| {
            if !self.is_current() || ended.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(Err(Ended));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

fn nanos(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX)
}
