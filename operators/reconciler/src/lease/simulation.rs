//! Two candidates in a discrete-event simulation with a bad server, bad networks and bad clocks; thousands of random hours
//! in seconds. The check: never two holders at one moment, and soon one when the faults have ended.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;

use super::candidate::{Candidate, Failed, Rules, Step};

/// Milliseconds of true time.
type Millis = u64;

#[derive(Debug, Clone, PartialEq)]
enum SimulatedEvent {
    /// The candidate's loop turns.
    Turn,
    /// A request reaches the server.
    Arrive(Box<Step>),
    /// An answer reaches the candidate.
    Answer(Box<Answer>),
    /// The candidate gives an attempt up.
    GiveUp,
}

#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Read(Option<Lease>),
    Wrote(Lease),
    Conflict,
}

struct Replica {
    candidate: Candidate,
    /// Own clock = true time × rate + offset.
    offset: u64,
    rate: f64,
    /// The process is stopped until then.
    stopped: Millis,
    /// Identifies the attempt (or the sleep) under way; anything older is ignored.
    attempt: u64,
    writing: bool,
    sent: Duration,
    begun: Option<u64>,
}

#[derive(Clone, Copy)]
struct Faults {
    lost: f64,
    slow: f64,
    stopped: f64,
    stalls: bool,
    deleted: bool,
}

struct Simulation {
    rng: Rng,
    rules: Rules,
    now: Millis,
    events: BinaryHeap<Reverse<(Millis, u64, usize, u64)>>,
    payloads: Vec<SimulatedEvent>,
    replicas: [Replica; 2],
    lease: Option<Lease>,
    version: u64,
    /// The server is stopped until then; what arrived meanwhile is done then.
    stalled: Millis,
    faults: Faults,
    terms: Vec<(Millis, usize, u64)>,
}

