//! A DNSZone's spec with everything parsed and every default filled in.
use std::sync::Arc;
use std::time::Duration;

use super::guard::Limits;
use super::owner::Marks;
use super::plan::types::{Absence, NO_SETS, Rules};
use crate::crd::zone::{DNSZoneSpec, EmptyTargetPolicy, Policy, RegistryKind};
use crate::dialect::Dialect;
use crate::filter::NameFilter;
use crate::name::Name;
use crate::ownership::txt::Affix;
use crate::record_data::RecordType;
use crate::source::scope::{Complete, Nested, Reach, ZoneView, enabled_sources, selection};
use crate::source::template::Template;
use crate::source::{ObjectKey, SourceKind};

/// Why a spec cannot be used, for the user: reason and message.
pub type Invalid = (&'static str, String);

/// What one zone's work needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The DNSZone's name.
    pub zone: Arc<str>,
    /// The apex.
    pub domain: Name,
    /// What is special about the zone's provider.
    pub dialect: Dialect,
    /// The spec that the rest was made of.
    pub spec: DNSZoneSpec,
    /// Our owner id in owner records.
    pub owner_id: String,
    /// Owner records' names.
    pub affix: Affix,
    /// `include` and `exclude`.
    pub filter: NameFilter,
    /// The types that may be managed.
    pub record_types: Vec<RecordType>,
    /// Between two lists of the zone.
    pub drift_interval: Duration,
    /// How long changes are gathered.
    pub batch_window: Duration,
    /// The delete guard.
    pub limits: Limits,
    /// How long a record without address is kept; `None`: for ever.
    pub empty_after: Option<Duration>,
    /// No other zone takes DNSRecords, so relative names mean this one.
    pub sole_for_records: bool,
    /// Zones below this one that take its names away.
    pub nested: Vec<Nested>,
    /// The hash of the parked deletes that a person has confirmed.
    pub confirmed: Option<String>,
    /// What the operator's installation watches.
    pub reach: Arc<Reach>,
}

impl Config {
    /// Parses what the schema cannot check.
    pub fn new(zone: &str, spec: &DNSZoneSpec, cluster_name: &str, reach: &Arc<Reach>) -> Result<Self, Invalid> {
        let provider = spec.provider().map_err(|message| ("NoProvider", message.to_owned()))?;
        let domain = Name::parse(&spec.domain).map_err(|error| ("InvalidDomain", format!("spec.domain: {error}")))?;
        for kind in SourceKind::ALL {
            let template = selection(&spec.sources, kind).and_then(|source| source.template);
            // A blank one is none.
            if let Some(template) = template.filter(|text| !text.trim().is_empty()) {
                let field = format!("spec.sources.{}.hostnameTemplate", kind.source());
                Template::parse(template).map_err(|error| ("InvalidTemplate", format!("{field}: {error}")))?;
            }
        }
        let filter = NameFilter::new(&spec.include, &spec.exclude).map_err(|error| ("InvalidFilter", error))?;
        let duration =
            |field: &str, text: Option<&String>, default: Duration, least: Duration, most: Duration| match text {
                None => Ok(default),
                Some(text) => hearth_reconciler::duration::parse(text)
                    .ok()
                    .filter(|found| (least..=most).contains(found))
                    .ok_or_else(|| {
                        (
                            "InvalidDuration",
                            format!(
                                "spec.{field} is {text}; it must be a duration from {least:?} to {most:?}, such as 15m"
                            ),
                        )
                    }),
            };
        let day = Duration::from_hours(24);
        let empty = spec
            .empty_target
            .as_ref()
            .filter(|empty| empty.policy == EmptyTargetPolicy::Delete);
        let empty_after = match empty.and_then(|empty| empty.after.as_ref()) {
            Some(after) => Some(duration(
                "emptyTarget.after",
                Some(after),
                day,
                Duration::ZERO,
                day * 3660,
            )?),
            None => None,
        };
        Ok(Self {
            zone: zone.into(),
            domain,
            dialect: Dialect::of(&provider),
            owner_id: spec.owner_id.clone().unwrap_or_else(|| cluster_name.to_owned()),
            affix: Affix::new(spec.registry.as_ref()),
            filter,
            record_types: spec
                .record_types
                .clone()
                .filter(|types| !types.is_empty())
                .unwrap_or_else(|| RecordType::ALL.to_vec()),
            drift_interval: duration(
                "driftInterval",
                spec.drift_interval.as_ref(),
                day / 96,
                Duration::from_mins(1),
                day * 7,
            )?,
            batch_window: duration(
                "batchWindow",
                spec.batch_window.as_ref(),
                Duration::from_millis(200),
                Duration::ZERO,
                Duration::from_mins(1),
            )?,
            limits: Limits::of(spec.delete_guard.as_ref()),
            empty_after,
            sole_for_records: true,
            nested: Vec::new(),
            confirmed: None,
            reach: Arc::clone(reach),
            spec: spec.clone(),
        })
    }

