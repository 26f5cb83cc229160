//! Random claims against random zones: rules that always hold.
use super::*;
use std::collections::BTreeMap;

const NAMES: [&str; 7] = ["foo", "bar", "a-foo", "*", "any", "@", "_owner.a.foo"];
const OBJECTS: [&str; 6] = [
    "service/a/x",
    "service/b/y",
    "ingress/a/x",
    "ingress/b/y",
    "dnsrecord/a/x",
    "dnsrecord/b/y",
];
const RECORDS: [&str; 12] = [
    "A 192.0.2.1",
    "A 192.0.2.1|192.0.2.2 ttl=60",
    "A 192.0.2.3 set=blue weight=1",
    "A 192.0.2.4 set=green weight=2",
    "AAAA 2001:db8::1",
    "AAAA 2001:db8::2 set=blue weight=1",
    "CNAME x.example.net",
    "CNAME y.example.net set=blue weight=7",
    "TXT \"hello\"",
    "MX 10~mail.example.net",
    "NS ns.example.net",
    "A 198.51.100.1",
];

fn pick<'a>(random: &mut fastrand::Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// A zone that the provider would permit, with records of ours, of other owners and without owner.
fn any_image(random: &mut fastrand::Rng, zone: &Zone) -> RecordSets {
    let Zone {
        affix, apex, dialect, ..
    } = zone;
    let has_routing = *dialect == fake_zone::dialect();
    let mut records = RecordSets::default();
    for _ in 0..random.usize(..12) {
        let at = pick(random, &NAMES);
        let record = pick(random, &RECORDS);
        let unmanaged = if has_routing && record.contains("set=") && random.u8(..4) == 0 {
            " unmanaged"
        } else {
            ""
        };
        let (key, set) = set(&format!("{at} {record}{unmanaged}"));
        let candidates = affix.candidates(&key.name, key.record_type, false, apex);
        let mut changes = vec![create(&key, &set)];
        if random.u8(..4) > 0 {
            let owner = if random.u8(..3) > 0 { US } else { "other" };
            let txt = SetKey {
                name: candidates[random.usize(..candidates.len())].name.clone(),
                record_type: RecordType::Txt,
                set_identifier: key.set_identifier.clone(),
            };
            let value = crate::ownership::txt::render(owner, pick(random, &OBJECTS));
            changes.push(create(&txt, &dialect.mark(value, &set)));
        }
        if unmanaged.is_empty() {
            let _ = fake_zone::change_at(dialect, &mut records, &changes);
        } else if changes.iter().all(|change| records.at(&change.key.name).is_empty()) {
            for change in &changes {
                records.apply(change);
            }
        }
    }
    records
}

fn any_claims(random: &mut fastrand::Rng) -> BTreeMap<Name, Vec<Claim>> {
    let mut all: BTreeMap<Name, Vec<Claim>> = BTreeMap::new();
    for _ in 0..random.usize(..8) {
        let at = pick(random, &NAMES[..6]);
        let what = if random.u8(..5) == 0 {
            "held"
        } else {
            pick(random, &RECORDS)
        };
        let claim = claim(&format!(
            "{} {at} {what} created={}",
            pick(random, &OBJECTS),
            random.u8(..3)
        ));
        all.entry(name(at)).or_default().push(claim);
    }
    all
}

fn any_zone(random: &mut fastrand::Rng, dialect: Dialect) -> Zone {
    let affixes = [
        Affix::new(None),
        affix("", "", ""),
        affix("", "", "any"),
        affix("txt.", "", ""),
        affix("%{record_type}", "", ""),
    ];
    Zone {
        policy: [Policy::Observe, Policy::CreateOnly, Policy::UpsertOnly, Policy::Sync][random.usize(..4)],
        affix: affixes[random.usize(..affixes.len())].clone(),
        absence: [Absence::Proven, Absence::Proven, Absence::Unlisted, Absence::Unwatched][random.usize(..4)],
        dialect,
        ..zone(Policy::Sync)
    }
}

fn names(records: &RecordSets, claims: &BTreeMap<Name, Vec<Claim>>) -> Vec<Name> {
    let mut all: Vec<Name> = records
        .iter()
        .map(|(name, _)| name)
        .chain(claims.keys())
        .cloned()
        .collect();
    all.sort();
    all.dedup();
    all
}

