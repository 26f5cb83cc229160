use super::*;

fn key(name: &str) -> Key {
    ("apps".to_owned(), name.to_owned())
}

/// Secrets by name and owner.
struct Cluster {
    secrets: Vec<(Key, Marked)>,
    syncs: Vec<(Key, String, bool)>,
    deleted: Vec<(Key, Duration)>,
    renamed: Vec<(Key, Duration)>,
    complete: bool,
}

impl Cluster {
    /// So many SecretSyncs that have a Secret each.
    fn healthy(count: usize) -> Self {
        let name = |number: usize| format!("s{number}");
        let secret = |number| {
            let marked = Marked {
                owner: name(number).into(),
                owned_keys: "A".into(),
                terminating: false,
            };
            (key(&name(number)), marked)
        };
        Self {
            secrets: (0..count).map(secret).collect(),
            syncs: (0..count)
                .map(|number| (key(&name(number)), name(number), true))
                .collect(),
            deleted: Vec::new(),
            renamed: Vec::new(),
            complete: true,
        }
    }

    /// The first so many SecretSyncs are gone; this process has seen their deletion so long ago.
    fn without(mut self, count: usize, seen: Option<Duration>) -> Self {
        let gone: Vec<_> = self.syncs.drain(..count).collect();
        if let Some(seen) = seen {
            self.deleted = gone.into_iter().map(|(key, ..)| (key, seen)).collect();
        }
        self
    }

    fn decide(&self) -> Decision {
        let observed = Observed {
            secrets: self.secrets.iter().map(|(key, secret)| (key, secret)).collect(),
            syncs: self
                .syncs
                .iter()
                .map(|(key, name, ready)| (key, (name.as_str(), *ready)))
                .collect(),
            deleted: self.deleted.iter().map(|(key, since)| (key, *since)).collect(),
            renamed: self.renamed.iter().map(|(key, since)| (key, *since)).collect(),
            complete: self.complete,
        };
        observed.decide()
    }
}

const LONG: Option<Duration> = Some(GRACE);

#[test]
fn a_secret_goes_a_minute_after_its_sync() {
    assert_eq!(Cluster::healthy(10).decide(), Decision::default());
    let young = Cluster::healthy(10).without(1, Some(Duration::from_secs(59)));
    assert_eq!(young.decide(), Decision::default());
    let old = Cluster::healthy(10).without(1, LONG).decide();
    assert_eq!((old.delete, old.held), (vec![key("s0")], 0));
}

#[test]
fn absence_alone_deletes_nothing() {
    let decision = Cluster::healthy(10).without(1, None).decide();
    assert_eq!(
        (decision.delete, decision.held),
        (vec![], 1),
        "after a restart nobody has seen a deletion"
    );
    let mut incomplete = Cluster::healthy(10).without(1, LONG);
    incomplete.complete = false;
    assert_eq!(incomplete.decide(), Decision::default());
}

#[test]
fn too_many_at_once_are_held() {
    let delete = |count, gone| Cluster::healthy(count).without(gone, LONG).decide().delete.len();
    assert_eq!(delete(3, 3), 3);
    assert_eq!(delete(4, 4), 0, "four of four");
    assert_eq!(delete(100, 30), 30);
    let held = Cluster::healthy(100).without(31, LONG).decide();
    assert_eq!((held.delete.len(), held.held), (0, 31));
}

#[test]
fn a_secret_that_its_sync_names_no_more_goes_when_the_new_one_is_there() {
    let mut cluster = Cluster::healthy(5);
    (cluster.syncs[0].1, cluster.syncs[0].2) = ("new".to_owned(), false);
    assert_eq!(cluster.decide(), Decision::default(), "the new one is not written yet");
    cluster.syncs[0].2 = true;
    let first = cluster.decide();
    assert_eq!((first.delete.len(), first.held, first.renamed.len()), (0, 0, 1));
    cluster.renamed = vec![(key("s0"), GRACE)];
    assert_eq!(cluster.decide().delete, [key("s0")]);
}

#[test]
fn a_copy_that_somebody_made_is_not_deleted() {
    let mut cluster = Cluster::healthy(5).without(1, LONG);
    cluster.secrets[0].1.owned_keys = "".into();
    let decision = cluster.decide();
    assert_eq!((decision.delete.len(), decision.held), (0, 1));
    let mut copy = Cluster::healthy(5);
    copy.secrets.push((
        key("copy"),
        Marked {
            owner: "s1".into(),
            owned_keys: "".into(),
            terminating: false,
        },
    ));
    copy.renamed = vec![(key("copy"), GRACE)];
    assert_eq!(copy.decide().delete, []);
}