    /// Whether everything that decides about records is the same.
    pub fn same(&self, other: &Self) -> bool {
        self.spec == other.spec
            && self.dialect == other.dialect
            && self.owner_id == other.owner_id
            && self.sole_for_records == other.sole_for_records
            && self.nested == other.nested
            && self.confirmed == other.confirmed
            && self.reach == other.reach
    }

    /// What sources need to know to turn objects into endpoints.
    pub fn view(&self) -> ZoneView<'_> {
        ZoneView {
            zone: &self.zone,
            domain: &self.domain,
            dialect: &self.dialect,
            sources: &self.spec.sources,
            filter: &self.filter,
            record_types: &self.record_types,
            sole_for_records: self.sole_for_records,
            nested: &self.nested,
        }
    }

    /// The rules of planning.
    pub fn rules(&self) -> Rules<'_> {
        Rules {
            marks: Marks {
                affix: &self.affix,
                owner_id: &self.owner_id,
                apex: &self.domain,
                unrelated: &NO_SETS,
            },
            policy: self.spec.policy,
            registry: self
                .spec
                .registry
                .as_ref()
                .map_or(RegistryKind::TXT, |registry| registry.kind),
            dialect: &self.dialect,
            ttl: self.spec.ttl.and_then(|ttl| u32::try_from(ttl).ok()),
            record_types: &self.record_types,
            filter: &self.filter,
            contested: &NO_SETS,
        }
    }

    /// The sources that the zone asks for.
    pub fn wanted_sources(&self) -> impl Iterator<Item = SourceKind> + '_ {
        enabled_sources(&self.spec.sources)
    }

    /// The namespaces that a source of this zone takes; empty: all.
    fn namespaces(&self, kind: SourceKind) -> Option<&[String]> {
        selection(&self.spec.sources, kind).map(|source| source.namespaces)
    }

    /// Whether it is proven that nothing wants a record of this name any more whose owner record names `resource`.
    pub fn absence(&self, name: &Name, resource: Option<&str>, complete: &Complete) -> Absence {
        // What was published here before the zone below came is that zone's business, but its own hosted zone may not
        // answer yet.
        let yielded = |kind: SourceKind| self.nested.iter().any(|nested| nested.takes(name, kind));
        let Some(resource) = resource else {
            // The mark names no object, so any object of any source may have wanted it.
            let everywhere = |kind: SourceKind| {
                self.reach.sources.contains(&kind)
                    && self.namespaces(kind).is_some_and(<[_]>::is_empty)
                    && !yielded(kind)
            };
            return match (
                SourceKind::ALL.into_iter().all(everywhere),
                SourceKind::ALL.into_iter().all(|kind| complete.of(kind)),
            ) {
                (true, true) if self.reach.namespaces.is_empty() => Absence::Proven,
                (true, false) if self.reach.namespaces.is_empty() => Absence::Unlisted,
                _ => Absence::Unwatched,
            };
        };
        let Some(object) = ObjectKey::from_resource(resource) else {
            return Absence::Unwatched;
        };
        let covers =
            |namespaces: &[String]| namespaces.is_empty() || namespaces.iter().any(|one| one == object.namespace());
        let watched = self.reach.sources.contains(&object.kind())
            && covers(&self.reach.namespaces)
            && self.namespaces(object.kind()).is_some_and(covers);
        match (watched && !yielded(object.kind()), complete.of(object.kind())) {
            (false, _) => Absence::Unwatched,
            (true, false) => Absence::Unlisted,
            (true, true) => Absence::Proven,
        }
    }

    /// Nothing is written with this policy.
    pub fn observes(&self) -> bool {
        self.spec.policy == Policy::Observe
    }
}

#[cfg(test)]
mod tests;
