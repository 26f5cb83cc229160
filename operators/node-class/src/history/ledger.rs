//! How much of each hour and day a node was up, known, and down on purpose. The hours of yesterday and today are kept to
//! the second, so that what is noticed late can be corrected; days before are kept to the minute. Days are UTC days.
use super::journal::{Change, Weight};

/// Seconds of an hour.
pub(super) const HOUR: i64 = 3600;
/// Seconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;
/// Days before today that statistics reach back to.
pub(super) const DAYS: i64 = 30;

/// An hour in seconds, or a day in minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// It was up.
    pub up: u16,
    /// It is known whether it was up.
    pub known: u16,
    /// It was down on purpose.
    pub planned: u16,
    /// Goings-down that were not planned.
    pub downs: u16,
}

impl Row {
    /// Changes it by so many seconds. An hour never holds more than an hour, and never more up than known.
    fn change(&mut self, by: Weight, seconds: i64) {
        let (up, known, planned) = (i64::from(self.up), i64::from(self.known), i64::from(self.planned));
        let known = (known + by.known * seconds).clamp(0, HOUR);
        let up = (up + by.up * seconds).clamp(0, known);
        let planned = (planned + by.planned * seconds).clamp(0, known - up);
        (self.up, self.known, self.planned) = (small(up), small(known), small(planned));
    }

    /// Whether it can be, in a unit of which the row has `most`.
    pub(super) fn is_sound(self, most: u16) -> bool {
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
    /// All of them.
    pub rows: Vec<Row>,
}

impl Rows {
    /// The number after the newest.
    pub(super) fn end(&self) -> i64 {
        self.first + i64::try_from(self.rows.len()).unwrap_or_default()
    }

    fn get_mut(&mut self, number: i64) -> Option<&mut Row> {
        self.rows.get_mut(usize::try_from(number - self.first).ok()?)
    }

    /// Each with its number.
    fn iter(&self) -> impl Iterator<Item = (i64, Row)> {
        (self.first..).zip(self.rows.iter().copied())
    }

    /// Puts rows of which nothing is known where there are none yet, up to this one.
    fn extend_to(&mut self, number: i64) {
        if self.rows.is_empty() {
            self.first = number;
        }
        while self.end() <= number {
            self.rows.push(Row::default());
        }
    }

    fn forget_before(&mut self, number: i64) {
        let old = usize::try_from(number - self.first).unwrap_or_default();
        let old = old.min(self.rows.len());
        self.rows.drain(..old);
        self.first += i64::try_from(old).unwrap_or_default();
    }

    /// Rows of which nothing is known are not kept at the end, so that what is read again is equal.
    pub(super) fn trim(&mut self) {
        while self.rows.pop_if(|row| *row == Row::default()).is_some() {}
        if self.rows.is_empty() {
            self.first = 0;
        }
    }
}

/// Sums, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// It was up.
    pub up: i64,
    /// It is known whether it was up.
    pub known: i64,
    /// It was down on purpose.
    pub planned: i64,
    /// Goings-down that were not planned.
    pub downs: i64,
}

impl Sums {
    fn add(&mut self, row: Row, unit: i64) {
        self.up += i64::from(row.up) * unit;
        self.known += i64::from(row.known) * unit;
        self.planned += i64::from(row.planned) * unit;
        self.downs += i64::from(row.downs);
    }

    /// As a day's row, to the minute.
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

/// The books of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// The hours of yesterday and today, in seconds.
    pub hours: Rows,
    /// The days before, in minutes.
    pub days: Rows,
}

impl Ledger {
    /// Enters a stretch of time that comes after all others. The usual one, of a few seconds, touches one row.
    pub(super) fn enter(&mut self, from: i64, to: i64, weight: Weight) {
        // What is older would be forgotten at once.
        let from = from.max(to - (DAYS + 2) * DAY);
        let (mut at, mut hour) = (from, from.div_euclid(HOUR));
        while at < to {
            self.reach(hour);
            let end = to.min((hour + 1) * HOUR);
            if let Some(row) = self.hours.get_mut(hour) {
                row.change(weight, end - at);
            }
            (at, hour) = (end, hour + 1);
        }
    }

    /// The first second that can still be corrected; none if nothing was entered.
    pub(super) fn begin(&self) -> Option<i64> {
        (!self.hours.rows.is_empty()).then_some(self.hours.first * HOUR)
    }

    /// The first second of the newest hour; 0 if nothing was entered.
    pub(super) fn end(&self) -> i64 {
        (self.hours.end() - 1).max(0) * HOUR
    }

    /// Corrects what was entered; what is older than [`Ledger::begin`] stays.
    pub(super) fn correct(&mut self, change: Change) {
        for (hour, row) in (self.hours.first..).zip(&mut self.hours.rows) {
            let (from, to) = (change.from.max(hour * HOUR), change.to.min((hour + 1) * HOUR));
            if from < to {
                row.change(change.by, to - from);
            }
        }
    }

