//! The Secrets that carry our label, by their metadata only: the values never pass through the cache.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_reconciler::cache::{Cache, Change};
use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use crate::sync::orphans::Key;
use crate::sync::secret::{Marked, marked, slim};

/// The Secrets of each watched namespace.
pub struct Targets {
    caches: Mutex<Vec<Cache<Key, Marked>>>,
    gates: Vec<Arc<Check>>,
    /// SecretSyncs that wait until a Secret is gone, by that.
    waiting: Mutex<BTreeMap<Key, BTreeSet<Key>>>,
}

impl Targets {
    /// No Secrets yet. One gate for each watched namespace, or one where all are watched.
    pub fn new(gates: Vec<Arc<Check>>) -> Self {
        Self {
            caches: Mutex::new(gates.iter().map(|_| Cache::default()).collect()),
            gates,
            waiting: Mutex::default(),
        }
    }

    /// A SecretSync is concerned when this Secret is removed.
    pub fn wait_for(&self, secret: Key, sync: Key) {
        self.waiting.lock().entry(secret).or_default().insert(sync);
    }

    /// Takes an update of the watch. Returns the SecretSyncs (namespace and name) that it concerns.
    pub fn take(&self, position: usize, update: &Update<PartialObjectMeta<Secret>>) -> Vec<Key> {
        let mut caches = self.caches.lock();
        let (Some(cache), Some(gate)) = (caches.get_mut(position), self.gates.get(position)) else {
            return Vec::new();
        };
        let before = match update {
            Update::Event(Event::Apply(secret) | Event::InitApply(secret)) => cache.items().get(&key(secret)).cloned(),
            _ => None,
        };
        match cache.take(update, |secret| (key(secret), Some(marked(secret))), gate) {
            Change::Updated(key) => {
                let after = cache.items().get(&key);
                let owners = before
                    .iter()
                    .chain(after)
                    .map(|secret| (key.0.clone(), secret.owner.to_string()));
                // The one that has the name of the Secret may have lost it, or may have been in its way.
                owners.chain([key.clone()]).collect()
            }
            Change::Removed(secrets) => {
                let concerned = secrets.into_iter().flat_map(|((namespace, name), secret)| {
                    let owner = (namespace.clone(), secret.owner.to_string());
                    // Others may have waited for the name.
                    let waiting = self.waiting.lock().remove(&(namespace, name));
                    waiting.into_iter().flatten().chain([owner])
                });
                concerned.collect()
            }
            Change::Unchanged => Vec::new(),
        }
    }

    /// What this process has just written is known before the watch tells it.
    pub fn written(&self, position: usize, secret: &Secret) {
        let mut written = PartialObjectMeta::<Secret> {
            metadata: secret.metadata.clone(),
            ..PartialObjectMeta::default()
        };
        slim(&mut written);
        self.take(position, &Update::Event(Event::Apply(written)));
    }

    /// A Secret as it is known.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Marked> {
        let key = (namespace.to_owned(), name.to_owned());
        self.caches
            .lock()
            .iter()
            .find_map(|cache| cache.items().get(&key).cloned())
    }

    /// Whether the namespace at this position has been listed.
    pub fn was_listed(&self, position: usize) -> bool {
        self.caches.lock().get(position).is_some_and(Cache::was_listed)
    }

    /// Whether what is absent here is absent in the cluster.
    pub fn is_complete(&self) -> bool {
        self.caches.lock().iter().all(Cache::is_complete)
    }

    /// Why the Secrets of the namespace at this position cannot be watched.
    pub fn failing(&self, position: usize) -> Option<&'static str> {
        let caches = self.caches.lock();
        caches.get(position)?.failing().map(|(reason, _)| *reason)
    }

    /// All Secrets.
    pub fn all(&self) -> BTreeMap<Key, Marked> {
        let caches = self.caches.lock();
        let all = caches.iter().flat_map(Cache::items);
        all.map(|(key, secret)| (key.clone(), secret.clone())).collect()
    }
}

fn key(secret: &PartialObjectMeta<Secret>) -> Key {
    (secret.namespace().unwrap_or_default(), secret.name_any())
}
