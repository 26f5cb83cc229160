//! Windows in which a host is expected to be off.
use std::time::Duration;

use hearth_cron::{Cron, time_zone};
use hearth_reconciler::duration;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::crd::host::Window;

#[cfg(test)]
mod tests;

/// The longest window.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A window that can be judged.
struct ParsedWindow {
    schedule: Cron,
    duration: SignedDuration,
    zone: TimeZone,
}

/// What is wrong with a window, in words that say what to do. Such a window is never open.
pub fn window_problem(window: &Window) -> Option<String> {
    ParsedWindow::read(window, &TimeZone::UTC).err()
}

/// Whether one of the windows is open. `zone` is for windows without a time zone. A window with a [`window_problem`] is never
/// open.
///
/// A window begins when the local time of its schedule comes: once where clocks are put back and an hour comes twice (the
/// first time), and at the moment of the change where clocks are put forward and the time is left out. It lasts as
/// long as its duration says, in true hours.
pub fn expected_off(windows: &[Window], zone: &TimeZone, now: Timestamp) -> bool {
    let mut parsed = windows
        .iter()
        .filter_map(|window| ParsedWindow::read(window, zone).ok());
    parsed.any(|window| window.is_open(now))
}

impl ParsedWindow {
    fn read(window: &Window, default_zone: &TimeZone) -> Result<Self, String> {
        let given = &window.schedule;
        let schedule = Cron::parse(given, None).map_err(|why| why.describe("expectedOff.schedule", given))?;
        let given = &window.duration;
        let duration = duration::parse(given).map_err(|why| format!("expectedOff.duration: {why}"))?;
        if duration.is_zero() || duration > LONGEST {
            return Err(format!(
                "expectedOff.duration: `{given}`: more than nothing and at most 7d is possible"
            ));
        }
        let zone = match &window.time_zone {
            Some(name) => time_zone(name).map_err(|why| format!("expectedOff.timeZone: {why}"))?,
            None => default_zone.clone(),
        };
        let duration = SignedDuration::try_from(duration).map_err(|why| why.to_string())?;
        Ok(Self {
            schedule,
            duration,
            zone,
        })
    }

    fn is_open(&self, at: Timestamp) -> bool {
        // A window that began exactly one duration ago has just closed.
        let earliest = at.saturating_sub(self.duration).unwrap_or(Timestamp::MIN);
        let begin = self.schedule.next_local(earliest, &self.zone);
        begin.is_some_and(|begin| begin <= at)
    }
}
