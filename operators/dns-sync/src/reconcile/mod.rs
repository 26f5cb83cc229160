//! The reconcilers of DNSZone and DNSRecord, and what they share.
pub mod notify;
pub mod record;
pub mod unmatched_names;
pub mod zone;

use std::collections::HashMap;
use std::sync::Arc;

use hearth_reconciler::events::Events;
use hearth_reconciler::lease::{Leadership, Term};
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::trigger::{Trigger, Triggered, trigger};
use kube::Client;
use kube::runtime::reflector::{ObjectRef, Store};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::crd::{DNSRecord, DNSZone};
use crate::metrics::Metrics;
use crate::provider::route53::account::Accounts;
use crate::source::scope::Reach;
use crate::world::World;
use crate::zone::worker::{Instructions, Shared};

/// Field manager of everything that this operator writes.
pub const MANAGER: &str = "dns-sync";

/// What reconcilers share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The operator's namespace, where credentials are.
    pub namespace: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// What this installation watches.
    pub reach: Arc<Reach>,
    /// The objects.
    pub world: Arc<World>,
    /// The provider's clients.
    pub accounts: Accounts,
    /// The operator's metrics.
    pub metrics: Metrics,
    /// Events.
    pub events: Events,
    /// Whether we may act.
    pub leadership: Leadership,
    /// The DNSZones.
    pub zones: Store<DNSZone>,
    /// The credentials that zones refer to.
    pub secrets: Secrets<DNSZone>,
    /// Zones at work, by DNSZone.
    pub(crate) workers: Mutex<HashMap<String, WorkerHandle>>,
    /// Told when the set of zones at work changes.
    pub(crate) zones_changed: tokio::sync::Notify,
    /// Asks for a reconcile of a DNSZone.
    pub(crate) zone_trigger: Trigger<DNSZone>,
    /// Asks for a reconcile of a DNSRecord.
    pub(crate) record_calls: RecordCalls,
}

/// Asks for reconciles of DNSRecords. There is one controller for all namespaces, or one for each that is watched.
#[derive(Clone, Debug)]
pub struct RecordCalls(Arc<[RecordCall]>);

/// A namespace, or all of them, and who reconciles its DNSRecords.
type RecordCall = (Option<String>, Trigger<DNSRecord>);

impl RecordCalls {
    /// One channel for all namespaces (an empty list), or one for each; the receivers in the same order.
    pub fn new(namespaces: &[String]) -> (Self, Vec<Triggered<DNSRecord>>) {
        let mut places: Vec<Option<String>> = namespaces.iter().cloned().map(Some).collect();
        if places.is_empty() {
            places.push(None);
        }
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for place in places {
            let (sender, receiver) = trigger();
            senders.push((place, sender));
            receivers.push(receiver);
        }
        (Self(senders.into()), receivers)
    }

    pub(crate) fn call(&self, object: &crate::source::ObjectKey) {
        let to = self
            .0
            .iter()
            .find(|(place, _)| place.as_deref().is_none_or(|place| place == object.namespace()));
        if let Some((_, sender)) = to {
            sender.reconcile(ObjectRef::new(object.name()).within(object.namespace()));
        }
    }
}

/// A zone at work.
pub(crate) struct WorkerHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) instructions: watch::Sender<Instructions>,
    pub(crate) task: tokio::task::JoinHandle<()>,
    /// The term for which it was started.
    pub(crate) term: Term,
    /// What cannot be changed while it works: another value needs another actor.
    pub(crate) identity: Identity,
    pub(crate) found: crate::provider::route53::Found,
    /// The last value of the annotation that asks for a look.
    pub(crate) asked: Option<String>,
    pub(crate) domain: String,
}

/// What an actor is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) route53: crate::crd::zone::Route53,
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

    /// A DNSZone has gone: its work ends, and nothing at the provider is touched.
    pub fn forget(&self, zone: &str) {
        let gone = self.workers().remove(zone);
        if let Some(handle) = gone {
            self.metrics.zone(zone).forget(&handle.domain);
        }
        self.secrets.retain(&ObjectRef::new(zone), &[]);
        for other in self.zones.state() {
            self.zone_trigger.reconcile(ObjectRef::from_obj(&*other));
        }
        self.call_records();
    }

    /// The other DNSZones are looked at again.
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

    /// Every DNSRecord is looked at again: the set of zones has changed.
    pub(crate) fn call_records(&self) {
        self.zones_changed.notify_one();
        for facts in self.world.all() {
            if facts.object.key.kind() == crate::source::SourceKind::Record {
                self.record_calls.call(&facts.object.key);
            }
        }
    }
}
