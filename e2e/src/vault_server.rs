//! Servers of `OpenBao` or `HashiCorp` Vault as child processes: in dev mode, or with data on disk and TLS.
//!
//! The program of `OpenBao` is an unofficial repackaging (`hack/tools/openbao`), so as root both run as `nobody`, without our
//! environment.
mod api;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

pub use self::api::Api;
use crate::server::Server;
use crate::server_home::ServerHome;

/// The token of dev servers that may do everything.
const ROOT: &str = "root";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PATIENCE: Duration = Duration::from_mins(1);

/// Whose server it is. The Vault client must work with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// `OpenBao`, from `hack/tools/openbao`.
    OpenBao,
    /// `HashiCorp` Vault, from `hack/tools/vault`.
    Vault,
}

impl Product {
    const ALL: [Self; 2] = [Self::OpenBao, Self::Vault];

    /// The variable that names the program.
    fn variable(self) -> &'static str {
        match self {
            Self::OpenBao => "HEARTH_OPENBAO",
            Self::Vault => "HEARTH_VAULT",
        }
    }

    /// The product whose program the environment names. Both would leave open which one the tests have shown to work.
    fn of_environment() -> Result<Self> {
        match Self::ALL.map(|product| std::env::var_os(product.variable()).map(|_| product)) {
            [Some(one), None] | [None, Some(one)] => Ok(one),
            [Some(_), Some(_)] => bail!("HEARTH_OPENBAO and HEARTH_VAULT are both set: set one of them"),
            [None, None] => bail!(
                "neither HEARTH_OPENBAO nor HEARTH_VAULT is set: one names the program that `cargo xtask cluster tool bao`, or `vault`, prints"
            ),
        }
    }
}

/// The folder of a server, and whose it is.
#[derive(Debug)]
struct Home {
    folder: ServerHome,
    product: Product,
}

impl Home {
    fn new() -> Result<Self> {
        let product = Product::of_environment()?;
        let folder = ServerHome::new(product.variable(), "the program of the server")?;
        Ok(Self { folder, product })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = self.folder.command();
        command.arg("server");
        command
    }
}

/// A certificate with its key and the authority's certificate, each as PEM.
#[derive(Debug)]
pub struct Certificate {
    /// For one address.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// What clients must trust.
    pub ca: String,
}

/// A server in dev mode: unsealed, in memory, with KV v2 at `secret`. Dropping it kills it.
#[derive(Debug)]
pub struct DevServer {
    api: Api,
    _server: Server,
    home: Home,
}

impl DevServer {
    /// Starts the program that the environment names on a free port of the loopback address, and waits until it is healthy.
    pub async fn start() -> Result<Self> {
        Self::start_on(LOOPBACK).await
    }

    /// As [`DevServer::start`], on another address of this machine, which pods reach.
    pub async fn start_on(address: IpAddr) -> Result<Self> {
        let home = Home::new()?;
        let server = Server::start_on(home.folder.program(), (address, 0).into(), |address| {
            let mut command = home.command();
            command.args(["-dev", "-dev-no-store-token"]);
            command.arg(format!("-dev-root-token-id={ROOT}"));
            command.arg(format!("-dev-listen-address={address}"));
            command
        })
        .await?;
        let api = Api::new(server.uri().to_string().trim_end_matches('/').to_owned(), ROOT, None)?;
        api.until_healthy().await?;
        // The mount of KV v2 is upgraded after the start.
        let end = Instant::now() + PATIENCE;
        while api.call("GET", "secret/config", &Value::Null).await?.0 != 200 && Instant::now() < end {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            api,
            _server: server,
            home,
        })
    }

    /// Its API, with the root token.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// A certificate for an address, from an authority that is made here. Once for each server.
    pub async fn issue_certificate(&self, address: IpAddr) -> Result<Certificate> {
        let api = self.api();
        api.post("sys/mounts/pki", json!({ "type": "pki" })).await?;
        let root = json!({ "common_name": "Hearth tests", "ttl": "24h" });
        api.post("pki/root/generate/internal", root).await?;
        let role = json!({ "allow_any_name": true, "allow_ip_sans": true, "key_type": "ec", "key_bits": 256 });
        api.post("pki/roles/server", role).await?;
        let request = json!({ "common_name": "localhost", "ip_sans": address, "ttl": "12h" });
        let issued = api.post("pki/issue/server", request).await?;
        let part = |name: &str| {
            let text = issued["data"][name].as_str();
            text.map(str::to_owned)
                .with_context(|| format!("a certificate without {name}"))
        };
        Ok(Certificate {
            certificate: part("certificate")?,
            key: part("private_key")?,
            ca: part("issuing_ca")?,
        })
    }

    /// Whose server it is.
    pub fn product(&self) -> Product {
        self.home.product
    }
}

