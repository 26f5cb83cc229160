//! Repositories that plain restic, K8up or VolSync have made: their snapshots are parents and can be restored, and stay.
use hearth_backup_scheduler::task::{Find, Forget, Found, Recorded};

use super::*;

/// A search for snapshots of others.
fn search(host: &str) -> Find {
    Find {
        host: host.to_owned(),
        claims: Vec::new(),
        run: None,
        snapshot: None,
        before: None,
        foreign: true,
        path: None,
        root: None,
        not_good: Vec::new(),
        after: None,
    }
}

impl Lab {
    async fn found(&self, find: Find) -> Vec<Found> {
        let report = self.run(Work::Find(find)).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        report.found
    }

    /// restic alone with the lab as its root, so that the path of a volume is `/data/…` as in a pod.
    fn restic_in_pod(&self, arguments: &[&str]) {
        let mut command = Command::new("chroot");
        command
            .arg(self.folder.path())
            .args(["/restic", "--repo", "/repository"]);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TZ", "UTC");
        command
            .env("RESTIC_PASSWORD_FILE", "/secrets/password")
            .env("RESTIC_CACHE_DIR", "/cache");
        let (code, output) = finish(command.args(arguments).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {output}");
    }

    /// Restores what was found, and returns the content of the file `a`.
    async fn restored(&self, found: &Found) -> Vec<u8> {
        let path = found.path.clone().unwrap_or_else(|| format!("/data/{}", found.claim));
        let task = Restore {
            path,
            ..self.restore(&found.snapshot)
        };
        let report = self.run(Work::Restore(task)).await;
        assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
        fs::read(self.target("a")).unwrap()
    }
}

#[tokio::test]
async fn a_snapshot_of_k8up_is_found_by_host_and_path_and_restored() {
    if !is_root() {
        return;
    }
    let lab = Lab::without_repository();
    lab.restic_in_pod(&["init"]);
    lab.write("a", b"of K8up");
    // The host is the namespace, and there is no tag. A dump of a database is a snapshot too.
    lab.restic_in_pod(&["backup", "--host", "media", "/data/web"]);
    lab.restic_in_pod(&["backup", "--host", "other", "/data/web"]);
    fs::write(lab.path("media-db.sql"), "dump").unwrap();
    lab.restic_in_pod(&["backup", "--host", "media", "/media-db.sql"]);
    let snapshots = lab.snapshots();

    let own = Find {
        foreign: false,
        ..search("media")
    };
    assert_eq!(
        lab.found(own).await,
        [],
        "a repository of ours has no snapshots of others"
    );
    let found = lab.found(search("media")).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].claim.as_str(), &found[0].path), ("web", &None));
    assert!(snapshots.contains(&found[0].snapshot));
    assert_eq!(lab.restored(&found[0]).await, b"of K8up");
    assert_eq!(lab.snapshots(), snapshots, "all of them stay");
}

#[tokio::test]
async fn a_snapshot_of_volsync_is_restored_into_the_claim_that_is_named() {
    if !is_root() {
        return;
    }
    let lab = Lab::without_repository();
    lab.restic_in_pod(&["init"]);
    // One repository for each claim, the path `/data` for all.
    fs::write(lab.path("data/a"), "of VolSync, old").unwrap();
    lab.restic_in_pod(&["backup", "--host", "volsync", "--time", "2026-01-01 00:00:00", "/data"]);
    fs::write(lab.path("data/a"), "of VolSync").unwrap();
    lab.restic_in_pod(&["backup", "--host", "volsync", "/data"]);

    assert_eq!(lab.found(search("volsync")).await, [], "nothing says which claim it is");
    let named = Find {
        claims: vec!["photos".to_owned()],
        path: Some("/data".to_owned()),
        ..search("volsync")
    };
    let found = lab.found(named.clone()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].claim.as_str(), found[0].path.as_deref()),
        ("photos", Some("/data"))
    );
    let before = Find {
        before: Some("2026-02-01T00:00:00Z".to_owned()),
        ..named
    };
    assert_ne!(lab.found(before).await, found);
    assert_eq!(lab.restored(&found[0]).await, b"of VolSync");
}

#[tokio::test]
async fn a_snapshot_of_others_of_the_same_host_and_path_is_the_parent_of_the_first_backup_and_stays() {
    let lab = Lab::without_repository();
    lab.restic_ok(&["init"]);
    lab.write("a", &random(1, 2 << 20));
    let path = lab.text("data/web");
    lab.restic_ok(&["backup", "--host", "media", "--time", "2026-01-01 00:00:00", &path]);
    lab.restic_ok(&["backup", "--host", "media", &path]);
    lab.restic_ok(&["backup", "--host", "other", &path]);
    let foreign = lab.snapshots();

    let backup = Backup {
        host: "media".to_owned(),
        without_parent: WithoutParent::Newest,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(backup)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let ours = report.snapshot.unwrap();
    let list: serde_json::Value = serde_json::from_str(&lab.restic_ok(&["snapshots", &ours.id])).unwrap();
    let parents: Vec<&str> = foreign
        .iter()
        .map(String::as_str)
        .filter(|id| list[0]["parent"] == **id)
        .collect();
    assert_eq!(parents, [foreign[1].as_str()], "the newest of the same host");
    assert!(ours.added_bytes < 10_000, "{}", ours.added_bytes);

    // What others have made cannot be forgotten by us, even if somebody says that it is ours.
    let recorded = |id: &str, run: &str| Recorded {
        id: id.to_owned(),
        run_uid: run.to_owned(),
    };
    let forget = Forget {
        host: "media".to_owned(),
        snapshots: vec![recorded(&foreign[0], "one")],
        kept: vec![recorded(&ours.id, "one")],
    };
    let report = lab.run(Work::Forget(forget)).await;
    assert_eq!(report.verdict, Verdict::Failed, "{report:?}");
    assert!(foreign.iter().all(|id| lab.snapshots().contains(id)));
}

#[tokio::test]
async fn a_first_backup_beside_snapshots_of_another_host_has_no_parent() {
    let lab = Lab::without_repository();
    lab.restic_ok(&["init"]);
    lab.write("a", b"1");
    lab.restic_ok(&["backup", "--host", "other", &lab.text("data/web")]);
    let backup = Backup {
        host: "media".to_owned(),
        without_parent: WithoutParent::Newest,
        ..lab.backup("one")
    };
    let report = lab.run(Work::Backup(backup)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    let id = report.snapshot.unwrap().id;
    let list: serde_json::Value = serde_json::from_str(&lab.restic_ok(&["snapshots", &id])).unwrap();
    assert_eq!(list[0]["parent"], serde_json::Value::Null);
}