impl Simulation {
    fn new(seed: u64, rules: Rules, faults: Faults) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut replica = |n: usize| Replica {
            candidate: Candidate::new(format!("replica-{n}"), rules),
            offset: rng.u64(0..10_000_000),
            // Oscillators differ by far less.
            rate: 1.0 + (rng.f64() - 0.5) / 500.0,
            stopped: 0,
            attempt: 0,
            writing: false,
            sent: Duration::ZERO,
            begun: None,
        };
        let replicas = [replica(0), replica(1)];
        let mut simulation = Self {
            rng,
            rules,
            now: 0,
            events: BinaryHeap::new(),
            payloads: Vec::new(),
            replicas,
            lease: None,
            version: 0,
            stalled: 0,
            faults,
            terms: Vec::new(),
        };
        simulation.at(0, 0, SimulatedEvent::Turn);
        let later = simulation.rng.u64(0..3000);
        simulation.at(later, 1, SimulatedEvent::Turn);
        simulation
    }

    fn at(&mut self, time: Millis, replica: usize, what: SimulatedEvent) {
        self.payloads.push(what);
        self.events.push(Reverse((
            time,
            self.payloads.len() as u64 - 1,
            replica,
            self.replicas[replica].attempt,
        )));
    }

    fn clock(&self, replica: usize) -> Duration {
        let a = &self.replicas[replica];
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        Duration::from_micros((self.now as f64 * a.rate * 1000.0) as u64 + a.offset * 1000)
    }

    /// Wall clocks are nonsense and jump at will.
    fn wall(&mut self) -> Timestamp {
        Timestamp::from_second(self.rng.i64(0..4_000_000_000)).unwrap()
    }

    fn delay(&mut self) -> Millis {
        let slow = self.rng.f64() < self.faults.slow;
        self.rng.u64(if slow { 500..20_000 } else { 1..30 })
    }

    /// Runs until the true time; returns how often both held.
    fn run(&mut self, end: Millis) -> usize {
        let mut both = 0;
        while let Some(Reverse((time, index, replica, attempt))) = self.events.pop() {
            if time > end {
                self.events.push(Reverse((time, index, replica, attempt)));
                break;
            }
            self.now = time;
            let what = self.payloads[usize::try_from(index).unwrap()].clone();
            self.handle(replica, attempt, index, what);
            let held = |a: usize| self.replicas[a].candidate.held(self.clock(a)).is_some();
            both += usize::from(held(0) && held(1));
            self.note_terms();
        }
        self.now = end;
        both
    }

    fn handle(&mut self, replica: usize, attempt: u64, index: u64, what: SimulatedEvent) {
        if let SimulatedEvent::Arrive(request) = what {
            if self.now < self.stalled {
                self.events.push(Reverse((self.stalled, index, replica, attempt)));
                return;
            }
            let answer = self.serve(*request);
            if self.rng.f64() >= self.faults.lost {
                let time = self.now + self.delay();
                self.payloads.push(SimulatedEvent::Answer(Box::new(answer)));
                self.events
                    .push(Reverse((time, self.payloads.len() as u64 - 1, replica, attempt)));
            }
            return;
        }
        if self.replicas[replica].attempt != attempt {
            return;
        }
        if self.now < self.replicas[replica].stopped {
            self.events
                .push(Reverse((self.replicas[replica].stopped, index, replica, attempt)));
            return;
        }
        let (now, sent, writing) = (
            self.clock(replica),
            self.replicas[replica].sent,
            self.replicas[replica].writing,
        );
        let candidate = &mut self.replicas[replica].candidate;
        match what {
            SimulatedEvent::Answer(answer) => match *answer {
                Answer::Read(lease) => candidate.read(Ok(lease), now),
                Answer::Wrote(lease) => candidate.wrote(Ok(lease), sent, now),
                Answer::Conflict => candidate.wrote(Err(Failed), sent, now),
            },
            SimulatedEvent::GiveUp if writing => candidate.wrote(Err(Failed), sent, now),
            SimulatedEvent::GiveUp => candidate.read(Err(Failed), now),
            SimulatedEvent::Turn | SimulatedEvent::Arrive(_) => {}
        }
        self.turn(replica);
    }

    fn turn(&mut self, replica: usize) {
        if self.rng.f64() < self.faults.stopped {
            self.replicas[replica].stopped = self.now + self.rng.u64(100..40_000);
        }
        if self.faults.stalls && self.rng.u32(0..300) == 0 {
            self.stalled = self.now + self.rng.u64(1000..30_000);
        }
        if self.faults.deleted
            && self.replicas.iter().all(|a| a.candidate.object.is_some())
            && self.rng.u32(0..200) == 0
        {
            self.lease = None;
        }
        let (now, wall) = (self.clock(replica), self.wall());
        let step = self.replicas[replica].candidate.step(now, wall);
        self.replicas[replica].attempt += 1;
        if let Step::Sleep(time) = step {
            let jitter = self.rng.u64(0..300);
            let time = self.now + u64::try_from(time.as_millis()).unwrap() + jitter;
            return self.at(time, replica, SimulatedEvent::Turn);
        }
        // Between deciding and sending, a process may stop as well.
        let held = self.replicas[replica].candidate.held(now);
        let limit = held
            .map_or(self.rules.attempt, |h| h.until.saturating_sub(now))
            .min(self.rules.attempt);
        self.replicas[replica].sent = now;
        self.replicas[replica].writing = matches!(step, Step::Write(_));
        let (give_up, way) = (self.now + u64::try_from(limit.as_millis()).unwrap() + 1, self.delay());
        self.at(give_up, replica, SimulatedEvent::GiveUp);
        if self.rng.f64() >= self.faults.lost {
            let gap = if self.rng.f64() < self.faults.stopped {
                self.rng.u64(0..20_000)
            } else {
                0
            };
            self.at(self.now + way + gap, replica, SimulatedEvent::Arrive(Box::new(step)));
        }
    }

    fn serve(&mut self, request: Step) -> Answer {
        match request {
            Step::Write(mut lease) => {
                let stored = self.lease.as_ref().map(|l| &l.metadata.resource_version);
                if stored
                    != lease
                        .metadata
                        .resource_version
                        .is_some()
                        .then_some(&lease.metadata.resource_version)
                {
                    return Answer::Conflict;
                }
                self.version += 1;
                lease.metadata.resource_version = Some(self.version.to_string());
                lease
                    .metadata
                    .uid
                    .get_or_insert_with(|| format!("uid-{}", self.version));
                self.lease = Some((*lease).clone());
                Answer::Wrote(*lease)
            }
            _ => Answer::Read(self.lease.clone()),
        }
    }

    fn note_terms(&mut self) {
        for replica in 0..2 {
            let held = self.replicas[replica]
                .candidate
                .held(self.clock(replica))
                .map(|h| h.number);
            if let Some(number) = held
                && self.replicas[replica].begun != held
            {
                self.terms.push((self.now, replica, number));
            }
            self.replicas[replica].begun = held;
        }
    }

    fn holders(&self) -> usize {
        (0..2)
            .filter(|a| self.replicas[*a].candidate.held(self.clock(*a)).is_some())
            .count()
    }
}

