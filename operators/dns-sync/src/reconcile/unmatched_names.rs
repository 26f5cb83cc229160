//! Names that no zone publishes: those outside every zone, and those of a zone that does not select their object. No zone
//! can tell them, because each sees only its own; so they are told here, as an event on the Service or Ingress. (A DNSRecord
//! says it in its status.)
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::EventType;

use super::Context;
use super::notify::reference;
use crate::name::Name;
use crate::object_cache::Notice;
use crate::source::endpoints::Wanted;
use crate::source::facts::{Facts, selected, wanted};
use crate::source::scope::Nested;
use crate::source::scope::ZoneView;
use crate::source::{ObjectKey, SourceKind};
use crate::zone::config::Config;

/// Changes are gathered so long: a name outside every zone is in no hurry, and at the start zones are still coming.
const GATHER: Duration = Duration::from_secs(3);

/// Reports names outside every zone for as long as the process runs; only the leader does.
pub async fn watch(context: Arc<Context>) {
    let mut notices = context.object_cache.listen();
    let (mut all, mut some) = (false, BTreeSet::<ObjectKey>::new());
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(Notice::Object(key, _)) => drop(some.insert(key)),
                Some(Notice::Sources) => {}
                None => return,
            },
            () = context.zones_changed.notified() => all = true,
            () = tokio::time::sleep(GATHER), if all || !some.is_empty() => {
                let zones = zone_configs(&context);
                if context.process.leadership.term().is_some() && !zones.is_empty() {
                    let facts: Vec<Arc<Facts>> = if all {
                        context.object_cache.all()
                    } else {
                        some.iter().filter_map(|key| context.object_cache.get(key)).collect()
                    };
                    for facts in facts.iter().filter(|facts| facts.object.key.kind() != SourceKind::Record) {
                        notify(&context, &zones, facts);
                    }
                    (all, some) = (false, BTreeSet::new());
                }
            }
        }
    }
}

/// The configurations of the zones with workers.
pub(super) fn zone_configs(context: &Context) -> Vec<Arc<Config>> {
    let workers = context.workers();
    let configs = workers
        .values()
        .map(|handle| Arc::clone(&handle.instructions.borrow().config));
    configs.collect()
}

fn notify(context: &Context, zones: &[Arc<Config>], facts: &Facts) {
    if let Some(note) = note(zones, facts) {
        let object = reference(facts);
        context
            .process
            .events
            .publish(&object, EventType::Warning, "NoMatchingZone", "Publish", &note);
    }
}

/// All that is to be reported of an object, in one event: several would replace each other again and again.
fn note(zones: &[Arc<Config>], facts: &Facts) -> Option<String> {
    let outside = outside(zones, facts);
    let outside = (!outside.is_empty()).then(|| {
        let domains: BTreeSet<&str> = zones.iter().map(|zone| zone.domain.as_str()).collect();
        let (names, domains): (Vec<&str>, Vec<&str>) =
            (outside.iter().map(Name::as_str).collect(), domains.into_iter().collect());
        format!(
            "{} is in none of the zones that take this object; there are zones for {}. Correct the name, or make a DNSZone",
            names.join(", "),
            domains.join(", ")
        )
    });
    let both: Vec<String> = outside.into_iter().chain(unserved(zones, facts)).collect();
    (!both.is_empty()).then(|| both.join(". "))
}

/// The names of an object that at least one zone would take if they were its own, and that are no zone's.
fn outside(zones: &[Arc<Config>], facts: &Facts) -> BTreeSet<Name> {
    let (mut strange, mut home) = (BTreeSet::new(), BTreeSet::new());
    for zone in zones {
        let found = wanted(facts, &zone.view());
        home.extend(taken(&found).cloned());
        strange.extend(found.outside);
    }
    // A name within some zone's domain is that zone's business even if the zone does not take it.
    strange
        .into_iter()
        .filter(|name| !home.contains(name) && !zones.iter().any(|zone| name.is_within(&zone.domain)))
        .collect()
}

/// The names that a zone takes of an object.
fn taken(found: &Wanted) -> impl Iterator<Item = &Name> {
    let inside = found.endpoints.iter().map(|endpoint| &endpoint.name);
    inside.chain(found.held.iter().map(|held| &held.name))
}

