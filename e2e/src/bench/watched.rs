//! What is in objects, from a watch.
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What was seen of objects, by their names. The watch ends when this is dropped.
pub(crate) struct Watched<S> {
    task: JoinHandle<()>,
    seen: watch::Receiver<BTreeMap<String, S>>,
}

impl<S: Debug + PartialEq + Send + Sync + 'static> Watched<S> {
    /// Watches; `see` takes out of an object what is compared.
    pub(crate) fn start<K>(api: Api<K>, config: Config, see: impl Fn(&K) -> S + Send + 'static) -> Self
    where
        K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let (sender, seen) = watch::channel(BTreeMap::new());
        let task = tokio::spawn(async move {
            let mut events = watcher(api, config).boxed();
            while let Some(event) = events.next().await {
                let (object, there) = match &event {
                    Ok(Event::Apply(object) | Event::InitApply(object)) => (object, true),
                    Ok(Event::Delete(object)) => (object, false),
                    // What fails is tried again.
                    Ok(Event::Init | Event::InitDone) | Err(_) => continue,
                };
                let (name, now) = (object.name_any(), there.then(|| see(object)));
                sender.send_if_modified(|all| {
                    let before = match now {
                        Some(ref now) if all.get(&name) == Some(now) => return false,
                        Some(now) => all.insert(name, now),
                        None => all.remove(&name),
                    };
                    drop(before);
                    true
                });
            }
        });
        Self { task, seen }
    }

    /// Waits until it is so for each of these objects, which are given by name and with what `so` needs; fails with how many there
    /// are.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        objects: impl Iterator<Item = (String, T)>,
        limit: Duration,
        so: impl Fn(&T, &S) -> bool,
    ) -> Result<()> {
        let objects: Vec<(String, T)> = objects.collect();
        let is = |all: &BTreeMap<String, S>, (name, wanted): &(String, T)| {
            all.get(name).is_some_and(|seen| so(wanted, seen))
        };
        let mut seen = self.seen.clone();
        let all = seen.wait_for(|all| objects.iter().all(|object| is(all, object)));
        let come = tokio::time::timeout(limit, all).await.is_ok_and(|come| come.is_ok());
        if come {
            return Ok(());
        }
        let all = self.seen.borrow();
        let missing = objects.iter().find(|object| !is(&all, object));
        let (name, _) = missing.context("the watch has ended")?;
        let so_many = objects.iter().filter(|object| is(&all, object)).count();
        anyhow::bail!(
            "timed out after {limit:?}: {what}; of {} objects {so_many} are so, but {name} is {:?}",
            objects.len(),
            all.get(name)
        )
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
