//! Random histories: counts never drift, everything settles, and the result does not depend on the order of events.
use std::collections::HashMap;

use super::*;
use crate::dialect::Dialect;
use crate::zone::state::names::NameState;

fn config_with(policy: &str, dialect: &Dialect) -> Config {
    Config {
        dialect: dialect.clone(),
        ..config(&format!("policy: {policy}, deleteGuard: {{maxPercent: 100}}"))
    }
}

fn test_zone(dialect: &Dialect) -> TestZone {
    let config = config_with("Sync", dialect);
    TestZone::with(ZoneState::new(config, Guard::default()), RecordSets::default())
}

/// So many seeds with every dialect.
fn runs(seeds: u64) -> impl Iterator<Item = (u64, Dialect)> {
    let dialects = fake_zone::dialects().into_iter();
    dialects.flat_map(move |dialect| (0..seeds).map(move |seed| (seed, dialect.clone())))
}

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
fn step(zone: &mut TestZone, random: &mut fastrand::Rng) {
    zone.now += Mono::from_secs(random.u64(1..400));
    let dialect = zone.state.config.dialect.clone();
    match random.u8(..10) {
        0..4 => zone.put(&any_record(random)),
        4 => zone.drop(&any_record(random)),
        5 => {
            let foreign = ["a A 198.51.100.1", "b TXT \"theirs\"", "_owner.a.c TXT \"theirs\""][random.usize(..3)];
            let (key, set) = set(foreign);
            if zone.provider.at(&key.name).is_empty() {
                zone.provider.insert(key, set);
            }
        }
        6 => zone.list(),
        7 => {
            zone.complete.set(SourceKind::Record, random.bool());
            zone.state.reconsider_deletes();
        }
        8 => {
            let policy = ["Sync", "Sync", "UpsertOnly", "Observe"][random.usize(..4)];
            let config = config_with(policy, &dialect);
            zone.state.set_config(config);
        }
        _ => {}
    }
    let at = zone.at();
    let work = zone.state.prepare(zone.now, at, &zone.complete);
    for group in work.groups {
        let one = std::slice::from_ref(&group);
        match random.u8(..6) {
            0 => zone.state.postponed(one),
            1 => {
                let _ = fake_zone::change_at(&dialect, &mut zone.provider, &group.changes);
                zone.state.outcome_unknown(one);
                for change in &group.changes {
                    zone.state
                        .read(&change.key.name, zone.provider.at(&change.key.name).clone());
                }
            }
            _ => match fake_zone::change_at(&dialect, &mut zone.provider, &group.changes) {
                Ok(()) => _ = zone.state.accepted(one, at),
                Err(_) => zone.state.refused(&group, "no", zone.now, 0.5),
            },
        }
    }
    zone.recount();
}

#[test]
fn counts_never_drift_and_everything_settles() {
    for (seed, dialect) in runs(60) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut zone = test_zone(&dialect);
        for _ in 0..60 {
            step(&mut zone, &mut random);
        }
        zone.complete = ALL;
        zone.now += Mono::from_secs(100_000);
        zone.relist();
        assert_eq!(zone.relist(), 0, "seed {seed}");
        let totals = zone.state.totals();
        assert_eq!(totals.unlisted, 0);
        assert!(!syncs(&zone) || totals.pending == 0, "seed {seed}: {totals:?}");
        let in_flight = |state: &NameState| state.progress().is_some_and(|progress| progress.in_flight.is_some());
        assert!(zone.state.deletes.is_idle() && !zone.state.names.iter().any(|(_, state)| in_flight(state)));
        for foreign in zone.lines().iter().filter(|line| line.contains("theirs")) {
            assert!(foreign.contains("TXT"), "{foreign}");
        }
    }
}

fn syncs(zone: &TestZone) -> bool {
    zone.state.config.spec.policy == crate::crd::zone::Policy::Sync
}

#[test]
fn a_process_that_starts_with_the_final_objects_does_nothing() {
    for (seed, dialect) in runs(40) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut zone = test_zone(&dialect);
        let mut last: HashMap<ObjectKey, Facts> = HashMap::new();
        for _ in 0..30 {
            let facts = any_record(&mut random);
            if random.u8(..5) == 0 {
                zone.drop(&facts);
                last.remove(&facts.object.key);
            } else {
                zone.put(&facts);
                last.insert(facts.object.key.clone(), facts);
            }
            zone.settle();
        }
        let before = zone.lines();
        let objects: Vec<Facts> = last.into_values().collect();
        let again = restarted(&zone, &objects, ALL);
        assert_eq!(again.lines(), before, "seed {seed}");
    }
}
