//! The provider is unreachable, slow, or denies access: nothing is lost, nothing is done twice, and retries are few.
use super::*;

async fn through(fault: Fault) -> Harness {
    let harness = Harness::begin(SYNC, &some(2), FakeProvider::default()).await;
    harness.calls();
    harness.fake.lock().faults = [Some(fault)].into();
    harness.put(&record("r5", "192.0.2.5"));
    harness.put(&record("r1", "192.0.2.9"));
    harness.rest().await;
    assert_eq!(
        harness.records(),
        ["r0 A 192.0.2.1", "r1 A 192.0.2.9", "r5 A 192.0.2.5"]
    );
    assert_eq!(harness.shared.provider_status().error, None);
    assert!(harness.shared.state().goes_quiet());
    harness
}

impl ZoneState {
    /// Nothing is left to do, whatever the time.
    fn goes_quiet(&self) -> bool {
        !self.has_work(Mono::MAX) && self.totals().pending == 0 && self.totals().failed == 0
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_a_busy_zone_are_waited_out() {
    for error in [ProviderError::Throttled(None), ProviderError::Busy] {
        let harness = through(Fault::Fails(error)).await;
        assert_eq!(harness.calls(), ["change 4", "change 4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asks_for_is_kept() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    harness.calls();
    harness.fake.lock().faults = [Some(Fault::Fails(ProviderError::Throttled(Some(Duration::from_mins(
        2,
    )))))]
    .into();
    harness.put(&record("r1", "192.0.2.9"));
    sleep(Duration::from_secs(115)).await;
    assert_eq!(harness.calls(), ["change 2"]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(harness.calls(), ["change 2"]);
    assert_eq!(harness.records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_zone_is_read_and_nothing_is_done_twice() {
    let harness = through(Fault::AnswerLost).await;
    let calls = harness.calls();
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("change")).count(),
        1,
        "{calls:?}"
    );
    let harness = through(Fault::Fails(unreachable())).await;
    let calls = harness.calls();
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("change")).count(),
        2,
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_big_batch_costs_one_list() {
    let fake = FakeProvider::default();
    fake.lock().faults = [None, Some(Fault::AnswerLost)].into();
    let harness = Harness::begin(SYNC, &some(200), fake).await;
    assert_eq!(harness.records().len(), 200);
    assert_eq!(harness.calls(), ["list", "change 400", "list"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_loses_nothing() {
    let harness = Harness::begin(SYNC, &some(3), FakeProvider::default()).await;
    harness.calls();
    harness.fake.lock().down = Some(unreachable());
    for n in 0..10 {
        harness.put(&record("r1", &format!("192.0.2.{n}")));
        harness.put(&record(&format!("new{n}"), "192.0.2.1"));
        sleep(Duration::from_mins(1)).await;
    }
    harness.drop(&record("r2", "192.0.2.1"));
    let calls = harness.calls();
    assert!((8..=30).contains(&calls.len()), "{}", calls.len());
    assert_eq!(harness.shared.provider_status().error, Some(unreachable()));
    let waiting = harness.shared.state().totals_while_unreachable().pending;
    assert_eq!(waiting, 11, "r1 and ten new ones, planned or not");
    harness.fake.lock().down = None;
    sleep(Duration::from_secs(90)).await;
    assert_eq!(harness.records().len(), 12);
    assert!(harness.records().contains(&"r1 A 192.0.2.9".to_owned()));
    assert_eq!(harness.shared.provider_status().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_removed_or_denied_zone_is_retried_slowly_and_at_once_on_request() {
    let denied = ProviderError::Denied {
        operation: "route53:ChangeResourceRecordSets",
        code: "AccessDenied".to_owned(),
    };
    for error in [ProviderError::NoSuchZone, denied] {
        let harness = Harness::begin(SYNC, &some(3), FakeProvider::default()).await;
        harness.calls();
        harness.fake.lock().down = Some(error.clone());
        harness.put(&record("r1", "192.0.2.9"));
        sleep(Duration::from_mins(30)).await;
        let calls = harness.calls();
        assert!((5..=25).contains(&calls.len()), "{}", calls.len());
        assert_eq!(harness.shared.provider_status().error, Some(error));
        harness.fake.lock().down = None;
        harness.request_list();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(harness.calls(), ["list", "change 2"]);
        assert_eq!(harness.records()[1], "r1 A 192.0.2.9");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_deletes_nothing_and_is_repeated() {
    let fake = FakeProvider::default();
    let harness = Harness::begin(SYNC, &some(3), fake.clone()).await;
    fake.lock().faults = [Some(Fault::Fails(ProviderError::Unreachable(
        "a truncated list".to_owned(),
    )))]
    .into();
    harness.calls();
    harness.request_list();
    harness.rest().await;
    assert_eq!(harness.calls(), ["list", "list"]);
    assert_eq!(harness.records().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_the_first_list_is_throttled() {
    let fake = FakeProvider::default();
    let fault = Some(Fault::Fails(ProviderError::Throttled(None)));
    fake.lock().faults = [fault.clone(), fault.clone(), fault].into();
    let harness = Harness::begin(SYNC, &some(2), fake).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(harness.calls(), ["list", "list", "list", "list", "change 4"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_after_the_term() {
    let (mut throne, leadership) = TestLeadership::empty();
    throne.give();
    let fake = FakeProvider::default();
    let harness = Harness::around(
        new_object_cache(),
        SYNC,
        fake,
        &leadership,
        Guard::default(),
        Fingerprints::default(),
    )
    .await;
    harness.list(&some(2000));
    while !harness.fake.lock().calls.iter().any(|call| call.starts_with("change")) {
        sleep(Duration::from_millis(1)).await;
    }
    throne.take();
    let calls = harness.calls().len();
    timeout(Duration::from_secs(5), harness.task).await.unwrap().unwrap();
    sleep(Duration::from_hours(1)).await;
    assert_eq!((calls, harness.fake.lock().calls.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_record_created_just_before_the_call_is_not_overwritten() {
    let harness = Harness::begin(SYNC, &some(2), FakeProvider::default()).await;
    harness.fake.lock().faults = [Some(Fault::Foreign("r7 A 198.51.100.1"))].into();
    harness.put(&record("r7", "192.0.2.7"));
    harness.put(&record("r8", "192.0.2.8"));
    harness.rest().await;
    assert!(harness.records().contains(&"r7 A 198.51.100.1".to_owned()));
    assert!(harness.records().contains(&"r8 A 192.0.2.8".to_owned()));
}
