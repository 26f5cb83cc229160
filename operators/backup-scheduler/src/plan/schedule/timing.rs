//! Which slot is due, and when to look again. The cursor of the status says which slots are done with.
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::{Parsed, moment, seconds};
use crate::crd::{BackupSchedule, BackupScheduleStatus, RUN_NOW};

/// A schedule without a status that is older than this is not new: its status was lost, and nothing is made up for.
const NEW: SignedDuration = SignedDuration::from_mins(10);
/// Clocks jump, and machines sleep: it is looked again at least this often. It costs no request.
const RECHECK: Duration = Duration::from_mins(1);

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The slot; for a run that a person asked for, the present time.
    pub slot: Timestamp,
    /// The token of the person who asked for it.
    pub token: Option<String>,
    /// Slots before this one that had no run.
    pub missed: u32,
    /// How much later than it should it starts.
    pub late: SignedDuration,
}

/// Something to say of a schedule once: a reason and a message.
pub type Note = (&'static str, String);

/// What the clock says.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The status after it: the cursor, the next slot, and what was missed.
    pub status: BackupScheduleStatus,
    /// What is due.
    pub due: Option<Due>,
    /// Something to say.
    pub notes: Vec<Note>,
    /// When to look again.
    pub after: Duration,
}

/// Reads the clock.
pub fn timing(schedule: &BackupSchedule, parsed: &Parsed, now: Timestamp) -> Timing {
    let mut status = schedule.status.clone().unwrap_or_default();
    let mut notes = Vec::new();
    let token = schedule.annotations().get(RUN_NOW).filter(|token| !token.is_empty());
    let known = moment(status.cursor.as_ref());
    let mut cursor = match known {
        None => {
            // A schedule that comes out of a backup or of Git must not start a run by the token that it had.
            status.last_manual_token = status.last_manual_token.or(token.cloned());
            first(schedule, now)
        }
        // What was skipped on purpose, and what another schedule would have done, is not made up for.
        Some(_) if status.cursor_for.as_ref() != Some(&parsed.key) => seconds(now),
        Some(_) if status.suspended && !schedule.spec.suspend => seconds(now),
        Some(cursor) => cursor,
    };
    let interval = parsed.cron.interval(now, &parsed.zone).unwrap_or(SignedDuration::MAX);
    if cursor.duration_since(now) > interval {
        let message = format!(
            "the slots up to {cursor} are done with, which is later than the clock says: the clock was wrong, or is; slots after {} count",
            seconds(now)
        );
        notes.push(("ClockSkew", message));
        cursor = seconds(now);
    }
    status.suspended = schedule.spec.suspend;
    status.cursor_for = Some(parsed.key.clone());
    let (mut due, mut after) = (None, RECHECK);
    if schedule.spec.suspend {
        status.next_slot = None;
    } else {
        let found = slot(parsed, cursor, now);
        if let Found::Missed(last, slots, message) = &found {
            cursor = *last;
            status.missed = Some(status.missed.unwrap_or(0).saturating_add(i64::from(*slots)));
            notes.push(("SlotMissed", message.clone()));
        }
        let next = parsed.cron.next(cursor.max(now), &parsed.zone);
        status.next_slot = next.map(|next| next.to_string());
        let start = next.and_then(|next| next.checked_add(parsed.delay(next)).ok());
        after = sooner(after, start, now);
        match found {
            Found::Due(found) => due = Some(found),
            Found::Later(start) => after = sooner(after, Some(start), now),
            Found::Nothing | Found::Missed(..) => {}
        }
    }
    status.cursor = Some(cursor.to_string());
    let wanted = token.filter(|token| status.last_manual_token.as_ref() != Some(token));
    let manual = wanted.map(|token| Due {
        slot: seconds(now),
        token: Some(token.clone()),
        missed: 0,
        late: SignedDuration::ZERO,
    });
    Timing {
        status,
        due: due.or(manual),
        notes,
        after,
    }
}

/// The cursor of a schedule that is seen for the first time: slots count from its creation on.
fn first(schedule: &BackupSchedule, now: Timestamp) -> Timestamp {
    let created = schedule.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let age = now.duration_since(created);
    let just_before = created.checked_sub(SignedDuration::from_secs(1)).unwrap_or(created);
    if age > NEW || age.is_negative() {
        seconds(now)
    } else {
        just_before
    }
}

enum Found {
    Nothing,
    Due(Due),
    /// It starts then.
    Later(Timestamp),
    /// The newest slot that is too old to start, how many there were, and what to say.
    Missed(Timestamp, u32, String),
}

fn slot(parsed: &Parsed, cursor: Timestamp, now: Timestamp) -> Found {
    let Some(latest) = parsed.cron.latest(cursor, now, &parsed.zone) else {
        return Found::Nothing;
    };
    let slot = latest.slot;
    let start = slot.checked_add(parsed.delay(slot)).unwrap_or(slot);
    if start > now {
        return Found::Later(start);
    }
    let late = now.duration_since(start);
    let too_late = |deadline: Duration| Duration::try_from(late).is_ok_and(|late| late > deadline);
    if parsed.deadline.is_some_and(too_late) {
        let message = format!(
            "{} slots up to {slot} have no run: the last should have started {late:#} ago, which is more than \
             spec.startingDeadline allows (10m without spec.catchUp)",
            latest.slots
        );
        return Found::Missed(slot, latest.slots, message);
    }
    Found::Due(Due {
        slot,
        token: None,
        missed: latest.slots - 1,
        late,
    })
}

fn sooner(after: Duration, at: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    // Timers are a little early at times, and it is no harm to be a little late.
    left.map_or(after, |left| after.min(left + Duration::from_millis(50)))
}
