//! `hearth_dns_…`: what can be seen of zones, changes and providers. docs/observability.md lists them.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::source::SourceKind;

/// All of the operator's own metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    records: Family<RecordsLabels, Gauge>,
    parked: Family<ZoneLabels, Gauge>,
    changes: Family<ChangeLabels, Counter>,
    calls: Family<CallLabels, Counter>,
    last_success: Family<ZoneLabels, Gauge<f64, AtomicU64>>,
    info: Family<InfoLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    sources: Family<SourceLabels, Gauge>,
    latency: Histogram,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ZoneLabels {
    zone: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RecordsLabels {
    zone: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ChangeLabels {
    zone: String,
    action: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    zone: String,
    operation: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InfoLabels {
    zone: String,
    domain: String,
    policy: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    zone: String,
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

const STATES: [&str; 6] = ["desired", "owned", "foreign", "pending", "conflicted", "failed"];
const ACTIONS: [&str; 3] = ["create", "update", "delete"];
const OPERATIONS: [&str; 3] = ["list", "change", "find"];
/// The conditions that are exported.
pub const CONDITIONS: [&str; 4] = ["Ready", "InSync", "Reachable", "DeletesParked"];

impl Metrics {
    /// Registers everything; label sets of zones appear when a zone does, all of them at once.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            records: Family::default(),
            parked: Family::default(),
            changes: Family::default(),
            calls: Family::default(),
            last_success: Family::default(),
            info: Family::default(),
            conditions: Family::default(),
            sources: Family::default(),
            latency: Histogram::new([0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0]),
        };
        let Self {
            records,
            parked,
            changes,
            calls,
            last_success,
            info,
            conditions,
            sources,
            latency,
        } = metrics.clone();
        registry.register("hearth_dns_records", "Record sets by state", records);
        registry.register(
            "hearth_dns_parked_deletes",
            "Deletes that wait for a confirmation",
            parked,
        );
        registry.register("hearth_dns_changes", "Changes of record sets by result", changes);
        registry.register("hearth_dns_provider_calls", "Requests to the provider", calls);
        registry.register(
            "hearth_dns_last_success_timestamp_seconds",
            "When the provider last accepted a look or a change",
            last_success,
        );
        registry.register("hearth_dns_zone_info", "Zones that are worked on", info);
        registry.register("hearth_dns_zone_condition", "Conditions of zones", conditions);
        registry.register(
            "hearth_dns_source_complete",
            "Whether a source has been listed completely",
            sources,
        );
        registry.register(
            "hearth_dns_change_latency_seconds",
            "From the cluster's event to the provider's acceptance",
            latency,
        );
        metrics
    }

    /// The series of one zone.
    pub fn zone(&self, zone: &str) -> ZoneMetrics {
        let metrics = ZoneMetrics {
            all: self.clone(),
            zone: zone.to_owned(),
        };
        for action in ACTIONS {
            for result in ["success", "error"] {
                metrics.changes(action, result, 0);
            }
        }
        for operation in OPERATIONS {
            for result in ["success", "throttled", "error"] {
                let _ = self.calls.get_or_create(&CallLabels {
                    zone: zone.to_owned(),
                    operation,
                    result,
                });
            }
        }
        metrics
    }

    /// Whether a source is complete.
    pub fn source(&self, kind: SourceKind, complete: bool) {
        self.sources
            .get_or_create(&SourceLabels { source: kind.source() })
            .set(i64::from(complete));
    }

    /// All gauges of zones end: another replica leads now.
    pub fn clear_zones(&self) {
        self.records.clear();
        self.parked.clear();
        self.last_success.clear();
        self.info.clear();
        self.conditions.clear();
    }

    /// The sources that the installation enables start as incomplete.
    pub fn init_sources(&self, enabled: &[SourceKind]) {
        for kind in SourceKind::ALL.iter().filter(|kind| enabled.contains(kind)) {
            self.source(*kind, false);
        }
    }
}

/// One zone's series.
#[derive(Clone, Debug)]
pub struct ZoneMetrics {
    all: Metrics,
    zone: String,
}

impl ZoneMetrics {
    fn label(&self) -> ZoneLabels {
        ZoneLabels {
            zone: self.zone.clone(),
        }
    }

    /// Record sets in the order desired, owned, foreign, pending, conflicted, failed.
    pub fn records(&self, counts: [i64; 6], parked: usize) {
        for (state, count) in STATES.into_iter().zip(counts) {
            self.all
                .records
                .get_or_create(&RecordsLabels {
                    zone: self.zone.clone(),
                    state,
                })
                .set(count);
        }
        self.all
            .parked
            .get_or_create(&self.label())
            .set(i64::try_from(parked).unwrap_or(i64::MAX));
    }

    /// Counts changes: action create, update or delete; result success or error.
    pub fn changes(&self, action: &'static str, result: &'static str, number: u64) {
        self.all
            .changes
            .get_or_create(&ChangeLabels {
                zone: self.zone.clone(),
                action,
                result,
            })
            .inc_by(number);
    }

    /// The provider accepted something at `at`, seconds since 1970.
    pub fn success(&self, at: f64) {
        self.all.last_success.get_or_create(&self.label()).set(at);
    }

    /// Seconds from event to acceptance.
    pub fn latency(&self, seconds: f64) {
        self.all.latency.observe(seconds);
    }

    /// The zone as it is configured and its conditions (`True`, `False`, `Unknown`).
    pub fn describe(&self, domain: &str, policy: &'static str, conditions: &[(&'static str, &'static str)]) {
        for other in ["Observe", "CreateOnly", "UpsertOnly", "Sync"]
            .into_iter()
            .filter(|other| *other != policy)
        {
            self.all.info.remove(&InfoLabels {
                zone: self.zone.clone(),
                domain: domain.to_owned(),
                policy: other,
            });
        }
        self.all
            .info
            .get_or_create(&InfoLabels {
                zone: self.zone.clone(),
                domain: domain.to_owned(),
                policy,
            })
            .set(1);
        for (r#type, now) in conditions {
            for status in ["True", "False", "Unknown"] {
                let labels = ConditionLabels {
                    zone: self.zone.clone(),
                    r#type,
                    status,
                };
                self.all
                    .conditions
                    .get_or_create(&labels)
                    .set(i64::from(status == *now));
            }
        }
    }

    /// The zone was removed or is suspended: its gauges end.
    pub fn forget(&self, domain: &str) {
        for state in STATES {
            self.all.records.remove(&RecordsLabels {
                zone: self.zone.clone(),
                state,
            });
        }
        self.all.parked.remove(&self.label());
        self.all.last_success.remove(&self.label());
        for policy in ["Observe", "CreateOnly", "UpsertOnly", "Sync"] {
            self.all.info.remove(&InfoLabels {
                zone: self.zone.clone(),
                domain: domain.to_owned(),
                policy,
            });
        }
        for r#type in CONDITIONS {
            for status in ["True", "False", "Unknown"] {
                self.all.conditions.remove(&ConditionLabels {
                    zone: self.zone.clone(),
                    r#type,
                    status,
                });
            }
        }
    }

    /// For the provider's client.
    pub fn provider(&self) -> ProviderMetrics {
        ProviderMetrics {
            calls: self.all.calls.clone(),
            zone: self.zone.clone(),
        }
    }
}

/// Counts requests to the provider.
#[derive(Clone, Debug)]
pub struct ProviderMetrics {
    calls: Family<CallLabels, Counter>,
    zone: String,
}

impl ProviderMetrics {
    /// A request begins; `operation` is list, change or find.
    pub fn call(&self, operation: &'static str) -> ProviderCall {
        ProviderCall {
            metrics: self.clone(),
            operation,
            counted: false,
        }
    }
}

/// A request under way. Dropped without a result (leadership ended) it counts as an error.
#[derive(Debug)]
pub struct ProviderCall {
    metrics: ProviderMetrics,
    operation: &'static str,
    counted: bool,
}

impl ProviderCall {
    /// It worked.
    pub fn succeeded(self) {
        self.count("success");
    }

    /// Too many requests.
    pub fn throttled(self) {
        self.count("throttled");
    }

    /// Anything else.
    pub fn failed(self) {
        self.count("error");
    }

    fn count(mut self, result: &'static str) {
        self.counted = true;
        self.add(result);
    }

    fn add(&self, result: &'static str) {
        let labels = CallLabels {
            zone: self.metrics.zone.clone(),
            operation: self.operation,
            result,
        };
        self.metrics.calls.get_or_create(&labels).inc();
    }
}

impl Drop for ProviderCall {
    fn drop(&mut self) {
        if !self.counted {
            self.add("error");
        }
    }
}
