//! The cluster's objects as facts, kept up to date by watches on leader and standby alike. Zones are told what changed.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use kube::runtime::watcher::Event;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::source::facts::Facts;
use crate::source::scope::Complete;
use crate::source::{ObjectKey, SourceKind};

/// What a zone is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This object came, changed or went; the time is when its event arrived.
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

/// Whether a watch can be relied on.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// It has been listed to the end once in this process' life.
    listed: bool,
    /// It does not work now: reason and message.
    failing: Option<(&'static str, String)>,
    /// What a list under way has delivered so far.
    listing: Option<HashSet<ObjectKey>>,
}

impl Standing {
    /// While a list is under way after a gap, what is known is the past: it proves nothing about what has gone.
    fn is_complete(&self) -> bool {
        self.listed && self.failing.is_none() && self.listing.is_none()
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// With the watch that delivers each.
    objects: HashMap<ObjectKey, (Scope, Arc<Facts>)>,
    scopes: BTreeMap<Scope, Standing>,
    listeners: Vec<UnboundedSender<Notice>>,
}

/// The facts of all watched objects.
#[derive(Debug)]
pub struct World {
    inner: Mutex<Inner>,
    begun: Instant,
    metrics: Metrics,
}

impl World {
    /// Nothing is known yet; `scopes` are the watches that will be fed.
    pub fn new(scopes: impl IntoIterator<Item = Scope>, metrics: Metrics) -> Self {
        let scopes = scopes.into_iter().map(|scope| (scope, Standing::default())).collect();
        Self {
            inner: Mutex::new(Inner {
                scopes,
                ..Inner::default()
            }),
            begun: Instant::now(),
            metrics,
        }
    }

    /// Monotonic time since the process began; the measure of everything in the zones.
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// From now on tells a zone what changes.
    pub fn listen(&self) -> UnboundedReceiver<Notice> {
        let (sender, receiver) = unbounded_channel();
        self.lock().listeners.push(sender);
        receiver
    }

    /// One object's facts.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Facts>> {
        self.lock().objects.get(key).map(|(_, facts)| Arc::clone(facts))
    }

    /// All facts.
    pub fn all(&self) -> Vec<Arc<Facts>> {
        self.lock()
            .objects
            .values()
            .map(|(_, facts)| Arc::clone(facts))
            .collect()
    }

    /// Which kinds are known completely.
    pub fn complete(&self) -> Complete {
        self.lock().complete()
    }

    /// Whether each of the kinds has either been listed or is known not to be listable.
    pub fn settled(&self, kinds: &[SourceKind]) -> bool {
        let inner = self.lock();
        let relevant = inner.scopes.iter().filter(|(scope, _)| kinds.contains(&scope.kind));
        relevant
            .into_iter()
            .all(|(_, standing)| standing.listed || standing.failing.is_some())
    }

    /// Why a kind cannot be listed.
    pub fn failing(&self, kind: SourceKind) -> Option<(&'static str, String)> {
        let inner = self.lock();
        inner
            .scopes
            .iter()
            .filter(|(scope, _)| scope.kind == kind)
            .find_map(|(_, standing)| standing.failing.clone())
    }

    /// Feeds the world from one watch for as long as it lasts. `facts` says `None` for objects that can never publish.
    /// The gate is passed when the watch has been listed, or cannot be for a reason that waiting does not mend.
    pub async fn feed<K>(
        self: Arc<Self>,
        scope: Scope,
        updates: impl Stream<Item = Update<K>>,
        facts: fn(&K) -> Facts,
        gate: Arc<Check>,
    ) {
        let mut updates = std::pin::pin!(updates);
        while let Some(update) = updates.next().await {
            self.take(scope, &update, facts, &gate);
        }
    }

    /// Takes over one update.
    pub fn take<K>(&self, scope: Scope, update: &Update<K>, facts: fn(&K) -> Facts, gate: &Check) {
        let at = self.now();
        let mut inner = self.lock();
        let before = inner.complete();
        match update {
            Update::Event(Event::Init) => inner.scope(scope).listing = Some(HashSet::new()),
            Update::Event(Event::InitApply(object)) => {
                let facts = facts(object);
                if let Some(listing) = &mut inner.scope(scope).listing {
                    listing.insert(facts.object.key.clone());
                }
                inner.apply(scope, facts, at);
            }
            Update::Event(Event::InitDone) => {
                inner.finish(scope, at);
                gate.pass();
            }
            Update::Event(Event::Apply(object)) => inner.apply(scope, facts(object), at),
            Update::Event(Event::Delete(object)) => inner.delete(&facts(object).object.key, at),
            Update::Failing { reason, message } => {
                inner.scope(scope).failing = Some((reason, message.clone()));
                if matches!(*reason, "Forbidden" | "NotServed") {
                    gate.pass();
                }
            }
            Update::Recovered => inner.scope(scope).failing = None,
        }
        let after = inner.complete();
        if before != after || matches!(update, Update::Failing { .. } | Update::Recovered) {
            inner.tell(&Notice::Sources);
        }
        self.metrics.source(scope.kind, after.of(scope.kind));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn scope(&mut self, scope: Scope) -> &mut Standing {
        self.scopes.entry(scope).or_default()
    }

    fn complete(&self) -> Complete {
        let mut complete = Complete::default();
        for kind in SourceKind::ALL {
            let mut of_kind = self
                .scopes
                .iter()
                .filter(|(scope, _)| scope.kind == kind)
                .map(|(_, standing)| standing)
                .peekable();
            let known = of_kind.peek().is_some();
            complete.set(kind, known && of_kind.all(Standing::is_complete));
        }
        complete
    }

    fn apply(&mut self, scope: Scope, facts: Facts, at: Duration) {
        let key = facts.object.key.clone();
        if !facts.relevant() {
            self.delete(&key, at);
            return;
        }
        let same = self.objects.get(&key).is_some_and(|(_, known)| **known == facts);
        if !same {
            self.objects.insert(key.clone(), (scope, Arc::new(facts)));
            self.tell(&Notice::Object(key, at));
        }
    }

    fn delete(&mut self, key: &ObjectKey, at: Duration) {
        if self.objects.remove(key).is_some() {
            self.tell(&Notice::Object(key.clone(), at));
        }
    }

    /// The list is whole: what it did not bring has gone.
    fn finish(&mut self, scope: Scope, at: Duration) {
        let standing = self.scope(scope);
        standing.listed = true;
        standing.failing = None;
        let Some(listing) = standing.listing.take() else { return };
        let missing = |(key, (of, _)): &(&ObjectKey, &(Scope, Arc<Facts>))| *of == scope && !listing.contains(*key);
        let gone: Vec<ObjectKey> = self
            .objects
            .iter()
            .filter(missing)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.delete(&key, at);
        }
    }

    fn tell(&mut self, notice: &Notice) {
        self.listeners.retain(|listener| listener.send(notice.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests;
