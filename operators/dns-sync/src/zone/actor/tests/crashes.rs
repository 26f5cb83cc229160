//! The process dies at any call, or the answer of any call is lost: the end is that of an undisturbed run.
use super::*;

/// A zone with everything in it: ours from before, changed, gone, another type; theirs.
fn beginning() -> Fake {
    let fake = Fake::default();
    let ours = [
        "r0 A 192.0.2.1",
        "r1 A 192.0.2.50",
        "gone A 192.0.2.1",
        "gone2 AAAA 2001:db8::1",
        "r2 CNAME x.example.net",
    ];
    for text in ours {
        let object = text.split(' ').next().unwrap();
        for (key, set) in strict::marked(text, "home", &format!("dnsrecord/n/{object}")) {
            fake.lock().zone.insert(key, set);
        }
    }
    let (key, theirs) = set("r3 A 198.51.100.1");
    fake.lock().zone.insert(key, theirs);
    fake.lock().bad = vec!["r4.example.org".to_owned()];
    fake
}

async fn undisturbed() -> (Vec<String>, usize) {
    let stage = Stage::begin(SYNC, &some(8), beginning()).await;
    (stage.lines(), stage.calls().len())
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_changes_nothing_about_the_end() {
    let (end, calls) = undisturbed().await;
    assert_eq!(end.iter().filter(|line| !line.contains(" mark ")).count(), 7);
    assert!(calls >= 5);
    for n in 1..=calls {
        let fake = beginning();
        fake.lock().stops_at = Some(n);
        let stage = Stage::begin(SYNC, &some(8), fake).await;
        stage.fake.lock().stops_at = None;
        let stage = stage.restart(SYNC, &some(8)).await;
        assert_eq!(stage.lines(), end, "stopped at call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_any_kind_at_any_call_changes_nothing_about_the_end() {
    let (end, calls) = undisturbed().await;
    let faults = [
        Fault::AnswerLost,
        Fault::Fails(unreachable()),
        Fault::Fails(ProviderError::Throttled(None)),
        Fault::Fails(ProviderError::Busy),
        Fault::Fails(ProviderError::NoSuchZone),
        Fault::Fails(ProviderError::Refused(vec!["something is wrong".to_owned()])),
        Fault::Fails(ProviderError::Refused(vec!["wrong: 'r1.example.org.'".to_owned()])),
    ];
    for fault in faults {
        for n in 0..calls {
            let fake = beginning();
            fake.lock().faults = vec![None; n].into();
            fake.lock().faults.push_back(Some(fault.clone()));
            let stage = Stage::begin(SYNC, &some(8), fake).await;
            sleep(Duration::from_mins(2)).await;
            assert_eq!(stage.lines(), end, "{fault:?} at call {n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_a_call_whose_answer_was_lost_changes_nothing_about_the_end() {
    let (end, calls) = undisturbed().await;
    for n in 0..calls {
        let fake = beginning();
        fake.lock().faults = vec![None; n].into();
        fake.lock().faults.push_back(Some(Fault::AnswerLost));
        fake.lock().stops_at = Some(n + 2);
        let stage = Stage::begin(SYNC, &some(8), fake).await;
        stage.fake.lock().stops_at = None;
        let stage = stage.restart(SYNC, &some(8)).await;
        assert_eq!(stage.lines(), end, "lost at call {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn random_faults_and_random_events_end_where_an_undisturbed_operator_ends() {
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut stage = Stage::begin(SYNC, &[], Fake::default()).await;
        let mut wanted: std::collections::BTreeMap<String, DNSRecord> = std::collections::BTreeMap::new();
        for _ in 0..40 {
            let name = format!("r{}", random.u8(..12));
            if random.u8(..3) == 0 {
                if let Some(gone) = wanted.remove(&name) {
                    stage.drop(&gone);
                }
            } else {
                let new = record(&name, &format!("192.0.2.{}", random.u8(..)));
                stage.put(&new);
                wanted.insert(name, new);
            }
            let fault = match random.u8(..6) {
                0 => Some(Fault::AnswerLost),
                1 => Some(Fault::Fails(unreachable())),
                2 => Some(Fault::Fails(ProviderError::Refused(vec!["no".to_owned()]))),
                _ => None,
            };
            stage.fake.lock().faults.push_back(fault);
            sleep(Duration::from_millis(random.u64(..900))).await;
            if random.u8(..15) == 0 {
                let all: Vec<DNSRecord> = wanted.values().cloned().collect();
                stage = stage.restart(SYNC, &all).await;
            }
        }
        stage.fake.lock().faults.clear();
        sleep(Duration::from_mins(10)).await;
        let expected: Vec<String> = wanted
            .values()
            .map(|one| format!("{} A {}", one.spec.name, one.spec.targets[0]))
            .collect();
        assert_eq!(stage.records(), expected, "seed {seed}");
    }
}
