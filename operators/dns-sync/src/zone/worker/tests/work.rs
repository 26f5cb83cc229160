//! The ordinary course: few calls, none without need.
use super::*;

#[tokio::test(start_paused = true)]
async fn one_change_is_one_call() {
    let harness = Harness::begin(SYNC, &some(3), FakeProvider::default()).await;
    assert_eq!(harness.calls(), ["list", "change 6"]);
    harness.put(&record("r1", "192.0.2.9"));
    harness.rest().await;
    assert_eq!(harness.calls(), ["change 2"]);
    assert_eq!(
        harness.records(),
        ["r0 A 192.0.2.1", "r1 A 192.0.2.9", "r2 A 192.0.2.1"]
    );
    harness.drop(&record("r2", "192.0.2.1"));
    harness.rest().await;
    assert_eq!(
        (harness.calls(), harness.records().len()),
        (vec!["change 2".to_owned()], 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_change_on_a_quiet_zone_is_sent_at_once() {
    let harness = Harness::begin(&format!("{SYNC}, batchWindow: 5s"), &[], FakeProvider::default()).await;
    harness.rest().await;
    harness.calls();
    harness.put(&record("r0", "192.0.2.1"));
    // Several events of one object are no burst.
    sleep(Duration::from_millis(2)).await;
    harness.put(&record("r0", "192.0.2.2"));
    // It takes 20 ms to be answered.
    sleep(Duration::from_millis(30)).await;
    assert_eq!(harness.calls(), ["change 2"]);
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_during_a_call_and_soon_after_it_are_sent_together() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    harness.calls();
    for n in 0..5 {
        harness.put(&record(&format!("r{n}"), "192.0.2.1"));
        sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(harness.calls(), ["change 2"], "the first one has not waited");
    sleep(Duration::from_millis(90)).await;
    assert!(harness.calls().is_empty());
    sleep(Duration::from_millis(40)).await;
    assert_eq!(harness.calls(), ["change 8"], "the window begins with the first event");
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_gathered_for_the_whole_window() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    harness.calls();
    for n in 0..300 {
        harness.put(&record(&format!("r{n}"), "192.0.2.1"));
        if n % 100 == 0 {
            sleep(Duration::from_millis(3)).await;
        }
    }
    sleep(Duration::from_millis(170)).await;
    harness.put(&record("late", "192.0.2.1"));
    assert!(harness.calls().is_empty());
    sleep(Duration::from_millis(100)).await;
    assert_eq!(harness.calls(), ["change 602"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_between_the_lists() {
    let harness = Harness::begin(SYNC, &some(20), FakeProvider::default()).await;
    harness.calls();
    sleep(Duration::from_mins(13)).await;
    assert!(harness.calls().is_empty());
    sleep(Duration::from_mins(5)).await;
    assert_eq!(harness.calls(), ["list"]);
}

#[tokio::test(start_paused = true)]
async fn the_status_is_reported_at_most_once_a_second_and_only_after_a_change() {
    let harness = Harness::begin(SYNC, &some(5), FakeProvider::default()).await;
    let told = harness.notifier.0.lock().0;
    assert!((1..=8).contains(&told), "{told}");
    let objects = harness.notifier.0.lock().1.len();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(harness.notifier.0.lock().0, told);
    for _ in 0..100 {
        harness.put(&record("x", "192.0.2.1"));
        harness.drop(&record("x", "192.0.2.1"));
        sleep(Duration::from_millis(20)).await;
    }
    assert!(harness.notifier.0.lock().0 <= told + 4);
    assert!(harness.notifier.0.lock().1.len() <= objects + 100);
}

#[tokio::test(start_paused = true)]
async fn a_first_sync_of_two_thousand_names_takes_few_batches() {
    let harness = Harness::begin(SYNC, &some(2000), FakeProvider::default()).await;
    assert_eq!(harness.records().len(), 2000);
    let calls = harness.calls();
    assert!(calls.len() <= 10, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_filled_in_portions_takes_no_more_batches_than_at_once() {
    let harness = Harness::begin(SYNC, &some(4500), FakeProvider::default()).await;
    assert_eq!(harness.records().len(), 4500);
    let sizes = harness.fake.lock().batches.clone();
    let (all, fullest) = (sizes.iter().sum::<usize>(), sizes.iter().copied().max().unwrap());
    assert_eq!(sizes.len(), all.div_ceil(fullest), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_everything_in_place_writes_nothing() {
    let harness = Harness::begin(SYNC, &some(50), FakeProvider::default()).await;
    harness.calls();
    let harness = harness.restart(SYNC, &some(50)).await;
    assert_eq!(harness.calls(), ["list"]);
    assert!(harness.shared.provider_status().listed);
}

#[tokio::test(start_paused = true)]
async fn an_empty_zone_without_desired_records_is_listed_too() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    assert_eq!(harness.calls(), ["list"]);
    assert!(harness.shared.provider_status().listed);
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_at_the_interval_or_on_request() {
    let harness = Harness::begin(SYNC, &some(3), FakeProvider::default()).await;
    harness.calls();
    let vandalise = |address: &str| {
        let (key, set) = set(&format!("r1 A {address}"));
        harness.fake.lock().zone.insert(key, set);
    };
    vandalise("198.51.100.1");
    harness.request_list();
    harness.rest().await;
    assert_eq!(harness.calls(), ["list", "change 2"]);
    vandalise("198.51.100.2");
    sleep(Duration::from_mins(17)).await;
    assert_eq!(harness.calls(), ["list", "change 2"]);
    assert_eq!(harness.records()[1], "r1 A 192.0.2.1");
}

#[tokio::test(start_paused = true)]
async fn instructions_from_before_the_worker_started_count() {
    let object_cache = new_object_cache();
    let fake = FakeProvider::default();
    let harness = Harness::around(
        object_cache,
        "policy: Observe",
        fake,
        &Leadership::always(),
        Guard::default(),
        Fingerprints::default(),
    )
    .await;
    // The task has not run yet: nothing was awaited since.
    harness
        .instructions
        .send_modify(|instructions| instructions.config = Arc::new(config(SYNC)));
    harness.list(&some(2));
    harness.rest().await;
    assert_eq!(harness.records().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn observing_only_lists() {
    let harness = Harness::begin("policy: Observe", &some(3), FakeProvider::default()).await;
    assert_eq!(harness.calls(), ["list"]);
    assert_eq!(harness.shared.state().plan_lines(9).0.len(), 3);
    harness
        .instructions
        .send_modify(|instructions| instructions.config = Arc::new(config(SYNC)));
    harness.rest().await;
    assert_eq!(harness.calls(), ["change 6"]);
}

#[tokio::test(start_paused = true)]
async fn late_sources_cost_no_record() {
    let harness = Harness::begin(SYNC, &some(5), FakeProvider::default()).await;
    let past = harness.reported();
    let Harness { fake, task, .. } = harness;
    task.abort();
    let object_cache = new_object_cache();
    let harness = Harness::around(object_cache, SYNC, fake, &Leadership::always(), Guard::default(), past).await;
    harness.take(&Update::Event(Event::Init));
    harness.take(&Update::Event(Event::InitApply(record("r0", "192.0.2.7"))));
    sleep(Duration::from_secs(20)).await;
    assert!(
        !harness.shared.provider_status().listed,
        "nothing is said before it is planned"
    );
    sleep(Duration::from_secs(100)).await;
    assert_eq!(harness.records().len(), 5);
    assert_eq!(harness.records()[0], "r0 A 192.0.2.7");
    assert_eq!(harness.shared.state().totals().unlisted, 4);
    harness.list(&some(4));
    harness.rest().await;
    assert_eq!(harness.records().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn objects_that_arrive_during_a_list_of_the_zone_count_before_anything_is_deleted() {
    let yaml = &format!("{SYNC}, batchWindow: 0s");
    let harness = Harness::begin(yaml, &some(9), FakeProvider::default()).await;
    let past = harness.reported();
    let Harness { fake, task, .. } = harness;
    task.abort();
    fake.lock().calls.clear();
    let always = Leadership::always();
    let harness = Harness::around(new_object_cache(), yaml, fake, &always, Guard::default(), past).await;
    // The answer to the first call takes longer than this.
    sleep(Duration::from_millis(10)).await;
    harness.list(&some(9));
    harness.rest().await;
    assert_eq!((harness.calls(), harness.records().len()), (vec!["list".to_owned()], 9));
    assert_eq!(harness.shared.state().deletes.parked.len(), 0);
}

/// dns-08: somebody changes a record back again and again. It is left alone until a person asks for another try.
#[tokio::test(start_paused = true)]
async fn a_record_that_another_writer_changes_back_is_tried_again_on_request() {
    let harness = Harness::begin(SYNC, &some(1), FakeProvider::default()).await;
    let theirs = || {
        let (key, set) = set("r0 A 198.51.100.9");
        harness.fake.lock().zone.insert(key, set);
    };
    theirs();
    sleep(Duration::from_mins(17)).await;
    assert_eq!(harness.records(), ["r0 A 192.0.2.1"], "once it is corrected");
    theirs();
    sleep(Duration::from_mins(17)).await;
    assert_eq!(
        (harness.records(), harness.shared.state().contested()),
        (vec!["r0 A 198.51.100.9".to_owned()], 1)
    );
    harness.request_list();
    harness.rest().await;
    assert_eq!(
        (harness.records(), harness.shared.state().contested()),
        (vec!["r0 A 192.0.2.1".to_owned()], 0)
    );
}

/// D3: a restart remembers what was published, by the status, and takes nothing else for its own.
#[tokio::test(start_paused = true)]
async fn after_a_restart_only_what_was_published_here_is_deleted() {
    let harness = Harness::begin(SYNC, &some(5), FakeProvider::default()).await;
    for (key, set) in fake_zone::marked("theirs A 192.0.2.66", "home", "dnsrecord/n/theirs") {
        harness.fake.lock().zone.insert(key, set);
    }
    let harness = harness.restart(SYNC, &some(4)).await;
    assert_eq!(
        harness.records(),
        [
            "r0 A 192.0.2.1",
            "r1 A 192.0.2.1",
            "r2 A 192.0.2.1",
            "r3 A 192.0.2.1",
            "theirs A 192.0.2.66"
        ]
    );
    assert_eq!(harness.shared.state().deletes.parked.len(), 1);
}
