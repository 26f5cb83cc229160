//! From names and their targets to record sets: the part that Services and Ingresses share.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    endpoints::{Defect, Held, Wanted},
    object::SourceObject,
    scope::ZoneView,
    template::Template,
};
use crate::{
    endpoint::{AliasMode, Endpoint},
    name::Name,
    record_data::{RecordData, RecordType},
};

/// The names that an object claims, each with its targets.
pub(super) type TargetsByName<'a> = BTreeMap<Name, BTreeSet<&'a str>>;

/// The names that the zone's template gives the object.
pub(super) fn template_names(template: Option<&str>, object: &SourceObject, defects: &mut Vec<Defect>) -> Vec<Name> {
    let Some(text) = template.filter(|text| !text.trim().is_empty()) else {
        return Vec::new();
    };
    match Template::parse(text).and_then(|template| template.names(object)) {
        Ok(names) => names,
        Err(why) => {
            defects.push(Defect::new("InvalidTemplate", format!("hostnameTemplate: {why}")));
            Vec::new()
        }
    }
}

/// Sorts targets into records, name by name.
pub(super) fn assemble(
    object: &SourceObject,
    zone: &ZoneView<'_>,
    claims: &TargetsByName<'_>,
    mut defects: Vec<Defect>,
) -> Wanted {
    let mut wanted = Wanted::default();
    let mut concerned = false;
    for (name, targets) in claims {
        if !name.is_within(zone.domain) {
            wanted.outside.push(name.clone());
            continue;
        }
        if !zone.filter.admits(name) || zone.yields(name, object.key.kind()) {
            continue;
        }
        concerned = true;
        let before = wanted.endpoints.len();
        let excluded =
            !object.dns.withheld && records_of(name, targets, object, zone, &mut wanted.endpoints, &mut defects);
        if wanted.endpoints.len() == before && !excluded {
            wanted.held.push(Held {
                name: name.clone(),
                set_identifier: object.dns.set_identifier.clone(),
                record_type: None,
            });
        }
    }
    // A defect of annotations is reported where it has an effect. A name that cannot be read might belong anywhere.
    let reported = object
        .defects
        .iter()
        .filter(|defect| concerned || defect.reason == "InvalidHostname");
    defects.extend(reported.cloned());
    defects.sort_unstable();
    defects.dedup();
    wanted.defects = defects;
    wanted
}

/// Adds the records of one name. Addresses win over a host name of the same object: both cannot be published, and a
/// load balancer that has addresses is reached by them. Returns whether there are targets of types that the zone does
/// not manage and nothing else, so that the name is not the zone's business.
fn records_of(
    name: &Name,
    targets: &BTreeSet<&str>,
    object: &SourceObject,
    zone: &ZoneView<'_>,
    endpoints: &mut Vec<Endpoint>,
    defects: &mut Vec<Defect>,
) -> bool {
    let dns = &object.dns;
    let mut values: BTreeMap<RecordType, BTreeSet<RecordData>> = BTreeMap::new();
    let mut excluded = false;
    let mut faulty = false;
    for target in targets {
        let record_type = RecordType::of_target(target);
        match record_type.value(target) {
            Err(why) => {
                faulty = true;
                defects.push(Defect::new("InvalidTarget", why));
            }
            Ok(value) if manages(zone, record_type, &value, dns.alias, dns.alias_zone.as_deref()) => {
                values.entry(record_type).or_default().insert(value);
            }
            Ok(_) => excluded = true,
        }
    }
    let addressed = values.contains_key(&RecordType::A) || values.contains_key(&RecordType::Aaaa);
    if addressed {
        values.remove(&RecordType::Cname);
    }
    if let Some(hosts) = values.get(&RecordType::Cname)
        && let Some(defect) = host_defect(name, hosts, dns.alias, dns.alias_zone.as_deref(), zone)
    {
        defects.push(defect);
        return false;
    }
    let none = values.is_empty();
    endpoints.extend(values.into_iter().map(|(record_type, values)| Endpoint {
        name: name.clone(),
        record_type,
        set_identifier: dns.set_identifier.clone(),
        weight: dns.weight,
        values: values.into_iter().collect(),
        ttl: dns.ttl,
        // An address is no name that an alias could follow.
        alias: if record_type == RecordType::Cname {
            dns.alias
        } else {
            AliasMode::No
        },
        alias_zone: dns.alias_zone.clone().filter(|_| record_type == RecordType::Cname),
    }));
    none && excluded && !faulty
}

/// A host name that becomes an alias ends up as types A and AAAA.
fn manages(
    zone: &ZoneView<'_>,
    record_type: RecordType,
    value: &RecordData,
    mode: AliasMode,
    alias_zone: Option<&str>,
) -> bool {
    let types = zone.record_types;
    types.contains(&record_type)
        || record_type == RecordType::Cname
            && zone
                .dialect
                .becomes_alias(value.host().unwrap_or_default(), mode, alias_zone)
            && (types.contains(&RecordType::A) || types.contains(&RecordType::Aaaa))
}

/// Why a host name cannot be published under this name; None: it can.
pub(super) fn host_defect(
    name: &Name,
    hosts: &BTreeSet<RecordData>,
    mode: AliasMode,
    alias_zone: Option<&str>,
    zone: &ZoneView<'_>,
) -> Option<Defect> {
    let first = hosts.first()?;
    if hosts.len() > 1 {
        let list: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        return Some(Defect::of(
            name,
            "TooManyTargets",
            format!(
                "{name} would point at several host names ({}); a CNAME has exactly one target",
                list.join(", ")
            ),
        ));
    }
    let first = first.host().unwrap_or_default();
    if first == name.as_str() {
        return Some(Defect::of(
            name,
            "InvalidTarget",
            format!("{name} would point at itself"),
        ));
    }
    let at_apex = name == zone.domain && !zone.dialect.becomes_alias(first, mode, alias_zone);
    let why = at_apex.then(|| zone.dialect.forbids_cname_at_apex(name)).flatten()?;
    Some(Defect::of(name, "CNAMEAtApex", why))
}
