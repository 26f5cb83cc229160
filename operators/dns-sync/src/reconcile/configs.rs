//! The specs of the DNSZones, parsed once per generation.
use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt;
use parking_lot::Mutex;

use crate::crd::DNSZone;
use crate::source::scope::Reach;
use crate::zone::config::{Config, Invalid};

/// Parses specs and keeps the results.
pub struct Configs {
    cluster_name: String,
    reach: Arc<Reach>,
    parsed: Mutex<HashMap<String, Parsed>>,
}

/// One DNSZone's spec.
struct Parsed {
    uid: Option<String>,
    generation: i64,
    config: Result<Arc<Config>, Invalid>,
}

impl Configs {
    /// `cluster_name`: the owner in zones that name none; `reach`: what this installation watches.
    pub fn new(cluster_name: String, reach: Arc<Reach>) -> Self {
        Self {
            cluster_name,
            reach,
            parsed: Mutex::default(),
        }
    }

    /// The configuration that a DNSZone's spec means, without what depends on other DNSZones and on the provider.
    pub(crate) fn get(&self, zone: &DNSZone) -> Result<Arc<Config>, Invalid> {
        let name = zone.name_any();
        let mut parsed = self.parsed.lock();
        let known = parsed.get(&name);
        if let Some(known) = known.filter(|known| known.is_of(zone)) {
            return known.config.clone();
        }
        let config = Config::new(&name, &zone.spec, &self.cluster_name, &self.reach).map(Arc::new);
        // Only the API server gives generations; without one nobody knows whether the spec has changed.
        if let Some(generation) = zone.metadata.generation {
            let entry = Parsed {
                uid: zone.uid(),
                generation,
                config: config.clone(),
            };
            parsed.insert(name, entry);
        }
        config
    }

    /// The DNSZone was removed.
    pub(crate) fn forget(&self, zone: &str) {
        self.parsed.lock().remove(zone);
    }
}

impl Parsed {
    fn is_of(&self, zone: &DNSZone) -> bool {
        self.uid == zone.uid() && Some(self.generation) == zone.metadata.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(uid: &str, generation: i64, policy: &str) -> DNSZone {
        let spec = format!("{{domain: example.org, policy: {policy}, route53: {{}}}}");
        let mut zone = DNSZone::new("home", serde_saphyr::from_str(&spec).unwrap());
        (zone.metadata.uid, zone.metadata.generation) = (Some(uid.to_owned()), Some(generation));
        zone
    }

    #[test]
    fn a_spec_is_parsed_once_per_generation() {
        let configs = Configs::new("home".to_owned(), Arc::default());
        let first = configs.get(&zone("a", 1, "Sync")).unwrap();
        assert!(Arc::ptr_eq(&first, &configs.get(&zone("a", 1, "Sync")).unwrap()));
        assert!(configs.get(&zone("a", 2, "Observe")).unwrap().observes());
        // Another DNSZone of the same name begins with generation 1, too.
        assert!(!configs.get(&zone("b", 1, "Sync")).unwrap().observes());
        configs.forget("home");
        assert!(!Arc::ptr_eq(&first, &configs.get(&zone("a", 1, "Sync")).unwrap()));
    }
}
