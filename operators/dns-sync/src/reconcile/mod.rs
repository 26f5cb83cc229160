//! The reconcilers of DNSZone and DNSRecord, and what they share.
mod configs;
pub mod notify;
pub mod record;
pub mod unmatched_names;
pub mod zone;

use std::collections::HashMap;
use std::sync::Arc;

use hearth_reconciler::lease::Term;
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::start::Process;
use hearth_reconciler::trigger::Trigger;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

pub use configs::Configs;

use crate::crd::{DNSRecord, DNSZone};
use crate::metrics::Metrics;
use crate::object_cache::ObjectCache;
use crate::provider::{Accounts, Found};
use crate::source::scope::Reach;
use crate::zone::worker::{Instructions, Shared};

/// Field manager of everything that this operator writes.
pub const MANAGER: &str = "dns-sync";

/// What reconcilers share.
pub struct Context {
    /// The process: client, events, leadership. Credentials are in its namespace.
    pub process: Process,
    /// The parsed specs of the DNSZones.
    pub configs: Configs,
    /// What this installation watches.
    pub reach: Arc<Reach>,
    /// The objects.
    pub object_cache: Arc<ObjectCache>,
    /// The providers' clients.
    pub accounts: Accounts,
    /// The operator's metrics.
    pub metrics: Metrics,
    /// The DNSZones.
    pub zones: Store<DNSZone>,
    /// The credentials that zones refer to.
    pub secrets: Secrets<DNSZone>,
    /// The workers, by DNSZone.
    pub(crate) workers: Mutex<HashMap<String, WorkerHandle>>,
    /// Notified when the set of workers changes.
    pub(crate) zones_changed: tokio::sync::Notify,
    /// Asks for a reconcile of a DNSZone.
    pub(crate) zone_trigger: Trigger<DNSZone>,
    /// Asks for a reconcile of a DNSRecord.
    pub(crate) record_trigger: Trigger<DNSRecord>,
}

/// A running worker.
pub(crate) struct WorkerHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) instructions: watch::Sender<Instructions>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    /// The term for which it was started.
    pub(crate) term: Term,
    /// What cannot be changed while it runs: another value needs another worker.
    pub(crate) identity: Identity,
    pub(crate) found: Found,
    /// When the hosted zone was looked up.
    pub(crate) since: tokio::time::Instant,
    /// The last value of the annotation that requests a list of the zone.
    pub(crate) asked: Option<String>,
    pub(crate) domain: String,
}

/// What a worker is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) provider: crate::crd::zone::ProviderSpec,
    /// resourceVersion of the credentials Secret.
    pub(crate) secret: Option<String>,
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Context {
    pub(crate) fn workers(&self) -> MutexGuard<'_, HashMap<String, WorkerHandle>> {
        self.workers.lock()
    }

    /// A DNSZone was removed: its worker ends, and nothing at the provider is touched.
    pub fn forget(&self, zone: &str) {
        let gone = self.workers().remove(zone);
        if let Some(handle) = gone {
            self.metrics.zone(zone).forget(&handle.domain);
        }
        self.configs.forget(zone);
        self.secrets.retain(&ObjectRef::new(zone), &[]);
        for other in self.zones.state() {
            self.zone_trigger.reconcile(ObjectRef::from_obj(&*other));
        }
        self.call_records();
    }

    /// The other DNSZones are reconciled.
    pub(crate) fn call_zones_but(&self, zone: &DNSZone) {
        for other in self
            .zones
            .state()
            .iter()
            .filter(|other| other.metadata.uid != zone.metadata.uid)
        {
            self.zone_trigger.reconcile(ObjectRef::from_obj(&**other));
        }
    }

    /// Every DNSRecord is reconciled: the set of zones has changed.
    pub(crate) fn call_records(&self) {
        self.zones_changed.notify_one();
        for facts in self.object_cache.all() {
            if facts.object.key.kind() == crate::source::SourceKind::Record {
                self.record_trigger.reconcile(facts.object.key.to_record());
            }
        }
    }
}
