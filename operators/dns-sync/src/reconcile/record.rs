//! DNSRecord: reports what became of it in each zone. The work itself is the zones'.
use std::sync::Arc;

use hearth_reconciler::conditions::Conditions;
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::outside::{at_work, unserved};
use super::tell::trouble;
use super::zone::is_stalled;
use super::{Context, Error, MANAGER};
use crate::crd::record::{DNSRecordStatus, ZoneState};
use crate::crd::{DNSRecord, DNSZone, RECONCILE_AT};
use crate::source::facts::{Facts, wanted};
use crate::source::{ObjectKey, SourceKind};
use crate::zone::plan::Verdict;
use crate::zone::state::State;

/// One pass.
pub async fn reconcile(record: Arc<DNSRecord>, context: Arc<Context>) -> Result<Action, Error> {
    let key = ObjectKey::new(
        SourceKind::Record,
        &record.namespace().unwrap_or_default(),
        &record.name_any(),
    );
    let outcomes = gather(&key, record.metadata.generation, &context);
    // What an earlier process or term has reported stays true until every zone has looked and planned.
    let decided = decided(&record, &outcomes, &takers(&context));
    if !decided && is_current(&record) {
        return Ok(Action::await_change());
    }
    let facts = context.world.get(&key).filter(|_| outcomes.is_empty());
    let unserved = facts.and_then(|facts| unserved(&at_work(&context), &facts));
    let status = describe(&record, &outcomes, decided, unserved.as_deref(), Timestamp::now());
    let api: Api<DNSRecord> = Api::namespaced(context.client.clone(), key.namespace());
    patch_status(&api, MANAGER, &record, &status)
        .await
        .map_err(Error::Status)?;
    Ok(Action::await_change())
}

/// What one zone says of a record.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    zone: String,
    looked: bool,
    /// The present wish has been planned.
    decided: bool,
    names: Vec<String>,
    verdicts: Vec<(crate::zone::image::SetKey, Verdict)>,
    defect: Option<(&'static str, String)>,
}

fn gather(key: &ObjectKey, generation: Option<i64>, context: &Context) -> Vec<Outcome> {
    let facts = context.world.get(key);
    let at_work = context.at_work();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (zone, handle) in at_work.iter() {
        let looked = handle.shared.standing().looked;
        let state = handle.shared.state();
        outcomes.extend(of_zone(zone, looked, &state, key, generation, facts.as_deref()));
    }
    outcomes.sort_by(|a, b| a.zone.cmp(&b.zone));
    outcomes
}

/// What one zone says of a record; `None`: nothing.
fn of_zone(
    zone: &str,
    looked: bool,
    state: &State,
    key: &ObjectKey,
    generation: Option<i64>,
    facts: Option<&Facts>,
) -> Option<Outcome> {
    // What is known of an older spec is no answer to this one.
    let behind = state.is_behind(key, generation);
    let (verdicts, defects, names) = state.outcome(key);
    let (verdicts, defects) = if behind {
        (&[][..], &[][..])
    } else {
        (verdicts, defects)
    };
    if names.is_empty() && defects.is_empty() {
        // A zone that is at a long call has not taken the record over yet: its silence is no answer.
        let wanted = wanted(facts?, &state.config.view());
        let wishes = wanted.endpoints.iter().map(|endpoint| &endpoint.name);
        let names: Vec<String> = wishes
            .chain(wanted.held.iter().map(|held| &held.name))
            .map(ToString::to_string)
            .collect();
        return (!names.is_empty() || !wanted.defects.is_empty()).then(|| Outcome {
            zone: zone.to_owned(),
            looked,
            names,
            ..Outcome::default()
        });
    }
    Some(Outcome {
        zone: zone.to_owned(),
        looked,
        decided: !behind && !state.is_undecided(key),
        names: names.iter().map(ToString::to_string).collect(),
        verdicts: verdicts.to_vec(),
        defect: defects.first().map(|defect| (defect.reason, defect.message.clone())),
    })
}

/// The DNSZones that take DNSRecords, and whether each has looked at its zone or cannot.
fn takers(context: &Context) -> Vec<(String, bool)> {
    let at_work = context.at_work();
    let answers = |zone: &DNSZone| {
        let handle = at_work.get(&zone.name_any());
        handle.map_or_else(|| is_stalled(zone), |handle| handle.shared.standing().looked)
    };
    let zones = context.zones.state();
    zones
        .iter()
        .filter(|zone| zone.spec.sources.records.is_some() && !zone.spec.suspend)
        .map(|zone| (zone.name_any(), answers(zone)))
        .collect()
}

