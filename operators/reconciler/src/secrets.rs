//! Secrets that objects refer to, each watched by its name, so that one that is created late or changes is noticed at once.
//! RBAC: `get`, `list` and `watch` on these Secrets; it can be narrowed with `resourceNames`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, Resource,
    runtime::{reflector::ObjectRef, watcher},
};
use parking_lot::Mutex;

use crate::{cache::Cache, health::Health, trigger::Trigger, watch::watch};

/// Before a Secret that can no longer be watched is listed again.
const RELIST_AFTER: Duration = Duration::from_secs(10);

/// What is known of one Secret.
#[derive(Clone, PartialEq)]
pub enum SecretState {
    /// The API server has not answered yet.
    Pending,
    /// There is none.
    Absent,
    /// It cannot be read: reason (of [`Update::Failing`](crate::watch::Update::Failing)) and message.
    Failing(&'static str, String),
    /// Its `resourceVersion` and data. Never printed.
    Present(String, Arc<BTreeMap<String, ByteString>>),
}

struct Watched<K: Resource<DynamicType = ()>> {
    state: SecretState,
    referrers: HashSet<ObjectRef<K>>,
    task: tokio::task::JoinHandle<()>,
}

impl<K: Resource<DynamicType = ()>> Drop for Watched<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The Secrets that objects of type `K` refer to. Clones share them.
#[derive(Clone)]
pub struct Secrets<K: Resource<DynamicType = ()>> {
    client: Client,
    trigger: Trigger<K>,
    watched: Arc<Mutex<HashMap<ObjectRef<Secret>, Watched<K>>>>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Secrets<K> {
    /// No Secret yet. The trigger asks for a reconcile of each object that refers to a Secret that changed.
    pub fn new(client: Client, trigger: Trigger<K>) -> Self {
        Self {
            client,
            trigger,
            watched: Arc::default(),
        }
    }

    /// What is known of a Secret, which is watched from now on; `referrer` is reconciled when it changes. Needs a Tokio runtime.
    pub fn get(&self, referrer: &ObjectRef<K>, secret: &ObjectRef<Secret>) -> SecretState {
        let mut watched = self.watched.lock();
        let entry = watched.entry(secret.clone()).or_insert_with(|| Watched {
            state: SecretState::Pending,
            referrers: HashSet::new(),
            task: tokio::spawn(self.clone().follow(secret.clone())),
        });
        entry.referrers.insert(referrer.clone());
        entry.state.clone()
    }

    /// `referrer` refers to these Secrets and no other; one that nothing refers to is no longer watched.
    pub fn retain(&self, referrer: &ObjectRef<K>, secrets: &[ObjectRef<Secret>]) {
        self.watched.lock().retain(|secret, entry| {
            secrets.contains(secret) || !entry.referrers.remove(referrer) || !entry.referrers.is_empty()
        });
    }

    async fn follow(self, secret: ObjectRef<Secret>) {
        loop {
            self.watch(&secret).await;
            tokio::time::sleep(RELIST_AFTER).await;
        }
    }

    /// Ends when what was listed can no longer be watched, for another reason than an outage: such a watch does not report
    /// that it works again, as long as the Secret stays the same. A list does.
    async fn watch(&self, secret: &ObjectRef<Secret>) {
        let namespace = secret.namespace.as_deref().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        // By name, so that RBAC can be narrowed to it.
        let one = watcher::Config::default().fields(&format!("metadata.name={}", secret.name));
        let mut updates = std::pin::pin!(watch(api, one, |_| ()));
        let (mut cache, gate) = (Cache::default(), Health::default().gate("secret"));
        while let Some(update) = updates.next().await {
            cache.take(&update, |secret| ((), Some(present(secret))), &gate);
            let state = match cache.failing() {
                // What was read stays valid while the API server is away.
                Some(("Unreachable", _)) => continue,
                Some(_) if cache.was_listed() => return,
                Some((reason, message)) => SecretState::Failing(reason, message.clone()),
                None if cache.is_complete() => cache.items().get(&()).cloned().unwrap_or(SecretState::Absent),
                None => continue,
            };
            let referrers = {
                let mut watched = self.watched.lock();
                let Some(entry) = watched.get_mut(secret) else { return };
                entry.state = state;
                entry.referrers.clone()
            };
            for referrer in referrers {
                self.trigger.reconcile(referrer);
            }
        }
    }
}

fn present(secret: &Secret) -> SecretState {
    let version = secret.metadata.resource_version.clone();
    SecretState::Present(
        version.unwrap_or_default(),
        Arc::new(secret.data.clone().unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::{testing::script::Script, trigger::trigger};

    const PATH: &str = "/api/v1/namespaces/hearth/secrets";

    fn list(items: &Value) -> Value {
        json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": items})
    }

    fn secret(name: &str) -> ObjectRef<Secret> {
        ObjectRef::new(name).within("hearth")
    }

    #[tokio::test]
    async fn a_secret_is_watched_as_long_as_an_object_refers_to_it() {
        let (client, _server) = Script::new().start();
        let (trigger, _triggered) = trigger::<ConfigMap>();
        let (secrets, a, b) = (Secrets::new(client, trigger), ObjectRef::new("a"), ObjectRef::new("b"));
        for referrer in [&a, &b] {
            secrets.get(referrer, &secret("one"));
            secrets.get(referrer, &secret("two"));
        }
        secrets.retain(&a, &[secret("one")]);
        assert_eq!(secrets.watched.lock().len(), 2);
        secrets.retain(&b, &[]);
        assert_eq!(secrets.watched.lock().keys().collect::<Vec<_>>(), [&secret("one")]);
        secrets.retain(&a, &[]);
        assert!(secrets.watched.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_can_be_read_again_is_noticed_although_it_is_the_same() {
        let found = json!([{"metadata": {"name": "cf", "resourceVersion": "3"}, "data": {}}]);
        let (client, server) = Script::new()
            .expect("GET", PATH, 200, list(&found))
            // The watch.
            .refuse("GET", PATH, 403, "Forbidden")
            .refuse("GET", PATH, 403, "Forbidden")
            .expect("GET", PATH, 200, list(&found))
            .start();
        let (trigger, mut triggered) = trigger::<ConfigMap>();
        let secrets = Secrets::new(client, trigger);
        let mut states = Vec::new();
        for _ in 0..4 {
            states.push(match secrets.get(&ObjectRef::new("home"), &secret("cf")) {
                SecretState::Pending => "pending",
                SecretState::Absent => "absent",
                SecretState::Failing(reason, _) => reason,
                SecretState::Present(..) => "present",
            });
            if states.len() < 4 {
                triggered.next().await.unwrap();
            }
        }
        assert_eq!(states, ["pending", "present", "Forbidden", "present"]);
        assert_eq!(server.left(), 0);
    }
}
