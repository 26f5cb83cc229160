//! The fake Route 53 with its own moto, for use by hand.

use std::net::SocketAddr;

use clap::Parser;
use hearth_e2e::fake_route53::{FakeRoute53, Moto, PROGRAM};

/// Serves Route 53 and STS until interrupted; `HEARTH_MOTO` names the `moto_server` to start.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A moto server that runs already; without it one is started.
    #[arg(long)]
    moto: Option<http::Uri>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let own = if arguments.moto.is_none() {
        Some(Moto::start().await?)
    } else {
        None
    };
    let Some(moto) = arguments.moto.or_else(|| own.as_ref().map(Moto::uri)) else {
        anyhow::bail!("neither --moto nor {PROGRAM}");
    };
    let strict = FakeRoute53::start(arguments.listen, moto).await?;
    println!("{}", strict.endpoint());
    // Ended by either signal, moto is ended with us.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
