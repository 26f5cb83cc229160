//! The log of the fake: every call, without values, tokens and client secrets.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The calls that the fake distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the REST reference")]
pub enum Kind {
    Token,
    OpenIdConfiguration,
    GetSecret,
    SetSecret,
    UpdateSecret,
    DeleteSecret,
    ListSecrets,
    ListSecretVersions,
    GetDeletedSecret,
    ListDeletedSecrets,
    RecoverDeletedSecret,
    PurgeDeletedSecret,
    ImportCertificate,
    GetCertificate,
    UpdateCertificate,
    DeleteCertificate,
    ListCertificates,
    ListCertificateVersions,
    GetDeletedCertificate,
    ListDeletedCertificates,
    RecoverDeletedCertificate,
    PurgeDeletedCertificate,
    Other,
}

/// One call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// When it arrived.
    #[serde(skip)]
    pub at: Instant,
    /// When it arrived, after the fake's start.
    #[serde(rename = "at_seconds", serialize_with = "seconds")]
    pub since_start: Duration,
    /// Until the answer was ready.
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
    /// Of the API.
    pub kind: Kind,
    /// `Host` of the request, with its port.
    pub host: String,
    /// Of the secret or certificate, as sent; for [`Kind::Token`] the application.
    pub name: Option<String>,
    /// Of the secret or certificate, as sent.
    pub version: Option<String>,
    /// Whether the call had a token at all.
    pub with_token: bool,
    /// The application whose valid token the call had.
    pub application: Option<String>,
    /// Status of the answer; 0 when there was none.
    pub status: u16,
    /// Error code: the inner one if there is one; for [`Kind::Token`] the `AADSTS` number.
    pub code: Option<String>,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// A point in the log, to ask what came after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub(super) usize);
