//! Reasons for an answer, and how they are put into words.
use crate::crd::host::{Answer, MayGoOff};

/// How many names a sentence bears.
const NAMES: usize = 5;

/// Reasons by their weight.
#[derive(Clone, Debug, Default)]
pub(super) struct Reasons {
    pub(super) against: Vec<String>,
    pub(super) unsure: Vec<String>,
    pub(super) notes: Vec<String>,
    /// What cannot be judged, now or later.
    pub(super) unjudged: Vec<String>,
    /// Of that it is likely that it stands against it.
    pub(super) likely: bool,
}

impl Reasons {
    /// What a request gets.
    pub(super) fn request(&self) -> Answer {
        answer(self.likely || !self.against.is_empty(), !self.unsure.is_empty())
    }

    pub(super) fn answer(self) -> MayGoOff {
        let unknown = !(self.unsure.is_empty() && self.unjudged.is_empty());
        let answer = answer(!self.against.is_empty(), unknown);
        let mut because = [self.against, self.unsure, self.unjudged, self.notes].concat();
        if because.is_empty() {
            because.push("nothing that is known stands against it".to_owned());
        }
        MayGoOff { answer, because }
    }
}

fn answer(against: bool, unknown: bool) -> Answer {
    match (against, unknown) {
        (true, _) => Answer::No,
        (false, true) => Answer::Unknown,
        (false, false) => Answer::Yes,
    }
}

/// `a, b, c and 4 more`.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES);
    let shown = names.take(NAMES).collect::<Vec<_>>().join(", ");
    if more > 0 {
        format!("{shown} and {more} more")
    } else {
        shown
    }
}
