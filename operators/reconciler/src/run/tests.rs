use futures::channel::mpsc;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{reflector, watcher};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    start::Process,
    testing::{self, TestLeadership},
};

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("it failed")]
enum Bad {
    Soon,
    Later,
    Never,
}

impl ReconcileError for Bad {
    fn reason(&self) -> &'static str {
        match self {
            Self::Soon => "Soon",
            Self::Later => "Later",
            Self::Never => "Never",
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Soon => Retry::Backoff,
            Self::Later => Retry::After(Duration::from_mins(1)),
            Self::Never => Retry::OnChange,
        }
    }
}

/// Takes events and remembers them.
fn cluster() -> (Process, Arc<Mutex<Vec<Value>>>) {
    let events: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = Arc::clone(&events);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let seen = Arc::clone(&seen);
        async move {
            let body = request.into_body().collect_bytes().await.unwrap();
            seen.lock().push(serde_json::from_slice(&body).unwrap());
            Ok::<_, Infallible>(http::Response::new(kube::client::Body::from(body.to_vec())))
        }
    });
    (testing::process(kube::Client::new(service, "default")), events)
}

type Feed = mpsc::UnboundedSender<Result<ConfigMap, watcher::Error>>;

struct World {
    writer: reflector::store::Writer<ConfigMap>,
    feed: Feed,
    controller: Option<Controller<ConfigMap>>,
}

fn object(name: &str) -> ConfigMap {
    let meta = json!({ "name": name, "namespace": "home", "uid": format!("uid-{name}") });
    serde_json::from_value(json!({ "metadata": meta })).unwrap()
}

impl World {
    fn new() -> Self {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        let (feed, stream) = mpsc::unbounded();
        Self {
            writer,
            feed,
            controller: Some(Controller::for_stream(stream, store)),
        }
    }

    fn put(&mut self, name: &str) {
        let object = object(name);
        self.writer.apply_watcher_event(&watcher::Event::Apply(object.clone()));
        self.feed.unbounded_send(Ok(object)).unwrap();
    }
}

type Runs = Arc<Mutex<Vec<(String, Instant)>>>;

/// Reconciles with `results`, the last one for ever, and notes each run.
async fn with<R>(world: &mut World, process: &Process, runs: &Runs, result: R)
where
    R: Fn(usize) -> Result<Action, Bad> + Send + Sync + 'static,
{
    let runs = Arc::clone(runs);
    let reconcile = move |object: Arc<ConfigMap>, _: Arc<()>| {
        let mut runs = runs.lock();
        runs.push((object.name_any(), Instant::now()));
        let result = result(runs.len());
        async move { result }
    };
    run(
        world.controller.take().unwrap(),
        process,
        "thing",
        OnTakeover::ReconcileAll,
        Arc::new(()),
        reconcile,
    )
    .await;
}

async fn for_seconds(seconds: u64, work: impl Future<Output = ()>) {
    let _ = tokio::time::timeout(Duration::from_secs(seconds), work).await;
}

fn has(process: &Process, line: &str) -> bool {
    process.metrics.text().lines().any(|l| l == line)
}

#[tokio::test(start_paused = true)]
async fn a_failing_object_backs_off_and_its_event_comes_once_after_the_third_failure() {
    let (process, events) = cluster();
    let (mut world, runs) = (World::new(), Runs::default());
    world.put("a");
    for_seconds(62, with(&mut world, &process, &runs, |_| Err(Bad::Soon))).await;
    let runs = runs.lock();
    assert!(
        (5..=7).contains(&runs.len()),
        "1+2+4+8+16+32 s, at most half of it taken off: {}",
        runs.len()
    );
    let events = events.lock();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["reason"], &events[0]["type"]),
        (&json!("Soon"), &json!("Warning"))
    );
    assert_eq!(events[0]["regarding"]["uid"], "uid-a");
    assert_eq!(events[0]["metadata"]["namespace"], "home");
    assert!(has(
        &process,
        &format!(
            r#"controller_runtime_reconcile_errors_total{{controller="thing"}} {}"#,
            runs.len()
        )
    ));
}

