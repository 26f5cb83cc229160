//! What the rest of the process sees of the lease.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, Stream, stream};
use jiff::Timestamp;
use tokio::sync::watch;

use super::candidate::{Held, Moment};

/// Time since boot, **time in suspend included**: a laptop that slept for an hour must see at once that its term is
/// over. Only differences mean anything. Tokio's timers (which do not count suspend) may wake us, but never decide. A
/// value, so that tests can hold it.
pub(crate) type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Time since the machine's boot, time in suspend included.
pub fn boot_time() -> Duration {
    // The kernel's boot clock is never negative; zero would only end a term early.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.try_into().unwrap_or_default()
}

/// The machine's own clock.
pub(crate) fn boot_clock() -> Clock {
    Arc::new(boot_time)
}

/// Whether this process leads. Clones share it.
#[derive(Clone)]
pub struct Leadership {
    clock: Clock,
    current: watch::Receiver<Option<Held>>,
}

impl Leadership {
    /// Election is off: one term that does not end.
    pub fn always() -> Self {
        let endless = Held {
            until: Duration::MAX,
            number: 0,
            since: Duration::ZERO,
            former_renewal: None,
        };
        Self::of(boot_clock(), watch::channel(Some(endless)).1)
    }

    pub(crate) fn of(clock: Clock, current: watch::Receiver<Option<Held>>) -> Self {
        Self { clock, current }
    }

    /// The current term, if this process leads at this moment.
    pub fn term(&self) -> Option<Term> {
        let held = (*self.current.borrow())?;
        let leadership = self.clone();
        Some(Term { leadership, held }).filter(Term::is_current)
    }

    /// Each term as it begins, the current one first. It does not end.
    pub fn terms(&self) -> impl Stream<Item = Term> + Send + use<> {
        stream::unfold((self.clone(), None), |(mut leadership, seen)| async move {
            loop {
                if let Some(term) = leadership.term().filter(|term| Some(term.held.since) != seen) {
                    let seen = Some(term.held.since);
                    return Some((term, (leadership, seen)));
                }
                if leadership.current.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
    }
}

/// One term as the leader. Clones share it.
#[derive(Clone)]
pub struct Term {
    leadership: Leadership,
    /// As it was when this was made; renewals since are seen in `leadership`.
    pub(super) held: Held,
}

impl Term {
    /// Whether the term holds at the moment of the call. It reads the clock itself, so that a process that was
    /// stopped or suspended knows at once.
    pub fn is_current(&self) -> bool {
        self.left().is_some()
    }

    /// When the lease was renewed last before this term began, by whoever held it, on that one's clock: what should have been
    /// done since then was missed. `None` if there was no lease, or if election is off.
    pub fn former_renewal(&self) -> Option<Timestamp> {
        self.held.former_renewal
    }

    /// Waits for the end of the term.
    pub async fn ended(&self) {
        let mut current = self.leadership.current.clone();
        while let Some(left) = self.left() {
            // The timer only wakes us up. It is short because it stands still in suspend, while the clock does not.
            let nap = left.clamp(Duration::from_millis(1), Duration::from_secs(1));
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                Ok(()) = current.changed() => {}
            }
        }
    }

    /// Does the work while the term holds. It is not begun when the term is over, checked before **every** poll, and
    /// dropped at the end of the term; then there is no result, and nothing more may be written.
    pub async fn within<F: Future>(&self, work: F) -> Option<F::Output> {
        let (mut work, mut ended) = (std::pin::pin!(work), std::pin::pin!(self.ended().fuse()));
        std::future::poll_fn(|cx| {
            if !self.is_current() || ended.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(None);
            }
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// What is left of it; nothing when it is over.
    fn left(&self) -> Option<Duration> {
        let held = (*self.leadership.current.borrow()).filter(|held| held.since == self.held.since)?;
        let left = held.until.checked_sub((self.leadership.clock)())?;
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_moves_forward() {
        let clock = boot_clock();
        let before = clock();
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock() >= before + Duration::from_millis(2));
    }
}
