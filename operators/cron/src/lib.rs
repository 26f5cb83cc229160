//! Cron schedules of five fields, and their slots in a time zone through changes of clocks.
//!
//! Nothing here reads the clock: moments are arguments.
mod slots;

use cronexpr::{Crontab, MakeTimestamp, ParseOptions};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

pub use slots::{Latest, MOST};

#[cfg(test)]
mod tests;

/// The last year in which slots are looked for: the parser adds years to what it is given, which must not overflow.
const LAST_YEAR: i16 = 9900;

/// A schedule: minute, hour, day of the month, month and day of the week.
///
/// Days are read as Vixie's cron reads them: where both the day of the month and that of the week are given, either is enough.
#[derive(Debug, Clone)]
pub struct Cron {
    crontab: Crontab,
    /// The minute or the hour begins with `*`: it is a rhythm, and not a time of day.
    rhythm: bool,
    /// The hour begins with `*`.
    any_hour: bool,
    remarks: Vec<&'static str>,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It has another number of fields: this one.
    #[error("it must have five fields")]
    Fields(usize),
    /// It has letters of Quartz.
    #[error("`L`, `W` and `#` are not possible")]
    Quartz,
    /// It has `H` where it is not possible, or in a form that is not.
    #[error("`H` is possible alone in the fields of minute, hour and weekday")]
    Hash,
    /// It cannot be read.
    #[error("it is no cron schedule")]
    Syntax,
    /// No day is like it.
    #[error("this day never comes")]
    Never,
}

impl CronError {
    /// The message for a field of a spec: what is wrong, and what is possible.
    pub fn describe(self, field: &str, text: &str) -> String {
        format!("{field}: `{text}`: {self}; give minute, hour, day, month and weekday, such as `30 23 * * *`")
    }
}

/// Reads the name of a time zone of the IANA database.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone such as Europe/Berlin"))
}

impl Cron {
    /// Reads a schedule: five fields, without what only some crons know.
    ///
    /// With a seed, such as the UID of an object, `H` in the minute, the hour or the weekday is a value of its own: the same for the
    /// same seed, and different for each field. Without a seed there is no `H`.
    pub fn parse(text: &str, seed: Option<&str>) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        let (mut own_minute, mut own_hour, mut own_weekday) = (minute.to_owned(), hour.to_owned(), weekday.to_owned());
        if let Some(seed) = seed {
            for (field, name, values) in [
                (&mut own_minute, "minute", 60),
                (&mut own_hour, "hour", 24),
                (&mut own_weekday, "weekday", 7),
            ] {
                if field == "H" {
                    *field = (share(seed, name) % values).to_string();
                }
            }
            if [&own_minute, &own_hour, &own_weekday]
                .iter()
                .any(|field| field.starts_with('H'))
                || [day, month].iter().any(|field| field.starts_with('H'))
            {
                return Err(CronError::Hash);
            }
        }
        // `L`, `W` and `#` are of Quartz; the parser reads them, but its `L` never comes in December.
        if day.contains(|c: char| c.is_ascii_alphabetic()) || own_weekday.contains(['#', 'L', 'l']) {
            return Err(CronError::Quartz);
        }
        let text = format!("{own_minute} {own_hour} {day} {month} {own_weekday} UTC");
        let crontab = cronexpr::parse_crontab_with(&text, ParseOptions::default()).map_err(|_| CronError::Syntax)?;
        // Any four years that have a leap day.
        if crontab.find_next(MakeTimestamp(Timestamp::UNIX_EPOCH)).is_err() {
            return Err(CronError::Never);
        }
        Ok(Self {
            crontab,
            rhythm: minute.starts_with('*') || hour.starts_with('*'),
            any_hour: hour.starts_with('*'),
            remarks: remarks(day, weekday),
        })
    }

    /// What may surprise people, in words.
    pub fn remarks(&self) -> &[&'static str] {
        &self.remarks
    }
}

fn remarks(day: &str, weekday: &str) -> Vec<&'static str> {
    let late = |part: &str| part.parse::<u8>().is_ok_and(|day| day > 28);
    let mut remarks = Vec::new();
    if !day.starts_with('*') && day.split(',').all(late) {
        remarks.push("months that have no such day are left out");
    }
    if !day.starts_with(['*', '?']) && !weekday.starts_with(['*', '?']) {
        remarks.push("a day of the month and a weekday are given: a day comes if either is so");
    }
    remarks
}

/// A number that is always the same for a seed and a name, and spread evenly.
pub fn share(seed: &str, name: &str) -> u64 {
    let hash = Sha256::digest(format!("{seed}/{name}").as_bytes());
    hash.iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
