//! The objects at the provider, the SecretSyncs of them, and what is seen of both in the cluster.
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use hearth_secret_sync::crd::{MANAGED, SecretSync};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::bench::mass::{PARALLEL, again, create};
use crate::bench::watched::Watched;
use crate::objects::apply;
use crate::secret_sync::env::{SecretEnv, Source, planted};

/// The field manager of what is made.
const MANAGER: &str = "hearth-bench";
/// The key whose value tells one version of an object from another.
const PASSWORD: &str = "PASSWORD";
/// So that no SecretSync is due while something else is measured.
const REFRESH: &str = "1000d";

/// A source with SecretSyncs of two keys each.
pub(crate) struct Load {
    pub(crate) source: Source,
    pub(crate) syncs: u32,
    /// Objects at the provider.
    objects: u32,
    client: Client,
    /// The passwords of Secrets.
    secrets: Watched<Option<String>>,
    statuses: Watched<Told>,
}

/// What is read of a status.
#[derive(Debug, PartialEq)]
struct Told {
    fresh: bool,
    handled: Option<String>,
}

impl Told {
    fn of(sync: &SecretSync) -> Self {
        let status = sync.status.as_ref();
        let conditions = status.map(|status| &status.conditions[..]).unwrap_or_default();
        Self {
            fresh: conditions
                .iter()
                .any(|condition| condition.type_ == "Fresh" && condition.status == "True"),
            handled: status.and_then(|status| status.last_handled_reconcile_at.clone()),
        }
    }
}

fn name(number: u32) -> String {
    format!("app-{number:05}")
}

fn password(secret: &Secret) -> Option<String> {
    let value = secret.data.as_ref()?.get(PASSWORD)?;
    String::from_utf8(value.0.clone()).ok()
}

impl Load {
    /// Makes an engine with so many objects, and a source of this name with SecretSyncs of them. No operator runs meanwhile.
    pub(crate) async fn new(env: &SecretEnv, name: &str, syncs: u32, objects: u32) -> Result<Self> {
        let source = env.source(name).await?;
        let namespaced: Api<Secret> = Api::namespaced(env.client.clone(), name);
        let ours = Config::default().labels(&format!("{MANAGED}=true"));
        let load = Self {
            secrets: Watched::start(namespaced, ours, password),
            statuses: Watched::start(
                Api::<SecretSync>::namespaced(env.client.clone(), name),
                Config::default(),
                Told::of,
            ),
            client: env.client.clone(),
            source,
            syncs,
            objects,
        };
        apply(&env.client, &load.source.object).await?;
        let this = &load;
        stream::iter(0..objects)
            .map(|object| this.put(object, "first"))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await
            .context("writing the objects")?;
        stream::iter(0..syncs)
            .map(|number| this.create(number))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await
            .context("making the SecretSyncs")?;
        Ok(load)
    }

    /// Writes an object at the provider.
    pub(crate) async fn put(&self, object: u32, password: &str) -> Result<()> {
        let path = format!("object-{object:05}");
        let values = [("user", "u"), ("password", password)];
        again(|| self.source.put(&path, &values)).await
    }

    /// Makes a SecretSync. Numbers from `syncs` on are new ones, of objects that have others already.
    pub(crate) async fn create(&self, number: u32) -> Result<()> {
        let api: Api<SecretSync> = Api::namespaced(self.client.clone(), &self.source.name);
        create(&api, &self.sync(number), MANAGER).await
    }

    /// Requests a read of a SecretSync.
    pub(crate) async fn request(&self, number: u32, value: &str) -> Result<()> {
        self.source.request(&self.sync(number), value).await
    }

    fn sync(&self, number: u32) -> Value {
        let object = format!("object-{:05}", number % self.objects.max(1));
        let keys = json!({"USER": format!("{object}#user"), (PASSWORD): format!("{object}#password")});
        self.source
            .sync(&name(number), json!({"keys": keys, "refresh": REFRESH}))
    }

    /// Waits until the Secrets of these SecretSyncs have this password.
    pub(crate) async fn hold(&self, numbers: impl Iterator<Item = u32>, value: &str, limit: Duration) -> Result<()> {
        let value = Some(planted(value));
        let what = "its Secret has its values";
        let all = numbers.map(|number| (name(number), ()));
        self.secrets.until(what, all, limit, |(), seen| *seen == value).await
    }

    /// Waits until all of the first SecretSyncs are fresh, or none is; after this request, if there is one.
    pub(crate) async fn all_are(&self, fresh: bool, request: Option<&str>, limit: Duration) -> Result<()> {
        let so = |(): &(), told: &Told| {
            let handled = request.is_none_or(|request| told.handled.as_deref() == Some(request));
            told.fresh == fresh && handled
        };
        let all = (0..self.syncs).map(|number| (name(number), ()));
        self.statuses.until(&format!("fresh is {fresh}"), all, limit, so).await
    }

    /// Requests for objects that passed the gate since a mark.
    pub(crate) fn reads(&self, mark: usize) -> Result<u32> {
        let path = format!("GET /v1/{}/data/", self.source.name);
        Ok(u32::try_from(self.source.gate.count(mark, &path))?)
    }

    /// Everything that came to the gate since a mark.
    pub(crate) fn calls(&self, mark: usize) -> Result<u32> {
        Ok(u32::try_from(self.source.gate.since(mark).len())?)
    }
}
