//! Labels that vanish for a moment, because who sets them restarts (node-feature-discovery takes all of its labels away and
//! puts them back). What a class made of such a label stays for a while.
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Subject, matching};
use crate::crd::class::NodeClass;

#[cfg(test)]
mod tests;

/// How long a vanished label counts as if it were there.
const LOSS: Duration = Duration::from_mins(5);

/// Remembers for each class with a label selector and each node what was decided, and by which labels. Times are of the
/// monotonic clock. Only the vanishing of a label is held back; another value, or a label that appears, counts at once.
#[derive(Clone, Debug, Default)]
pub struct Debounce {
    decided: BTreeMap<(String, String), Decided>,
}

#[derive(Clone, Debug)]
struct Decided {
    /// UID and generation of the class: an edited class is judged anew.
    class: (Option<String>, Option<i64>),
    /// The machine's UUID: another machine of the same name is judged anew. (The same one that registers anew is not.)
    machine: String,
    verdict: bool,
    /// The labels that the selector asks for, as they were then.
    labels: BTreeMap<String, String>,
    /// Since when the labels alone would say otherwise.
    since: Option<Duration>,
}

impl Debounce {
    /// Whether a class matches a node, as [`matches`](super::matches), but for labels that have just vanished.
    pub fn judge(&mut self, class: &NodeClass, subject: &Subject<'_>, now: Duration) -> bool {
        let labels = matching::visible(subject);
        let real = matching::matches_with(class, subject, &labels);
        let key = (
            class.metadata.name.clone().unwrap_or_default(),
            subject.node.name.clone(),
        );
        let Some(selector) = &class.spec.matches.label_selector else {
            self.decided.remove(&key);
            return real;
        };
        let there = |key: &str| Some((key.to_owned(), (*labels.get(key)?).to_owned()));
        let decided = Decided {
            class: (class.metadata.uid.clone(), class.metadata.generation),
            machine: subject.node.machine.system_uuid.clone(),
            verdict: real,
            labels: matching::asked(selector).filter_map(there).collect(),
            since: None,
        };
        let before = self.decided.get_mut(&key);
        let before = before.filter(|before| before.class == decided.class && before.machine == decided.machine);
        if let Some(before) = before.filter(|before| before.verdict != real) {
            let mut ghosts = labels;
            for (key, value) in &before.labels {
                ghosts.entry(key).or_insert(value);
            }
            let since = *before.since.get_or_insert(now);
            let explained = matching::matches_with(class, subject, &ghosts) == before.verdict;
            if explained && now.saturating_sub(since) < LOSS {
                return before.verdict;
            }
        }
        self.decided.insert(key, decided);
        real
    }

    /// Forgets classes and nodes that are gone, by their names.
    pub fn retain(&mut self, there: impl Fn(&str, &str) -> bool) {
        self.decided.retain(|(class, node), _| there(class, node));
    }
}
