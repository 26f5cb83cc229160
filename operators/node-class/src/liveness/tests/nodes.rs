use super::*;

#[test]
fn silence_makes_a_node_down_since_its_last_renewal_once_ready_agrees() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(30);
    assert_eq!((sim.state("b"), sim.take("b")), (State::Up, vec![]));
    sim.run(30);
    assert_eq!(sim.take("b"), [Told::Down(gone, Kind::Lost, Sudden)]);
    let liveness = sim.liveness("b");
    assert_eq!((liveness.state, liveness.since), (State::Down, gone));
    assert_eq!((liveness.went, liveness.clean_trace), (Some(Kind::Lost), false));
    assert!(liveness.silent >= Duration::from_secs(40));
    sim.run(3_600);
    assert_eq!((sim.state("b"), sim.told), (State::Down, vec![]), "told once");
}

/// Case 28.
#[test]
fn twenty_five_seconds_of_silence_cause_no_event() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    sim.run(25);
    assert_eq!(sim.state("b"), State::Up);
    sim.on("b");
    sim.run(300);
    assert_eq!(sim.told, []);
}

/// Case 29: no one is there to change Ready.
#[test]
fn silence_against_a_true_ready_condition_must_last_twice_as_long() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.controller = false;
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(70);
    assert_eq!((sim.state("b"), sim.take("b")), (State::Up, vec![]));
    sim.run(30);
    assert_eq!(sim.take("b"), [Told::Down(gone, Kind::Lost, Sudden)]);
}

/// Case 30: the node's clock has jumped back, so that the cluster takes it for dead.
#[test]
fn a_renewed_lease_means_up_whatever_ready_says() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.run(20);
    for _ in 0..60 {
        sim.edit("b", |facts| facts.ready.status = None);
        sim.run(10);
        assert_eq!(sim.state("b"), State::Up);
    }
    assert_eq!(sim.told, []);
}

/// Case 33.
#[test]
fn a_return_in_the_same_boot_was_a_suspend() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(1_200);
    assert_eq!(sim.take("b").len(), 1);
    sim.on("b");
    sim.run(40);
    let [Told::Back(down_at, back, Kind::Suspend, Sudden)] = sim.take("b")[..] else {
        panic!()
    };
    assert_eq!(down_at, gone);
    assert!(back > at(sim.time - 40) && back <= at(sim.time - 30), "{back}");
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

#[test]
fn a_node_is_up_with_its_first_renewal_although_the_return_is_reported_later() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    sim.run(120);
    sim.take("b");
    sim.on("b");
    while sim.nodes["b"].renewed < sim.time {
        sim.run(1);
    }
    assert_eq!((sim.state("b"), sim.liveness("b").since), (State::Up, at(sim.time)));
    let back = at(sim.time);
    sim.run(4);
    assert_eq!((sim.state("b"), sim.liveness("b").since), (State::Up, back));
    assert_eq!(sim.take("b"), [], "it might have booted");
    sim.boot("b", "second");
    sim.run(2);
    assert!(matches!(sim.take("b")[..], [Told::Back(_, at, Kind::Reboot, Sudden)] if at == back));
}

#[test]
fn a_boot_is_a_reboot_within_ten_minutes_and_as_it_went_after() {
    for (off, clean, kind) in [
        (90, false, Kind::Reboot),
        (90, true, Kind::Reboot),
        (900, false, Kind::Lost),
        (900, true, Kind::Clean),
    ] {
        let mut sim = Sim::with(&["a", "b"]);
        if clean {
            sim.announce("b");
        }
        sim.off("b");
        let gone = sim.renewed("b");
        sim.run(off);
        let went = if clean { Kind::Clean } else { Kind::Lost };
        assert_eq!(sim.take("b"), [Told::Down(gone, went, Sudden)]);
        sim.boot("b", "second");
        sim.run(30);
        assert!(
            matches!(sim.take("b")[..], [Told::Back(down_at, _, told, Sudden)] if down_at == gone && told == kind),
            "{off} {clean}"
        );
    }
}

