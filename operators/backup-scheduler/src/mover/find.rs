//! Finds the snapshots that a restore is to use.
use std::collections::BTreeMap;

use hearth_reconciler::labels::glob;
use jiff::Timestamp;

use super::{Mover, not_good};
use crate::engine::messages::Snapshot;
use crate::engine::outcome::Failure;
use crate::task::{Find, Found, Reason, Report, Volume};

/// What the paths of snapshots begin with; the name of the claim follows. K8up's are the same.
const FOLDER: &str = "/data/";

/// Finds them.
pub async fn find(mover: &Mover<'_>, task: &Find) -> Report {
    match newest(mover, task).await {
        Ok(found) => Report {
            found,
            ..Report::completed(None)
        },
        Err(failure) => failure.report(),
    }
}

/// The newest good snapshot of each claim.
pub(super) async fn newest(mover: &Mover<'_>, task: &Find) -> Result<Vec<Found>, Failure> {
    let before = task.before.as_deref().map(str::parse::<Timestamp>).transpose();
    let before = before.map_err(|failed| {
        let message = format!("spec.from.before is no time like 2026-11-30T03:00:00Z: {failed}");
        Failure::new(Reason::SnapshotMissing, &message)
    })?;
    Ok(choose(&good(mover, task).await?, task, before))
}

/// The snapshots that no mark says do not count. One that is asked for by its id counts anyway.
async fn good(mover: &Mover<'_>, task: &Find) -> Result<Vec<Snapshot>, Failure> {
    let mut snapshots = mover.engine.all_snapshots(Some(&task.host)).await?;
    if task.snapshot.is_none() {
        let marks = not_good::read(&mover.engine.settings).await?;
        snapshots.retain(|snapshot| !not_good::is_marked(&marks, snapshot));
    }
    Ok(snapshots)
}

/// For each claim the newest snapshot that fits, by claim. A snapshot without the tag of a claim is of somebody else, and counts
/// only if the task says so.
fn choose(snapshots: &[Snapshot], task: &Find, before: Option<Timestamp>) -> Vec<Found> {
    let mut newest: BTreeMap<&str, &Snapshot> = BTreeMap::new();
    for snapshot in snapshots {
        let Some(claim) = claim_of(snapshot, task) else {
            continue;
        };
        let named = task.claims.is_empty() || task.claims.iter().any(|pattern| glob(pattern, claim));
        let fits = named
            && task.after.as_deref().is_none_or(|after| claim > after)
            && task.run.as_deref().is_none_or(|run| tag(snapshot, "run") == Some(run))
            && task.snapshot.as_deref().is_none_or(|id| snapshot.id.starts_with(id))
            && before.is_none_or(|before| snapshot.time < before)
            && !task.not_good.contains(&snapshot.id);
        if fits {
            let known = newest.entry(claim).or_insert(snapshot);
            if (known.time, &known.id) < (snapshot.time, &snapshot.id) {
                *known = snapshot;
            }
        }
    }
    let found = newest.into_iter().map(|(claim, snapshot)| {
        let summary = snapshot.summary.clone().unwrap_or_default();
        Found {
            claim: claim.to_owned(),
            snapshot: snapshot.id.clone(),
            files: summary.total_files_processed,
            bytes: summary.total_bytes_processed,
            path: task.path.clone(),
            volume: volume_of(snapshot),
        }
    });
    found.collect()
}

/// The claim that a snapshot is of, or is to be for.
fn claim_of<'a>(snapshot: &'a Snapshot, task: &'a Find) -> Option<&'a str> {
    if let Some(root) = &task.root {
        let [path] = snapshot.paths.as_slice() else { return None };
        let name = path.strip_prefix(root.as_str())?.strip_prefix('/')?;
        return (!name.is_empty() && !name.starts_with('.') && !name.contains('/')).then_some(name);
    }
    let Some(path) = &task.path else {
        let foreign = || {
            let [path] = snapshot.paths.as_slice() else { return None };
            let name = path.strip_prefix(FOLDER)?;
            (task.foreign && !name.is_empty() && !name.contains('/')).then_some(name)
        };
        return tag(snapshot, "claim").or_else(foreign);
    };
    let fits = task.snapshot.is_some() || snapshot.paths.contains(path);
    task.claims.first().filter(|_| fits).map(String::as_str)
}

/// The value of a tag `name=value`.
fn tag<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    let of_name = |tag: &'a String| tag.strip_prefix(name)?.strip_prefix('=');
    snapshot.tags.iter().find_map(of_name)
}

/// What a claim asks for, as tags of a snapshot.
pub(super) fn tags_of(volume: &Volume) -> Vec<String> {
    let size = volume.size.iter().map(|size| format!("size={size}"));
    let class = volume.storage_class.iter().map(|class| format!("class={class}"));
    let access = (!volume.access_modes.is_empty()).then(|| format!("access={}", volume.access_modes.join("+")));
    size.chain(class).chain(access).collect()
}

