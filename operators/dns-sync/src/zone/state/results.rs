//! What became of names: verdicts, counts, results of batches, and what the status shows of them.
use super::{Mono, Name, ObjectKey, RecordVerdict, Refusal, SetKey, Summary, Totals, ZoneState};
use crate::records::{Action, RecordChange};
use crate::source::endpoints::Defect;
use crate::zone::batch::Group;
use crate::zone::plan::NamePlan;

/// Waits after a refusal: 30 s, doubled up to an hour. A change of the object or a look that finds the zone different
/// asks again at once.
const FIRST_RETRY: Mono = Mono::from_secs(30);
const LAST_RETRY: Mono = Mono::from_hours(1);

impl ZoneState {
    /// Notes a name's plan: counts, plan lines and verdicts of the objects that want it.
    pub(super) fn note(&mut self, name: &Name, plan: &NamePlan) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let by = |test: fn(&RecordVerdict) -> bool| {
            let mut sets: Vec<&SetKey> = plan
                .verdicts
                .iter()
                .filter(|(_, _, verdict)| test(verdict))
                .map(|(_, key, _)| key)
                .collect();
            sets.sort_unstable();
            sets.dedup();
            count(sets.len())
        };
        let refusal = self.refusals.get(name).map(|refusal| refusal.message.clone());
        let summary = Summary {
            desired: by(|verdict| !matches!(verdict, RecordVerdict::Conflict(_))),
            owned: count(plan.owned),
            foreign: count(plan.foreign),
            pending: count(plan.withheld.len() + plan.deletes.len())
                + by(|verdict| matches!(verdict, RecordVerdict::Pending)),
            conflicted: count(
                plan.verdicts
                    .iter()
                    .filter(|(_, _, v)| matches!(v, RecordVerdict::Conflict(_) | RecordVerdict::Foreign(_)))
                    .count(),
            ),
            failed: by(|verdict| matches!(verdict, RecordVerdict::Failed(..))) + u32::from(refusal.is_some()),
            unlisted: count(plan.unlisted.len()),
            never_seen: count(plan.awaited),
        };
        self.totals.subtract(self.summaries.remove(name).unwrap_or_default());
        self.totals.add(summary);
        if summary != Summary::default() {
            self.summaries.insert(name.clone(), summary);
        }
        let mut lines = plan.withheld.clone();
        lines.extend(
            plan.writes
                .iter()
                .filter(|change| change.action == Action::Create && !is_mark(change))
                .map(line),
        );
        lines.extend(plan.deletes.iter().filter_map(|(_, changes)| changes.first()).map(line));
        if lines.is_empty() {
            self.lines.remove(name);
        } else {
            self.lines.insert(name.clone(), lines);
        }
        if plan
            .verdicts
            .iter()
            .any(|(_, _, verdict)| verdict.waits_for_another_name())
        {
            self.awaiting.insert(name.clone());
        } else {
            self.awaiting.remove(name);
        }
        self.judge(name, &plan.verdicts, refusal.as_deref());
    }

    fn judge(&mut self, name: &Name, verdicts: &[(ObjectKey, SetKey, RecordVerdict)], refusal: Option<&str>) {
        let wanting: Vec<ObjectKey> = self
            .claims
            .get(name)
            .into_iter()
            .flatten()
            .map(|claim| claim.object.clone())
            .collect();
        for object in wanting {
            let mine = verdicts.iter().filter(|(of, _, _)| *of == object);
            let new: Vec<(SetKey, RecordVerdict)> = mine
                .map(|(_, key, verdict)| match (verdict, refusal) {
                    (RecordVerdict::Pending, Some(message)) => {
                        (key.clone(), RecordVerdict::Failed("Refused", message.to_owned()))
                    }
                    _ => (key.clone(), verdict.clone()),
                })
                // What is published needs no memory, but DNSRecords report it.
                .filter(|(_, verdict)| {
                    object.kind() == crate::source::SourceKind::Record || *verdict != RecordVerdict::Published
                })
                .collect();
            let all = self.verdicts.entry(object.clone()).or_default();
            let old: Vec<(SetKey, RecordVerdict)> = all.iter().filter(|(key, _)| key.name == *name).cloned().collect();
            if old != new {
                all.retain(|(key, _)| key.name != *name);
                all.extend(new);
                self.changed.insert(object.clone());
            }
            if self.verdicts.get(&object).is_some_and(Vec::is_empty) {
                self.verdicts.remove(&object);
            }
        }
    }

    /// The provider took these groups: the image follows, and each name is considered once more, which must find nothing
    /// to do. Returns the times of the events that are answered by it.
    pub fn accepted(&mut self, groups: &[Group], at: i64) -> Vec<Mono> {
        let Some(mut records) = self.records.take() else {
            return Vec::new();
        };
        let mut answered = Vec::new();
        let mut deleted = 0;
        for group in groups {
            for change in &group.changes {
                records.apply(change);
                if change.action == Action::Delete {
                    self.released.remove(&change.key);
                }
            }
            self.refusals.remove(&group.name);
            self.suspected.remove(&group.name);
            let flight = self.in_flight.remove(&group.name).unwrap_or_default();
            answered.extend(flight.since);
            // What a person has confirmed does not count: the guard is for what nobody has looked at.
            deleted += flight.deletes.len();
            self.touch(group.name.clone(), None);
        }
        self.records = Some(records);
        self.guard.record(deleted, at, &self.config.limits);
        for name in std::mem::take(&mut self.awaiting) {
            self.touch(name, None);
        }
        answered
    }

    /// The provider refused what was to be done at this name; it is tried again alone, later.
    pub fn refused(&mut self, group: &Group, message: &str, now: Mono, jitter: f64) {
        let name = &group.name;
        self.in_flight.remove(name);
        self.suspected.remove(name);
        let failures = self.failures(name) + 1;
        let wait = FIRST_RETRY.saturating_mul(1 << (failures - 1).min(7)).min(LAST_RETRY);
        let refusal = Refusal {
            failures,
            not_before: now + wait.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)),
            message: message.to_owned(),
            names: group.changes.iter().map(|change| change.key.name.clone()).collect(),
        };
        self.refusals.insert(name.clone(), refusal);
        self.dirty.entry(name.clone()).or_insert(None);
        let wanting = self.claims.get(name).into_iter().flatten();
        let objects: Vec<ObjectKey> = wanting.map(|claim| claim.object.clone()).collect();
        for object in objects {
            let verdicts = self.verdicts.get_mut(&object).into_iter().flatten();
            for (_, verdict) in
                verdicts.filter(|(key, verdict)| key.name == *name && *verdict == RecordVerdict::Pending)
            {
                *verdict = RecordVerdict::Failed("Refused", message.to_owned());
                self.changed.insert(object.clone());
            }
        }
        let summary = self.summaries.entry(name.clone()).or_default();
        self.totals.subtract(*summary);
        summary.failed = summary.failed.max(1);
        self.totals.add(*summary);
    }

    /// The call did not go through; the names wait for the next try with their events' times.
    pub fn postponed(&mut self, groups: &[Group]) {
        for group in groups {
            let since = self.in_flight.remove(&group.name).and_then(|flight| flight.since);
            let first = self.dirty.entry(group.name.clone()).or_insert(since);
            *first = match (*first, since) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }

    /// Nobody knows whether the call went through.
    pub fn outcome_unknown(&mut self, groups: &[Group]) {
        for group in groups {
            let flight = self.in_flight.get_mut(&group.name);
            let deletes = flight.map(|flight| std::mem::take(&mut flight.deletes));
            self.uncertain.extend(deletes.into_iter().flatten());
            self.never_seen.uncertain.insert(group.name.clone());
        }
        self.postponed(groups);
    }

    /// These names were blamed for the refusal of a batch; from now on they go alone.
    pub fn suspect(&mut self, groups: &[Group]) {
        self.suspected.extend(groups.iter().map(|group| group.name.clone()));
    }

    /// Whether the name is under suspicion, so that a refusal now proves it guilty.
    pub fn is_suspected(&self, name: &Name) -> bool {
        self.suspected.contains(name)
    }

    /// Whether the name must not share a batch.
    pub fn goes_alone(&self, name: &Name) -> bool {
        self.is_suspected(name) || self.failures(name) > 0
    }

    /// How many times in a row the provider has refused the name.
    pub fn failures(&self, name: &Name) -> u32 {
        self.refusals.get(name).map_or(0, |refusal| refusal.failures)
    }

    /// The counts.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The same while the provider is away: what has changed meanwhile is planned when it is back, and waits, too.
    pub fn totals_while_unreachable(&self) -> Totals {
        let counted = |name: &Name| {
            let pending = self.summaries.get(name).is_some_and(|summary| summary.pending > 0);
            pending || self.refusals.contains_key(name)
        };
        let unplanned = self.dirty.keys().filter(|name| !counted(name)).count();
        Totals {
            pending: self.totals.pending + i64::try_from(unplanned).unwrap_or(i64::MAX),
            ..self.totals
        }
    }

    /// Records that are kept because their objects have not been seen in this cluster, or may not have been.
    pub fn awaited(&self) -> i64 {
        let unlisted = if self.never_seen.cautious {
            self.totals.unlisted
        } else {
            0
        };
        self.totals.never_seen + unlisted
    }

    /// Objects with defects that keep them from being published; they count as failed too.
    pub fn defective(&self) -> usize {
        self.defects
            .values()
            .filter(|defects| defects.iter().any(|defect| !defect.is_note()))
            .count()
    }

    /// The plan's first lines and the number of the others.
    pub fn plan_lines(&self, most: usize) -> (Vec<String>, i64) {
        let shown: Vec<String> = self.lines.values().flatten().take(most).cloned().collect();
        let all: usize = self.lines.values().map(Vec::len).sum();
        (shown.clone(), i64::try_from(all - shown.len()).unwrap_or(i64::MAX))
    }

    /// What there is to say of an object in this zone.
    pub fn results_of(&self, object: &ObjectKey) -> (&[(SetKey, RecordVerdict)], &[Defect], &[Name]) {
        (
            self.verdicts.get(object).map_or(&[], Vec::as_slice),
            self.defects.get(object).map_or(&[], Vec::as_slice),
            self.names.get(object).map_or(&[], AsRef::as_ref),
        )
    }

    /// Whether names of the object wait to be planned, and nothing is known of them yet.
    pub fn is_undecided(&self, object: &ObjectKey) -> bool {
        let names = self.names.get(object).map_or(&[][..], AsRef::as_ref);
        let told = self.verdicts.get(object).map_or(&[][..], Vec::as_slice);
        names
            .iter()
            .any(|name| self.dirty.contains_key(name) && !told.iter().any(|(key, _)| key.name == *name))
    }

    /// Whether what is known of the object is older than this generation of its spec: then there is nothing to say yet.
    pub fn is_behind(&self, object: &ObjectKey, generation: Option<i64>) -> bool {
        let known = self.generations.get(object);
        known.is_some_and(|known| generation.is_some_and(|generation| *known < generation))
    }

    /// The objects of which something new is to be said, once.
    pub fn take_changed(&mut self) -> Vec<ObjectKey> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }
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
