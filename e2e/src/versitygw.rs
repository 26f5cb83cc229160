//! versitygw, an S3 server with its data in folders, as a child process.
//!
//! It refuses what Amazon S3 refuses: a wrong secret, a body that differs from its hash, a clock that is hours off, a write
//! whose condition does not hold, what a bucket policy does not allow. Below [`VersityGw::folder`] an object is a file, so that
//! a test can damage one.
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::openssl::server_certificate;
use crate::s3::{AccessKey, S3};
use crate::server::Server;
use crate::server_home::ServerHome;

/// Names the program; `cargo xtask cluster tool versitygw` prints its path.
pub const PROGRAM: &str = "HEARTH_VERSITYGW";

/// What differs between servers.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The address of this machine on which it listens; pods do not reach the loopback address.
    pub address: IpAddr,
    /// Whether it speaks TLS, with a certificate of an authority of its own.
    pub tls: bool,
    /// Whether buckets can be versioned.
    pub versioning: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            tls: false,
            versioning: false,
        }
    }
}

/// A server. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct VersityGw {
    home: ServerHome,
    server: Option<Server>,
    options: Options,
    /// The port is 0 before the first start.
    address: SocketAddr,
    ca: Option<Vec<u8>>,
    root: AccessKey,
}

impl VersityGw {
    /// Starts the program that [`PROGRAM`] names on a free port, without a bucket, and waits until it takes connections.
    pub async fn start(options: Options) -> Result<Self> {
        let home = ServerHome::new(PROGRAM, "the program versitygw (hack/tools/versitygw)")?;
        for folder in ["buckets", "users", "versions"] {
            home.data(folder)?;
        }
        let ca = if options.tls {
            server_certificate(home.path(), "versitygw", &[options.address.to_string()]).await?;
            home.make_private("server.key")?;
            Some(fs::read(home.path().join("ca.crt"))?)
        } else {
            None
        };
        let mut this = Self {
            home,
            server: None,
            options,
            address: (options.address, 0).into(),
            ca,
            root: new_key("root"),
        };
        this.begin().await?;
        Ok(this)
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The certificate of the authority, PEM, if it speaks TLS.
    pub fn ca(&self) -> Option<&[u8]> {
        self.ca.as_deref()
    }

    /// The access key that may do everything.
    pub fn root(&self) -> &AccessKey {
        &self.root
    }

    /// A client with an access key.
    pub fn s3(&self, key: &AccessKey) -> Result<S3> {
        S3::new(&self.url(), self.ca.clone(), key.clone())
    }

    /// The folder of a bucket: an object is the file with its key as path.
    pub fn folder(&self, bucket: &str) -> PathBuf {
        self.home.path().join("buckets").join(bucket)
    }

    /// Ends the process cleanly. The port stays its own until [`VersityGw::restart`], as far as nobody takes it.
    pub async fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.terminate().await,
            None => Ok(()),
        }
    }

    /// Kills the process (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Starts it with the same data on the same port; one that runs is stopped first.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.begin().await
    }

    /// Makes a bucket, which belongs to the root key.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        self.s3(&self.root)?.succeed("PUT", &format!("/{bucket}"), "").await?;
        Ok(())
    }

    /// Makes a user, who may do nothing until a bucket policy allows it.
    pub async fn create_user(&self, name: &str) -> Result<AccessKey> {
        let key = new_key(name);
        let account = format!(
            "<Account><Access>{}</Access><Secret>{}</Secret><Role>user</Role></Account>",
            key.id, key.secret
        );
        self.s3(&self.root)?.succeed("PATCH", "/create-user", account).await?;
        Ok(key)
    }

    /// Replaces the policy of a bucket.
    pub async fn set_policy(&self, bucket: &str, policy: &Value) -> Result<()> {
        let path = format!("/{bucket}?policy=");
        self.s3(&self.root)?.succeed("PUT", &path, policy.to_string()).await?;
        Ok(())
    }

    /// Makes a user who may list a bucket and read and write its objects, but delete none. Replaces the bucket's policy.
    pub async fn create_user_without_delete(&self, bucket: &str, name: &str) -> Result<AccessKey> {
        self.create_user_with_delete(bucket, name, None).await
    }

    /// The same, but it may delete objects whose key matches a pattern: restic's own locks.
    pub async fn create_user_for_movers(&self, bucket: &str, name: &str, locks: &str) -> Result<AccessKey> {
        self.create_user_with_delete(bucket, name, Some(locks)).await
    }

    async fn create_user_with_delete(&self, bucket: &str, name: &str, delete: Option<&str>) -> Result<AccessKey> {
        let key = self.create_user(name).await?;
        let allow = |actions: Value, resource: String| json!({ "Effect": "Allow", "Principal": { "AWS": [name] }, "Action": actions, "Resource": [resource] });
        let on_objects = json!(["s3:GetObject", "s3:PutObject"]);
        let on_bucket = json!(["s3:ListBucket", "s3:GetBucketLocation"]);
        let mut statements = vec![
            allow(on_objects, format!("arn:aws:s3:::{bucket}/*")),
            allow(on_bucket, format!("arn:aws:s3:::{bucket}")),
        ];
        if let Some(pattern) = delete {
            let on_some = json!(["s3:DeleteObject"]);
            statements.push(allow(on_some, format!("arn:aws:s3:::{bucket}/{pattern}")));
        }
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        self.set_policy(bucket, &policy).await?;
        Ok(key)
    }

    async fn begin(&mut self) -> Result<()> {
        let home = &self.home;
        let (options, root) = (self.options, &self.root);
        let server = Server::start_on(home.program(), self.address, |address| {
            let mut command = home.command();
            // Not as arguments, which every user of the machine can read.
            command
                .env("ROOT_ACCESS_KEY", &root.id)
                .env("ROOT_SECRET_KEY", &root.secret);
            command.args(["--quiet", "--port"]).arg(address.to_string());
            command.arg("--iam-dir").arg(home.path().join("users"));
            if options.tls {
                command.arg("--cert").arg(home.path().join("server.crt"));
                command.arg("--key").arg(home.path().join("server.key"));
            }
            command.arg("posix");
            if options.versioning {
                // A relative path would be taken as one below the buckets.
                command.arg("--versioning-dir").arg(home.path().join("versions"));
            }
            command.arg(home.path().join("buckets"));
            command
        })
        .await?;
        self.address.set_port(server.uri().port_u16().context("no port")?);
        self.server = Some(server);
        Ok(())
    }
}

fn new_key(id: &str) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: std::iter::repeat_with(fastrand::alphanumeric).take(32).collect(),
    }
}
