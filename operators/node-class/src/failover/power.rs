//! What a plug, a hypervisor or a person says of a machine's power, and when it may be believed.
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Case, Hold, stamp};
use crate::crd::class::{Evidence, Failover};
use crate::crd::host::{Power, PowerState};
use crate::liveness::State;

/// How long a measurement is believed at most, whatever it says of itself.
const LIMIT: SignedDuration = SignedDuration::from_hours(24);
/// How far the clock of who measures may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Whether the machine can be believed to be off: said so, not expired, and later than the node's last renewal
/// (`alive`, on the wall clock; clocks may differ by `grace`), so that the "off" from before the last boot is no proof.
/// Else why not.
pub(super) fn off(power: &Power, alive: Timestamp, grace: Duration, now: Timestamp) -> Result<(), String> {
    current(power, now)?;
    let at = power.observed_at.0;
    if later(at, grace) < alive {
        let (at, alive) = (stamp(at), stamp(alive));
        return Err(format!("said at {at}, but the node was alive at {alive}"));
    }
    Ok(())
}

/// A node that is not down although its power is said to be off: who says so is wrong, and is not listened to. An "off" from
/// before the node came up is only old.
pub(super) fn contradicted(case: &Case<'_>, grace: Duration, now: Timestamp) -> Option<Hold> {
    let power = case.power.filter(|_| case.sees && case.liveness.state == State::Up)?;
    current(power, now).ok()?;
    let at = power.observed_at.0;
    let alive = earlier(now, case.liveness.silent);
    if at < case.liveness.since || alive <= later(at, grace) {
        return None;
    }
    let (source, at) = (source(power), stamp(at));
    let message =
        format!("{source} says at {at} that its power is off, but its lease still moves; the lease is believed");
    Some(Hold::because("PowerContradicted", message))
}

/// A node that is down, of a host whose power is said to be off while another node there is alive, or was just now.
pub(super) fn sibling_alive(case: &Case<'_>, failover: &Failover, grace: Duration, now: Timestamp) -> Option<Hold> {
    let (power, (other, silent)) = (case.power?, case.alive?);
    if !failover.evidence.contains(&Evidence::PowerOff) {
        return None;
    }
    off(power, case.liveness.since, grace, now).ok()?;
    let (name, source) = (&case.node.name, source(power));
    if earlier(now, silent) <= later(power.observed_at.0, grace) {
        let message = format!("{source} says that its power is off, but {other} on the same host is not down yet");
        return Some(Hold::because("TooEarly", message));
    }
    let message = format!(
        "{source} says that its power is off, but {other} on the same host renews its lease, so the machine is on. Correct what \
         is said"
    );
    Some(Hold::unless_sure("PowerContradicted", &message, name))
}

pub(super) fn source(power: &Power) -> &str {
    power.source.as_deref().unwrap_or("status.power")
}

/// It says Off, and may still be believed. `On` proves nothing either way: a plug is on, too, while the machine is off.
fn current(power: &Power, now: Timestamp) -> Result<(), String> {
    let (from, expires) = (power.observed_at.0, power.expires_at.0);
    let until = expires.min(from.saturating_add(LIMIT).unwrap_or(Timestamp::MAX));
    if power.state == PowerState::On {
        Err("it is said to be On".to_owned())
    } else if until <= from {
        Err("expiresAt is not after observedAt".to_owned())
    } else if until <= now {
        Err(format!("what was said expired at {}", stamp(until)))
    } else if from > now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) {
        Err(format!("observedAt {} is in the future", stamp(from)))
    } else {
        Ok(())
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
