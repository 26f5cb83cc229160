//! Brings classes together: for each key the first class wins, by priority and then by name.
use std::collections::BTreeMap;

use super::{Refused, Subject, Tie, Wanted, keys, matching};
use crate::crd;
use crate::crd::class::{Acknowledgement, Effect, NodeClass};
use crate::facts::{NodeFacts, intern};

/// Brings the classes together; `classes` are those without a problem ([`validate`](super::validate)), in any order.
pub fn resolve(classes: &[&NodeClass], subject: &Subject<'_>) -> Wanted {
    let matching = classes.iter().filter(|class| matching::matches(class, subject));
    let mut order: Vec<Candidate<'_>> = matching.map(|class| Candidate::of(class)).collect();
    order.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(b.name)));
    let mut merge = Merge {
        wanted: Wanted::default(),
        holders: BTreeMap::new(),
        subject,
    };
    for candidate in &order {
        merge.take(candidate);
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

#[derive(Clone, Copy)]
struct Candidate<'a> {
    name: &'a str,
    priority: i64,
    class: &'a NodeClass,
}

impl<'a> Candidate<'a> {
    fn of(class: &'a NodeClass) -> Self {
        Self {
            name: class.metadata.name.as_deref().unwrap_or_default(),
            priority: class.spec.priority.unwrap_or_default(),
            class,
        }
    }
}

struct Merge<'a, 's> {
    wanted: Wanted,
    /// Who got a key (`label x`, `failover` and so on), and with what value.
    holders: BTreeMap<String, (Candidate<'a>, String)>,
    subject: &'s Subject<'s>,
}

impl<'a> Merge<'a, '_> {
    fn take(&mut self, by: &Candidate<'a>) {
        self.wanted.classes.push(by.name.to_owned());
        if by.class.spec.suspend {
            self.freeze(by);
            return;
        }
        let spec = &by.class.spec;
        let class = || Some(intern(by.name));
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

    fn taints(&mut self, by: &Candidate<'a>) {
        let refusal = control_plane_refusal(by.class, self.subject.node);
        for taint in &by.class.spec.taints {
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
                        self.wanted.taints.push((taint.clone(), Some(by.name.to_owned())));
                    }
                }
            }
        }
    }

    /// Whether the class gets the key. A dry run gets nothing, and its line is written; a class of the same priority that wants
    /// something else is a tie.
    fn wins(&mut self, by: &Candidate<'a>, key: String, value: &str, shown: &str) -> bool {
        let holder = self.holders.get(&key);
        if by.class.spec.dry_run {
            match holder.filter(|(_, theirs)| theirs != value) {
                Some((other, _)) => {
                    let other = other.name;
                    self.would(by, &format!("not set {key}{shown}: class `{other}` comes first"));
                }
                None => self.would(by, &format!("set {key}{shown}")),
            }
            return false;
        }
        let Some((holder, theirs)) = holder else {
            self.holders.insert(key, (*by, value.to_owned()));
            return true;
        };
        if holder.priority == by.priority && theirs != value {
            let (winner, loser) = (holder.name.to_owned(), by.name.to_owned());
            self.wanted.ties.push(Tie { key, winner, loser });
        }
        false
    }

    fn refuse(&mut self, by: &Candidate<'a>, key: &str, why: &str) {
        if by.class.spec.dry_run {
            self.would(by, &format!("not set {key}: {why}"));
        } else {
            let class = Some(by.name.to_owned());
            self.wanted.refused.push(Refused {
                key: key.to_owned(),
                class,
                why: why.to_owned(),
            });
        }
    }

    fn would(&mut self, by: &Candidate<'a>, what: &str) {
        self.wanted.dry.push((by.name.to_owned(), format!("would {what}")));
    }

    /// What a suspended class may have on its nodes stays as it is. A key that a class before it has is not its own.
    fn freeze(&mut self, by: &Candidate<'a>) {
        let spec = &by.class.spec;
        let free = |key: String| !self.holders.contains_key(&key);
        let excluded = spec.exclude_from_disruption_count.then_some(crd::EXCLUDE_DISRUPTION);
        let labels = spec.labels.keys().map(String::as_str).chain(excluded);
        let labels = labels.filter(|key| free(format!("label {key}"))).map(str::to_owned);
        self.wanted.frozen_labels.extend(labels);
        let annotations = spec.annotations.keys().filter(|key| free(format!("annotation {key}")));
        self.wanted.frozen_annotations.extend(annotations.cloned());
        let taints = spec
            .taints
            .iter()
            .map(|taint| (taint.key.as_str(), taint.effect.as_str()));
        let taints = taints.filter(|(key, effect)| free(taint_key(key, effect)));
        let taints = taints.map(|(key, effect)| (key.to_owned(), effect.to_owned()));
        self.wanted.frozen_taints.extend(taints);
    }

    /// What does not come from classes: where the node is, and how dependable it is.
    fn finish(mut self) -> Wanted {
        let subject = self.subject;
        let host = subject.host.unwrap_or(&subject.node.name);
        if keys::is_value(host) && !host.is_empty() {
            self.wanted.labels.insert(intern(crd::HOST_LABEL), (intern(host), None));
        } else {
            let advice = match subject.host {
                Some(_) => "give the NodeHost a shorter name",
                None => "claim the node by a NodeHost with a shorter name",
            };
            let why = format!("`{host}` cannot be a label's value, which has at most 63 characters; {advice}");
            self.wanted.refused.push(Refused {
                key: format!("label {}", crd::HOST_LABEL),
                class: None,
                why,
            });
        }
        let availability = intern(subject.availability.as_str());
        self.wanted
            .labels
            .insert(intern(crd::AVAILABILITY_LABEL), (availability, None));
        let wanted = &mut self.wanted;
        wanted
            .taints
            .sort_by(|(a, _), (b, _)| (&a.key, a.effect.as_str()).cmp(&(&b.key, b.effect.as_str())));
        wanted.classes.sort();
        wanted.ties.sort();
        wanted.refused.sort();
        self.wanted
    }
}

/// `taint key:effect`, as it is shown.
pub(crate) fn taint_key(key: &str, effect: &str) -> String {
    format!("taint {key}:{effect}")
}
