//! Brings classes together: for each key the first class wins, by priority and then by name.
use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Refused, Subject, Wanted, keys, matching};
use crate::crd;
use crate::crd::class::{Acknowledgement, ClassTaint, Effect, NodeClass};
use crate::facts::{NodeFacts, intern};

/// Brings the classes together; `classes` are those without a problem ([`validate`](super::validate)), in any order.
pub fn resolve(classes: &[&NodeClass], subject: &Subject<'_>) -> Wanted {
    let matching = classes.iter().filter(|class| matching::matches(class, subject));
    let mut order: Vec<&NodeClass> = matching.copied().collect();
    order.sort_by_key(|class| (Reverse(priority(class)), name(class)));
    let mut merge = Merge {
        wanted: Wanted::default(),
        holders: BTreeMap::new(),
        subject,
    };
    for class in order {
        merge.take(class);
    }
    merge.finish()
}

/// Why a class' NoExecute taints are not put on this node: it is of the control plane (or a member of etcd), and the
/// class has not said so twice.
fn control_plane_refusal(class: &NodeClass, node: &NodeFacts) -> Option<String> {
    let evicts = class.spec.taints.iter().any(|taint| taint.effect == Effect::NoExecute);
    let consents = [Acknowledgement::NoExecute, Acknowledgement::ControlPlaneNoExecute];
    let said_twice = consents.iter().all(|consent| class.spec.acknowledge.contains(consent));
    (evicts && (node.control_plane() || node.etcd()) && !said_twice).then(|| {
        "it is a control-plane node, and NoExecute evicts what runs there; say acknowledge: [NoExecute, \
         ControlPlaneNoExecute] on the class to want that, or match other nodes"
            .into()
    })
}

fn name(class: &NodeClass) -> &str {
    class.metadata.name.as_deref().unwrap_or_default()
}

fn priority(class: &NodeClass) -> i64 {
    class.spec.priority.unwrap_or_default()
}

struct Merge<'a, 's> {
    wanted: Wanted,
    /// Who got a key (`label x`, `failover` and so on), and with what value.
    holders: BTreeMap<String, (&'a NodeClass, String)>,
    subject: &'s Subject<'s>,
}

impl<'a> Merge<'a, '_> {
    fn take(&mut self, by: &'a NodeClass) {
        self.wanted.classes.push(name(by).to_owned());
        if by.spec.suspend {
            self.freeze(by);
            return;
        }
        let spec = &by.spec;
        let class = || Some(intern(name(by)));
        for (key, value) in &spec.labels {
            if self.wins(by, format!("label {key}"), value, &format!("={value}")) {
                self.wanted.labels.insert(intern(key), (intern(value), class()));
            }
        }
        for (key, value) in &spec.annotations {
            if self.wins(by, format!("annotation {key}"), value, &format!("={value}")) {
                self.wanted.annotations.insert(intern(key), (intern(value), class()));
            }
        }
        self.taints(by);
        if spec.exclude_from_disruption_count {
            let key = format!("label {}", crd::EXCLUDE_DISRUPTION);
            if !self.subject.may_exclude {
                let why = "no other node of its zone stays in the disruption count, and Kubernetes must have one to \
                           judge the zone by";
                self.refuse(by, &key, why);
            } else if self.wins(by, key, "true", "=true") {
                let label = (intern("true"), class());
                self.wanted.labels.insert(intern(crd::EXCLUDE_DISRUPTION), label);
            }
        }
        if let Some(failover) = &spec.failover {
            if spec.dry_run {
                self.would(by, "use its failover");
            } else if self.wins(by, "failover".to_owned(), &format!("{failover:?}"), "") {
                self.wanted.failover = Some(failover.clone());
            }
        }
    }

