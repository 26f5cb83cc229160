//! The worker against a provider as strict as Route 53 that counts calls and fails in every way. Time is tokio's, paused.
use std::collections::VecDeque;

use futures::StreamExt;
use hearth_reconciler::health::Health;
use hearth_reconciler::lease::Leadership;
use hearth_reconciler::testing::TestLeadership;
use hearth_reconciler::watch::Update;
use kube::runtime::watcher::Event;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{sleep, timeout};

use super::*;
use crate::crd::DNSRecord;
use crate::metrics::Metrics;
use crate::object_cache::Scope;
use crate::provider::route53::refused;
use crate::records::{NameSets, RecordChange, RecordSets};
use crate::source::SourceKind;
use crate::source::facts::Facts;
use crate::source::scope::Reach;
use crate::zone::fake_zone::{self, set};
use crate::zone::fingerprints::Fingerprints;
use crate::zone::guard::Guard;

mod crashes;
mod outages;
mod refusals;
mod work;

/// What the next call meets.
#[derive(Clone, Debug)]
enum Fault {
    /// It fails and does nothing.
    Fails(ProviderError),
    /// It is carried out, but its answer does not arrive.
    AnswerLost,
    /// Somebody makes a record just before.
    Foreign(&'static str),
}

#[derive(Debug, Default)]
struct FakeAccount {
    zone: RecordSets,
    calls: Vec<String>,
    batches: Vec<usize>,
    /// For the next calls; one each.
    faults: VecDeque<Option<Fault>>,
    /// For all calls, until it is taken away.
    down: Option<ProviderError>,
    /// Names that are refused for their content, and whether the message says so.
    bad: Vec<String>,
    silent: bool,
    /// What an earlier process has published.
    past: Fingerprints,
    /// The call of this number hangs, and all after it.
    stops_at: Option<usize>,
}

/// Clones share it.
#[derive(Clone, Debug, Default)]
struct FakeProvider(Arc<Mutex<FakeAccount>>);

impl FakeProvider {
    fn lock(&self) -> MutexGuard<'_, FakeAccount> {
        self.0.lock()
    }

    /// Counts the call and meets its fault; true: the answer is lost.
    async fn call(&self, what: String) -> Result<bool, ProviderError> {
        sleep(Duration::from_millis(20)).await;
        let (fault, down, stopped) = {
            let mut account = self.lock();
            account.calls.push(what);
            let number = account.calls.len();
            let fault = account.faults.pop_front().flatten();
            let stopped = account.stops_at.is_some_and(|at| number >= at);
            (fault, account.down.clone(), stopped)
        };
        if let Some(error) = down {
            return Err(error);
        }
        match fault {
            _ if stopped => std::future::pending().await,
            None => Ok(false),
            Some(Fault::Fails(error)) => Err(error),
            Some(Fault::AnswerLost) => Ok(true),
            Some(Fault::Foreign(text)) => {
                let (key, set) = set(text);
                self.lock().zone.insert(key, set);
                Ok(false)
            }
        }
    }
}

fn unreachable() -> ProviderError {
    ProviderError::Unreachable("HTTP 503".to_owned())
}

impl Provider for FakeProvider {
    async fn list(&self) -> Result<RecordSets, ProviderError> {
        let lost = self.call("list".to_owned()).await?;
        if lost {
            Err(unreachable())
        } else {
            Ok(self.lock().zone.clone())
        }
    }

    /// One call for each name, like Route 53.
    async fn read(&self, names: &[Name]) -> Result<Vec<(Name, NameSets)>, ProviderError> {
        let mut found = Vec::new();
        for name in names {
            if self.call(format!("read {name}")).await? {
                return Err(unreachable());
            }
            found.push((name.clone(), self.lock().zone.at(name).clone()));
        }
        Ok(found)
    }

    async fn change(&self, changes: &[RecordChange]) -> Result<(), ProviderError> {
        let lost = self.call(format!("change {}", changes.len())).await?;
        let mut account = self.lock();
        account.batches.push(changes.len());
        let bad: Vec<String> = changes
            .iter()
            .map(|change| change.key.name.to_string())
            .filter(|name| account.bad.contains(name))
            .collect();
        if !bad.is_empty() {
            let told = |name: &String| {
                if account.silent {
                    "Invalid Resource Record: FATAL problem".to_owned()
                } else {
                    format!("FATAL problem: DomainLabelEmpty encountered with '{name}.'")
                }
            };
            return Err(refused(bad.iter().map(told).collect()));
        }
        fake_zone::change(&mut account.zone, changes).map_err(refused)?;
        if lost { Err(unreachable()) } else { Ok(()) }
    }
}

/// Keeps what was reported.
#[derive(Clone, Default)]
struct RecordingNotifier(Arc<Mutex<(usize, Vec<ObjectKey>)>>);

impl Notifier for RecordingNotifier {
    fn zone_changed(&self) {
        self.0.lock().0 += 1;
    }

    fn zone_listed(&self) {}

    fn objects_changed(&self, objects: &[ObjectKey]) {
        self.0.lock().1.extend_from_slice(objects);
    }
}

const SCOPE: Scope = Scope {
    kind: SourceKind::Record,
    position: 0,
};

