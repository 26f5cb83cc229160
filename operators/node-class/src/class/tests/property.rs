//! Random nodes, classes and meddlers: rules that hold whatever happens.
use super::*;
use crate::facts::Texts;

fn pick<'a>(random: &mut fastrand::Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const VALUES: [&str; 3] = ["", "1", "2"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

fn any_pairs<'a>(random: &mut fastrand::Rng) -> Vec<(&'a str, &'a str)> {
    (0..random.usize(..4))
        .map(|_| (pick(random, &KEYS), pick(random, &VALUES)))
        .collect()
}

fn any_taints(random: &mut fastrand::Rng, most: usize) -> Vec<Taint> {
    let mut taints: Vec<Taint> = Vec::new();
    for _ in 0..random.usize(..=most) {
        let new = taint(&format!(
            "{}={}:{}",
            pick(random, &KEYS),
            pick(random, &VALUES),
            pick(random, &EFFECTS)
        ));
        if !taints
            .iter()
            .any(|one| (&one.key, &one.effect) == (&new.key, &new.effect))
        {
            taints.push(new);
        }
    }
    taints
}

fn any_wanted(random: &mut fastrand::Rng) -> Wanted {
    let texts: Vec<String> = any_taints(random, 4)
        .iter()
        .map(|taint| {
            format!(
                "{}={}:{}",
                taint.key,
                taint.value.clone().unwrap_or_default(),
                taint.effect
            )
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut with = wanted(&any_pairs(random), &[], &texts);
    let key = pick(random, &KEYS).to_owned();
    match random.u8(..6) {
        0 => drop(with.frozen.insert(format!("label {key}"))),
        1 => drop(with.frozen.insert(format!("taint {key}:{}", pick(random, &EFFECTS)))),
        2 => drop(with.held.insert(format!("label {key}"))),
        _ => {}
    }
    with
}

/// What others have on a node.
fn theirs(node: &NodeFacts) -> (Texts, Vec<Taint>) {
    let mark = node
        .annotations
        .get(crd::OWNED_TAINTS)
        .cloned()
        .unwrap_or_else(|| intern(""));
    let shown = |taint: &Taint| match taint.value.as_deref().unwrap_or_default() {
        "" => format!("{}:{}", taint.key, taint.effect),
        value => format!("{}={value}:{}", taint.key, taint.effect),
    };
    let ours = |taint: &Taint| mark.split(',').any(|entry| entry == shown(taint));
    let mut labels = node.labels.clone();
    labels.retain(|key, _| !node.managers.our_labels.contains(key));
    (
        labels,
        node.taints.iter().filter(|taint| !ours(taint)).cloned().collect(),
    )
}

/// Another writer edits the node.
fn meddle(random: &mut fastrand::Rng, node: &mut NodeFacts) {
    let key = pick(random, &KEYS);
    match random.u8(..6) {
        0 => {
            // Whoever changes a value owns it.
            let value = intern(pick(random, &VALUES));
            if node.labels.get(key) != Some(&value) {
                node.managers.our_labels.remove(key);
            }
            node.labels.insert(intern(key), value);
        }
        1 => {
            node.labels.remove(key);
            node.managers.our_labels.remove(key);
        }
        2 => node.taints.retain(|taint| taint.key != key),
        3 => {
            let new = any_taints(random, 1);
            node.taints
                .retain(|taint| new.iter().all(|n| (&n.key, &n.effect) != (&taint.key, &taint.effect)));
            node.taints.extend(new);
        }
        4 => drop(node.annotations.remove(crd::OWNED_TAINTS)),
        _ => drop(node.annotations.insert(crd::OWNED_TAINTS.into(), "a:NoSchedule".into())),
    }
}

#[test]
fn others_keep_what_they_have_one_write_is_enough_and_a_first_pass_takes_nothing() {
    let (mut written, mut refused, mut kept) = (0, 0, 0);
    for seed in 0..1000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut node = node("n", &any_pairs(&mut random));
        node.taints = any_taints(&mut random, 3);
        for _ in 0..6 {
            let with = any_wanted(&mut random);
            let only_add = random.u8(..4) == 0;
            let before = node.clone();
            let plan = node_diff(&node, &with, &[], only_add);
            written += usize::from(plan != NodeDiff::default());
            refused += plan.refused.len();
            // Labels that others own together with us are none here: `meddle` takes them from us.
            write(&mut node, &plan, &BTreeSet::new());

            let (labels, taints) = theirs(&before);
            kept += labels.len() + taints.len();
            for (key, value) in &labels {
                assert_eq!(node.labels.get(key), Some(value), "seed {seed}: {before:?} {with:?}");
            }
            let still: Vec<&Taint> = node.taints.iter().filter(|taint| taints.contains(taint)).collect();
            assert_eq!(
                still,
                taints.iter().collect::<Vec<_>>(),
                "seed {seed}: {before:?} {with:?}"
            );
            if only_add {
                assert!(
                    before.taints.iter().all(|taint| node.taints.contains(taint)),
                    "seed {seed}"
                );
                assert!(
                    before
                        .labels
                        .iter()
                        .all(|(key, value)| node.labels.get(key) == Some(value)),
                    "seed {seed}"
                );
            }
            let again = node_diff(&node, &with, &[], only_add);
            assert_eq!(
                (again.apply, again.taints),
                (None, None),
                "seed {seed}: {before:?} {with:?}"
            );
            if !only_add {
                // All that is wanted is there or refused, and nothing of ours is there that is not wanted.
                for (key, (value, _)) in &with.labels {
                    let shown = format!("label {key}");
                    let done = node.labels.get(&**key) == Some(value)
                        || plan.refused.iter().any(|refused| refused.key == shown)
                        || with.frozen.contains(&shown)
                        || with.held.contains(&shown);
                    assert!(done, "seed {seed}: {key} {before:?} {with:?}");
                }
                let frozen = |key: &Text| with.frozen.contains(&format!("label {key}"));
                let orphan = |key: &&Text| !with.labels.contains_key(&***key) && !frozen(key);
                assert_eq!(node.managers.our_labels.iter().find(orphan), None, "seed {seed}");
            }
            for _ in 0..random.usize(..3) {
                meddle(&mut random, &mut node);
            }
        }
    }
    assert!(
        written > 2000 && refused > 700 && kept > 2000,
        "{written} {refused} {kept}"
    );
}

/// What classes want does not depend on the order in which they are listed, and every key that is wanted comes from a class
/// that has it.
#[test]
fn the_order_of_classes_does_not_matter() {
    let mut ties = 0;
    for seed in 0..1000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut classes: Vec<NodeClass> = ["p", "q", "r", "s"]
            .iter()
            .map(|name| {
                let pairs = map(&any_pairs(&mut random));
                let taints: Vec<Value> = any_taints(&mut random, 2)
                    .iter()
                    .map(|taint| json!({ "key": taint.key, "value": taint.value, "effect": taint.effect }))
                    .collect();
                class(
                    name,
                    json!({
                        "priority": random.i64(0..2), "labels": pairs, "taints": taints,
                        "dryRun": random.u8(..5) == 0, "suspend": random.u8(..5) == 0,
                    }),
                )
            })
            .collect();
        let node = node("n", &[]);
        let first = merged(&classes, &subject(&node));
        random.shuffle(&mut classes);
        let second = merged(&classes, &subject(&node));
        assert_eq!(first, second, "seed {seed}");
        ties += first
            .refused
            .iter()
            .filter(|refused| refused.why.contains("same priority"))
            .count();
        for (key, (value, by)) in first.labels.iter().filter(|(_, (_, by))| by.is_some()) {
            let by = classes
                .iter()
                .find(|class| class.metadata.name.as_deref() == by.as_deref())
                .unwrap();
            assert!(
                by.spec.labels.get(&**key).is_some_and(|its| **its == **value) && !by.spec.dry_run && !by.spec.suspend,
                "seed {seed}"
            );
            let better = classes.iter().any(|other| {
                let runs = !other.spec.dry_run && !other.spec.suspend && other.spec.labels.contains_key(&**key);
                runs && other.spec.priority > by.spec.priority
            });
            assert!(!better, "seed {seed}");
        }
    }
    assert!(ties > 250, "{ties}");
}
