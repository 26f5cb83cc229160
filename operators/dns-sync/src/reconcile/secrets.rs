//! The Secrets that zones refer to, each watched by its name, so that a late or changed credential is noticed at once.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use hearth_reconciler::watch::{Update, watch};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::mpsc::UnboundedSender;

use crate::crd::DNSZone;

/// What is known of one Secret.
#[derive(Clone)]
pub enum Known {
    /// The API server has not answered yet.
    Waiting,
    /// There is none.
    Absent,
    /// It cannot be read: reason and message.
    Failing(&'static str, String),
    /// Its version and data. Never printed.
    Present(String, Arc<BTreeMap<String, ByteString>>),
}

struct Watched {
    known: Known,
    zones: BTreeSet<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The watched Secrets.
#[derive(Clone)]
pub struct Secrets {
    client: Client,
    namespace: String,
    calls: UnboundedSender<ObjectRef<DNSZone>>,
    watched: Arc<Mutex<HashMap<String, Watched>>>,
}

impl Secrets {
    /// None yet. Zones are called when a Secret of theirs changes.
    pub fn new(client: Client, namespace: String, calls: UnboundedSender<ObjectRef<DNSZone>>) -> Self {
        Self {
            client,
            namespace,
            calls,
            watched: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a Secret; from now on the zone is called when that changes, and no other Secret is kept for it.
    pub fn get(&self, zone: &str, name: &str) -> Known {
        let mut watched = self.lock();
        watched.retain(|other, entry| other == name || !entry.zones.remove(zone) || !entry.zones.is_empty());
        let entry = watched.entry(name.to_owned()).or_insert_with(|| Watched {
            known: Known::Waiting,
            zones: BTreeSet::new(),
            task: tokio::spawn(self.clone().follow(name.to_owned())),
        });
        entry.zones.insert(zone.to_owned());
        entry.known.clone()
    }

    /// The zone refers to no Secret any more.
    pub fn release(&self, zone: &str) {
        self.lock()
            .retain(|_, entry| !entry.zones.remove(zone) || !entry.zones.is_empty());
    }

    async fn follow(self, name: String) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        // By name, so that RBAC can be narrowed to it with `resourceNames`.
        let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut updates = std::pin::pin!(watch(api, one));
        let mut found = None;
        while let Some(update) = updates.next().await {
            let known = match update {
                Update::Event(Event::Init) => {
                    found = None;
                    continue;
                }
                Update::Event(Event::InitApply(secret)) => {
                    found = Some(secret);
                    continue;
                }
                Update::Event(Event::InitDone) => found.take().map_or(Known::Absent, present),
                Update::Event(Event::Apply(secret)) => present(secret),
                Update::Event(Event::Delete(_)) => Known::Absent,
                // What was read stays good while the API server is away.
                Update::Failing {
                    reason: "Unreachable", ..
                }
                | Update::Recovered => continue,
                Update::Failing { reason, message } => Known::Failing(reason, message),
            };
            let zones = {
                let mut watched = self.lock();
                let Some(entry) = watched.get_mut(&name) else { return };
                entry.known = known;
                entry.zones.clone()
            };
            for zone in zones {
                let _ = self.calls.send(ObjectRef::new(&zone));
            }
        }
    }
}

fn present(secret: Secret) -> Known {
    Known::Present(
        secret.metadata.resource_version.unwrap_or_default(),
        Arc::new(secret.data.unwrap_or_default()),
    )
}