/// One name after the other, as the zone's state does it; what is sent goes through the strict model.
fn apply_all(zone: &Zone, claims: &BTreeMap<Name, Vec<Claim>>, records: &mut RecordSets) -> usize {
    let mut changed = 0;
    for name in names(records, claims) {
        let desired = claims.get(&name).map_or(&[][..], Vec::as_slice);
        let plan = plan(&name, desired, &[], records, &zone.rules(), |_, _| zone.absence);
        let before = records.clone();
        let mut group = plan.writes.clone();
        for (_, deletes) in &plan.deletes {
            let new: Vec<RecordChange> = deletes
                .iter()
                .filter(|change| !group.contains(change))
                .cloned()
                .collect();
            group.splice(0..0, new);
        }
        if group.is_empty() {
            continue;
        }
        permitted(zone, &plan, &group);
        only_ours(zone, &before, &group);
        fake_zone::change_at(&zone.dialect, records, &group).unwrap_or_else(|messages| {
            panic!(
                "{name}: {messages:?}\n{group:#?}\n{:#?}\n{desired:#?}",
                fake_zone::lines(&before)
            )
        });
        changed += group.len();
    }
    changed
}

/// Nothing that exists and is not marked as ours is changed or deleted, and nothing is made without a mark.
fn only_ours(zone: &Zone, records: &RecordSets, group: &[RecordChange]) {
    let rules = zone.rules();
    let mut after = records.clone();
    if let Err(messages) = fake_zone::change_at(&zone.dialect, &mut after, group) {
        panic!("{messages:?}\n{group:#?}\n{:#?}", fake_zone::lines(records));
    }
    for change in group {
        let is_mark = change.key.record_type == RecordType::Txt && heritage(&change.set).is_some();
        match change.action {
            Action::Delete if is_mark => assert_eq!(heritage(&change.set).unwrap().owner.as_deref(), Some(US)),
            Action::Delete => {
                let owner = rules.marks.owner(records, &change.key, &change.set);
                assert!(matches!(owner, Owner::Ours(_)), "{change:?}");
                assert_ne!(change.set.routing, Routing::Unmanaged);
            }
            Action::Create if is_mark => {}
            Action::Create => {
                let owner = rules.marks.owner(&after, &change.key, &change.set);
                assert!(matches!(owner, Owner::Ours(_)), "made without ownership: {change:?}");
            }
        }
    }
}

fn permitted(zone: &Zone, plan: &NamePlan, group: &[RecordChange]) {
    let deletes = |change: &&RecordChange| change.action == Action::Delete && heritage(&change.set).is_none();
    match zone.policy {
        Policy::Observe => assert!(group.is_empty()),
        Policy::CreateOnly => assert_eq!(group.iter().filter(deletes).count(), 0),
        Policy::UpsertOnly => assert!(plan.deletes.is_empty() && plan.unwatched.is_empty()),
        Policy::Sync => {}
    }
}

/// So many seeds with every dialect.
fn runs(seeds: u64) -> impl Iterator<Item = (u64, Dialect)> {
    let dialects = fake_zone::dialects().into_iter();
    dialects.flat_map(move |dialect| (0..seeds).map(move |seed| (seed, dialect.clone())))
}

#[test]
fn what_is_planned_is_permitted_touches_only_ours_and_leaves_nothing_to_do() {
    for (seed, dialect) in runs(600) {
        let mut random = fastrand::Rng::with_seed(seed);
        let zone = any_zone(&mut random, dialect);
        let mut records = any_image(&mut random, &zone);
        let claims = any_claims(&mut random);
        let start = records.clone();
        // Names that wait for each other's owner records take a second round.
        let rounds: Vec<usize> = (0..4).map(|_| apply_all(&zone, &claims, &mut records)).collect();
        assert_eq!(
            rounds[3],
            0,
            "seed {seed}, {}: {rounds:?}\n{:#?}\n{:#?}",
            zone.dialect.name(),
            fake_zone::lines(&start),
            fake_zone::lines(&records)
        );
    }
}

#[test]
fn every_object_gets_a_verdict_for_what_it_wants() {
    for (seed, dialect) in runs(300) {
        let mut random = fastrand::Rng::with_seed(seed);
        let zone = any_zone(&mut random, dialect);
        let records = any_image(&mut random, &zone);
        for (name, desired) in any_claims(&mut random) {
            let plan = plan(&name, &desired, &[], &records, &zone.rules(), |_, _| zone.absence);
            for claim in desired.iter().filter(|claim| claim.endpoint.is_some()) {
                assert!(
                    plan.verdicts.iter().any(|(object, _, _)| *object == claim.object),
                    "seed {seed}"
                );
            }
        }
    }
}
