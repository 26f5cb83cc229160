//! external-dns' TXT registry, byte for byte.
//!
//! The owner record's name is made from the record's by a rule on its first label. The rule cannot be inverted:
//! `a-team.example.org` marks either `a-team` (the form before 0.18) or the A record of `team`. So every name that an
//! owner record of a given record could have is computed forward and looked up, and an old-form reading is refused when
//! the name is another record's new-form name ([`Affix::claimed_by_current_form`]).
use std::collections::BTreeMap;

use crate::{
    crd::zone::Registry,
    name::{Name, decode_octal},
    record_data::{RecordData, RecordType, Strings},
};

/// In a prefix or suffix: the record's type in lower case.
const TYPE: &str = "%{record_type}";
/// Our default and our form for the apex: stays inside the zone whatever the name.
const DEFAULT_PREFIX: &str = "_owner.%{record_type}.";

/// How owner records are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affix {
    prefix: Box<str>,
    suffix: Box<str>,
    wildcard: Option<Box<str>>,
}

/// Which rule made an owner record's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// With the record's type; what external-dns writes today.
    Current,
    /// Our own form at the apex, where the configured one falls outside the zone.
    InZoneApex,
    /// A's alias under `cname`, as external-dns wrote until 0.22.
    CnameAlias,
    /// Without a type, as external-dns wrote until 0.18.
    Legacy,
}

/// A name that an owner record may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkName {
    /// The owner record's name.
    pub name: Name,
    /// The rule that made it.
    pub form: Form,
}

impl Affix {
    /// As configured; [`DEFAULT_PREFIX`] when neither prefix nor suffix is. Lower-case, as external-dns does it.
    pub fn new(registry: Option<&Registry>) -> Self {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or_default().to_lowercase();
        let (prefix, suffix, wildcard) = match registry {
            Some(registry) if registry.prefix.is_some() || registry.suffix.is_some() => (
                lower(&registry.prefix),
                lower(&registry.suffix),
                lower(&registry.wildcard_replacement),
            ),
            Some(registry) => (
                DEFAULT_PREFIX.to_owned(),
                String::new(),
                lower(&registry.wildcard_replacement),
            ),
            None => (DEFAULT_PREFIX.to_owned(), String::new(), String::new()),
        };
        Self {
            prefix: prefix.into(),
            suffix: suffix.into(),
            wildcard: (!wildcard.is_empty()).then(|| wildcard.into()),
        }
    }

    /// The name of the owner record that is written beside a record. At the apex most rules give a name outside the
    /// zone; then it is our own, inside. The error is for the user.
    pub fn written(&self, record: &Name, record_type: RecordType, apex: &Name) -> Result<Name, String> {
        let text = self.typed(record, record_type, self.wildcard.as_deref());
        let name = checked(&text, record)?;
        if name.is_within(apex) {
            Ok(name)
        } else {
            checked(&in_zone(record, record_type), record)
        }
    }

    /// Every name under which the owner record of an existing record may be found, best first.
    pub fn candidates(&self, record: &Name, record_type: RecordType, is_alias: bool, apex: &Name) -> Vec<MarkName> {
        let mut found: Vec<MarkName> = Vec::new();
        let mut add = |text: &str, form: Form| {
            let Ok(name) = decode_octal(text) else { return };
            if name.is_within(apex) && found.iter().all(|known| known.name != name) {
                found.push(MarkName { name, form });
            }
        };
        // A replacement may have been configured later than a record was made.
        let replaced = self.wildcard.as_deref().filter(|_| record.is_wildcard());
        let variants = replaced.map(Some).into_iter().chain([None]);
        for wildcard in variants.clone() {
            add(&self.typed(record, record_type, wildcard), Form::Current);
        }
        if record == apex {
            add(&in_zone(record, record_type), Form::InZoneApex);
        }
        if is_alias && record_type == RecordType::A {
            for wildcard in variants.clone() {
                add(&self.typed(record, RecordType::Cname, wildcard), Form::CnameAlias);
            }
        }
        if record_type != RecordType::Aaaa {
            for wildcard in variants {
                add(&self.untyped(record, wildcard), Form::Legacy);
            }
        }
        found
    }

    /// Whether an existing record owns this TXT name as its own new-form name. Then it marks that record, and no other
    /// record's old-form reading of the same name counts.
    pub fn claimed_by_current_form(&self, txt: &Name, exists: impl Fn(&Name, RecordType) -> bool) -> bool {
        RecordType::ALL.into_iter().any(|record_type| {
            self.records_of(txt.as_str(), record_type).iter().any(|record| {
                [self.wildcard.as_deref(), None].into_iter().any(|wildcard| {
                    self.typed(record, record_type, wildcard) == txt.as_str() && exists(record, record_type)
                })
            })
        })
    }

