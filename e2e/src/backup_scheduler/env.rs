//! The environment of backup-scheduler's cases: the cluster, a real S3 server, and for each case a bucket, a gate, a repository and
//! a namespace of its own. Volumes are folders of this machine, so that a case can look at their files.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_backup_scheduler::crd::{BackupRepository, BackupRun, BackupSchedule, RestoreRun};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, Secret};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::TestEnv;
use crate::environment::Environment;
use crate::http_gate::HttpGate;
use crate::install::{Installation, NAMESPACE};
use crate::namespaces::{LABEL, apply as apply_namespace, labelled, remove_namespaces};
use crate::objects::{apply, delete, get, object_condition};
use crate::versitygw::{Options, VersityGw};
use crate::wait::until;

/// The release.
pub(super) const NAME: &str = "backup-scheduler";
/// The cluster's name.
pub(super) const CLUSTER: &str = "e2e";
/// The passphrase of all repositories.
pub(super) const PASSPHRASE: &str = "correct horse battery staple";
/// The class of claims; its volumes are made by the cases.
pub(super) const CLASS: &str = "hearth-e2e";
/// The access mode of claims, unless a case says otherwise.
const MODE: &str = "ReadWriteOnce";
/// Of namespaces. Movers of restores are root with few capabilities, which the level `baseline` allows.
pub(super) const LABELS: [(&str, &str); 2] = [("pod-security.kubernetes.io/enforce", "baseline"), (LABEL, "e2e")];
/// A change in the cluster or in the bucket is seen within this.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// What needs a mover, a retry or a restart.
pub(super) const LATER: Duration = Duration::from_mins(2);

/// The environment.
pub(super) struct BackupEnv {
    pub(super) environment: Environment,
    pub(super) client: Client,
    pub(super) operator: Installation,
    pub(super) s3: VersityGw,
    volumes: TempDir,
}

impl BackupEnv {
    /// Removes what an earlier run has left, and starts the S3 server. Prepares the operator, but does not install it.
    pub(super) async fn new(environment: Environment) -> Result<Self> {
        let client = environment.client().await?;
        remove(&client).await?;
        let operator = Installation::prepare(&environment, &client, NAME).await?;
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": CLASS, "labels": {(LABEL): "e2e"}},
            "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer",
        });
        // The plural of this kind is not that of the helper.
        let classes: Api<StorageClass> = Api::all(client.clone());
        if classes.get_opt(CLASS).await?.is_none() {
            classes
                .create(&kube::api::PostParams::default(), &serde_json::from_value(class)?)
                .await?;
        }
        let volumes = tempfile::Builder::new().prefix("hearth-volumes-").tempdir()?;
        make_readable(volumes.path())?;
        Ok(Self {
            s3: VersityGw::start(Options::default()).await?,
            environment,
            client,
            operator,
            volumes,
        })
    }

    /// The chart's values for all cases, and more.
    pub(super) async fn install(&self, more: &[&str]) -> Result<()> {
        let name = format!("clusterName={CLUSTER}");
        // Cases run at the same time, and none waits for another.
        let values = [
            name.as_str(),
            "logging.format=json",
            "logging.level=debug",
            "movers.concurrency=30",
        ];
        self.operator.upgrade(&[&values[..], more].concat()).await
    }

    /// A bucket, its gate, its Secrets, a namespace and a repository for it, all of this name. The repository is not applied.
    pub(super) async fn home(&self, name: &str) -> Result<Home> {
        self.s3.create_bucket(name).await?;
        let server: SocketAddr = self.s3.url().trim_start_matches("http://").parse()?;
        let gate = HttpGate::start(self.environment.host, server).await?;
        apply_namespace(&self.client, name, &LABELS).await?;
        let key = self.s3.root();
        let home = Home {
            name: name.to_owned(),
            repository: json!({
                "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": "BackupRepository",
                "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
                "spec": {
                    "s3": {"endpoint": gate.url(), "bucket": name, "secretRef": {"name": format!("{name}-s3")}},
                    "passphraseSecretRef": {"name": format!("{name}-passphrase")},
                    "initialize": "WhenEmpty", "namespaces": [name],
                },
            }),
            client: self.client.clone(),
            gate,
            volumes: self.volumes.path().to_owned(),
        };
        home.secret("s3", &json!({"access-key-id": key.id, "secret-access-key": key.secret}))
            .await?;
        home.secret("passphrase", &json!({"passphrase": PASSPHRASE})).await?;
        Ok(home)
    }

    /// The same, with a repository that is ready.
    pub(super) async fn ready_home(&self, name: &str) -> Result<Home> {
        let home = self.home(name).await?;
        apply(&self.client, &home.repository).await?;
        home.repository_condition("Ready", "True", "", LATER).await?;
        Ok(home)
    }
}

