//! From arguments to a running process, and to its end.

use std::{io, process::ExitCode, time::Duration};

use http::{HeaderValue, header::USER_AGENT};
use kube::{Client, Config, client::ClientBuilder};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    args::{Args, LogFormat},
    backoff,
    clock::Clock,
    events::Events,
    health::{Gate, Health},
    lease::{self, Leadership},
    metrics::Metrics,
    request::RequestLayer,
    server,
    shutdown::Shutdown,
};

/// How long events may take at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// A running process: what `main` hands to its controllers.
pub struct Process {
    /// The operator's client: requests are counted, and end when the server stalls.
    pub client: Client,
    /// The metrics behind /metrics.
    pub metrics: Metrics,
    /// What /readyz and /livez say.
    pub health: Health,
    /// Says when to end.
    pub shutdown: Shutdown,
    /// Says whether this process may act.
    pub leadership: Leadership,
    /// Publishes events.
    pub events: Events,
    /// The arguments.
    pub args: Args,
    pub(crate) election: Option<lease::Running>,
}

/// Why a process could not start. An API server that is away is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `--log-level` cannot be read.
    #[error("--log-level is not understood: {0}")]
    LogLevel(#[from] tracing_subscriber::filter::ParseError),
    /// Neither a service account nor a kubeconfig.
    #[error("no way to the Kubernetes API is configured: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The client cannot be built, for example from a broken certificate.
    #[error("the Kubernetes client cannot be built: {0}")]
    Client(#[from] kube::Error),
    /// The admin server's address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// `--listen`.
        address: std::net::SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Signal handlers cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
}

/// Starts the process: logs, client, admin server, election, signals. `operator` is the name in metrics, events, the
/// lease and the User-Agent. Call it once, first, within [`block_on`].
///
/// The API server is not asked before this returns. While it is away, the process is live, not ready, and waits.
pub async fn start(operator: &'static str, args: Args) -> Result<Process, StartError> {
    log(&args)?;
    tracing::info!(
        operator,
        version = env!("CARGO_PKG_VERSION"),
        namespace = args.namespace,
        "starting"
    );
    let shutdown = Shutdown::on_signals().map_err(StartError::Signals)?;
    let (metrics, health) = (Metrics::new(operator), Health::default());
    let listener = server::bind(args.listen).await.map_err(|source| StartError::Listen {
        address: args.listen,
        source,
    })?;
    tokio::spawn(server::serve(listener, metrics.clone(), health.clone()));

    let mut config = Config::infer().await?;
    if let Ok(agent) = HeaderValue::try_from(format!("hearth-{operator}/{}", env!("CARGO_PKG_VERSION"))) {
        config.headers.push((USER_AGENT, agent));
    }
    let layer = RequestLayer::new(metrics.clone(), &config.cluster_url);
    let client = ClientBuilder::try_from(config.clone())?.with_layer(&layer).build();
    tokio::spawn(contact(client.clone(), health.gate("the API server")));

    let (leadership, election) = if args.leader_elect {
        let (leadership, running) = lease::start(lease::Election {
            client: lease::client(config)?,
            namespace: args.namespace.clone(),
            name: operator.to_owned(),
            identity: lease::identity(&args.pod_name),
            clock: Clock::boot(),
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
        election,
    })
}

impl Process {
    /// The graceful end, after the controllers have stopped: gives the lease back and sends the last events.
    pub async fn finish(self) {
        self.shutdown.trigger();
        if let Some(election) = self.election {
            election.release().await;
        }
        self.events.flush(FLUSH).await;
        tracing::info!("ended");
    }
}

/// Runs a program's main future on a single thread: reconciling waits for networks, and one thread is the least memory.
/// The error is printed with its sources.
pub fn block_on<E: std::error::Error>(main: impl Future<Output = Result<(), E>>) -> ExitCode {
    let result = match runtime() {
        Ok(runtime) => runtime.block_on(main).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logs may not be set up; standard error always is.
            let _ = io::Write::write_all(&mut io::stderr(), format!("error: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// The runtime of [`block_on`]: one thread, few more for name resolution and files.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
}

/// Opens the gate when the API server has answered once.
async fn contact(client: Client, gate: Gate) {
    for failures in 1.. {
        match client.apiserver_version().await {
            Ok(version) => {
                tracing::info!(version = version.git_version, "the API server answers");
                return gate.open();
            }
            Err(error) if failures == 1 => tracing::warn!(%error, "the API server does not answer; waiting for it"),
            Err(error) => tracing::debug!(%error, failures, "the API server does not answer"),
        }
        tokio::time::sleep(backoff::delay(failures, fastrand::f64()).min(Duration::from_secs(15))).await;
    }
}

fn log(args: &Args) -> Result<(), StartError> {
    let filter = EnvFilter::builder().parse(directives(&args.log_level))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // An error means that a subscriber is set already, as in tests: it stays.
    let _ = match args.log_format {
        LogFormat::Text => registry
            .with(layer.with_ansi(io::IsTerminal::is_terminal(&io::stderr())))
            .try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
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
