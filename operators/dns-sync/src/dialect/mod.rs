//! What a provider knows, in contrast to what it does: limits, rules and texts. Pure, so that planning can ask it.
pub mod route53;

use std::iter::Sum;
use std::ops::Deref;

use crate::crd::zone::DNSZoneSpec;
use crate::records::RecordChange;

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