/// What to say of the names that a zone would take if they did not belong to a zone below it, which does not select the
/// object: neither of the two publishes them.
pub(super) fn unserved(zones: &[Arc<Config>], facts: &Facts) -> Option<String> {
    let mut lost: BTreeMap<Name, &Nested> = BTreeMap::new();
    for zone in zones.iter().filter(|zone| !zone.nested.is_empty()) {
        let without = ZoneView {
            nested: &[],
            ..zone.view()
        };
        for name in taken(&wanted(facts, &without)) {
            lost.extend(keeper(zone, name, facts).map(|keeper| (name.clone(), keeper)));
        }
    }
    if lost.is_empty() {
        return None;
    }
    for zone in zones {
        for name in taken(&wanted(facts, &zone.view())) {
            lost.remove(name);
        }
    }
    let kind = facts.object.key.kind();
    let lines: Vec<String> = lost
        .iter()
        .map(|(name, keeper)| {
            let Nested { zone, domain, .. } = keeper;
            format!(
                "{name} belongs to DNSZone {zone}, which has all names of {domain} and whose sources.{} do not select this {}; let them, or use another name",
                kind.source(),
                kind.as_str()
            )
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join(". "))
}

/// The zone below that has a name, if it does not select the object: of those with the longest domain one is enough.
fn keeper<'a>(zone: &'a Config, name: &Name, facts: &Facts) -> Option<&'a Nested> {
    let below = || {
        zone.nested
            .iter()
            .filter(|nested| nested.takes(name, facts.object.key.kind()))
    };
    // Of domains that contain one name, the longer is the lower.
    let lowest = below().max_by_key(|nested| nested.domain.as_str().len())?;
    let mut lowest_ones = below().filter(|nested| nested.domain == lowest.domain);
    (!lowest_ones.any(|nested| selected(facts, &nested.sources))).then_some(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::DNSRecord;
    use crate::crd::zone::DNSZoneSpec;
    use crate::source::scope::Reach;
    use crate::source::service::SlimService;

    /// Zones as users write them, each with those below it: `domain`, and what its sources are.
    fn zones(specs: &[(&str, &str)]) -> Vec<Arc<Config>> {
        let spec = |(domain, sources): &(&str, &str)| -> DNSZoneSpec {
            let yaml = format!("{{domain: {domain}, policy: Sync, route53: {{}}, sources: {sources}}}");
            serde_saphyr::from_str(&yaml).unwrap()
        };
        let reach = Arc::new(Reach {
            sources: vec![SourceKind::Service, SourceKind::Record],
            namespaces: Vec::new(),
        });
        let config = |one: &(&str, &str)| {
            let mut config = Config::new(one.0, &spec(one), "home", &reach).unwrap();
            let others = specs.iter().filter(|other| *other != one);
            config.nested = others
                .filter_map(|other| Nested::of(&spec(one), other.0, &spec(other)))
                .collect();
            Arc::new(config)
        };
        specs.iter().map(config).collect()
    }

    fn service(hostnames: &str) -> Facts {
        let yaml = format!(
            "{{metadata: {{name: web, namespace: x, uid: u, annotations: \
             {{external-dns.alpha.kubernetes.io/hostname: '{hostnames}'}}}}, spec: {{type: LoadBalancer}}, \
             status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}}}"
        );
        Facts::of_service(&serde_saphyr::from_str::<SlimService>(&yaml).unwrap())
    }

    fn record(spec: &str) -> Facts {
        let mut record = DNSRecord::new("r", serde_saphyr::from_str(spec).unwrap());
        record.metadata.namespace = Some("x".to_owned());
        Facts::of_record(&record)
    }

    const ALL: &str = "{services: {}, records: {}}";
    const OTHERS: &str = "{services: {namespaces: [other]}, records: {namespaces: [other]}}";

    #[test]
    fn only_names_in_no_zone_are_reported() {
        let facts = service("a.example.org,b.example.net,c.example.com");
        let found = outside(&zones(&[("example.org", ALL), ("example.net", ALL)]), &facts);
        assert_eq!(found.iter().map(Name::as_str).collect::<Vec<_>>(), ["c.example.com"]);
    }

    #[test]
    fn a_name_of_a_nested_zone_that_does_not_select_the_object_is_reported_with_the_zone() {
        let both = [("example.org", ALL), ("lab.example.org", OTHERS)];
        let note = note(
            &zones(&both),
            &service("a.lab.example.org,www.example.org,c.example.net"),
        )
        .unwrap();
        assert!(
            note.contains("a.lab.example.org belongs to DNSZone lab.example.org,") && note.contains("sources.services"),
            "{note}"
        );
        assert!(
            note.contains("c.example.net is in none") && !note.contains("www.example.org"),
            "{note}"
        );
        let absolute = record("{name: a.lab.example.org., type: A, targets: [192.0.2.1]}");
        let why = unserved(&zones(&both), &absolute).unwrap();
        assert!(why.contains("sources.records do not select this DNSRecord"), "{why}");
    }

    #[test]
    fn a_name_that_any_zone_publishes_or_will_publish_is_not_reported() {
        let a = service("a.lab.example.org");
        for specs in [
            // The nested zone takes the object; it may have a worker or not.
            &[("example.org", ALL), ("lab.example.org", ALL)][..],
            // It has no Services at all and so leaves them to the zone above.
            &[
                ("example.org", ALL),
                ("lab.example.org", "{records: {namespaces: [other]}}"),
            ],
            // No zone above takes the object either: its name is expected nowhere.
            &[("example.org", OTHERS), ("lab.example.org", OTHERS)],
            &[("lab.example.org", OTHERS)],
        ] {
            let zones = zones(specs);
            assert_eq!(note(&zones, &a), None, "{specs:?}");
            assert_eq!(note(&zones[..1], &a), None, "{specs:?}");
        }
        let delegated = record("{name: ns1.lab.example.org., zone: example.org, type: A, targets: [192.0.2.1]}");
        assert_eq!(
            unserved(&zones(&[("example.org", ALL), ("lab.example.org", OTHERS)]), &delegated),
            None
        );
    }

    #[test]
    fn of_three_zones_the_lowest_decides() {
        let name = service("a.x.lab.example.org");
        let three = |middle: &'static str, lowest: &'static str| {
            zones(&[
                ("example.org", ALL),
                ("lab.example.org", middle),
                ("x.lab.example.org", lowest),
            ])
        };
        let note_of = |zones: &[Arc<Config>]| note(zones, &name);
        let told = note_of(&three(ALL, OTHERS)).unwrap();
        assert_eq!(
            told.matches("belongs to DNSZone x.lab.example.org").count(),
            1,
            "{told}"
        );
        assert_eq!(note_of(&three(ALL, OTHERS)), note_of(&three(OTHERS, OTHERS)));
        assert_eq!(note_of(&three(OTHERS, ALL)), None);
    }
}
