//! API objects come back from a real repository, and what is damaged holds up nothing else.
use std::time::Duration;

use hearth_backup_scheduler::engine::Engine;
use hearth_backup_scheduler::engine::command::Settings;
use hearth_backup_scheduler::mover::Mover;
use hearth_backup_scheduler::mover::restore_objects::restore_with;
use hearth_backup_scheduler::task::RestoreObjects;
use hearth_reconciler::testing::script::Script;
use serde_json::{Value, json};

use super::*;

const MAPS: &str = "/api/v1/namespaces/home/configmaps";

/// An export of `ConfigMaps`, each with its content.
fn export(lab: &Lab, maps: &[(&str, String)]) {
    let folder = lab.path("objects/home");
    fs::create_dir_all(folder.join("configmaps")).unwrap();
    let header = json!({"format": 1, "summary": {"objects": {"configmaps": maps.len()}, "owned": 0, "terminating": 0}});
    fs::write(folder.join("export.json"), header.to_string()).unwrap();
    for (name, content) in maps {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "home"}, "data": {"a": content}});
        fs::write(folder.join(format!("configmaps/{name}.json")), object.to_string()).unwrap();
    }
}

async fn back_up(lab: &Lab, run_uid: &str) {
    let backup = Backup {
        path: lab.text("objects/home"),
        claim: ".objects".to_owned(),
        ..lab.backup(run_uid)
    };
    let report = lab.run(Work::Backup(backup)).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
}

async fn restore(lab: &Lab, script: Script) -> Report {
    let (client, server) = script.start();
    let settings = Settings {
        repository: lab.task(Work::Initialize { create: false }).repository,
        credentials: None,
        own_ca: false,
        folder: lab.path("secrets"),
        cache: lab.path("cache"),
        temporary: lab.path("tmp"),
        memory_limit: 160 << 20,
        lock_patience: Duration::from_secs(1),
    };
    let mut mover = Mover {
        engine: Engine {
            program: lab.path("restic"),
            settings,
            stop: CancellationToken::new(),
        },
        append_only: false,
        progress: Box::new(|_| ()),
    };
    let task = RestoreObjects {
        host: "home".to_owned(),
        namespaces: vec!["home".to_owned()],
        root: lab.text("objects"),
        folder: lab.text("target"),
        mark: "home/back/1".to_owned(),
        tenant: true,
        ..RestoreObjects::default()
    };
    let report = restore_with(&mut mover, &task, &client).await;
    server.finish();
    report
}

fn kinds() -> Script {
    let kind =
        json!({"name": "configmaps", "singularName": "", "kind": "ConfigMap", "namespaced": true, "verbs": ["create"]});
    Script::new().expect(
        "GET",
        "/api/v1",
        200,
        json!({"groupVersion": "v1", "resources": [kind]}),
    )
}

/// The object is absent, and is created with this content.
fn creates(script: Script, name: &str, content: &str) -> Script {
    let content = content.to_owned();
    let check = move |body: &Value| assert_eq!(body["data"]["a"].as_str(), Some(content.as_str()));
    script
        .refuse("GET", format!("{MAPS}/{name}"), 404, "NotFound")
        .expect_body("POST", MAPS, check, 201, json!({}))
}

#[tokio::test]
async fn the_newest_backup_of_objects_comes_back() {
    let lab = Lab::new().await;
    export(&lab, &[("a", "old".to_owned())]);
    back_up(&lab, "one").await;
    export(&lab, &[("a", "new".to_owned()), ("b", "2".to_owned())]);
    let newer = Backup {
        path: lab.text("objects/home"),
        time: "2026-11-29T05:00:00+01:00".to_owned(),
        claim: ".objects".to_owned(),
        ..lab.backup("two")
    };
    assert_eq!(lab.run(Work::Backup(newer)).await.verdict, Verdict::Completed);
    // What is in the folder of an earlier attempt is no part of the backup.
    fs::create_dir_all(lab.target("home/configmaps")).unwrap();
    fs::write(lab.target("home/configmaps/stale.json"), "{}").unwrap();
    let script = creates(creates(kinds(), "a", "new"), "b", "2");
    let report = restore(&lab, script).await;
    assert_eq!(report.verdict, Verdict::Completed, "{report:?}");
    assert_eq!(report.objects.as_ref().map(|objects| objects.created), Some(2));
    assert_eq!(lab.locks(), 0);
}

/// Case 84 of the reference.
#[tokio::test]
async fn without_a_backup_of_the_namespace_nothing_is_restored_and_that_is_no_success() {
    let lab = Lab::new().await;
    let report = restore(&lab, Script::new()).await;
    assert_eq!(
        (report.verdict, report.reason),
        (Verdict::Failed, Reason::SnapshotMissing)
    );
}

#[tokio::test]
async fn an_object_whose_data_is_damaged_is_named_and_the_others_are_restored() {
    let lab = Lab::new().await;
    let text = |seed: u64| {
        random(seed, 1_500_000)
            .iter()
            .map(|byte| char::from(b'a' + byte % 26))
            .collect::<String>()
    };
    let (first, second) = (text(1), text(2));
    export(&lab, &[("a", first.clone())]);
    back_up(&lab, "one").await;
    // Its data is in a pack of its own.
    let damaged = lab.packs()[0].clone();
    export(&lab, &[("a", first), ("b", second.clone())]);
    let newer = Backup {
        path: lab.text("objects/home"),
        time: "2026-11-29T05:00:00+01:00".to_owned(),
        claim: ".objects".to_owned(),
        ..lab.backup("two")
    };
    assert_eq!(lab.run(Work::Backup(newer)).await.verdict, Verdict::Completed);
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o644)).unwrap();
    let length = fs::metadata(&damaged).unwrap().len();
    fs::write(&damaged, vec![0; usize::try_from(length).unwrap()]).unwrap();
    let report = restore(&lab, creates(kinds(), "b", &second)).await;
    assert_eq!(
        (report.verdict, report.reason),
        (Verdict::Partial, Reason::DataDamaged),
        "{report:?}"
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.path.ends_with("/configmaps/a.json")),
        "{report:?}"
    );
    assert_eq!(report.objects.map(|objects| objects.created), Some(1));
}