/// A cluster, a provider, and the operator between them.
struct Harness {
    object_cache: Arc<ObjectCache>,
    fake: FakeProvider,
    notifier: RecordingNotifier,
    shared: Arc<Shared>,
    instructions: watch::Sender<Instructions>,
    task: tokio::task::JoinHandle<()>,
    guard: Guard,
    /// What the process knew of earlier ones.
    past: Fingerprints,
}

fn config(yaml: &str) -> Config {
    let spec = format!("{{domain: example.org, route53: {{}}, sources: {{records: {{}}}}, {yaml}}}");
    let reach = Arc::new(Reach {
        sources: vec![SourceKind::Record],
        namespaces: Vec::new(),
    });
    Config {
        dialect: fake_zone::dialect(),
        ..Config::new("home", &serde_saphyr::from_str(&spec).unwrap(), "home", &reach).unwrap()
    }
}

const SYNC: &str = "policy: Sync, deleteGuard: {maxPercent: 100}";

fn new_object_cache() -> Arc<ObjectCache> {
    let mut registry = prometheus_client::registry::Registry::default();
    Arc::new(ObjectCache::new([SCOPE], Metrics::register(&mut registry)))
}

impl Harness {
    /// A listed cluster and a worker that has listed its zone.
    async fn begin(yaml: &str, records: &[DNSRecord], fake: FakeProvider) -> Self {
        let object_cache = new_object_cache();
        let past = std::mem::take(&mut fake.lock().past);
        let harness = Self::around(object_cache, yaml, fake, &Leadership::always(), Guard::default(), past).await;
        harness.list(records);
        harness.rest().await;
        harness
    }

    async fn around(
        object_cache: Arc<ObjectCache>,
        yaml: &str,
        fake: FakeProvider,
        leadership: &Leadership,
        guard: Guard,
        past: Fingerprints,
    ) -> Self {
        // The worker's jitter; its runtime has this thread only.
        fastrand::seed(7);
        let config = config(yaml);
        let mut state = ZoneState::new(config.clone(), guard.clone());
        state.recall(past.clone());
        let shared = Arc::new(Shared::new(state));
        let (instructions, receiver) = watch::channel(Instructions {
            config: Arc::new(config),
            list_request: 0,
        });
        let mut registry = prometheus_client::registry::Registry::default();
        let notifier = RecordingNotifier::default();
        let worker = Worker {
            shared: Arc::clone(&shared),
            provider: fake.clone(),
            notices: object_cache.listen(),
            object_cache: Arc::clone(&object_cache),
            term: std::pin::pin!(leadership.terms()).next().await.unwrap(),
            instructions: receiver,
            notifier: notifier.clone(),
            metrics: Metrics::register(&mut registry).zone("home"),
        };
        let task = tokio::spawn(worker.run());
        Self {
            object_cache,
            fake,
            notifier,
            shared,
            instructions,
            task,
            guard,
            past,
        }
    }

    /// The operator ends here and another process begins with the same cluster and provider, and with the last status.
    async fn restart(self, yaml: &str, records: &[DNSRecord]) -> Self {
        self.task.abort();
        let past = self.reported();
        let Self { fake, guard, task, .. } = self;
        let _ = task.await;
        let next = Self::around(new_object_cache(), yaml, fake, &Leadership::always(), guard, past).await;
        next.list(records);
        next.rest().await;
        next
    }

    /// What the status says that was published; what an earlier process said, while this one has not listed the zone.
    fn reported(&self) -> Fingerprints {
        let listed = self.shared.provider_status().listed;
        let state = self.shared.state();
        if listed {
            state.fingerprints()
        } else {
            self.past.clone()
        }
    }

    fn take(&self, update: &Update<DNSRecord>) {
        self.object_cache
            .take(SCOPE, update, Facts::of_record, &Health::default().gate("x"));
    }

    fn list(&self, records: &[DNSRecord]) {
        self.take(&Update::Event(Event::Init));
        for one in records {
            self.take(&Update::Event(Event::InitApply(one.clone())));
        }
        self.take(&Update::Event(Event::InitDone));
    }

    fn put(&self, record: &DNSRecord) {
        self.take(&Update::Event(Event::Apply(record.clone())));
    }

    fn drop(&self, record: &DNSRecord) {
        self.take(&Update::Event(Event::Delete(record.clone())));
    }

    /// Long enough for everything that is due at once.
    async fn rest(&self) {
        sleep(Duration::from_secs(8)).await;
    }

    fn lines(&self) -> Vec<String> {
        fake_zone::lines(&self.fake.lock().zone)
    }

    fn records(&self) -> Vec<String> {
        self.lines()
            .into_iter()
            .filter(|line| !line.contains(" mark "))
            .collect()
    }

    /// The calls since the last time.
    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.fake.lock().calls)
    }

    fn request_list(&self) {
        self.instructions
            .send_modify(|instructions| instructions.list_request += 1);
    }
}

/// A DNSRecord that wants an address for the name of the same text.
fn record(name: &str, address: &str) -> DNSRecord {
    let spec = format!("{{name: '{name}', type: A, targets: ['{address}']}}");
    let mut record = DNSRecord::new(name, serde_saphyr::from_str(&spec).unwrap());
    record.metadata.namespace = Some("n".to_owned());
    record
}

fn some(count: usize) -> Vec<DNSRecord> {
    (0..count).map(|n| record(&format!("r{n}"), "192.0.2.1")).collect()
}
