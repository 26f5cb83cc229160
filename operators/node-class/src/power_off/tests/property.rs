//! Any order of events.
use super::*;

/// Anything may happen in any order, the operator's restart after every step included: it keeps nothing but the status.
#[test]
fn no_order_of_events_breaks_the_invariants() {
    let mut random = fastrand::Rng::with_seed(2);
    let (mut ends, mut refusals, mut evictions) = (0, 0, 0);
    for _ in 0..2000 {
        let (mut sim, mut now) = (sim(), 0);
        for _ in 0..40 {
            now += random.i64(-30..200);
            match random.u8(0..8) {
                0 => sim.asked = None,
                1 => sim.asked = Some(["a", "b", "c!"][random.usize(0..3)].to_owned()),
                2 => sim.left = [None, Some(vec![]), Some(vec!["Pod a/b".to_owned()])][random.usize(0..3)].clone(),
                3 => sim.may = [Answer::Yes, Answer::No, Answer::Unknown][random.usize(0..3)],
                4 | 5 => {
                    let states = [HostState::On, HostState::Off, HostState::Partial, HostState::Unknown];
                    sim.state = states[random.usize(0..4)];
                }
                _ => {}
            }
            let before = sim.clone();
            let next = sim.step(now);
            let phase = sim.phase();
            let judged = before.state != HostState::Unknown;
            assert!(!(sim.cordoned() && judged) || before.asked.is_some());
            if sim.evicts() && judged {
                evictions += 1;
                assert!(before.may != Answer::No || before.asked.as_deref().is_some_and(forced));
                let since = sim.off.as_ref().unwrap().since.0;
                assert!(at(now).duration_since(since).as_secs() < DEADLINE);
            }
            let same = before.off.as_ref().map(|off| &off.request) == sim.asked.as_ref();
            if same && before.left.is_none() && before.phase() == Some(OffPhase::Drained) {
                assert_ne!(phase, Some(OffPhase::Draining), "the pods were not listed");
            }
            if let Some(handled) = &next.handled {
                ends += 1;
                assert_eq!(before.off.map(|off| off.request).as_ref(), Some(handled));
                assert!(next.off.is_none());
            }
            if phase == Some(OffPhase::Refused) {
                refusals += 1;
                assert!(!sim.cordoned());
            }
            let again = sim.clone().step(now);
            if before.state == HostState::Off {
                assert_eq!(again.off, next.off, "the same once more");
            }
        }
    }
    assert!(
        ends > 500 && refusals > 500 && evictions > 500,
        "{ends} {refusals} {evictions}"
    );
}
