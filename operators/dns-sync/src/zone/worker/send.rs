//! Sending batches, and what is done when one is refused. One bad record never delays the others.
use std::collections::{BTreeMap, BTreeSet};

use super::{Group, MAX_READS, Mono, Notifier, Provider, ProviderError, Schedule, Worker};
use crate::name::Name;
use crate::provider::Refusal;
use crate::records::{Action, NameSets, RecordChange, SetKey};
use crate::zone::batch::{blamed, cut};

impl<P: Provider, A: Notifier> Worker<P, A> {
    /// Plans what is due and sends it. Stops at the first error that concerns the zone and not a record.
    pub(super) async fn send(&mut self, schedule: &mut Schedule) {
        let at = jiff::Timestamp::now().as_second();
        let complete = self.object_cache.complete();
        // What made the sources complete is in the channel by now. To plan without it would take objects that came
        // during a long call for removed ones.
        if let Ok(notice) = self.notices.try_recv() {
            self.notice(notice, schedule);
        }
        let (more, (alone, healthy)): (bool, (Vec<Group>, Vec<Group>)) = {
            let mut state = self.shared.state();
            let work = state.prepare(self.object_cache.now(), at, &complete);
            let groups = work.groups.into_iter();
            (work.more, groups.partition(|group| state.goes_alone(&group.name)))
        };
        schedule.close_batch();
        // What waits has waited for its batch window already.
        schedule.batch_since = more.then_some(Mono::ZERO);
        let dialect = self.shared.state().config.dialect.clone();
        let (mut batches, oversized) = cut(healthy, &dialect);
        // The last one is seldom full: what it holds goes with the names that wait to be planned.
        if more && batches.len() > 1 {
            let last = batches.pop().unwrap_or_default();
            self.shared.state().postponed(&last);
        }
        for group in oversized {
            self.refuse(&group, &dialect.too_large());
        }
        // What was refused before goes alone, so that it is blamed alone.
        batches.extend(alone.into_iter().map(|group| vec![group]));
        let mut waiting = batches.into_iter();
        while let Some(batch) = waiting.next() {
            if let Err(error) = self.send_batch(batch, schedule).await {
                for batch in waiting {
                    self.shared.state().postponed(&batch);
                }
                return self.failed(error, schedule);
            }
        }
    }

