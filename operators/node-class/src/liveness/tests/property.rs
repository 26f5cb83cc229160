//! What holds whatever happens.
use super::*;

/// API servers that vanish, processes that stop, watches that break, leases that are late: and yet a node that renews
/// whenever it can is never told to be down.
#[test]
fn no_sequence_of_blindness_and_silence_makes_a_steady_node_down() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sim = Sim::with(&["a", "b", "c", "d", "e"]);
        for _ in 0..40 {
            match random.u8(..6) {
                0 => sim.api = !sim.api,
                1 => sim.running = !sim.running,
                2 => {
                    let now = sim.now();
                    sim.tracker.watching(false, now);
                }
                3 if sim.api && sim.running => sim.list(),
                4 => sim.off("d"),
                _ => sim.on("d"),
            }
            sim.run(random.u64(1..90));
            if sim.api && sim.running && random.bool() {
                sim.list();
            }
        }
        for told in &sim.told {
            assert_eq!(told.0, "d", "seed {seed}: {told:?}");
        }
        (sim.api, sim.running) = (true, true);
        sim.on("d");
        sim.list();
        sim.run(300);
        assert_eq!(sim.tracker.visibility(), Visibility::Clear, "seed {seed}");
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(sim.state(name), State::Up, "seed {seed}: {name}");
        }
    }
}

/// Machines go on and off at random, in any numbers: what is told of each makes a story, and it ends with the truth.
#[test]
fn events_of_a_node_alternate_between_down_and_back_and_end_with_its_state() {
    let names = ["a", "b", "c", "d", "e", "f"];
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sim = Sim::with(&names);
        sim.hosts(&[("x", &["b", "c"]), ("y", &["d", "e"])]);
        sim.volatile(&["b", "c", "d", "e"]);
        let mut boots = 0;
        for _ in 0..60 {
            let name = *random.choice(&names[1..]).unwrap();
            if sim.nodes[name].on {
                if random.bool() {
                    sim.announce(name);
                }
                sim.off(name);
            } else if random.bool() {
                boots += 1;
                sim.boot(name, &format!("boot-{boots}"));
                sim.edit(name, |facts| facts.ready.status = None);
            } else {
                sim.on(name);
            }
            if random.u8(..8) == 0 {
                sim.api = !sim.api;
            }
            sim.run(random.u64(1..120));
        }
        sim.api = true;
        sim.run(900);
        assert_eq!(sim.tracker.visibility(), Visibility::Clear, "seed {seed}");
        for name in names {
            let truth = if sim.nodes[name].on { State::Up } else { State::Down };
            assert_eq!(sim.state(name), truth, "seed {seed}: {name}");
            story(&sim.take(name), &format!("seed {seed}: {name}"));
        }
    }
}

fn story(told: &[Told], whose: &str) {
    let mut down: Option<Timestamp> = None;
    let mut last = (Timestamp::MIN, Timestamp::MIN);
    for what in told {
        match *what {
            Told::Down(at, kind, _) => {
                assert!(
                    down.is_none() && matches!(kind, Kind::Clean | Kind::Lost),
                    "{whose}: {told:#?}"
                );
                assert!(at >= last.1, "{whose}: {told:#?}");
                down = Some(at);
            }
            Told::Back(down_at, at, _, _) => {
                assert!(down_at <= at, "{whose}: {told:#?}");
                // Of this outage, or a boot that was not noticed, or a correction of the one before.
                assert!(down.is_none() || down == Some(down_at), "{whose}: {told:#?}");
                assert!(
                    down.is_some() || down_at >= last.1 || down_at == last.0,
                    "{whose}: {told:#?}"
                );
                (down, last) = (None, (down_at, at));
            }
            Told::Reregistered(_) | Told::Replaced => panic!("{whose}: {told:#?}"),
        }
    }
}
