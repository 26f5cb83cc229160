//! Cuts the changes of many names into batches that the provider takes, and finds the culprits of a refused one.
use std::collections::HashSet;

use crate::dialect::{Dialect, Size};
use crate::name::Name;
use crate::records::RecordChange;

/// All changes at one name and at its owner records: sent together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name that they are for.
    pub name: Name,
    /// Deletes before creates.
    pub changes: Vec<RecordChange>,
}

/// Cuts groups into batches within the provider's limit, in order. A group over the limit by itself comes back as the
/// second part: it can never be sent.
pub fn cut(groups: Vec<Group>, dialect: &Dialect) -> (Vec<Vec<Group>>, Vec<Group>) {
    let limit = dialect.limit();
    let (mut batches, mut oversized) = (Vec::new(), Vec::new());
    let (mut batch, mut size) = (Vec::new(), Size::default());
    for group in groups {
        let more = dialect.size(&group.changes);
        if !more.fits(limit) {
            oversized.push(group);
            continue;
        }
        if !(size + more).fits(limit) {
            batches.push(std::mem::take(&mut batch));
            size = Size::default();
        }
        size = size + more;
        batch.push(group);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    (batches, oversized)
}

/// The groups that a refusal blames, by position; owner records count for their group.
pub fn blamed(groups: &[Group], names: &[Name]) -> Vec<usize> {
    let names: HashSet<&Name> = names.iter().collect();
    let found = groups.iter().enumerate();
    found
        .filter(|(_, group)| {
            names.contains(&group.name) || group.changes.iter().any(|change| names.contains(&change.key.name))
        })
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::plain::Plain;
    use crate::record_data::RecordType;
    use crate::records::{Action, Content, RecordSet, Routing, SetKey, Value};
    use crate::zone::fake_zone::dialect;

    fn group(name: &str, values: &[&str]) -> Group {
        let name = Name::parse(name).unwrap();
        let values = values.iter().map(|value| Value::listed(RecordType::A, value)).collect();
        Group {
            changes: vec![RecordChange {
                action: Action::Create,
                key: SetKey::simple(&name, RecordType::A),
                set: RecordSet {
                    content: Content::Values { ttl: 300, values },
                    routing: Routing::Simple,
                },
            }],
            name,
        }
    }

    #[test]
    fn a_batch_ends_at_a_thousand_records() {
        let groups = (0..2001)
            .map(|n| group(&format!("n{n}.example.org"), &["192.0.2.1"]))
            .collect();
        let (batches, oversized) = cut(groups, &dialect());
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 1]);
        assert!(oversized.is_empty());
    }

    #[test]
    fn a_batch_ends_at_thirty_two_thousand_characters() {
        let long = "x".repeat(1000);
        let groups = (0..64).map(|n| group(&format!("n{n}.example.org"), &[&long])).collect();
        assert_eq!(
            cut(groups, &dialect()).0.iter().map(Vec::len).collect::<Vec<_>>(),
            [32, 32]
        );
    }

    #[test]
    fn a_name_over_the_limit_does_not_delay_others() {
        let long = "x".repeat(32_001);
        let groups = vec![
            group("big.example.org", &[&long]),
            group("ok.example.org", &["192.0.2.1"]),
        ];
        let (batches, oversized) = cut(groups, &dialect());
        assert_eq!(oversized[0].name.as_str(), "big.example.org");
        assert_eq!(batches[0][0].name.as_str(), "ok.example.org");
    }

    #[test]
    fn each_provider_counts_in_its_own_way() {
        // A new value is one operation of 20 there, whatever its length.
        let changed = |n: usize| {
            let mut group = group(&format!("n{n}.example.org"), &[&"x".repeat(20_000)]);
            let mut old = group.changes[0].clone();
            old.action = Action::Delete;
            group.changes.insert(0, old);
            group
        };
        let (batches, oversized) = cut((0..45).map(changed).collect(), &Dialect::Plain(Plain));
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5]);
        assert!(oversized.is_empty());
        assert_eq!(cut(vec![changed(0)], &dialect()).1.len(), 1);
    }

    #[test]
    fn an_owner_record_is_blamed_for_its_group() {
        let mut groups = [
            group("a.example.org", &["192.0.2.1"]),
            group("b.example.org", &["192.0.2.1"]),
        ];
        let mark = group("_owner.a.b.example.org", &["192.0.2.1"]);
        groups[1].changes.extend(mark.changes);
        let names = |text: &str| [Name::parse(text).unwrap()];
        assert_eq!(blamed(&groups, &names("a.example.org")), [0]);
        assert_eq!(blamed(&groups, &names("_owner.a.b.example.org")), [1]);
        assert!(blamed(&groups, &names("example.org")).is_empty());
    }
}
