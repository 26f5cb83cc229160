//! What is kept of an object: extracted once, when a watch delivers it, and small, since there is one for each object
//! that might publish.
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{
    ObjectKey, SourceKind,
    annotations::Annotations,
    endpoints::{Defect, Wanted, ZoneView},
    ingress::{IngressFacts, SlimIngress},
    record::RecordFacts,
    selector::{self, Pairs},
    service::{ServiceFacts, ServiceType, SlimService},
};
use crate::crd::{DNSRecord, zone::Sources};

/// What `kubectl apply` remembers: the whole object once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Longer annotations are not kept: they are configuration of other programs, can be 256 KiB, and neither a name nor a
/// sensible selection comes out of them.
const MAX_ANNOTATION: usize = 256;

/// An object as far as its names are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Which object.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: Box<str>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// The generation of its spec.
    pub generation: Option<i64>,
    /// Its labels, sorted.
    pub labels: Box<Pairs>,
    /// Its short annotations, sorted, for selection and templates.
    pub annotations: Box<Pairs>,
    /// What its annotations say about its names.
    pub dns: Annotations,
    /// What is wrong with it, whatever the zone.
    pub defects: Box<[Defect]>,
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
        let (dns, defects) = annotations_of(&service.metadata);
        Self::new(
            SourceKind::Service,
            &service.metadata,
            dns,
            defects,
            KindFacts::Service(ServiceFacts::of(service)),
        )
    }

    /// Of an Ingress.
    pub fn of_ingress(ingress: &SlimIngress) -> Self {
        let (dns, mut defects) = annotations_of(&ingress.metadata);
        let (of_kind, more) = IngressFacts::of(ingress);
        defects.extend(more);
        Self::new(
            SourceKind::Ingress,
            &ingress.metadata,
            dns,
            defects,
            KindFacts::Ingress(of_kind),
        )
    }

    /// Of a `DNSRecord`; its annotations mean nothing, its spec says all.
    pub fn of_record(record: &DNSRecord) -> Self {
        let (of_kind, defects) = RecordFacts::of(record);
        let of_kind = KindFacts::Record(Box::new(of_kind));
        Self::new(
            SourceKind::Record,
            &record.metadata,
            Annotations::default(),
            defects,
            of_kind,
        )
    }

    fn new(
        kind: SourceKind,
        metadata: &ObjectMeta,
        dns: Annotations,
        defects: Vec<Defect>,
        of_kind: KindFacts,
    ) -> Self {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        Self {
            key: ObjectKey::new(
                kind,
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default(),
            ),
            uid: text(&metadata.uid).into(),
            created: metadata
                .creation_timestamp
                .as_ref()
                .map_or(0, |time| time.0.as_second()),
            generation: metadata.generation,
            labels: pairs(metadata.labels.as_ref()),
            annotations: pairs(metadata.annotations.as_ref()),
            dns,
            defects: defects.into(),
            of_kind,
        }
    }

    /// Whether any zone could ever publish something of the object. Those of which none can are not worth keeping:
    /// Services inside the cluster that ask for no name.
    pub fn relevant(&self) -> bool {
        match &self.of_kind {
            _ if self.dns.foreign => false,
            KindFacts::Service(service) => {
                matches!(
                    service.service_type,
                    ServiceType::LoadBalancer | ServiceType::ExternalName
                ) || self.dns.hostnames.is_some()
                    || self.dns.internal_hostnames.is_some()
                    || !self.dns.targets.is_empty()
                    || !self.defects.is_empty()
            }
            KindFacts::Ingress(_) | KindFacts::Record(_) => true,
        }
    }
}

/// What the object wants of the zone. Nothing, when the zone's sources do not select it.
pub fn wanted(facts: &Facts, zone: &ZoneView<'_>) -> Wanted {
    if facts.dns.foreign || !selected(facts, zone.sources) {
        return Wanted::default();
    }
    match &facts.of_kind {
        KindFacts::Service(service) => service.wanted(facts, zone),
        KindFacts::Ingress(ingress) => ingress.wanted(facts, zone),
        KindFacts::Record(record) => record.wanted(facts, zone),
    }
}

/// Whether sources select the object.
pub fn selected(facts: &Facts, sources: &Sources) -> bool {
    let none = BTreeMap::new();
    let (namespaces, labels, annotations): (&[String], &Option<LabelSelector>, _) = match &facts.of_kind {
        KindFacts::Service(_) => match &sources.services {
            Some(source) => (&source.namespaces, &source.selector, &source.annotations),
            None => return false,
        },
        KindFacts::Ingress(ingress) => match &sources.ingresses {
            Some(source) if !of_class(&source.classes, ingress.class.as_deref()) => return false,
            Some(source) => (&source.namespaces, &source.selector, &source.annotations),
            None => return false,
        },
        KindFacts::Record(_) => match &sources.records {
            Some(source) => (&source.namespaces, &source.selector, &none),
            None => return false,
        },
    };
    (namespaces.is_empty() || namespaces.iter().any(|namespace| namespace == facts.key.namespace()))
        && labels
            .as_ref()
            .is_none_or(|selector| selector::matches(selector, &facts.labels))
        && annotations
            .iter()
            .all(|(key, value)| selector::get(&facts.annotations, key) == Some(value.as_str()))
}

fn of_class(classes: &[String], class: Option<&str>) -> bool {
    classes.is_empty() || class.is_some_and(|class| classes.iter().any(|wanted| wanted == class))
}

fn annotations_of(metadata: &ObjectMeta) -> (Annotations, Vec<Defect>) {
    metadata.annotations.as_ref().map(Annotations::of).unwrap_or_default()
}

fn pairs(map: Option<&BTreeMap<String, String>>) -> Box<Pairs> {
    map.into_iter()
        .flatten()
        .filter(|(key, value)| value.len() <= MAX_ANNOTATION && *key != LAST_APPLIED)
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect()
}
