//! Two candidates in a discrete-event world with a bad server, bad networks and bad clocks; thousands of random hours
//! in seconds. The oracle: never two holders at one moment, and soon one when the world is well again.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use fastrand::Rng;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;

use super::candidate::{Candidate, Failed, Rules, Step};

/// Milliseconds of true time.
type Millis = u64;

#[derive(Debug, Clone, PartialEq)]
enum Happening {
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

struct Actor {
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
struct Troubles {
    lost: f64,
    slow: f64,
    stopped: f64,
    stalls: bool,
    deleted: bool,
}

struct World {
    rng: Rng,
    rules: Rules,
    now: Millis,
    events: BinaryHeap<Reverse<(Millis, u64, usize, u64)>>,
    what: Vec<Happening>,
    actors: [Actor; 2],
    lease: Option<Lease>,
    version: u64,
    /// The server is stopped until then; what arrived meanwhile is done then.
    stalled: Millis,
    troubles: Troubles,
    terms: Vec<(Millis, usize, u64)>,
}

impl World {
    fn new(seed: u64, rules: Rules, troubles: Troubles) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut actor = |n: usize| Actor {
            candidate: Candidate::new(format!("actor-{n}"), rules),
            offset: rng.u64(0..10_000_000),
            // Oscillators differ by far less.
            rate: 1.0 + (rng.f64() - 0.5) / 500.0,
            stopped: 0,
            attempt: 0,
            writing: false,
            sent: Duration::ZERO,
            begun: None,
        };
        let actors = [actor(0), actor(1)];
        let mut world = Self {
            rng,
            rules,
            now: 0,
            events: BinaryHeap::new(),
            what: Vec::new(),
            actors,
            lease: None,
            version: 0,
            stalled: 0,
            troubles,
            terms: Vec::new(),
        };
        world.at(0, 0, Happening::Turn);
        let later = world.rng.u64(0..3000);
        world.at(later, 1, Happening::Turn);
        world
    }

    fn at(&mut self, time: Millis, actor: usize, what: Happening) {
        self.what.push(what);
        self.events.push(Reverse((
            time,
            self.what.len() as u64 - 1,
            actor,
            self.actors[actor].attempt,
        )));
    }

    fn clock(&self, actor: usize) -> Duration {
        let a = &self.actors[actor];
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
        let slow = self.rng.f64() < self.troubles.slow;
        self.rng.u64(if slow { 500..20_000 } else { 1..30 })
    }

    /// Runs until the true time; returns how often both held.
    fn run(&mut self, end: Millis) -> usize {
        let mut both = 0;
        while let Some(Reverse((time, index, actor, attempt))) = self.events.pop() {
            if time > end {
                self.events.push(Reverse((time, index, actor, attempt)));
                break;
            }
            self.now = time;
            let what = self.what[usize::try_from(index).unwrap()].clone();
            self.happen(actor, attempt, index, what);
            let held = |a: usize| self.actors[a].candidate.held(self.clock(a)).is_some();
            both += usize::from(held(0) && held(1));
            self.note_terms();
        }
        self.now = end;
        both
    }

    fn happen(&mut self, actor: usize, attempt: u64, index: u64, what: Happening) {
        if let Happening::Arrive(request) = what {
            if self.now < self.stalled {
                self.events.push(Reverse((self.stalled, index, actor, attempt)));
                return;
            }
            let answer = self.serve(*request);
            if self.rng.f64() >= self.troubles.lost {
                let time = self.now + self.delay();
                self.what.push(Happening::Answer(Box::new(answer)));
                self.events
                    .push(Reverse((time, self.what.len() as u64 - 1, actor, attempt)));
            }
            return;
        }
        if self.actors[actor].attempt != attempt {
            return;
        }
        if self.now < self.actors[actor].stopped {
            self.events
                .push(Reverse((self.actors[actor].stopped, index, actor, attempt)));
            return;
        }
        let (now, sent, writing) = (self.clock(actor), self.actors[actor].sent, self.actors[actor].writing);
        let candidate = &mut self.actors[actor].candidate;
        match what {
            Happening::Answer(answer) => match *answer {
                Answer::Read(lease) => candidate.read(Ok(lease), now),
                Answer::Wrote(lease) => candidate.wrote(Ok(lease), sent, now),
                Answer::Conflict => candidate.wrote(Err(Failed), sent, now),
            },
            Happening::GiveUp if writing => candidate.wrote(Err(Failed), sent, now),
            Happening::GiveUp => candidate.read(Err(Failed), now),
            Happening::Turn | Happening::Arrive(_) => {}
        }
        self.turn(actor);
    }

