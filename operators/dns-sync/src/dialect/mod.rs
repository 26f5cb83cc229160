//! What a provider knows, in contrast to what it does: limits, rules and texts. Pure, so that planning can ask it.
pub mod route53;

use std::iter::Sum;
use std::ops::Deref;

use crate::crd::zone::DNSZoneSpec;
use crate::record_data::RecordType;
use crate::records::{RecordChange, RecordSet, Routing, SetKey};

/// Which provider a zone is at, with what is special about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Route 53.
    Route53(route53::Route53),
}

impl Dialect {
    /// Of the provider that a spec names. `zone_id`: empty until it is known.
    pub fn of(spec: &DNSZoneSpec, zone_id: &str) -> Option<Self> {
        let zone_id = zone_id.into();
        let route53 = spec.route53.as_ref();
        route53.map(|_| Self::Route53(route53::Route53 { zone_id }))
    }
}

/// The rules of whichever provider it is.
impl Deref for Dialect {
    type Target = dyn DialectRules;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Route53(rules) => rules,
        }
    }
}

/// What is special about a provider. [`Dialect`] says which one it is.
pub trait DialectRules {
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
    fn mark(&self, value: Box<str>, of: &RecordSet) -> RecordSet;
}

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
