//! Kubernetes events, sent in the background: no reconciliation waits for one or fails with one.
//!
//! Events tell transitions. The same reason and note for the same object is not sent again until something else was
//! said about the object, or [`Events::clear`] was called. RBAC: `create` and `patch` on `events.k8s.io/events`, in the
//! namespaces of the objects, and in `default` for cluster-scoped ones.

use std::{collections::HashMap, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::error::truncate;

/// The API's limit for a note, in bytes.
const NOTE_LIMIT: usize = 1024;
/// Events beyond this many waiting ones are dropped: a server that does not take events must not cost memory.
const QUEUE: u32 = 256;
/// How many objects' last events are remembered. Forgetting one costs at most a repeated event.
const REMEMBERED: usize = 4096;
/// How often, and how long each time, an event is sent: the disk of a busy control plane stalls for seconds, or the server answers
/// that it timed out itself, and nobody says the same again.
const ATTEMPTS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes events. Clones share the queue.
#[derive(Clone)]
pub struct Events {
    /// Held by the event that is being sent: one at a time, in order; one that is sent again comes later.
    client: Arc<tokio::sync::Mutex<Client>>,
    /// One for each event that waits or is being sent.
    slots: Arc<Semaphore>,
    last: Arc<Mutex<HashMap<String, (String, String)>>>,
    reporter: Reporter,
}

impl Events {
    /// `instance` is the pod's name.
    pub fn new(client: Client, operator: &'static str, instance: &str) -> Self {
        Self {
            client: Arc::new(client.into()),
            slots: Arc::new(Semaphore::new(QUEUE as usize)),
            last: Arc::default(),
            reporter: Reporter {
                controller: operator.to_owned(),
                instance: Some(truncate(instance, 128)),
            },
        }
    }

    /// Says that something became so. `reason` and `action` are single words in `PascalCase`; a note beyond 1 kB
    /// is cut. It is sent by a task of its own, so this needs a Tokio runtime.
    pub fn publish(&self, reference: &ObjectReference, type_: EventType, reason: &str, action: &str, note: &str) {
        let note = truncate(note, NOTE_LIMIT);
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return tracing::debug!(reason, "event dropped: too many are waiting");
        };
        if !self.is_news(reference.uid.as_deref().unwrap_or_default(), reason, &note) {
            return;
        }
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        let (client, reporter, reference) = (Arc::clone(&self.client), self.reporter.clone(), reference.clone());
        tokio::spawn(async move {
            for _ in 0..ATTEMPTS {
                let client = client.lock().await;
                // One that is kept would count events of the same reason instead, and show the first one's note for all.
                let recorder = Recorder::new(client.clone(), reporter.clone());
                match tokio::time::timeout(TIMEOUT, recorder.publish(&event, &reference)).await {
                    Ok(Ok(())) => break,
                    failed => tracing::debug!(?failed, "event not sent"),
                }
                // Others need not wait for this one.
                drop(client);
                tokio::time::sleep(PAUSE).await;
            }
            drop(slot);
        });
    }

    /// Forgets what was said about an object, so that the next event is sent whatever it says.
    pub fn clear(&self, uid: &str) {
        self.last.lock().remove(uid);
    }

    /// Waits until the events published so far are sent, at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        // Late events are not worth a late end.
        let _ = tokio::time::timeout(limit, self.slots.acquire_many(QUEUE)).await;
    }

    fn is_news(&self, uid: &str, reason: &str, note: &str) -> bool {
        let mut last = self.last.lock();
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::script::Script;

    fn about(uid: &str, namespace: Option<&str>) -> ObjectReference {
        ObjectReference {
            kind: Some("DNSZone".to_owned()),
            name: Some("home".to_owned()),
            namespace: namespace.map(str::to_owned),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        }
    }

    const DEFAULT: &str = "/apis/events.k8s.io/v1/namespaces/default/events";
    const HOME: &str = "/apis/events.k8s.io/v1/namespaces/home/events";

    #[tokio::test]
    async fn the_same_is_said_once_until_something_else_was_said_or_it_was_cleared() {
        let reasons = |reason: &'static str| move |body: &Value| assert_eq!(body["reason"], reason);
        let mut script = Script::new();
        for reason in ["Synced", "Failed", "Synced", "Synced", "Synced"] {
            script = script.expect_body("POST", HOME, reasons(reason), 201, json!({}));
        }
        let (client, server) = script.start();
        let events = Events::new(client, "op", "op-0");
        let say =
            |uid: &str, reason: &str| events.publish(&about(uid, Some("home")), EventType::Normal, reason, "Sync", "n");
        for reason in ["Synced", "Synced", "Failed", "Failed", "Synced"] {
            say("u1", reason);
        }
        events.clear("u1");
        say("u1", "Synced");
        say("u2", "Synced");
        events.flush(Duration::from_secs(1)).await;
        server.finish();
    }

    #[tokio::test]
    async fn an_event_is_complete_and_its_note_fits_the_limit() {
        let check = |body: &Value| {
            assert_eq!((&body["type"], &body["action"]), (&json!("Warning"), &json!("Sync")));
            assert_eq!(
                (&body["reportingController"], &body["reportingInstance"]),
                (&json!("op"), &json!("op-0"))
            );
            assert_eq!(body["regarding"]["kind"], "DNSZone");
            let note = body["note"].as_str().unwrap();
            assert!(note.len() <= 1024 && note.ends_with('…'));
            assert!(body["metadata"]["name"].as_str().unwrap().starts_with("home."));
        };
        let (client, server) = Script::new()
            .expect_body("POST", DEFAULT, check, 201, json!({}))
            .start();
        let events = Events::new(client, "op", "op-0");
        events.publish(
            &about("u1", None),
            EventType::Warning,
            "Failed",
            "Sync",
            &"ü".repeat(2000),
        );
        events.flush(Duration::from_secs(1)).await;
        server.finish();
    }

    #[tokio::test]
    async fn an_event_that_the_server_could_not_store_is_sent_again() {
        let script = Script::new().refuse("POST", HOME, 500, "InternalError");
        let (client, server) = script.expect_body("POST", HOME, |_| (), 201, json!({})).start();
        let events = Events::new(client, "op", "op-0");
        events.publish(&about("u1", Some("home")), EventType::Normal, "Synced", "Sync", "n");
        events.flush(Duration::from_secs(5)).await;
        server.finish();
    }

    #[tokio::test(start_paused = true)]
    async fn events_in_a_namespace_that_ends_hold_up_no_other() {
        const GONE: &str = "/apis/events.k8s.io/v1/namespaces/gone/events";
        let mut script = Script::new();
        for attempt in 0..ATTEMPTS {
            for _ in 0..20 {
                script = script.refuse("POST", GONE, 403, "Forbidden");
            }
            if attempt == 0 {
                script = script.expect_body("POST", HOME, |_| (), 201, json!({}));
            }
        }
        let (client, server) = script.start();
        let events = Events::new(client, "op", "op-0");
        let begun = tokio::time::Instant::now();
        for n in 0..20 {
            events.publish(
                &about(&format!("u{n}"), Some("gone")),
                EventType::Normal,
                "Synced",
                "Sync",
                "n",
            );
        }
        events.publish(&about("u", Some("home")), EventType::Normal, "Synced", "Sync", "n");
        events.flush(Duration::from_mins(5)).await;
        server.finish();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_fails_leaves_the_next_one_its_turn() {
        let script = Script::new().refuse("POST", HOME, 500, "InternalError");
        let named = |name: &'static str| move |body: &Value| assert_eq!(body["reason"], name);
        let script = script.expect_body("POST", DEFAULT, named("Second"), 201, json!({}));
        let (client, server) = script.expect_body("POST", HOME, named("First"), 201, json!({})).start();
        let events = Events::new(client, "op", "op-0");
        events.publish(&about("u1", Some("home")), EventType::Normal, "First", "Sync", "n");
        events.publish(&about("u2", None), EventType::Normal, "Second", "Sync", "n");
        events.flush(Duration::from_secs(5)).await;
        server.finish();
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_was_dropped_is_sent_when_it_is_said_again() {
        let (client, server) = Script::new().expect_body("POST", HOME, |_| (), 201, json!({})).start();
        let events = Events::new(client, "op", "op-0");
        let say = || events.publish(&about("u1", Some("home")), EventType::Normal, "Synced", "Sync", "n");
        let all = events.slots.acquire_many(QUEUE).await;
        say();
        drop(all);
        say();
        events.flush(Duration::from_secs(1)).await;
        server.finish();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_no_events_costs_neither_time_nor_memory() {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, std::convert::Infallible>>()
        });
        let events = Events::new(Client::new(service, "default"), "op", "op-0");
        for n in 0..10_000 {
            events.publish(&about(&format!("u{n}"), None), EventType::Normal, "Synced", "Sync", "n");
        }
        assert!(events.last.lock().len() <= REMEMBERED);
        assert_eq!(events.slots.available_permits(), 0);
        events.flush(Duration::from_secs(2)).await;
    }
}
