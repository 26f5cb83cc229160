//! `DNSRecords`: one record set each, as written.
use std::collections::BTreeSet;

use super::{
    annotations::hosted_zone,
    assemble::host_defect,
    endpoints::{Defect, Held, Wanted},
    object::SourceObject,
    scope::ZoneView,
};
use crate::{
    crd::DNSRecord,
    endpoint::{AliasMode, Endpoint},
    name::{Name, NameError},
    ownership::txt,
    record_data::{RecordData, RecordType},
};

/// What is kept of a `DNSRecord`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// The name as written: relative, `@`, or absolute with a final dot.
    pub name: Box<str>,
    /// Its type.
    pub record_type: RecordType,
    /// Its values; empty when one of them is invalid.
    pub values: Box<[RecordData]>,
    /// Seconds to live.
    pub ttl: Option<u32>,
    /// The only `DNSZone` it is for.
    pub zone: Option<Box<str>>,
    /// Whether it is an alias.
    pub alias: AliasMode,
    /// The hosted zone of the alias' target, if it is named.
    pub alias_zone: Option<Box<str>>,
    /// Distinguishes sets of one name and type.
    pub set_identifier: Option<Box<str>>,
    /// The set's share of the answers.
    pub weight: Option<u8>,
    /// The record is to stay as it is.
    pub suspended: bool,
}

impl RecordFacts {
    /// Reads the spec. One invalid value invalidates the set: half a set of CAA or MX values can do harm.
    pub(super) fn of(record: &DNSRecord) -> (Self, Vec<Defect>) {
        let spec = &record.spec;
        let route53 = spec.route53.clone().unwrap_or_default();
        let mut defects = Vec::new();
        let mut values = BTreeSet::new();
        for target in &spec.targets {
            match value(spec.record_type, target, route53.alias) {
                Ok(value) => _ = values.insert(value),
                Err(defect) => defects.push(defect),
            }
        }
        if route53.alias && !matches!(spec.record_type, RecordType::A | RecordType::Aaaa) {
            defects.push(Defect::new("InvalidTarget", "route53.alias goes with type A or AAAA"));
        }
        if values.len() > 1 && (route53.alias || spec.record_type == RecordType::Cname) {
            defects.push(Defect::new(
                "TooManyTargets",
                "a CNAME or an alias has exactly one target",
            ));
        }
        let alias_zone = route53.target_hosted_zone.as_deref().map(hosted_zone);
        if alias_zone.as_ref().is_some_and(|zone| zone.is_none() || !route53.alias) {
            let message = "route53.targetHostedZone is a hosted zone's id such as Z0123456789ABCDEFGHIJ, and goes with route53.alias";
            defects.push(Defect::new("InvalidTargetHostedZone", message));
        }
        let weight = route53.weight.map(u8::try_from);
        if route53.set_identifier.is_some() != route53.weight.is_some() || matches!(weight, Some(Err(_))) {
            let message = "route53.weight is a number from 0 to 255 and goes with route53.setIdentifier";
            defects.push(Defect::new("InvalidWeight", message));
        }
        let ttl = spec.ttl.map(|ttl| {
            u32::try_from(ttl)
                .ok()
                .filter(|ttl| (1..=i32::MAX.unsigned_abs()).contains(ttl))
        });
        if ttl == Some(None) {
            let message = "spec.ttl is not from 1 to 2147483647; the zone's default is used";
            defects.push(Defect::new("InvalidTTL", message));
        }
        if defects.iter().any(|defect| defect.reason != "InvalidTTL") {
            values.clear();
        }
        let evaluate_target_health = route53.evaluate_target_health.unwrap_or(true);
        let facts = Self {
            name: spec.name.trim().into(),
            record_type: spec.record_type,
            values: values.into_iter().collect(),
            ttl: ttl.flatten(),
            zone: spec.zone.as_deref().map(Into::into),
            alias: if route53.alias {
                AliasMode::Yes { evaluate_target_health }
            } else {
                AliasMode::No
            },
            alias_zone: alias_zone.flatten(),
            set_identifier: route53.set_identifier.as_deref().map(Into::into),
            weight: weight.and_then(Result::ok),
            suspended: spec.suspend,
        };
        (facts, defects)
    }

