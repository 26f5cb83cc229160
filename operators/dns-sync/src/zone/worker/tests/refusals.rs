//! Batches that the provider refuses: one bad record never holds up the others.
use super::*;
use crate::provider::Refusal;

fn bad(names: &[&str], silent: bool) -> FakeProvider {
    let fake = FakeProvider::default();
    fake.lock().bad = names.iter().map(|name| format!("{name}.example.org")).collect();
    fake.lock().silent = silent;
    fake
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_is_named_costs_a_few_calls() {
    let harness = Harness::begin(SYNC, &some(300), bad(&["r7"], false)).await;
    assert_eq!(harness.records().len(), 299);
    assert!(harness.fake.lock().calls.len() <= 7, "{:?}", harness.calls());
    let totals = harness.shared.state().totals();
    assert_eq!((totals.failed, totals.owned), (1, 299));
}

#[tokio::test(start_paused = true)]
async fn whom_a_provider_blames_needs_no_text_that_names_it() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    harness.calls();
    let refusal = Refusal {
        messages: vec!["two records are wrong".to_owned()],
        blamed: ["r3", "_owner.a.r5"].map(fake_zone::name).to_vec(),
    };
    harness.fake.lock().faults = [Some(Fault::Fails(ProviderError::Refused(refusal)))].into();
    for one in &some(8) {
        harness.put(one);
    }
    harness.rest().await;
    // Both are read at once, and go alone, since nothing has changed at their names.
    let names = ["_owner.a.r3", "_owner.a.r5", "r3", "r5"].map(|name| format!("read {name}.example.org"));
    let calls = harness.calls();
    assert_eq!((calls[0].as_str(), &calls[1..5]), ("change 16", &names[..]));
    assert_eq!(calls[5..], ["change 12", "change 2", "change 2"]);
    assert_eq!(harness.records().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_no_message_names_is_found_by_halving() {
    let harness = Harness::begin(SYNC, &some(256), bad(&["r7"], true)).await;
    assert_eq!(harness.records().len(), 255);
    let calls = harness.calls();
    assert!(calls.len() <= 2 * 8 + 6, "{} {calls:?}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn twelve_bad_records_do_not_delay_the_others_or_flood_the_provider() {
    let names: Vec<String> = (0..12).map(|n| format!("r{}", n * 17)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for silent in [false, true] {
        let harness = Harness::begin(SYNC, &some(256), bad(&names, silent)).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(harness.records().len(), 244, "silent: {silent}");
        let calls = harness.calls();
        let most = if silent { 160 } else { 40 };
        assert!(calls.len() <= most, "silent: {silent}, {} calls", calls.len());
        // Then they are tried alone, less and less often, and nothing else is done.
        sleep(Duration::from_hours(1)).await;
        let calls = harness.calls();
        assert!(calls.len() < 12 * 3 * 8, "{}", calls.len());
        assert_eq!(harness.shared.state().totals().failed, 12);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_record_that_is_fixed_is_published_at_once() {
    let harness = Harness::begin(SYNC, &some(3), bad(&["r1"], false)).await;
    harness.fake.lock().bad.clear();
    harness.put(&record("r1", "192.0.2.9"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(harness.records()[1], "r1 A 192.0.2.9");
    assert_eq!(harness.shared.state().totals().failed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_message_only_mentions_is_not_refused() {
    // The message names the zone itself and the target of an alias.
    let spec = "{name: a, type: A, targets: [r0.example.org], route53: {alias: true}}";
    let mut alias = DNSRecord::new("a", serde_saphyr::from_str(spec).unwrap());
    alias.metadata.namespace = Some("n".to_owned());
    let fake = FakeProvider::default();
    let (key, old) = set("r0 A 198.51.100.1");
    fake.lock().zone.insert(key, old);
    let harness = Harness::begin(SYNC, &[alias], fake).await;
    assert_eq!(harness.records().len(), 2);
    harness.fake.lock().bad = vec!["r5.example.org".to_owned()];
    harness.fake.lock().faults = [Some(Fault::Fails(refused(vec![
        "RRSet with DNS name r5.example.org. is not permitted in zone example.org.".to_owned(),
    ])))]
    .into();
    let mut all = some(10);
    all.push(record("@", "192.0.2.1"));
    all.iter().skip(1).for_each(|one| harness.put(one));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(harness.records().len(), 2 + 9, "{:?}", harness.records());
    assert_eq!(harness.shared.state().totals().failed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_somebody_creates_between_lists_is_never_overwritten() {
    let harness = Harness::begin(SYNC, &some(2), FakeProvider::default()).await;
    harness.calls();
    let (key, theirs) = set("r5 A 198.51.100.1");
    harness.fake.lock().zone.insert(key, theirs);
    some(10).iter().skip(2).for_each(|one| harness.put(one));
    harness.rest().await;
    assert_eq!(
        (harness.records().len(), harness.records()[5].as_str()),
        (10, "r5 A 198.51.100.1")
    );
    assert_eq!(harness.shared.state().totals().conflicted, 1);
    assert!(harness.calls().len() <= 5);
    // And one that somebody changes is found out before it is changed.
    let (key, theirs) = set("r1 A 198.51.100.9");
    harness.fake.lock().zone.insert(key, theirs);
    harness.put(&record("r1", "192.0.2.2"));
    harness.rest().await;
    assert_eq!(harness.records()[1], "r1 A 192.0.2.2");
    assert_eq!(harness.calls(), ["change 2", "read r1.example.org", "change 2"]);
}

#[tokio::test(start_paused = true)]
async fn many_foreign_records_at_once_cost_one_list() {
    let harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
    harness.calls();
    for n in 0..50 {
        let (key, theirs) = set(&format!("r{n} A 198.51.100.1"));
        harness.fake.lock().zone.insert(key, theirs);
    }
    for one in &some(100) {
        harness.put(one);
    }
    harness.rest().await;
    let ours = harness
        .records()
        .iter()
        .filter(|line| line.ends_with("192.0.2.1"))
        .count();
    assert_eq!((ours, harness.shared.state().totals().conflicted), (50, 50));
    assert_eq!(harness.calls(), ["change 200", "change 100", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_too_big_for_any_batch_does_not_delay_others() {
    let values: Vec<String> = (0..1001).map(|n| format!("'10.0.{}.{}'", n / 250, n % 250)).collect();
    let spec = format!("{{name: big, type: A, targets: [{}]}}", values.join(","));
    let mut big = DNSRecord::new("big", serde_saphyr::from_str(&spec).unwrap());
    big.metadata.namespace = Some("n".to_owned());
    let mut all = some(3);
    all.push(big);
    let harness = Harness::begin(SYNC, &all, FakeProvider::default()).await;
    assert_eq!(
        (harness.records().len(), harness.shared.state().totals().failed),
        (3, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_another_cluster_with_our_owner_made_meanwhile_is_left_to_it() {
    let harness = Harness::begin(SYNC, &some(3), FakeProvider::default()).await;
    for (key, set) in fake_zone::marked("www A 192.0.2.66", "home", "dnsrecord/elsewhere/www") {
        harness.fake.lock().zone.insert(key, set);
    }
    harness.put(&record("www", "192.0.2.9"));
    harness.rest().await;
    assert_eq!(harness.records()[3], "www A 192.0.2.66");
    harness.request_list();
    harness.rest().await;
    harness.drop(&record("www", "192.0.2.9"));
    harness.rest().await;
    assert_eq!(harness.records()[3], "www A 192.0.2.66");
    assert_eq!(harness.shared.state().awaited(), 1);
}