    /// The names of all records within the zone that an owner record of this name may be for, in any form; for names with
    /// several readings all of them.
    pub fn readings(&self, txt: &Name, apex: &Name) -> Vec<Name> {
        let mut found: Vec<Name> = Vec::new();
        for record_type in RecordType::ALL {
            found.extend(self.records_of(txt.as_str(), record_type));
            found.extend((txt.as_str() == in_zone(apex, record_type)).then(|| apex.clone()));
        }
        let without_type = Self {
            prefix: self.prefix.replace(TYPE, "").into(),
            suffix: self.suffix.replace(TYPE, "").into(),
            wildcard: self.wildcard.clone(),
        };
        found.extend(without_type.untyped_records_of(txt.as_str()));
        found.retain(|name| name.is_within(apex));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The records that may have this TXT name without a type, where the affix has none.
    fn untyped_records_of(&self, txt: &str) -> Vec<Name> {
        let parts = Self::split(txt, &self.prefix, &self.suffix);
        parts
            .map(|(label, parent)| self.names_of(label, parent))
            .unwrap_or_default()
    }

    /// The first label and the rest of the name that prefix and suffix were put around.
    fn split<'a>(txt: &'a str, prefix: &str, suffix: &str) -> Option<(&'a str, &'a str)> {
        let rest = txt.strip_prefix(prefix)?;
        // The label before the suffix has no dot, so the first dot is the suffix's first, or the one behind it.
        let first_dot = rest.find('.').unwrap_or(rest.len());
        let end = first_dot.checked_sub(suffix.find('.').unwrap_or(suffix.len()))?;
        Some((rest.get(..end)?, rest.get(end..)?.strip_prefix(suffix)?))
    }

    /// The names that the label may stand for: itself, and a wildcard.
    fn names_of(&self, label: &str, parent: &str) -> Vec<Name> {
        let star = self
            .wildcard
            .as_deref()
            .filter(|wildcard| *wildcard == label)
            .map(|_| "*");
        [Some(label), star]
            .into_iter()
            .flatten()
            .filter_map(|label| decode_octal(&format!("{label}{parent}")).ok())
            .collect()
    }

    /// The records that may have this TXT name as their new-form name for this type.
    fn records_of(&self, txt: &str, record_type: RecordType) -> Vec<Name> {
        let (prefix, suffix) = (
            with_type(&self.prefix, record_type),
            with_type(&self.suffix, record_type),
        );
        let Some((label, parent)) = Self::split(txt, &prefix, &suffix) else {
            return Vec::new();
        };
        let label = if self.is_template() {
            Some(label)
        } else {
            label
                .strip_prefix(record_type.lower())
                .and_then(|label| label.strip_prefix('-'))
        };
        label.map(|label| self.names_of(label, parent)).unwrap_or_default()
    }

    fn is_template(&self) -> bool {
        self.prefix.contains(TYPE) || self.suffix.contains(TYPE)
    }

    /// The rule of today: the type stands where the affix says, else before the first label.
    fn typed(&self, record: &Name, record_type: RecordType, wildcard: Option<&str>) -> String {
        let marker = if self.is_template() {
            String::new()
        } else {
            format!("{}-", record_type.lower())
        };
        let (prefix, suffix) = (
            with_type(&self.prefix, record_type),
            with_type(&self.suffix, record_type),
        );
        compose(record, &format!("{prefix}{marker}"), &suffix, wildcard)
    }

    /// The rule of old: no type at all.
    fn untyped(&self, record: &Name, wildcard: Option<&str>) -> String {
        compose(
            record,
            &self.prefix.replace(TYPE, ""),
            &self.suffix.replace(TYPE, ""),
            wildcard,
        )
    }
}

fn with_type(affix: &str, record_type: RecordType) -> String {
    affix.replace(TYPE, record_type.lower())
}

fn compose(record: &Name, before: &str, after: &str, wildcard: Option<&str>) -> String {
    let (label, rest) = match record.as_str().split_once('.') {
        Some((label, rest)) => (label, Some(rest)),
        None => (record.as_str(), None),
    };
    let label = wildcard.filter(|_| label == "*").unwrap_or(label);
    match rest {
        Some(rest) => format!("{before}{label}{after}.{rest}"),
        None => format!("{before}{label}{after}"),
    }
}

fn in_zone(record: &Name, record_type: RecordType) -> String {
    format!("{}{record}", with_type(DEFAULT_PREFIX, record_type))
}

fn checked(text: &str, record: &Name) -> Result<Name, String> {
    decode_octal(text).map_err(|error| {
        format!(
            "the owner record of {record} would have an impossible name: {error}; shorten the name, or the registry's \
             prefix or suffix"
        )
    })
}

/// What an owner record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heritage {
    /// Whose the record is.
    pub owner: Option<Box<str>>,
    /// The object that it was made for, for example `service/web/front`.
    pub resource: Option<Box<str>>,
    /// Everything else.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// Reads the value of a TXT record. None: not external-dns' mark.
pub fn parse(value: &RecordData) -> Option<Heritage> {
    let text = match value {
        RecordData::Txt(strings) => String::from_utf8(strings.concat()).ok()?,
        RecordData::Unreadable(text) => text.trim_matches('"').to_owned(),
        _ => return None,
    };
    let mut heritage = Heritage::default();
    let mut ours = false;
    for (key, value) in text.split(',').filter_map(|token| token.split_once('=')) {
        match key {
            "heritage" if value != "external-dns" => return None,
            "heritage" => ours = true,
            "external-dns/owner" => heritage.owner = Some(value.into()),
            "external-dns/resource" => heritage.resource = Some(value.into()),
            other if other.starts_with("external-dns") => {
                let label = other.strip_prefix("external-dns/").unwrap_or(other);
                heritage.labels.insert(label.into(), value.into());
            }
            _ => {}
        }
    }
    ours.then_some(heritage)
}

/// The value of an owner record, in the order and without the spaces of external-dns; split where a character string
/// would be too long for DNS.
pub fn render(owner: &str, resource: &str) -> RecordData {
    let text = format!("heritage=external-dns,external-dns/owner={owner},external-dns/resource={resource}");
    RecordData::Txt(Strings::new(&[text.into_bytes()]))
}

#[cfg(test)]
mod tests;