    pub(super) fn wanted(&self, object: &SourceObject, zone: &ZoneView<'_>) -> Wanted {
        let mut wanted = Wanted {
            suspended: self.suspended,
            ..Wanted::default()
        };
        if self.zone.as_deref().is_some_and(|only| only != zone.zone) {
            return Wanted::default();
        }
        let name = match self.resolve(zone) {
            Ok(name) => name,
            Err(error) => {
                wanted
                    .defects
                    .push(Defect::new("InvalidHostname", format!("spec.name: {error}")));
                return wanted;
            }
        };
        if !name.is_within(zone.domain) {
            return Wanted {
                outside: vec![name],
                ..Wanted::default()
            };
        }
        // A record that names its zone stays there: so one delegates, and so glue is written.
        let yielded = self.zone.is_none() && zone.yields(&name, object.key.kind());
        if yielded || !zone.filter.admits(&name) || !zone.record_types.contains(&self.record_type) {
            return Wanted::default();
        }
        wanted.defects = object.defects.to_vec();
        wanted.defects.extend(self.defect(&name, zone));
        let fault = self.values.iter().find_map(|value| zone.dialect.check(value).err());
        wanted
            .defects
            .extend(fault.map(|why| Defect::new("InvalidTarget", why)));
        let clear = wanted.defects.iter().all(|defect| defect.reason == "InvalidTTL");
        if clear && !self.suspended && !self.values.is_empty() {
            wanted.endpoints.push(Endpoint {
                name,
                record_type: self.record_type,
                set_identifier: self.set_identifier.clone(),
                weight: self.weight,
                values: self.values.to_vec(),
                ttl: self.ttl,
                alias: self.alias,
                alias_zone: self.alias_zone.clone(),
            });
        } else {
            wanted.held.push(Held {
                name,
                set_identifier: self.set_identifier.clone(),
                record_type: Some(self.record_type),
            });
        }
        wanted
    }

    /// The record's name in this zone. A relative name that already ends in the zone's name is most likely one whose
    /// final dot was forgotten.
    fn resolve(&self, zone: &ZoneView<'_>) -> Result<Name, NameError> {
        if self.name.len() > 1 && self.name.ends_with('.') {
            return Name::parse(&self.name);
        }
        Name::join(&self.name, zone.domain)
    }

    /// What is wrong with the record at this place.
    fn defect(&self, name: &Name, zone: &ZoneView<'_>) -> Option<Defect> {
        let relative = !self.name.ends_with('.');
        if relative && self.zone.is_none() && !zone.sole_for_records {
            return Some(Defect::new(
                "AmbiguousZone",
                format!(
                    "the name `{}` is relative and several DNSZones take DNSRecords; set spec.zone, or write the whole \
                     name with a final dot",
                    self.name
                ),
            ));
        }
        if relative && Name::parse(&self.name).is_ok_and(|written| written.is_within(zone.domain)) {
            return Some(Defect::of(
                name,
                "InvalidHostname",
                format!(
                    "`{0}` has no final dot and so means {name}; write `{0}.` or leave out `{1}`",
                    self.name, zone.domain
                ),
            ));
        }
        if name == zone.domain && self.record_type == RecordType::Ns {
            return Some(Defect::of(
                name,
                "ZoneNameServers",
                format!(
                    "the name servers of {name} are the zone's own; they are {}'s to set. To delegate the zone, \
                     set spec.zone to the DNSZone above it",
                    zone.dialect.name()
                ),
            ));
        }
        let hosts = || self.values.iter().cloned().collect();
        match self.record_type {
            RecordType::Cname => host_defect(name, &hosts(), self.alias, None, zone),
            // An alias may point at its own name: at another type or set of it.
            _ => None,
        }
    }
}

/// One value.
fn value(record_type: RecordType, target: &str, alias: bool) -> Result<RecordData, Defect> {
    let as_type = if alias { RecordType::Cname } else { record_type };
    let value = as_type.value(target).map_err(|why| {
        let family = !alias
            && matches!(record_type, RecordType::A | RecordType::Aaaa)
            && RecordType::of_target(target.trim()) != record_type
            && RecordType::of_target(target.trim()) != RecordType::Cname;
        Defect::new(if family { "TargetFamily" } else { "InvalidTarget" }, why)
    })?;
    if record_type == RecordType::Txt && txt::parse(&value).is_some() {
        return Err(Defect::new(
            "ReservedValue",
            "texts with heritage=external-dns mark the owners of records and are not for DNSRecords to write",
        ));
    }
    Ok(value)
}