/// The Node says so only after a suspend was told.
#[test]
fn a_boot_that_is_posted_late_corrects_the_event() {
    for (off, kind) in [(120, Kind::Reboot), (900, Kind::Lost)] {
        let mut sim = Sim::with(&["a", "b"]);
        sim.off("b");
        let gone = sim.renewed("b");
        sim.run(off);
        sim.take("b");
        sim.on("b");
        sim.run(60);
        let [Told::Back(first, back, Kind::Suspend, _)] = sim.take("b")[..] else {
            panic!()
        };
        sim.boot("b", "second");
        sim.run(4);
        assert_eq!(sim.take("b"), [Told::Back(gone, back, kind, Sudden)]);
        assert_eq!(first, gone);
        sim.run(60);
        sim.boot("b", "third");
        sim.run(4);
        assert!(
            matches!(sim.take("b")[..], [Told::Back(down_at, _, Kind::Reboot, _)] if down_at > back),
            "the next boot is another one"
        );
    }
}

/// Case 34.
#[test]
fn a_restart_of_the_kubelet_causes_no_event() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    sim.run(28);
    sim.on("b");
    sim.edit("b", |facts| facts.ready.status = Some(false));
    sim.run(5);
    sim.edit("b", |facts| facts.ready.status = Some(true));
    sim.run(120);
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

#[test]
fn a_boot_too_quick_to_be_noticed_is_one_event() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(32);
    sim.boot("b", "second");
    let posted = at(sim.time);
    sim.run(120);
    assert_eq!(sim.take("b"), [Told::Back(gone, posted, Kind::Reboot, Sudden)]);
    assert_eq!((sim.state("b"), sim.told), (State::Up, vec![]));
}

#[test]
fn a_quick_boot_is_dated_by_the_pause_of_the_lease_when_the_node_is_posted_after_it() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(30);
    sim.on("b");
    sim.run(10);
    let back = sim.renewed("b");
    sim.boot("b", "second");
    sim.run(120);
    assert_eq!(sim.take("b"), [Told::Back(gone, back, Kind::Reboot, Sudden)]);
}

/// The status of a booting kubelet comes before its first renewal, at the very moment at which it would count as down.
#[test]
fn a_new_boot_counts_as_a_renewal() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    let gone = sim.nodes["b"].renewed;
    while sim.time < gone + 39 {
        sim.run(1);
    }
    sim.edit("b", |facts| {
        facts.machine.boot_id = "second".to_owned();
        facts.ready.status = Some(false);
    });
    sim.run(9);
    sim.on("b");
    sim.run(60);
    assert!(matches!(sim.take("b")[..], [Told::Back(_, _, Kind::Reboot, _)]));
}

/// Case 35.
#[test]
fn a_boot_into_new_versions_is_planned() {
    for off in [30, 200] {
        let mut sim = Sim::with(&["a", "b"]);
        sim.off("b");
        sim.run(off);
        sim.on("b");
        sim.edit("b", |facts| {
            facts.machine.versions = "v1.37 6.13 Talos".to_owned();
            facts.machine.boot_id = "second".to_owned();
        });
        sim.run(30);
        let told = sim.take("b");
        assert!(
            matches!(told.last(), Some(Told::Back(_, _, Kind::Reboot, Planned))),
            "{told:?}"
        );
    }
}

/// Case 36.
#[test]
fn what_a_person_or_we_announced_is_planned() {
    let planned = |change: &dyn Fn(&mut NodeFacts)| {
        let mut sim = Sim::with(&["a", "b"]);
        sim.edit("b", |facts| change(facts));
        sim.run(10);
        sim.off("b");
        sim.run(60);
        matches!(sim.take("b")[..], [Told::Down(_, _, Planned)])
    };
    let talos = |facts: &mut NodeFacts| {
        facts.unschedulable = true;
        facts.annotations.insert("talos.dev/cordoned".into(), "true".into());
    };
    assert!(planned(&|facts| facts.unschedulable = true));
    assert!(planned(
        &|facts| _ = facts.annotations.insert(crate::crd::CORDONED.into(), "x".into())
    ));
    assert!(!planned(&|_| ()));
    assert!(!planned(&talos), "Talos cordons at every shutdown");
}

#[test]
fn a_cordon_by_hand_is_planned_also_when_talos_marks_it_later() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.edit("b", |facts| facts.unschedulable = true);
    sim.run(10);
    sim.edit("b", |facts| {
        _ = facts.annotations.insert("talos.dev/cordoned".into(), "true".into());
    });
    sim.off("b");
    sim.run(60);
    assert!(matches!(sim.take("b")[..], [Told::Down(_, Kind::Clean, Planned)]));
}

