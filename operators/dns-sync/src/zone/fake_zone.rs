//! For tests: a hosted zone as strict as Route 53, and records in short text form.
use super::owner::heritage;
use crate::dialect::plain::Plain;
use crate::dialect::{Dialect, route53};
use crate::name::Name;
use crate::ownership::txt::render;
use crate::record_data::RecordType;
use crate::records::{Action, Content, RecordChange, RecordSet, RecordSets, Routing, SetKey, Value};

/// The zone of the tests' own aliases.
pub(crate) const ZONE_ID: &str = "Z1";

pub(crate) fn dialect() -> Dialect {
    Dialect::Route53(route53::Route53 {
        zone_id: ZONE_ID.into(),
    })
}

/// Every dialect, for tests of what must hold with any provider.
pub(crate) fn dialects() -> [Dialect; 2] {
    [dialect(), Dialect::Plain(Plain)]
}

/// `foo` is `foo.example.org`, `@` the apex.
pub(crate) fn name(relative: &str) -> Name {
    Name::join(relative, &Name::parse("example.org").unwrap()).unwrap()
}

/// `foo A 192.0.2.1|192.0.2.2 ttl=60 set=blue weight=5`; further words: `alias` (the value is the target), `unmanaged`.
pub(crate) fn set(text: &str) -> (SetKey, RecordSet) {
    let mut words = text.split_whitespace();
    let (owner_name, kind, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let rest: Vec<&str> = words.collect();
    let option = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let record_type = RecordType::parse(kind).unwrap();
    let content = if rest.contains(&"alias") {
        Content::Alias {
            zone_id: option("zone").unwrap_or(ZONE_ID).into(),
            target: value.into(),
            evaluate_target_health: true,
        }
    } else {
        Content::Values {
            ttl: option("ttl").map_or(300, |ttl| ttl.parse().unwrap()),
            values: value
                .split('|')
                .map(|value| Value::listed(record_type, &value.replace('~', " ")))
                .collect(),
        }
    };
    let routing = match option("weight") {
        _ if rest.contains(&"unmanaged") => Routing::Unmanaged,
        Some(weight) => Routing::Weighted(weight.parse().unwrap()),
        None => Routing::Simple,
    };
    let key = SetKey {
        name: name(owner_name),
        record_type,
        set_identifier: option("set").map(Into::into),
    };
    (key, RecordSet { content, routing })
}

/// An owner record at `at`, with the identifier and routing of the set it belongs to.
pub(crate) fn mark_at(at: &str, owner: &str, resource: &str, like: &(SetKey, RecordSet)) -> (SetKey, RecordSet) {
    let key = SetKey {
        name: name(at),
        record_type: RecordType::Txt,
        set_identifier: like.0.set_identifier.clone(),
    };
    (key, dialect().mark(render(owner, resource), &like.1))
}

/// A set and its owner record in the default form.
pub(crate) fn marked(text: &str, owner: &str, resource: &str) -> [(SetKey, RecordSet); 2] {
    let set = set(text);
    let at = format!("_owner.{}.{}", set.0.record_type.lower(), set.0.name);
    let at = at.trim_end_matches("example.org").trim_end_matches('.').to_owned();
    let mark = mark_at(&at, owner, resource, &set);
    [set, mark]
}

pub(crate) fn records(sets: impl IntoIterator<Item = (SetKey, RecordSet)>) -> RecordSets {
    let mut records = RecordSets::default();
    sets.into_iter().for_each(|(key, set)| records.insert(key, set));
    records
}

/// `foo A 192.0.2.1`, or `_owner.a.foo mark service/web/front`.
pub(crate) fn text(key: &SetKey, set: &RecordSet) -> String {
    let full = key.name.as_str();
    let short = full.strip_suffix(".example.org").unwrap_or("@");
    let id = key
        .set_identifier
        .as_ref()
        .map(|id| format!(" [{id}]"))
        .unwrap_or_default();
    match heritage(set).filter(|_| key.record_type == RecordType::Txt) {
        Some(heritage) => format!("{short}{id} mark {}", heritage.resource.unwrap_or_default()),
        None => format!("{short} {}{id} {}", key.record_type.as_str(), set.summary()),
    }
}

/// All of a zone, one line each.
pub(crate) fn lines(records: &RecordSets) -> Vec<String> {
    let sets = records.iter().flat_map(|(name, at)| {
        at.sets.iter().map(|(record_type, id, set)| {
            let key = SetKey {
                name: name.clone(),
                record_type: *record_type,
                set_identifier: id.clone(),
            };
            text(&key, set)
        })
    });
    sets.collect()
}

/// Carries out a batch as Route 53 does: all or nothing, and with every rule. The error has its messages.
pub(crate) fn change(records: &mut RecordSets, changes: &[RecordChange]) -> Result<(), Vec<String>> {
    change_at(&dialect(), records, changes)
}

/// The same at another provider.
pub(crate) fn change_at(
    dialect: &Dialect,
    records: &mut RecordSets,
    changes: &[RecordChange],
) -> Result<(), Vec<String>> {
    let mut next = records.clone();
    let mut messages = Vec::new();
    let quoted = |key: &SetKey| format!("[name='{}.', type='{}']", key.name, key.record_type.as_str());
    for change in changes {
        let present = next.get(&change.key);
        match change.action {
            Action::Create if present.is_some() => messages.push(format!(
                "Tried to create resource record set {} but it already exists",
                quoted(&change.key)
            )),
            Action::Delete if present.is_none() => messages.push(format!(
                "Tried to delete resource record set {} but it was not found",
                quoted(&change.key)
            )),
            Action::Delete if present != Some(&change.set) => messages.push(format!(
                "Tried to delete resource record set {} but the values provided do not match the current values",
                quoted(&change.key)
            )),
            _ => next.apply(change),
        }
        if change.set.routing == Routing::Unmanaged && change.action == Action::Create {
            messages.push(format!("{} has a routing policy that nobody gave", quoted(&change.key)));
        }
    }
    for created in changes.iter().filter(|change| change.action == Action::Create) {
        messages.extend(broken_rules(dialect, &next, &created.key, &created.set));
    }
    if !dialect.size(changes).fits(dialect.limit()) {
        messages.push("Number of records or characters in a batch exceeded".to_owned());
    }
    if messages.is_empty() {
        *records = next;
        Ok(())
    } else {
        Err(messages)
    }
}

/// Without the rules, where a test is about time.
pub(crate) fn change_quickly(records: &mut RecordSets, changes: &[RecordChange]) {
    for change in changes {
        records.apply(change);
    }
}

fn broken_rules(dialect: &Dialect, records: &RecordSets, key: &SetKey, set: &RecordSet) -> Vec<String> {
    let mut messages = Vec::new();
    let at = records.at(&key.name);
    for (record_type, id, other) in &at.sets {
        let there = SetKey {
            name: key.name.clone(),
            record_type: *record_type,
            set_identifier: id.clone(),
        };
        if dialect.excludes((key, set), (&there, other)) {
            messages.push(format!(
                "RRSet of type {} with DNS name {}. is not permitted beside type {}",
                key.record_type.as_str(),
                key.name,
                record_type.as_str()
            ));
        }
    }
    if *dialect == Dialect::Plain(Plain)
        && (set.routing != Routing::Simple || matches!(set.content, Content::Alias { .. }))
    {
        messages.push(format!("{}. has a routing policy or is an alias", key.name));
    }
    let at_apex = key.name == name("@") && dialect.forbids_cname_at_apex(&key.name).is_some();
    if at.other_types && dialect.stands_alone(key.record_type) || key.record_type == RecordType::Cname && at_apex {
        messages.push(format!(
            "RRSet of type CNAME with DNS name {}. is not permitted",
            key.name
        ));
    }
    if let Content::Values { values, .. } = &set.content {
        for value in values {
            if key.record_type.value(&value.text()).is_err() || dialect.check(&value.data).is_err() {
                messages.push("Invalid Resource Record: FATAL problem: encountered with a value".to_owned());
            }
        }
        if values.is_empty() {
            messages.push("Expected exactly one of AliasTarget and ResourceRecords".to_owned());
        }
    }
    if let Content::Alias { zone_id, target, .. } = &set.content
        && **zone_id == *ZONE_ID
    {
        let target = Name::parse(target).unwrap();
        if !records
            .at(&target)
            .sets
            .iter()
            .any(|(found, _, _)| *found == key.record_type)
        {
            messages.push(format!(
                "Tried to create an alias that targets {target}., but that target was not found"
            ));
        }
    }
    messages
}
