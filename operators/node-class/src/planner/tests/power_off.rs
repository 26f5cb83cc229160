//! A host that goes off, and what is put on its nodes for that.
use super::*;
use crate::crd::{OUT_OF_SERVICE, OWNED_TAINTS};

#[test]
fn a_request_to_go_off_cordons_and_its_end_lifts_our_cordon_only() {
    let mut home = Home::new();
    home.lead();
    let mut gamer = NodeHost::clone(&home.observed.hosts[0]);
    let off = json!({ "request": "tonight", "since": "2026-01-05T00:00:00Z", "phase": "Draining" });
    gamer.status = Some(serde_json::from_value(json!({ "off": off })).unwrap());
    home.observed.hosts[0] = Arc::new(gamer.clone());
    let (plan, _) = home.pass(200);
    assert_eq!(plan.nodes["gamer-1"].cordon.as_deref(), Some("tonight"));
    assert_eq!(plan.nodes["mini-1"].cordon, None);
    let ours = json!({ "metadata": { "annotations": { CORDONED: "tonight" } }, "spec": { "unschedulable": true } });
    home.node(facts("gamer-1", &ours));
    home.node(facts("mini-1", &json!({ "spec": { "unschedulable": true } })));
    gamer.status = None;
    home.observed.hosts[0] = Arc::new(gamer);
    let (plan, _) = home.pass(4);
    let cordon =
        |name: &str| pending_write(&home.observed.nodes[name], &plan.nodes[name]).and_then(|pending| pending.cordon);
    assert_eq!(
        cordon("gamer-1"),
        Some(crate::reconcile::node_patch::Cordon::Lift),
        "ours is lifted"
    );
    assert_eq!(cordon("mini-1"), None, "a person's stays");
}

#[test]
fn the_out_of_service_taint_is_told_once_when_it_comes_and_once_when_it_goes() {
    let mut home = Home::new();
    home.lead();
    home.observed.classes = vec![class(
        "quick",
        &json!({ "match": { "hosts": ["gamer"] }, "failover": { "evidence": ["PowerOff"], "after": "1s" } }),
    )];
    home.pass(200);
    home.not_ready(&["gamer-1", "gamer-2"]);
    home.pass(120);
    let mut gamer = NodeHost::clone(&home.observed.hosts[0]);
    let at = |seconds| now(seconds).wall.to_string();
    let power =
        json!({ "state": "Off", "source": "plug", "observedAt": at(home.second), "expiresAt": at(home.second + 3600) });
    gamer.status = Some(serde_json::from_value(json!({ "power": power })).unwrap());
    home.observed.hosts[0] = Arc::new(gamer);

    let mut told = home.told(60);
    told.retain(|(node, ..)| node == "gamer-1");
    let reasons =
        |told: &[(String, &'static str, String)]| told.iter().map(|(_, reason, _)| *reason).collect::<Vec<_>>();
    assert_eq!(
        reasons(&told),
        ["OutOfServiceApplied"],
        "the write takes a minute: {told:?}"
    );

    let mark = format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute");
    let tainted = json!({
        "metadata": { "annotations": { OWNED_TAINTS: mark } },
        "spec": { "taints": [{ "key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" }] },
    });
    home.alive.insert("gamer-1".to_owned());
    home.node(facts("gamer-1", &tainted));
    home.observed.leftovers.insert("gamer-1".to_owned(), 0);
    let mut told = home.told(120);
    told.retain(|(node, reason, _)| node == "gamer-1" && reason.starts_with("OutOf"));
    assert_eq!(
        reasons(&told),
        ["OutOfServiceRemoved"],
        "the write takes two minutes: {told:?}"
    );
}
