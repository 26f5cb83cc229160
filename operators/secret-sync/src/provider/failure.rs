//! Why a provider did not give what was asked for.
use std::time::Duration;

/// A failed call. The message is for users: it is made of our own words and of parts that were checked, never of what the
/// server wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong.
    pub reason: Reason,
    /// What was tried, what the answer was, and what to do.
    pub message: String,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a pause.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Whether it concerns whatever is asked for at this source, not one object.
    pub fn is_of_source(&self) -> bool {
        matches!(self.reason.class(), Class::Outage | Class::Login)
    }
}

/// What a failure says about the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// One object is not there or not to be had. The source works.
    Object,
    /// The source's settings do not fit what is at the provider.
    Settings,
    /// The login was refused.
    Login,
    /// The provider cannot be used now, whatever is asked for: the circuit opens.
    Outage,
}

/// What went wrong: the reason of conditions and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words are explained in docs/secret-sync-reference.md")]
pub enum Reason {
    // One object.
    KeyMissing,
    KeyDeleted,
    VersionMissing,
    KeyDisabled,
    KeyExpired,
    KeyNotYetValid,
    Denied,
    Pkcs12NotSupported,
    TooLarge,
    BadAnswer,
    // Settings.
    MountMissing,
    NamespaceMissing,
    WrongKvVersion,
    VaultMissing,
    // Login.
    LoginRefused,
    ClientSecretExpired,
    ClientSecretInvalid,
    TenantMissing,
    // Outages.
    Unreachable,
    TlsFailed,
    Sealed,
    Standby,
    Throttled,
    ServerError,
    ForbiddenByFirewall,
}

impl Reason {
    /// The word in conditions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyMissing => "KeyMissing",
            Self::KeyDeleted => "KeyDeleted",
            Self::VersionMissing => "VersionMissing",
            Self::KeyDisabled => "KeyDisabled",
            Self::KeyExpired => "KeyExpired",
            Self::KeyNotYetValid => "KeyNotYetValid",
            Self::Denied => "Denied",
            Self::Pkcs12NotSupported => "Pkcs12NotSupported",
            Self::TooLarge => "TooLarge",
            Self::BadAnswer => "BadAnswer",
            Self::MountMissing => "MountMissing",
            Self::NamespaceMissing => "NamespaceMissing",
            Self::WrongKvVersion => "WrongKvVersion",
            Self::VaultMissing => "VaultMissing",
            Self::LoginRefused => "LoginRefused",
            Self::ClientSecretExpired => "ClientSecretExpired",
            Self::ClientSecretInvalid => "ClientSecretInvalid",
            Self::TenantMissing => "TenantMissing",
            Self::Unreachable => "Unreachable",
            Self::TlsFailed => "TlsFailed",
            Self::Sealed => "Sealed",
            Self::Standby => "Standby",
            Self::Throttled => "Throttled",
            Self::ServerError => "ServerError",
            Self::ForbiddenByFirewall => "ForbiddenByFirewall",
        }
    }

    /// What it says about the source.
    pub fn class(self) -> Class {
        match self {
            Self::KeyMissing
            | Self::KeyDeleted
            | Self::VersionMissing
            | Self::KeyDisabled
            | Self::KeyExpired
            | Self::KeyNotYetValid
            | Self::Denied
            | Self::Pkcs12NotSupported
            | Self::TooLarge
            | Self::BadAnswer => Class::Object,
            Self::MountMissing | Self::NamespaceMissing | Self::WrongKvVersion | Self::VaultMissing => Class::Settings,
            Self::LoginRefused | Self::ClientSecretExpired | Self::ClientSecretInvalid | Self::TenantMissing => {
                Class::Login
            }
            Self::Unreachable
            | Self::TlsFailed
            | Self::Sealed
            | Self::Standby
            | Self::Throttled
            | Self::ServerError
            | Self::ForbiddenByFirewall => Class::Outage,
        }
    }
}
