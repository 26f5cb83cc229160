//! The state of a zone from event to batch, against a zone as strict as Route 53.
use std::sync::Arc;

use super::*;
use crate::crd::DNSRecord;
use crate::crd::zone::DNSZoneSpec;
use crate::source::SourceKind;
use crate::source::scope::{Complete, Reach};
use crate::zone::fake_zone::{self, marked, name, records, set};

mod deletes;
mod empty;
mod history;
mod never_seen;
mod property;
mod results;
mod separated;
mod settings;
mod speed;
mod two_clusters;

pub(super) const ALL: Complete = Complete::ALL;

/// A spec as a user writes it, `domain`, `route53` and `sources` left out.
pub(super) fn config(yaml: &str) -> Config {
    let spec: DNSZoneSpec = serde_saphyr::from_str(&format!(
        "{{domain: example.org, route53: {{}}, sources: {{services: {{}}, records: {{}}}}, {yaml}}}"
    ))
    .unwrap();
    config_of(&spec)
}

pub(super) fn config_of(spec: &DNSZoneSpec) -> Config {
    let reach = Arc::new(Reach {
        sources: vec![SourceKind::Service, SourceKind::Record],
        namespaces: Vec::new(),
    });
    Config {
        dialect: fake_zone::dialect(),
        ..Config::new("home", spec, "home", &reach).unwrap()
    }
}

/// A DNSRecord of namespace `n`.
pub(super) fn record(object: &str, spec: &str) -> Facts {
    let mut record = DNSRecord::new(object, serde_saphyr::from_str(spec).unwrap());
    record.metadata.namespace = Some("n".to_owned());
    Facts::of_record(&record)
}

/// A DNSRecord `object` that wants an address for the name of the same text.
pub(super) fn address(object: &str, value: &str) -> Facts {
    record(object, &format!("{{name: '{object}', type: A, targets: ['{value}']}}"))
}

/// A LoadBalancer Service of namespace `n` with a hostname and perhaps an address.
pub(super) fn service(object: &str, hostname: &str, address: Option<&str>) -> Facts {
    let status = address.map_or("{}".to_owned(), |ip| {
        format!("{{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}")
    });
    let yaml = format!(
        "{{metadata: {{name: {object}, namespace: n, uid: u, annotations: \
         {{external-dns.alpha.kubernetes.io/hostname: '{hostname}'}}}}, spec: {{type: LoadBalancer}}, status: {status}}}"
    );
    Facts::of_service(&serde_saphyr::from_str(&yaml).unwrap())
}

/// A zone with its state and what is at the provider.
pub(super) struct TestZone {
    pub(super) state: ZoneState,
    pub(super) provider: RecordSets,
    pub(super) complete: Complete,
    pub(super) now: Mono,
}

/// Wall clock at the beginning of the monotonic one.
pub(super) const EPOCH: i64 = 1_800_000_000;

impl TestZone {
    pub(super) fn new(yaml: &str) -> Self {
        Self::with(ZoneState::new(config(yaml), Guard::default()), RecordSets::default())
    }

    pub(super) fn with(state: ZoneState, provider: RecordSets) -> Self {
        let mut zone = Self {
            state,
            provider,
            complete: ALL,
            now: Mono::from_secs(1),
        };
        zone.list();
        zone
    }

    /// A list that is not planned yet.
    pub(super) fn list(&mut self) {
        self.state.set_records(self.provider.clone(), self.now);
    }

    pub(super) fn put(&mut self, facts: &Facts) {
        self.state
            .set_object(&facts.object.key, Some(facts), self.now, Some(self.now));
    }

    pub(super) fn drop(&mut self, facts: &Facts) {
        self.state.set_object(&facts.object.key, None, self.now, Some(self.now));
    }

    pub(super) fn at(&self) -> i64 {
        EPOCH + i64::try_from(self.now.as_secs()).unwrap()
    }

