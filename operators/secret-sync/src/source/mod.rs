//! A source at work: one connection, shared by all SecretSyncs that name it, with its limits, its circuit and its shared reads.
pub mod circuit;
pub mod reads;
pub mod settings;

use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::rate_limit::{Rate, RateLimiter};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use self::circuit::Circuit;
use self::reads::Reads;
use crate::provider::{Connection, Failure, Object, ObjectKey, Reason};

/// So many calls run at the same time.
const CALLS: usize = 8;
/// Vault has no limit of its own by default; this keeps a small one usable for others.
const VAULT_RATE: Rate = Rate {
    per_second: 200.0,
    burst: 400.0,
};
/// A twentieth of what Key Vault allows: 4,000 transactions in 10 s, for each vault and region
/// (<https://learn.microsoft.com/azure/key-vault/general/service-limits>).
const KEY_VAULT_RATE: Rate = Rate {
    per_second: 20.0,
    burst: 40.0,
};

/// The end of the process does not wait longer for providers.
const CLOSE: Duration = Duration::from_secs(2);

/// What a connection was made of. With another one the connection is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The UID of the ClusterSecretSource.
    pub uid: String,
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// The `resourceVersion` of its credential's Secret.
    pub credential: Option<String>,
    /// The `resourceVersion` of the object with its certificates.
    pub ca: Option<String>,
}

/// Whom a source tells.
pub struct Hooks {
    /// The circuit opened, or a call succeeded for the first time.
    pub changed: Box<dyn Fn() + Send + Sync>,
    /// An object was read at the provider; whether it succeeded.
    pub called: Box<dyn Fn(bool) + Send + Sync>,
}

/// A source at work.
pub struct Source {
    /// What it was made of.
    pub identity: Identity,
    connection: Connection,
    limiter: RateLimiter,
    calls: Semaphore,
    circuit: Mutex<Circuit>,
    reads: Reads,
    hooks: Hooks,
    proven: Mutex<bool>,
    /// Wakes the task that drops old answers.
    read: Notify,
}

impl Source {
    /// No call is made yet.
    pub fn new(identity: Identity, connection: Connection, hooks: Hooks) -> Arc<Self> {
        let rate = match connection {
            Connection::Vault(_) => VAULT_RATE,
            Connection::KeyVault(_) => KEY_VAULT_RATE,
        };
        Arc::new(Self {
            identity,
            connection,
            limiter: RateLimiter::new(rate),
            calls: Semaphore::new(CALLS),
            circuit: Mutex::default(),
            reads: Reads::default(),
            hooks,
            proven: Mutex::new(false),
            read: Notify::new(),
        })
    }

    /// Why no call is made now.
    pub fn outage(&self) -> Option<Failure> {
        self.circuit.lock().failure().cloned()
    }

    /// When the next probe may be made, if the circuit is open.
    pub fn probe_at(&self) -> Option<Instant> {
        self.circuit.lock().probe_at()
    }

    /// Whether a call has succeeded.
    pub fn is_proven(&self) -> bool {
        *self.proven.lock()
    }

    /// Reads an object, or returns what was read within the last 30 seconds (see [`Reads::get`]).
    pub async fn read(&self, key: &ObjectKey, not_before: Option<Instant>) -> Result<Arc<Object>, Failure> {
        if let Some(failure) = self.outage() {
            return Err(failure);
        }
        let answer = self.reads.get(key, not_before, |began| async move {
            let Ok(_slot) = self.calls.acquire().await else {
                return Err(Failure::new(Reason::Unreachable, "the source is being closed"));
            };
            self.limiter.acquire().await;
            // It may have opened while this call waited for its turn.
            if let Some(failure) = self.outage() {
                return Err(failure);
            }
            began.now();
            let answer = self.connection.read(key).await.map(Arc::new);
            (self.hooks.called)(answer.is_ok());
            match &answer {
                Ok(_) => self.succeeded(),
                Err(failure) => self.failed(failure, false),
            }
            answer
        });
        let answer = answer.await;
        self.read.notify_one();
        answer
    }

    /// One authenticated call, whatever the circuit says. Closes the circuit if it succeeds; returns whether it was open.
    pub async fn probe(&self) -> Result<bool, Failure> {
        match self.connection.check().await {
            Ok(()) => {
                self.succeeded();
                Ok(self.circuit.lock().succeeded())
            }
            Err(failure) => {
                self.failed(&failure, true);
                Err(failure)
            }
        }
    }

    /// Renews the login if that is due. Returns when it is due next, if ever.
    pub async fn renew(&self) -> Option<Duration> {
        match self.connection.renew().await {
            Ok(next) => next,
            Err(failure) => {
                self.failed(&failure, false);
                None
            }
        }
    }

    /// Ends the login. While the provider is away there is no call: the login expires by itself.
    async fn close(&self) {
        if self.outage().is_some() {
            return;
        }
        if let Err(failure) = self.connection.close().await {
            tracing::debug!(%failure, "a login was not ended, and expires by itself");
        }
    }

    /// Drops answers that are too old, until the source is dropped by everybody else. Values stay in memory no longer than they
    /// can be used.
    pub async fn expire(source: std::sync::Weak<Self>) {
        loop {
            let Some(this) = source.upgrade() else { return };
            let empty = this.reads.is_empty();
            if empty {
                // Checked again from time to time, since the source may have been dropped.
                let _ = tokio::time::timeout(reads::WINDOW, this.read.notified()).await;
            }
            drop(this);
            tokio::time::sleep(reads::WINDOW / 3).await;
            let Some(this) = source.upgrade() else { return };
            this.reads.expire();
        }
    }

    fn succeeded(&self) {
        if !std::mem::replace(&mut *self.proven.lock(), true) {
            (self.hooks.changed)();
        }
    }

    fn failed(&self, failure: &Failure, probe: bool) {
        if failure.reason == Reason::Throttled {
            self.limiter.throttled(failure.retry_after);
        }
        let opened = self
            .circuit
            .lock()
            .failed(failure, probe, Instant::now(), fastrand::f64());
        if opened {
            (self.hooks.changed)();
        }
    }
}

/// Ends the logins of sources that are used no more, within 2 s: a token that nobody needs should not stay valid.
pub async fn close_all(sources: impl IntoIterator<Item = Arc<Source>>) {
    let closing = sources.into_iter().map(|source| async move { source.close().await });
    let _ = tokio::time::timeout(CLOSE, futures::future::join_all(closing)).await;
}
