//! The process dies at any call, or the answer of any call is lost: the end is that of an undisturbed run.
use super::*;

/// A zone with everything in it: records of ours that are right, changed, unwanted or of another type, and foreign ones.
fn beginning() -> FakeProvider {
    let fake = FakeProvider::default();
    let ours = [
        "r0 A 192.0.2.1",
        "r1 A 192.0.2.50",
        "gone A 192.0.2.1",
        "gone2 AAAA 2001:db8::1",
        "r2 CNAME x.example.net",
    ];
    for text in ours {
        let object = text.split(' ').next().unwrap();
        let resource = format!("dnsrecord/n/{object}");
        let sets = fake_zone::marked(text, "home", &resource);
        fake.lock().past.insert(&sets[0].0, Some(&resource), &sets[0].1);
        for (key, set) in sets {
            fake.lock().zone.insert(key, set);
        }
    }
    let (key, theirs) = set("r3 A 198.51.100.1");
    fake.lock().zone.insert(key, theirs);
    fake.lock().bad = vec!["r4.example.org".to_owned()];
    fake
}

async fn undisturbed() -> (Vec<String>, usize) {
    let harness = Harness::begin(SYNC, &some(8), beginning()).await;
    (harness.lines(), harness.calls().len())
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_does_not_change_the_result() {
    let (end, calls) = undisturbed().await;
    assert_eq!(end.iter().filter(|line| !line.contains(" mark ")).count(), 7);
    assert!(calls >= 5);
    for n in 1..=calls {
        let fake = beginning();
        fake.lock().stops_at = Some(n);
        let harness = Harness::begin(SYNC, &some(8), fake).await;
        harness.fake.lock().stops_at = None;
        let harness = harness.restart(SYNC, &some(8)).await;
        assert_eq!(harness.lines(), end, "stopped at call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_any_kind_at_any_call_does_not_change_the_result() {
    let (end, calls) = undisturbed().await;
    let faults = [
        Fault::AnswerLost,
        Fault::Fails(unreachable()),
        Fault::Fails(ProviderError::Throttled(None)),
        Fault::Fails(ProviderError::Busy),
        Fault::Fails(ProviderError::NoSuchZone),
        Fault::Fails(refused(vec!["something is wrong".to_owned()])),
        Fault::Fails(refused(vec!["wrong: 'r1.example.org.'".to_owned()])),
    ];
    for fault in faults {
        for n in 0..calls {
            let fake = beginning();
            fake.lock().faults = vec![None; n].into();
            fake.lock().faults.push_back(Some(fault.clone()));
            let harness = Harness::begin(SYNC, &some(8), fake).await;
            sleep(Duration::from_mins(2)).await;
            assert_eq!(harness.lines(), end, "{fault:?} at call {n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_a_call_whose_answer_was_lost_does_not_change_the_result() {
    let (end, calls) = undisturbed().await;
    for n in 0..calls {
        let fake = beginning();
        fake.lock().faults = vec![None; n].into();
        fake.lock().faults.push_back(Some(Fault::AnswerLost));
        fake.lock().stops_at = Some(n + 2);
        let harness = Harness::begin(SYNC, &some(8), fake).await;
        harness.fake.lock().stops_at = None;
        let harness = harness.restart(SYNC, &some(8)).await;
        assert_eq!(harness.lines(), end, "lost at call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn random_faults_and_events_end_with_the_desired_records() {
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut harness = Harness::begin(SYNC, &[], FakeProvider::default()).await;
        let mut wanted: std::collections::BTreeMap<String, DNSRecord> = std::collections::BTreeMap::new();
        for _ in 0..40 {
            let name = format!("r{}", random.u8(..12));
            if random.u8(..3) == 0 {
                if let Some(gone) = wanted.remove(&name) {
                    harness.drop(&gone);
                }
            } else {
                let new = record(&name, &format!("192.0.2.{}", random.u8(..)));
                harness.put(&new);
                wanted.insert(name, new);
            }
            let fault = match random.u8(..6) {
                0 => Some(Fault::AnswerLost),
                1 => Some(Fault::Fails(unreachable())),
                2 => Some(Fault::Fails(refused(vec!["no".to_owned()]))),
                _ => None,
            };
            harness.fake.lock().faults.push_back(fault);
            sleep(Duration::from_millis(random.u64(..900))).await;
            if random.u8(..15) == 0 {
                let all: Vec<DNSRecord> = wanted.values().cloned().collect();
                harness = harness.restart(SYNC, &all).await;
            }
        }
        harness.fake.lock().faults.clear();
        sleep(Duration::from_mins(10)).await;
        // Nothing shows that this cluster made what the last process did not see arrive, if its object went meanwhile.
        let hash = Some(harness.shared.state().deletes.hash());
        harness.instructions.send_modify(|instructions| {
            instructions.config = Arc::new(Config {
                confirmed: hash,
                ..(*instructions.config).clone()
            });
        });
        harness.rest().await;
        let expected: Vec<String> = wanted
            .values()
            .map(|one| format!("{} A {}", one.spec.name, one.spec.targets[0]))
            .collect();
        assert_eq!(harness.records(), expected, "seed {seed}");
    }
}
