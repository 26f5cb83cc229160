//! The reconcilers of `ClusterSecretSource` and SecretSync, and what they share.
mod orphans;
pub mod source;
pub mod sync;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::Process;
use hearth_reconciler::trigger::Trigger;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::orphans::{Deletions, sweep};
use crate::crd::{ClusterSecretSource, SecretSync, SecretSyncStatus};
use crate::metrics::Metrics;
use crate::source::Source;
use crate::source::settings::Installed;
use crate::sync::orphans::Key;
use crate::sync::schedule::LastRead;
use crate::targets::Targets;

/// So many SecretSyncs write to the API server at the same time.
pub const WRITES: usize = 16;

/// What reconcilers share.
pub struct Context {
    /// The process: client, events, leadership. Credentials are in its namespace.
    pub process: Process,
    /// What sources may use.
    pub installed: Installed,
    /// The operator's metrics.
    pub metrics: Metrics,
    /// The sources.
    pub sources: Store<ClusterSecretSource>,
    /// Whether the sources have been listed: else one that is absent may only be unknown.
    pub sources_listed: AtomicBool,
    /// The SecretSyncs.
    pub syncs: Store<SecretSync>,
    /// The sources at work, by name; none for one that cannot work. One that was not looked at yet is not here.
    pub at_work: Mutex<HashMap<String, Option<Arc<Source>>>>,
    /// The Secrets that sources refer to.
    pub credentials: Secrets<ClusterSecretSource>,
    /// The Secrets that were written.
    pub targets: Targets,
    /// What this process remembers of SecretSyncs.
    pub memory: Mutex<HashMap<Key, Memory>>,
    /// When the present term was first seen, and the former leader's last renewal.
    pub term: Mutex<Option<(Timestamp, Option<Timestamp>)>>,
    /// SecretSyncs whose deletion this process has seen.
    pub deletions: Mutex<Deletions>,
    /// Namespaces that were looked up before a Secret was created there: whether they are being deleted.
    pub namespaces: Mutex<HashMap<String, (Instant, bool)>>,
    /// Limits writes to the API server.
    pub writes: Semaphore,
    /// Asks for a reconcile of a source.
    pub source_trigger: Trigger<ClusterSecretSource>,
    /// Asks for a reconcile of a SecretSync.
    pub sync_trigger: Trigger<SecretSync>,
}

/// What this process remembers of a SecretSync. A restart forgets it, which costs nothing but a read.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// When it was read and written last.
    pub read_at: Option<Timestamp>,
    /// After a failure: the spec's generation then, and when to try again.
    pub not_before: Option<(Option<i64>, Timestamp)>,
    /// The last value of the annotation that requests a read, and when it was noticed.
    pub requested: Option<(String, Instant)>,
    /// The status that was written last, and the version of the object that it was written to: the watch tells of the write a
    /// moment later, and of the Secret perhaps before that.
    pub reported: Option<(Option<String>, SecretSyncStatus)>,
}

impl Memory {
    /// The object with the status that was written to this very version of it: with the older one, the same would be read and
    /// written again. Any other version has been seen after that write, so what was written is forgotten.
    fn with_written_status(&mut self, sync: Arc<SecretSync>) -> Arc<SecretSync> {
        match &self.reported {
            Some((version, status)) if *version == sync.resource_version() => Arc::new(SecretSync {
                status: Some(status.clone()),
                ..SecretSync::clone(&sync)
            }),
            _ => {
                self.reported = None;
                sync
            }
        }
    }
}

impl Context {
    /// The position of a namespace among those in which Secrets may be written.
    pub fn position(&self, namespace: &str) -> Option<usize> {
        let namespaces = self.process.args.namespaces();
        if namespaces.is_empty() {
            return Some(0);
        }
        namespaces.iter().position(|name| name == namespace)
    }

    /// A SecretSync with the status that was written to it last, if the watch has not told of that yet.
    pub fn with_written_status(&self, key: &Key, sync: Arc<SecretSync>) -> Arc<SecretSync> {
        match self.memory.lock().get_mut(key) {
            Some(memory) => memory.with_written_status(sync),
            None => sync,
        }
    }

    /// Asks for a reconcile of all SecretSyncs.
    pub fn call_all_syncs(&self) {
        for sync in self.syncs.state() {
            self.sync_trigger.reconcile(ObjectRef::from_obj(&*sync));
        }
    }

    /// Asks for a reconcile of all SecretSyncs of a source.
    pub fn call_syncs_of(&self, source: &str) {
        for sync in self.syncs.state() {
            if sync.spec.source == source {
                self.sync_trigger.reconcile(ObjectRef::from_obj(&*sync));
            }
        }
    }

    /// Asks for a reconcile of SecretSyncs by namespace and name. Their Secret has changed, so what was said about trying again
    /// does not hold.
    pub fn call_syncs(&self, syncs: Vec<Key>) {
        for (namespace, name) in syncs {
            if let Some(memory) = self.memory.lock().get_mut(&(namespace.clone(), name.clone())) {
                memory.not_before = None;
            }
            self.sync_trigger.reconcile(ObjectRef::new(&name).within(&namespace));
        }
    }

    /// When a SecretSync was read last.
    pub fn last_read(&self, key: &Key, now: Timestamp) -> LastRead {
        if let Some(time) = self.memory.lock().get(key).and_then(|memory| memory.read_at) {
            return LastRead::At(time);
        }
        let former = self.process.leadership.term().and_then(|term| term.former_renewal());
        let mut term = self.term.lock();
        let begun = match *term {
            Some((begun, known)) if known == former => begun,
            _ => now,
        };
        *term = Some((begun, former));
        LastRead::Before { begun, former }
    }

    /// Forgets a SecretSync that was removed.
    pub fn forget_sync(&self, sync: &SecretSync) {
        let key = (sync.namespace().unwrap_or_default(), sync.name_any());
        self.memory.lock().remove(&key);
        self.metrics.sync(&key.0, &key.1, &crate::metrics::SyncState::default());
    }

    /// A source cannot work now. Its SecretSyncs are told, if they do not know that.
    pub fn stop_source(&self, name: &str) {
        let known = self.at_work.lock().insert(name.to_owned(), None);
        if !matches!(known, Some(None)) {
            self.call_syncs_of(name);
        }
    }

    /// Forgets a source that was removed.
    pub fn forget_source(&self, source: &ClusterSecretSource) {
        let name = source.name_any();
        self.at_work.lock().remove(&name);
        self.credentials.retain(&ObjectRef::from_obj(source), &[]);
        self.metrics.forget_source(&name);
        self.call_syncs_of(&name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sync(version: &str) -> Arc<SecretSync> {
        Arc::new(
            serde_json::from_value(json!({
                "apiVersion": "secrets.hearth.home.arpa/v1alpha1", "kind": "SecretSync",
                "metadata": {"name": "app", "resourceVersion": version}, "spec": {"source": "vault"},
            }))
            .unwrap(),
        )
    }

    #[test]
    fn a_status_that_was_written_counts_until_the_watch_has_told_of_it() {
        let written = SecretSyncStatus {
            observed_generation: 7,
            ..SecretSyncStatus::default()
        };
        let mut memory = Memory {
            reported: Some((Some("1".to_owned()), written.clone())),
            ..Memory::default()
        };
        assert_eq!(memory.with_written_status(sync("1")).status, Some(written));
        assert_eq!(memory.with_written_status(sync("2")).status, None);
        assert_eq!(memory.with_written_status(sync("1")).status, None, "it is forgotten");
    }
}