    /// Sends one batch; a refused one is cut until the culprits are alone.
    async fn send_batch(&mut self, batch: Vec<Group>, schedule: &mut Schedule) -> Result<(), ProviderError> {
        let mut open = vec![batch];
        while let Some(groups) = open.pop() {
            let changes: Vec<RecordChange> = groups.iter().flat_map(|group| group.changes.iter().cloned()).collect();
            let answer = self.provider.change(&changes).await;
            schedule.note_answer(self.object_cache.now());
            let result = match answer {
                Ok(()) => {
                    self.accept(&groups);
                    self.succeeded(schedule);
                    Ok(())
                }
                Err(ProviderError::Refused(refusal)) => self.cut_refused(groups, &refusal, &mut open, schedule).await,
                Err(error) => {
                    if error.outcome_unknown() {
                        schedule.unconfirmed.extend(Self::names_of(&groups));
                        self.shared.state().outcome_unknown(&groups);
                    } else {
                        self.shared.state().postponed(&groups);
                    }
                    Err(error)
                }
            };
            if let Err(error) = result {
                for groups in &open {
                    self.shared.state().postponed(groups);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes the culprits out of a refused batch, or halves it where the provider blames nobody. What it blames is only
    /// suspected: targets of aliases and the zone itself may be among it.
    async fn cut_refused(
        &mut self,
        mut groups: Vec<Group>,
        refusal: &Refusal,
        open: &mut Vec<Vec<Group>>,
        schedule: &mut Schedule,
    ) -> Result<(), ProviderError> {
        if let [group] = groups.as_slice() {
            // One that was read or listed just now is at fault without another read.
            if self.shared.state().is_suspected(&group.name) || self.reread(&groups).await?.is_empty() {
                self.refuse(group, &refusal.to_string());
            }
            return Ok(());
        }
        let culprits = blamed(&groups, &refusal.blamed);
        if culprits.is_empty() {
            let second = groups.split_off(groups.len() / 2);
            open.extend([second, groups]);
            return Ok(());
        }
        let guilty: Vec<Group> = culprits.into_iter().rev().map(|at| groups.remove(at)).collect();
        if !groups.is_empty() {
            open.push(groups);
        }
        if guilty.len() > MAX_READS {
            let mut state = self.shared.state();
            state.suspect(&guilty);
            state.postponed(&guilty);
            schedule.list_due = true;
            return Ok(());
        }
        let changed = self.reread(&guilty).await?;
        for group in guilty {
            if !changed.contains(&group.name) {
                self.shared.state().suspect(std::slice::from_ref(&group));
                open.insert(0, vec![group]);
            }
        }
        Ok(())
    }

    /// Reads the names of refused changes. The groups at whose names the zone is not what we thought: they are planned anew.
    async fn reread(&mut self, groups: &[Group]) -> Result<BTreeSet<Name>, ProviderError> {
        let names: Vec<Name> = Self::names_of(groups).into_iter().collect();
        let found: BTreeMap<Name, NameSets> = match self.provider.read(&names).await {
            Ok(found) => found.into_iter().collect(),
            Err(error) => {
                self.shared.state().postponed(groups);
                return Err(error);
            }
        };
        let mut changed = BTreeSet::new();
        for group in groups {
            let names = Self::names_of(std::slice::from_ref(group)).into_iter();
            let of_group: Vec<(Name, NameSets)> = names
                .filter_map(|name| found.get_key_value(&name))
                .map(|(name, sets)| (name.clone(), sets.clone()))
                .collect();
            if self.shared.state().reread(&of_group) {
                tracing::info!(zone = &*self.zone(), name = %group.name, "the zone changed since the last list; the name is planned anew");
                self.shared.state().postponed(std::slice::from_ref(group));
                changed.insert(group.name.clone());
            }
        }
        Ok(changed)
    }

    fn refuse(&self, group: &Group, message: &str) {
        tracing::warn!(zone = &*self.zone(), name = %group.name, message, "the provider refuses a record");
        self.shared
            .state()
            .refused(group, message, self.object_cache.now(), fastrand::f64());
        self.count(std::slice::from_ref(group), "error");
    }

    fn accept(&self, groups: &[Group]) {
        let at = jiff::Timestamp::now().as_second();
        let now = self.object_cache.now();
        let answered = self.shared.state().accepted(groups, at);
        for since in answered {
            self.metrics.latency(now.saturating_sub(since).as_secs_f64());
        }
        self.count(groups, "success");
        let zone = self.zone();
        for change in groups.iter().flat_map(|group| &group.changes) {
            let action = match change.action {
                Action::Create => "create",
                Action::Delete => "delete",
            };
            tracing::info!(zone = &*zone, action, record = %change.key, answer = change.set.summary(), "changed");
        }
    }

    /// Counts changes of record sets; a delete and a create of one set are an update, owner records do not count.
    fn count(&self, groups: &[Group], result: &'static str) {
        let (mut created, mut updated, mut deleted) = (0, 0, 0);
        for group in groups {
            let records = || {
                group
                    .changes
                    .iter()
                    .filter(|change| crate::zone::owner::heritage(&change.set).is_none())
            };
            let old = |key: &SetKey| records().any(|other| other.action == Action::Delete && other.key == *key);
            let new = |key: &SetKey| records().any(|other| other.action == Action::Create && other.key == *key);
            for change in records() {
                match change.action {
                    Action::Create if old(&change.key) => updated += 1,
                    Action::Create => created += 1,
                    Action::Delete if !new(&change.key) => deleted += 1,
                    Action::Delete => {}
                }
            }
        }
        for (action, number) in [("create", created), ("update", updated), ("delete", deleted)] {
            if number > 0 {
                self.metrics.changes(action, result, number);
            }
        }
    }
}
