//! Batches that the provider refuses: one bad record never holds up the others.
use super::*;

fn bad(names: &[&str], silent: bool) -> Fake {
    let fake = Fake::default();
    fake.lock().bad = names.iter().map(|name| format!("{name}.example.org")).collect();
    fake.lock().silent = silent;
    fake
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_is_named_costs_a_few_calls() {
    let stage = Stage::begin(SYNC, &some(300), bad(&["r7"], false)).await;
    assert_eq!(stage.records().len(), 299);
    assert!(stage.fake.lock().calls.len() <= 7, "{:?}", stage.calls());
    let totals = stage.shared.state().totals();
    assert_eq!((totals.failed, totals.owned), (1, 299));
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_nobody_names_is_found_by_halving() {
    let stage = Stage::begin(SYNC, &some(256), bad(&["r7"], true)).await;
    assert_eq!(stage.records().len(), 255);
    let calls = stage.calls();
    assert!(calls.len() <= 2 * 8 + 6, "{} {calls:?}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn twelve_bad_records_do_not_hold_up_the_others_or_the_provider() {
    let names: Vec<String> = (0..12).map(|n| format!("r{}", n * 17)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for silent in [false, true] {
        let stage = Stage::begin(SYNC, &some(256), bad(&names, silent)).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(stage.records().len(), 244, "silent: {silent}");
        let calls = stage.calls();
        let most = if silent { 160 } else { 40 };
        assert!(calls.len() <= most, "silent: {silent}, {} calls", calls.len());
        // Then they are tried alone, less and less often, and nothing else is done.
        sleep(Duration::from_hours(1)).await;
        let calls = stage.calls();
        assert!(calls.len() < 12 * 3 * 8, "{}", calls.len());
        assert_eq!(stage.shared.state().totals().failed, 12);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_is_mended_is_published_at_once() {
    let stage = Stage::begin(SYNC, &some(3), bad(&["r1"], false)).await;
    stage.fake.lock().bad.clear();
    stage.put(&record("r1", "192.0.2.9"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.records()[1], "r1 A 192.0.2.9");
    assert_eq!(stage.shared.state().totals().failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_in_a_message_is_not_guilty_for_being_mentioned() {
    // The message speaks of the zone itself and of the target of an alias.
    let spec = "{name: a, type: A, targets: [r0.example.org], route53: {alias: true}}";
    let mut alias = DNSRecord::new("a", serde_saphyr::from_str(spec).unwrap());
    alias.metadata.namespace = Some("n".to_owned());
    let fake = Fake::default();
    let (key, old) = set("r0 A 198.51.100.1");
    fake.lock().zone.insert(key, old);
    let stage = Stage::begin(SYNC, &[alias], fake).await;
    assert_eq!(stage.records().len(), 2);
    stage.fake.lock().bad = vec!["r5.example.org".to_owned()];
    stage.fake.lock().faults = [Some(Fault::Fails(ProviderError::Refused(vec![
        "RRSet with DNS name r5.example.org. is not permitted in zone example.org.".to_owned(),
    ])))]
    .into();
    let mut all = some(10);
    all.push(record("@", "192.0.2.1"));
    all.iter().skip(1).for_each(|one| stage.put(one));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(stage.records().len(), 2 + 9, "{:?}", stage.records());
    assert_eq!(stage.shared.state().totals().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_somebody_makes_between_looks_is_never_overwritten() {
    let stage = Stage::begin(SYNC, &some(2), Fake::default()).await;
    stage.calls();
    let (key, theirs) = set("r5 A 198.51.100.1");
    stage.fake.lock().zone.insert(key, theirs);
    some(10).iter().skip(2).for_each(|one| stage.put(one));
    stage.rest().await;
    assert_eq!(
        (stage.records().len(), stage.records()[5].as_str()),
        (10, "r5 A 198.51.100.1")
    );
    assert_eq!(stage.shared.state().totals().conflicted, 1);
    assert!(stage.calls().len() <= 5);
    // And one that somebody changes is found out before it is changed.
    let (key, theirs) = set("r1 A 198.51.100.9");
    stage.fake.lock().zone.insert(key, theirs);
    stage.put(&record("r1", "192.0.2.2"));
    stage.rest().await;
    assert_eq!(stage.records()[1], "r1 A 192.0.2.2");
    assert_eq!(stage.calls(), ["change 2", "read r1.example.org", "change 2"]);
}

#[tokio::test(start_paused = true)]
async fn many_foreign_records_at_once_cost_one_look() {
    let stage = Stage::begin(SYNC, &[], Fake::default()).await;
    stage.calls();
    for n in 0..50 {
        let (key, theirs) = set(&format!("r{n} A 198.51.100.1"));
        stage.fake.lock().zone.insert(key, theirs);
    }
    for one in &some(100) {
        stage.put(one);
    }
    stage.rest().await;
    let ours = stage
        .records()
        .iter()
        .filter(|line| line.ends_with("192.0.2.1"))
        .count();
    assert_eq!((ours, stage.shared.state().totals().conflicted), (50, 50));
    assert_eq!(stage.calls(), ["change 200", "change 100", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_too_big_for_any_batch_holds_up_nobody() {
    let values: Vec<String> = (0..1001).map(|n| format!("'10.0.{}.{}'", n / 250, n % 250)).collect();
    let spec = format!("{{name: big, type: A, targets: [{}]}}", values.join(","));
    let mut big = DNSRecord::new("big", serde_saphyr::from_str(&spec).unwrap());
    big.metadata.namespace = Some("n".to_owned());
    let mut all = some(3);
    all.push(big);
    let stage = Stage::begin(SYNC, &all, Fake::default()).await;
    assert_eq!((stage.records().len(), stage.shared.state().totals().failed), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_another_cluster_with_our_owner_made_meanwhile_is_left_to_it() {
    let stage = Stage::begin(SYNC, &some(3), Fake::default()).await;
    for (key, set) in strict::marked("www A 192.0.2.66", "home", "dnsrecord/elsewhere/www") {
        stage.fake.lock().zone.insert(key, set);
    }
    stage.put(&record("www", "192.0.2.9"));
    stage.rest().await;
    assert_eq!(stage.records()[3], "www A 192.0.2.66");
    stage.ask_for_a_look();
    stage.rest().await;
    stage.drop(&record("www", "192.0.2.9"));
    stage.rest().await;
    assert_eq!(stage.records()[3], "www A 192.0.2.66");
    assert_eq!(stage.shared.state().awaited(), 1);
}
