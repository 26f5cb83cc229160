//! Lean watches that do not end: pruned before anything is cached, retried while the server is away, and with reports of what
//! is wrong.

use std::{sync::Arc, time::Duration};

use backon::ExponentialBuilder;
use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, store::Writer},
        utils::ResetTimerBackoff,
        watcher::{self, Event, ExponentialBackoff},
    },
};
use serde::de::DeserializeOwned;

/// What a watch delivers.
#[derive(Debug, Clone)]
pub enum Update<K> {
    /// An event, as kube's watcher gives it.
    Event(Event<K>),
    /// The watch does not work for now and is retried. Reported once, and again when the reason changes:
    /// `Forbidden` (RBAC), `NotServed` (the kind's CRD is missing), `Undecodable` (an object does not fit the type),
    /// `Unreachable` (anything else).
    Failing {
        /// One of the words above.
        reason: &'static str,
        /// The client's error.
        message: String,
    },
    /// The watch works again; events follow.
    Recovered,
}

/// Watches for ever, with a jittered backoff of at most 8 s: kube's own goes up to a minute, which is long after a power
/// cut, and a small cluster's API server bears it. `slim` drops what the caller does not need (or `|_| ()`; a type without
/// those fields is better still), then managedFields and the last-applied annotation are dropped.
///
/// With an `Api<PartialObjectMeta<K>>` the server sends only the objects' metadata.
///
/// A lost connection whose watch resumes is no failure: what is cached stays right, only late.
pub fn watch<K>(api: Api<K>, config: watcher::Config, slim: fn(&mut K)) -> impl Stream<Item = Update<K>> + Send + use<K>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .without_max_times()
        // Adds up to the same again.
        .with_jitter();
    let backoff = ExponentialBackoff::from(backoff);
    let events = kube::runtime::watcher(api, config)
        // Each list begins with an event that says nothing of success, so only time resets the backoff.
        .backoff(ResetTimerBackoff::new(backoff, Duration::from_mins(2)))
        .modify(move |object| {
            slim(object);
            object.managed_fields_mut().clear();
            object
                .annotations_mut()
                .remove("kubectl.kubernetes.io/last-applied-configuration");
        });
    track_failures(events)
}

/// Keeps a store up to date and yields each object that changed, **after** the store holds it; `touched` is for
/// `Controller::for_stream` and friends. Deleted objects are yielded as they were last seen, also those whose deletion
/// fell into a gap of the watch.
///
/// One store takes one watch; for several namespaces there is
/// [`reflect_namespaces`](crate::namespaces::reflect_namespaces).
pub fn reflect<K, S>(updates: S, mut writer: Writer<K>) -> impl Stream<Item = watcher::Result<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    S: Stream<Item = Update<K>> + Send,
{
    let store = writer.as_reader();
    let touched = updates.flat_map(move |update| {
        let Update::Event(event) = update else {
            return stream::iter(Vec::new());
        };
        let listed = matches!(event, Event::InitDone);
        let before = if listed { store.state() } else { Vec::new() };
        writer.apply_watcher_event(&event);
        let touched = match event {
            Event::Apply(object) | Event::Delete(object) => vec![Arc::new(object)],
            // kube's own streams yield at InitApply, when the store still holds the old objects.
            Event::Init | Event::InitApply(_) => Vec::new(),
            Event::InitDone => {
                let removed = before.into_iter();
                let removed = removed.filter(|object| store.get(&ObjectRef::from_obj(&**object)).is_none());
                store.state().into_iter().chain(removed).collect()
            }
        };
        stream::iter(touched)
    });
    // Copied when their turn comes, not all at once: a list may be long.
    touched.map(|object| Ok(Arc::unwrap_or_clone(object)))
}

/// Keeps a store up to date as [`reflect`], and yields nothing: for a `Controller` that is asked for each reconciliation
/// (`Controller::reconcile_on`, with [`OnTakeover::AwaitTrigger`](crate::run::OnTakeover)).
pub fn reflect_quietly<K, S>(updates: S, writer: Writer<K>) -> impl Stream<Item = watcher::Result<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    S: Stream<Item = Update<K>> + Send,
{
    reflect(updates, writer).filter(|_| std::future::ready(false))
}

fn track_failures<K, S>(events: S) -> impl Stream<Item = Update<K>> + Send
where
    K: Resource + Send + 'static,
    S: Stream<Item = watcher::Result<Event<K>>> + Send,
{
    let mut failing: Option<&'static str> = None;
    events.flat_map(move |event| {
        let updates = match event {
            Ok(event) => {
                // Init comes before the server was asked.
                let recovered = !matches!(event, Event::Init) && failing.take().is_some();
                [recovered.then_some(Update::Recovered), Some(Update::Event(event))]
            }
            Err(error) => {
                tracing::debug!(%error, "watch interrupted");
                let news = reason(&error).filter(|reason| failing.replace(reason) != Some(reason));
                let message = error.to_string();
                if let Some(reason) = news {
                    tracing::warn!(reason, error = message, "watch fails; it is retried");
                }
                [news.map(|reason| Update::Failing { reason, message }), None]
            }
        };
        stream::iter(updates.into_iter().flatten())
    })
}

/// Why a watch does not work; nothing if it only lost its connection or its place, which it finds again by itself.
fn reason(error: &watcher::Error) -> Option<&'static str> {
    let (error, listing) = match error {
        watcher::Error::InitialListFailed(error) => (error, true),
        watcher::Error::WatchStartFailed(error) => (error, false),
        watcher::Error::WatchError(_) | watcher::Error::WatchFailed(_) => return None,
        watcher::Error::NoResourceVersion => return Some("Undecodable"),
    };
    match error {
        kube::Error::Api(status) if status.code == 403 => Some("Forbidden"),
        kube::Error::Api(status) if status.code == 404 => Some("NotServed"),
        kube::Error::SerdeError(_) => Some("Undecodable"),
        _ if listing => Some("Unreachable"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
