//! Repositories in a bucket.
use hearth_e2e::s3::AccessKey;
use hearth_e2e::versitygw::{Options, VersityGw};

use super::gate::Gate;
use super::*;

const NAME: &str = "backups";
const PREFIX: &str = "home/web";

/// A bucket behind a gate.
pub(super) struct Bucket {
    pub(super) server: VersityGw,
    pub(super) gate: Gate,
    pub(super) key: AccessKey,
}

impl Bucket {
    pub(super) fn location(&self) -> String {
        format!("s3:{}/{NAME}/{PREFIX}", self.gate.url())
    }

    /// The folder of the repository: an object is a file.
    pub(super) fn folder(&self) -> PathBuf {
        self.server.folder(NAME).join(PREFIX)
    }
}

impl Lab {
    /// A volume that is empty, and a repository in a bucket that is initialized.
    pub(super) async fn in_bucket() -> Self {
        let lab = Self::with_bucket().await;
        let report = lab.run(Work::Initialize { create: true }).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        lab
    }

    /// A volume and a bucket that are empty.
    pub(super) async fn with_bucket() -> Self {
        let server = VersityGw::start(Options::default()).await.unwrap();
        server.create_bucket(NAME).await.unwrap();
        let gate = Gate::new(server.url().strip_prefix("http://").unwrap().parse().unwrap());
        let mut lab = Self::without_repository();
        let key = server.root().clone();
        lab.bucket = Some(Bucket {
            server,
            gate,
            key: key.clone(),
        });
        lab.use_key(key);
        lab
    }

    pub(super) fn bucket(&self) -> &Bucket {
        self.bucket.as_ref().unwrap()
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.bucket().gate
    }

    /// Uses a key that may read and write, but delete nothing.
    pub(super) async fn without_delete(&mut self) {
        let server = &self.bucket().server;
        let key = server.create_user_without_delete(NAME, "writer").await.unwrap();
        self.use_key(key);
    }

    /// Uses a key from now on, for the mover and for restic alone.
    pub(super) fn use_key(&mut self, key: AccessKey) {
        fs::write(self.path("secrets/access-key-id"), &key.id).unwrap();
        fs::write(self.path("secrets/secret-access-key"), &key.secret).unwrap();
        self.bucket.as_mut().unwrap().key = key;
    }

    /// The objects of the repository under a name.
    pub(super) fn objects(&self, name: &str) -> usize {
        fs::read_dir(self.repository().join(name)).map_or(0, Iterator::count)
    }
}
