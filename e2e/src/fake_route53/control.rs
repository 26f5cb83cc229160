//! Controls the fake from a test: faults, foreign edits, access, and the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::access::{Access, Keys};
use super::errors::ErrorForm;
use super::fault::{Bucket, Rule, Throttle};
use super::log::{Call, Edit, Mark, Operation};
use super::model::{Key, Zone};
use super::record::{Action, Change, RecordSet};
use super::{name, rules};

/// Everything that changes while the fake runs.
#[derive(Debug)]
pub(super) struct State {
    pub(super) start: Instant,
    pub(super) zones: HashMap<String, Zone>,
    /// Zone id → account.
    pub(super) owners: HashMap<String, String>,
    pub(super) access: Keys,
    pub(super) rules: Vec<(u64, Rule)>,
    /// How many calls a rule has hit, by its id.
    pub(super) hits: HashMap<u64, usize>,
    pub(super) throttle: Option<Throttle>,
    pub(super) buckets: HashMap<String, Bucket>,
    pub(super) calls: Vec<Call>,
    pub(super) form: ErrorForm,
    /// For ids of rules, changes and requests.
    pub(super) serial: u64,
}

impl State {
    pub(super) fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Takes the faults that hit a call, counting them down.
    pub(super) fn faults(
        &mut self,
        operation: Operation,
        zone: Option<&str>,
        key: &str,
        edits: &[Edit],
    ) -> Vec<super::Fault> {
        let hit = self
            .rules
            .iter_mut()
            .filter(|(_, rule)| rule.hits(operation, zone, key, edits));
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

    /// Whether the account may make a call now.
    pub(super) fn admits(&mut self, account: &str, now: Instant) -> bool {
        let Some(limit) = self.throttle else { return true };
        self.buckets
            .entry(account.to_owned())
            .or_insert_with(|| Bucket::full(limit, now))
            .take(limit, now)
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
    pub(super) fn new() -> Self {
        let state = State {
            start: Instant::now(),
            zones: HashMap::new(),
            owners: HashMap::new(),
            access: Keys::default(),
            rules: Vec::new(),
            hits: HashMap::new(),
            throttle: None,
            buckets: HashMap::new(),
            calls: Vec::new(),
            form: ErrorForm::default(),
            serial: 0,
        };
        let state = Arc::new(Mutex::new(state));
        Self {
            state,
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
        let id = state.serial();
        state.rules.push((id, rule.into()));
        FaultId(id)
    }

    /// How many calls have met the fault. A call counts when all of it has arrived, before it is delayed or answered.
    pub fn hits(&self, fault: FaultId) -> usize {
        self.state().hits.get(&fault.0).copied().unwrap_or_default()
    }

    /// Takes a fault back.
    pub fn clear(&self, fault: FaultId) {
        self.state().rules.retain(|(id, _)| *id != fault.0);
    }

    /// Takes all faults back; throttling stays.
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

    /// Limits each account's rate of calls, or no longer.
    pub fn throttle(&self, limit: Option<Throttle>) {
        let mut state = self.state();
        state.throttle = limit;
        state.buckets.clear();
    }

    /// How the faults of a batch go over the wire.
    pub fn error_form(&self, form: ErrorForm) {
        self.state().form = form;
    }

    /// Gives an access key rights. From the first call on, keys without rights are refused.
    pub fn allow(&self, key: &str, access: Access) {
        let mut state = self.state();
        state.access.closed = true;
        state.access.revoked.remove(key);
        state.access.expired.remove(key);
        state.access.known.insert(key.to_owned(), access);
    }

    /// Gives rights to the keys that STS issues for a role from now on. Closes the fake as [`Control::allow`] does.
    pub fn allow_role(&self, arn: &str, access: Access) {
        let mut state = self.state();
        state.access.closed = true;
        state.access.roles.insert(arn.to_owned(), access);
    }

    /// Refuses a key from now on as unknown.
    pub fn revoke(&self, key: &str) {
        self.state().access.revoked.insert(key.to_owned());
    }

    /// Refuses a key from now on as expired, as temporary ones are after their hour.
    pub fn expire(&self, key: &str) {
        self.state().access.expired.insert(key.to_owned());
    }

    /// The keys that are allowed now, those issued by STS included.
    pub fn keys(&self) -> Vec<String> {
        self.state().access.known.keys().cloned().collect()
    }

    /// A foreign edit: somebody else creates or replaces a set, under the same rules. Not in the log.
    pub fn put(&self, zone: &str, set: RecordSet) -> Result<()> {
        self.put_all(zone, [set])
    }

    /// [`Control::put`] of many sets at once, without the limit of a request's size.
    pub fn put_all(&self, zone: &str, sets: impl IntoIterator<Item = RecordSet>) -> Result<()> {
        let changes: Vec<_> = sets
            .into_iter()
            .map(|set| Change {
                action: Action::Upsert,
                set,
            })
            .collect();
        self.edit(zone, |zone| {
            rules::apply_unlimited(zone, &changes).map_err(|faults| anyhow!(faults.join(", ")))
        })
    }

    /// A foreign edit: somebody else deletes all sets of a name and type. Returns whether there were any.
    pub fn remove(&self, zone: &str, name: &str, kind: &str) -> Result<bool> {
        let sets = self.get_all(zone, name, kind)?;
        let changes: Vec<_> = sets
            .into_iter()
            .map(|set| Change {
                action: Action::Delete,
                set,
            })
            .collect();
        self.edit(zone, |zone| {
            rules::apply_unlimited(zone, &changes).map_err(|faults| anyhow!(faults.join(", ")))
        })?;
        Ok(!changes.is_empty())
    }

    fn edit<T>(&self, zone: &str, edit: impl FnOnce(&mut Zone) -> Result<T>) -> Result<T> {
        let id = bare(zone);
        let mut state = self.state();
        let zone = state
            .zones
            .get_mut(id)
            .with_context(|| format!("the fake has not seen zone {id} yet"))?;
        edit(zone)
    }

    /// The simple set of a name and type, or the first of its routed ones.
    pub fn get(&self, zone: &str, name: &str, kind: &str) -> Result<Option<RecordSet>> {
        Ok(self.get_all(zone, name, kind)?.into_iter().next())
    }

    /// All sets of a name and type.
    pub fn get_all(&self, zone: &str, name: &str, kind: &str) -> Result<Vec<RecordSet>> {
        let name = name::normalise(name).map_err(|problem| anyhow!(problem))?;
        self.edit(zone, |zone| Ok(zone.of_kind(&name, kind).cloned().collect()))
    }

    /// Everything in a zone, SOA and NS included, in Route 53's order.
    pub fn records(&self, zone: &str) -> Result<Vec<RecordSet>> {
        self.edit(zone, |zone| Ok(zone.sets().cloned().collect()))
    }

    /// Whether a zone holds exactly this set.
    pub fn holds(&self, zone: &str, set: &RecordSet) -> Result<bool> {
        let mut set = set.clone();
        set.name = name::normalise(&set.name).map_err(|problem| anyhow!(problem))?;
        self.edit(zone, |zone| {
            Ok(zone.get(&Key::of(&set)).is_some_and(|held| held.matches(&set)))
        })
    }

    /// The end of the log now.
    pub fn mark(&self) -> Mark {
        Mark(self.state().calls.len())
    }

    /// Every call since the start or the last [`Control::reset_log`].
    pub fn calls(&self) -> Vec<Call> {
        self.calls_since(Mark::default())
    }

    /// The calls since a mark.
    pub fn calls_since(&self, mark: Mark) -> Vec<Call> {
        self.state().calls.get(mark.0..).unwrap_or_default().to_vec()
    }

    /// The batches since a mark, refused ones included.
    pub fn writes_since(&self, mark: Mark) -> Vec<Call> {
        let mut calls = self.calls_since(mark);
        calls.retain(|call| call.operation == Operation::ChangeResourceRecordSets);
        calls
    }

    /// How often an operation was called.
    pub fn count(&self, operation: Operation) -> usize {
        self.state()
            .calls
            .iter()
            .filter(|call| call.operation == operation)
            .count()
    }

    /// What was asked for a name, and whether it was done, oldest first.
    pub fn edits_of(&self, name: &str) -> Vec<(Instant, Edit, bool)> {
        let name = name::normalise(name).unwrap_or_else(|_| name.to_owned());
        let state = self.state();
        let edits = state
            .calls
            .iter()
            .flat_map(|call| call.edits.iter().map(move |edit| (call, edit)));
        edits
            .filter(|(_, edit)| edit.name == name)
            .map(|(call, edit)| (call.at, edit.clone(), call.applied))
            .collect()
    }

    /// Forgets the calls; marks taken before are void.
    pub fn reset_log(&self) {
        self.state().calls.clear();
    }
}

/// A zone id without `/hostedzone/`.
pub(super) fn bare(zone: &str) -> &str {
    zone.trim_start_matches("/hostedzone/")
}
