use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::stream::BoxStream;
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client,
    client::{Body, ClientBuilder},
    runtime::reflector,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::testing::{
    faults::{Faults, Release},
    script::refusal,
};

/// Lists what it holds (or refuses), and watches what is fed.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    list: Vec<Value>,
    refuse: Option<u16>,
    feed: Option<mpsc::UnboundedSender<Value>>,
    requests: Vec<String>,
}

impl Server {
    fn client(&self, faults: &Faults) -> Client {
        let state = Arc::clone(&self.0);
        let service = tower::service_fn(move |request: Request<Body>| {
            let mut state = state.lock();
            let uri = request.uri().to_string();
            state.requests.push(uri.clone());
            let whole = |code: u16, body: &Value| {
                let body = http_body_util::Full::from(body.to_string())
                    .map_err(tower::BoxError::from)
                    .boxed_unsync();
                Response::builder().status(code).body(body).unwrap()
            };
            let response = if let Some(code) = state.refuse {
                whole(code, &refusal(code, "Refused"))
            } else if uri.contains("watch=true") {
                let (feed, fodder) = mpsc::unbounded_channel::<Value>();
                state.feed = Some(feed);
                let lines = stream::unfold(fodder, |mut f| async { f.recv().await.map(|v| (v, f)) });
                let frames = lines.map(|v| Ok::<_, tower::BoxError>(Frame::data(Bytes::from(format!("{v}\n")))));
                Response::new(StreamBody::new(frames).boxed_unsync())
            } else {
                whole(
                    200,
                    &json!({ "metadata": { "resourceVersion": "1" }, "items": state.list }),
                )
            };
            std::future::ready(Ok::<_, Infallible>(response))
        });
        ClientBuilder::new(service, "default").with_layer(faults).build()
    }

    fn feed(&self, type_: &str, object: &Value) {
        self.0
            .lock()
            .feed
            .as_ref()
            .unwrap()
            .send(json!({ "type": type_, "object": object }))
            .unwrap();
    }

    fn refuse(&self, code: Option<u16>) {
        self.0.lock().refuse = code;
    }

    fn updates(&self, faults: &Faults) -> BoxStream<'static, Update<ConfigMap>> {
        let api = Api::<ConfigMap>::namespaced(self.client(faults), "home");
        watch(api, watcher::Config::default(), |_| ()).boxed()
    }
}