    /// Counts an outage that was not planned, at its time.
    pub(super) fn count_down(&mut self, at: i64) {
        let hour = at.div_euclid(HOUR);
        self.reach(hour);
        let day = |hour: i64| hour.div_euclid(24);
        while hour < self.hours.first && day(hour) >= self.first_open_day() {
            self.hours.rows.insert(0, Row::default());
            self.hours.first -= 1;
        }
        if let Some(row) = self.row(at) {
            row.downs = row.downs.saturating_add(1);
        }
    }

    /// Takes one back: it turned out to have been planned.
    pub(super) fn uncount_down(&mut self, at: i64) {
        if let Some(row) = self.row(at) {
            row.downs = row.downs.saturating_sub(1);
        }
        self.days.trim();
    }

    fn row(&mut self, at: i64) -> Option<&mut Row> {
        let hour = self.hours.get_mut(at.div_euclid(HOUR));
        hour.or_else(|| self.days.get_mut(at.div_euclid(DAY)))
    }

    /// Makes room for this hour: days before yesterday are closed.
    fn reach(&mut self, hour: i64) {
        if !self.hours.rows.is_empty() && hour < self.hours.end() {
            return;
        }
        let yesterday = hour.div_euclid(24) - 1;
        while !self.hours.rows.is_empty() && self.hours.first < yesterday * 24 {
            self.close_day();
        }
        self.forget_days(yesterday);
        self.hours.extend_to(hour);
    }

    /// Keeps no more days than statistics reach back to.
    fn forget_days(&mut self, yesterday: i64) {
        self.days.forget_before(yesterday + 1 - DAYS);
        self.days.trim();
    }

    /// The oldest day's hours become a row of days.
    fn close_day(&mut self) {
        let day = self.hours.first.div_euclid(24);
        let row = self.day(day);
        self.hours.forget_before((day + 1) * 24);
        // It is the day before yesterday at least. Before the row, lest a gap of years be filled.
        self.forget_days(day + 1);
        if row != Row::default() {
            self.days.extend_to(day);
        }
        if let Some(place) = self.days.get_mut(day) {
            *place = row;
        }
        self.days.trim();
    }

    /// A day of which there are hours.
    fn day(&self, day: i64) -> Row {
        let mut sums = Sums::default();
        for (_, row) in self.hours.iter().filter(|(hour, _)| hour.div_euclid(24) == day) {
            sums.add(row, 1);
        }
        sums.day()
    }

    /// The first day that is not closed: yesterday, seen from the newest hour.
    pub(super) fn first_open_day(&self) -> i64 {
        (self.hours.end() - 1).div_euclid(24) - 1
    }

    /// All days, with yesterday and today as they are by now.
    pub(super) fn by_day(&self) -> Rows {
        let mut all = self.days.clone();
        if self.hours.rows.is_empty() {
            return all;
        }
        for day in self.hours.first.div_euclid(24)..=self.first_open_day() + 1 {
            all.extend_to(day);
            if let Some(place) = all.get_mut(day) {
                *place = self.day(day);
            }
        }
        all
    }

    /// Days that are not closed are told by their hours.
    pub(super) fn reopen(&mut self) {
        let closed = usize::try_from(self.first_open_day() - self.days.first).unwrap_or_default();
        self.days.rows.truncate(closed);
        self.forget_days(self.first_open_day());
    }

    /// Sums from the beginning of this day on.
    pub(super) fn since_day(&self, day: i64) -> Sums {
        let mut sums = self.since_hour(day * 24);
        for (_, row) in self.days.iter().filter(|(number, _)| *number >= day) {
            sums.add(row, 60);
        }
        sums
    }

    /// Sums from the beginning of this hour on, which is at most a day ago.
    pub(super) fn since_hour(&self, hour: i64) -> Sums {
        let mut sums = Sums::default();
        for (_, row) in self.hours.iter().filter(|(number, _)| *number >= hour) {
            sums.add(row, 1);
        }
        sums
    }

    /// Known seconds from `at` to `now`. The hour or day in which `at` is counts with all that can have been known after it.
    pub(super) fn known_since(&self, at: i64, now: i64) -> i64 {
        let hours = self.hours.iter().map(|(hour, row)| (hour, row, HOUR, 1));
        let days = self.days.iter().map(|(day, row)| (day, row, DAY, 60));
        let known = hours.chain(days).map(|(number, row, length, unit)| {
            let remained = ((number + 1) * length - at).max(0);
            remained.min(i64::from(row.known) * unit)
        });
        known.sum::<i64>().min(now - at).max(0)
    }
}
