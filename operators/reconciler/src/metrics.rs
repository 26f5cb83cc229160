//! Metrics with controller-runtime's names and labels (v0.25), so that existing dashboards and rules work.
//!
//! kube-runtime's queue cannot be seen from outside, so the `workqueue_*` metrics are left out rather than faked.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// controller-runtime's buckets of `controller_runtime_reconcile_time_seconds`.
const SECONDS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5,
    1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
];

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

fn of(controller: &'static str) -> Labels<1> {
    [("controller", controller.into())]
}

fn result_of(controller: &'static str, outcome: Outcome) -> Labels<2> {
    [("controller", controller.into()), ("result", outcome.as_str().into())]
}

fn request(code: Option<u16>, method: &str, host: &str) -> Labels<3> {
    // client-go's word for requests that got no answer.
    let code = code.map_or(Cow::from("<error>"), |code| code.to_string().into());
    [
        ("code", code),
        ("method", method.to_owned().into()),
        ("host", host.to_owned().into()),
    ]
}

/// The metrics of the process. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    results: Family<Labels<2>, Counter>,
    errors: Family<Labels<1>, Counter>,
    terminal: Family<Labels<1>, Counter>,
    panics: Family<Labels<1>, Counter>,
    seconds: Family<Labels<1>, Histogram>,
    active: Family<Labels<1>, Gauge>,
    most: Family<Labels<1>, Gauge>,
    master: Family<Labels<1>, Gauge>,
    requests: Family<Labels<3>, Counter>,
}

impl Metrics {
    /// The shared metrics of an operator of this name.
    pub fn new(operator: &'static str) -> Self {
        let inner = Inner {
            registry: Mutex::default(),
            results: Family::default(),
            errors: Family::default(),
            terminal: Family::default(),
            panics: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            active: Family::default(),
            most: Family::default(),
            master: Family::default(),
            requests: Family::default(),
        };
        let metrics = Self(Arc::new(inner));
        let m = &metrics.0;
        // The encoder appends `_total` to counters and `_info` to infos.
        metrics.register(|r| {
            r.register(
                "controller_runtime_reconcile",
                "Reconciliations by controller and result",
                m.results.clone(),
            );
            r.register(
                "controller_runtime_reconcile_errors",
                "Reconciliations that failed",
                m.errors.clone(),
            );
            r.register(
                "controller_runtime_terminal_reconcile_errors",
                "Reconciliations that failed and are not tried again before something changes",
                m.terminal.clone(),
            );
            r.register(
                "controller_runtime_reconcile_panics",
                "Reconciliations that panicked",
                m.panics.clone(),
            );
            r.register(
                "controller_runtime_reconcile_time_seconds",
                "Duration of reconciliations",
                m.seconds.clone(),
            );
            r.register(
                "controller_runtime_active_workers",
                "Reconciliations under way",
                m.active.clone(),
            );
            r.register(
                "controller_runtime_max_concurrent_reconciles",
                "Limit of active workers",
                m.most.clone(),
            );
            r.register(
                "leader_election_master_status",
                "1 while this process holds the lease",
                m.master.clone(),
            );
            r.register(
                "rest_client_requests",
                "Requests to the API server by status code (after the client's own retries), method and host",
                m.requests.clone(),
            );
            let labels = vec![("operator", operator), ("version", env!("CARGO_PKG_VERSION"))];
            r.register("hearth_build", "Which operator this is", Info::new(labels));
        });
        metrics
    }

