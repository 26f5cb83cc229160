use super::*;

const HOME: [&str; 7] = ["mini1", "mini2", "mini3", "gamer1", "gamer2", "nixos1", "nixos2"];

/// Three mini PCs, and two desktops with two nodes each.
fn home() -> Sim {
    let mut sim = Sim::with(&HOME);
    sim.hosts(&[("gamer", &["gamer1", "gamer2"]), ("nixos", &["nixos1", "nixos2"])]);
    sim.volatile(&["gamer1", "gamer2", "nixos1", "nixos2"]);
    sim
}

/// Cases 38 and 49: together within seconds, which is what a desktop does.
#[test]
fn desktops_that_go_off_at_night_are_down() {
    let mut sim = home();
    for name in &HOME[3..] {
        sim.announce(name);
        sim.off(name);
    }
    let gone = HOME.map(|name| sim.renewed(name));
    sim.run(60);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
    for (name, gone) in HOME.iter().zip(gone).skip(3) {
        assert_eq!(sim.take(name), [Told::Down(gone, Kind::Clean, Sudden)]);
        assert!(sim.liveness(name).clean_trace);
    }
    sim.run(28_800);
    for name in &HOME[3..] {
        sim.boot(name, "morning");
    }
    sim.run(60);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
    for name in &HOME[3..] {
        assert!(matches!(sim.take(name)[..], [Told::Back(_, _, Kind::Clean, Sudden)]));
    }
}

/// Case 40.
#[test]
fn most_steady_nodes_at_once_are_held_back_until_it_is_stable() {
    let mut sim = home();
    sim.off("mini1");
    sim.off("mini2");
    let gone = [sim.renewed("mini1"), sim.renewed("mini2")];
    sim.run(60);
    let Visibility::Guarded(reason) = sim.tracker.visibility() else {
        panic!()
    };
    assert_eq!(reason, "2 of 3 steady hosts changed within 60 s");
    assert_eq!((sim.state("mini1"), sim.told.clone()), (State::Up, vec![]));
    sim.run(100);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
    assert_eq!(
        sim.take("mini1"),
        [Told::Down(gone[0], Kind::Lost, Sudden)],
        "with the true time"
    );
    assert_eq!(sim.take("mini2"), [Told::Down(gone[1], Kind::Lost, Sudden)]);
    sim.run(600);
    assert_eq!((sim.tracker.visibility(), sim.told), (Visibility::Clear, vec![]));
}

#[test]
fn an_event_that_was_held_back_is_dropped_if_it_is_over() {
    let mut sim = home();
    sim.off("mini1");
    sim.off("mini2");
    sim.run(60);
    sim.on("mini1");
    sim.on("mini2");
    sim.run(60);
    assert!(
        matches!(sim.tracker.visibility(), Visibility::Guarded(_)),
        "the impact has changed again"
    );
    sim.run(120);
    assert_eq!((sim.tracker.visibility(), sim.told), (Visibility::Clear, vec![]));
}

#[test]
fn a_boot_during_the_guard_is_reported_as_a_boot() {
    let mut sim = home();
    sim.off("mini1");
    sim.off("mini2");
    let gone = sim.renewed("mini1");
    sim.run(60);
    sim.boot("mini1", "second");
    sim.boot("mini2", "second");
    sim.run(180);
    assert!(matches!(sim.take("mini1")[..], [Told::Back(down_at, _, Kind::Reboot, _)] if down_at == gone));
}

/// The first of them is not told before the others are noticed.
#[test]
fn a_node_whose_silence_is_not_yet_long_enough_counts_as_well() {
    let mut sim = home();
    sim.off("mini1");
    sim.run(12);
    sim.off("mini2");
    let mut guarded = false;
    for _ in 0..80 {
        sim.run(1);
        guarded |= matches!(sim.tracker.visibility(), Visibility::Guarded(_));
        assert_eq!(sim.told, []);
    }
    assert!(guarded);
}

