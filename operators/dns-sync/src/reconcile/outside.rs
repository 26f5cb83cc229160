//! Names outside every zone. No zone can tell them, because each sees only its own; so they are told here, as an event on
//! the Service or Ingress. (A DNSRecord says it in its status.)
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::EventType;

use super::Context;
use super::tell::reference;
use crate::name::Name;
use crate::source::endpoints::wanted;
use crate::source::facts::Facts;
use crate::source::{ObjectKey, SourceKind};
use crate::world::Notice;
use crate::zone::config::Config;

/// Changes are gathered so long: a name outside every zone is in no hurry, and at the start zones are still coming.
const GATHER: Duration = Duration::from_secs(3);

/// Tells names outside every zone for as long as the process lasts; only the leader speaks.
pub async fn watch(context: Arc<Context>) {
    let mut notices = context.world.listen();
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
                let zones: Vec<Arc<Config>> = context.at_work().values().map(|handle| Arc::clone(&handle.orders.borrow().config)).collect();
                if context.leadership.term().is_some() && !zones.is_empty() {
                    let facts: Vec<Arc<Facts>> = if all {
                        context.world.all()
                    } else {
                        some.iter().filter_map(|key| context.world.get(key)).collect()
                    };
                    for facts in facts.iter().filter(|facts| facts.key.kind() != SourceKind::Record) {
                        tell(&context, &zones, facts);
                    }
                    (all, some) = (false, BTreeSet::new());
                }
            }
        }
    }
}

fn tell(context: &Context, zones: &[Arc<Config>], facts: &Facts) {
    let outside = outside(zones, facts);
    if outside.is_empty() {
        return;
    }
    let domains: Vec<&str> = zones.iter().map(|zone| zone.domain.as_str()).collect();
    let names: Vec<&str> = outside.iter().map(Name::as_str).collect();
    let note = format!(
        "{} is in none of the zones that take this object; there are zones for {}. Correct the name, or make a DNSZone",
        names.join(", "),
        domains.join(", ")
    );
    context.events.publish(
        &reference(facts),
        EventType::Warning,
        "NoMatchingZone",
        "Publish",
        &note,
    );
}

/// The names of an object that at least one zone would take if they were its own, and that are no zone's.
fn outside(zones: &[Arc<Config>], facts: &Facts) -> BTreeSet<Name> {
    let (mut strange, mut home) = (BTreeSet::new(), BTreeSet::new());
    for zone in zones {
        let found = wanted(facts, &zone.view());
        let inside = found.endpoints.iter().map(|endpoint| endpoint.name.clone());
        home.extend(inside.chain(found.held.iter().map(|held| held.name.clone())));
        strange.extend(found.outside);
    }
    // A name within some zone's domain is that zone's business even if the zone does not take it.
    strange
        .into_iter()
        .filter(|name| !home.contains(name) && !zones.iter().any(|zone| name.is_within(&zone.domain)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::service::SlimService;
    use crate::zone::config::Reach;

    fn zone(domain: &str) -> Arc<Config> {
        let yaml = format!("{{domain: {domain}, policy: Sync, route53: {{}}, sources: {{services: {{}}}}}}");
        let reach = Arc::new(Reach {
            sources: vec![SourceKind::Service],
            namespaces: Vec::new(),
        });
        Arc::new(Config::new(domain, "Z1", &serde_saphyr::from_str(&yaml).unwrap(), "home", &reach).unwrap())
    }

    #[test]
    fn only_names_in_no_zone_are_told() {
        let service: SlimService = serde_saphyr::from_str(
            "{metadata: {name: web, namespace: x, uid: u, annotations: {external-dns.alpha.kubernetes.io/hostname: \"a.example.org,b.example.net,c.example.com\"}}, spec: {type: LoadBalancer}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}",
        )
        .unwrap();
        let facts = Facts::of_service(&service);
        let found = outside(&[zone("example.org"), zone("example.net")], &facts);
        assert_eq!(found.iter().map(Name::as_str).collect::<Vec<_>>(), ["c.example.com"]);
    }
}
