//! What the specs of all providers have in common.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret in the operator's namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How a spec says where its zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The provider's field in the spec.
    pub field: &'static str,
    /// The zone's id at the provider, if the spec names it.
    pub zone_id: Option<&'a str>,
    /// Another endpoint than the provider's own.
    pub endpoint: Option<&'a str>,
    /// The Secret with the credentials.
    pub credentials: Option<&'a SecretRef>,
    /// The whole internet sees the zone.
    pub is_public: bool,
}

/// Which zone it is, whatever the DNSZone: two DNSZones on one zone would undo each other's work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneIdentity {
    /// The provider's field in the spec.
    pub provider: &'static str,
    /// Another endpoint than the provider's own.
    pub endpoint: Option<String>,
    /// The zone's id there.
    pub zone_id: String,
}

impl Place<'_> {
    /// Of the zone that has this id.
    pub fn identity(&self, zone_id: &str) -> ZoneIdentity {
        ZoneIdentity {
            provider: self.field,
            endpoint: self.endpoint.map(ToOwned::to_owned),
            zone_id: zone_id.to_owned(),
        }
    }
}