    /// Registers metrics or collectors of the operator; what the callback returns is returned.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.0.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All metrics as `OpenMetrics` text, see [`CONTENT_TYPE`]. Fails only if a collector does.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(
            &mut out,
            &self.0.registry.lock().unwrap_or_else(PoisonError::into_inner),
        )?;
        Ok(out)
    }

    /// Sets all label sets of one controller to zero, so that `increase()` sees the first failure.
    pub(crate) fn controller(&self, controller: &'static str, concurrency: u16) -> Runs {
        let m = &self.0;
        for result in [
            Outcome::Success,
            Outcome::Error,
            Outcome::Requeue,
            Outcome::RequeueAfter,
        ] {
            drop(m.results.get_or_create(&result_of(controller, result)));
        }
        let label = of(controller);
        for family in [&m.errors, &m.terminal, &m.panics] {
            drop(family.get_or_create(&label));
        }
        drop(m.seconds.get_or_create(&label));
        drop(m.active.get_or_create(&label));
        m.most.get_or_create(&label).set(concurrency.into());
        Runs {
            metrics: self.clone(),
            controller,
        }
    }

    /// Whether this process holds the lease of this name.
    pub(crate) fn leading(&self, name: &str, leading: bool) {
        self.0
            .master
            .get_or_create(&[("name", name.to_owned().into())])
            .set(leading.into());
    }

    /// Sets the commonest requests to zero.
    pub(crate) fn host(&self, host: &str) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            for code in [Some(200), None] {
                drop(self.0.requests.get_or_create(&request(code, method, host)));
            }
        }
    }

    /// Counts a request; no code means no answer.
    pub(crate) fn requested(&self, method: &str, host: &str, code: Option<u16>) {
        self.0.requests.get_or_create(&request(code, method, host)).inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// How a reconciliation ended, in controller-runtime's words. kube has no immediate requeue, so `Requeue` stays 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Error,
    Requeue,
    RequeueAfter,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
        }
    }
}

/// The metrics of one controller.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    metrics: Metrics,
    controller: &'static str,
}

impl Runs {
    /// A reconciliation begins. What is returned measures it when dropped, be it finished or cancelled.
    pub(crate) fn begin(&self) -> Run {
        self.metrics.0.active.get_or_create(&self.label()).inc();
        Run {
            runs: self.clone(),
            begun: Instant::now(),
        }
    }

    /// A reconciliation ended.
    pub(crate) fn end(&self, outcome: Outcome, terminal: bool) {
        let m = &self.metrics.0;
        m.results.get_or_create(&result_of(self.controller, outcome)).inc();
        if outcome == Outcome::Error {
            m.errors.get_or_create(&self.label()).inc();
        }
        if terminal {
            m.terminal.get_or_create(&self.label()).inc();
        }
    }

    /// A reconciliation panicked.
    pub(crate) fn panicked(&self) {
        self.metrics.0.panics.get_or_create(&self.label()).inc();
    }

    fn label(&self) -> Labels<1> {
        of(self.controller)
    }
}

pub(crate) struct Run {
    runs: Runs,
    begun: Instant,
}

impl Drop for Run {
    fn drop(&mut self) {
        let m = &self.runs.metrics.0;
        m.seconds
            .get_or_create(&self.runs.label())
            .observe(self.begun.elapsed().as_secs_f64());
        m.active.get_or_create(&self.runs.label()).dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(metrics: &Metrics, line: &str) -> bool {
        metrics.text().unwrap().lines().any(|l| l == line)
    }

    #[test]
    fn all_label_sets_of_a_controller_are_there_from_the_start() {
        let metrics = Metrics::new("dns-sync");
        metrics.controller("dnszone", 4);
        metrics.leading("dns-sync", false);
        metrics.host("10.0.0.1:443");
        for line in [
            r#"controller_runtime_reconcile_total{controller="dnszone",result="success"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="error"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="requeue"} 0"#,
            r#"controller_runtime_reconcile_total{controller="dnszone",result="requeue_after"} 0"#,
            r#"controller_runtime_reconcile_errors_total{controller="dnszone"} 0"#,
            r#"controller_runtime_terminal_reconcile_errors_total{controller="dnszone"} 0"#,
            r#"controller_runtime_reconcile_panics_total{controller="dnszone"} 0"#,
            r#"controller_runtime_reconcile_time_seconds_count{controller="dnszone"} 0"#,
            r#"controller_runtime_active_workers{controller="dnszone"} 0"#,
            r#"controller_runtime_max_concurrent_reconciles{controller="dnszone"} 4"#,
            r#"leader_election_master_status{name="dns-sync"} 0"#,
            r#"rest_client_requests_total{code="<error>",method="PATCH",host="10.0.0.1:443"} 0"#,
            concat!(
                r#"hearth_build_info{operator="dns-sync",version=""#,
                env!("CARGO_PKG_VERSION"),
                r#""} 1"#
            ),
        ] {
            assert!(has(&metrics, line), "{line} is not in\n{}", metrics.text().unwrap());
        }
        assert!(metrics.text().unwrap().ends_with("# EOF\n"));
    }

    #[test]
    fn a_run_is_measured_even_when_it_is_cancelled() {
        let metrics = Metrics::new("x");
        let runs = metrics.controller("thing", 1);
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