const CALM: Faults = Faults {
    lost: 0.0,
    slow: 0.0,
    stopped: 0.0,
    stalls: false,
    deleted: false,
};
const ROUGH: Faults = Faults {
    lost: 0.1,
    slow: 0.05,
    stopped: 0.02,
    stalls: true,
    deleted: false,
};
const HOUR: Millis = 3_600_000;

fn both_in(seeds: std::ops::Range<u64>, rules: Rules, faults: Faults) -> usize {
    seeds
        .map(|seed| Simulation::new(seed, rules, faults).run(HOUR / 4))
        .sum()
}

#[test]
fn never_two_holders_under_losses_stalls_stops_and_wild_clocks() {
    assert_eq!(both_in(0..400, Rules::DEFAULT, ROUGH), 0);
}

#[test]
fn never_two_holders_when_half_of_everything_is_lost() {
    let worst = Faults {
        lost: 0.5,
        slow: 0.3,
        stopped: 0.1,
        ..ROUGH
    };
    assert_eq!(both_in(1000..1200, Rules::DEFAULT, worst), 0);
}

#[test]
fn never_two_holders_when_somebody_deletes_the_lease() {
    assert_eq!(
        both_in(2000..2300, Rules::DEFAULT, Faults { deleted: true, ..ROUGH }),
        0
    );
}

#[test]
fn the_simulation_finds_two_holders_when_the_rules_are_wrong() {
    let late = Rules {
        renew_deadline: Duration::from_secs(20),
        ..Rules::DEFAULT
    };
    assert!(
        both_in(0..50, late, ROUGH) > 0,
        "a deadline beyond the duration must be found"
    );
}

#[test]
fn after_any_trouble_there_is_one_holder_within_twenty_seconds() {
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed, Rules::DEFAULT, ROUGH);
        simulation.run(HOUR / 6);
        simulation.faults = CALM;
        simulation.stalled = 0;
        for replica in &mut simulation.replicas {
            replica.stopped = 0;
        }
        // A slow request of before may still arrive; 20 s count from then.
        simulation.run(HOUR / 6 + 45_000);
        assert_eq!(simulation.holders(), 1, "seed {seed}");
        let terms = simulation.terms.len();
        simulation.run(HOUR / 3);
        assert_eq!(
            (simulation.holders(), simulation.terms.len()),
            (1, terms),
            "seed {seed}: and it stays"
        );
    }
}

#[test]
fn a_standby_takes_over_within_twenty_seconds_of_a_death() {
    for seed in 0..200 {
        let mut simulation = Simulation::new(seed, Rules::DEFAULT, CALM);
        simulation.run(60_000);
        let dead = (0..2)
            .find(|a| simulation.replicas[*a].candidate.held(simulation.clock(*a)).is_some())
            .unwrap();
        simulation.replicas[dead].stopped = u64::MAX / 2;
        simulation.run(60_000 + 20_000);
        let other = 1 - dead;
        assert!(
            simulation.replicas[other]
                .candidate
                .held(simulation.clock(other))
                .is_some(),
            "seed {seed}"
        );
    }
}

#[test]
fn terms_are_numbered_without_repetition_and_upwards() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed, Rules::DEFAULT, ROUGH);
        simulation.run(HOUR);
        assert!(simulation.terms.len() > 3, "seed {seed}: nothing happened");
        assert!(
            simulation.terms.is_sorted_by(|a, b| a.2 < b.2),
            "seed {seed}: {:?}",
            simulation.terms
        );
    }
}

#[test]
fn in_calm_one_holder_renews_every_two_seconds_and_keeps_the_lease() {
    let mut simulation = Simulation::new(7, Rules::DEFAULT, CALM);
    simulation.run(HOUR);
    assert_eq!(simulation.terms.len(), 1);
    assert!(
        (1500..=1800).contains(&simulation.version),
        "{} writes in an hour",
        simulation.version
    );
}
