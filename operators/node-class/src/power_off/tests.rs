//! A host and its NodeHost's status, to which each decision is applied as the operator does.
use super::*;

mod cases;
mod changed;
mod guide;
mod property;

const DEADLINE: i64 = 300;

/// A host that is on, may go off and has pods on it.
#[derive(Clone, Debug)]
struct Sim {
    asked: Option<String>,
    handled: Option<String>,
    off: Option<OffRequest>,
    state: HostState,
    may: Answer,
    left: Option<Vec<String>>,
    boots: BTreeMap<String, String>,
    lifted: Vec<String>,
}

fn sim() -> Sim {
    Sim {
        asked: None,
        handled: None,
        off: None,
        state: HostState::On,
        may: Answer::Yes,
        left: Some(vec!["Pod home/web-0".to_owned()]),
        boots: boots("1"),
        lifted: Vec::new(),
    }
}

/// Both nodes of the host, with this boot.
fn boots(boot: &str) -> BTreeMap<String, String> {
    let node = |name: &str| (name.to_owned(), format!("{name}-{boot}"));
    BTreeMap::from([node("talos03"), node("talos08")])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

impl Sim {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn asked(self, request: &str) -> Self {
        self.with(|sim| sim.asked = Some(request.to_owned()))
    }

    fn look(&self, now: i64) -> Next {
        let case = Case {
            asked: self.asked.as_deref(),
            handled: self.handled.as_deref(),
            off: self.off.as_ref(),
            state: self.state,
            boots: &self.boots,
            lifted: &self.lifted,
            may: self.may,
            left: self.left.as_deref(),
            deadline: Duration::from_secs(DEADLINE.unsigned_abs()),
        };
        decide(&case, at(now))
    }

    /// Looks and does what it says.
    fn step(&mut self, now: i64) -> Next {
        let next = self.look(now);
        self.off.clone_from(&next.off);
        if next.handled.is_some() {
            self.handled.clone_from(&next.handled);
        }
        next
    }

    fn phase(&self) -> Option<OffPhase> {
        self.off.as_ref().map(|off| off.phase)
    }

    /// Its nodes are cordoned for a request that is not refused, as the planner decides.
    fn cordoned(&self) -> bool {
        self.phase().is_some_and(|phase| phase != OffPhase::Refused)
    }

    fn evicts(&self) -> bool {
        self.phase() == Some(OffPhase::Draining) && self.left.as_ref().is_some_and(|left| !left.is_empty())
    }

    /// A request that has been under way for a second.
    fn draining(self, request: &str) -> Self {
        let mut sim = self.asked(request);
        sim.step(0);
        assert_eq!(sim.phase(), Some(OffPhase::Draining));
        sim
    }

    fn empty(self) -> Self {
        self.with(|sim| sim.left = Some(vec![]))
    }

    fn is(self, state: HostState) -> Self {
        self.with(|sim| sim.state = state)
    }

    fn may(self, may: Answer) -> Self {
        self.with(|sim| sim.may = may)
    }
}

#[test]
fn a_night_from_the_request_to_the_return() {
    let mut sim = sim().asked("2025-06-15T23:00");
    sim.step(0);
    assert!(sim.cordoned() && sim.evicts());
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    assert_eq!(sim.off.as_ref().unwrap().waiting, ["Pod home/web-0"]);

    let mut sim = sim.empty();
    sim.step(30);
    assert!(sim.cordoned() && !sim.evicts());
    assert_eq!(sim.phase(), Some(OffPhase::Drained));

    let mut sim = sim.is(HostState::Off);
    assert_eq!(sim.step(90), sim.look(90), "asked again, it says the same");
    assert_eq!(sim.phase(), Some(OffPhase::Off));
    assert!(sim.cordoned());

    let mut sim = sim.is(HostState::On);
    sim.step(9 * 3600);
    assert_eq!((sim.phase(), sim.cordoned()), (None, false));
    assert_eq!(sim.handled.as_deref(), Some("2025-06-15T23:00"));

    let next = sim.step(10 * 3600);
    assert_eq!(next, Next::default(), "it is not asked twice");
}

#[test]
fn nothing_is_drained_before_the_cordon_is_there() {
    let mut sim = sim().empty().asked("a");
    sim.step(0);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    sim.step(1);
    assert_eq!(sim.phase(), Some(OffPhase::Drained));
}

#[test]
fn what_may_not_go_off_is_refused_and_not_touched() {
    let mut sim = sim().may(Answer::No).asked("a");
    for now in [0, 60, 100_000] {
        sim.step(now);
        assert!(!sim.cordoned() && !sim.evicts());
        assert_eq!(sim.phase(), Some(OffPhase::Refused));
    }
    assert_eq!(
        sim.off.as_ref().unwrap().since.0,
        at(0),
        "since when, is when it was asked"
    );

    let mut unsure = sim.clone().may(Answer::Unknown);
    unsure.step(100_001);
    assert_eq!(unsure.phase(), Some(OffPhase::Refused), "that is no Yes");

    let mut sim = sim.may(Answer::Yes);
    sim.step(100_002);
    assert!(sim.cordoned() && sim.evicts());
    assert_eq!(sim.off.as_ref().unwrap().since.0, at(100_002), "its time begins now");
}

#[test]
fn nothing_known_against_it_is_enough_to_begin() {
    let mut sim = sim().may(Answer::Unknown).asked("a");
    sim.step(0);
    assert!(sim.cordoned());
}

#[test]
fn a_forced_request_continues_whatever_the_answer() {
    for (request, goes) in [
        ("force", true),
        ("tonight!", true),
        ("tonight", false),
        ("forced", false),
    ] {
        let mut sim = sim().may(Answer::No).asked(request);
        sim.step(0);
        assert_eq!(sim.cordoned(), goes, "{request}");
    }
}

/// Edge case 52: the next control-plane node is not emptied when the headroom has gone meanwhile.
#[test]
fn an_answer_that_turns_to_no_stops_it_and_lifts_the_cordon() {
    for left in [Some(vec![]), Some(vec!["Pod home/web-0".to_owned()])] {
        let mut sim = sim().draining("a").with(|sim| sim.left = left);
        sim.step(5);
        let mut sim = sim.may(Answer::No);
        sim.step(10);
        assert_eq!((sim.phase(), sim.cordoned()), (Some(OffPhase::Refused), false));
    }
}

/// Edge case 64.
#[test]
fn when_the_deadline_has_passed_evictions_end_and_the_rest_is_reported() {
    let blocked = "Pod home/db-0: the disruption budget home/db allows none now";
    let mut sim = sim()
        .draining("a")
        .with(|sim| sim.left = Some(vec![blocked.to_owned()]));
    for now in [10, 200, DEADLINE - 1] {
        sim.step(now);
        assert!(sim.evicts() && sim.cordoned(), "{now}");
    }
    for now in [DEADLINE, DEADLINE + 1, 100_000] {
        sim.step(now);
        assert!(!sim.evicts() && sim.cordoned(), "{now}");
        assert_eq!(sim.phase(), Some(OffPhase::Incomplete));
        assert_eq!(sim.off.as_ref().unwrap().waiting, [blocked]);
    }
    let mut done = sim.empty();
    done.step(100_060);
    assert_eq!(done.phase(), Some(OffPhase::Drained), "the rest ended by itself");
}

#[test]
fn pods_that_cannot_be_listed_are_waited_for_until_the_deadline() {
    let mut sim = sim().draining("a").with(|sim| sim.left = None);
    sim.step(10);
    assert!(!sim.evicts() && sim.cordoned());
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    assert_eq!(
        sim.off.as_ref().unwrap().waiting,
        ["Pod home/web-0"],
        "what was known last"
    );
    sim.step(DEADLINE);
    assert_eq!(sim.phase(), Some(OffPhase::Incomplete));
    assert_eq!(sim.off.as_ref().unwrap().waiting, ["its pods could not be looked at"]);
}

#[test]
fn an_empty_host_whose_pods_are_not_listed_stays_empty() {
    let mut sim = sim().draining("a").empty();
    sim.step(10);
    let mut sim = sim.with(|sim| sim.left = None);
    for now in [11, 70, DEADLINE + 1] {
        sim.step(now);
        assert_eq!(sim.phase(), Some(OffPhase::Drained), "{now} s");
        assert!(sim.off.as_ref().unwrap().waiting.is_empty());
    }
}

#[test]
fn pods_that_come_to_an_empty_host_have_to_go_again() {
    let mut sim = sim().draining("a").empty();
    sim.step(10);
    let mut sim = sim.with(|sim| sim.left = Some(vec!["Pod home/late".to_owned()]));
    sim.step(20);
    assert!(sim.evicts());
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
}

#[test]
fn a_withdrawn_request_leaves_nothing_behind() {
    for state in [HostState::On, HostState::Partial, HostState::Off] {
        let mut sim = sim().draining("a").is(state).with(|sim| sim.asked = None);
        let next = sim.step(10);
        assert!(next.off.is_none());
        assert_eq!((sim.cordoned(), sim.handled.as_deref()), (false, Some("a")));
    }
    let mut refused = sim().may(Answer::No).asked("a");
    refused.step(0);
    let mut refused = refused.with(|sim| sim.asked = None);
    refused.step(1);
    assert_eq!((refused.phase(), refused.handled.as_deref()), (None, Some("a")));
}

#[test]
fn a_changed_request_continues_with_a_new_deadline() {
    let mut sim = sim().draining("a");
    sim.step(DEADLINE);
    assert_eq!(sim.phase(), Some(OffPhase::Incomplete));
    let mut sim = sim.asked("b");
    sim.step(DEADLINE + 10);
    assert!(sim.cordoned() && sim.evicts());
    let off = sim.off.clone().unwrap();
    assert_eq!(
        (off.request.as_str(), off.since.0, off.phase),
        ("b", at(DEADLINE + 10), OffPhase::Draining)
    );
    assert_eq!(sim.handled, None);
}

#[test]
fn a_changed_request_may_have_the_value_of_one_that_has_ended() {
    let mut sim = sim()
        .with(|sim| sim.handled = Some("a".to_owned()))
        .draining("b")
        .asked("a");
    for now in [1, 2, 3] {
        sim.step(now);
        assert!(sim.cordoned(), "{now}");
    }
}

#[test]
fn a_host_that_goes_off_while_it_is_emptied_is_off() {
    for start in [sim().draining("a"), sim().may(Answer::No).asked("a"), sim().asked("a")] {
        let mut sim = start.is(HostState::Off);
        sim.step(10);
        assert!(!sim.evicts());
        assert_eq!(sim.phase(), Some(OffPhase::Off));
        let mut sim = sim.is(HostState::On);
        sim.step(100);
        assert_eq!((sim.phase(), sim.cordoned()), (None, false));
        assert_eq!(sim.handled.as_deref(), Some("a"));
    }
}

/// Edge case 48: some of its nodes are down, which is not the host being off.
#[test]
fn a_host_that_is_partly_off_is_not_off() {
    let mut sim = sim().draining("a").is(HostState::Partial);
    sim.step(10);
    assert!(sim.evicts());
    assert_eq!(sim.phase(), Some(OffPhase::Draining));

    let mut sim = sim.is(HostState::Off);
    sim.step(20);
    let mut sim = sim.is(HostState::Partial);
    sim.step(30);
    assert_eq!((sim.phase(), sim.cordoned()), (None, false), "the first node is back");
}

#[test]
fn a_return_that_was_not_observed_ends_the_request_as_well() {
    let mut sim = sim().draining("a").with(|sim| sim.boots = boots("2"));
    sim.step(10);
    assert!(!sim.cordoned());
    assert_eq!(sim.handled.as_deref(), Some("a"));
}

#[test]
fn a_new_request_after_the_return_starts_from_the_beginning() {
    let mut sim = sim().draining("a").is(HostState::Off);
    sim.step(10);
    let mut sim = sim.is(HostState::On).asked("b");
    sim.step(100);
    let off = sim.off.clone().unwrap();
    assert_eq!(
        (off.request.as_str(), off.phase, off.since.0),
        ("b", OffPhase::Draining, at(100))
    );
}

/// Edge case 41.
#[test]
fn while_liveness_is_not_visible_nothing_changes() {
    let starts = [
        sim(),
        sim().asked("a"),
        sim().draining("a"),
        sim().draining("a").with(|sim| sim.asked = None),
        sim().draining("a").with(|sim| sim.boots = boots("2")),
    ];
    for start in starts {
        let before = start.clone();
        let mut sim = start.is(HostState::Unknown);
        let next = sim.step(DEADLINE * 2);
        assert_eq!(next.handled, None);
        assert_eq!(sim.off, before.off);
    }
}

#[test]
fn our_cordon_without_a_request_is_lifted() {
    let mut lost = sim().draining("a").with(|sim| {
        sim.asked = None;
        sim.off = None;
    });
    lost.step(10);
    assert!(!lost.cordoned(), "the status was lost, the request taken back");
}

#[test]
fn a_clock_that_went_back_restarts_the_deadline_once() {
    let mut sim = sim().draining("a");
    sim.step(-7200);
    assert_eq!(sim.off.as_ref().unwrap().since.0, at(-7200));
    sim.step(-7200 + DEADLINE - 1);
    assert_eq!(sim.phase(), Some(OffPhase::Draining));
    sim.step(-7200 + DEADLINE);
    assert_eq!(sim.phase(), Some(OffPhase::Incomplete));
}

#[test]
fn at_most_twenty_lines_are_shown() {
    let pods = |n: usize| Some((0..n).map(|i| format!("Pod home/p{i}")).collect::<Vec<_>>());
    let mut twenty = sim().with(|sim| sim.left = pods(20)).draining("a");
    twenty.step(1);
    assert_eq!(twenty.off.unwrap().waiting.len(), 20);
    let mut many = sim().with(|sim| sim.left = pods(45)).draining("a");
    many.step(1);
    let waiting = many.off.unwrap().waiting;
    assert_eq!((waiting.len(), waiting[19].as_str()), (20, "and 26 more"));
}
