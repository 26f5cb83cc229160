//! Namespaces that share a repository.
use super::*;
use crate::crd::repository::Damage;

/// The namespaces `garden` and `home` share a repository, and `home` has good runs of these days.
fn world(days: &[u32]) -> World {
    let mut world = World::with_runs(days);
    world.repository.spec.layout = Layout::Single;
    let status = world.repository.status.as_mut().unwrap();
    status
        .namespaces
        .insert("garden".to_owned(), "2026-11-01T00:00:00Z".to_owned());
    world
}

#[test]
fn a_shared_repository_is_checked_and_pruned_once() {
    let mut world = world(&[]);
    world.check_slot = Some(at("2026-11-29T00:00:00Z"));
    world.prune_slot = Some(at("2026-11-29T01:00:00Z"));
    for kind in [WorkKind::Check, WorkKind::Prune] {
        world.step();
        let work = world.repository.status.as_ref().unwrap().work.clone().unwrap();
        assert_eq!((work.kind, work.namespace.as_str()), (kind, "garden"));
        world.work(Report::completed(None));
    }
    world.step();
    assert_eq!(world.work_kind(), None);
}

#[test]
fn snapshots_of_a_namespace_are_forgotten_by_their_ids_with_its_host_while_no_mover_is_anywhere() {
    let mut world = world(&[1, 2, 3]);
    world.busy.insert("garden".to_owned());
    world.step();
    assert_eq!(
        world.step().start,
        None,
        "restic would wait for the other namespace's mover"
    );
    world.busy.clear();
    let Some(Start {
        work: Work::Forget(forget),
        namespace,
        ..
    }) = world.step().start
    else {
        panic!()
    };
    assert_eq!((forget.host.as_str(), namespace.as_str()), ("home", "home"));
    let ids: Vec<&String> = forget.snapshots.iter().map(|one| &one.id).collect();
    assert_eq!(ids, [&id(1)]);
}

#[test]
fn damage_counts_for_all_namespaces_that_share_it() {
    let mut world = world(&[1, 2, 3]);
    let status = world.repository.status.as_mut().unwrap();
    status.maintenance.entry("garden".to_owned()).or_default().damage = Some(Damage {
        check: "check-1".to_owned(),
        ..Damage::default()
    });
    world.step();
    assert_eq!(world.work_kind(), None, "nothing is forgotten before the repair");
    let of = |layout| {
        let mut repository = world.repository.clone();
        repository.spec.layout = layout;
        crate::plan::backup::Damage::of(&repository, "home").unrepaired
    };
    assert_eq!((of(Layout::Single), of(Layout::PerNamespace)), (true, false));
}
