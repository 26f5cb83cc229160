//! DNSRecord: reports what became of it in each zone. The zones' workers publish it.
use std::sync::Arc;

use hearth_reconciler::error::RequestError;
use hearth_reconciler::outcome::{Outcome, begin};
use hearth_reconciler::status::patch_status;
use jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::notify::problem;
use super::unmatched_names::{unserved, zone_configs};
use super::zone::is_stalled;
use super::{Context, MANAGER};
use crate::crd::record::{DNSRecordStatus, RecordZoneStatus};
use crate::crd::{DNSRecord, DNSZone, RECONCILE_AT};
use crate::source::facts::{Facts, wanted};
use crate::source::{ObjectKey, SourceKind};
use crate::zone::plan::types::RecordVerdict;
use crate::zone::state::ZoneState;

/// One pass.
pub async fn reconcile(record: Arc<DNSRecord>, context: Arc<Context>) -> Result<Action, RequestError> {
    let key = ObjectKey::new(
        SourceKind::Record,
        &record.namespace().unwrap_or_default(),
        &record.name_any(),
    );
    let results = gather(&key, record.metadata.generation, &context);
    // What an earlier process or term has reported stays true until every zone is listed and planned.
    let decided = decided(&record, &results, &takers(&context));
    if !decided && is_current(&record) {
        return Ok(Action::await_change());
    }
    let facts = context.object_cache.get(&key).filter(|_| results.is_empty());
    let unserved = facts.and_then(|facts| unserved(&zone_configs(&context), &facts));
    let status = describe(&record, &results, decided, unserved.as_deref(), Timestamp::now());
    let api: Api<DNSRecord> = Api::namespaced(context.process.client.clone(), key.namespace());
    patch_status(&api, MANAGER, &record, &status)
        .await
        .map_err(RequestError::when("failed to write the status"))?;
    Ok(Action::await_change())
}