#[tokio::test(start_paused = true)]
async fn a_terminal_error_waits_for_a_change_is_counted_once_and_told_at_once() {
    let (process, events) = cluster();
    let (mut world, runs) = (World::new(), Runs::default());
    world.put("a");
    for_seconds(3600, with(&mut world, &process, &runs, |_| Err(Bad::Never))).await;
    assert_eq!(runs.lock().len(), 1);
    assert_eq!(events.lock().len(), 1);
    assert!(has(
        &process,
        r#"controller_runtime_reconcile_errors_total{controller="thing"} 1"#
    ));
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_gone_do_not_pile_up() {
    let (process, events) = cluster();
    let mut world = World::new();
    let controller = world.controller.take().unwrap();
    let reconcile = |_: Arc<ConfigMap>, _: Arc<()>| async { Err::<Action, _>(Bad::Never) };
    let run = run(
        controller,
        &process,
        "thing",
        OnTakeover::ReconcileAll,
        Arc::new(()),
        reconcile,
    );
    let play = async {
        for _ in 0..3 {
            // Told each time: nothing is known any more of the one before.
            world.put("a");
            sleep(Duration::from_secs(1)).await;
            world.writer.apply_watcher_event(&watcher::Event::Delete(object("a")));
            world.feed.unbounded_send(Ok(object("a"))).unwrap();
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! { () = run => unreachable!(), () = play => {} }
    assert_eq!(events.lock().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn events_tell_a_new_reason_and_a_failure_after_success_but_no_repetition() {
    let (process, events) = cluster();
    let (mut world, runs) = (World::new(), Runs::default());
    world.put("a");
    let results = |n| match n {
        1..=3 | 6.. => Err(Bad::Later),
        4 => Err(Bad::Never),
        _ => Ok(Action::requeue(Duration::from_mins(1))),
    };
    let feed = world.feed.clone();
    let work = async {
        tokio::join!(with(&mut world, &process, &runs, results), async {
            // Wakes the object from its terminal error.
            sleep(Duration::from_mins(10)).await;
            feed.unbounded_send(Ok(object("a"))).unwrap();
        });
    };
    for_seconds(1200, work).await;
    let reasons: Vec<Value> = events.lock().iter().map(|e| e["reason"].clone()).collect();
    assert_eq!(reasons, ["Later", "Never", "Later"]);
}

#[tokio::test(start_paused = true)]
async fn results_are_counted_as_controller_runtime_counts_them() {
    let (process, _) = cluster();
    let (mut world, runs) = (World::new(), Runs::default());
    world.put("a");
    let results = |n| match n {
        1 => Ok(Action::requeue(Duration::from_secs(5))),
        _ => Ok(Action::await_change()),
    };
    for_seconds(60, with(&mut world, &process, &runs, results)).await;
    for line in [
        r#"controller_runtime_reconcile_total{controller="thing",result="requeue_after"} 1"#,
        r#"controller_runtime_reconcile_total{controller="thing",result="success"} 1"#,
        r#"controller_runtime_reconcile_total{controller="thing",result="error"} 0"#,
        r#"controller_runtime_reconcile_time_seconds_count{controller="thing"} 2"#,
    ] {
        assert!(has(&process, line), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_objects_at_the_same_time() {
    let ((process, _), mut world) = (cluster(), World::new());
    (0..20).for_each(|n| world.put(&format!("o{n}")));
    let (active, most) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (a, m) = (Arc::clone(&active), Arc::clone(&most));
    let reconcile = move |_: Arc<ConfigMap>, _: Arc<()>| {
        let (a, m) = (Arc::clone(&a), Arc::clone(&m));
        async move {
            *a.lock() += 1;
            let highest = (*a.lock()).max(*m.lock());
            *m.lock() = highest;
            sleep(Duration::from_secs(1)).await;
            *a.lock() -= 1;
            Ok::<_, Bad>(Action::await_change())
        }
    };
    for_seconds(
        60,
        run(
            world.controller.take().unwrap(),
            &process,
            "thing",
            OnTakeover::ReconcileAll,
            Arc::new(()),
            reconcile,
        ),
    )
    .await;
    assert_eq!((*most.lock(), *active.lock()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_standby_does_nothing_a_new_leader_reconciles_all_and_a_lost_term_stops_work_under_way() {
    let (mut process, _) = cluster();
    let (mut throne, leadership) = TestLeadership::empty();
    process.leadership = leadership;
    let mut world = World::new();
    world.put("a");
    world.put("b");
    let (begun, ended) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let (b, e) = (Arc::clone(&begun), Arc::clone(&ended));
    let reconcile = move |_: Arc<ConfigMap>, _: Arc<()>| {
        let (b, e) = (Arc::clone(&b), Arc::clone(&e));
        async move {
            *b.lock() += 1;
            sleep(Duration::from_secs(10)).await;
            *e.lock() += 1;
            Ok::<_, Bad>(Action::await_change())
        }
    };
    let counts = || (*begun.lock(), *ended.lock());
    let run = run(
        world.controller.take().unwrap(),
        &process,
        "thing",
        OnTakeover::ReconcileAll,
        Arc::new(()),
        reconcile,
    );
    let play = async {
        sleep(Duration::from_mins(1)).await;
        assert_eq!(counts(), (0, 0));
        throne.give();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(counts(), (2, 0));
        throne.take();
        sleep(Duration::from_mins(1)).await;
        assert_eq!(counts(), (2, 0));
        throne.give();
        sleep(Duration::from_mins(1)).await;
        assert_eq!(counts(), (4, 2));
    };
    tokio::select! { () = run => unreachable!(), () = play => {} }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_each_reconciliation_gets_no_other_in_a_new_term() {
    let (mut process, _) = cluster();
    let (mut throne, leadership) = TestLeadership::empty();
    process.leadership = leadership;
    let mut world = World::new();
    for name in ["a", "b"] {
        world.writer.apply_watcher_event(&watcher::Event::Apply(object(name)));
    }
    let (asks, asked) = mpsc::unbounded();
    let controller = world.controller.take().unwrap().reconcile_on(asked);
    let runs = Runs::default();
    let r = Arc::clone(&runs);
    let reconcile = move |object: Arc<ConfigMap>, _: Arc<()>| {
        r.lock().push((object.name_any(), Instant::now()));
        async { Ok::<_, Bad>(Action::await_change()) }
    };
    let run = run(
        controller,
        &process,
        "thing",
        OnTakeover::AwaitTrigger,
        Arc::new(()),
        reconcile,
    );
    let play = async {
        throne.give();
        sleep(Duration::from_mins(1)).await;
        assert_eq!(runs.lock().len(), 0);
        asks.unbounded_send(ObjectRef::from_obj(&object("b"))).unwrap();
        sleep(Duration::from_mins(1)).await;
        let runs = runs.lock();
        assert_eq!(runs.iter().map(|run| run.0.as_str()).collect::<Vec<_>>(), ["b"]);
    };
    tokio::select! { () = run => unreachable!(), () = play => {} }
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_work_under_way_but_not_for_ever() {
    for (takes, waits, finished) in [(5, 5, 1), (3600, 15, 0)] {
        let (process, _) = cluster();
        let mut world = World::new();
        world.put("a");
        let done = Arc::new(Mutex::new(0));
        let d = Arc::clone(&done);
        let reconcile = move |_: Arc<ConfigMap>, _: Arc<()>| {
            let d = Arc::clone(&d);
            async move {
                sleep(Duration::from_secs(takes)).await;
                *d.lock() += 1;
                Ok::<_, Bad>(Action::await_change())
            }
        };
        let (begin, shutdown) = (Instant::now(), process.shutdown.clone());
        tokio::join!(
            run(
                world.controller.take().unwrap(),
                &process,
                "thing",
                OnTakeover::ReconcileAll,
                Arc::new(()),
                reconcile
            ),
            async {
                sleep(Duration::from_millis(100)).await;
                shutdown.cancel();
            }
        );
        assert_eq!((begin.elapsed().as_secs(), *done.lock()), (waits, finished));
    }
}

#[tokio::test(start_paused = true)]
async fn the_controller_is_ready_when_its_store_is() {
    let (process, _) = cluster();
    let (store, mut writer) = reflector::store::<ConfigMap>();
    let (_feed, stream) = mpsc::unbounded();
    let controller = Controller::for_stream(stream, store);
    let reconcile = |_: Arc<ConfigMap>, _: Arc<()>| async { Ok::<_, Bad>(Action::await_change()) };
    let run = run(
        controller,
        &process,
        "thing",
        OnTakeover::ReconcileAll,
        Arc::new(()),
        reconcile,
    );
    let play = async {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(process.health.missing(), ["thing"]);
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitApply(object("a")));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(process.health.missing(), ["thing"], "half a list");
        writer.apply_watcher_event(&watcher::Event::InitDone);
        sleep(Duration::from_secs(1)).await;
        assert!(process.health.missing().is_empty());
    };
    tokio::select! { () = run => unreachable!(), () = play => {} }
}
