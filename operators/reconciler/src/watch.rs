//! Lean watches that do not end: pruned before anything is cached, retried while the server is away, and with reports of what
//! is wrong.

use std::{any::TypeId, collections::BTreeMap, sync::Arc, time::Duration};

use backon::ExponentialBuilder;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        utils::ResetTimerBackoff,
        watcher::{self, Event, ExponentialBackoff},
    },
};
use serde::de::DeserializeOwned;

use crate::{
    cache::{Cache, Change},
    health::{Check, Health},
    start::Process,
};

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

/// As [`watch`], over the namespaces that this operator watches, as one stream. Each update comes with the position of its
/// namespace in [`Args::namespaces`](crate::args::Args::namespaces), or 0 where all namespaces are watched. Each namespace is
/// listed, fails and recovers by itself, so completeness is to be tracked by position.
pub fn watch_namespaces<K>(
    process: &Process,
    config: &watcher::Config,
    slim: fn(&mut K),
) -> impl Stream<Item = (usize, Update<K>)> + Send + use<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + 'static,
{
    let apis = process.args.apis::<K>(&process.client).into_iter().enumerate();
    stream::select_all(apis.map(|(position, api)| {
        let updates = watch(api, config.clone(), slim);
        updates.map(move |update| (position, update)).boxed()
    }))
}

/// Keeps a store up to date and yields each object that changed, **after** the store holds it; `touched` is for
/// `Controller::for_stream` and friends. Deleted objects are yielded as they were last seen, also those whose deletion
/// fell into a gap of the watch.
///
/// One store takes one watch; for several namespaces there is [`reflect_namespaces`].
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
/// (`Controller::reconcile_on`, with [`run_on_trigger`](crate::run::run_on_trigger)).
pub fn reflect_quietly<K, S>(updates: S, mut writer: Writer<K>) -> impl Stream<Item = watcher::Result<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    S: Stream<Item = Update<K>> + Send,
{
    updates.filter_map(move |update| {
        if let Update::Event(event) = update {
            writer.apply_watcher_event(&event);
        }
        std::future::ready(None)
    })
}

/// As [`reflect`], for [`watch_namespaces`]. The store is ready when each of the namespaces has been listed, or cannot be for a
/// reason that time does not fix: those that can be listed are reconciled all the same.
pub fn reflect_namespaces<K, S>(
    updates: S,
    namespaces: Vec<String>,
    writer: Writer<K>,
) -> impl Stream<Item = watcher::Result<K>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    S: Stream<Item = (usize, Update<K>)> + Send,
{
    if namespaces.len() < 2 {
        return reflect(updates.map(|(_, update)| update), writer).left_stream();
    }
    let mut merged = Merged {
        caches: namespaces.iter().map(|_| Cache::default()).collect(),
        namespaces,
        gate: Health::default().gate("merged"),
        store: writer.as_reader(),
        writer,
        ready: false,
    };
    let touched = updates.flat_map(move |(position, update)| stream::iter(merged.take(position, update)));
    touched.map(|object| Ok(Arc::unwrap_or_clone(object))).right_stream()
}

/// Watches of several namespaces that fill one store.
struct Merged<K: Resource<DynamicType = ()> + Clone + 'static> {
    namespaces: Vec<String>,
    /// The names of each namespace's objects.
    caches: Vec<Cache<String, ()>>,
    gate: Arc<Check>,
    store: Store<K>,
    writer: Writer<K>,
    ready: bool,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Merged<K> {
    /// The objects that changed, which the store holds then, or holds no longer.
    fn take(&mut self, position: usize, update: Update<K>) -> Vec<Arc<K>> {
        let (Some(cache), Some(namespace)) = (self.caches.get_mut(position), self.namespaces.get(position)) else {
            return Vec::new();
        };
        let change = cache.take(&update, |object: &K| (object.name_any(), Some(())), &self.gate);
        let mut touched = Vec::new();
        if let Update::Event(Event::Apply(object) | Event::InitApply(object)) = update {
            let reference = ObjectRef::from_obj(&object);
            self.writer.apply_watcher_event(&Event::Apply(object));
            touched.extend(self.store.get(&reference));
        }
        if let Change::Removed(names) = change {
            for (name, ()) in names {
                let Some(object) = self.store.get(&ObjectRef::new(&name).within(namespace)) else {
                    continue;
                };
                self.writer.apply_watcher_event(&Event::Delete((*object).clone()));
                touched.push(object);
            }
        }
        if !self.ready && self.caches.iter().all(Cache::is_settled) {
            self.ready = true;
            // Only a list that has ended makes a store ready.
            let all = self.store.state().into_iter();
            let events = all.map(|object| Event::InitApply((*object).clone()));
            for event in std::iter::once(Event::Init).chain(events).chain([Event::InitDone]) {
                self.writer.apply_watcher_event(&event);
            }
        }
        touched
    }
}

/// The owners of what a watch delivers: each `O` that controls an object that was created, changed or removed, also when
/// that happened in a gap of the watch. For `Controller::reconcile_on`, in place of kube's `owns`. Takes the updates of
/// [`watch_namespaces`].
pub fn owners<K, O>(updates: impl Stream<Item = (usize, Update<K>)> + Send) -> impl Stream<Item = ObjectRef<O>> + Send
where
    K: Resource<DynamicType = ()> + Send + 'static,
    O: Resource<DynamicType = (), Scope: 'static> + Send + 'static,
{
    let key = |object: &K| (object.namespace(), object.name_any());
    let mut caches: BTreeMap<usize, Cache<_, ObjectRef<O>>> = BTreeMap::new();
    let gate = Health::default().gate("owners");
    updates.flat_map(move |(position, update)| {
        let owners = caches.entry(position).or_default();
        let mut touched: Vec<ObjectRef<O>> = Vec::new();
        if let Update::Event(Event::Apply(object) | Event::InitApply(object)) = &update {
            touched.extend(owners.items().get(&key(object)).cloned());
            touched.extend(owner(object));
        }
        let change = owners.take(&update, |object| (key(object), owner(object)), &gate);
        if let Change::Removed(objects) = change {
            touched.extend(objects.into_iter().map(|(_, owner)| owner));
        }
        touched.dedup();
        stream::iter(touched)
    })
}

/// The `O` that controls an object.
fn owner<K: Resource, O: Resource<DynamicType = (), Scope: 'static>>(object: &K) -> Option<ObjectRef<O>> {
    let cluster_scoped = TypeId::of::<O::Scope>() == TypeId::of::<ClusterResourceScope>();
    let namespace = object.namespace().filter(|_| !cluster_scoped);
    let mut controllers = object.owner_references().iter();
    let controller = controllers.find(|owner| owner.controller == Some(true))?;
    ObjectRef::from_owner_ref(namespace.as_deref(), controller, ())
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
