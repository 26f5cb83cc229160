//! Lists, gaps and failures of watches, in the events of kube's watcher.
use hearth_reconciler::health::Health;
use kube::runtime::watcher::Event;

use super::*;
use crate::crd::DNSRecord;

const ONLY: Scope = Scope {
    kind: SourceKind::Record,
    position: 0,
};
const SECOND: Scope = Scope {
    kind: SourceKind::Record,
    position: 1,
};
const SERVICES: Scope = Scope {
    kind: SourceKind::Service,
    position: 0,
};

struct Harness {
    cache: ObjectCache,
    notices: UnboundedReceiver<Notice>,
    health: Health,
    gate: Arc<Check>,
}

fn harness(scopes: &[Scope]) -> Harness {
    let mut registry = prometheus_client::registry::Registry::default();
    let cache = ObjectCache::new(scopes.iter().copied(), Metrics::register(&mut registry));
    let (notices, health) = (cache.listen(), Health::default());
    let gate = health.gate("listed");
    Harness {
        cache,
        notices,
        health,
        gate,
    }
}

fn record(name: &str, value: &str) -> DNSRecord {
    let spec = serde_saphyr::from_str(&format!("{{name: '{name}', type: A, targets: ['{value}']}}")).unwrap();
    let mut record = DNSRecord::new(name, spec);
    record.metadata.namespace = Some("n".to_owned());
    record
}

impl Harness {
    fn event(&self, scope: Scope, event: Event<DNSRecord>) {
        self.cache
            .take(scope, &Update::Event(event), Facts::of_record, &self.gate);
    }

    fn begin(&self, scope: Scope, names: &[&str]) {
        self.event(scope, Event::Init);
        for name in names {
            self.event(scope, Event::InitApply(record(name, "192.0.2.1")));
        }
    }

    fn list(&self, scope: Scope, names: &[&str]) {
        self.begin(scope, names);
        self.event(scope, Event::InitDone);
    }

    fn fail(&self, scope: Scope, reason: &'static str) {
        let update: Update<DNSRecord> = Update::Failing {
            reason,
            message: "why".to_owned(),
        };
        self.cache.take(scope, &update, Facts::of_record, &self.gate);
    }

    fn recover(&self, scope: Scope) {
        let update: Update<DNSRecord> = Update::Recovered;
        self.cache.take(scope, &update, Facts::of_record, &self.gate);
    }

    fn complete(&self) -> bool {
        self.cache.complete().of(SourceKind::Record)
    }

    /// The notices since the last time: names of objects, `*` for sources.
    fn notices(&mut self) -> Vec<String> {
        let notices = std::iter::from_fn(|| self.notices.try_recv().ok());
        notices
            .map(|notice| match notice {
                Notice::Object(key, _) => key.name().to_owned(),
                Notice::Sources => "*".to_owned(),
            })
            .collect()
    }

