//! The repository of API objects, into which the runs of all namespaces write.
use super::*;

/// A run of one namespace with objects.
fn export(namespace: &str, day: u32, state: &str) -> Arc<BackupRun> {
    let mut run = BackupRun::clone(&run_with(day, &json!([])));
    run.metadata.namespace = Some(namespace.to_owned());
    run.metadata.uid = Some(format!("{namespace}-{day}"));
    let item = json!({"claim": ".objects", "state": state, "snapshot": format!("{namespace}{day}")});
    run.status.as_mut().unwrap().objects = vec![serde_json::from_value(item).unwrap()];
    Arc::new(run)
}

fn world(runs: Vec<Arc<BackupRun>>) -> World {
    let mut world = World::new();
    world.runs = runs;
    let namespaces = &mut world.repository.status.as_mut().unwrap().namespaces;
    *namespaces = [(".objects".to_owned(), "2026-11-01T00:00:00Z".to_owned())].into();
    world
}

#[test]
fn each_namespace_keeps_its_own_newest_exports() {
    let days = [26, 27, 28];
    let runs = days.map(|day| export("home", day, "Completed"));
    let mut world = world(
        [
            &runs[..],
            &[export("media", 20, "Completed"), export("media", 21, "Completed")],
        ]
        .concat(),
    );
    let (work, plan) = world.work(Report::completed(None));
    let Work::Forget(forget) = work else { panic!("{work:?}") };
    assert_eq!(ids(&forget.snapshots), ["home26"]);
    assert_eq!(forget.kept.len(), 4, "those of all namespaces are in the repository");
    assert_eq!(forget.snapshots[0].run_uid, "home-26");
    assert_eq!(plan.forgotten, ["home26"]);
}

#[test]
fn a_bad_export_of_one_namespace_keeps_what_there_is_of_it_and_of_no_other() {
    let home = [26, 27, 28].map(|day| export("home", day, "Completed"));
    let media = [24, 25, 26].map(|day| export("media", day, "Completed"));
    let mut world = world([&home[..], &media[..], &[export("media", 28, "Failed")]].concat());
    let (work, _) = world.work(Report::completed(None));
    let Work::Forget(forget) = work else { panic!("{work:?}") };
    assert_eq!(ids(&forget.snapshots), ["home26"]);
}

#[test]
fn volumes_of_a_namespace_are_not_in_the_repository_of_objects() {
    let mut world = World::with_runs(&[26, 27, 28]);
    let namespaces = &mut world.repository.status.as_mut().unwrap().namespaces;
    *namespaces = [(".objects".to_owned(), "2026-11-01T00:00:00Z".to_owned())].into();
    world.step();
    assert_eq!(world.work_kind(), None);
}
