//! What an object wants of a zone: the types between sources and planner.
use crate::{endpoint::Endpoint, name::Name, record_data::RecordType};

/// A name that an object claims but has no values for at the moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The record's name.
    pub name: Name,
    /// Which of the sets of that name; None: the simple one.
    pub set_identifier: Option<Box<str>>,
    /// The type that would be published; None: an address or a host name.
    pub record_type: Option<RecordType>,
}

/// Something in an object that cannot be published as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Defect {
    /// The reason of conditions and Events, for example `InvalidTarget`.
    pub reason: &'static str,
    /// What is wrong, why, and what to do; the same text for the same fault.
    pub message: String,
    /// The name that is not published for it; None: the whole object, or no valid name.
    pub name: Option<Name>,
}

impl Defect {
    /// The object is published all the same; the defect is only reported.
    pub fn is_note(&self) -> bool {
        matches!(
            self.reason,
            "AnnotationConflict" | "InvalidAccess" | "InvalidAnnotation" | "InvalidTTL"
        )
    }

    /// A defect of the whole object.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            name: None,
        }
    }

    /// A defect of one name.
    pub fn of(name: &Name, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            name: Some(name.clone()),
        }
    }
}

/// All that one object wants of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Record sets to publish, sorted by name, type and set identifier.
    pub endpoints: Vec<Endpoint>,
    /// Names that stay as they are: the object claims them, but has no (valid) values for them.
    pub held: Vec<Held>,
    /// What is wrong with the object.
    pub defects: Vec<Defect>,
    /// Names of the object that are not within this zone.
    pub outside: Vec<Name>,
    /// The object is a suspended `DNSRecord`; its name is in `held`.
    pub suspended: bool,
}

impl Wanted {
    /// Nothing at all, not even a defect.
    pub fn is_empty(&self) -> bool {
        let Self {
            endpoints,
            held,
            defects,
            outside,
            suspended,
        } = self;
        endpoints.is_empty() && held.is_empty() && defects.is_empty() && outside.is_empty() && !suspended
    }
}