#[test]
fn many_returns_at_once_are_held_back_too() {
    let mut sim = home();
    sim.off("mini1");
    sim.run(100);
    sim.off("mini2");
    sim.run(100);
    sim.told.clear();
    sim.on("mini1");
    sim.on("mini2");
    sim.run(14);
    assert!(matches!(sim.tracker.visibility(), Visibility::Guarded(_)));
    sim.run(200);
    assert!(matches!(sim.take("mini1")[..], [Told::Back(_, _, Kind::Suspend, _)]));
    assert!(matches!(sim.take("mini2")[..], [Told::Back(_, _, Kind::Suspend, _)]));
}

/// Case 45.
#[test]
fn a_host_is_one_failure_domain() {
    let mut sim = Sim::with(&["a1", "a2", "a3", "b", "c"]);
    sim.hosts(&[("server", &["a1", "a2", "a3"])]);
    for name in ["a1", "a2", "a3"] {
        sim.off(name);
    }
    sim.run(60);
    assert_eq!(
        sim.tracker.visibility(),
        Visibility::Clear,
        "three of five nodes, and one of three hosts"
    );
    assert_eq!(sim.told.len(), 3);
}

#[test]
fn some_nodes_of_many_hosts_at_once_are_held_back() {
    let names = ["a1", "a2", "b1", "b2", "c1", "c2"];
    let mut sim = Sim::with(&names);
    sim.hosts(&[("a", &["a1", "a2"]), ("b", &["b1", "b2"]), ("c", &["c1", "c2"])]);
    for name in ["a1", "a2", "b1", "c1"] {
        sim.off(name);
    }
    sim.run(60);
    assert_eq!(
        sim.tracker.visibility(),
        Visibility::Guarded("4 of 6 steady nodes changed within 60 s".to_owned())
    );
}

/// Case 45: with no steady node, only a change of all hosts is too much.
#[test]
fn without_steady_nodes_only_all_hosts_at_once_count() {
    let names = ["a", "b", "c", "d"];
    let mut sim = Sim::with(&names);
    sim.volatile(&names);
    for name in ["a", "b", "c"] {
        sim.off(name);
    }
    sim.run(60);
    assert_eq!((sim.tracker.visibility(), sim.told.len()), (Visibility::Clear, 3));
    sim.off("d");
    sim.run(120);
    assert_eq!(sim.tracker.visibility(), Visibility::Blind);
    let mut sim = Sim::with(&names);
    sim.volatile(&names);
    // Only what is not counted continues: a lease without a Node.
    for name in names {
        sim.off(name);
    }
    for _ in 0..12 {
        let (version, now) = (sim.time.to_string(), sim.now());
        sim.tracker.lease("stray", &version, now);
        sim.run(5);
    }
    assert_eq!(
        sim.tracker.visibility(),
        Visibility::Guarded("all 4 hosts changed within 60 s".to_owned())
    );
    assert_eq!(sim.told, []);
}

/// It goes down and up so often that nothing is ever stable.
#[test]
fn a_node_that_flaps_does_not_hold_back_the_others_forever() {
    let mut sim = home();
    for name in ["mini1", "mini2", "mini3"] {
        sim.off(name);
    }
    let mut guarded = 0;
    for round in 0..40 {
        let seconds = if round % 2 == 0 {
            sim.off("gamer1");
            50
        } else {
            sim.on("gamer1");
            12
        };
        for _ in 0..seconds {
            sim.run(1);
            guarded += u32::from(matches!(sim.tracker.visibility(), Visibility::Guarded(_)));
        }
    }
    assert!(guarded >= 500, "{guarded}");
    assert!(guarded <= 700, "{guarded}");
    assert!(matches!(sim.take("mini1")[..], [Told::Down(..)]));
}

/// It showed a new boot and was silent again: that belongs to its outage.
#[test]
fn a_boot_without_a_return_is_no_event_of_its_own() {
    let mut sim = home();
    sim.off("mini1");
    sim.off("mini2");
    let gone = sim.renewed("mini1");
    sim.run(60);
    sim.edit("mini1", |facts| facts.machine.boot_id = "second".to_owned());
    sim.run(120);
    assert_eq!(sim.take("mini1"), [Told::Down(gone, Kind::Lost, Sudden)]);
}
