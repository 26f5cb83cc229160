//! For tests: a scripted API server, a fault layer for clients, a process without a cluster, the CRD snapshot check.
#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test helper reports by panicking"
)]

mod crd;
pub mod faults;
pub mod script;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use kube::Client;
use tokio_util::sync::CancellationToken;

pub use self::crd::{assert_crd, assert_crds, problems};
use crate::{
    args::{Args, LogFormat},
    events::Events,
    health::Health,
    lease::{Held, Leadership, boot_clock},
    metrics::Metrics,
    start::Process,
};

/// Processor time of this thread so far, for tests that look for a quadratic cost: a busy machine does not change it.
pub fn thread_cpu_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.try_into().unwrap_or_default()
}

/// A process around any client, always leading: what [`crate::start::start`] returns, without sockets and signals.
/// Events go to the same client; [`Process::client_without_retries`] reaches nobody. Needs a Tokio runtime.
pub fn process(client: Client) -> Process {
    Process {
        events: Events::new(client.clone(), "test", "test-0"),
        client,
        metrics: Metrics::new("test"),
        health: Health::default(),
        shutdown: CancellationToken::new(),
        leadership: Leadership::always(),
        args: args(),
        election: Arc::default(),
        config: Arc::new(kube::Config::new(http::Uri::from_static("http://127.0.0.1:1"))),
    }
}

/// Arguments with the defaults, in the namespace `hearth`.
pub fn args() -> Args {
    Args {
        log_format: LogFormat::Text,
        log_level: "info".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        namespace: "hearth".to_owned(),
        pod_name: "test-0".to_owned(),
        watch_namespaces: Vec::new(),
        leader_elect: false,
        concurrency: 4,
    }
}

/// Leadership that a test gives and takes.
#[derive(Debug)]
pub struct TestLeadership {
    sender: tokio::sync::watch::Sender<Option<Held>>,
    number: u64,
}

impl TestLeadership {
    /// Nobody leads.
    pub fn empty() -> (Self, Leadership) {
        let (sender, receiver) = tokio::sync::watch::channel(None);
        (Self { sender, number: 0 }, Leadership::of(boot_clock(), receiver))
    }

    /// A new term begins.
    pub fn give(&mut self) {
        self.take();
        self.number += 1;
        self.sender.send_replace(Some(Held {
            until: Duration::MAX,
            number: self.number,
            since: Duration::from_secs(self.number),
            former_renewal: None,
        }));
    }

    /// The term ends.
    pub fn take(&mut self) {
        self.sender.send_replace(None);
    }
}
