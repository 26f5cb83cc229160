//! How much of each hour and day a node was up, known, and down on purpose. The hours of yesterday and today are kept in
//! seconds, so that what is noticed late can be corrected; older days are kept in minutes. Days are UTC days.
use crate::liveness::State;

pub(super) const HOUR: i64 = 3600;
pub(super) const DAY: i64 = 24 * HOUR;
/// Days before today that the statistics cover.
pub(super) const DAYS: i64 = 30;

/// An hour in seconds, or a day in minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub up: u16,
    /// It is known whether it was up.
    pub known: u16,
    /// It was down on purpose.
    pub planned: u16,
    /// Outages that began then and were not planned.
    pub downs: u16,
}

impl Row {
    /// Adds so many seconds. An hour never holds more than an hour, and never more up than known.
    fn add(&mut self, weight: Sums, seconds: i64) {
        let (up, known, planned) = (i64::from(self.up), i64::from(self.known), i64::from(self.planned));
        let known = (known + weight.known * seconds).clamp(0, HOUR);
        let up = (up + weight.up * seconds).clamp(0, known);
        let planned = (planned + weight.planned * seconds).clamp(0, known - up);
        (self.up, self.known, self.planned) = (small(up), small(known), small(planned));
    }

    /// Whether the numbers are possible, in a unit of which the row has `most`.
    pub(super) fn is_valid(self, most: u16) -> bool {
        self.known <= most && u32::from(self.up) + u32::from(self.planned) <= u32::from(self.known)
    }
}

fn small(number: i64) -> u16 {
    u16::try_from(number.max(0)).unwrap_or(u16::MAX)
}

/// Rows without a gap, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// The number of the first: hours or days since 1970.
    pub first: i64,
    pub rows: Vec<Row>,
}

impl Rows {
    /// The number after the newest.
    fn end(&self) -> i64 {
        self.first + i64::try_from(self.rows.len()).unwrap_or_default()
    }

    fn get_mut(&mut self, number: i64) -> Option<&mut Row> {
        self.rows.get_mut(usize::try_from(number - self.first).ok()?)
    }

    fn iter(&self) -> impl Iterator<Item = (i64, Row)> {
        (self.first..).zip(self.rows.iter().copied())
    }

    /// Adds empty rows up to this one.
    fn extend_to(&mut self, number: i64) {
        if self.rows.is_empty() {
            self.first = number;
        }
        while self.end() <= number {
            self.rows.push(Row::default());
        }
    }

    fn drop_before(&mut self, number: i64) {
        let old = usize::try_from(number - self.first).unwrap_or_default();
        let old = old.min(self.rows.len());
        self.rows.drain(..old);
        self.first += i64::try_from(old).unwrap_or_default();
    }

    /// Drops empty rows at the end: a stored table must be equal when it is read.
    fn trim(&mut self) {
        while self.rows.pop_if(|row| *row == Row::default()).is_some() {}
        if self.rows.is_empty() {
            self.first = 0;
        }
    }
}

/// Sums, in seconds; or what a second counts for, or, as a difference of two, by how much that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub up: i64,
    /// It is known whether it was up.
    pub known: i64,
    /// It was down on purpose.
    pub planned: i64,
    /// Outages that were not planned.
    pub downs: i64,
}

impl Sums {
    /// Of a second in this state. Only Up and Down are known.
    pub(super) fn of(state: State, planned: bool) -> Self {
        Self {
            up: i64::from(state == State::Up),
            known: i64::from(matches!(state, State::Up | State::Down)),
            planned: i64::from(state == State::Down && planned),
            downs: 0,
        }
    }

    /// The change from `old` to this.
    pub(super) fn minus(self, old: Self) -> Self {
        Self {
            up: self.up - old.up,
            known: self.known - old.known,
            planned: self.planned - old.planned,
            downs: self.downs - old.downs,
        }
    }

    fn add(&mut self, row: Row, unit: i64) {
        self.up += i64::from(row.up) * unit;
        self.known += i64::from(row.known) * unit;
        self.planned += i64::from(row.planned) * unit;
        self.downs += i64::from(row.downs);
    }

    /// As a day's row, in minutes.
    fn day(self) -> Row {
        let minutes = |seconds: i64| small((seconds + 30) / 60);
        let (up, known) = (minutes(self.up), minutes(self.known));
        Row {
            up,
            known,
            planned: minutes(self.planned).min(known.saturating_sub(up)),
            downs: small(self.downs),
        }
    }
}

/// The uptime of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uptime {
    /// The hours of yesterday and today, in seconds.
    pub hours: Rows,
    /// The days before, in minutes.
    pub days: Rows,
}

