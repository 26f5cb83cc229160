//! Windows in which a host is expected to be off.
use std::time::Duration;

use cronexpr::{Crontab, MakeTimestamp, ParseOptions};
use hearth_reconciler::duration;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::args;
use crate::crd::host::Window;

#[cfg(test)]
mod tests;

/// The longest window.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A window that can be judged.
struct ParsedWindow {
    schedule: Crontab,
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
        let schedule = schedule(&window.schedule)?;
        let given = &window.duration;
        let duration = duration::parse(given).map_err(|why| format!("expectedOff.duration: {why}"))?;
        if duration.is_zero() || duration > LONGEST {
            return Err(format!(
                "expectedOff.duration: `{given}`: more than nothing and at most 7d is possible"
            ));
        }
        let zone = match &window.time_zone {
            Some(name) => args::time_zone(name).map_err(|why| format!("expectedOff.timeZone: {why}"))?,
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
        self.begins_after(earliest).is_some_and(|begin| begin <= at)
    }

    /// When it begins next, strictly after a moment.
    fn begins_after(&self, moment: Timestamp) -> Option<Timestamp> {
        // The schedule is asked in local time, as if there were no changes of clocks: every local time comes once.
        let mut local = self.zone.to_datetime(moment);
        loop {
            let as_utc = TimeZone::UTC.to_timestamp(local).ok()?;
            local = self.schedule.find_next(MakeTimestamp(as_utc)).ok()?.datetime();
            let begin = self.instant(local)?;
            // In the second of two equal hours the local times that follow have been already.
            if begin > moment {
                return Some(begin);
            }
        }
    }

    /// The moment of a local time; never goes back when local times go forward.
    fn instant(&self, local: jiff::civil::DateTime) -> Option<Timestamp> {
        let candidates = self.zone.to_ambiguous_timestamp(local);
        let gap = matches!(candidates.offset(), AmbiguousOffset::Gap { .. });
        let earlier = candidates.earlier().ok()?;
        if gap {
            // The earlier reading of a time that is left out lies before the change, which therefore follows it.
            return self.zone.following(earlier).next().map(|change| change.timestamp());
        }
        Some(earlier)
    }
}

/// Reads a schedule: five fields, without what only some crons know.
fn schedule(text: &str) -> Result<Crontab, String> {
    let wrong = |why: &str| {
        format!(
            "expectedOff.schedule: `{text}`: {why}; give minute, hour, day, month and weekday, such as `30 23 * * *`"
        )
    };
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, _, day, _, weekday] = fields[..] else {
        return Err(wrong("it must have five fields"));
    };
    // `L`, `W` and `#` are of Quartz; the parser reads them, but its `L` never comes in December.
    if day.contains(|c: char| c.is_ascii_alphabetic()) || weekday.contains(['#', 'L', 'l']) {
        return Err(wrong("`L`, `W` and `#` are not possible"));
    }
    let text = format!("{} UTC", fields.join(" "));
    let schedule =
        cronexpr::parse_crontab_with(&text, ParseOptions::default()).map_err(|_| wrong("it is no cron schedule"))?;
    // Any four years that have a leap day.
    let from = MakeTimestamp(Timestamp::UNIX_EPOCH);
    if schedule.find_next(from).is_err() {
        return Err(wrong("this day never comes"));
    }
    Ok(schedule)
}
