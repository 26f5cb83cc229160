//! Which snapshots of a schedule are forgotten. The rules are those of restic's `forget`; the choice is made here from the records
//! of runs, so that a bad run never displaces a good one, and restic gets explicit ids.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::job::hex;
use crate::crd::Keep;

#[cfg(test)]
mod tests;

/// So many of the newest good snapshots of a claim stay, if the rules do not say `last`.
const LAST: i64 = 3;
/// So many of the newest snapshots of a claim that are not good stay.
const NOT_GOOD: usize = 2;
/// A snapshot that needs lost data stays until there are so many good ones after it.
const REPLACED: usize = 3;
/// More than this are not forgotten at once without consent.
const AT_ONCE: usize = 10;
/// More than half of the snapshots are not forgotten at once without consent, if they are more than this.
const HALF: usize = 3;

/// A snapshot that a run has recorded and that is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// The UID of the run.
    pub run_uid: String,
    /// The claim.
    pub claim: String,
    /// The slot of the run.
    pub time: Timestamp,
    /// Whether the run's volume was good. Others have no influence on those that are.
    pub good: bool,
    /// Whether it needs data that is lost. Nothing can be pruned as long as there are such snapshots.
    pub lost: bool,
    /// Whether it must stay: a person has said so, or a restore reads it.
    pub pinned: bool,
}

/// What is known of the snapshots of one schedule in one namespace.
#[derive(Debug, Clone)]
pub struct Observed<'a> {
    /// The rules.
    pub keep: &'a Keep,
    /// The zone of days, weeks, months and years.
    pub zone: &'a TimeZone,
    /// All snapshots.
    pub snapshots: &'a [Snapshot],
    /// The claims of the newest run, if all of it is good; none: nothing is forgotten.
    pub newest: Option<&'a BTreeSet<String>>,
    /// The [`token`] that a person has agreed to.
    pub consent: Option<&'a str>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything stays.
    Nothing,
    /// So many are to be forgotten, which is too much without consent; the [`token`] to agree to it.
    NeedsConsent(usize, String),
    /// These are to be forgotten.
    Forget(Vec<Snapshot>),
}

/// Decides.
pub fn decide(observed: &Observed<'_>) -> Decision {
    let Some(newest) = observed.newest else {
        return Decision::Nothing;
    };
    let mut claims: BTreeMap<&str, Vec<&Snapshot>> = BTreeMap::new();
    for snapshot in observed.snapshots {
        claims.entry(&snapshot.claim).or_default().push(snapshot);
    }
    let mut forget = Vec::new();
    for (claim, mut snapshots) in claims {
        // A claim that is backed up no more, because it was renamed or deleted: nothing displaces what there is of it.
        if !newest.contains(claim) {
            continue;
        }
        snapshots.sort_by(|one, other| other.time.cmp(&one.time).then_with(|| one.id.cmp(&other.id)));
        let (good, others): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|snapshot| snapshot.good);
        let kept = kept(observed.keep, observed.zone, &good);
        let displaced = good
            .iter()
            .zip(kept)
            .filter(|(_, kept)| !kept)
            .map(|(snapshot, _)| *snapshot);
        let (lost, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|snapshot| snapshot.lost);
        let replaced = |lost: &&Snapshot| good.iter().filter(|one| one.time > lost.time).count() >= REPLACED;
        let displaced = displaced
            .chain(others.into_iter().skip(NOT_GOOD))
            .chain(lost.into_iter().filter(replaced));
        forget.extend(displaced.filter(|snapshot| !snapshot.pinned).cloned());
    }
    let count = forget.len();
    let too_many = count > AT_ONCE || count > HALF && count * 2 > observed.snapshots.len();
    let token = token(&forget);
    match count {
        0 => Decision::Nothing,
        _ if too_many && observed.consent != Some(token.as_str()) => Decision::NeedsConsent(count, token),
        _ => Decision::Forget(forget),
    }
}

/// What a person agrees to: how many snapshots, and just these. What was agreed to once is no consent to others.
fn token(forget: &[Snapshot]) -> String {
    let mut ids: Vec<&str> = forget.iter().map(|snapshot| snapshot.id.as_str()).collect();
    ids.sort_unstable();
    format!("{}-{}", ids.len(), hex(ids.concat().as_bytes(), 3))
}

/// A rule of a calendar: what it counts, and how many are left of it.
struct Rule {
    name: fn(&Zoned) -> (i16, i16),
    left: i64,
    last: Option<(i16, i16)>,
}

/// Whether each of the snapshots is kept; the newest is the first.
fn kept(keep: &Keep, zone: &TimeZone, snapshots: &[&Snapshot]) -> Vec<bool> {
    let mut last = keep.last.unwrap_or(LAST);
    let rule = |left: Option<i64>, name| Rule {
        name,
        left: left.unwrap_or(0),
        last: None,
    };
    let mut rules = [
        rule(keep.hourly, |at| {
            (at.year(), at.day_of_year() * 24 + i16::from(at.hour()))
        }),
        rule(keep.daily, |at| (at.year(), at.day_of_year())),
        rule(keep.weekly, |at| {
            let week = at.date().iso_week_date();
            (week.year(), i16::from(week.week()))
        }),
        rule(keep.monthly, |at| (at.year(), i16::from(at.month()))),
        rule(keep.yearly, |at| (at.year(), 0)),
    ];
    let within = within(keep);
    let newest = snapshots.first().map(|snapshot| snapshot.time);
    let mut kept = Vec::with_capacity(snapshots.len());
    for (position, snapshot) in snapshots.iter().enumerate() {
        let mut keep_it = last > 0;
        last -= 1;
        if let (Some(newest), Some(within)) = (newest, within) {
            keep_it |= newest.duration_since(snapshot.time) <= within;
        }
        let at = snapshot.time.to_zoned(zone.clone());
        for rule in rules.iter_mut().filter(|rule| rule.left > 0) {
            let name = Some((rule.name)(&at));
            // The oldest stays as long as there are fewer than the rule asks for: it grows into the last place.
            if rule.last != name || position + 1 == snapshots.len() {
                keep_it = true;
                rule.last = name;
                rule.left -= 1;
            }
        }
        kept.push(keep_it);
    }
    kept
}

/// The length of `within`. One that cannot be read keeps everything.
fn within(keep: &Keep) -> Option<SignedDuration> {
    let text = keep.within.as_deref()?;
    let parsed = hearth_reconciler::duration::parse(text).unwrap_or(Duration::MAX);
    Some(SignedDuration::try_from(parsed).unwrap_or(SignedDuration::MAX))
}