    /// Plans and sends until nothing is left, in batches of one group; how many groups were sent.
    #[track_caller]
    pub(super) fn settle(&mut self) -> usize {
        let mut sent = 0;
        for _ in 0..10 {
            if !self.state.has_work(self.now) {
                self.recount_owned();
                return sent;
            }
            let work = self.state.prepare(self.now, self.at(), &self.complete);
            for group in work.groups {
                fake_zone::change_at(&self.state.config.dialect, &mut self.provider, &group.changes).unwrap();
                let at = self.at();
                self.state.accepted(std::slice::from_ref(&group), at);
                sent += 1;
            }
        }
        panic!("it does not settle");
    }

    /// A list finds what is at the provider.
    #[track_caller]
    pub(super) fn relist(&mut self) -> usize {
        self.list();
        self.settle()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        fake_zone::lines(&self.provider)
    }

    /// The records, owner records aside.
    pub(super) fn records(&self) -> Vec<String> {
        self.lines()
            .into_iter()
            .filter(|line| !line.contains(" mark "))
            .collect()
    }

    pub(super) fn configure(&mut self, config: Config, objects: &[Facts]) {
        self.state.set_config(config);
        for facts in objects {
            self.state.set_object(&facts.object.key, Some(facts), self.now, None);
        }
    }

    pub(super) fn confirm(&mut self, objects: &[Facts]) {
        let hash = self.state.deletes.hash();
        let config = Config {
            confirmed: Some(hash),
            ..self.state.config.clone()
        };
        self.configure(config, objects);
    }

    /// The totals are the sum of what each name has.
    #[track_caller]
    pub(super) fn recount(&self) {
        let mut totals = Totals::default();
        self.state.names.iter().for_each(|(_, state)| totals.add(state.counts));
        assert_eq!(self.state.totals(), totals);
    }

    /// At rest the count of what we own is that of the record sets.
    #[track_caller]
    fn recount_owned(&self) {
        self.recount();
        let owned: usize = self
            .state
            .records
            .as_ref()
            .unwrap()
            .iter()
            .map(|(name, at)| self.owned(name, at))
            .sum();
        assert_eq!(self.state.totals().owned, i64::try_from(owned).unwrap());
    }

    fn owned(&self, name: &Name, at: &NameSets) -> usize {
        let rules = self.state.rules();
        let records = self.state.records.as_ref().unwrap();
        let ours = at.sets.iter().filter(|(record_type, id, set)| {
            let key = SetKey {
                name: name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            crate::zone::owner::heritage(set).is_none()
                && matches!(
                    rules.marks.owner(records, &key, set),
                    crate::zone::owner::Owner::Ours(_)
                )
        });
        ours.count()
    }
}

/// `count` records of ours that DNSRecords `r0`, `r1` … want.
pub(super) fn zone_of(count: usize, yaml: &str) -> (TestZone, Vec<Facts>) {
    let mut zone = TestZone::new(yaml);
    let objects: Vec<Facts> = (0..count).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        zone.put(facts);
    }
    zone.settle();
    assert_eq!(zone.records().len(), count);
    (zone, objects)
}

/// The same zone after a restart of the operator; `facts`: what it knows when it plans first.
pub(super) fn restarted(zone: &TestZone, facts: &[Facts], complete: Complete) -> TestZone {
    let mut state = ZoneState::new(
        zone.state.config.clone(),
        Guard::resume(zone.state.deletes.guard.buckets()),
    );
    let mut parked = zone.state.deletes.parked.values();
    state.deletes.park_all = parked.any(|why| *why != HoldReason::NeverSeen);
    state.recall(zone.state.fingerprints());
    for one in facts {
        state.set_object(&one.object.key, Some(one), zone.now, None);
    }
    let mut next = TestZone::with(state, zone.provider.clone());
    (next.now, next.complete) = (zone.now, complete);
    next.settle();
    next
}
