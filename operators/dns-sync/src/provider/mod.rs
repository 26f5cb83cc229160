//! What a DNS provider must do for a zone, in our own types.
pub mod route53;

use std::future::Future;
use std::time::Duration;

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
