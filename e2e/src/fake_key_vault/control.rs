//! Controls the fake from a test: vaults, applications, tokens, faults, and the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::bundles;
use super::certificates;
use super::entra::{Application, Entra};
use super::fault::{Fault, Rule};
use super::log::{Call, Kind, Mark};
use super::store::{Plain, Settable, Vault, Version};

/// Everything that changes while the fake runs.
#[derive(Debug)]
pub(super) struct State {
    pub(super) start: Instant,
    /// By host, without its port.
    pub(super) vaults: HashMap<String, Vault>,
    /// The tenant that the vaults belong to.
    pub(super) tenant: String,
    pub(super) entra: Entra,
    /// `WWW-Authenticate` instead of the usual challenge.
    pub(super) challenge: Option<String>,
    pub(super) rules: Vec<(u64, Rule)>,
    /// How many calls a rule has hit, by its id.
    pub(super) hits: HashMap<u64, usize>,
    pub(super) calls: Vec<Call>,
    serial: u64,
}

impl State {
    /// Takes the faults that hit a call, counting them down.
    pub(super) fn faults(&mut self, kind: Kind, name: Option<&str>, may_act: bool) -> Vec<Fault> {
        let hit = self.rules.iter_mut().filter(|(_, rule)| rule.hits(kind, name, may_act));
        let faults = hit
            .map(|(id, rule)| {
                *self.hits.entry(*id).or_default() += 1;
                rule.times = rule.times.map(|times| times - 1);
                rule.fault.clone()
            })
            .collect();
        self.rules.retain(|(_, rule)| rule.times != Some(0));
        faults
    }

    /// The application whose token this is, if vaults take it.
    pub(super) fn holder(&self, token: &str) -> Option<String> {
        let token = self.entra.tokens.get(token)?;
        let is_good = !token.revoked && token.expires > Instant::now() && token.tenant == self.tenant;
        is_good.then(|| token.client_id.clone())
    }
}

/// Names a fault, to take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultId(u64);

/// Controls a running fake; clones control the same one.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<Mutex<State>>,
    /// What is wanted of the listener, and what it is.
    pub(super) wanted_down: watch::Sender<bool>,
    pub(super) is_down: watch::Sender<bool>,
}