/// What one zone knows of a record.
#[derive(Debug, Default, PartialEq)]
struct ZoneResult {
    zone: String,
    listed: bool,
    /// What the record wants now has been planned.
    decided: bool,
    names: Vec<String>,
    verdicts: Vec<(crate::records::SetKey, RecordVerdict)>,
    defect: Option<(&'static str, String)>,
}

fn gather(key: &ObjectKey, generation: Option<i64>, context: &Context) -> Vec<ZoneResult> {
    let facts = context.object_cache.get(key);
    let workers = context.workers();
    let mut results: Vec<ZoneResult> = Vec::new();
    for (zone, handle) in workers.iter() {
        let listed = handle.shared.provider_status().listed;
        let state = handle.shared.state();
        results.extend(of_zone(zone, listed, &state, key, generation, facts.as_deref()));
    }
    results.sort_by(|a, b| a.zone.cmp(&b.zone));
    results
}

/// What one zone knows of a record; `None`: nothing.
fn of_zone(
    zone: &str,
    listed: bool,
    state: &ZoneState,
    key: &ObjectKey,
    generation: Option<i64>,
    facts: Option<&Facts>,
) -> Option<ZoneResult> {
    // What is known of an older spec is no answer to this one.
    let behind = state.is_behind(key, generation);
    let (verdicts, defects, names) = state.results_of(key);
    let (verdicts, defects) = if behind {
        (&[][..], &[][..])
    } else {
        (verdicts, defects)
    };
    if names.is_empty() && defects.is_empty() {
        // During a long call a zone does not take the record over: that it knows nothing of it is no answer.
        let wanted = wanted(facts?, &state.config.view());
        let desired = wanted.endpoints.iter().map(|endpoint| &endpoint.name);
        let names: Vec<String> = desired
            .chain(wanted.held.iter().map(|held| &held.name))
            .map(ToString::to_string)
            .collect();
        return (!names.is_empty() || !wanted.defects.is_empty()).then(|| ZoneResult {
            zone: zone.to_owned(),
            listed,
            names,
            ..ZoneResult::default()
        });
    }
    Some(ZoneResult {
        zone: zone.to_owned(),
        listed,
        decided: !behind && !state.is_undecided(key),
        names: names.iter().map(ToString::to_string).collect(),
        verdicts: verdicts.to_vec(),
        defect: defects.first().map(|defect| (defect.reason, defect.message.clone())),
    })
}

/// The DNSZones that take DNSRecords, and whether each has listed its zone or cannot.
fn takers(context: &Context) -> Vec<(String, bool)> {
    let workers = context.workers();
    let answers = |zone: &DNSZone| {
        let handle = workers.get(&zone.name_any());
        handle.map_or_else(|| is_stalled(zone), |handle| handle.shared.provider_status().listed)
    };
    let zones = context.zones.state();
    zones
        .iter()
        .filter(|zone| zone.spec.sources.records.is_some() && !zone.spec.suspend)
        .map(|zone| (zone.name_any(), answers(zone)))
        .collect()
}

/// Whether there is an answer: each zone that takes the record has planned it, and each zone that took it before (or,
/// when none does now, each that takes DNSRecords at all: its old zone may have been replaced) is listed or cannot be.
fn decided(record: &DNSRecord, results: &[ZoneResult], takers: &[(String, bool)]) -> bool {
    let status = record.status.iter();
    let named: Vec<&str> = status
        .flat_map(|status| &status.zones)
        .map(|zone| zone.zone.as_str())
        .collect();
    let awaited = |zone: &str| results.is_empty() || named.contains(&zone);
    results.iter().all(|result| result.decided) && takers.iter().all(|(zone, answers)| *answers || !awaited(zone))
}

/// Whether the status is about the present spec.
fn is_current(record: &DNSRecord) -> bool {
    record.status.as_ref().is_some_and(|status| {
        Some(status.observed_generation) == record.metadata.generation && !status.conditions.is_empty()
    })
}

/// `unserved`: why no zone takes the record, if it is known.
fn describe(
    record: &DNSRecord,
    results: &[ZoneResult],
    decided: bool,
    unserved: Option<&str>,
    now: Timestamp,
) -> DNSRecordStatus {
    let mut status = record.status.clone().unwrap_or_default();
    let outcome = if record.spec.suspend {
        Outcome::suspended("spec.suspend is set; the record stays as it is")
    } else {
        status.zones = results.iter().map(zone_state).collect();
        outcome(&status.zones, results, decided, unserved)
    };
    outcome.report(&mut begin(record, RECONCILE_AT, &mut status, now));
    status
}

fn outcome(zones: &[RecordZoneStatus], results: &[ZoneResult], decided: bool, unserved: Option<&str>) -> Outcome {
    let first = |state: &str| zones.iter().find(|zone| zone.state == state);
    if zones.is_empty() && !decided {
        let message = "a DNSZone that could take this record has not listed its zone yet";
        Outcome::Waiting("WaitingForZone", message.to_owned(), None)
    } else if zones.is_empty() {
        let message = unserved.map_or_else(
            || "no DNSZone takes this record: none that is running contains its name, has spec.sources.records and admits its namespace, labels and type".to_owned(),
            |why| format!("no DNSZone takes this record: {why}, or set spec.zone to the DNSZone above"),
        );
        Outcome::Stalled("NoZone", message)
    } else if let Some(bad) = first("Failed") {
        let reason = results.iter().find_map(ZoneResult::reason).unwrap_or("Failed");
        Outcome::Stalled(reason, bad.message.clone())
    } else if let Some(bad) = first("Conflicted") {
        Outcome::Stalled("Conflicted", bad.message.clone())
    } else if first("Accepted").is_some() {
        Outcome::Waiting("Accepted", "waits to be written to the provider".to_owned(), None)
    } else if first("Observed").is_some() {
        let message = "the zone's policy does not permit the change; its status.plan shows it";
        Outcome::Ready("Observed", message.to_owned())
    } else {
        Outcome::Ready("Published", "the provider has accepted the record".to_owned())
    }
}

impl ZoneResult {
    fn reason(&self) -> Option<&'static str> {
        let failed = self.verdicts.iter().find_map(|(_, verdict)| match verdict {
            RecordVerdict::Failed(reason, _) => Some(*reason),
            _ => None,
        });
        self.defect.as_ref().map(|(reason, _)| *reason).or(failed)
    }
}

fn zone_state(result: &ZoneResult) -> RecordZoneStatus {
    let bad = result.verdicts.iter().find_map(|(key, verdict)| problem(key, verdict));
    let (state, message) = match (&result.defect, bad) {
        (Some((_, message)), _) => ("Failed", message.clone()),
        (None, Some(("Conflicted", message))) => ("Conflicted", message),
        (None, Some((_, message))) => ("Failed", message),
        (None, None) => {
            let held = result
                .verdicts
                .iter()
                .any(|(_, verdict)| matches!(verdict, RecordVerdict::Held(_)));
            let published = !result.verdicts.is_empty()
                && result
                    .verdicts
                    .iter()
                    .all(|(_, verdict)| *verdict == RecordVerdict::Published);
            let state = match (result.listed, held, published) {
                (true, _, true) => "Published",
                (true, true, false) => "Observed",
                _ => "Accepted",
            };
            (state, String::new())
        }
    };
    RecordZoneStatus {
        zone: result.zone.clone(),
        name: result.names.first().cloned().unwrap_or_default(),
        state: state.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
