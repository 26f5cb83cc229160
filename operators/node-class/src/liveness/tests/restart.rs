use super::*;

/// The operator is away for this long, and remembers.
fn away(sim: &mut Sim, seconds: u64, during: impl FnOnce(&mut Sim)) -> (Timestamp, BTreeMap<String, Remembered>) {
    let known_until = at(sim.time);
    let names: Vec<String> = sim.nodes.keys().cloned().collect();
    let remembered = names.into_iter().map(|name| {
        let liveness = sim.liveness(&name);
        let down = liveness.state == State::Down;
        let remembered = Remembered {
            machine: sim.nodes[&name].facts.machine.clone(),
            state: liveness.state,
            known_until,
            outage: down.then(|| Transition {
                planned: sim.nodes[&name].facts.unschedulable,
                ..Transition::new(liveness.went.unwrap(), liveness.since, None, String::new())
            }),
        };
        (name, remembered)
    });
    let remembered = remembered.collect();
    sim.running = false;
    during(sim);
    sim.run(
        (known_until + SignedDuration::from_secs(seconds.cast_signed()))
            .duration_since(at(sim.time))
            .as_secs()
            .unsigned_abs(),
    );
    sim.running = true;
    sim.restart();
    (known_until, remembered)
}

fn start(sim: &mut Sim, remembered: BTreeMap<String, Remembered>) {
    for (name, remembered) in remembered {
        sim.tracker.restore(&name, remembered);
    }
    sim.list();
}

/// Case 42, the good part: Ready has not changed since before.
#[test]
fn a_node_that_was_ready_all_along_causes_no_event() {
    let mut sim = Sim::with(&["a", "b"]);
    let (_, remembered) = away(&mut sim, 21_600, |_| ());
    start(&mut sim, remembered);
    sim.run(20);
    assert_eq!(sim.state("a"), State::Up, "remembered");
    sim.run(100);
    assert_eq!((sim.state("a"), sim.told), (State::Up, vec![]));
}

#[test]
fn restoring_may_come_before_or_after_the_lists() {
    let mut sim = Sim::with(&["a", "b"]);
    let (_, remembered) = away(&mut sim, 600, |sim| {
        sim.edit("b", |facts| facts.machine.boot_id = "second".to_owned());
    });
    sim.list();
    for (name, remembered) in remembered {
        sim.tracker.restore(&name, remembered);
    }
    sim.run(100);
    assert_eq!(sim.take("b").len(), 1);
    let late = Remembered {
        machine: crate::crd::history::Machine::default(),
        state: State::Down,
        known_until: at(0),
        outage: None,
    };
    sim.tracker.restore("a", late);
    sim.run(100);
    assert_eq!((sim.state("a"), sim.told), (State::Up, vec![]), "too late");
}

/// Case 42: Ready is Unknown since three hours.
#[test]
fn a_node_that_went_down_in_unwatched_time_is_down_since_ready_changed() {
    let mut sim = Sim::with(&["a", "b"]);
    let mut went = 0;
    let (_, remembered) = away(&mut sim, 21_600, |sim| {
        sim.run(10_800);
        sim.off("b");
        went = sim.time;
    });
    start(&mut sim, remembered);
    sim.run(100);
    let [Told::Down(down_at, Kind::Lost, Sudden)] = sim.take("b")[..] else {
        panic!()
    };
    assert!(down_at > at(went) && down_at < at(went + 60), "{down_at}");
    assert_eq!((sim.state("b"), sim.told), (State::Down, vec![]));
}

#[test]
fn a_silent_node_whose_ready_is_true_is_down_since_it_was_first_observed() {
    let mut sim = Sim::with(&["a", "b"]);
    let (_, remembered) = away(&mut sim, 3_600, |sim| {
        sim.controller = false;
        sim.off("b");
    });
    start(&mut sim, remembered);
    let first = at(sim.time);
    sim.run(120);
    assert_eq!(sim.take("b"), [Told::Down(first, Kind::Lost, Sudden)]);
}

/// Case 42: at least one reboot. How long it took is not known, so that it takes no time.
#[test]
fn a_new_boot_after_a_restart_is_a_reboot_of_unknown_length() {
    let mut sim = Sim::with(&["a", "b"]);
    let (known_until, remembered) = away(&mut sim, 21_600, |sim| {
        sim.run(3_600);
        sim.boot("b", "second");
    });
    start(&mut sim, remembered);
    sim.run(100);
    let told = sim.take("b");
    assert!(
        matches!(told[..], [Told::Back(down_at, back, Kind::Reboot, Sudden)] if down_at == back && back > known_until),
        "{told:?}"
    );
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

#[test]
fn a_node_that_was_down_and_still_is_causes_no_event() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.edit("b", |facts| facts.unschedulable = true);
    sim.announce("b");
    sim.off("b");
    sim.run(60);
    let before = sim.liveness("b");
    let (_, remembered) = away(&mut sim, 21_600, |_| ());
    start(&mut sim, remembered);
    assert_eq!((sim.state("b"), sim.liveness("b").since), (State::Down, before.since));
    sim.run(300);
    let after = sim.liveness("b");
    assert_eq!(
        (after.state, after.since, sim.take("b")),
        (State::Down, before.since, vec![])
    );
    assert_eq!(after.went, Some(Kind::Clean));
    assert!(
        before.clean_trace && !after.clean_trace,
        "the trace was not seen by this process"
    );
    sim.on("b");
    sim.run(100);
    assert!(
        matches!(sim.take("b")[..], [Told::Back(.., Planned)]),
        "that it was planned is remembered"
    );
}

