//! Lists, gaps and failures of watches, as kube's watcher tells them.
use hearth_reconciler::health::Health;

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

struct Stage {
    world: World,
    heard: UnboundedReceiver<Notice>,
    health: Health,
    gate: Arc<Check>,
}

fn stage(scopes: &[Scope]) -> Stage {
    let mut registry = prometheus_client::registry::Registry::default();
    let world = World::new(scopes.iter().copied(), Metrics::register(&mut registry));
    let (heard, health) = (world.listen(), Health::default());
    let gate = health.gate("listed");
    Stage {
        world,
        heard,
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

impl Stage {
    fn event(&self, scope: Scope, event: Event<DNSRecord>) {
        self.world
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
        self.world.take(scope, &update, Facts::of_record, &self.gate);
    }

    fn recover(&self, scope: Scope) {
        let update: Update<DNSRecord> = Update::Recovered;
        self.world.take(scope, &update, Facts::of_record, &self.gate);
    }

    fn complete(&self) -> bool {
        self.world.complete().records
    }

    /// What was told since the last time: names of objects, `*` for sources.
    fn heard(&mut self) -> Vec<String> {
        let notices = std::iter::from_fn(|| self.heard.try_recv().ok());
        notices
            .map(|notice| match notice {
                Notice::Object(key, _) => key.name().to_owned(),
                Notice::Sources => "*".to_owned(),
            })
            .collect()
    }

    fn known(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .world
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
    let mut stage = stage(&[ONLY]);
    stage.list(ONLY, &["a", "b"]);
    assert_eq!(stage.heard(), ["a", "b", "*"]);
    stage.begin(ONLY, &["a"]);
    assert_eq!((stage.heard(), stage.known().len()), (vec!["*".to_owned()], 2));
    stage.event(ONLY, Event::InitDone);
    assert_eq!(
        (stage.heard(), stage.known()),
        (vec!["b".to_owned(), "*".to_owned()], vec!["a".to_owned()])
    );
    stage.list(ONLY, &["a"]);
    assert_eq!(stage.heard(), ["*", "*"]);
}

#[tokio::test]
async fn a_list_that_breaks_off_deletes_nothing() {
    let mut stage = stage(&[ONLY]);
    stage.list(ONLY, &["a", "b", "c"]);
    stage.begin(ONLY, &["a"]);
    stage.fail(ONLY, "Unreachable");
    stage.begin(ONLY, &["b"]);
    stage.recover(ONLY);
    stage.begin(ONLY, &["c", "d"]);
    assert_eq!(stage.known(), ["a", "b", "c", "d"]);
    stage.heard();
    stage.event(ONLY, Event::InitApply(record("a", "192.0.2.1")));
    stage.event(ONLY, Event::InitDone);
    assert_eq!(
        (stage.known(), stage.heard()),
        (vec!["a".into(), "c".into(), "d".into()], vec!["b".into(), "*".into()])
    );
}

#[tokio::test]
async fn nothing_is_complete_while_a_list_is_under_way() {
    let stage = stage(&[ONLY]);
    assert!(!stage.complete());
    stage.begin(ONLY, &["a"]);
    assert!(!stage.complete() && !stage.world.settled(&[SourceKind::Record]));
    stage.event(ONLY, Event::InitDone);
    assert!(stage.complete() && stage.world.settled(&[SourceKind::Record]));
    // After a gap: what is known is the past until the list is whole.
    stage.fail(ONLY, "Unreachable");
    assert!(!stage.complete());
    stage.begin(ONLY, &["a"]);
    stage.recover(ONLY);
    assert!(!stage.complete());
    stage.event(ONLY, Event::InitDone);
    assert!(stage.complete());
}

#[tokio::test]
async fn what_is_forbidden_opens_the_gate_and_stays_incomplete() {
    for reason in ["Forbidden", "NotServed"] {
        let mut stage = stage(&[ONLY]);
        stage.fail(ONLY, reason);
        assert!(stage.health.missing().is_empty());
        assert!(!stage.complete() && stage.world.settled(&[SourceKind::Record]));
        assert_eq!(
            stage.world.failing(SourceKind::Record),
            Some((reason, "why".to_owned()))
        );
        assert_eq!(stage.heard(), ["*"]);
        stage.recover(ONLY);
        assert!(!stage.complete(), "it has never been listed");
        stage.list(ONLY, &[]);
        assert!(stage.complete() && stage.world.failing(SourceKind::Record).is_none());
    }
    let stage = stage(&[ONLY]);
    stage.fail(ONLY, "Unreachable");
    assert_eq!(stage.health.missing(), ["listed"]);
}

#[tokio::test]
async fn a_kind_is_complete_when_each_of_its_scopes_is() {
    let stage = stage(&[ONLY, SECOND, SERVICES]);
    stage.list(ONLY, &["a"]);
    assert!(!stage.complete());
    stage.list(SECOND, &["b"]);
    assert!(stage.complete() && !stage.world.complete().services);
    assert!(stage.world.settled(&[SourceKind::Record]) && !stage.world.settled(&[SourceKind::Service]));
    // A list of one scope says nothing about the objects of the other.
    stage.list(SECOND, &[]);
    assert_eq!(stage.known(), ["a"]);
    stage.fail(ONLY, "Forbidden");
    assert!(!stage.complete());
    let empty = self::stage(&[]);
    assert!(!empty.complete(), "a kind that nobody watches is never complete");
}

#[tokio::test]
async fn only_what_differs_is_told() {
    let mut stage = stage(&[ONLY]);
    stage.list(ONLY, &["a"]);
    stage.heard();
    stage.event(ONLY, Event::Apply(record("a", "192.0.2.1")));
    assert_eq!(stage.heard(), [""; 0]);
    stage.event(ONLY, Event::Apply(record("a", "192.0.2.2")));
    stage.event(ONLY, Event::Delete(record("a", "192.0.2.2")));
    stage.event(ONLY, Event::Delete(record("a", "192.0.2.2")));
    assert_eq!(stage.heard(), ["a", "a"]);
}

#[tokio::test]
async fn a_listener_that_has_gone_is_forgotten() {
    let mut stage = stage(&[ONLY]);
    drop(stage.world.listen());
    stage.list(ONLY, &["a"]);
    assert_eq!(stage.world.lock().listeners.len(), 1);
    assert_eq!(stage.heard(), ["a", "*"]);
}
