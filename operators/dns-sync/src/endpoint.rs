//! One record set that an object wants, before a provider's rules.
use crate::name::Name;
use crate::record_data::{RecordData, RecordType};

/// One record set that an object wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The record's name.
    pub name: Name,
    /// The record's type. An object's host name target is CNAME here even if [`AliasMode`] makes A and AAAA of it; a
    /// `DNSRecord` that asks for an alias has the type that it says, A or AAAA.
    pub record_type: RecordType,
    /// Distinguishes sets of one name and type.
    pub set_identifier: Option<Box<str>>,
    /// The set's share of the answers; there exactly if there is a set identifier.
    pub weight: Option<u8>,
    /// Values, sorted, unique, never empty. For an alias the target's name.
    pub values: Vec<RecordData>,
    /// Seconds to live; None: the zone's.
    pub ttl: Option<u32>,
    /// Whether a host name becomes an alias record.
    pub alias: AliasMode,
    /// The hosted zone of the alias' target, where a user names it.
    pub alias_zone: Option<Box<str>>,
}

/// Whether a host name target becomes an alias, where the provider has aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasMode {
    /// A CNAME to a known AWS load balancer becomes an alias of types A and AAAA; anything else stays as it is.
    Auto {
        /// Whether the alias follows its target's health.
        evaluate_target_health: bool,
    },
    /// An alias, whatever the target: types A and AAAA of a CNAME, else of the endpoint's own type.
    Yes {
        /// Whether the alias follows its target's health.
        evaluate_target_health: bool,
    },
    /// A CNAME stays a CNAME.
    No,
}