#[test]
fn a_node_that_was_down_and_is_alive_is_back() {
    for (boot, kind) in [("boot-b", Kind::Suspend), ("second", Kind::Lost)] {
        let mut sim = Sim::with(&["a", "b"]);
        sim.off("b");
        sim.run(60);
        let gone = sim.liveness("b").since;
        let (known_until, remembered) = away(&mut sim, 21_600, |sim| {
            sim.run(3_600);
            sim.boot("b", boot);
        });
        start(&mut sim, remembered);
        sim.run(100);
        let told = sim.take("b");
        assert!(
            matches!(told[..], [Told::Back(down_at, back, told, Sudden)]
                if down_at == gone && told == kind && back.duration_since(known_until).as_secs() < 3_620),
            "{told:?}"
        );
        assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
    }
}

#[test]
fn a_node_that_was_back_in_between_is_down_again() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    sim.run(60);
    let gone = sim.liveness("b").since;
    let (known_until, remembered) = away(&mut sim, 21_600, |sim| {
        sim.run(3_600);
        sim.boot("b", "second");
        sim.run(3_600);
        sim.off("b");
    });
    start(&mut sim, remembered);
    sim.run(100);
    let told = sim.take("b");
    assert!(
        matches!(told[..], [Told::Back(down_at, back, _, _), Told::Down(again, Kind::Lost, _)]
            if down_at == gone && back == known_until && again > known_until),
        "{told:?}"
    );
}

#[test]
fn another_machine_after_a_restart_gets_a_new_history() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    let (_, remembered) = away(&mut sim, 600, |sim| {
        sim.edit("b", |facts| facts.machine.system_uuid = "other".to_owned());
        sim.edit("c", |facts| facts.machine.node_uid = "second".to_owned());
    });
    start(&mut sim, remembered);
    sim.run(100);
    assert!(matches!(sim.take("b")[..], [Told::Replaced]));
    assert!(matches!(sim.take("c")[..], [Told::Reregistered(_)]));
    assert_eq!((sim.state("b"), sim.state("c")), (State::Up, State::Up));
}

#[test]
fn a_remembered_node_that_is_not_listed_is_gone() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    let (_, remembered) = away(&mut sim, 600, |sim| _ = sim.nodes.remove("b"));
    start(&mut sim, remembered);
    sim.run(100);
    assert_eq!((sim.state("b"), sim.told), (State::Gone, vec![]));
}

/// Case 6.
#[test]
fn a_node_that_is_off_at_the_first_installation_is_down_since_ready_changed() {
    let mut sim = Sim::unwatched(&["a", "b"]);
    sim.running = false;
    sim.off("b");
    let off = sim.time;
    sim.run(7_200);
    sim.running = true;
    sim.restart();
    sim.list();
    sim.run(100);
    let told = sim.take("b");
    assert!(
        matches!(told[..], [Told::Down(at_, Kind::Lost, _)] if at_ > at(off) && at_ < at(off + 60)),
        "{told:?}"
    );
    assert_eq!(sim.told, []);
}

/// Case 43: the new leader settles like any other process, and a mass of changes while it was away is not believed at once.
#[test]
fn a_new_leader_settles_before_it_judges() {
    let mut sim = Sim::with(&["a", "b", "c", "d"]);
    let (_, remembered) = away(&mut sim, 60, |sim| sim.off("d"));
    start(&mut sim, remembered);
    sim.run(36);
    assert_eq!(
        (sim.tracker.visibility(), sim.told.clone()),
        (Visibility::Settling, vec![])
    );
    sim.run(30);
    assert!(matches!(sim.take("d")[..], [Told::Down(..)]));
    assert_eq!(sim.told, []);
}

#[test]
fn most_steady_nodes_silent_after_a_restart_are_held_back_first() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    let (_, remembered) = away(&mut sim, 600, |sim| {
        sim.off("b");
        sim.off("c");
    });
    start(&mut sim, remembered);
    sim.run(70);
    assert!(matches!(sim.tracker.visibility(), Visibility::Guarded(_)));
    assert_eq!(sim.told, []);
    sim.run(100);
    assert!(matches!(sim.take("c")[..], [Told::Down(..)]));
}

/// Case 32: after a power cut our own clock may begin in 1970.
#[test]
fn no_event_is_older_than_what_is_remembered() {
    let mut sim = Sim::with(&["a", "b"]);
    let (known_until, remembered) = away(&mut sim, 600, |sim| sim.off("b"));
    sim.skew = -START;
    sim.restart();
    start(&mut sim, remembered);
    sim.run(100);
    assert_eq!(sim.take("b"), [Told::Down(known_until, Kind::Lost, Sudden)]);
}
