//! Record sets and changes, as typed values and as XML.
//!
//! Source: `ResourceRecordSet`, <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>.
//! CIDR, geoproximity and traffic-policy records are not modelled: the fake refuses them, as nothing here makes them.

use serde::{Deserialize, Serialize};

use super::xml;

/// One resource record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSet {
    /// The name; normalised (see [`super::name`]) once the fake has accepted it.
    pub name: String,
    /// `A`, `TXT` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Tells sets of one name and type apart when they have a routing policy.
    #[serde(default)]
    pub set_identifier: Option<String>,
    /// How a set is chosen among those of its name and type.
    #[serde(default)]
    pub routing: Routing,
    /// Seconds; none for an alias.
    #[serde(default)]
    pub ttl: Option<i64>,
    /// In presentation form, TXT with its quotation marks; empty for an alias.
    #[serde(default)]
    pub values: Vec<String>,
    /// Present for an alias.
    #[serde(default)]
    pub alias: Option<Alias>,
    /// A health check's id.
    #[serde(default)]
    pub health_check: Option<String>,
}

/// The routing policies that the fake knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// One set per name and type.
    #[default]
    Simple,
    /// Share of the answers, 0 to 255.
    Weighted(i64),
    /// The region whose latency counts.
    Latency(String),
    /// `PRIMARY` or `SECONDARY`.
    Failover(String),
    /// By place.
    Geo {
        /// Two letters.
        continent: Option<String>,
        /// Two letters, or `*`.
        country: Option<String>,
        /// Of the country.
        subdivision: Option<String>,
    },
    /// Up to eight healthy sets at random.
    MultiValue(bool),
}

impl Routing {
    /// The element that carries it, which is also what Route 53's messages call it.
    pub fn policy(&self) -> Option<&'static str> {
        match self {
            Self::Simple => None,
            Self::Weighted(_) => Some("weighted"),
            Self::Latency(_) => Some("latency"),
            Self::Failover(_) => Some("failover"),
            Self::Geo { .. } => Some("geolocation"),
            Self::MultiValue(_) => Some("multivalue answer"),
        }
    }
}

/// An alias' target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The zone of the target: the record's own or one of AWS'.
    pub zone: String,
    /// The target's name.
    pub name: String,
    /// `EvaluateTargetHealth`.
    pub evaluate_health: bool,
}

/// What to do with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Fails when the set exists.
    Create,
    /// Fails unless the set exists exactly so.
    Delete,
    /// Creates or replaces.
    Upsert,
}

impl Action {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What to do.
    pub action: Action,
    /// With which set.
    pub set: RecordSet,
}

impl RecordSet {
    /// A simple set with values as they go over the wire.
    pub fn simple(name: &str, kind: &str, ttl: i64, values: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            set_identifier: None,
            routing: Routing::Simple,
            ttl: Some(ttl),
            values: values.iter().map(|&value| value.to_owned()).collect(),
            alias: None,
            health_check: None,
        }
    }

    /// An alias in `zone`'s name space, evaluating the target's health.
    pub fn alias(name: &str, kind: &str, zone: &str, target: &str) -> Self {
        let alias = Alias {
            zone: zone.to_owned(),
            name: target.to_owned(),
            evaluate_health: true,
        };
        Self {
            ttl: None,
            alias: Some(alias),
            ..Self::simple(name, kind, 0, &[])
        }
    }

    /// The same set with a weight.
    #[must_use]
    pub fn weighted(mut self, set_identifier: &str, weight: i64) -> Self {
        self.set_identifier = Some(set_identifier.to_owned());
        self.routing = Routing::Weighted(weight);
        self
    }

    /// Whether another set is the same in everything but the order of values.
    pub fn matches(&self, other: &Self) -> bool {
        let sorted = |set: &Self| {
            let mut values = set.values.clone();
            values.sort_unstable();
            values
        };
        let bare = |set: &Self| Self {
            values: Vec::new(),
            ..set.clone()
        };
        sorted(self) == sorted(other) && bare(self) == bare(other)
    }

    /// How Route 53's messages name a set.
    pub fn shown(&self) -> String {
        let identifier = self
            .set_identifier
            .as_ref()
            .map(|id| format!(", set-identifier='{id}'"))
            .unwrap_or_default();
        format!("[name='{}', type='{}'{identifier}]", self.name, self.kind)
    }

    /// Appends `<ResourceRecordSet>`, elements in the order of the service's schema.
    pub fn write(&self, out: &mut String) {
        xml::open(out, "ResourceRecordSet");
        xml::leaf(out, "Name", &self.name);
        xml::leaf(out, "Type", &self.kind);
        xml::optional(out, "SetIdentifier", self.set_identifier.as_deref());
        match &self.routing {
            Routing::Simple => {}
            Routing::Weighted(weight) => xml::leaf(out, "Weight", &weight.to_string()),
            Routing::Latency(region) => xml::leaf(out, "Region", region),
            Routing::Failover(role) => xml::leaf(out, "Failover", role),
            Routing::MultiValue(on) => xml::leaf(out, "MultiValueAnswer", &on.to_string()),
            Routing::Geo {
                continent,
                country,
                subdivision,
            } => {
                xml::open(out, "GeoLocation");
                xml::optional(out, "ContinentCode", continent.as_deref());
                xml::optional(out, "CountryCode", country.as_deref());
                xml::optional(out, "SubdivisionCode", subdivision.as_deref());
                xml::close(out, "GeoLocation");
            }
        }
        xml::optional(out, "TTL", self.ttl.map(|ttl| ttl.to_string()).as_deref());
        if !self.values.is_empty() {
            xml::open(out, "ResourceRecords");
            for value in &self.values {
                xml::open(out, "ResourceRecord");
                xml::leaf(out, "Value", value);
                xml::close(out, "ResourceRecord");
            }
            xml::close(out, "ResourceRecords");
        }
        if let Some(alias) = &self.alias {
            xml::open(out, "AliasTarget");
            xml::leaf(out, "HostedZoneId", &alias.zone);
            xml::leaf(out, "DNSName", &alias.name);
            xml::leaf(out, "EvaluateTargetHealth", &alias.evaluate_health.to_string());
            xml::close(out, "AliasTarget");
        }
        xml::optional(out, "HealthCheckId", self.health_check.as_deref());
        xml::close(out, "ResourceRecordSet");
    }
}
