//! Random histories: counts never drift, everything comes to rest, and the end does not depend on the way.
use super::*;

fn any_record(random: &mut fastrand::Rng) -> Facts {
    let object = format!("o{}", random.u8(..6));
    let at = ["a", "b", "c", "@", "*"][random.usize(..5)];
    let what = [
        "type: A, targets: ['192.0.2.1']",
        "type: A, targets: ['192.0.2.2']",
        "type: A, targets: [nonsense]",
        "type: AAAA, targets: ['2001:db8::1']",
        "type: CNAME, targets: [x.example.net]",
        "type: TXT, targets: [hello]",
        "type: A, targets: ['192.0.2.3'], route53: {setIdentifier: blue, weight: 1}",
        "type: A, targets: [a.example.org], route53: {alias: true}",
        "type: A, targets: ['192.0.2.4'], suspend: true",
    ][random.usize(..9)];
    record(&object, &format!("{{name: '{at}', {what}}}"))
}

/// What happens in one step; the batch of a group fails in every way that it can.
fn step(bench: &mut Bench, random: &mut fastrand::Rng) {
    bench.now += Mono::from_secs(random.u64(1..400));
    match random.u8(..10) {
        0..4 => bench.put(&any_record(random)),
        4 => bench.drop(&any_record(random)),
        5 => {
            let foreign = ["a A 198.51.100.1", "b TXT \"theirs\"", "_owner.a.c TXT \"theirs\""][random.usize(..3)];
            let (key, set) = set(foreign);
            if bench.provider.at(&key.name).is_empty() {
                bench.provider.insert(key, set);
            }
        }
        6 => bench.list(),
        7 => {
            bench.complete.records = random.bool();
            bench.state.reconsider_deletes();
        }
        8 => {
            let policy = ["Sync", "Sync", "UpsertOnly", "Observe"][random.usize(..4)];
            bench
                .state
                .set_config(config(&format!("policy: {policy}, deleteGuard: {{maxPercent: 100}}")));
        }
        _ => {}
    }
    let at = bench.at();
    let work = bench.state.prepare(bench.now, at, &bench.complete);
    for group in work.groups {
        let one = std::slice::from_ref(&group);
        match random.u8(..6) {
            0 => bench.state.postponed(one),
            1 => {
                let _ = strict::change(&mut bench.provider, &group.changes);
                bench.state.lost(one);
                for change in &group.changes {
                    bench
                        .state
                        .read(&change.key.name, bench.provider.at(&change.key.name).clone());
                }
            }
            _ => match strict::change(&mut bench.provider, &group.changes) {
                Ok(()) => _ = bench.state.accepted(one, at),
                Err(_) => bench.state.refused(&group, "no", bench.now, 0.5),
            },
        }
    }
    bench.recount();
}

#[test]
fn counts_never_drift_and_everything_comes_to_rest() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new("policy: Sync, deleteGuard: {maxPercent: 100}");
        for _ in 0..60 {
            step(&mut bench, &mut random);
        }
        bench.complete = ALL;
        bench.now += Mono::from_secs(100_000);
        bench.look();
        assert_eq!(bench.look(), 0, "seed {seed}");
        let totals = bench.state.totals();
        assert_eq!(totals.unlisted, 0);
        assert!(!syncs(&bench) || totals.pending == 0, "seed {seed}: {totals:?}");
        assert!(
            bench.state.in_flight.is_empty() && bench.state.released.is_empty() && bench.state.uncertain.is_empty()
        );
        for foreign in bench.lines().iter().filter(|line| line.contains("theirs")) {
            assert!(foreign.contains("TXT"), "{foreign}");
        }
    }
}

fn syncs(bench: &Bench) -> bool {
    bench.state.config.spec.policy == crate::crd::zone::Policy::Sync
}

#[test]
fn a_process_that_knows_only_the_end_does_nothing() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new("policy: Sync, deleteGuard: {maxPercent: 100}");
        let mut last: HashMap<ObjectKey, Facts> = HashMap::new();
        for _ in 0..30 {
            let facts = any_record(&mut random);
            if random.u8(..5) == 0 {
                bench.drop(&facts);
                last.remove(&facts.key);
            } else {
                bench.put(&facts);
                last.insert(facts.key.clone(), facts);
            }
            bench.settle();
        }
        let before = bench.lines();
        let objects: Vec<Facts> = last.into_values().collect();
        let again = restarted(&bench, &objects, ALL);
        assert_eq!(again.lines(), before, "seed {seed}");
    }
}