fn make_readable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(
        folder,
        std::fs::Permissions::from_mode(0o755),
    )?)
}

/// Removes what a run has made: repositories, volumes, Secrets and namespaces.
pub(super) async fn remove(client: &Client) -> Result<()> {
    labelled_ones_go(&Api::<BackupRepository>::all(client.clone())).await?;
    // Those in the operator's namespace.
    labelled_ones_go(&Api::<BackupSchedule>::namespaced(client.clone(), NAMESPACE)).await?;
    labelled_ones_go(&Api::<RestoreRun>::namespaced(client.clone(), NAMESPACE)).await?;
    remove_namespaces(client).await?;
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    volumes.delete_collection(&DeleteParams::default(), &labelled()).await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    secrets.delete_collection(&DeleteParams::default(), &labelled()).await?;
    Ok(())
}

/// Deletes objects of ours, if their CRD is there.
async fn labelled_ones_go<K>(api: &Api<K>) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    match api.delete_collection(&DeleteParams::default(), &labelled()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => Ok(answer.map(drop)?),
    }
}

impl TestEnv for BackupEnv {
    async fn setup(environment: Environment) -> Result<Self> {
        let env = Self::new(environment).await?;
        env.install(&[]).await?;
        Ok(env)
    }

    /// Each case has a namespace, a bucket and a repository of its own.
    async fn cleanup(&self) -> Result<()> {
        Ok(())
    }

    fn operator(&self) -> &Installation {
        &self.operator
    }
}

/// What a case works on.
pub(super) struct Home {
    pub(super) name: String,
    /// The manifest of the repository.
    pub(super) repository: Value,
    /// What is between the cluster and the S3 server.
    pub(super) gate: HttpGate,
    client: Client,
    volumes: PathBuf,
}

