use super::*;
use crate::class::{Wanted, node_diff};

#[test]
fn a_node_that_is_down_keeps_its_out_of_service_taint_and_loses_the_rest() {
    let node = |ready: &str| {
        let taint = |key: &str, effect: &str| json!({ "key": key, "effect": effect });
        let taints = [
            taint("home/slow", "NoSchedule"),
            taint(OUT_OF_SERVICE, "NoExecute"),
            taint("theirs", "NoSchedule"),
        ];
        let mark = format!("home/slow:NoSchedule,{OUT_OF_SERVICE}:NoExecute");
        let value = json!({
            "metadata": { "name": "a", "annotations": { OWNED_TAINTS: mark } },
            "spec": { "taints": taints },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        });
        let mut node: SlimNode = serde_json::from_value(value).unwrap();
        slim(&mut node);
        NodeFacts::of(&node)
    };
    let left = |facts: &NodeFacts| {
        let (taints, mark) = node_diff(facts, &Wanted::default(), &staying(facts), false)
            .taints
            .unwrap();
        (taints.into_iter().map(|taint| taint.key).collect::<Vec<_>>(), mark)
    };
    let (keys, mark) = left(&node("Unknown"));
    assert_eq!(keys, ["theirs", OUT_OF_SERVICE]);
    assert_eq!(mark, Some(format!("{OUT_OF_SERVICE}:NoExecute")));
    let lines = described(&node("Unknown")).unwrap();
    assert!(
        lines.iter().any(|line| line.contains("stays while the node is down")),
        "{lines:?}"
    );
    let (keys, mark) = left(&node("True"));
    assert_eq!((keys, mark), (vec!["theirs".to_owned()], None));
}
