use super::*;

fn delete(sim: &mut Sim, name: &str) {
    let now = sim.now();
    sim.tracker.node_gone(name, now);
    sim.deleted.insert(name.to_owned());
}

/// The object is created again.
fn add_again(sim: &mut Sim, name: &str, uid: &str) {
    let created = at(sim.time);
    sim.deleted.remove(name);
    sim.edit(name, |facts| {
        facts.uid = uid.to_owned();
        facts.machine.node_uid = uid.to_owned();
        facts.created = Some(created);
        facts.ready = ready(true, created);
    });
}

/// Case 1.
#[test]
fn a_node_that_is_deleted_and_added_again_is_the_same_machine() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    delete(&mut sim, "b");
    assert_eq!(sim.state("b"), State::Gone);
    sim.run(5);
    add_again(&mut sim, "b", "second");
    let created = at(sim.time);
    sim.run(20);
    assert_eq!(sim.take("b"), [Told::Reregistered(created)]);
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

/// A cloud controller deletes the Node of a machine that is off; its kubelet registers again when it boots.
#[test]
fn a_machine_that_boots_and_registers_again_was_not_down() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    sim.run(10);
    delete(&mut sim, "b");
    let now = sim.now();
    sim.tracker.lease_gone("b", now);
    sim.run(3_600);
    assert_eq!((sim.state("b"), sim.take("b")), (State::Gone, vec![]));
    sim.boot("b", "boot-2");
    add_again(&mut sim, "b", "second");
    sim.run(30);
    assert!(matches!(sim.take("b")[..], [Told::Reregistered(_)]));
    assert_eq!(sim.state("b"), State::Up);
}

#[test]
fn a_node_that_was_down_before_it_was_deleted_returns_from_that() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    sim.run(60);
    let gone = sim.liveness("b").since;
    sim.take("b");
    delete(&mut sim, "b");
    assert_eq!(sim.state("b"), State::Gone);
    sim.run(600);
    sim.boot("b", "boot-2");
    add_again(&mut sim, "b", "second");
    sim.run(30);
    assert!(matches!(
        sim.take("b")[..],
        [Told::Reregistered(_), Told::Back(down_at, _, Kind::Lost, _)] if down_at == gone
    ));
}

/// Case 2.
#[test]
fn another_machine_of_the_same_name_gets_a_new_history() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    sim.run(60);
    sim.take("b");
    delete(&mut sim, "b");
    sim.edit("b", |facts| facts.machine.system_uuid = "other".to_owned());
    sim.boot("b", "boot-2");
    add_again(&mut sim, "b", "second");
    sim.run(2);
    assert_eq!(sim.state("b"), State::Unknown);
    sim.run(30);
    assert!(
        matches!(sim.take("b")[..], [Told::Replaced]),
        "what the old one did is not the new one's return"
    );
    assert_eq!(sim.state("b"), State::Up);
}

#[test]
fn a_bare_object_says_nothing_of_the_machine_until_its_kubelet_does() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    let full = sim.nodes["b"].facts.machine.clone();
    sim.edit("b", |facts| {
        facts.machine = crate::crd::history::Machine {
            node_uid: "second".to_owned(),
            ..Default::default()
        };
    });
    sim.run(10);
    assert!(matches!(sim.take("b")[..], [Told::Reregistered(_)]));
    sim.edit("b", |facts| {
        facts.machine = crate::crd::history::Machine {
            node_uid: "second".to_owned(),
            system_uuid: "other".to_owned(),
            ..full
        };
    });
    sim.run(20);
    assert!(matches!(sim.take("b")[..], [Told::Replaced]));
}

#[test]
fn a_new_installation_on_the_same_machine_is_a_reinstall() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    sim.run(600);
    let gone = sim.liveness("b").since;
    sim.take("b");
    sim.edit("b", |facts| facts.machine.machine_id = "new".to_owned());
    sim.boot("b", "boot-2");
    sim.run(30);
    assert!(matches!(sim.take("b")[..], [Told::Back(down_at, _, Kind::Reinstall, _)] if down_at == gone));
}

/// Case 4.
#[test]
fn a_node_without_an_object_is_gone_and_never_down() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    delete(&mut sim, "b");
    sim.run(86_400);
    assert_eq!((sim.state("b"), sim.told), (State::Gone, vec![]));
}

/// Case 5.
#[test]
fn a_lease_without_a_node_is_a_kubelet_that_must_be_restarted() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    delete(&mut sim, "b");
    assert_eq!(sim.state("b"), State::Gone);
    sim.run(12);
    assert_eq!(sim.state("b"), State::Missing);
    sim.run(600);
    assert_eq!(sim.state("b"), State::Missing);
    sim.off("b");
    sim.run(60);
    assert_eq!((sim.state("b"), sim.told), (State::Gone, vec![]));
}

#[test]
fn a_lease_that_never_had_a_node_is_missing_while_it_changes() {
    let mut sim = Sim::with(&["a", "b"]);
    for _ in 0..12 {
        let (version, now) = (sim.time.to_string(), sim.now());
        sim.tracker.lease("x", &version, now);
        sim.run(10);
    }
    assert_eq!(sim.state("x"), State::Missing);
    sim.run(60);
    assert_eq!((sim.state("x"), sim.told), (State::Gone, vec![]));
}

#[test]
fn a_node_whose_lease_is_gone_is_unknown_and_not_down() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    let now = sim.now();
    sim.tracker.lease_gone("b", now);
    sim.run(20);
    assert_eq!(sim.state("b"), State::Up, "its kubelet has time to make a new one");
    sim.run(600);
    assert_eq!((sim.state("b"), sim.take("b")), (State::Unknown, vec![]));
    sim.on("b");
    sim.run(20);
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

#[test]
fn a_node_that_never_had_a_lease_is_unknown() {
    let mut sim = Sim::with(&["a", "b"]);
    let facts = NodeFacts {
        name: "virtual".to_owned(),
        ..NodeFacts::default()
    };
    let now = sim.now();
    sim.tracker.node(&Arc::new(facts), now);
    sim.run(600);
    assert_eq!((sim.state("virtual"), sim.told), (State::Unknown, vec![]));
}

#[test]
fn a_new_node_is_up_with_its_first_renewal() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.add("new", 4);
    sim.list();
    assert_eq!(sim.state("new"), State::Unknown);
    sim.run(14);
    assert_eq!((sim.state("new"), sim.told), (State::Up, vec![]));
}
