//! The Secrets that zones refer to, each watched by its name, so that a late or changed credential is noticed at once.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use hearth_reconciler::watch::{Update, watch};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use tokio::sync::mpsc::UnboundedSender;

use crate::crd::DNSZone;

/// Before a Secret that cannot be watched any more is listed anew.
const BEGIN_AGAIN: Duration = Duration::from_secs(10);

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
        loop {
            self.watch(&name).await;
            tokio::time::sleep(BEGIN_AGAIN).await;
        }
    }

    /// Ends when what was listed cannot be watched any more, for another reason than an outage: such a watch does not say
    /// when it works again, as long as the Secret stays the same. A list does.
    async fn watch(&self, name: &str) {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        // By name, so that RBAC can be narrowed to it with `resourceNames`.
        let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut updates = std::pin::pin!(watch(api, one, |_| ()));
        let (mut found, mut listed) = (None, false);
        while let Some(update) = updates.next().await {
            let known = match update {
                Update::Event(Event::Init) => {
                    (found, listed) = (None, false);
                    continue;
                }
                Update::Event(Event::InitApply(secret)) => {
                    found = Some(secret);
                    continue;
                }
                Update::Event(Event::InitDone) => {
                    listed = true;
                    found.take().map_or(Known::Absent, present)
                }
                Update::Event(Event::Apply(secret)) => present(secret),
                Update::Event(Event::Delete(_)) => Known::Absent,
                // What was read stays good while the API server is away.
                Update::Failing {
                    reason: "Unreachable", ..
                }
                | Update::Recovered => continue,
                Update::Failing { .. } if listed => return,
                Update::Failing { reason, message } => Known::Failing(reason, message),
            };
            let zones = {
                let mut watched = self.lock();
                let Some(entry) = watched.get_mut(name) else { return };
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

#[cfg(test)]
mod tests {
    use hearth_reconciler::testing::script::Script;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    const PATH: &str = "/api/v1/namespaces/hearth/secrets";

    fn list(items: &Value) -> Value {
        json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": items})
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_may_be_read_again_is_noticed_although_it_is_the_same() {
        let secret = json!([{"metadata": {"name": "cf", "resourceVersion": "3"}, "data": {}}]);
        let (client, server) = Script::new()
            .expect("GET", PATH, 200, list(&secret))
            // The watch.
            .refuse("GET", PATH, 403, "Forbidden")
            .refuse("GET", PATH, 403, "Forbidden")
            .expect("GET", PATH, 200, list(&secret))
            .start();
        let (calls, mut called) = unbounded_channel();
        let secrets = Secrets::new(client, "hearth".to_owned(), calls);
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(match secrets.get("home", "cf") {
                Known::Waiting => "waiting",
                Known::Absent => "absent",
                Known::Failing(reason, _) => reason,
                Known::Present(..) => "present",
            });
            if told.len() < 4 {
                called.recv().await.unwrap();
            }
        }
        assert_eq!(told, ["waiting", "present", "Forbidden", "present"]);
        assert_eq!(server.left(), 0);
    }
}
