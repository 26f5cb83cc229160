//! The state of a zone from event to batch, against a zone as strict as Route 53.
use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::crd::DNSRecord;
use crate::crd::zone::DNSZoneSpec;
use crate::source::SourceKind;
use crate::zone::config::{Complete, Reach};
use crate::zone::strict::{self, image, marked, name, set};

mod deletes;
mod empty;
mod outcomes;
mod property;
mod speed;
mod unseen;

pub(super) const ALL: Complete = Complete {
    services: true,
    ingresses: true,
    records: true,
};

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
    Config::new("home", strict::ZONE_ID, spec, "home", &reach).unwrap()
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
pub(super) struct Bench {
    pub(super) state: State,
    pub(super) provider: Image,
    pub(super) complete: Complete,
    pub(super) now: Mono,
    /// The objects that the cluster has.
    pub(super) known: HashSet<ObjectKey>,
}

/// Wall clock at the beginning of the monotonic one.
pub(super) const EPOCH: i64 = 1_800_000_000;

impl Bench {
    pub(super) fn new(yaml: &str) -> Self {
        Self::with(State::new(config(yaml), Guard::default()), Image::default())
    }

    pub(super) fn with(state: State, provider: Image) -> Self {
        let mut bench = Self {
            state,
            provider,
            complete: ALL,
            now: Mono::from_secs(1),
            known: HashSet::new(),
        };
        bench.list();
        bench
    }

    /// A look that is not planned yet.
    pub(super) fn list(&mut self) {
        let known = &self.known;
        self.state
            .looked(self.provider.clone(), |object| known.contains(object));
    }

    pub(super) fn put(&mut self, facts: &Facts) {
        self.known.insert(facts.key.clone());
        self.state.set_object(&facts.key, Some(facts), self.now, Some(self.now));
    }

    pub(super) fn drop(&mut self, facts: &Facts) {
        self.known.remove(&facts.key);
        self.state.set_object(&facts.key, None, self.now, Some(self.now));
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
                strict::change(&mut self.provider, &group.changes).unwrap();
                let at = self.at();
                self.state.accepted(std::slice::from_ref(&group), at);
                sent += 1;
            }
        }
        panic!("it does not come to rest");
    }

    /// A look finds what is at the provider.
    #[track_caller]
    pub(super) fn look(&mut self) -> usize {
        self.list();
        self.settle()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        strict::lines(&self.provider)
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
            self.state.set_object(&facts.key, Some(facts), self.now, None);
        }
    }

    pub(super) fn confirm(&mut self, objects: &[Facts]) {
        let hash = self.state.parked_hash();
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
        self.state.summaries.values().for_each(|summary| totals.add(*summary));
        assert_eq!(self.state.totals(), totals);
    }

    /// At rest the count of what we own is that of the image.
    #[track_caller]
    fn recount_owned(&self) {
        self.recount();
        let owned: usize = self
            .state
            .image
            .as_ref()
            .unwrap()
            .iter()
            .map(|(name, at)| self.owned(name, at))
            .sum();
        assert_eq!(self.state.totals().owned, i64::try_from(owned).unwrap());
    }

    fn owned(&self, name: &Name, at: &NameSets) -> usize {
        let rules = self.state.config.rules();
        let image = self.state.image.as_ref().unwrap();
        let ours = at.sets.iter().filter(|(record_type, id, set)| {
            let key = SetKey {
                name: name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            crate::zone::owner::heritage(set).is_none()
                && matches!(rules.marks.owner(image, &key, set), crate::zone::owner::Owner::Ours(_))
        });
        ours.count()
    }
}

/// `count` records of ours that DNSRecords `r0`, `r1` … want.
pub(super) fn zone_of(count: usize, yaml: &str) -> (Bench, Vec<Facts>) {
    let mut bench = Bench::new(yaml);
    let objects: Vec<Facts> = (0..count).map(|n| address(&format!("r{n}"), "192.0.2.1")).collect();
    for facts in &objects {
        bench.put(facts);
    }
    bench.settle();
    assert_eq!(bench.records().len(), count);
    (bench, objects)
}

/// The same zone after a restart of the operator; `facts`: what it knows when it plans first.
pub(super) fn restarted(bench: &Bench, facts: &[Facts], complete: Complete) -> Bench {
    let mut state = State::new(bench.state.config.clone(), Guard::resume(bench.state.guard.buckets()));
    state.park_all = !bench.state.parked.is_empty();
    for one in facts {
        state.set_object(&one.key, Some(one), bench.now, None);
    }
    let mut next = Bench::with(state, bench.provider.clone());
    (next.now, next.complete) = (bench.now, complete);
    next.settle();
    next
}