    fn known(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .cache
            .all()
            .iter()
            .map(|facts| facts.object.key.name().to_owned())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_list_without_an_object_deletes_it_once() {
    let mut harness = harness(&[ONLY]);
    harness.list(ONLY, &["a", "b"]);
    assert_eq!(harness.notices(), ["a", "b", "*"]);
    harness.begin(ONLY, &["a"]);
    assert_eq!((harness.notices(), harness.known().len()), (vec!["*".to_owned()], 2));
    harness.event(ONLY, Event::InitDone);
    assert_eq!(
        (harness.notices(), harness.known()),
        (vec!["b".to_owned(), "*".to_owned()], vec!["a".to_owned()])
    );
    harness.list(ONLY, &["a"]);
    assert_eq!(harness.notices(), ["*", "*"]);
}

#[tokio::test]
async fn a_list_that_breaks_off_deletes_nothing() {
    let mut harness = harness(&[ONLY]);
    harness.list(ONLY, &["a", "b", "c"]);
    harness.begin(ONLY, &["a"]);
    harness.fail(ONLY, "Unreachable");
    harness.begin(ONLY, &["b"]);
    harness.recover(ONLY);
    harness.begin(ONLY, &["c", "d"]);
    assert_eq!(harness.known(), ["a", "b", "c", "d"]);
    harness.notices();
    harness.event(ONLY, Event::InitApply(record("a", "192.0.2.1")));
    harness.event(ONLY, Event::InitDone);
    assert_eq!(
        (harness.known(), harness.notices()),
        (vec!["a".into(), "c".into(), "d".into()], vec!["b".into(), "*".into()])
    );
}

#[tokio::test]
async fn nothing_is_complete_while_a_list_is_under_way() {
    let harness = harness(&[ONLY]);
    assert!(!harness.complete());
    harness.begin(ONLY, &["a"]);
    assert!(!harness.complete() && !harness.cache.settled(&[SourceKind::Record]));
    harness.event(ONLY, Event::InitDone);
    assert!(harness.complete() && harness.cache.settled(&[SourceKind::Record]));
    // After a gap: what is known is the past until the list is whole.
    harness.fail(ONLY, "Unreachable");
    assert!(!harness.complete());
    harness.begin(ONLY, &["a"]);
    harness.recover(ONLY);
    assert!(!harness.complete());
    harness.event(ONLY, Event::InitDone);
    assert!(harness.complete());
}

#[tokio::test]
async fn a_forbidden_watch_opens_the_gate_and_stays_incomplete() {
    for reason in ["Forbidden", "NotServed"] {
        let mut harness = harness(&[ONLY]);
        harness.fail(ONLY, reason);
        assert!(harness.health.missing().is_empty());
        assert!(!harness.complete() && harness.cache.settled(&[SourceKind::Record]));
        assert_eq!(
            harness.cache.failing(SourceKind::Record),
            Some((reason, "why".to_owned()))
        );
        assert_eq!(harness.notices(), ["*"]);
        harness.recover(ONLY);
        assert!(!harness.complete(), "it has never been listed");
        harness.list(ONLY, &[]);
        assert!(harness.complete() && harness.cache.failing(SourceKind::Record).is_none());
    }
    let harness = harness(&[ONLY]);
    harness.fail(ONLY, "Unreachable");
    assert_eq!(harness.health.missing(), ["listed"]);
}

#[tokio::test]
async fn a_kind_is_complete_when_each_of_its_scopes_is() {
    let harness = harness(&[ONLY, SECOND, SERVICES]);
    harness.list(ONLY, &["a"]);
    assert!(!harness.complete());
    harness.list(SECOND, &["b"]);
    assert!(harness.complete() && !harness.cache.complete().of(SourceKind::Service));
    assert!(harness.cache.settled(&[SourceKind::Record]) && !harness.cache.settled(&[SourceKind::Service]));
    // A list of one scope says nothing about the objects of the other.
    harness.list(SECOND, &[]);
    assert_eq!(harness.known(), ["a"]);
    harness.fail(ONLY, "Forbidden");
    assert!(!harness.complete());
    let empty = self::harness(&[]);
    assert!(!empty.complete(), "a kind that nobody watches is never complete");
}

#[tokio::test]
async fn only_differences_are_notified() {
    let mut harness = harness(&[ONLY]);
    harness.list(ONLY, &["a"]);
    harness.notices();
    harness.event(ONLY, Event::Apply(record("a", "192.0.2.1")));
    assert_eq!(harness.notices(), [""; 0]);
    harness.event(ONLY, Event::Apply(record("a", "192.0.2.2")));
    harness.event(ONLY, Event::Delete(record("a", "192.0.2.2")));
    harness.event(ONLY, Event::Delete(record("a", "192.0.2.2")));
    assert_eq!(harness.notices(), ["a", "a"]);
}

#[tokio::test]
async fn a_listener_that_was_dropped_is_forgotten() {
    let mut harness = harness(&[ONLY]);
    drop(harness.cache.listen());
    harness.list(ONLY, &["a"]);
    assert_eq!(harness.cache.lock().listeners.len(), 1);
    assert_eq!(harness.notices(), ["a", "*"]);
}