fn object(name: &str, version: u32) -> Value {
    let annotations = json!({ "kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "me" });
    let meta = json!({
        "name": name, "namespace": "home", "uid": name, "resourceVersion": version.to_string(),
        "managedFields": [{ "manager": "kubectl" }], "annotations": annotations
    });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": { "k": "v" } })
}

/// An update in a word or two.
fn word(update: &Update<ConfigMap>) -> String {
    match update {
        Update::Event(Event::Apply(o)) => format!("apply {}@{}", o.name_any(), o.resource_version().unwrap()),
        Update::Event(Event::Delete(o)) => format!("delete {}", o.name_any()),
        Update::Event(Event::Init) => "init".to_owned(),
        Update::Event(Event::InitApply(o)) => format!("listed {}", o.name_any()),
        Update::Event(Event::InitDone) => "done".to_owned(),
        Update::Failing { reason, .. } => (*reason).to_owned(),
        Update::Recovered => "recovered".to_owned(),
    }
}

/// What is said within 100 s of paused time.
async fn words(updates: &mut BoxStream<'static, Update<ConfigMap>>) -> Vec<String> {
    let mut words = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_secs(100);
    while let Ok(Some(update)) = tokio::time::timeout_at(end, updates.next()).await {
        words.push(word(&update));
    }
    // A failing list begins anew each time.
    words.retain(|w| w != "init");
    words
}

#[tokio::test(start_paused = true)]
async fn objects_are_pruned_before_anyone_sees_them() {
    let server = Server::default();
    server.0.lock().list = vec![object("a", 1)];
    let mut updates = server.updates(&Faults::default());
    while let Some(update) = updates.next().await {
        if let Update::Event(Event::InitApply(object)) = update {
            assert!(object.metadata.managed_fields.is_none_or(|f| f.is_empty()) && object.data.is_some());
            assert_eq!(
                object.metadata.annotations.unwrap().into_keys().collect::<Vec<_>>(),
                ["keep"]
            );
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_watch_tells_each_reason_once_goes_on_and_tells_recovery() {
    let server = Server::default();
    server.refuse(Some(403));
    let mut updates = server.updates(&Faults::default());
    assert_eq!(words(&mut updates).await, ["Forbidden"]);
    server.refuse(Some(404));
    assert_eq!(words(&mut updates).await, ["NotServed"]);
    server.refuse(Some(500));
    assert_eq!(words(&mut updates).await, ["Unreachable"]);
    server.refuse(None);
    server.0.lock().list = vec![object("a", 1)];
    assert_eq!(words(&mut updates).await, ["recovered", "listed a", "done"]);
    assert!(server.0.lock().requests.len() > 10, "it kept asking");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_cut_resumes_silently_and_one_that_is_forbidden_later_says_so() {
    let (server, faults) = (Server::default(), Faults::default());
    let mut updates = server.updates(&faults);
    assert_eq!(words(&mut updates).await, ["done"]);
    faults.cut_watches();
    assert_eq!(words(&mut updates).await, Vec::<String>::new());
    server.feed("ADDED", &object("a", 2));
    assert_eq!(words(&mut updates).await, ["apply a@2"]);
    server.refuse(Some(403));
    faults.cut_watches();
    assert_eq!(words(&mut updates).await, ["Forbidden"]);
    server.refuse(None);
    assert_eq!(words(&mut updates).await, Vec::<String>::new());
    server.feed("DELETED", &object("a", 3));
    assert_eq!(words(&mut updates).await, ["recovered", "delete a"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_one_name_asks_for_that_name_only() {
    let server = Server::default();
    let api = Api::<ConfigMap>::namespaced(server.client(&Faults::default()), "home");
    let one = watcher::Config::default().fields("metadata.name=token");
    let mut updates = watch(api, one, |_| ()).boxed();
    words(&mut updates).await;
    let requests = server.0.lock().requests.clone();
    assert!(
        requests
            .iter()
            .all(|r| r.contains("fieldSelector=metadata.name%3Dtoken")),
        "{requests:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn held_back_events_arrive_later_all_or_only_the_latest_and_old_ones_can_come_again() {
    let (server, faults) = (Server::default(), Faults::default());
    let mut updates = server.updates(&faults);
    words(&mut updates).await;
    for (how, seen) in [
        (Release::All, vec!["apply a@1", "apply a@2", "apply b@3"]),
        (Release::Latest, vec!["apply a@2", "apply b@3"]),
    ] {
        faults.hold_watches();
        for (name, version) in [("a", 1), ("a", 2), ("b", 3)] {
            server.feed("MODIFIED", &object(name, version));
        }
        assert_eq!(words(&mut updates).await, Vec::<String>::new());
        faults.release_watches(how);
        assert_eq!(words(&mut updates).await, seen);
    }
    faults.replay_watches(2);
    assert_eq!(words(&mut updates).await, ["apply a@2", "apply b@3"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_touched_after_the_store_holds_it() {
    let typed = |name: &str, version| serde_json::from_value::<ConfigMap>(object(name, version)).unwrap();
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let (store, writer) = reflector::store::<ConfigMap>();
    let mut touched: BoxStream<'_, watcher::Result<ConfigMap>> = reflect(receiver, writer).boxed();
    let send = |event| sender.unbounded_send(Update::Event(event)).unwrap();
    let next = async |touched: &mut BoxStream<'_, watcher::Result<ConfigMap>>| {
        let object: ConfigMap = touched.next().await.unwrap().unwrap();
        let stored = store
            .get(&reflector::ObjectRef::from_obj(&object))
            .and_then(|o| o.resource_version());
        (object.name_any(), stored)
    };

    send(Event::Init);
    send(Event::InitApply(typed("a", 1)));
    assert!(futures::poll!(touched.next()).is_pending());
    send(Event::InitDone);
    assert_eq!(next(&mut touched).await, ("a".to_owned(), Some("1".to_owned())));

    // A gap: a is gone, b is new; both are touched, and only now.
    send(Event::Init);
    send(Event::InitApply(typed("b", 2)));
    assert!(futures::poll!(touched.next()).is_pending());
    send(Event::InitDone);
    assert_eq!(next(&mut touched).await, ("b".to_owned(), Some("2".to_owned())));
    assert_eq!(next(&mut touched).await, ("a".to_owned(), None));

    send(Event::Apply(typed("b", 3)));
    assert_eq!(next(&mut touched).await, ("b".to_owned(), Some("3".to_owned())));
    send(Event::Delete(typed("b", 4)));
    assert_eq!(next(&mut touched).await, ("b".to_owned(), None));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_only_kept_touches_nothing() {
    let typed = |name: &str| serde_json::from_value::<ConfigMap>(object(name, 1)).unwrap();
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let (store, writer) = reflector::store::<ConfigMap>();
    let mut touched: BoxStream<'_, watcher::Result<ConfigMap>> = reflect_quietly(receiver, writer).boxed();
    for event in [
        Event::Init,
        Event::InitApply(typed("a")),
        Event::InitDone,
        Event::Apply(typed("b")),
        Event::Delete(typed("a")),
    ] {
        sender.unbounded_send(Update::Event(event)).unwrap();
        assert!(futures::poll!(touched.next()).is_pending());
    }
    let names: Vec<String> = store.state().iter().map(|object| object.name_any()).collect();
    assert_eq!(names, ["b"]);
}
