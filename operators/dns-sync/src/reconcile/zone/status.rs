//! The status of a DNSZone: what its worker knows, as counts, a plan and conditions.
use hearth_reconciler::conditions::{self, Conditions};
use jiff::Timestamp;
use kube::ResourceExt;

use super::super::Context;
use crate::crd::zone::{DNSZoneStatus, Parked, Policy, Published, RecordCounts};
use crate::crd::{CONFIRM_DELETES, DNSZone, RECONCILE_AT};
use crate::dialect::Dialect;
use crate::metrics::CONDITIONS;
use crate::provider::ProviderError;
use crate::source::scope::enabled_sources;
use crate::zone::state::{HoldReason, ZoneState};
use crate::zone::worker::{ProviderStatus, Shared};

/// Plan lines and parked records that a status shows.
const SHOWN: usize = 20;

/// The reason why deletes are parked when nothing shows that this cluster has published the records.
const OBJECTS_AWAITED: &str = "ObjectsAwaited";

/// Whether nothing but records of objects that may yet come was parked.
pub(super) fn only_awaited(status: &DNSZoneStatus) -> bool {
    let parked = conditions::get(&status.conditions, "DeletesParked");
    parked.is_some_and(|parked| parked.status == "True" && parked.reason == OBJECTS_AWAITED)
}

/// Whether the status says Ready of the present spec.
pub(super) fn was_ready(zone: &DNSZone) -> bool {
    let Some(status) = &zone.status else { return false };
    conditions::get(&status.conditions, conditions::READY).is_some_and(|ready| {
        ready.status == "True" && ready.reason != "Suspended" && ready.observed_generation == zone.metadata.generation
    })
}

/// Whether the status says that the zone needs a person to fix something.
pub(in crate::reconcile) fn is_stalled(zone: &DNSZone) -> bool {
    let status = zone.status.as_ref();
    status.is_some_and(|status| conditions::get(&status.conditions, conditions::STALLED).is_some())
}

/// A status that is being written.
pub(super) struct StatusWriter {
    pub(super) status: DNSZoneStatus,
    is_new: bool,
    generation: Option<i64>,
    now: Timestamp,
    /// Records that another writer with the same owner changes back.
    contested: usize,
}

impl StatusWriter {
    /// Goes on from the present status.
    pub(super) fn new(zone: &DNSZone, now: Timestamp) -> Self {
        let mut status = zone.status.clone().unwrap_or_default();
        let is_new = zone.metadata.generation != Some(status.observed_generation);
        status.observed_generation = zone.metadata.generation.unwrap_or_default();
        Self {
            status,
            is_new,
            generation: zone.metadata.generation,
            now,
            contested: 0,
        }
    }