    fn taints(&mut self, by: &'a NodeClass) {
        let refusal = control_plane_refusal(by, self.subject.node);
        for taint in &by.spec.taints {
            let key = taint_key(&taint.key, taint.effect.as_str());
            match &refusal {
                Some(why) if taint.effect == Effect::NoExecute => self.refuse(by, &key, why),
                _ => {
                    let value = taint.value.as_deref().unwrap_or_default();
                    let shown = match value {
                        "" => String::new(),
                        value => format!(" with the value {value}"),
                    };
                    if self.wins(by, key, value, &shown) {
                        self.wanted.taints.push((taint.clone(), Some(name(by).to_owned())));
                    }
                }
            }
        }
    }

    /// Whether the class gets the key. A dry run gets nothing, and its line is written; a class of the same priority that wants
    /// something else is a tie, which both report.
    fn wins(&mut self, by: &'a NodeClass, key: String, value: &str, shown: &str) -> bool {
        let holder = self.holders.get(&key);
        if by.spec.dry_run {
            match holder.filter(|(_, theirs)| theirs != value) {
                Some((other, _)) => {
                    let other = name(other);
                    self.would(by, &format!("not set {key}{shown}: class `{other}` comes first"));
                }
                None => self.would(by, &format!("set {key}{shown}")),
            }
            return false;
        }
        let Some((holder, theirs)) = holder else {
            self.holders.insert(key, (by, value.to_owned()));
            return true;
        };
        if priority(holder) == priority(by) && theirs != value {
            let (winner, loser) = (*holder, by);
            let why = format!("class `{}` has it (same priority, its name comes first)", name(winner));
            self.refuse(loser, &key, &why);
            let why = format!(
                "class `{}` wants it too and has the same priority; ours is used",
                name(loser)
            );
            self.refuse(winner, &key, &why);
        }
        false
    }

    fn refuse(&mut self, by: &'a NodeClass, key: &str, why: &str) {
        if by.spec.dry_run {
            self.would(by, &format!("not set {key}: {why}"));
        } else {
            self.wanted.refused.push(Refused::new(key, Some(name(by)), why));
        }
    }

    fn would(&mut self, by: &'a NodeClass, what: &str) {
        self.wanted.dry.push((name(by).to_owned(), format!("would {what}")));
    }

    /// What a suspended class may have on its nodes stays as it is. A key that a class before it has is not its own.
    fn freeze(&mut self, by: &'a NodeClass) {
        let spec = &by.spec;
        let excluded = spec.exclude_from_disruption_count.then_some(crd::EXCLUDE_DISRUPTION);
        let labels = spec.labels.keys().map(String::as_str).chain(excluded);
        let labels = labels.map(|key| format!("label {key}"));
        let annotations = spec.annotations.keys().map(|key| format!("annotation {key}"));
        let taints = spec.taints.iter();
        let taints = taints.map(|taint| taint_key(&taint.key, taint.effect.as_str()));
        let all = labels.chain(annotations).chain(taints);
        let free = all.filter(|key| !self.holders.contains_key(key));
        self.wanted.frozen.extend(free);
    }

    /// What does not come from classes: where the node is, and how dependable it is.
    fn finish(self) -> Wanted {
        let (subject, mut wanted) = (self.subject, self.wanted);
        let host = subject.host.unwrap_or(&subject.node.name);
        if keys::is_value(host) && !host.is_empty() {
            wanted.labels.insert(intern(crd::HOST_LABEL), (intern(host), None));
        } else {
            let why = format!(
                "`{host}` cannot be a label's value, which has at most 63 characters; claim the node by a NodeHost with a \
                 shorter name"
            );
            let key = format!("label {}", crd::HOST_LABEL);
            wanted.refused.push(Refused::new(&key, None, why));
        }
        let availability = intern(subject.availability.as_str());
        wanted
            .labels
            .insert(intern(crd::AVAILABILITY_LABEL), (availability, None));
        let order = |(taint, _): &(ClassTaint, _)| (taint.key.clone(), taint.effect.as_str());
        wanted.taints.sort_by_cached_key(order);
        wanted.classes.sort();
        wanted.refused.sort();
        wanted
    }
}

/// `taint key:effect`, as it is shown.
pub(crate) fn taint_key(key: &str, effect: &str) -> String {
    format!("taint {key}:{effect}")
}