/// A server with its data on disk, which can be sealed, restarted and wiped, and speaks TLS.
#[derive(Debug)]
pub struct DiskServer {
    home: Home,
    server: Option<Server>,
    /// The port is 0 before the first start.
    address: SocketAddr,
    /// For other nodes, of which there are none.
    cluster_port: u16,
    ca: Vec<u8>,
    unseal_key: String,
    token: String,
}

impl DiskServer {
    /// Starts it on a free port of the loopback address, initialized and unsealed. Its certificate is from an authority of a
    /// server in dev mode, which ends again.
    pub async fn start() -> Result<Self> {
        Self::start_on(LOOPBACK).await
    }

    /// As [`DiskServer::start`], on another address of this machine, which pods reach.
    pub async fn start_on(address: IpAddr) -> Result<Self> {
        let home = Home::new()?;
        let ca = certificates(&home.folder, address).await?;
        let mut this = Self {
            home,
            server: None,
            address: (address, 0).into(),
            cluster_port: free_port()?,
            ca,
            unseal_key: String::new(),
            token: String::new(),
        };
        this.home.folder.data("raft")?;
        this.begin().await?;
        this.initialize().await?;
        Ok(this)
    }

    /// The certificate of the authority, PEM.
    pub fn ca(&self) -> &[u8] {
        &self.ca
    }

    /// Its API, with the root token.
    pub fn api(&self) -> Result<Api> {
        let url = format!("https://{}", self.address);
        Api::new(url, &self.token, Some(self.ca.clone()))
    }

    /// Ends the process. The port stays its own until [`DiskServer::restart`], as far as nobody takes it.
    pub async fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Ends the process and starts it on the same port. It is sealed then.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.begin().await
    }

    /// Seals it.
    pub async fn seal(&self) -> Result<()> {
        self.api()?.succeed("PUT", "sys/seal", Value::Null).await.map(drop)
    }

    /// Unseals it, and waits until it is healthy.
    pub async fn unseal(&self) -> Result<()> {
        let api = self.api()?;
        let body = json!({ "key": self.unseal_key });
        api.succeed("PUT", "sys/unseal", body).await?;
        api.until_healthy().await
    }

    /// Loses all data, and begins anew on the same port, unsealed, with another root token.
    pub async fn wipe(&mut self) -> Result<()> {
        self.stop().await?;
        fs::remove_dir_all(self.home.path().join("raft"))?;
        self.home.folder.data("raft")?;
        self.begin().await?;
        self.initialize().await
    }

    async fn initialize(&mut self) -> Result<()> {
        let body = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let made = self.api()?.succeed("PUT", "sys/init", body).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("sys/init without keys");
        self.unseal_key = text(&made["keys"][0])?;
        self.token = text(&made["root_token"])?;
        self.unseal().await
    }

    async fn begin(&mut self) -> Result<()> {
        let home = &self.home;
        let (file, cluster_port) = (home.path().join("config.json"), self.cluster_port);
        let server = Server::start_on(home.folder.program(), self.address, |address| {
            let mut config = json!({
                "storage": { "raft": { "path": home.path().join("raft"), "node_id": "one" } },
                "listener": [{ "tcp": {
                    "address": address.to_string(),
                    "tls_cert_file": home.path().join("tls.crt"),
                    "tls_key_file": home.path().join("tls.key"),
                } }],
                "api_addr": format!("https://{address}"),
                "cluster_addr": format!("https://127.0.0.1:{cluster_port}"),
                "ui": false,
            });
            // Vault demands the field beside this storage, and OpenBao does not start with it.
            if home.product == Product::Vault {
                config["disable_mlock"] = true.into();
            }
            // A file that cannot be written makes the start fail, with the server's message.
            let _ = fs::write(&file, config.to_string());
            let mut command = home.command();
            command.arg("-config").arg(&file);
            command
        })
        .await?;
        self.address.set_port(server.uri().port_u16().context("no port")?);
        self.server = Some(server);
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Writes `tls.crt` and `tls.key` for an address; returns the authority's certificate.
async fn certificates(home: &ServerHome, address: IpAddr) -> Result<Vec<u8>> {
    let issued = DevServer::start().await?.issue_certificate(address).await?;
    fs::write(home.path().join("tls.crt"), issued.certificate)?;
    fs::write(home.path().join("tls.key"), issued.key)?;
    home.make_private("tls.key")?;
    Ok(issued.ca.into_bytes())
}
