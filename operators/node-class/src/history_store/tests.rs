use hearth_reconciler::testing::script::Script;
use serde_json::{Value, json};

use super::*;

const PATH: &str = "/apis/nodes.hearth.home.arpa/v1alpha1/nodehistories";

fn page(names: &[&str], next: &str) -> Value {
    let history = |name: &&str| {
        json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHistory", "metadata": { "name": name },
            "spec": {}, "status": { "host": "gamer" } })
    };
    json!({ "apiVersion": "nodes.hearth.home.arpa/v1alpha1", "kind": "NodeHistoryList",
        "metadata": { "continue": next }, "items": names.iter().map(history).collect::<Vec<_>>() })
}

#[tokio::test]
async fn all_pages_are_read() {
    let (client, server) = Script::new()
        .expect("GET", format!("{PATH}?&limit={PAGE}"), 200, page(&["a", "b"], "more"))
        .expect(
            "GET",
            format!("{PATH}?&limit={PAGE}&continue=more"),
            200,
            page(&["c"], ""),
        )
        .start();
    let stored = read(&client).await.unwrap();
    server.finish();
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(stored.values().all(|entry| !entry.unreadable));
}

#[tokio::test]
async fn a_history_of_a_newer_operator_is_left_alone_and_delays_no_other() {
    let mut newer = page(&["a", "b", "c"], "");
    newer["items"][0]["status"]["learned"] = json!("Nightly");
    newer["items"][1]["status"] = Value::Null;
    let (client, server) = Script::new().expect("GET", PATH, 200, newer).start();
    let stored = read(&client).await.unwrap();
    server.finish();
    let unreadable: Vec<_> = stored.values().map(|entry| entry.unreadable).collect();
    assert_eq!(unreadable, [true, false, false]);
}

#[tokio::test]
async fn an_incomplete_read_yields_nothing() {
    let (client, server) = Script::new()
        .expect("GET", format!("{PATH}?&limit={PAGE}"), 200, page(&["a"], "more"))
        .refuse("GET", format!("{PATH}?&limit={PAGE}&continue=more"), 410, "Expired")
        .start();
    let error = read(&client).await.unwrap_err();
    server.finish();
    assert!(format!("{error:#}").contains("Expired"), "{error:#}");
}
