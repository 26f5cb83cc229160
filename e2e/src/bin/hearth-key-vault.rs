//! The fake Key Vault as a program beside the cluster, so that operators in pods reach it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use hearth_e2e::fake_key_vault::{Application, FakeKeyVault, Options};

/// Serves vaults and Entra over TLS until interrupted. Prints one line of JSON: where it listens, and where it is controlled.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where vaults and Entra listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the control port listens, without TLS.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// A name or address by which it is reached; each is a vault of its own. May be repeated.
    #[arg(long = "host", default_value = "127.0.0.1")]
    hosts: Vec<String>,
    /// The tenant of the vaults and of the service principal.
    #[arg(long)]
    tenant: String,
    /// The service principal.
    #[arg(long)]
    client_id: String,
    /// Its secret.
    #[arg(long)]
    client_secret: String,
    /// For what tokens are.
    #[arg(long, default_value = "https://vault.azure.net")]
    resource: String,
    /// Where to write the certificate that clients must trust, as PEM.
    #[arg(long)]
    ca_file: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        listen: arguments.listen,
        control: Some(arguments.control),
        hosts: arguments.hosts,
        application: Application {
            tenant: arguments.tenant,
            client_id: arguments.client_id,
            secrets: vec![arguments.client_secret],
            expired_secrets: Vec::new(),
        },
        resource: arguments.resource,
    };
    let fake = FakeKeyVault::start(options).await?;
    std::fs::write(&arguments.ca_file, fake.ca())?;
    let control = fake.control_addr().map(|address| address.to_string());
    println!(
        "{}",
        serde_json::json!({ "listen": fake.addr().to_string(), "control": control })
    );
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
