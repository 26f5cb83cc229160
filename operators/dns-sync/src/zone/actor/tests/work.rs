//! The ordinary course: few calls, none without need.
use super::*;

#[tokio::test(start_paused = true)]
async fn one_change_is_one_call() {
    let stage = Stage::begin(SYNC, &some(3), Fake::default()).await;
    assert_eq!(stage.calls(), ["list", "change 6"]);
    stage.put(&record("r1", "192.0.2.9"));
    stage.rest().await;
    assert_eq!(stage.calls(), ["change 2"]);
    assert_eq!(stage.records(), ["r0 A 192.0.2.1", "r1 A 192.0.2.9", "r2 A 192.0.2.1"]);
    stage.drop(&record("r2", "192.0.2.1"));
    stage.rest().await;
    assert_eq!((stage.calls(), stage.records().len()), (vec!["change 2".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn changes_within_the_window_go_together_and_soon() {
    let stage = Stage::begin(SYNC, &[], Fake::default()).await;
    stage.calls();
    for n in 0..5 {
        stage.put(&record(&format!("r{n}"), "192.0.2.1"));
        sleep(Duration::from_millis(30)).await;
    }
    assert!(stage.calls().is_empty());
    sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.calls(), ["change 10"], "the window begins with the first event");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_between_the_looks() {
    let stage = Stage::begin(SYNC, &some(20), Fake::default()).await;
    stage.calls();
    sleep(Duration::from_mins(13)).await;
    assert!(stage.calls().is_empty());
    sleep(Duration::from_mins(5)).await;
    assert_eq!(stage.calls(), ["list"]);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_announced_at_most_once_a_second_and_not_without_news() {
    let stage = Stage::begin(SYNC, &some(5), Fake::default()).await;
    let told = stage.ear.0.lock().unwrap().0;
    assert!((1..=8).contains(&told), "{told}");
    let objects = stage.ear.0.lock().unwrap().1.len();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(stage.ear.0.lock().unwrap().0, told);
    for _ in 0..100 {
        stage.put(&record("x", "192.0.2.1"));
        stage.drop(&record("x", "192.0.2.1"));
        sleep(Duration::from_millis(20)).await;
    }
    assert!(stage.ear.0.lock().unwrap().0 <= told + 4);
    assert!(stage.ear.0.lock().unwrap().1.len() <= objects + 100);
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_of_two_thousand_names_takes_few_batches() {
    let stage = Stage::begin(SYNC, &some(2000), Fake::default()).await;
    assert_eq!(stage.records().len(), 2000);
    let calls = stage.calls();
    assert!(calls.len() <= 10, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_filled_in_portions_takes_no_more_batches_than_at_once() {
    let stage = Stage::begin(SYNC, &some(4500), Fake::default()).await;
    assert_eq!(stage.records().len(), 4500);
    let sizes = stage.fake.lock().batches.clone();
    let (all, fullest) = (sizes.iter().sum::<usize>(), sizes.iter().copied().max().unwrap());
    assert_eq!(sizes.len(), all.div_ceil(fullest), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_everything_in_place_writes_nothing() {
    let stage = Stage::begin(SYNC, &some(50), Fake::default()).await;
    stage.calls();
    let stage = stage.restart(SYNC, &some(50)).await;
    assert_eq!(stage.calls(), ["list"]);
    assert!(stage.shared.standing().looked);
}

#[tokio::test(start_paused = true)]
async fn an_empty_zone_without_wishes_is_looked_at_too() {
    let stage = Stage::begin(SYNC, &[], Fake::default()).await;
    assert_eq!(stage.calls(), ["list"]);
    assert!(stage.shared.standing().looked);
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_at_the_interval_or_on_request() {
    let stage = Stage::begin(SYNC, &some(3), Fake::default()).await;
    stage.calls();
    let vandalise = |address: &str| {
        let (key, set) = set(&format!("r1 A {address}"));
        stage.fake.lock().zone.insert(key, set);
    };
    vandalise("198.51.100.1");
    stage.ask_for_a_look();
    stage.rest().await;
    assert_eq!(stage.calls(), ["list", "change 2"]);
    vandalise("198.51.100.2");
    sleep(Duration::from_mins(17)).await;
    assert_eq!(stage.calls(), ["list", "change 2"]);
    assert_eq!(stage.records()[1], "r1 A 192.0.2.1");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_came_before_the_actor_began_counts() {
    let world = new_world();
    let fake = Fake::default();
    let stage = Stage::around(world, "policy: Observe", fake, &Leadership::always(), Guard::default()).await;
    // The task has not run yet: nothing was awaited since.
    stage.orders.send_modify(|order| order.config = Arc::new(config(SYNC)));
    stage.list(&some(2));
    stage.rest().await;
    assert_eq!(stage.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn observing_calls_nothing_but_looks() {
    let stage = Stage::begin("policy: Observe", &some(3), Fake::default()).await;
    assert_eq!(stage.calls(), ["list"]);
    assert_eq!(stage.shared.state().plan_lines(9).0.len(), 3);
    stage.orders.send_modify(|order| order.config = Arc::new(config(SYNC)));
    stage.rest().await;
    assert_eq!(stage.calls(), ["change 6"]);
}

#[tokio::test(start_paused = true)]
async fn sources_that_are_late_cost_no_record() {
    let stage = Stage::begin(SYNC, &some(5), Fake::default()).await;
    let Stage { fake, task, .. } = stage;
    task.abort();
    let world = new_world();
    let stage = Stage::around(world, SYNC, fake, &Leadership::always(), Guard::default()).await;
    stage.take(&Update::Event(Event::Init));
    stage.take(&Update::Event(Event::InitApply(record("r0", "192.0.2.7"))));
    sleep(Duration::from_secs(20)).await;
    assert!(!stage.shared.standing().looked, "nothing is said before it is planned");
    sleep(Duration::from_secs(100)).await;
    assert_eq!(stage.records().len(), 5);
    assert_eq!(stage.records()[0], "r0 A 192.0.2.7");
    assert_eq!(stage.shared.state().totals().unlisted, 4);
    stage.list(&some(4));
    stage.rest().await;
    assert_eq!(stage.records().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_listed_during_a_look_count_before_anything_is_deleted() {
    let yaml = &format!("{SYNC}, batchWindow: 0s");
    let stage = Stage::begin(yaml, &some(9), Fake::default()).await;
    let Stage { fake, task, .. } = stage;
    task.abort();
    fake.lock().calls.clear();
    let stage = Stage::around(new_world(), yaml, fake, &Leadership::always(), Guard::default()).await;
    // The answer to the first call takes longer than this.
    sleep(Duration::from_millis(10)).await;
    stage.list(&some(9));
    stage.rest().await;
    assert_eq!((stage.calls(), stage.records().len()), (vec!["list".to_owned()], 9));
    assert_eq!(stage.shared.state().parked.len(), 0);
}
