//! What a DNS provider must do for a zone, in our own types.
pub mod route53;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use crate::crd::zone::ProviderSpec;
use crate::dialect::Dialect;
use crate::metrics::ProviderMetrics;
use crate::name::Name;
use crate::records::{NameSets, RecordChange, RecordSets};

/// A hosted zone at a provider.
pub trait Provider: Send + Sync + 'static {
    /// Lists the whole zone: all of it, or an error.
    fn list(&self) -> impl Future<Output = Result<RecordSets, ProviderError>> + Send;
    /// Reads what is at these names: all of them, in their order, or an error.
    fn read(&self, names: &[Name]) -> impl Future<Output = Result<Vec<(Name, NameSets)>, ProviderError>> + Send;
    /// Carries out all changes or none.
    fn change(&self, changes: &[RecordChange]) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// Settings of the operator for all providers.
#[derive(clap::Args, Debug, Clone, Default)]
#[group(skip)]
pub struct Settings {
    /// For Route 53.
    #[command(flatten)]
    pub route53: route53::settings::Settings,
}

/// The clients of all providers, by credentials.
#[derive(Debug)]
pub struct Accounts {
    route53: route53::account::Accounts,
}

/// A hosted zone at whichever provider.
#[derive(Clone, Debug)]
pub enum HostedZone {
    /// At Amazon Route 53.
    Route53(route53::HostedZone),
}

/// A hosted zone that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The provider's id of it.
    pub zone_id: String,
    /// For the delegation at the registrar; empty for private zones.
    pub name_servers: Vec<String>,
    /// What is special about the zone.
    pub dialect: Dialect,
}

/// Why a hosted zone was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The Secret does not hold what is needed, for the user.
    Credentials(String),
    /// There is none, or it is not clear which one is meant, for the user.
    Zone(String),
    /// The provider could not be asked.
    Provider(ProviderError),
}

/// Data of a credentials Secret. Never printed.
pub struct SecretData<'a>(pub &'a BTreeMap<String, k8s_openapi::ByteString>);

impl Accounts {
    /// None yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            route53: route53::account::Accounts::new(settings.route53.rate(), settings.route53.region()),
        }
    }

    /// Finds the hosted zone of a domain that a spec means.
    pub async fn find(
        &self,
        domain: &Name,
        spec: &ProviderSpec,
        secret: Option<SecretData<'_>>,
        metrics: ProviderMetrics,
    ) -> Result<(Found, HostedZone), NotFound> {
        match spec {
            ProviderSpec::Route53(spec) => {
                // The futures of an SDK are large, and this one is part of every reconcile.
                let (found, zone) = Box::pin(self.route53.find(domain, spec, secret, metrics)).await?;
                Ok((found, HostedZone::Route53(zone)))
            }
        }
    }

    /// Forgets clients that no zone uses any more, with their credentials.
    pub fn retain_used(&self) {
        let Self { route53 } = self;
        route53.retain_used();
    }
}

impl Provider for HostedZone {
    async fn list(&self) -> Result<RecordSets, ProviderError> {
        match self {
            Self::Route53(zone) => zone.list().await,
        }
    }

    async fn read(&self, names: &[Name]) -> Result<Vec<(Name, NameSets)>, ProviderError> {
        match self {
            Self::Route53(zone) => zone.read(names).await,
        }
    }

    async fn change(&self, changes: &[RecordChange]) -> Result<(), ProviderError> {
        match self {
            Self::Route53(zone) => zone.change(changes).await,
        }
    }
}

impl From<ProviderError> for NotFound {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

/// Why a provider call failed, as far as it matters for what to do next. Never holds a body or a credential.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum ProviderError {
    /// Too many calls; the limiter slows down and nothing is wrong with the records.
    #[error("the provider throttles")]
    Throttled(Option<Duration>),
    /// The zone's previous change is not finished (PriorRequestNotComplete).
    #[error("the provider is still busy with the previous change")]
    Busy,
    /// The batch was refused as a whole.
    #[error("the provider refused the change: {0}")]
    Refused(Refusal),
    /// The credentials do not permit the call, or are no credentials.
    #[error("the provider denies {operation}: {code}")]
    Denied {
        /// What was tried, e.g. `route53:ChangeResourceRecordSets`.
        operation: &'static str,
        /// The provider's error code.
        code: String,
    },
    /// The hosted zone does not exist.
    #[error("the hosted zone does not exist")]
    NoSuchZone,
    /// No answer, or one that does not say whether the change was made.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// We are no longer the leader; nothing was sent or its answer was not waited for.
    #[error("leadership ended")]
    NotLeading,
}

/// Why a change was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The provider's messages, for the user.
    pub messages: Vec<String>,
    /// The names that the provider blames, as far as it does; the names of targets and of the zone may be among them.
    pub blamed: Vec<Name>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.messages.join("; "))
    }
}

impl ProviderError {
    /// Condition reason and metric label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Throttled(_) => "Throttled",
            Self::Busy => "Busy",
            Self::Refused(_) => "Refused",
            Self::Denied { .. } => "AccessDenied",
            Self::NoSuchZone => "HostedZoneNotFound",
            Self::Unreachable(_) => "Unreachable",
            Self::NotLeading => "NotLeading",
        }
    }

    /// Whether the change may have been made although the call failed.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NotLeading)
    }
}
