//! Reports changes of objects: Events on Services and Ingresses, reconciles of DNSRecords.
use std::collections::HashSet;
use std::sync::{Arc, Weak};

use hearth_reconciler::events::Events;
use hearth_reconciler::trigger::Trigger;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use parking_lot::Mutex;

use crate::crd::{DNSRecord, DNSZone};
use crate::object_cache::ObjectCache;
use crate::records::SetKey;
use crate::source::endpoints::Defect;
use crate::source::facts::Facts;
use crate::source::{ObjectKey, SourceKind};
use crate::zone::plan::types::RecordVerdict;
use crate::zone::worker::{Notifier, Shared};

/// Reports what changes in one zone.
pub(crate) struct ObjectNotifier {
    pub(crate) zone: Arc<str>,
    pub(crate) shared: Weak<Shared>,
    pub(crate) object_cache: Arc<ObjectCache>,
    pub(crate) events: Events,
    pub(crate) zone_trigger: Trigger<DNSZone>,
    pub(crate) record_trigger: Trigger<DNSRecord>,
    /// Objects that have a warning of this zone: only that is forgotten when all is well, not another zone's.
    pub(crate) warned: Mutex<HashSet<ObjectKey>>,
}

impl Notifier for ObjectNotifier {
    fn zone_changed(&self) {
        self.zone_trigger.reconcile(ObjectRef::new(&self.zone));
    }

    fn zone_listed(&self) {
        // Records of other zones too: a record is answered when every zone that may take it is listed.
        for facts in self
            .object_cache
            .all()
            .iter()
            .filter(|facts| facts.object.key.kind() == SourceKind::Record)
        {
            self.record_trigger.reconcile(facts.object.key.to_record());
        }
    }

    fn objects_changed(&self, objects: &[ObjectKey]) {
        let Some(shared) = self.shared.upgrade() else { return };
        for object in objects {
            if object.kind() == SourceKind::Record {
                self.record_trigger.reconcile(object.to_record());
            }
            let Some(facts) = self.object_cache.get(object) else {
                self.warned.lock().remove(object);
                continue;
            };
            let warning = {
                let state = shared.state();
                let (verdicts, defects, _) = state.results_of(object);
                warning(verdicts, defects)
            };
            let mut warned = self.warned.lock();
            match warning {
                Some((reason, message)) => {
                    warned.insert(object.clone());
                    let note = format!("{message} (DNSZone {})", self.zone);
                    self.events
                        .publish(&reference(&facts), EventType::Warning, reason, "Publish", &note);
                }
                None if warned.remove(object) => self.events.clear(&facts.object.uid),
                None => {}
            }
        }
    }
}

/// The one thing to warn of: why something is not published comes before mere notes.
fn warning(verdicts: &[(SetKey, RecordVerdict)], defects: &[Defect]) -> Option<(&'static str, String)> {
    let told = |defect: &Defect| (defect.reason, defect.message.clone());
    let fault = defects.iter().find(|defect| !defect.is_note()).map(told);
    fault
        .or_else(|| verdicts.iter().find_map(|(key, verdict)| problem(key, verdict)))
        .or_else(|| defects.first().map(told))
}

/// What a person must fix: reason and message. Waiting is not wrong.
pub(crate) fn problem(key: &SetKey, verdict: &RecordVerdict) -> Option<(&'static str, String)> {
    match verdict {
        RecordVerdict::Published | RecordVerdict::Pending | RecordVerdict::Held(_) => None,
        RecordVerdict::Conflict(winner) => Some((
            "Conflicted",
            format!("{key} is held by {winner}; the holder keeps a name, then the oldest object gets it"),
        )),
        RecordVerdict::Foreign(Some(owner)) => Some((
            "Conflicted",
            format!(
                "{key}: a record of this name at the provider belongs to owner \"{owner}\"; it is not touched. Remove it there, or take it over with spec.ownerID"
            ),
        )),
        RecordVerdict::Foreign(None) => Some((
            "Conflicted",
            format!(
                "{key}: there is a record of this name at the provider that is not ours; it is not touched. Remove it there or use another name"
            ),
        )),
        RecordVerdict::Failed(reason, message) => Some((reason, format!("{key}: {message}"))),
    }
}

/// The object as events name it.
pub(crate) fn reference(facts: &Facts) -> ObjectReference {
    let (api_version, kind) = match facts.object.key.kind() {
        SourceKind::Service => ("v1", "Service"),
        SourceKind::Ingress => ("networking.k8s.io/v1", "Ingress"),
        SourceKind::Record => ("dns.hearth.home.arpa/v1alpha1", "DNSRecord"),
        SourceKind::Node => ("v1", "Node"),
    };
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(facts.object.key.namespace().to_owned()),
        name: Some(facts.object.key.name().to_owned()),
        uid: Some(facts.object.uid.to_string()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_data::RecordType;
    use crate::zone::fake_zone::name;

    #[test]
    fn a_note_does_not_hide_why_a_name_is_not_published() {
        let note = Defect::new("AnnotationConflict", "two prefixes");
        let fault = Defect::new("InvalidTarget", "no address");
        let foreign = [(
            SetKey::simple(&name("www"), RecordType::A),
            RecordVerdict::Foreign(None),
        )];
        let reason =
            |verdicts: &[(SetKey, RecordVerdict)], defects: &[Defect]| warning(verdicts, defects).map(|found| found.0);
        assert_eq!(reason(&[], &[note.clone(), fault.clone()]), Some("InvalidTarget"));
        assert_eq!(reason(&foreign, &[note.clone(), fault]), Some("InvalidTarget"));
        assert_eq!(reason(&foreign, std::slice::from_ref(&note)), Some("Conflicted"));
        assert_eq!(reason(&[], &[note]), Some("AnnotationConflict"));
        assert_eq!(reason(&[], &[]), None);
    }
}