    fn turn(&mut self, actor: usize) {
        if self.rng.f64() < self.troubles.stopped {
            self.actors[actor].stopped = self.now + self.rng.u64(100..40_000);
        }
        if self.troubles.stalls && self.rng.u32(0..300) == 0 {
            self.stalled = self.now + self.rng.u64(1000..30_000);
        }
        if self.troubles.deleted
            && self.actors.iter().all(|a| a.candidate.object.is_some())
            && self.rng.u32(0..200) == 0
        {
            self.lease = None;
        }
        let (now, wall) = (self.clock(actor), self.wall());
        let step = self.actors[actor].candidate.step(now, wall);
        self.actors[actor].attempt += 1;
        if let Step::Sleep(time) = step {
            let jitter = self.rng.u64(0..300);
            let time = self.now + u64::try_from(time.as_millis()).unwrap() + jitter;
            return self.at(time, actor, Happening::Turn);
        }
        // Between deciding and sending, a process may stop as well.
        let held = self.actors[actor].candidate.held(now);
        let limit = held
            .map_or(self.rules.attempt, |h| h.until.saturating_sub(now))
            .min(self.rules.attempt);
        self.actors[actor].sent = now;
        self.actors[actor].writing = matches!(step, Step::Write(_));
        let (give_up, way) = (self.now + u64::try_from(limit.as_millis()).unwrap() + 1, self.delay());
        self.at(give_up, actor, Happening::GiveUp);
        if self.rng.f64() >= self.troubles.lost {
            let gap = if self.rng.f64() < self.troubles.stopped {
                self.rng.u64(0..20_000)
            } else {
                0
            };
            self.at(self.now + way + gap, actor, Happening::Arrive(Box::new(step)));
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
        for actor in 0..2 {
            let held = self.actors[actor].candidate.held(self.clock(actor)).map(|h| h.number);
            if let Some(number) = held
                && self.actors[actor].begun != held
            {
                self.terms.push((self.now, actor, number));
            }
            self.actors[actor].begun = held;
        }
    }

    fn holders(&self) -> usize {
        (0..2)
            .filter(|a| self.actors[*a].candidate.held(self.clock(*a)).is_some())
            .count()
    }
}

const CALM: Troubles = Troubles {
    lost: 0.0,
    slow: 0.0,
    stopped: 0.0,
    stalls: false,
    deleted: false,
};
const ROUGH: Troubles = Troubles {
    lost: 0.1,
    slow: 0.05,
    stopped: 0.02,
    stalls: true,
    deleted: false,
};
const HOUR: Millis = 3_600_000;

fn both_in(seeds: std::ops::Range<u64>, rules: Rules, troubles: Troubles) -> usize {
    seeds.map(|seed| World::new(seed, rules, troubles).run(HOUR / 4)).sum()
}

#[test]
fn never_two_holders_under_losses_stalls_stops_and_wild_clocks() {
    assert_eq!(both_in(0..400, Rules::DEFAULT, ROUGH), 0);
}

#[test]
fn never_two_holders_when_half_of_everything_is_lost() {
    let worst = Troubles {
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
        both_in(2000..2300, Rules::DEFAULT, Troubles { deleted: true, ..ROUGH }),
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
        let mut world = World::new(seed, Rules::DEFAULT, ROUGH);
        world.run(HOUR / 6);
        world.troubles = CALM;
        world.stalled = 0;
        for actor in &mut world.actors {
            actor.stopped = 0;
        }
        // A slow request of before may still arrive; 20 s count from then.
        world.run(HOUR / 6 + 45_000);
        assert_eq!(world.holders(), 1, "seed {seed}");
        let terms = world.terms.len();
        world.run(HOUR / 3);
        assert_eq!(
            (world.holders(), world.terms.len()),
            (1, terms),
            "seed {seed}: and it stays"
        );
    }
}

#[test]
fn a_standby_takes_over_within_twenty_seconds_of_a_death() {
    for seed in 0..200 {
        let mut world = World::new(seed, Rules::DEFAULT, CALM);
        world.run(60_000);
        let dead = (0..2)
            .find(|a| world.actors[*a].candidate.held(world.clock(*a)).is_some())
            .unwrap();
        world.actors[dead].stopped = u64::MAX / 2;
        world.run(60_000 + 20_000);
        let other = 1 - dead;
        assert!(
            world.actors[other].candidate.held(world.clock(other)).is_some(),
            "seed {seed}"
        );
    }
}

#[test]
fn terms_are_numbered_without_repetition_and_upwards() {
    for seed in 0..100 {
        let mut world = World::new(seed, Rules::DEFAULT, ROUGH);
        world.run(HOUR);
        assert!(world.terms.len() > 3, "seed {seed}: nothing happened");
        assert!(
            world.terms.is_sorted_by(|a, b| a.2 < b.2),
            "seed {seed}: {:?}",
            world.terms
        );
    }
}

#[test]
fn in_calm_one_holder_renews_every_two_seconds_and_keeps_the_lease() {
    let mut world = World::new(7, Rules::DEFAULT, CALM);
    world.run(HOUR);
    assert_eq!(world.terms.len(), 1);
    assert!(
        (1500..=1800).contains(&world.version),
        "{} writes in an hour",
        world.version
    );
}
