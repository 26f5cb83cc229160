//! Objects as users write them, against zones as users write them.
use super::*;
use crate::{
    crd::{DNSRecord, zone::Sources},
    filter::NameFilter,
    name::Name,
    record_data::RecordType,
    source::scope::Nested,
};

mod annotated;
mod ingresses;
mod records;
mod services;

/// A zone to ask; `sources` is the YAML of `spec.sources`.
struct Zone {
    domain: Name,
    sources: Sources,
    filter: NameFilter,
    types: Vec<RecordType>,
    sole: bool,
    nested: Vec<Nested>,
}

const EVERYTHING: &str = "{services: {}, ingresses: {}, records: {}}";

fn zone(sources: &str) -> Zone {
    Zone {
        domain: Name::parse("example.org").unwrap(),
        sources: serde_saphyr::from_str(sources).unwrap(),
        filter: NameFilter::default(),
        types: RecordType::ALL.to_vec(),
        sole: true,
        nested: Vec::new(),
    }
}

impl Zone {
    fn ask(&self, facts: &Facts) -> Wanted {
        wanted(
            facts,
            &ZoneView {
                nested: &self.nested,
                zone: "home",
                domain: &self.domain,
                dialect: &crate::zone::fake_zone::dialect(),
                sources: &self.sources,
                filter: &self.filter,
                record_types: &self.types,
                sole_for_records: self.sole,
            },
        )
    }
}

fn service(yaml: &str) -> Facts {
    Facts::of_service(&serde_saphyr::from_str(yaml).unwrap())
}

fn ingress(yaml: &str) -> Facts {
    Facts::of_ingress(&serde_saphyr::from_str(yaml).unwrap())
}

/// A `DNSRecord` of that spec.
fn record(spec: &str) -> Facts {
    let spec = serde_saphyr::from_str(spec).unwrap();
    let mut record = DNSRecord::new("vpn", spec);
    record.metadata.namespace = Some("network".to_owned());
    Facts::of_record(&record)
}

/// What is wanted, one line each: `name TYPE value,value` with what is not the default behind it; `held name`;
/// `outside name`; `reason` of defects; `suspended`.
fn lines(wanted: &Wanted) -> Vec<String> {
    let Wanted {
        endpoints,
        held,
        defects,
        outside,
        suspended,
    } = wanted;
    let mut lines = Vec::new();
    for endpoint in endpoints {
        let values: Vec<String> = endpoint.values.iter().map(ToString::to_string).collect();
        let host = endpoint.record_type == RecordType::Cname;
        let marks = [
            endpoint.ttl.map(|ttl| format!("ttl={ttl}")),
            endpoint.set_identifier.as_ref().map(|set| format!("set={set}")),
            endpoint.weight.map(|weight| format!("weight={weight}")),
            match endpoint.alias {
                AliasMode::Auto { evaluate_target_health } if host && evaluate_target_health => None,
                AliasMode::Auto { evaluate_target_health } => Some(format!("auto={evaluate_target_health}")),
                AliasMode::Yes { evaluate_target_health } => Some(format!("alias={evaluate_target_health}")),
                AliasMode::No => host.then(|| "plain".to_owned()),
            },
        ];
        let head = format!(
            "{} {} {}",
            endpoint.name,
            endpoint.record_type.as_str(),
            values.join(",")
        );
        lines.push(
            [head]
                .into_iter()
                .chain(marks.into_iter().flatten())
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    for Held {
        name, set_identifier, ..
    } in held
    {
        match set_identifier {
            Some(set) => lines.push(format!("held {name} set={set}")),
            None => lines.push(format!("held {name}")),
        }
    }
    lines.extend(outside.iter().map(|name| format!("outside {name}")));
    lines.extend(defects.iter().map(|defect| defect.reason.to_owned()));
    if *suspended {
        lines.push("suspended".to_owned());
    }
    lines
}

#[track_caller]
fn assert_wanted(zone: &Zone, facts: &Facts, expected: &[&str]) {
    let wanted = zone.ask(facts);
    assert_eq!(lines(&wanted), expected, "{wanted:#?}");
}

#[test]
fn resources_name_objects() {
    let key = ObjectKey::new(SourceKind::Service, "web", "front");
    assert_eq!(key.resource(), "service/web/front");
    assert_eq!(key.to_string(), "Service web/front");
    for kind in SourceKind::ALL {
        let key = ObjectKey::new(kind, "web", "front");
        assert_eq!((key.kind(), key.namespace(), key.name()), (kind, "web", "front"));
        assert_eq!(ObjectKey::from_resource(key.resource()), Some(key));
    }
    // external-dns writes no namespace where there is none.
    let node = ObjectKey::from_resource("node/n1").unwrap();
    assert_eq!(
        (node.kind(), node.namespace(), node.name()),
        (SourceKind::Node, "", "n1")
    );
    assert_eq!(node.to_string(), "Node n1");
    assert_eq!(node, ObjectKey::new(SourceKind::Node, "", "n1"));
    let order = |left: &str, right: &str| ObjectKey::from_resource(left).cmp(&ObjectKey::from_resource(right));
    assert!(order("ingress/z/z", "service/a/a").is_lt() && order("service/a/z", "service/a-b/a").is_lt());
    for other in [
        "crd/web/front",
        "node/",
        "node/web/front",
        "service/front",
        "service/web/front/x",
        "service//front",
        "",
    ] {
        assert_eq!(ObjectKey::from_resource(other), None, "{other}");
    }
}

#[test]
fn facts_are_small() {
    assert!(size_of::<Facts>() <= 512, "{}", size_of::<Facts>());
}

#[test]
fn long_annotations_and_what_kubectl_remembers_are_not_kept() {
    let facts = service(&format!(
        "metadata: {{name: a, namespace: b, annotations: {{z: '1', a: '2', big: {}, \
         kubectl.kubernetes.io/last-applied-configuration: '{{}}'}}, labels: {{z: '1', a: '2'}}}}",
        "x".repeat(300)
    ));
    let sorted: Vec<(Box<str>, Box<str>)> = vec![("a".into(), "2".into()), ("z".into(), "1".into())];
    assert_eq!(*facts.object.annotations, *sorted);
    assert_eq!(*facts.object.labels, *sorted);
}

#[test]
fn metadata_is_kept() {
    let facts = service(
        "metadata: {name: a, namespace: b, uid: u-1, generation: 7, creationTimestamp: '2026-01-02T03:04:05Z'}",
    );
    assert_eq!(
        (&*facts.object.uid, facts.object.generation, facts.object.created),
        ("u-1", Some(7), 1_767_323_045)
    );
    assert_eq!(facts.object.key.resource(), "service/b/a");
}
