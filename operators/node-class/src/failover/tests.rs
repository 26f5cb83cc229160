//! A desktop that goes off at midnight (second 0 of simulated time), and what is known of it later.
mod ladder;
mod taint;

use k8s_openapi::api::core::v1::Taint;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::crd::history::Kind;
use crate::crd::host::{Power, PowerState};

/// A moment of simulated time.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

fn secs(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// All that a case borrows.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "those of the case")]
struct Night {
    node: NodeFacts,
    liveness: LivenessStatus,
    failover: Option<Failover>,
    power: Option<Power>,
    address: Address,
    alive: Option<Duration>,
    removed: bool,
    longest_reboot: Duration,
    spare_members: Option<usize>,
    sees: bool,
    allowed: bool,
    ours: bool,
    leftovers: Option<usize>,
    ready_for: Option<Duration>,
}

/// A worker, lost at 0, whose class takes both kinds of evidence. There is none.
fn night() -> Night {
    Night {
        node: NodeFacts {
            name: "talos08".to_owned(),
            ..NodeFacts::default()
        },
        liveness: LivenessStatus {
            state: State::Down,
            since: at(0),
            went: Some(Kind::Lost),
            clean_trace: false,
            silent: Duration::ZERO,
        },
        failover: Some(Failover {
            evidence: vec![Evidence::PowerOff, Evidence::CleanShutdown],
            after: None,
        }),
        power: None,
        address: Address::None,
        alive: None,
        removed: false,
        longest_reboot: Duration::ZERO,
        spare_members: Some(1),
        sees: true,
        allowed: true,
        ours: false,
        leftovers: None,
        ready_for: None,
    }
}

impl Night {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// A plug says Off, measured and expiring then.
    fn off(self, observed: i64, expires: i64) -> Self {
        self.with(|night| {
            night.power = Some(Power {
                state: PowerState::Off,
                source: Some("plug-3".to_owned()),
                observed_at: Time(at(observed)),
                expires_at: Time(at(expires)),
            });
        })
    }

    fn clean(self) -> Self {
        self.with(|night| {
            night.liveness.went = Some(Kind::Clean);
            night.liveness.clean_trace = true;
        })
    }

    fn control_plane(self, spare: Option<usize>) -> Self {
        self.with(|night| {
            let role = "node-role.kubernetes.io/control-plane".into();
            night.node.labels.insert(role, "".into());
            night.spare_members = spare;
        })
    }

    fn after(self, after: &str) -> Self {
        self.with(|night| night.failover.as_mut().unwrap().after = Some(after.to_owned()))
    }

    fn accepting(self, evidence: &[Evidence]) -> Self {
        self.with(|night| night.failover.as_mut().unwrap().evidence = evidence.to_vec())
    }

    fn tainted(self, ours: bool) -> Self {
        self.with(|night| {
            night.ours = ours;
            night.node.taints.push(Taint {
                key: OUT_OF_SERVICE.to_owned(),
                value: Some("nodeshutdown".to_owned()),
                effect: "NoExecute".to_owned(),
                time_added: None,
            });
        })
    }

    /// Up and Ready again, for so long.
    fn back(self, ready_for: i64, leftovers: Option<usize>) -> Self {
        self.with(|night| {
            night.liveness.state = State::Up;
            night.liveness.since = at(3600);
            night.node.ready.status = Some(true);
            night.ready_for = Some(secs(ready_for));
            night.leftovers = leftovers;
        })
    }

    /// Decides at this time; a node that is down has been silent since it went, one that is up since a moment.
    fn decide(&self, now: i64) -> Decision {
        let mut liveness = self.liveness.clone();
        liveness.silent = match liveness.state {
            State::Up => secs(5),
            _ => secs(now),
        };
        self.judged(&liveness, now)
    }

    fn judged(&self, liveness: &LivenessStatus, now: i64) -> Decision {
        let case = Case {
            node: &self.node,
            liveness,
            failover: self.failover.as_ref(),
            power: self.power.as_ref(),
            address: self.address,
            alive: self.alive.map(|silent| ("talos03", silent)),
            removed: self.removed,
            member: self.node.control_plane(),
            longest_reboot: self.longest_reboot,
            spare_members: self.spare_members,
            sees: self.sees,
            allowed: self.allowed,
            ours: self.ours,
            leftovers: self.leftovers,
            ready_for: self.ready_for,
        };
        decide(&case, &Timing::default(), at(now))
    }

    /// The evidence with which the taint is placed, or why it is not.
    fn outcome(&self, now: i64) -> Result<Evidence, &'static str> {
        match self.decide(now) {
            Decision::Place(evidence, _) => Ok(evidence),
            Decision::Leave(Some(hold)) => Err(hold.reason),
            Decision::Leave(None) => Err(""),
            other => panic!("{other:?}"),
        }
    }

    fn hold(&self, now: i64) -> Hold {
        match self.decide(now) {
            Decision::Leave(Some(hold)) => hold,
            other => panic!("{other:?}"),
        }
    }
}
