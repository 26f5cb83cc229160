//! One signal to end, for any number of waiting tasks.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Tells all tasks that the process ends. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// One that nothing triggers but [`Shutdown::trigger`].
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// One that SIGTERM and SIGINT trigger. Fails if the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
            tracing::info!(signal = name, "ending");
            trigger.trigger();
        });
        Ok(shutdown)
    }

    /// Begins the end.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Whether the end has begun.
    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the beginning of the end.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let (mut receiver, keep) = (self.0.subscribe(), self.clone());
        async move {
            // Cannot fail: `keep` holds the sender.
            let _ = receiver.wait_for(|ending| *ending).await;
            drop(keep);
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_waiters_early_and_late_hear_of_the_end() {
        let shutdown = Shutdown::new();
        let early = tokio::spawn(shutdown.wait());
        assert!(!shutdown.requested());
        shutdown.trigger();
        early.await.unwrap();
        shutdown.wait().await;
        assert!(shutdown.requested());
    }
}