impl Uptime {
    /// What was stored. Earlier versions also stored yesterday and today as days; their hours say the same.
    pub(super) fn stored(hours: Rows, mut days: Rows) -> Self {
        let yesterday = (hours.end() - 1).div_euclid(24) - 1;
        let closed = usize::try_from(yesterday - days.first).unwrap_or_default();
        days.rows.truncate(closed);
        days.drop_before(yesterday + 1 - DAYS);
        days.trim();
        Self { hours, days }
    }

    /// Adds a time that comes after all others. The usual one, of a few seconds, touches one row.
    pub(super) fn add(&mut self, from: i64, to: i64, weight: Sums) {
        // What is older would be dropped at once.
        for (hour, seconds) in hours(from.max(to - (DAYS + 2) * DAY), to) {
            self.open(hour);
            self.add_to(hour, weight, seconds);
        }
    }

    /// Corrects what was added, as far as it is kept in seconds.
    pub(super) fn correct(&mut self, from: i64, to: i64, change: Sums) {
        let (first, end) = (self.hours.first * HOUR, self.hours.end() * HOUR);
        for (hour, seconds) in hours(from.max(first), to.min(end)) {
            self.add_to(hour, change, seconds);
        }
    }

    fn add_to(&mut self, hour: i64, weight: Sums, seconds: i64) {
        if let Some(row) = self.hours.get_mut(hour) {
            row.add(weight, seconds);
        }
    }

    /// The first second of the newest hour; 0 if nothing was added.
    pub(super) fn newest_hour(&self) -> i64 {
        (self.hours.end() - 1).max(0) * HOUR
    }

    /// Counts an unplanned outage at its beginning, or takes one back (`-1`) that turned out to have been planned.
    pub(super) fn count_outage(&mut self, at: i64, by: i16) {
        self.open(at.div_euclid(HOUR));
        // An outage that began before the oldest hour counts there.
        let hour = at.div_euclid(HOUR).max(self.hours.first);
        let day = self.days.get_mut(at.div_euclid(DAY));
        if let Some(row) = day.or_else(|| self.hours.get_mut(hour)) {
            row.downs = row.downs.saturating_add_signed(by);
        }
        self.days.trim();
    }

    /// Makes room for this hour: days before yesterday are summed up, and those before the statistics dropped.
    fn open(&mut self, hour: i64) {
        if !self.hours.rows.is_empty() && hour < self.hours.end() {
            return;
        }
        let yesterday = hour.div_euclid(24) - 1;
        while !self.hours.rows.is_empty() && self.hours.first < yesterday * 24 {
            self.close_day();
        }
        self.days.drop_before(yesterday + 1 - DAYS);
        self.days.trim();
        self.hours.extend_to(hour);
    }

    /// The hours of the oldest day become a row of days.
    fn close_day(&mut self) {
        let day = self.hours.first.div_euclid(24);
        let mut sums = Sums::default();
        for (_, row) in self.hours.iter().filter(|(hour, _)| hour.div_euclid(24) == day) {
            sums.add(row, 1);
        }
        self.hours.drop_before((day + 1) * 24);
        // Old days first, or a gap of years would be filled with rows.
        self.days.drop_before(day + 2 - DAYS);
        self.days.trim();
        if sums.day() != Row::default() {
            self.days.extend_to(day);
            if let Some(row) = self.days.get_mut(day) {
                *row = sums.day();
            }
        }
    }

    /// Sums since this second. The hour or day in which it is counts as a whole.
    pub(super) fn since(&self, at: i64) -> Sums {
        let mut sums = Sums::default();
        for (_, row, unit) in self.rows().filter(|(end, ..)| *end > at) {
            sums.add(row, unit);
        }
        sums
    }

    /// Known seconds from `at` to `now`. Of the hour or day in which `at` is, as much counts as can have been after it.
    pub(super) fn known_since(&self, at: i64, now: i64) -> i64 {
        let known = self
            .rows()
            .map(|(end, row, unit)| (end - at).max(0).min(i64::from(row.known) * unit));
        known.sum::<i64>().min(now - at).max(0)
    }

    /// All rows, each with the first second after it and the seconds of its unit.
    fn rows(&self) -> impl Iterator<Item = (i64, Row, i64)> {
        let hours = self.hours.iter().map(|(hour, row)| ((hour + 1) * HOUR, row, 1));
        let days = self.days.iter().map(|(day, row)| ((day + 1) * DAY, row, 60));
        hours.chain(days)
    }
}

/// The hours between two seconds, each with how many of its seconds that is.
fn hours(from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
    let numbers = from.div_euclid(HOUR)..=(to - 1).div_euclid(HOUR);
    let parts = numbers.map(move |hour| (hour, to.min((hour + 1) * HOUR) - from.max(hour * HOUR)));
    parts.filter(|(_, seconds)| *seconds > 0)
}
