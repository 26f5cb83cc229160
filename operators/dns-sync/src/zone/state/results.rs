//! What became of names: verdicts, counts, results of batches, and what the status shows of them.
use std::collections::{BTreeMap, HashMap};

use super::names::Refusal;
use super::{Mono, Name, NameCounts, ObjectKey, RecordVerdict, SetKey, Totals, ZoneState};
use crate::records::{Action, RecordChange};
use crate::source::SourceKind;
use crate::source::endpoints::Defect;
use crate::zone::batch::Group;
use crate::zone::plan::NamePlan;

/// Pauses after a refusal: 30 s, doubled up to an hour. A change of the object, or a list that finds the zone different,
/// ends the pause at once.
const FIRST_RETRY: Mono = Mono::from_secs(30);
const LAST_RETRY: Mono = Mono::from_hours(1);

/// New verdicts, by object and name.
pub(super) type News = HashMap<ObjectKey, BTreeMap<Name, Vec<(SetKey, RecordVerdict)>>>;

impl ZoneState {
    /// Keeps the outcome of planning a name: counts, plan lines, and verdicts of the objects that want it.
    pub(super) fn note(&mut self, name: &Name, plan: &NamePlan, news: &mut News) {
        let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let by = |test: fn(&RecordVerdict) -> bool| {
            let mut sets: Vec<&SetKey> = plan
                .verdicts
                .iter()
                .filter(|(_, _, verdict)| test(verdict))
                .map(|(_, key, _)| key)
                .collect();
            sets.sort_unstable();
            sets.dedup();
            sets.len()
        };
        let refusal = self.names.refusal(name).map(|refusal| refusal.message.clone());
        let conflicted = plan
            .verdicts
            .iter()
            .filter(|(_, _, verdict)| matches!(verdict, RecordVerdict::Conflict(_) | RecordVerdict::Foreign(_)));
        let counts = NameCounts {
            desired: count(by(|verdict| !matches!(verdict, RecordVerdict::Conflict(_)))),
            owned: count(plan.owned),
            foreign: count(plan.foreign),
            pending: count(
                plan.withheld.len() + plan.deletes.len() + by(|verdict| matches!(verdict, RecordVerdict::Pending)),
            ),
            conflicted: count(conflicted.count()),
            failed: count(by(|verdict| matches!(verdict, RecordVerdict::Failed(..))) + usize::from(refusal.is_some())),
            unlisted: count(plan.unlisted.len()),
            never_seen: count(plan.awaited),
        };
        let mut lines = plan.withheld.clone();
        lines.extend(
            plan.writes
                .iter()
                .filter(|change| change.action == Action::Create && !is_mark(change))
                .map(line),
        );
        lines.extend(plan.deletes.iter().filter_map(|(_, changes)| changes.first()).map(line));
        self.names.update(name, |state| {
            self.totals.subtract(state.counts);
            self.totals.add(counts);
            state.set_plan(counts, lines, &plan.publishers);
        });
        let mut verdicts = plan.verdicts.iter();
        let waits = verdicts.any(|(_, _, verdict)| verdict.waits_for_another_name());
        self.names.set_waiting(name, waits);
        self.collect_verdicts(name, &plan.verdicts, refusal.as_deref(), news);
    }

    /// Adds the verdicts of each object that wants the name to what is new of the object.
    fn collect_verdicts(
        &self,
        name: &Name,
        verdicts: &[(ObjectKey, SetKey, RecordVerdict)],
        refusal: Option<&str>,
        news: &mut News,
    ) {
        for object in self.names.claims(name).iter().map(|claim| &claim.object) {
            if self.objects.get(object).is_some() {
                news.entry(object.clone()).or_default().entry(name.clone()).or_default();
            }
        }
        for (object, key, verdict) in verdicts {
            let Some(new) = news.get_mut(object).and_then(|new| new.get_mut(name)) else {
                continue;
            };
            let verdict = match (verdict, refusal) {
                (RecordVerdict::Pending, Some(message)) => RecordVerdict::Failed("Refused", message.to_owned()),
                _ => verdict.clone(),
            };
            // What is published needs no memory, but DNSRecords report it.
            if object.kind() == SourceKind::Record || verdict != RecordVerdict::Published {
                new.push((key.clone(), verdict));
            }
        }
    }

