//! What is kept of an object: extracted once, when a watch delivers it, and small, since there is one for each object
//! that might publish.
use hearth_reconciler::labels;

use super::{
    SourceKind,
    annotations::Annotations,
    endpoints::Wanted,
    ingress::{IngressFacts, SlimIngress},
    object::SourceObject,
    record::RecordFacts,
    scope::{ZoneView, selection},
    service::{ServiceFacts, ServiceType, SlimService},
};
use crate::crd::{DNSRecord, zone::Sources};

/// An object as far as its names are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What objects of every kind have.
    pub object: SourceObject,
    /// What only its kind has.
    pub of_kind: KindFacts,
}

/// What only objects of one kind have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindFacts {
    /// A Service.
    Service(ServiceFacts),
    /// An Ingress.
    Ingress(IngressFacts),
    /// A `DNSRecord`.
    Record(Box<RecordFacts>),
}

impl Facts {
    /// Of a Service.
    pub fn of_service(service: &SlimService) -> Self {
        Self {
            object: SourceObject::annotated(SourceKind::Service, &service.metadata, Vec::new()),
            of_kind: KindFacts::Service(ServiceFacts::of(service)),
        }
    }

    /// Of an Ingress.
    pub fn of_ingress(ingress: &SlimIngress) -> Self {
        let (facts, defects) = IngressFacts::of(ingress);
        Self {
            object: SourceObject::annotated(SourceKind::Ingress, &ingress.metadata, defects),
            of_kind: KindFacts::Ingress(facts),
        }
    }

    /// Of a `DNSRecord`. Its annotations have no effect on its names.
    pub fn of_record(record: &DNSRecord) -> Self {
        let (facts, defects) = RecordFacts::of(record);
        Self {
            object: SourceObject::new(SourceKind::Record, &record.metadata, Annotations::default(), defects),
            of_kind: KindFacts::Record(Box::new(facts)),
        }
    }

    /// Whether any zone could ever publish something of the object. Those of which none can are not worth keeping:
    /// Services inside the cluster that ask for no name.
    pub fn relevant(&self) -> bool {
        match &self.of_kind {
            _ if self.object.dns.foreign => false,
            KindFacts::Service(service) => {
                matches!(
                    service.service_type,
                    ServiceType::LoadBalancer | ServiceType::ExternalName
                ) || self.object.dns.hostnames.is_some()
                    || self.object.dns.internal_hostnames.is_some()
                    || !self.object.dns.targets.is_empty()
                    || !self.object.defects.is_empty()
            }
            KindFacts::Ingress(_) | KindFacts::Record(_) => true,
        }
    }
}

/// What the object wants of the zone. Nothing, when the zone's sources do not select it.
pub fn wanted(facts: &Facts, zone: &ZoneView<'_>) -> Wanted {
    if facts.object.dns.foreign || !selected(facts, zone.sources) {
        return Wanted::default();
    }
    match &facts.of_kind {
        KindFacts::Service(service) => service.wanted(&facts.object, zone),
        KindFacts::Ingress(ingress) => ingress.wanted(&facts.object, zone),
        KindFacts::Record(record) => record.wanted(&facts.object, zone),
    }
}

/// Whether sources select the object.
pub fn selected(facts: &Facts, sources: &Sources) -> bool {
    let object = &facts.object;
    let Some(source) = selection(sources, object.key.kind()) else {
        return false;
    };
    let class = match &facts.of_kind {
        KindFacts::Ingress(ingress) => ingress.class.as_deref(),
        KindFacts::Service(_) | KindFacts::Record(_) => None,
    };
    let namespaces = source.namespaces;
    let has = |(key, value): (&String, &String)| labels::get(&object.annotations, key) == Some(value.as_str());
    of_class(source.classes, class)
        && (namespaces.is_empty() || namespaces.iter().any(|namespace| namespace == object.key.namespace()))
        && source
            .selector
            .is_none_or(|selector| labels::matches(selector, |key| labels::get(&object.labels, key)))
        && source.annotations.is_none_or(|annotations| annotations.iter().all(has))
}

/// Whether the zone takes names of the object at all: its sources select it, and it does not name another zone.
pub fn selects(facts: &Facts, zone: &ZoneView<'_>) -> bool {
    let elsewhere = match &facts.of_kind {
        KindFacts::Record(record) => record.zone.as_deref().is_some_and(|only| only != zone.zone),
        KindFacts::Service(_) | KindFacts::Ingress(_) => false,
    };
    !elsewhere && selected(facts, zone.sources)
}

fn of_class(classes: &[String], class: Option<&str>) -> bool {
    classes.is_empty() || class.is_some_and(|class| classes.iter().any(|wanted| wanted == class))
}
