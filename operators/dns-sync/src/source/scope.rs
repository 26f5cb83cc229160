//! The part of a zone that sources need: which names, record types and objects it takes, which names belong to nested zones,
//! and which sources are watched and listed completely.
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::SourceKind;
use crate::crd::zone::{DNSZoneSpec, Sources};
use crate::dialect::Dialect;
use crate::filter::NameFilter;
use crate::name::Name;
use crate::record_data::RecordType;

/// What of a zone decides which names and records an object gets there.
#[derive(Clone, Copy, Debug)]
pub struct ZoneView<'a> {
    /// The `DNSZone`'s name.
    pub zone: &'a str,
    /// The zone's apex.
    pub domain: &'a Name,
    /// What is special about its provider.
    pub dialect: &'a Dialect,
    /// Which objects may publish.
    pub sources: &'a Sources,
    /// Which names are managed.
    pub filter: &'a NameFilter,
    /// Which types are managed.
    pub record_types: &'a [RecordType],
    /// Only this zone takes `DNSRecords`, so relative names without `spec.zone` are relative to it.
    pub sole_for_records: bool,
    /// Zones below this one that take its names away.
    pub nested: &'a [Nested],
}

impl ZoneView<'_> {
    /// Whether a name of an object of this kind belongs to a zone below this one.
    pub fn yields(&self, name: &Name, kind: SourceKind) -> bool {
        self.nested.iter().any(|nested| nested.takes(name, kind))
    }
}

/// A DNSZone below another one: its names are its own, as external-dns takes the longest public zone that fits a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    /// The DNSZone's name.
    pub zone: Arc<str>,
    /// Its apex.
    pub domain: Name,
    /// The objects that it takes.
    pub sources: Sources,
}

impl Nested {
    /// What `other` takes away from `zone`. Private zones share: their names are answered by different networks.
    pub fn of(zone: &DNSZoneSpec, name: &str, other: &DNSZoneSpec) -> Option<Self> {
        let is_public = |spec: &DNSZoneSpec| spec.provider().is_ok_and(|provider| provider.place().is_public);
        let (upper, domain) = (Name::parse(&zone.domain).ok()?, Name::parse(&other.domain).ok()?);
        let below = domain != upper && domain.is_within(&upper);
        (below && is_public(zone) && is_public(other)).then(|| Self {
            zone: name.into(),
            domain,
            sources: other.sources.clone(),
        })
    }

    /// Whether it takes this name of an object of this kind away, even if it does not select the object.
    pub fn takes(&self, name: &Name, kind: SourceKind) -> bool {
        name.is_within(&self.domain) && enabled_sources(&self.sources).any(|on| on == kind)
    }
}

/// What a zone takes of one kind of objects.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// Only these namespaces; empty: all.
    pub namespaces: &'a [String],
    /// Only objects with these labels.
    pub selector: Option<&'a LabelSelector>,
    /// Only objects with these annotations.
    pub annotations: Option<&'a BTreeMap<String, String>>,
    /// Only objects of these classes; empty: all.
    pub classes: &'a [String],
    /// Names for objects without a hostname of their own.
    pub template: Option<&'a str>,
}

/// What sources take of a kind; `None`: nothing, the kind is off. The only place that knows which field is for which kind.
pub fn selection(sources: &Sources, kind: SourceKind) -> Option<Selection<'_>> {
    Some(match kind {
        SourceKind::Service => {
            let source = sources.services.as_ref()?;
            Selection {
                namespaces: &source.namespaces,
                selector: source.selector.as_ref(),
                annotations: Some(&source.annotations),
                classes: &[],
                template: source.hostname_template.as_deref(),
            }
        }
        SourceKind::Ingress => {
            let source = sources.ingresses.as_ref()?;
            Selection {
                namespaces: &source.namespaces,
                selector: source.selector.as_ref(),
                annotations: Some(&source.annotations),
                classes: &source.classes,
                template: source.hostname_template.as_deref(),
            }
        }
        SourceKind::Record => {
            let source = sources.records.as_ref()?;
            Selection {
                namespaces: &source.namespaces,
                selector: source.selector.as_ref(),
                annotations: None,
                classes: &[],
                template: None,
            }
        }
        SourceKind::Node => return None,
    })
}

/// The kinds of objects that are turned on.
pub fn enabled_sources(sources: &Sources) -> impl Iterator<Item = SourceKind> {
    let all = SourceKind::ALL.into_iter();
    all.filter(|kind| selection(sources, *kind).is_some())
}

/// What the installation watches at all: the chart's `sources` and `watchNamespaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Enabled sources.
    pub sources: Vec<SourceKind>,
    /// Namespaces; empty: all.
    pub namespaces: Vec<String>,
}

/// Which sources have been listed completely since the process began: a bit for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Complete(u8);

impl Complete {
    /// Whether one kind is complete.
    pub fn of(self, kind: SourceKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Notes one kind.
    pub fn set(&mut self, kind: SourceKind, complete: bool) {
        if complete {
            self.0 |= Self::bit(kind);
        } else {
            self.0 &= !Self::bit(kind);
        }
    }

    /// The same but for one kind.
    #[cfg(test)]
    pub(crate) fn without(mut self, kind: SourceKind) -> Self {
        self.set(kind, false);
        self
    }

    /// Every kind.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self(u8::MAX);

    const fn bit(kind: SourceKind) -> u8 {
        1 << kind as u8
    }
}
