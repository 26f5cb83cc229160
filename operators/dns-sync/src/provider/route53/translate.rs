//! Between the SDK's record sets and ours.
use aws_sdk_route53::error::BuildError;
use aws_sdk_route53::types::{
    AliasTarget, Change as SdkChange, ChangeAction, ResourceRecord, ResourceRecordSet, RrType,
};

use crate::name::{Name, decode_octal};
use crate::record_data::RecordType;
use crate::records::{Action, Content, RecordChange, RecordSet, RecordSets, Routing, SetKey, Value};

/// The set's name. `None`: a name that is no name for us (it is left alone).
pub(super) fn name(set: &ResourceRecordSet) -> Option<Name> {
    decode_octal(set.name()).ok()
}

/// Adds a set; of sets that we do not manage only what matters to the other sets of the name.
pub(super) fn insert(records: &mut RecordSets, set: &ResourceRecordSet) {
    let Some(name) = name(set) else { return };
    let Some(record_type) = RecordType::parse(set.r#type().as_str()) else {
        records.insert_other(name);
        return;
    };
    let content = match set.alias_target() {
        Some(target) => Content::Alias {
            zone_id: target.hosted_zone_id().into(),
            // In the spelling of `Name`, so that `\\052` and `*` compare equal. What is no name stays as it is.
            target: decode_octal(target.dns_name()).map_or_else(
                |_| target.dns_name().trim_end_matches('.').into(),
                |name| name.as_str().into(),
            ),
            evaluate_target_health: target.evaluate_target_health(),
        },
        None => Content::Values {
            ttl: set.ttl().and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(0),
            values: set
                .resource_records()
                .iter()
                .map(|record| Value::listed(record_type, record.value()))
                .collect(),
        },
    };
    let key = SetKey {
        name,
        record_type,
        set_identifier: set.set_identifier().map(Box::from),
    };
    records.insert(
        key,
        RecordSet {
            content,
            routing: routing(set),
        },
    );
}

fn routing(set: &ResourceRecordSet) -> Routing {
    let other_policy = set.region().is_some()
        || set.failover().is_some()
        || set.geo_location().is_some()
        || set.geo_proximity_location().is_some()
        || set.cidr_routing_config().is_some()
        || set.multi_value_answer().is_some()
        || set.health_check_id().is_some()
        || set.traffic_policy_instance_id().is_some();
    match (set.weight(), set.set_identifier()) {
        (Some(weight), Some(_)) if !other_policy => u8::try_from(weight).map_or(Routing::Unmanaged, Routing::Weighted),
        (None, None) if !other_policy => Routing::Simple,
        _ => Routing::Unmanaged,
    }
}

/// A change as the SDK wants it.
pub(super) fn change(change: &RecordChange) -> Result<SdkChange, BuildError> {
    let mut set = ResourceRecordSet::builder()
        .name(change.key.name.as_str())
        .r#type(RrType::from(change.key.record_type.as_str()))
        .set_set_identifier(change.key.set_identifier.as_deref().map(ToOwned::to_owned));
    if let Routing::Weighted(weight) = change.set.routing {
        set = set.weight(i64::from(weight));
    }
    set = match &change.set.content {
        Content::Values { ttl, values } => {
            let records: Result<Vec<_>, _> = values
                .iter()
                .map(|value| ResourceRecord::builder().value(value.text()).build())
                .collect();
            set.ttl(i64::from(*ttl)).set_resource_records(Some(records?))
        }
        Content::Alias {
            zone_id,
            target,
            evaluate_target_health,
        } => set.alias_target(
            AliasTarget::builder()
                .hosted_zone_id(zone_id.as_ref())
                .dns_name(target.as_ref())
                .evaluate_target_health(*evaluate_target_health)
                .build()?,
        ),
    };
    let action = match change.action {
        Action::Create => ChangeAction::Create,
        Action::Delete => ChangeAction::Delete,
    };
    SdkChange::builder()
        .action(action)
        .resource_record_set(set.build()?)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dns-04: Route 53 answers `\\052` where a wildcard was sent as the target of an alias.
    #[test]
    fn the_target_of_an_alias_is_read_in_the_spelling_in_which_it_is_written() {
        let listed = |target: &str| {
            let alias = AliasTarget::builder().hosted_zone_id("Z1").dns_name(target);
            let set = ResourceRecordSet::builder()
                .name("star.example.org.")
                .r#type(RrType::A)
                .alias_target(alias.evaluate_target_health(true).build().unwrap());
            let mut records = RecordSets::default();
            insert(&mut records, &set.build().unwrap());
            let key = SetKey::simple(&Name::parse("star.example.org").unwrap(), RecordType::A);
            records.get(&key).unwrap().clone()
        };
        let wanted = RecordSet {
            content: Content::Alias {
                zone_id: "Z1".into(),
                target: "*.apps.example.org".into(),
                evaluate_target_health: true,
            },
            routing: Routing::Simple,
        };
        for target in [
            "\\052.apps.example.org.",
            "*.Apps.example.org",
            "\\052.apps.example.org",
        ] {
            assert!(listed(target).same(&wanted), "{target}");
        }
        assert!(!listed("a.apps.example.org.").same(&wanted));
    }
}
