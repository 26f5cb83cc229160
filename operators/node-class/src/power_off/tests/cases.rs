//! Reports of people, each with its case's number.
use super::*;

/// Case `n05`: it boots instead of going off, so quickly that it was never seen off.
#[test]
fn a_boot_ends_the_request_and_lifts_the_cordons() {
    let mut sim = sim().draining("a").empty();
    sim.step(10);
    assert_eq!(sim.phase(), Some(OffPhase::Drained));
    // One virtual machine booted, the other runs on: so does the host.
    sim.boots.insert("talos03".to_owned(), "talos03-2".to_owned());
    sim.step(20);
    assert_eq!(sim.phase(), Some(OffPhase::Drained));
    let mut sim = sim.with(|sim| sim.boots = boots("2"));
    sim.step(30);
    assert!(!sim.cordoned());
    assert_eq!((sim.phase(), sim.handled.as_deref()), (None, Some("a")));
    sim.step(40);
    assert_eq!(sim.phase(), None, "the same value asks no second time");
}

/// Case `n05`: a request that an older version began knows no boots; they are noted.
#[test]
fn boots_are_noted_late_rather_than_never() {
    let mut sim = sim().draining("a").with(|sim| sim.off.as_mut().unwrap().boots.clear());
    sim.step(10);
    assert_eq!(sim.off.as_ref().unwrap().boots, boots("1"));
}

/// Case `n04`: an upgrade controller lifts any cordon.
#[test]
fn a_cordon_that_is_lifted_is_reported_and_the_host_is_not_empty() {
    let mut sim = sim().draining("a").empty();
    sim.step(10);
    let mut sim = sim.with(|sim| (sim.lifted, sim.left) = (vec!["talos03".to_owned()], None));
    sim.step(9000);
    assert!(sim.cordoned() && !sim.evicts());
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    let waiting = sim.off.as_ref().unwrap().waiting.join(" ");
    assert!(waiting.contains("the cordon of talos03 was lifted"), "{waiting}");
    // Cordoned again, it is emptied again, with a whole deadline.
    let late = vec!["Pod home/late".to_owned()];
    let mut sim = sim.with(|sim| (sim.lifted, sim.left) = (vec![], Some(late)));
    sim.step(9010);
    assert!(sim.evicts());
    let mut sim = sim.empty();
    sim.step(9020);
    assert_eq!(sim.phase(), Some(OffPhase::Drained));
}

/// Case `n04`: lifted again and again while it is emptied, it ends at the deadline, with the reason.
#[test]
fn a_cordon_that_does_not_last_ends_incomplete() {
    let mut sim = sim().draining("a").with(|sim| sim.lifted = vec!["talos03".to_owned()]);
    sim.step(DEADLINE + 1);
    assert_eq!(sim.phase(), Some(OffPhase::Incomplete));
    assert!(sim.off.as_ref().unwrap().waiting[0].contains("the cordon of talos03 was lifted"));
}
