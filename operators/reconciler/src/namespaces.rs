//! Watches of several namespaces that serve one controller, and the owners of what they deliver.

use std::{any::TypeId, collections::BTreeMap, sync::Arc};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::{
    Resource, ResourceExt,
    runtime::{
        reflector::{ObjectRef, Store, store::Writer},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;

use crate::{
    cache::{Cache, Change},
    health::{Check, Health},
    start::Process,
    watch::{Update, reflect, watch},
};

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

#[cfg(test)]
mod tests;