    /// Gives each object the verdicts of all names that were planned.
    pub(super) fn set_verdicts(&mut self, news: News) {
        for (object, new) in news {
            let known = self.objects.get_mut(&object);
            if known.is_some_and(|known| known.set_verdicts(new)) {
                self.changed.insert(object);
            }
        }
    }

    /// The provider took these groups: the record sets follow, and each name is planned once more, which must find nothing
    /// to do. Returns the times of the events that are answered by it.
    pub fn accepted(&mut self, groups: &[Group], at: i64) -> Vec<Mono> {
        let Some(mut records) = self.records.take() else {
            return Vec::new();
        };
        let mut answered = Vec::new();
        let mut deleted = 0;
        let mut without: Vec<SetKey> = Vec::new();
        for group in groups {
            for change in &group.changes {
                records.apply(change);
                if change.action == Action::Delete {
                    self.deletes.carried_out(&change.key);
                }
                if is_delete(change) {
                    without.push(change.key.clone());
                }
            }
            let in_flight = self.names.update_progress(&group.name, |progress| {
                (progress.refusal, progress.suspected) = (None, false);
                progress.in_flight.take()
            });
            let in_flight = in_flight.flatten().unwrap_or_default();
            answered.extend(in_flight.since);
            // What a person has confirmed does not count: the guard is for what nobody has confirmed.
            deleted += in_flight.deletes.len();
            self.touch(group.name.clone(), None);
        }
        self.records = Some(records);
        self.deletes.guard.record(deleted, at, &self.config.limits);
        for name in self.names.take_waiting() {
            self.touch(name, None);
        }
        for key in without {
            self.queue_marks_of_set(&key);
        }
        answered
    }

