//! The provider is away, slow, or says no: nothing is lost, nothing is done twice, and it is not pestered.
use super::*;

async fn through(fault: Fault) -> Stage {
    let stage = Stage::begin(SYNC, &some(2), Fake::default()).await;
    stage.calls();
    stage.fake.lock().faults = [Some(fault)].into();
    stage.put(&record("r5", "192.0.2.5"));
    stage.put(&record("r1", "192.0.2.9"));
    stage.rest().await;
    assert_eq!(stage.records(), ["r0 A 192.0.2.1", "r1 A 192.0.2.9", "r5 A 192.0.2.5"]);
    assert_eq!(stage.shared.standing().error, None);
    assert!(stage.shared.state().goes_quiet());
    stage
}

impl State {
    /// Nothing is left to do, whatever the time.
    fn goes_quiet(&self) -> bool {
        !self.has_work(Mono::MAX) && self.totals().pending == 0 && self.totals().failed == 0
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_a_busy_zone_are_waited_out() {
    for error in [ProviderError::Throttled(None), ProviderError::Busy] {
        let stage = through(Fault::Fails(error)).await;
        assert_eq!(stage.calls(), ["change 4", "change 4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_provider_asks_for_is_kept() {
    let stage = Stage::begin(SYNC, &[], Fake::default()).await;
    stage.calls();
    stage.fake.lock().faults = [Some(Fault::Fails(ProviderError::Throttled(Some(Duration::from_mins(
        2,
    )))))]
    .into();
    stage.put(&record("r1", "192.0.2.9"));
    sleep(Duration::from_secs(115)).await;
    assert_eq!(stage.calls(), ["change 2"]);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.calls(), ["change 2"]);
    assert_eq!(stage.records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_asked_for_and_nothing_is_done_twice() {
    let stage = through(Fault::AnswerLost).await;
    let calls = stage.calls();
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("change")).count(),
        1,
        "{calls:?}"
    );
    let stage = through(Fault::Fails(unreachable())).await;
    let calls = stage.calls();
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("change")).count(),
        2,
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_big_batch_costs_one_look() {
    let fake = Fake::default();
    fake.lock().faults = [None, Some(Fault::AnswerLost)].into();
    let stage = Stage::begin(SYNC, &some(200), fake).await;
    assert_eq!(stage.records().len(), 200);
    assert_eq!(stage.calls(), ["list", "change 400", "list"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_loses_nothing() {
    let stage = Stage::begin(SYNC, &some(3), Fake::default()).await;
    stage.calls();
    stage.fake.lock().down = Some(unreachable());
    for n in 0..10 {
        stage.put(&record("r1", &format!("192.0.2.{n}")));
        stage.put(&record(&format!("new{n}"), "192.0.2.1"));
        sleep(Duration::from_mins(1)).await;
    }
    stage.drop(&record("r2", "192.0.2.1"));
    let calls = stage.calls();
    assert!((8..=30).contains(&calls.len()), "{}", calls.len());
    assert_eq!(stage.shared.standing().error, Some(unreachable()));
    let waiting = stage.shared.state().totals_away().pending;
    assert_eq!(waiting, 11, "r1 and ten new ones, planned or not");
    stage.fake.lock().down = None;
    sleep(Duration::from_secs(90)).await;
    assert_eq!(stage.records().len(), 12);
    assert!(stage.records().contains(&"r1 A 192.0.2.9".to_owned()));
    assert_eq!(stage.shared.standing().error, None);
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_gone_or_closed_is_asked_for_patiently_and_at_once_on_request() {
    let denied = ProviderError::Denied {
        operation: "route53:ChangeResourceRecordSets",
        code: "AccessDenied".to_owned(),
    };
    for error in [ProviderError::NoSuchZone, denied] {
        let stage = Stage::begin(SYNC, &some(3), Fake::default()).await;
        stage.calls();
        stage.fake.lock().down = Some(error.clone());
        stage.put(&record("r1", "192.0.2.9"));
        sleep(Duration::from_mins(30)).await;
        let calls = stage.calls();
        assert!((5..=25).contains(&calls.len()), "{}", calls.len());
        assert_eq!(stage.shared.standing().error, Some(error));
        stage.fake.lock().down = None;
        stage.ask_for_a_look();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(stage.calls(), ["list", "change 2"]);
        assert_eq!(stage.records()[1], "r1 A 192.0.2.9");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_deletes_nothing_and_is_repeated() {
    let fake = Fake::default();
    let stage = Stage::begin(SYNC, &some(3), fake.clone()).await;
    fake.lock().faults = [Some(Fault::Fails(ProviderError::Unreachable(
        "a truncated list".to_owned(),
    )))]
    .into();
    stage.calls();
    stage.ask_for_a_look();
    stage.rest().await;
    assert_eq!(stage.calls(), ["list", "list"]);
    assert_eq!(stage.records().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_first_look_writes_nothing_before_it_has_looked() {
    let fake = Fake::default();
    let fault = Some(Fault::Fails(ProviderError::Throttled(None)));
    fake.lock().faults = [fault.clone(), fault.clone(), fault].into();
    let stage = Stage::begin(SYNC, &some(2), fake).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stage.calls(), ["list", "list", "list", "list", "change 4"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_after_the_term() {
    let (mut throne, leadership) = TestLeadership::empty();
    throne.give();
    let fake = Fake::default();
    let stage = Stage::around(new_world(), SYNC, fake, &leadership, Guard::default()).await;
    stage.list(&some(2000));
    while !stage.fake.lock().calls.iter().any(|call| call.starts_with("change")) {
        sleep(Duration::from_millis(1)).await;
    }
    throne.take();
    let calls = stage.calls().len();
    timeout(Duration::from_secs(5), stage.task).await.unwrap().unwrap();
    sleep(Duration::from_hours(1)).await;
    assert_eq!((calls, stage.fake.lock().calls.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_record_in_the_very_moment_of_the_call_is_not_overwritten() {
    let stage = Stage::begin(SYNC, &some(2), Fake::default()).await;
    stage.fake.lock().faults = [Some(Fault::Foreign("r7 A 198.51.100.1"))].into();
    stage.put(&record("r7", "192.0.2.7"));
    stage.put(&record("r8", "192.0.2.8"));
    stage.rest().await;
    assert!(stage.records().contains(&"r7 A 198.51.100.1".to_owned()));
    assert!(stage.records().contains(&"r8 A 192.0.2.8".to_owned()));
}
