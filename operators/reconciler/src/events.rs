//! Kubernetes events, sent in the background: no reconciliation waits for one or fails with one.
//!
//! Events tell transitions. The same reason and note for the same object is not sent again until something else was
//! said about the object, or [`Events::clear`] was called. RBAC: `create` and `patch` on `events.k8s.io/events`, in the
//! namespaces of the objects, and in `default` for cluster-scoped ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams, runtime::events::EventType};
use tokio::sync::{mpsc, oneshot};

use crate::error::cut;

/// The API's limit for a note, in bytes.
const NOTE_LIMIT: usize = 1024;
/// Events beyond this many waiting ones are dropped: a server that does not take events must not cost memory.
const QUEUE: usize = 256;
/// How many objects' last events are remembered. Forgetting one costs at most a repeated event.
const REMEMBERED: usize = 4096;
/// How long one event may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes events. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Item>,
    last: Arc<Mutex<HashMap<String, (String, String)>>>,
    operator: &'static str,
    instance: Arc<str>,
}

#[derive(Debug)]
enum Item {
    Event(Box<Event>),
    Flush(oneshot::Sender<()>),
}

impl Events {
    /// Starts the sender. `instance` is the pod's name. Needs a Tokio runtime.
    pub fn new(client: Client, operator: &'static str, instance: &str) -> Self {
        let (queue, mut items) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            while let Some(item) = items.recv().await {
                match item {
                    Item::Event(event) => send(&client, &event).await,
                    Item::Flush(done) => drop(done.send(())),
                }
            }
        });
        Self {
            queue,
            last: Arc::default(),
            operator,
            instance: cut(instance, 128).into(),
        }
    }

    /// Says that something became so. `reason` and `action` are single words in `PascalCase`; a note beyond 1 kB is cut.
    pub fn publish(&self, reference: &ObjectReference, type_: EventType, reason: &str, action: &str, note: &str) {
        let note = cut(note, NOTE_LIMIT);
        if !self.is_news(reference.uid.as_deref().unwrap_or_default(), reason, &note) {
            return;
        }
        let now = Timestamp::now();
        let event = Event {
            action: Some(action.to_owned()),
            event_time: Some(MicroTime(now)),
            metadata: ObjectMeta {
                // Events about cluster-scoped objects live in `default`.
                namespace: Some(reference.namespace.clone().unwrap_or_else(|| "default".to_owned())),
                name: Some(event_name(reference.name.as_deref().unwrap_or(self.operator), now)),
                ..ObjectMeta::default()
            },
            note: Some(note),
            reason: Some(reason.to_owned()),
            regarding: Some(reference.clone()),
            reporting_controller: Some(self.operator.to_owned()),
            reporting_instance: Some(self.instance.to_string()),
            type_: Some(match type_ {
                EventType::Normal => "Normal".to_owned(),
                EventType::Warning => "Warning".to_owned(),
            }),
            ..Event::default()
        };
        if self.queue.try_send(Item::Event(Box::new(event))).is_err() {
            tracing::debug!(reason, "event dropped: too many are waiting");
        }
    }

    /// Forgets what was said about an object, so that the next event is sent whatever it says.
    pub fn clear(&self, uid: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Waits until the events published so far are sent, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        let (done, flushed) = oneshot::channel();
        let flush = async {
            if self.queue.send(Item::Flush(done)).await.is_ok() {
                let _ = flushed.await;
            }
        };
        // Late events are not worth a late end.
        let _ = tokio::time::timeout(limit, flush).await;
    }

    fn is_news(&self, uid: &str, reason: &str, note: &str) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(uid).is_some_and(|(r, n)| r == reason && n == note) {
            return false;
        }
        if last.len() >= REMEMBERED && !last.contains_key(uid) {
            let any = last.keys().next().cloned();
            any.and_then(|uid| last.remove(&uid));
        }
        last.insert(uid.to_owned(), (reason.to_owned(), note.to_owned()));
        true
    }
}

/// client-go's form: the object's name, a dot, the time in hexadecimal; at most 253 characters.
fn event_name(object: &str, now: Timestamp) -> String {
    format!(
        "{}.{:x}",
        &object[..object.floor_char_boundary(230)],
        now.as_nanosecond()
    )
}

async fn send(client: &Client, event: &Event) {
    let api = Api::<Event>::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or("default"));
    match tokio::time::timeout(TIMEOUT, api.create(&PostParams::default(), event)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "event not sent"),
        Err(_) => tracing::debug!("event not sent in time"),
    }
}
