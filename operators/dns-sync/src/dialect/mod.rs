//! What a provider knows, in contrast to what it does: limits, rules and texts. Pure, so that planning can ask it.
#[cfg(test)]
pub(crate) mod plain;
pub mod route53;

use std::collections::BTreeSet;
use std::iter::Sum;
use std::ops::Deref;

use crate::crd::zone::ProviderSpec;
use crate::endpoint::{AliasMode, Endpoint};
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};
use crate::records::{RecordChange, RecordSet, RecordSets, Routing, SetKey};

/// Which provider a zone is at, with what is special about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Route 53.
    Route53(route53::Route53),
    /// The tests' second provider.
    #[cfg(test)]
    Plain(plain::Plain),
}

impl Dialect {
    /// Of this provider, as far as the spec says it: more is known when the zone has been found.
    pub fn of(spec: &ProviderSpec) -> Self {
        match spec {
            ProviderSpec::Route53(_) => Self::Route53(route53::Route53::default()),
        }
    }
}

/// The rules of whichever provider it is.
impl Deref for Dialect {
    type Target = dyn DialectRules;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Route53(rules) => rules,
            #[cfg(test)]
            Self::Plain(rules) => rules,
        }
    }
}

/// What is special about a provider. [`Dialect`] says which one it is.
pub trait DialectRules {
    /// The provider's name, for the user.
    fn name(&self) -> &'static str;

    /// The record sets that an endpoint becomes, by type.
    fn sets(&self, endpoint: &Endpoint, around: &Around<'_>) -> Result<Vec<(RecordType, Answer)>, Unpublishable>;

    /// Whether a host name as target becomes an alias, and so sets of types A and AAAA. `alias_zone`: the hosted zone of
    /// the target, where a user names it.
    fn becomes_alias(&self, target: &str, mode: AliasMode, alias_zone: Option<&str>) -> bool;

    /// Why `apex`, the zone itself, cannot be a CNAME, and what to do; `None`: it can.
    fn forbids_cname_at_apex(&self, apex: &Name) -> Option<String>;

    /// Checks a value against the provider's own limits. The error is for the user.
    fn check(&self, value: &RecordData) -> Result<(), String>;

    /// What a person can do about refused access, and what may be its cause.
    fn denied(&self, operation: &str, code: &str) -> String;

    /// How much these changes, which are sent together, take of a call.
    fn size(&self, changes: &[RecordChange]) -> Size;

    /// How much one call may hold.
    fn limit(&self) -> Size;

    /// Why changes at one name that exceed the limit cannot be made, for the user.
    fn too_large(&self) -> String;

    /// Whether sets of these two types, which are not the same, cannot stand at one name together.
    fn types_exclude(&self, one: RecordType, other: RecordType) -> bool;

    /// Whether a set of this type cannot stand beside sets of types that are not managed here (SOA, DS …).
    fn stands_alone(&self, record_type: RecordType) -> bool;

    /// Whether two sets cannot stand at one name together.
    fn excludes(&self, (one, one_set): (&SetKey, &RecordSet), (other, other_set): (&SetKey, &RecordSet)) -> bool {
        if one.record_type != other.record_type {
            return self.types_exclude(one.record_type, other.record_type);
        }
        let is_simple = |set: &RecordSet| set.routing == Routing::Simple;
        one != other && (is_simple(one_set) || is_simple(other_set))
    }

    /// Seconds to live of a set. `asked`: what its source or the zone says; `current`: what it has now.
    fn ttl(&self, asked: Option<u32>, current: Option<u32>) -> u32;

    /// The owner record with this value for a set.
    fn mark(&self, value: RecordData, of: &RecordSet) -> RecordSet;
}

/// What decides besides an endpoint which sets it becomes.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The zone's apex.
    pub apex: &'a Name,
    /// The types that may be managed.
    pub record_types: &'a [RecordType],
    /// What is at the provider.
    pub records: &'a RecordSets,
    /// The types that all objects together want at the endpoint's name.
    pub here: &'a BTreeSet<RecordType>,
}

/// What a set shall answer, whatever its time to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These values.
    Values(Vec<RecordData>),
    /// The answer of another record; see [`Content::Alias`](crate::records::Content::Alias).
    Alias {
        /// The hosted zone of the target.
        zone_id: Box<str>,
        /// The target's name, without final dot.
        target: Box<str>,
        /// Whether it follows its target's health.
        evaluate_target_health: bool,
    },
}

/// Why an endpoint cannot be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpublishable {
    /// The reason of conditions and events.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// The target of an alias is not in the zone yet: a change at another name may fix it.
pub const TARGET_NOT_FOUND: &str = "AliasTargetNotFound";

/// How large changes are, as far as a provider limits it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Records or operations, whichever the provider counts.
    pub elements: usize,
    /// Characters of all values.
    pub characters: usize,
}

impl Size {
    /// Whether it is within the limit.
    pub fn fits(self, limit: Self) -> bool {
        self.elements <= limit.elements && self.characters <= limit.characters
    }
}

impl std::ops::Add for Size {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            elements: self.elements + more.elements,
            characters: self.characters + more.characters,
        }
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |sum, one| sum + one)
    }
}
