//! `hearth_secret_…`: what can be seen of sources and SecretSyncs. docs/observability.md lists them.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// All of the operator's own metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    source_conditions: Family<SourceCondition, Gauge>,
    calls: Family<CallLabels, Counter>,
    client_secret_expires: Family<SourceLabels, Gauge<f64, AtomicU64>>,
    syncs: Family<StateLabels, Gauge>,
    stale_since: Family<SyncLabels, Gauge<f64, AtomicU64>>,
    refresh: Family<SyncLabels, Gauge<f64, AtomicU64>>,
    conflicts: Family<SyncLabels, Gauge>,
    certificate_expires: Family<SyncLabels, Gauge<f64, AtomicU64>>,
    orphans_held: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SourceCondition {
    source: String,
    r#type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    source: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SyncLabels {
    // `namespace` is that of the scraped pod.
    object_namespace: String,
    sync: String,
}

impl SyncLabels {
    fn new(namespace: &str, name: &str) -> Self {
        Self {
            object_namespace: namespace.to_owned(),
            sync: name.to_owned(),
        }
    }
}

/// What is shown of one SecretSync: series exist only while something is to be said, so that thousands of healthy ones cost
/// nothing.
#[derive(Debug, Clone, Default)]
pub struct SyncState {
    /// Since when it is not fresh, in seconds since 1970, and how often it is read, in seconds.
    pub stale: Option<(f64, f64)>,
    /// The Secret belongs to somebody else.
    pub conflict: bool,
    /// When its certificate ends, in seconds since 1970.
    pub certificate_expires: Option<f64>,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let all = metrics.clone();
        registry.register(
            "hearth_secret_source_condition",
            "Conditions of sources: 1 if True, 0 if not",
            all.source_conditions,
        );
        registry.register(
            "hearth_secret_provider_reads",
            "Reads of objects at the provider by result",
            all.calls,
        );
        registry.register(
            "hearth_secret_client_secret_expires_timestamp_seconds",
            "When the client secret of a source expires, by its spec",
            all.client_secret_expires,
        );
        registry.register("hearth_secret_syncs", "SecretSyncs by state", all.syncs);
        registry.register(
            "hearth_secret_sync_stale_since_timestamp_seconds",
            "Since when a SecretSync is not fresh; only while it is not",
            all.stale_since,
        );
        registry.register(
            "hearth_secret_sync_refresh_seconds",
            "How often a SecretSync is read; only while it is not fresh",
            all.refresh,
        );
        registry.register(
            "hearth_secret_sync_conflict",
            "1 while the Secret of a SecretSync belongs to somebody else",
            all.conflicts,
        );
        registry.register(
            "hearth_secret_certificate_expires_timestamp_seconds",
            "When a certificate in a Secret ends",
            all.certificate_expires,
        );
        registry.register(
            "hearth_secret_orphans_held",
            "Secrets whose SecretSync is gone and that are not deleted",
            all.orphans_held,
        );
        metrics
    }

    /// Another replica leads and has these series: two that differ would keep alerts firing.
    pub fn clear(&self) {
        self.source_conditions.clear();
        self.client_secret_expires.clear();
        self.syncs.clear();
        self.stale_since.clear();
        self.refresh.clear();
        self.conflicts.clear();
        self.certificate_expires.clear();
        self.orphans_held.set(0);
    }

    /// A condition of a source: Ready, Reachable, or `LoggedIn`, which is false while logins are refused.
    /// None: nobody knows, and the series goes.
    pub fn source_condition(&self, source: &str, type_: &'static str, is_true: Option<bool>) {
        let labels = SourceCondition {
            source: source.to_owned(),
            r#type: type_,
        };
        match is_true {
            Some(is_true) => {
                self.source_conditions.get_or_create(&labels).set(is_true.into());
            }
            None => {
                self.source_conditions.remove(&labels);
            }
        }
    }

    /// When the client secret of a source expires.
    pub fn client_secret_expires(&self, source: &str, seconds: Option<f64>) {
        let labels = SourceLabels {
            source: source.to_owned(),
        };
        match seconds {
            Some(seconds) => {
                self.client_secret_expires.get_or_create(&labels).set(seconds);
            }
            None => {
                self.client_secret_expires.remove(&labels);
            }
        }
    }

    /// A read of an object at the provider.
    pub fn read(&self, source: &str, result: &'static str) {
        let labels = CallLabels {
            source: source.to_owned(),
            result,
        };
        self.calls.get_or_create(&labels).inc();
    }

    /// Nothing more is said of this source.
    pub fn forget_source(&self, source: &str) {
        for type_ in ["Ready", "Reachable", "LoggedIn"] {
            self.source_condition(source, type_, None);
        }
        self.client_secret_expires(source, None);
    }

    /// The state of one SecretSync.
    pub fn sync(&self, namespace: &str, name: &str, state: &SyncState) {
        let labels = SyncLabels::new(namespace, name);
        if let Some((since, refresh)) = state.stale {
            self.stale_since.get_or_create(&labels).set(since);
            self.refresh.get_or_create(&labels).set(refresh);
        } else {
            self.stale_since.remove(&labels);
            self.refresh.remove(&labels);
        }
        if state.conflict {
            self.conflicts.get_or_create(&labels).set(1);
        } else {
            self.conflicts.remove(&labels);
        }
        match state.certificate_expires {
            Some(seconds) => {
                self.certificate_expires.get_or_create(&labels).set(seconds);
            }
            None => {
                self.certificate_expires.remove(&labels);
            }
        }
    }

    /// How many SecretSyncs there are, how many are ready, and how many fresh.
    pub fn syncs(&self, all: usize, ready: usize, fresh: usize) {
        for (state, count) in [("all", all), ("ready", ready), ("fresh", fresh)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.syncs.get_or_create(&StateLabels { state }).set(count);
        }
    }

    /// How many Secrets without a SecretSync are not deleted.
    pub fn orphans_held(&self, held: usize) {
        self.orphans_held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }
}
