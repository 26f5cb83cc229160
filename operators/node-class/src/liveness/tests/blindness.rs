use super::*;

#[test]
fn nothing_is_judged_before_a_grace_of_clear_visibility() {
    let mut sim = Sim::unwatched(&["a", "b", "c"]);
    sim.off("c");
    sim.edit("c", |facts| facts.ready.status = None);
    sim.restart();
    assert_eq!(sim.tracker.visibility(), Visibility::Settling);
    sim.run(10);
    sim.list();
    sim.run(38);
    assert_eq!(
        (sim.tracker.visibility(), sim.state("a")),
        (Visibility::Settling, State::Unknown)
    );
    assert_eq!(sim.told, []);
    sim.run(30);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
    assert_eq!(
        ["a", "b", "c"].map(|name| sim.state(name)),
        [State::Up, State::Up, State::Down]
    );
}

#[test]
fn without_any_renewal_after_the_start_the_visibility_is_blind() {
    let mut sim = Sim::unwatched(&["a", "b"]);
    sim.list();
    sim.off("a");
    sim.off("b");
    sim.run(30);
    assert_eq!(sim.tracker.visibility(), Visibility::Blind);
    sim.run(600);
    assert_eq!((sim.told, sim.tracker.visibility()), (vec![], Visibility::Blind));
}

/// Case 41.
#[test]
fn an_api_server_that_is_away_is_a_gap_for_all_and_an_outage_for_none() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.api = false;
    sim.run(600);
    assert_eq!(
        (sim.tracker.visibility(), sim.state("a")),
        (Visibility::Blind, State::Up),
        "the last confirmed state"
    );
    assert_eq!(sim.told, []);
    sim.api = true;
    sim.run(10);
    assert_eq!(sim.tracker.visibility(), Visibility::Settling);
    sim.run(600);
    assert_eq!((sim.tracker.visibility(), sim.told), (Visibility::Clear, vec![]));
}

#[test]
fn silence_is_counted_from_the_end_of_blindness() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("c");
    sim.run(14);
    sim.api = false;
    sim.run(100);
    sim.api = true;
    let end = at(sim.time);
    sim.run(40);
    assert_eq!(sim.state("c"), State::Up);
    assert!(sim.liveness("c").silent < Duration::from_secs(40));
    sim.take("c");
    sim.run(20);
    let [Told::Down(down_at, Kind::Lost, _)] = sim.take("c")[..] else {
        panic!()
    };
    assert!(down_at >= end, "it may have lived on while it could not be seen");
}

#[test]
fn a_node_that_is_down_stays_so_through_blindness() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.off("b");
    sim.run(100);
    sim.take("b");
    sim.api = false;
    sim.run(100);
    sim.api = true;
    sim.run(300);
    assert_eq!(sim.state("b"), State::Down);
    assert_eq!(sim.take("b"), []);
}

/// Case 46.
#[test]
fn a_single_node_is_never_seen_to_go_down() {
    let mut sim = Sim::with(&["a"]);
    sim.off("a");
    sim.run(3_600);
    assert_eq!(
        (sim.tracker.visibility(), sim.state("a")),
        (Visibility::Blind, State::Up)
    );
    assert_eq!(sim.told, []);
    sim.boot("a", "second");
    sim.run(120);
    let told = sim.take("a");
    // That it booted is certain; how long it took is not.
    assert!(matches!(told[..], [Told::Back(down_at, at, Kind::Reboot, _)] if down_at == at));
}

#[test]
fn a_stopped_process_is_blind_and_takes_no_node_for_down() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.running = false;
    sim.run(300);
    sim.running = true;
    // What had queued up is delivered at once, the step comes first.
    let now = sim.now();
    let told = sim.tracker.step(&sim.domains, now);
    assert_eq!((told, sim.tracker.visibility()), (vec![], Visibility::Blind));
    sim.run(20);
    assert_eq!(sim.tracker.visibility(), Visibility::Settling);
    sim.run(300);
    assert_eq!((sim.told, sim.tracker.visibility()), (vec![], Visibility::Clear));
}

#[test]
fn a_pause_between_steps_is_blindness_also_when_events_went_on() {
    let mut sim = Sim::with(&["a", "b"]);
    for _ in 0..45 {
        sim.time += 1;
        let now = sim.now();
        if sim.time.is_multiple_of(10) {
            sim.tracker.lease("a", &format!("p{}", sim.time), now);
        }
    }
    sim.run(2);
    assert_eq!(sim.tracker.visibility(), Visibility::Blind);
    sim.run(20);
    assert_eq!(sim.tracker.visibility(), Visibility::Settling);
    assert_eq!(sim.told, []);
}

#[test]
fn a_watch_that_is_known_to_be_broken_is_blindness_at_once() {
    let mut sim = Sim::with(&["a", "b"]);
    let now = sim.now();
    sim.tracker.watching(false, now);
    assert_eq!(sim.tracker.visibility(), Visibility::Blind);
    sim.run(15);
    assert_eq!(
        (sim.tracker.visibility(), sim.told.len()),
        (Visibility::Blind, 0),
        "leases alone are not enough"
    );
    sim.list();
    sim.run(12);
    assert_eq!(sim.tracker.visibility(), Visibility::Settling);
    sim.run(60);
    assert_eq!(sim.tracker.visibility(), Visibility::Clear);
}

/// While it was not watched, the shutdown may have been called off, and the node lost later.
#[test]
fn a_trace_with_a_gap_is_no_trace() {
    let mut sim = Sim::with(&["a", "b"]);
    sim.announce("b");
    sim.off("b");
    sim.api = false;
    sim.run(60);
    sim.api = true;
    sim.edit("b", |facts| {
        facts.ready.status = None;
        facts.ready.message = String::new();
    });
    sim.run(120);
    assert_eq!(sim.state("b"), State::Down);
    assert!(!sim.liveness("b").clean_trace);
}

#[test]
fn a_return_during_blindness_is_reported_when_visibility_is_clear() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.off("c");
    sim.run(100);
    let gone = sim.liveness("c").since;
    sim.take("c");
    sim.api = false;
    sim.run(100);
    sim.api = true;
    sim.on("c");
    sim.run(30);
    assert_eq!(sim.state("c"), State::Down, "the last confirmed state");
    sim.run(30);
    assert!(matches!(sim.take("c")[..], [Told::Back(down_at, _, Kind::Suspend, _)] if down_at == gone));
    assert_eq!(sim.state("c"), State::Up);
}

#[test]
fn silence_against_a_true_ready_condition_is_counted_from_the_end_of_blindness_too() {
    let mut sim = Sim::with(&["a", "b", "c"]);
    sim.controller = false;
    sim.off("c");
    sim.run(36);
    sim.api = false;
    sim.run(100);
    sim.api = true;
    sim.run(70);
    assert_eq!(
        (sim.tracker.visibility(), sim.state("c")),
        (Visibility::Clear, State::Up)
    );
    assert!(sim.liveness("c").silent <= Duration::from_secs(70));
    sim.run(30);
    assert_eq!(sim.state("c"), State::Down);
}