#[test]
fn an_announced_shutdown_then_silence_is_a_clean_trace_until_the_next_boot() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.announce("b");
    sim.run(15);
    sim.off("b");
    sim.run(60);
    assert!(matches!(sim.take("b")[..], [Told::Down(_, Kind::Clean, Sudden)]));
    assert!(sim.liveness("b").clean_trace, "also now that Ready is Unknown");
    sim.edit("b", |facts| facts.machine.boot_id = "second".to_owned());
    assert_eq!(sim.state("b"), State::Down);
    assert!(!sim.liveness("b").clean_trace, "it boots");
}

/// Case 55.
#[test]
fn a_clean_shutdown_that_returns_after_ninety_seconds_was_a_reboot() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.announce("b");
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(90);
    assert!(sim.liveness("b").clean_trace);
    sim.take("b");
    sim.boot("b", "second");
    sim.run(20);
    assert!(matches!(sim.take("b")[..], [Told::Back(down_at, _, Kind::Reboot, _)] if down_at == gone));
    assert_eq!((sim.state("b"), sim.liveness("b").clean_trace), (State::Up, false));
}

#[test]
fn a_shutdown_that_was_called_off_is_no_announcement() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.announce("b");
    sim.run(20);
    sim.edit("b", |facts| facts.ready = ready(true, at(0)));
    sim.run(20);
    sim.off("b");
    sim.run(60);
    assert!(matches!(sim.take("b")[..], [Told::Down(_, Kind::Lost, Sudden)]));
}

/// A failed drain leaves Talos' cordon behind (talos PR 13802); a cut cable a day later is no clean shutdown.
#[test]
fn talos_cordon_alone_is_clean_but_no_trace_and_nothing_once_it_is_old() {
    for (minutes, kind) in [(1, Kind::Clean), (40, Kind::Lost)] {
        let mut sim = Sim::with(&["a", "b"]);
        sim.edit("b", |facts| {
            _ = facts.annotations.insert("talos.dev/cordoned".into(), "true".into());
        });
        sim.run(60 * minutes);
        sim.off("b");
        sim.run(60);
        assert!(
            matches!(sim.take("b")[..], [Told::Down(_, told, _)] if told == kind),
            "{minutes}"
        );
        assert!(!sim.liveness("b").clean_trace);
    }
}

/// Case 32: a machine without a battery-backed clock boots in 1970, then NTP sets it.
#[test]
fn a_jump_of_our_wall_clock_moves_stamps_and_no_duration() {
    let mut sim = Sim::unwatched(&["a", "b"]);
    sim.skew = -START;
    sim.restart();
    sim.list();
    sim.run(100);
    sim.off("b");
    let gone = sim.renewed("b");
    sim.run(20);
    sim.skew = 0;
    sim.run(16);
    assert_eq!(
        (sim.state("b"), sim.tracker.visibility()),
        (State::Up, Visibility::Clear)
    );
    let since = sim.liveness("a").since;
    assert!(since > at(0) && since < at(sim.time), "stamped again: {since}");
    sim.run(30);
    assert_eq!(sim.take("b"), [Told::Down(gone, Kind::Lost, Sudden)]);
    sim.skew = -3_600;
    sim.run(100);
    assert_eq!((sim.state("a"), sim.told), (State::Up, vec![]));
}

#[test]
fn an_unchanged_version_and_a_first_observation_are_no_renewal() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    let gone = sim.renewed("b");
    for _ in 0..60 {
        sim.run(1);
        let version = sim.nodes["b"].version.to_string();
        sim.tracker.lease("b", &version, sim.now());
        let first = format!("first-{}", sim.time);
        sim.tracker.lease(&first, "1", sim.now());
    }
    assert_eq!(sim.take("b"), [Told::Down(gone, Kind::Lost, Sudden)]);
}

/// Case 48.
#[test]
fn one_of_three_machines_of_a_host_goes_down_alone() {
    let mut sim = Sim::with(&["a", "b", "c", "d"]);
    sim.hosts(&[("pc", &["a", "b", "c"])]);
    sim.off("b");
    sim.run(60);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
    assert_eq!(
        ["a", "b", "c"].map(|name| sim.state(name)),
        [State::Up, State::Down, State::Up]
    );
}