impl Control {
    pub(super) fn new(hosts: &[String], application: Application, resource: String) -> Self {
        let vaults = hosts.iter().map(|host| (host.to_ascii_lowercase(), Vault::default()));
        let state = State {
            start: Instant::now(),
            vaults: vaults.collect(),
            tenant: application.tenant.clone(),
            entra: Entra::new(application, resource),
            challenge: None,
            rules: Vec::new(),
            hits: HashMap::new(),
            calls: Vec::new(),
            serial: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            wanted_down: watch::Sender::new(false),
            is_down: watch::Sender::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Injects a fault into the calls that the rule fits, until it is used up or taken back.
    pub fn fault(&self, rule: impl Into<Rule>) -> FaultId {
        let mut state = self.state();
        state.serial += 1;
        let id = state.serial;
        state.rules.push((id, rule.into()));
        FaultId(id)
    }

    /// How many calls have met the fault.
    pub fn hits(&self, fault: FaultId) -> usize {
        self.state().hits.get(&fault.0).copied().unwrap_or_default()
    }

    /// Takes a fault back.
    pub fn clear(&self, fault: FaultId) {
        self.state().rules.retain(|(id, _)| *id != fault.0);
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.state().rules.clear();
    }

    /// Closes the listener and every connection: clients find the connection refused until [`Control::up`].
    pub async fn down(&self) {
        self.switch(true).await;
    }

    /// Listens again at the same address.
    pub async fn up(&self) {
        self.switch(false).await;
    }

    async fn switch(&self, down: bool) {
        self.wanted_down.send_replace(down);
        // The sender is ours, so the wait cannot end for lack of one.
        drop(self.is_down.subscribe().wait_for(|is| *is == down).await);
    }

    /// Answers calls without a token by this `WWW-Authenticate`, or by the usual one.
    pub fn challenge(&self, value: Option<&str>) {
        self.state().challenge = value.map(str::to_owned);
    }

    /// Adds an application, or gives the one of this tenant and id other secrets.
    pub fn application(&self, application: Application) {
        let mut state = self.state();
        let known = &mut state.entra.applications;
        known.retain(|held| held.tenant != application.tenant || held.client_id != application.client_id);
        known.push(application);
    }

    /// Tokens from now on live so long.
    pub fn token_lifetime(&self, lifetime: Duration) {
        self.state().entra.lifetime = lifetime;
    }

    /// Vaults refuse all tokens that were issued until now.
    pub fn revoke_tokens(&self) {
        for token in self.state().entra.tokens.values_mut() {
            token.revoked = true;
        }
    }

    /// Somebody adds a version to a secret, without the limits of the API. Returns the version.
    pub fn put(&self, vault: &str, name: &str, secret: Plain) -> Result<String> {
        let mut version = Version::new(secret.value, secret.content_type);
        version.tags = secret.tags;
        version.set(Settable {
            enabled: secret.enabled,
            nbf: secret.nbf,
            exp: secret.exp,
        });
        self.add(vault, name, version)
    }

    /// [`Control::put`] of a text alone.
    pub fn put_text(&self, vault: &str, name: &str, value: &str) -> Result<String> {
        let plain = Plain {
            value: value.to_owned(),
            ..Plain::default()
        };
        self.put(vault, name, plain)
    }

    /// Somebody imports a certificate: key and certificates as PEM, kept in this order. Its secret has the content type.
    pub async fn put_certificate(&self, vault: &str, name: &str, pem: &str, content_type: &str) -> Result<String> {
        let bundle = bundles::bundle_of_pem(pem, true).await?;
        self.add(vault, name, certificates::version_of(bundle, content_type))
    }

    fn add(&self, vault: &str, name: &str, version: Version) -> Result<String> {
        let id = version.id.clone();
        self.edit(vault, |vault| {
            vault
                .add(name, version)
                .map(|_| ())
                .map_err(|_| anyhow!("{name} is deleted, but can be recovered"))
        })?;
        Ok(id)
    }

    /// Somebody enables or disables the newest version.
    pub fn enable(&self, vault: &str, name: &str, enabled: bool) -> Result<()> {
        self.edit(vault, |vault| {
            let entry = vault.get_mut(name).with_context(|| format!("no {name}"))?;
            if let Some(version) = entry.versions.last_mut() {
                version.enabled = enabled;
            }
            Ok(())
        })
    }

    /// Somebody deletes a secret or certificate; it can be recovered.
    pub fn delete(&self, vault: &str, name: &str) -> Result<()> {
        self.edit(vault, |vault| {
            let entry = vault.get_mut(name).with_context(|| format!("no {name}"))?;
            entry.deleted = Some(super::store::now());
            Ok(())
        })
    }

    /// Somebody recovers what was deleted.
    pub fn recover(&self, vault: &str, name: &str) -> Result<()> {
        self.edit(vault, |vault| {
            let entry = vault.entries.get_mut(&name.to_ascii_lowercase());
            entry.with_context(|| format!("no {name}"))?.deleted = None;
            Ok(())
        })
    }

    /// Empties a vault, also of what can be recovered.
    pub fn wipe(&self, vault: &str) -> Result<()> {
        self.edit(vault, |vault| {
            vault.entries.clear();
            Ok(())
        })
    }

    fn edit<T>(&self, vault: &str, edit: impl FnOnce(&mut Vault) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        let held = state.vaults.get_mut(&vault.to_ascii_lowercase());
        edit(held.with_context(|| format!("the fake has no vault {vault}"))?)
    }

    /// The end of the log now.
    pub fn mark(&self) -> Mark {
        Mark(self.state().calls.len())
    }

    /// The calls since a mark.
    pub fn calls_since(&self, mark: Mark) -> Vec<Call> {
        self.state().calls.get(mark.0..).unwrap_or_default().to_vec()
    }

    /// How many calls of a kind there were since a mark.
    pub fn count_since(&self, mark: Mark, kind: Kind) -> usize {
        let state = self.state();
        let calls = state.calls.get(mark.0..).unwrap_or_default();
        calls.iter().filter(|call| call.kind == kind).count()
    }

    /// How many calls of each kind there were.
    pub fn counts(&self) -> HashMap<Kind, usize> {
        let mut counts = HashMap::new();
        for call in &self.state().calls {
            *counts.entry(call.kind).or_default() += 1;
        }
        counts
    }

    /// Forgets the calls; marks taken before are void.
    pub fn reset_log(&self) {
        self.state().calls.clear();
    }
}
