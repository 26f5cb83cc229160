//! From arguments to a running process, and to its end.

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use http::header::USER_AGENT;
use kube::{Api, Client, Config, client::ClientBuilder};
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::admin_server;
use crate::args::{Args, LogFormat};
use crate::client_metrics;
use crate::error::chain;
use crate::events::Events;
use crate::health::Health;
use crate::lease::{self, Leadership};
use crate::metrics::Metrics;

/// How long events may take at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// A running process: what `main` hands to its controllers and keeps in their context. Clones are handles of the same process.
#[derive(Clone)]
pub struct Process {
    /// The operator's client: requests are counted, and end when the server stalls.
    pub client: Client,
    /// The metrics behind /metrics.
    pub metrics: Metrics,
    /// What /readyz and /livez say.
    pub health: Health,
    /// Says when to end.
    pub shutdown: CancellationToken,
    /// Says whether this process may act.
    pub leadership: Leadership,
    /// Publishes events.
    pub events: Events,
    /// The arguments.
    pub args: Args,
    pub(crate) election: Arc<Mutex<Option<lease::Running>>>,
    pub(crate) config: Arc<Config>,
}

/// Starts the process: logs, client, admin server, election, signals. `operator` is the name in metrics, events, the
/// lease and the User-Agent. Call it once, first, within [`block_on`].
///
/// The API server is not asked before this returns. While it is away, the process is live, not ready, and waits. Fails on
/// a log level that is not understood, a broken configuration or certificate of the client, and an address that is taken.
pub async fn start(operator: &'static str, args: Args) -> anyhow::Result<Process> {
    log(args.log_format, &args.log_level)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(operator, version, namespace = args.namespace, "starting");
    let shutdown = end_on_signals()?;
    let (metrics, health) = (Metrics::new(operator), Health::default());
    let listener = admin_server::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    tokio::spawn(admin_server::serve(listener, metrics.clone(), health.clone()));

    let config = Config::infer().await;
    let mut config = config.context("no way to the Kubernetes API is configured")?;
    let agent = format!("hearth-{operator}/{version}");
    config.headers.push((USER_AGENT, agent.try_into()?));
    let layer = client_metrics::watched(metrics.clone(), &config.cluster_url, health.gate("the API server"));
    let client = ClientBuilder::try_from(config.clone()).context("the Kubernetes client cannot be built")?;
    let client = client.with_layer(&layer).build();

    let (leadership, election) = if args.leader_elect {
        let (leadership, running) = lease::start(lease::Election {
            api: Api::namespaced(lease::client(config.clone())?, &args.namespace),
            name: operator,
            pod: args.pod_name.clone(),
            clock: lease::boot_clock(),
            metrics: metrics.clone(),
            heartbeat: health.heartbeat("lease", lease::MAX_SILENCE),
        });
        (leadership, Some(running))
    } else {
        metrics.leading(operator, true);
        (Leadership::always(), None)
    };
    let events = Events::new(client.clone(), operator, &args.pod_name);
    Ok(Process {
        client,
        metrics,
        health,
        shutdown,
        leadership,
        events,
        args,
        election: Arc::new(Mutex::new(election)),
        config: Arc::new(config),
    })
}

impl Process {
    /// A client that does not retry. [`Process::client`] retries for minutes what is refused with 429, which is the answer
    /// to an eviction that a budget forbids. Its requests are not counted, and end when the caller says so.
    pub fn client_without_retries(&self) -> anyhow::Result<Client> {
        let mut config = Config::clone(&self.config);
        config.default_retry = false;
        Client::try_from(config).context("the Kubernetes client cannot be built")
    }

    /// The graceful end, after the controllers have stopped: gives the lease back and sends the last events.
    pub async fn finish(self) {
        self.shutdown.cancel();
        let election = self.election.lock().take();
        if let Some(election) = election {
            election.release().await;
        }
        self.events.flush(FLUSH).await;
        tracing::info!("ended");
    }
}

/// Runs a program's main future on a single thread: reconciling waits for networks, and one thread is the least memory
/// (few more are for name resolution and files). The error is printed with its sources.
pub fn block_on(main: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(4).build();
    let runtime = runtime.context("the system does not let it start");
    match runtime.and_then(|runtime| runtime.block_on(main)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logs may not be set up; standard error always is.
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// A token that SIGTERM and SIGINT cancel.
fn end_on_signals() -> io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = CancellationToken::new();
    let ending = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        tracing::info!(signal = name, "ending");
        ending.cancel();
    });
    Ok(shutdown)
}

/// Starts logging to standard error: of an operator, or of a command that runs on its own.
pub fn log(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(directives(level));
    let filter = filter.context("--log-level is not understood")?;
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = match format {
        LogFormat::Text => layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // An error means that a subscriber is set already, as in tests: it stays.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Ok(())
}

/// A bare level gets directives that silence what kube logs at each retry; we tell the same once, with a reason.
fn directives(level: &str) -> String {
    if level.contains(['=', ',']) || !["error", "warn", "info"].contains(&level.to_ascii_lowercase().as_str()) {
        return level.to_owned();
    }
    format!("{level},kube_client=off,kube_runtime=off,tower_http=off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_silences_the_libraries_and_directives_are_taken_as_they_are() {
        assert_eq!(
            directives("info"),
            "info,kube_client=off,kube_runtime=off,tower_http=off"
        );
        assert_eq!(directives("debug"), "debug");
        assert_eq!(directives("warn,kube_client=debug"), "warn,kube_client=debug");
        for text in ["info", "debug", "warn,kube_client=debug"] {
            assert!(EnvFilter::builder().parse(directives(text)).is_ok());
        }
        assert!(EnvFilter::builder().parse("a=b=c").is_err());
    }
}