fn volume_of(snapshot: &Snapshot) -> Volume {
    let access = tag(snapshot, "access").unwrap_or_default();
    Volume {
        size: tag(snapshot, "size").map(str::to_owned),
        storage_class: tag(snapshot, "class").map(str::to_owned),
        access_modes: access
            .split('+')
            .filter(|mode| !mode.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str, time: &str, tags: &[&str]) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            time: time.parse().unwrap(),
            paths: Vec::new(),
            hostname: "attic".to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            summary: None,
        }
    }

    fn all() -> Vec<Snapshot> {
        vec![
            snapshot(
                "a1",
                "2026-01-01T00:00:00Z",
                &["claim=a", "run=home/one", "size=1Gi", "class=", "access=X+Y"],
            ),
            snapshot("a2", "2026-01-02T00:00:00Z", &["claim=a", "run=home/two"]),
            snapshot("b1", "2026-01-03T00:00:00Z", &["claim=b", "run=home/one"]),
            snapshot("c1", "2026-01-04T00:00:00Z", &["of somebody else"]),
        ]
    }

    fn task() -> Find {
        Find {
            host: "attic".to_owned(),
            claims: Vec::new(),
            run: None,
            snapshot: None,
            before: None,
            foreign: false,
            path: None,
            root: None,
            not_good: Vec::new(),
            after: None,
        }
    }

    fn chosen(change: impl FnOnce(&mut Find)) -> Vec<String> {
        let mut task = task();
        change(&mut task);
        let before = task.before.as_ref().map(|before| before.parse().unwrap());
        choose(&all(), &task, before)
            .into_iter()
            .map(|found| found.snapshot)
            .collect()
    }

    #[test]
    fn the_newest_snapshot_of_each_claim_that_fits_is_chosen() {
        assert_eq!(chosen(|_| ()), ["a2", "b1"]);
        assert_eq!(chosen(|task| task.claims = vec!["a*".to_owned()]), ["a2"]);
        assert_eq!(chosen(|task| task.run = Some("home/one".to_owned())), ["a1", "b1"]);
        assert_eq!(chosen(|task| task.snapshot = Some("a1".to_owned())), ["a1"]);
        assert_eq!(
            chosen(|task| task.before = Some("2026-01-02T00:00:00Z".to_owned())),
            ["a1"]
        );
        assert_eq!(chosen(|task| task.not_good = vec!["a2".to_owned()]), ["a1", "b1"]);
        assert_eq!(chosen(|task| task.after = Some("a".to_owned())), ["b1"]);
    }

    #[test]
    fn snapshots_of_others_count_by_their_path_where_they_may() {
        let mut k8up = snapshot("k1", "2026-01-01T00:00:00Z", &[]);
        k8up.paths = vec!["/data/media".to_owned()];
        let mut stream = snapshot("k2", "2026-01-02T00:00:00Z", &[]);
        stream.paths = vec!["/media-db.sql".to_owned()];
        let mut volsync = snapshot("v1", "2026-01-03T00:00:00Z", &[]);
        volsync.paths = vec!["/data".to_owned()];
        let all = [k8up, stream, volsync];
        let found = |change: &dyn Fn(&mut Find)| {
            let mut task = task();
            change(&mut task);
            let found = choose(&all, &task, None).into_iter();
            found
                .map(|found| (found.claim, found.snapshot, found.path))
                .collect::<Vec<_>>()
        };
        let one = |claim: &str, id: &str, path: Option<&str>| {
            vec![(claim.to_owned(), id.to_owned(), path.map(str::to_owned))]
        };
        assert_eq!(found(&|_| ()), []);
        assert_eq!(found(&|task| task.foreign = true), one("media", "k1", None));
        let at = |path: &str, id: Option<&str>| {
            found(&|task| {
                task.foreign = true;
                task.claims = vec!["photos".to_owned()];
                task.path = Some(path.to_owned());
                task.snapshot = id.map(str::to_owned);
            })
        };
        assert_eq!(at("/data", None), one("photos", "v1", Some("/data")));
        assert_eq!(at("/other", None), []);
        assert_eq!(
            at("/data/media/sub", Some("k1")),
            one("photos", "k1", Some("/data/media/sub"))
        );
    }

    #[test]
    fn namespaces_are_found_by_the_folders_of_their_objects() {
        let of = |id: &str, path: &str| {
            let mut snapshot = snapshot(id, "2026-01-01T00:00:00Z", &["claim=.objects"]);
            snapshot.paths = vec![path.to_owned()];
            snapshot
        };
        let all = [
            of("1", "/objects/media"),
            of("2", "/objects/.cluster"),
            of("3", "/objects/home"),
            of("4", "/objects"),
            of("5", "/objects/a/b"),
            of("6", "/data/other"),
        ];
        let mut task = task();
        task.root = Some("/objects".to_owned());
        let names = |task: &Find| -> Vec<String> {
            let found = choose(&all, task, None).into_iter();
            found.map(|found| found.claim).collect()
        };
        assert_eq!(names(&task), ["home", "media"]);
        task.after = Some("home".to_owned());
        assert_eq!(names(&task), ["media"]);
        (task.after, task.claims) = (None, vec!["h*".to_owned()]);
        assert_eq!(names(&task), ["home"]);
    }

    #[test]
    fn what_a_claim_asked_for_is_read_back_from_the_tags() {
        let volume = Volume {
            size: Some("10Gi".to_owned()),
            storage_class: Some(String::new()),
            access_modes: vec!["ReadWriteOnce".to_owned(), "ReadOnlyMany".to_owned()],
        };
        let tags = tags_of(&volume);
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        assert_eq!(volume_of(&snapshot("a", "2026-01-01T00:00:00Z", &tags)), volume);
        assert_eq!(
            volume_of(&snapshot("a", "2026-01-01T00:00:00Z", &[])),
            Volume::default()
        );
    }
}
