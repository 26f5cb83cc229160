//! A request whose value or whose answer changes while it is under way.
use super::*;

#[test]
fn a_new_request_after_the_return_is_emptied_again_and_knows_the_new_boots() {
    let mut sim = sim().draining("a").is(HostState::Off);
    sim.step(10);
    // Nothing runs there yet. What is left counts only once the new cordon is there.
    let mut sim = sim
        .is(HostState::On)
        .asked("b")
        .empty()
        .with(|sim| sim.boots = boots("2"));
    sim.step(100);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    assert_eq!(sim.off.as_ref().unwrap().boots, boots("2"));
    sim.step(101);
    assert_eq!((sim.phase(), sim.handled.as_deref()), (Some(OffPhase::Drained), None));
}

#[test]
fn a_request_that_changes_while_the_host_is_off_ends_when_it_is_back() {
    let mut sim = sim().draining("a").is(HostState::Off);
    sim.step(10);
    let mut sim = sim.asked("b");
    sim.step(20);
    assert_eq!(sim.off.as_ref().unwrap().request, "b");
    let mut sim = sim.is(HostState::On);
    sim.step(100);
    assert_eq!((sim.phase(), sim.handled.as_deref()), (None, Some("b")));
}

#[test]
fn an_answer_that_turns_unknown_stops_nothing_that_has_begun() {
    let mut sim = sim().draining("a").may(Answer::Unknown);
    sim.step(10);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
}

#[test]
fn a_refused_request_goes_on_with_a_clear_yes_but_a_new_one_is_judged_afresh() {
    let mut sim = sim().may(Answer::No).asked("a");
    sim.step(0);
    let mut sim = sim.may(Answer::Unknown);
    sim.step(10);
    assert_eq!(sim.phase(), Some(OffPhase::Refused));
    let mut sim = sim.asked("b");
    sim.step(20);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
}

#[test]
fn a_changed_request_for_an_empty_host_is_not_drained_while_its_pods_are_not_listed() {
    let mut sim = sim().draining("a").empty();
    sim.step(10);
    assert_eq!(sim.phase(), Some(OffPhase::Drained));
    let mut sim = sim.asked("b").with(|sim| sim.left = None);
    sim.step(20);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
}
