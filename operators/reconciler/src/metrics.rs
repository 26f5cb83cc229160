//! Metrics with controller-runtime's names and labels (v0.25), so that existing dashboards and rules work.
//!
//! kube-runtime's queue cannot be seen from outside, so the `workqueue_*` metrics are left out rather than faked.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// controller-runtime's buckets of `controller_runtime_reconcile_time_seconds`.
const SECONDS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
];

type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

/// The metrics of the process. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    results: Family<Labels<2>, Counter>,
    errors: Family<Labels<1>, Counter>,
    seconds: Family<Labels<1>, Histogram>,
    active: Family<Labels<1>, Gauge>,
    master: Family<Labels<1>, Gauge>,
    requests: Family<Labels<3, String>, Counter>,
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// The shared metrics of an operator of this name.
    pub fn new(operator: &'static str) -> Self {
        let r = &mut Registry::default();
        // The encoder appends `_total` to counters and `_info` to infos.
        let labels = vec![("operator", operator), ("version", env!("CARGO_PKG_VERSION"))];
        r.register("hearth_build", "Which operator this is", Info::new(labels));
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        let name = "controller_runtime_reconcile_time_seconds";
        r.register(name, "Duration of reconciliations", seconds.clone());
        let requests = "Requests to the API server by status code (after the client's own retries), method and host";
        Self {
            results: add(r, "controller_runtime_reconcile", "Reconciliations by result"),
            errors: add(r, "controller_runtime_reconcile_errors", "Reconciliations that failed"),
            seconds,
            active: add(r, "controller_runtime_active_workers", "Reconciliations under way"),
            master: add(
                r,
                "leader_election_master_status",
                "1 while this process holds the lease",
            ),
            requests: add(r, "rest_client_requests", requests),
            registry: Arc::new(Mutex::new(std::mem::take(r))),
        }
    }

    /// Registers metrics or collectors of the operator; what the callback returns is returned.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.registry.lock())
    }

    /// All metrics as `OpenMetrics` text, see [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Only a collector can fail. Then the end (`# EOF`) is missing, and scrapers refuse the text.
        let _ = self.register(|registry| text::encode(&mut out, registry));
        out
    }

    /// The metrics of one controller. They begin at zero, so that `increase()` sees the first failure.
    pub(crate) fn controller(&self, controller: &'static str) -> Runs {
        let label = ("controller", controller);
        let result = |result| self.results.get_or_create_owned(&[label, ("result", result)]);
        // kube has no immediate requeue: this one stays 0.
        drop(result("requeue"));
        Runs {
            success: result("success"),
            requeue_after: result("requeue_after"),
            error: result("error"),
            errors: self.errors.get_or_create_owned(&[label]),
            seconds: self.seconds.get_or_create_owned(&[label]),
            active: self.active.get_or_create_owned(&[label]),
        }
    }

    /// Whether this process holds the lease of this name.
    pub(crate) fn leading(&self, name: &'static str, leading: bool) {
        self.master.get_or_create(&[("name", name)]).set(leading.into());
    }

    /// Sets the commonest requests to zero.
    pub(crate) fn host(&self, host: &str) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            for code in [Some(200), None] {
                drop(self.requests(method, host, code));
            }
        }
    }

    /// The counter of such requests; no code means no answer.
    pub(crate) fn requests(&self, method: &str, host: &str, code: Option<u16>) -> Counter {
        // client-go's word for requests that got no answer.
        let code = code.map_or("<error>".to_owned(), |code| code.to_string());
        let labels = [("code", code), ("method", method.to_owned()), ("host", host.to_owned())];
        self.requests.get_or_create_owned(&labels)
    }
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// The metrics of one controller; how a reconciliation ended is counted by who knows it.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    pub(crate) success: Counter,
    pub(crate) requeue_after: Counter,
    pub(crate) error: Counter,
    pub(crate) errors: Counter,
    seconds: Histogram,
    active: Gauge,
}

impl Runs {
    /// A reconciliation begins. What is returned measures it when dropped, be it finished or cancelled.
    pub(crate) fn begin(&self) -> Run {
        self.active.inc();
        Run(self.clone(), Instant::now())
    }
}

pub(crate) struct Run(Runs, Instant);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.seconds.observe(self.1.elapsed().as_secs_f64());
        self.0.active.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.text().lines().any(|l| l == line)
    }

    #[test]
    fn all_label_sets_of_a_controller_are_there_from_the_start() {
        let metrics = Metrics::new("dns-sync");
        metrics.controller("dnszone");
        metrics.leading("dns-sync", false);
        metrics.host("10.0.0.1:443");
        for line in [
            r#"controller_runtime_reconcile_total{controller="dnszone",result="success"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="error"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="requeue"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="requeue_after"} 0"#,
            r#"controller_runtime_reconcile_errors_total{controller="dnszone"} 0"#,
            r#"controller_runtime_reconcile_time_seconds_count{controller="dnszone"} 0"#,
            r#"controller_runtime_active_workers{controller="dnszone"} 0"#,
            r#"leader_election_master_status{name="dns-sync"} 0"#,
            r#"rest_client_requests_total{code="<error>",method="PATCH",host="10.0.0.1:443"} 0"#,
            concat!(
                r#"hearth_build_info{operator="dns-sync",version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""} 1"#
            ),
        ] {
            assert!(has(&metrics, line), "{line} is not in\n{}", metrics.text());
        }
        assert!(metrics.text().ends_with("# EOF\n"));
    }

    #[test]
    fn a_run_is_measured_even_when_it_is_cancelled() {
        let metrics = Metrics::new("x");
        let runs = metrics.controller("thing");
        let run = runs.begin();
        assert!(has(
            &metrics,
            r#"controller_runtime_active_workers{controller="thing"} 1"#
        ));
        drop(run);
        assert!(has(
            &metrics,
            r#"controller_runtime_active_workers{controller="thing"} 0"#
        ));
        assert!(has(
            &metrics,
            r#"controller_runtime_reconcile_time_seconds_count{controller="thing"} 1"#
        ));
    }

    #[test]
    fn operators_add_their_own_metrics() {
        let metrics = Metrics::new("x");
        let counter = metrics.register(|registry| {
            let counter: Counter = Counter::default();
            registry.register("hearth_x_things", "Things", counter.clone());
            counter
        });
        counter.inc();
        assert!(has(&metrics, "hearth_x_things_total 1"));
    }
}