impl Home {
    /// Writes a Secret of the repository.
    pub(super) async fn secret(&self, what: &str, data: &Value) -> Result<()> {
        let meta = json!({"namespace": NAMESPACE, "name": format!("{}-{what}", self.name), "labels": {(LABEL): "e2e"}});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data});
        apply(&self.client, &secret).await
    }

    /// Waits for a condition of the repository; its message.
    pub(super) async fn repository_condition(
        &self,
        kind: &str,
        status: &str,
        reason: &str,
        limit: Duration,
    ) -> Result<String> {
        object_condition(&self.client, &self.repository, kind, status, reason, limit).await
    }

    /// A volume that a claim of this name will be bound to; the folder with its files.
    pub(super) async fn volume(&self, claim: &str) -> Result<PathBuf> {
        self.volume_as(claim, MODE).await
    }

    /// The same with this access mode.
    async fn volume_as(&self, claim: &str, mode: &str) -> Result<PathBuf> {
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let number = std::fs::read_dir(&self.volumes)?.count();
        let name = format!("{}-{claim}-{number}", self.name);
        let folder = self.volumes.join(&name);
        std::fs::create_dir(&folder)?;
        let volume = json!({
            "metadata": {"name": name, "labels": {(LABEL): "e2e"}},
            "spec": {
                "capacity": {"storage": "64Mi"}, "accessModes": [mode], "storageClassName": CLASS,
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": folder},
                "claimRef": {"namespace": self.name, "name": claim},
            },
        });
        volumes
            .create(&kube::api::PostParams::default(), &serde_json::from_value(volume)?)
            .await?;
        Ok(folder)
    }

    /// The manifest of a claim.
    pub(super) fn claim(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": self.name, "name": name},
            "spec": {
                "storageClassName": CLASS, "accessModes": [MODE], "resources": {"requests": {"storage": "64Mi"}},
            },
        })
    }

    /// A claim that is bound to a new volume; the folder with its files.
    pub(super) async fn bound(&self, name: &str) -> Result<PathBuf> {
        self.bound_as(name, MODE).await
    }

    /// The same with this access mode.
    pub(super) async fn bound_as(&self, name: &str, mode: &str) -> Result<PathBuf> {
        let folder = self.volume_as(name, mode).await?;
        let mut claim = self.claim(name);
        claim["spec"]["accessModes"] = json!([mode]);
        apply(&self.client, &claim).await?;
        until(&format!("claim {name} is bound"), SOON, || async {
            let claim = get(&self.client, &self.claim(name)).await?;
            Ok((claim["status"]["phase"] == "Bound").then_some(()))
        })
        .await?;
        Ok(folder)
    }

    /// Deletes a claim, and waits until it is gone.
    pub(super) async fn lose(&self, name: &str) -> Result<()> {
        delete(&self.client, &self.claim(name)).await?;
        until(&format!("claim {name} is gone"), SOON, || async {
            let found = get(&self.client, &self.claim(name)).await;
            Ok(found.is_err().then_some(()))
        })
        .await
    }

    /// Deletes the namespace with all that is in it, waits until it is gone, and makes an empty one.
    pub(super) async fn lose_namespace(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.name, &DeleteParams::default()).await?;
        until("the namespace is gone", LATER, || async {
            Ok(namespaces.get_opt(&self.name).await?.is_none().then_some(()))
        })
        .await?;
        apply_namespace(&self.client, &self.name, &LABELS).await
    }

    /// The manifest of a run of this kind.
    fn run(&self, kind: &str, name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "backup.hearth.home.arpa/v1alpha1", "kind": kind,
            "metadata": {"namespace": self.name, "name": name}, "spec": spec,
        })
    }

    /// The manifest of a BackupRun.
    pub(super) fn backup(&self, name: &str, more: Value) -> Value {
        let mut spec = more;
        spec["repository"] = json!(self.name);
        self.run("BackupRun", name, &spec)
    }

    /// The manifest of a RestoreRun.
    pub(super) fn restore(&self, name: &str, more: Value) -> Value {
        let mut spec = more;
        spec["from"]["repository"] = json!(self.name);
        self.run("RestoreRun", name, &spec)
    }

    /// Applies a run, and waits until it is ready with this reason; the object.
    pub(super) async fn done(&self, run: &Value, reason: &str) -> Result<Value> {
        apply(&self.client, run).await?;
        object_condition(&self.client, run, "Ready", "True", reason, LATER).await?;
        get(&self.client, run).await
    }

    /// Applies a run, and waits until it has ended otherwise, with this reason; the message.
    pub(super) async fn ends(&self, run: &Value, reason: &str) -> Result<String> {
        apply(&self.client, run).await?;
        object_condition(&self.client, run, "Stalled", "True", reason, LATER).await
    }

    /// The BackupRuns of this namespace, the oldest first.
    pub(super) async fn runs(&self, env: &BackupEnv) -> Result<Vec<Value>> {
        let runs: Api<BackupRun> = Api::namespaced(env.client.clone(), &self.name);
        let mut runs = runs.list(&ListParams::default()).await?.items;
        runs.sort_by_key(|run| (run.creation_timestamp(), run.name_any()));
        runs.iter().map(|run| Ok(serde_json::to_value(run)?)).collect()
    }

    /// The manifest of the newest BackupRun, without its spec.
    pub(super) async fn newest_run(&self, env: &BackupEnv) -> Result<Value> {
        let runs = self.runs(env).await?;
        let newest = runs.last().context("there is no run")?;
        let name = newest["metadata"]["name"].as_str().unwrap_or_default();
        Ok(self.run("BackupRun", name, &json!({})))
    }

    /// What plain restic says of this namespace's repository: its output.
    pub(super) async fn restic(&self, env: &BackupEnv, arguments: &[&str]) -> Result<String> {
        let passphrase = hearth_backup_scheduler::passphrase::Passphrase::from_secret(PASSPHRASE.as_bytes())?;
        let path = format!("hearth/volumes/{}", self.name);
        self.restic_at(env, &path, passphrase.password(&self.name).expose(), arguments)
            .await
    }

    /// What plain restic says of a repository at a path of the bucket: its output.
    pub(super) async fn restic_at(
        &self,
        env: &BackupEnv,
        path: &str,
        password: &str,
        arguments: &[&str],
    ) -> Result<String> {
        let program = std::env::var_os("HEARTH_RESTIC").context("HEARTH_RESTIC is not set")?;
        let (url, key) = (self.gate.url(), env.s3.root());
        let output = tokio::process::Command::new(program)
            .args(["--no-cache", "-r", &format!("s3:{url}/{}/{path}", self.name)])
            .args(arguments)
            .env_clear()
            .env("RESTIC_PASSWORD", password)
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret)
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "restic: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}
