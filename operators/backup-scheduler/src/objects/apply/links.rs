//! Owners of the objects that are made.
use serde_json::{Value, json};

use super::{CONFLICTS, Run, Seen, Stop};
use crate::objects::calls::Refusal;
use crate::objects::owners::{OwnerName, linked, name_of};
use crate::objects::{list_at, text_at};

impl Run<'_> {
    pub(super) fn remember_owners(&mut self, seen: &Seen) {
        if !seen.wanted.owners.is_empty() {
            let namespace = text_at(&seen.wanted.object, "/metadata/namespace");
            let namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty());
            self.unowned
                .push((seen.path.clone(), namespace, seen.wanted.owners.clone()));
        }
    }

    /// The owners that are there, with their UIDs.
    pub(super) async fn find_owners(&mut self, owners: &[Value], namespace: Option<&str>) -> Vec<(Value, String)> {
        let mut found = Vec::new();
        for owner in owners {
            let Some(name) = name_of(owner) else { continue };
            let key = (name, namespace.map(str::to_owned));
            let uid = match self.uids.get(&key) {
                Some(uid) => uid.clone(),
                None => match self.find_owner(&key.0, namespace).await {
                    Ok(uid) => {
                        self.uids.insert(key, uid.clone());
                        uid
                    }
                    Err(_) => None,
                },
            };
            found.extend(uid.map(|uid| (owner.clone(), uid)));
        }
        found
    }

    async fn find_owner(&mut self, owner: &OwnerName, namespace: Option<&str>) -> Result<Option<String>, Refusal> {
        let Some(kind) = self.served.find(&self.calls, &owner.api_version, &owner.kind).await? else {
            return Ok(None);
        };
        let place = if kind.namespaced { namespace } else { None };
        if kind.namespaced && place.is_none() {
            return Ok(None);
        }
        let live = self.calls.get(&format!("{}/{}", kind.path(place), owner.name)).await?;
        let uid = live.map(|live| text_at(&live, "/metadata/uid").to_owned());
        Ok(uid.filter(|uid| !uid.is_empty()))
    }

    /// Ties objects to owners that were made after them. What is said of those that could not be tied.
    pub(super) async fn link_owners(&mut self) -> Result<Option<String>, Stop> {
        self.uids.clear();
        let (mut lost, mut failed) = (0, 0);
        for (path, namespace, owners) in std::mem::take(&mut self.unowned) {
            let found = self.find_owners(&owners, namespace.as_deref()).await;
            lost += usize::from(found.len() < owners.len());
            match self.link(&path, &found).await {
                Ok(()) => {}
                Err(Refusal::Stopped) => return Err(Stop::Cancelled),
                Err(_) => failed += 1,
            }
        }
        let count = lost.max(failed);
        Ok((count > 0).then(|| {
            format!("{count} objects have no owner any more, since it is not there or they cannot be changed: they are not deleted with it")
        }))
    }

    async fn link(&self, path: &str, found: &[(Value, String)]) -> Result<(), Refusal> {
        let mut conflicts = 0;
        while !found.is_empty() {
            let Some(live) = self.calls.get(path).await? else {
                return Ok(());
            };
            let present: Vec<Value> = list_at(&live, "/metadata/ownerReferences").cloned().collect();
            let Some(references) = linked(&present, found) else {
                return Ok(());
            };
            // The version makes it fail if the references have changed in between.
            let version = text_at(&live, "/metadata/resourceVersion");
            let change = json!({"metadata": {"resourceVersion": version, "ownerReferences": references}});
            match self.calls.merge(path, &change).await {
                Err(Refusal::Conflict(_)) if conflicts < CONFLICTS => conflicts += 1,
                answer => return answer.map(drop),
            }
        }
        Ok(())
    }
}
