//! The cluster's objects as facts, kept up to date by watches on leader and standby alike. Zones are notified of changes.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hearth_reconciler::cache::{Cache, Change};
use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::source::facts::Facts;
use crate::source::scope::Complete;
use crate::source::{ObjectKey, SourceKind};

/// What zones are notified of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This object was created, changed or removed; the time is when its event arrived.
    Object(ObjectKey, Duration),
    /// A source became complete, or is no longer.
    Sources,
}

/// A watch: a kind, and where several namespaces are watched, which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The kind.
    pub kind: SourceKind,
    /// Its position among the watched namespaces.
    pub position: usize,
}

#[derive(Debug, Default)]
struct Inner {
    caches: BTreeMap<Scope, Cache<ObjectKey, Arc<Facts>>>,
    listeners: Vec<UnboundedSender<Notice>>,
}

/// The facts of all watched objects.
#[derive(Debug)]
pub struct ObjectCache {
    inner: Mutex<Inner>,
    started: Instant,
    metrics: Metrics,
}

impl ObjectCache {
    /// Nothing is known yet; `scopes` are the watches whose updates will come.
    pub fn new(scopes: impl IntoIterator<Item = Scope>, metrics: Metrics) -> Self {
        let caches = scopes.into_iter().map(|scope| (scope, Cache::default())).collect();
        Self {
            inner: Mutex::new(Inner {
                caches,
                ..Inner::default()
            }),
            started: Instant::now(),
            metrics,
        }
    }

    /// Monotonic time since the process started; the clock of all zones.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// From now on notifies the receiver of what changes.
    pub fn listen(&self) -> UnboundedReceiver<Notice> {
        let (sender, receiver) = unbounded_channel();
        self.lock().listeners.push(sender);
        receiver
    }

    /// One object's facts.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Facts>> {
        let inner = self.lock();
        inner.of(key.kind()).find_map(|cache| cache.items().get(key).cloned())
    }

    /// All facts.
    pub fn all(&self) -> Vec<Arc<Facts>> {
        let inner = self.lock();
        let all = inner.caches.values().flat_map(|cache| cache.items().values());
        all.map(Arc::clone).collect()
    }

    /// Which kinds are known completely.
    pub fn complete(&self) -> Complete {
        self.lock().complete()
    }

    /// Whether each of the kinds has either been listed or is known not to be listable.
    pub fn settled(&self, kinds: &[SourceKind]) -> bool {
        let inner = self.lock();
        let mut relevant = kinds.iter().flat_map(|kind| inner.of(*kind));
        relevant.all(|cache| cache.was_listed() || cache.failing().is_some())
    }

    /// Why a kind cannot be listed.
    pub fn failing(&self, kind: SourceKind) -> Option<(&'static str, String)> {
        let inner = self.lock();
        inner.of(kind).find_map(|cache| cache.failing().cloned())
    }

    /// Takes over the updates of one kind's watches for as long as they last; see [`ObjectCache::take`].
    pub async fn feed<K>(
        self: Arc<Self>,
        kind: SourceKind,
        updates: impl Stream<Item = (usize, Update<K>)>,
        facts: fn(&K) -> Facts,
        gates: Vec<Arc<Check>>,
    ) {
        let mut updates = std::pin::pin!(updates);
        while let Some((position, update)) = updates.next().await {
            self.take(Scope { kind, position }, &update, facts, &gates[position]);
        }
    }

    /// Takes over one update. Objects that can never publish are not kept. The gate is passed when the watch has been listed,
    /// or cannot be for a reason that time does not fix.
    pub fn take<K>(&self, scope: Scope, update: &Update<K>, facts: fn(&K) -> Facts, gate: &Check) {
        let reduce = |object: &K| {
            let facts = facts(object);
            (facts.object.key.clone(), facts.relevant().then(|| Arc::new(facts)))
        };
        let at = self.now();
        let mut inner = self.lock();
        let before = inner.complete();
        match inner.caches.entry(scope).or_default().take(update, reduce, gate) {
            Change::Updated(key) => inner.notify(&Notice::Object(key, at)),
            Change::Removed(objects) => {
                for (key, _) in objects {
                    inner.notify(&Notice::Object(key, at));
                }
            }
            Change::Unchanged => {}
        }
        let after = inner.complete();
        if before != after || matches!(update, Update::Failing { .. } | Update::Recovered) {
            inner.notify(&Notice::Sources);
        }
        self.metrics.source(scope.kind, after.of(scope.kind));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn of(&self, kind: SourceKind) -> impl Iterator<Item = &Cache<ObjectKey, Arc<Facts>>> {
        let of_kind = self.caches.iter().filter(move |(scope, _)| scope.kind == kind);
        of_kind.map(|(_, cache)| cache)
    }

    /// A kind that nobody watches is never complete.
    fn complete(&self) -> Complete {
        let mut complete = Complete::default();
        for kind in SourceKind::ALL {
            let known = self.of(kind).next().is_some();
            complete.set(kind, known && self.of(kind).all(Cache::is_complete));
        }
        complete
    }

    fn notify(&mut self, notice: &Notice) {
        self.listeners.retain(|listener| listener.send(notice.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests;