    /// Whether the status is not about the present spec yet.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn conditions(&mut self) -> Conditions<'_> {
        Conditions {
            list: &mut self.status.conditions,
            generation: self.generation,
            now: self.now,
        }
    }

    /// While the zone has no worker, these conditions are unknown.
    pub(super) fn unknown(&mut self, reason: &str, message: &str) {
        for type_ in ["InSync", "Reachable"] {
            self.conditions().set(type_, None::<bool>, reason, message);
        }
    }

    /// The status of a zone with a worker.
    pub(super) fn describe(&mut self, zone: &DNSZone, context: &Context) {
        let workers = context.workers();
        let Some(handle) = workers.get(&zone.name_any()) else {
            return;
        };
        self.status.zone_id = Some(handle.found.zone_id.clone());
        self.status.name_servers.clone_from(&handle.found.name_servers);
        let provider_status = handle.shared.provider_status().clone();
        if !provider_status.listed {
            self.before_first_list(zone, &provider_status);
            return;
        }
        // Echoed when the requested list has been done, so that one can wait for it.
        if provider_status.list_request >= handle.instructions.borrow().list_request && handle.asked.is_some() {
            self.status.last_handled_reconcile_at.clone_from(&handle.asked);
        }
        self.update_counts(&zone.name_any(), &handle.shared);
        self.in_sync(zone.spec.policy);
        self.reachable(&provider_status);
        self.sources(zone, context);
        let dialect = handle.shared.state().config.dialect.clone();
        self.working(zone.spec.policy, &dialect, &provider_status);
    }

    /// What a worker has counted, and what the next one must know of it. Nothing before its first list.
    pub(super) fn update_counts(&mut self, zone: &str, shared: &Shared) {
        let (listed, away) = {
            let provider_status = shared.provider_status();
            (provider_status.listed, provider_status.error.is_some())
        };
        if !listed {
            return;
        }
        let (all_never_seen, owner) = {
            let state = shared.state();
            self.counts(&state, away);
            self.contested = state.contested();
            let parked = &state.deletes.parked;
            (
                parked.values().all(|why| *why == HoldReason::NeverSeen),
                state.config.owner_id.clone(),
            )
        };
        self.parked(zone, all_never_seen, &owner);
    }

    /// Before the first list of a term. What an earlier one has reported stays, but the provider may be unreachable.
    fn before_first_list(&mut self, zone: &DNSZone, provider_status: &ProviderStatus) {
        if was_ready(zone) {
            if provider_status.error.is_some() {
                self.reachable(provider_status);
            }
            return;
        }
        match &provider_status.error {
            None => self
                .conditions()
                .reconciling("Looking", "the zone is being listed for the first time"),
            Some(error) => {
                self.conditions().reconciling(
                    error.reason(),
                    &format!("the zone could not be listed yet: {error}; it is retried"),
                );
            }
        }
        self.reachable(provider_status);
    }

    fn counts(&mut self, state: &ZoneState, away: bool) {
        let totals = if away {
            state.totals_while_unreachable()
        } else {
            state.totals()
        };
        let parked = i64::try_from(state.deletes.parked.len()).unwrap_or(i64::MAX);
        self.status.records = Some(RecordCounts {
            desired: totals.desired,
            owned: totals.owned,
            foreign: totals.foreign,
            pending: totals.pending,
            conflicted: totals.conflicted,
            failed: totals.failed + i64::try_from(state.defective()).unwrap_or(0),
            parked,
        });
        (self.status.plan, self.status.plan_omitted) = state.plan_lines(SHOWN);
        self.status.awaited = state.awaited();
        self.status.last_handled_confirmation = state.deletes.handled_confirmation(&state.config).cloned();
        self.status.recent_deletes = state.deletes.guard.buckets().to_vec();
        let fingerprints = state.fingerprints().encode();
        self.status.published = fingerprints
            .zip(self.generation)
            .map(|(fingerprints, generation)| Published {
                generation,
                fingerprints,
            });
        self.status.parked = (parked > 0).then(|| Parked {
            hash: state.deletes.hash(),
            count: parked,
            records: state
                .deletes
                .parked
                .keys()
                .take(SHOWN)
                .map(ToString::to_string)
                .collect(),
        });
    }

    fn parked(&mut self, zone: &str, all_never_seen: bool, owner: &str) {
        let Some(Parked { hash, count, .. }) = self.status.parked.clone() else {
            self.conditions()
                .set("DeletesParked", false, "NothingParked", "no deletes wait");
            return;
        };
        let confirm = format!(
            "kubectl annotate dnszone {zone} {CONFIRM_DELETES}={hash} --overwrite (remove the annotation first if it says so already)"
        );
        if all_never_seen {
            let message = format!(
                "{count} records have the owner \"{owner}\", but nothing shows that this cluster has published them; they are kept until their objects come. If another cluster or program uses the same owner, give each its own: the chart's value clusterName, or spec.ownerID. If the records are not needed any more: {confirm}"
            );
            self.conditions().set("DeletesParked", true, OBJECTS_AWAITED, &message);
        } else {
            let message = format!("{count} deletes wait for a person; if they are meant: {confirm}");
            self.conditions()
                .set("DeletesParked", true, "ConfirmationNeeded", &message);
        }
    }

    fn in_sync(&mut self, policy: Policy) {
        let counts = self.status.records.unwrap_or_default();
        let (reason, message) = match counts {
            _ if self.contested > 0 => (
                "AnotherWriter",
                format!(
                    "{} records are changed back again and again by another cluster or program with the same owner, so they are left as they are. Give each cluster an owner of its own (the chart's value clusterName, or spec.ownerID), or different names, then set the annotation {RECONCILE_AT}",
                    self.contested
                ),
            ),
            RecordCounts {
                failed: failed @ 1.., ..
            } => (
                "RecordsFailed",
                format!("{failed} records cannot be published; their objects have events that say why"),
            ),
            RecordCounts {
                conflicted: held @ 1.., ..
            } => ("Conflicted", format!("{held} records are held by others")),
            RecordCounts {
                parked: parked @ 1.., ..
            } => ("DeletesParked", format!("{parked} deletes wait for a confirmation")),
            RecordCounts {
                pending: pending @ 1.., ..
            } if policy == Policy::Observe => ("Observed", format!("{pending} changes would be made; see status.plan")),
            RecordCounts {
                pending: pending @ 1.., ..
            } => ("Pending", format!("{pending} changes wait")),
            _ => ("InSync", "the zone is as the cluster wants it".to_owned()),
        };
        self.conditions().set("InSync", reason == "InSync", reason, &message);
    }

    fn reachable(&mut self, provider_status: &ProviderStatus) {
        match &provider_status.error {
            None if provider_status.listed => {
                self.conditions()
                    .set("Reachable", true, "Reachable", "the provider answers");
            }
            None => self.conditions().set(
                "Reachable",
                None::<bool>,
                "NotAsked",
                "the provider has not been asked yet",
            ),
            Some(error @ (ProviderError::Throttled(_) | ProviderError::Busy)) => {
                self.conditions()
                    .set("Reachable", true, error.reason(), &format!("{error}; it is retried"));
            }
            Some(error) => {
                self.conditions().set(
                    "Reachable",
                    false,
                    error.reason(),
                    &format!("{error}; it is retried, and nothing is lost meanwhile"),
                );
            }
        }
    }

    /// Whether every source that the zone asks for is watched and listed.
    fn sources(&mut self, zone: &DNSZone, context: &Context) {
        let complete = context.object_cache.complete();
        let missing: Vec<String> = enabled_sources(&zone.spec.sources)
            .filter_map(|kind| {
                let source = kind.source();
                if !context.reach.sources.contains(&kind) {
                    return Some(format!(
                        "{source}: not enabled in this installation; set the chart's value sources.{source}=true"
                    ));
                }
                if let Some((reason, _)) = context.object_cache.failing(kind) {
                    return Some(format!(
                        "{source}: cannot be listed ({reason}); records from it stay as they are"
                    ));
                }
                (!complete.of(kind)).then(|| format!("{source}: not listed yet"))
            })
            .collect();
        if missing.is_empty() {
            self.conditions()
                .set("SourcesComplete", true, "Complete", "every source is listed");
        } else {
            self.conditions()
                .set("SourcesComplete", false, "Incomplete", &missing.join("; "));
        }
    }

    /// One bad record or an outage does not make the zone unready; denied access does: nothing can be published then.
    fn working(&mut self, policy: Policy, dialect: &Dialect, provider_status: &ProviderStatus) {
        match &provider_status.error {
            Some(ProviderError::Denied { operation, code }) => self.conditions().stalled("AccessDenied", &denied_message(dialect, operation, code)),
            Some(ProviderError::NoSuchZone) => self.conditions().stalled(
                "HostedZoneNotFound",
                "the hosted zone does not exist any more; nothing is deleted from the cluster's side. It is looked up again",
            ),
            _ if policy == Policy::Observe => {
                self.conditions().ready("Observing", "the policy is Observe: nothing is written; status.plan shows what would be");
            }
            _ => self.conditions().ready("Publishing", "the zone is kept as the cluster wants it"),
        }
    }
}

/// What to do about refused access.
pub(super) fn denied_message(dialect: &Dialect, operation: &str, code: &str) -> String {
    format!(
        "{}. It is retried every few minutes, and at once when the Secret or the annotation {RECONCILE_AT} changes",
        dialect.denied(operation, code)
    )
}

/// The zone's conditions as metrics.
pub(super) fn export_conditions(zone: &DNSZone, context: &Context, status: &DNSZoneStatus) {
    let value = |type_: &'static str| {
        let condition = conditions::get(&status.conditions, type_)?;
        let known = ["True", "False"].into_iter().find(|value| *value == condition.status);
        Some((type_, known.unwrap_or("Unknown")))
    };
    let conditions: Vec<(&'static str, &'static str)> = CONDITIONS.into_iter().filter_map(value).collect();
    context
        .metrics
        .zone(&zone.name_any())
        .describe(&zone.spec.domain, zone.spec.policy.as_str(), &conditions);
}