    /// The provider refused what was to be done at this name. It is retried alone, later. `jitter`: from 0 to 1.
    pub fn refused(&mut self, group: &Group, message: &str, now: Mono, jitter: f64) {
        let name = &group.name;
        let failures = self.failures(name) + 1;
        let pause = FIRST_RETRY.saturating_mul(1 << (failures - 1).min(7)).min(LAST_RETRY);
        let refusal = Refusal {
            failures,
            not_before: now + pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)),
            message: message.to_owned(),
            names: group.changes.iter().map(|change| change.key.name.clone()).collect(),
        };
        self.names.update(name, |state| {
            state.update_progress(|progress| {
                (progress.in_flight, progress.suspected) = (None, false);
                progress.refusal = Some(refusal);
            });
            self.totals.subtract(state.counts);
            state.counts.failed = state.counts.failed.max(1);
            self.totals.add(state.counts);
        });
        self.queue.add(name.clone(), None);
        for object in self.names.claims(name).iter().map(|claim| &claim.object) {
            let Some(known) = self.objects.get_mut(object) else {
                continue;
            };
            let verdicts = known.verdicts.iter_mut();
            let pending = verdicts.filter(|(key, verdict)| key.name == *name && *verdict == RecordVerdict::Pending);
            for (_, verdict) in pending {
                *verdict = RecordVerdict::Failed("Refused", message.to_owned());
                self.changed.insert(object.clone());
            }
        }
    }

    /// The call did not go through. The names wait for the next try with their events' times.
    pub fn postponed(&mut self, groups: &[Group]) {
        for group in groups {
            let in_flight = self
                .names
                .update_progress(&group.name, |progress| progress.in_flight.take());
            let since = in_flight.flatten().and_then(|in_flight| in_flight.since);
            self.queue.add(group.name.clone(), since);
        }
    }

    /// Nobody knows whether the call went through.
    pub fn outcome_unknown(&mut self, groups: &[Group]) {
        for group in groups {
            let deletes = self.names.update_progress(&group.name, |progress| {
                progress
                    .in_flight
                    .as_mut()
                    .map(|in_flight| std::mem::take(&mut in_flight.deletes))
            });
            self.deletes.outcome_unknown(deletes.flatten().into_iter().flatten());
            self.never_seen.uncertain.insert(group.name.clone());
        }
        self.postponed(groups);
    }

    /// These names were blamed for the refusal of a batch; from now on they go alone.
    pub fn suspect(&mut self, groups: &[Group]) {
        for group in groups {
            self.names.update(&group.name, |state| {
                state.update_progress(|progress| progress.suspected = true);
            });
        }
    }

    /// Whether the name was blamed for the refusal of a batch, so that another refusal proves it guilty.
    pub fn is_suspected(&self, name: &Name) -> bool {
        let progress = self.names.get(name).and_then(|state| state.progress());
        progress.is_some_and(|progress| progress.suspected)
    }

    /// Whether the name must not share a batch.
    pub fn goes_alone(&self, name: &Name) -> bool {
        self.is_suspected(name) || self.failures(name) > 0
    }

    /// How many times in a row the provider has refused the name.
    pub fn failures(&self, name: &Name) -> u32 {
        self.names.refusal(name).map_or(0, |refusal| refusal.failures)
    }

    /// The counts.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The same while the provider cannot be reached: what has changed meanwhile is planned when it is back, and waits, too.
    pub fn totals_while_unreachable(&self) -> Totals {
        let counted = |name: &&Name| self.names.counts(name).pending > 0 || self.names.refusal(name).is_some();
        let unplanned = self.queue.names().filter(|name| !counted(name)).count();
        Totals {
            pending: self.totals.pending + i64::try_from(unplanned).unwrap_or(i64::MAX),
            ..self.totals
        }
    }

    /// Records that are kept because nothing shows that this cluster has published them.
    pub fn awaited(&self) -> i64 {
        self.totals.never_seen
    }

    /// Objects with defects that keep them from being published; they count as failed too.
    pub fn defective(&self) -> usize {
        self.objects.values().filter(|object| object.is_defective()).count()
    }

    /// The plan's first lines, sorted by name, and the number of the others.
    pub fn plan_lines(&self, most: usize) -> (Vec<String>, i64) {
        let mut planned: Vec<(&Name, &[String])> = self
            .names
            .iter()
            .filter_map(|(name, state)| Some((name, state.progress()?.lines.as_slice())))
            .collect();
        planned.sort_unstable();
        let all: usize = planned.iter().map(|(_, lines)| lines.len()).sum();
        let lines = planned.into_iter().flat_map(|(_, lines)| lines);
        let shown: Vec<String> = lines.take(most).cloned().collect();
        let others = i64::try_from(all - shown.len()).unwrap_or(i64::MAX);
        (shown, others)
    }

    /// What is known of an object in this zone: verdicts, defects and names.
    pub fn results_of(&self, object: &ObjectKey) -> (&[(SetKey, RecordVerdict)], &[Defect], &[Name]) {
        self.objects
            .get(object)
            .map_or((&[], &[], &[]), |known| (&known.verdicts, &known.defects, &known.names))
    }

    /// Whether names of the object wait to be planned, and nothing is known of them yet.
    pub fn is_undecided(&self, object: &ObjectKey) -> bool {
        let (verdicts, _, names) = self.results_of(object);
        names
            .iter()
            .any(|name| self.queue.contains(name) && !verdicts.iter().any(|(key, _)| key.name == *name))
    }

    /// Whether what is known of the object is older than this generation of its spec: then there is nothing to report yet.
    pub fn is_behind(&self, object: &ObjectKey, generation: Option<i64>) -> bool {
        let known = self.objects.get(object).and_then(|known| known.generation);
        known.is_some_and(|known| generation.is_some_and(|generation| known < generation))
    }

    /// The objects of which something new is to be reported, once.
    pub fn take_changed(&mut self) -> Vec<ObjectKey> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }
}

/// Whether a record goes, and perhaps leaves an owner record behind.
fn is_delete(change: &RecordChange) -> bool {
    change.action == Action::Delete && !is_mark(change)
}

fn is_mark(change: &RecordChange) -> bool {
    crate::zone::owner::heritage(&change.set).is_some()
}

fn line(change: &RecordChange) -> String {
    let verb = match change.action {
        Action::Create => "WRITE",
        Action::Delete => "DELETE",
    };
    format!("{verb} {}: {}", change.key, change.set.summary())
}