/// Whether there is an answer: each zone that speaks of the record has planned it, and each zone that did so before (or,
/// when none does now, each that takes DNSRecords at all: its old zone may have been replaced) has looked or cannot.
fn decided(record: &DNSRecord, outcomes: &[Outcome], takers: &[(String, bool)]) -> bool {
    let status = record.status.iter();
    let named: Vec<&str> = status
        .flat_map(|status| &status.zones)
        .map(|zone| zone.zone.as_str())
        .collect();
    let awaited = |zone: &str| outcomes.is_empty() || named.contains(&zone);
    outcomes.iter().all(|outcome| outcome.decided) && takers.iter().all(|(zone, answers)| *answers || !awaited(zone))
}

/// Whether the status speaks of the present spec.
fn is_current(record: &DNSRecord) -> bool {
    record.status.as_ref().is_some_and(|status| {
        Some(status.observed_generation) == record.metadata.generation && !status.conditions.is_empty()
    })
}

/// `unserved`: why no zone takes the record, if it is known.
fn describe(
    record: &DNSRecord,
    outcomes: &[Outcome],
    decided: bool,
    unserved: Option<&str>,
    now: Timestamp,
) -> DNSRecordStatus {
    let mut status = record.status.clone().unwrap_or_default();
    let generation = record.metadata.generation;
    status.observed_generation = generation.unwrap_or_default();
    status.last_handled_reconcile_at = record
        .annotations()
        .get(RECONCILE_AT)
        .cloned()
        .or(status.last_handled_reconcile_at.take());
    let mut conditions = Conditions {
        list: &mut status.conditions,
        generation,
        now,
    };
    if record.spec.suspend {
        conditions.ready("Suspended", "spec.suspend is set; the record stays as it is");
        return status;
    }
    status.zones = outcomes.iter().map(zone_state).collect();
    let first = |state: &str| status.zones.iter().find(|zone| zone.state == state);
    if status.zones.is_empty() && !decided {
        let message = "a DNSZone that could take this record has not looked at its zone yet";
        conditions.reconciling("WaitingForZone", message);
    } else if status.zones.is_empty() {
        let message = unserved.map_or_else(
            || "no DNSZone takes this record: none that is at work contains its name, has spec.sources.records and admits its namespace, labels and type".to_owned(),
            |why| format!("no DNSZone takes this record: {why}, or set spec.zone to the DNSZone above"),
        );
        conditions.stalled("NoZone", &message);
    } else if let Some(bad) = first("Failed") {
        let reason = outcomes.iter().find_map(Outcome::reason).unwrap_or("Failed");
        conditions.stalled(reason, &bad.message);
    } else if let Some(bad) = first("Conflicted") {
        conditions.stalled("Conflicted", &bad.message);
    } else if first("Accepted").is_some() {
        conditions.reconciling("Accepted", "waits to be written to the provider");
    } else if first("Observed").is_some() {
        let message = "the zone's policy does not permit the change; its status.plan shows it";
        conditions.ready("Observed", message);
    } else {
        conditions.ready("Published", "the provider has accepted the record");
    }
    status
}

impl Outcome {
    fn reason(&self) -> Option<&'static str> {
        let failed = self.verdicts.iter().find_map(|(_, verdict)| match verdict {
            Verdict::Failed(reason, _) => Some(*reason),
            _ => None,
        });
        self.defect.as_ref().map(|(reason, _)| *reason).or(failed)
    }
}

fn zone_state(outcome: &Outcome) -> ZoneState {
    let bad = outcome.verdicts.iter().find_map(|(key, verdict)| trouble(key, verdict));
    let (state, message) = match (&outcome.defect, bad) {
        (Some((_, message)), _) => ("Failed", message.clone()),
        (None, Some(("Conflicted", message))) => ("Conflicted", message),
        (None, Some((_, message))) => ("Failed", message),
        (None, None) => {
            let held = outcome
                .verdicts
                .iter()
                .any(|(_, verdict)| matches!(verdict, Verdict::Held(_)));
            let published = !outcome.verdicts.is_empty()
                && outcome
                    .verdicts
                    .iter()
                    .all(|(_, verdict)| *verdict == Verdict::Published);
            let state = match (outcome.looked, held, published) {
                (true, _, true) => "Published",
                (true, true, false) => "Observed",
                _ => "Accepted",
            };
            (state, String::new())
        }
    };
    ZoneState {
        zone: outcome.zone.clone(),
        name: outcome.names.first().cloned().unwrap_or_default(),
        state: state.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
