//! Why a call failed.
use super::MAX_SKEW_SECONDS;
use super::endpoint::is_region;
use super::xml;

/// A failed call. The message is for users: it is made of our own words and of parts that were checked, never of what the
/// server wrote, and has no key and no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong.
    pub reason: Reason,
    /// What was tried, what the answer was, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What went wrong: a reason of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The server refuses the key, or what it wants to do.
    AccessDenied,
    /// The bucket or the account is full.
    QuotaExceeded,
    /// This machine's clock and the server's differ too much.
    ClockSkew,
    /// There is no such bucket.
    BucketMissing,
    /// The bucket is in another region than requests are signed for.
    WrongRegion,
    /// No answer, or one that says to come again. Also a certificate that is not accepted for another reason than its issuer.
    Unreachable,
    /// The server's certificate is from an issuer that is not trusted.
    UnknownIssuer,
    /// Another request for the same object is under way.
    Conflict,
    /// The server does not know what was asked for.
    NotImplemented,
    /// An answer that no S3 server gives, or one that says that the request is wrong.
    BadAnswer,
}

impl Reason {
    /// The word in conditions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::ClockSkew => "ClockSkew",
            Self::BucketMissing => "BucketMissing",
            Self::WrongRegion => "WrongRegion",
            Self::Unreachable => "Unreachable",
            Self::UnknownIssuer => "UnknownIssuer",
            Self::Conflict => "Conflict",
            Self::NotImplemented => "NotImplemented",
            Self::BadAnswer => "BadAnswer",
        }
    }

    /// Whether the same call may succeed a little later without a change of settings.
    pub fn retry(self) -> bool {
        matches!(self, Self::Unreachable | Self::Conflict)
    }
}

/// What a call does: the name of the S3 permission that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    List,
    Get,
    Put,
    Delete,
}

impl Action {
    fn permission(self) -> &'static str {
        match self {
            Self::List => "s3:ListBucket",
            Self::Get => "s3:GetObject",
            Self::Put => "s3:PutObject",
            Self::Delete => "s3:DeleteObject",
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::List => "to list",
            Self::Get => "to read",
            Self::Put => "to write",
            Self::Delete => "to delete",
        }
    }
}

/// The body of an error, as far as it is used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// The code, if it is a known one.
    pub(super) code: Option<&'static str>,
    region: Option<String>,
    /// The message speaks of a cap (Backblaze says `AccessDenied` when the paid storage is full).
    cap: bool,
    /// The message speaks of the region.
    about_region: bool,
}

/// The known codes, with what they mean. Others are judged by the status.
const CODES: &[(&str, Reason)] = &[
    ("AccessDenied", Reason::AccessDenied),
    ("AccountProblem", Reason::AccessDenied),
    ("AllAccessDisabled", Reason::AccessDenied),
    ("ExpiredToken", Reason::AccessDenied),
    ("Forbidden", Reason::AccessDenied),
    ("InvalidAccessKeyId", Reason::AccessDenied),
    ("InvalidSecurity", Reason::AccessDenied),
    ("InvalidToken", Reason::AccessDenied),
    ("NotSignedUp", Reason::AccessDenied),
    ("SignatureDoesNotMatch", Reason::AccessDenied),
    ("InsufficientCapacity", Reason::QuotaExceeded),
    ("QuotaExceeded", Reason::QuotaExceeded),
    ("XMinioAdminBucketQuotaExceeded", Reason::QuotaExceeded),
    ("XMinioStorageFull", Reason::QuotaExceeded),
    ("RequestExpired", Reason::ClockSkew),
    ("RequestTimeTooSkewed", Reason::ClockSkew),
    ("InvalidBucketName", Reason::BucketMissing),
    ("NoSuchBucket", Reason::BucketMissing),
    ("IllegalLocationConstraintException", Reason::WrongRegion),
    ("InvalidRegion", Reason::WrongRegion),
    ("PermanentRedirect", Reason::WrongRegion),
    ("TemporaryRedirect", Reason::WrongRegion),
    ("InternalError", Reason::Unreachable),
    ("RequestTimeout", Reason::Unreachable),
    ("ServiceUnavailable", Reason::Unreachable),
    ("SlowDown", Reason::Unreachable),
    ("TooManyRequests", Reason::Unreachable),
    ("ConditionalRequestConflict", Reason::Conflict),
    ("OperationAborted", Reason::Conflict),
    ("MethodNotAllowed", Reason::NotImplemented),
    ("NotImplemented", Reason::NotImplemented),
    ("AuthorizationHeaderMalformed", Reason::BadAnswer),
    ("BadDigest", Reason::BadAnswer),
    ("InvalidArgument", Reason::BadAnswer),
    ("InvalidRange", Reason::BadAnswer),
    ("InvalidRequest", Reason::BadAnswer),
    ("NoSuchKey", Reason::BadAnswer),
    ("PreconditionFailed", Reason::BadAnswer),
    ("XAmzContentSHA256Mismatch", Reason::BadAnswer),
];

impl ErrorBody {
    /// What is not the XML of an error has nothing.
    pub(super) fn parse(document: &[u8]) -> Self {
        let mut body = Self::default();
        let read = xml::read(document, |path, text| match path {
            "Error/Code" => {
                let known = CODES.iter().find(|(code, _)| *code == text.trim());
                body.code = known.map(|(code, _)| *code);
            }
            "Error/Region" if is_region(text) => body.region = Some(text.to_owned()),
            "Error/Message" => {
                let text = text.to_ascii_lowercase();
                body.cap = text.contains("cap exceeded");
                body.about_region = text.contains("region");
            }
            _ => {}
        });
        if read.is_ok() { body } else { Self::default() }
    }
}

/// An answer with a status that is no success.
pub(super) struct Refusal<'a> {
    pub(super) action: Action,
    /// `s3.example.com:443`.
    pub(super) at: &'a str,
    pub(super) bucket: &'a str,
    /// The region that requests are signed for.
    pub(super) region: &'a str,
    pub(super) status: u16,
    /// `x-amz-bucket-region`.
    pub(super) region_header: Option<&'a str>,
    pub(super) body: &'a ErrorBody,
    /// By how many seconds this machine's clock is ahead.
    pub(super) skew: Option<i64>,
}

impl Refusal<'_> {
    pub(super) fn failure(&self) -> Failure {
        let reason = self.reason();
        Failure::new(reason, self.message(reason))
    }

    /// The region that the bucket is in, if the answer says so and it is another one.
    fn other_region(&self) -> Option<&str> {
        let said = self.region_header.filter(|region| is_region(region));
        said.or(self.body.region.as_deref())
            .filter(|region| *region != self.region)
    }

    fn reason(&self) -> Reason {
        let skewed = self.skew.is_some_and(|seconds| seconds.abs() > MAX_SKEW_SECONDS);
        let reason = match self.reason_of_code().unwrap_or_else(|| self.reason_of_status()) {
            Reason::AccessDenied if self.body.cap => Reason::QuotaExceeded,
            reason => reason,
        };
        match reason {
            // Servers say many things about a signature of another hour.
            Reason::AccessDenied if skewed => Reason::ClockSkew,
            Reason::BadAnswer if (300..=400).contains(&self.status) && self.other_region().is_some() => {
                Reason::WrongRegion
            }
            Reason::BadAnswer if self.body.code == Some("AuthorizationHeaderMalformed") && self.body.about_region => {
                Reason::WrongRegion
            }
            reason => reason,
        }
    }

    fn reason_of_code(&self) -> Option<Reason> {
        let code = self.body.code?;
        CODES
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, reason)| *reason)
    }

    fn reason_of_status(&self) -> Reason {
        match self.status {
            401 | 403 => Reason::AccessDenied,
            405 | 501 => Reason::NotImplemented,
            409 => Reason::Conflict,
            507 => Reason::QuotaExceeded,
            408 | 429 | 500..=599 => Reason::Unreachable,
            _ => Reason::BadAnswer,
        }
    }

    fn message(&self, reason: Reason) -> String {
        let Self { at, bucket, .. } = self;
        let verb = self.action.verb();
        let code = self.body.code.unwrap_or("no known code");
        let answer = format!("{at} answers {} ({code})", self.status);
        match reason {
            Reason::AccessDenied => format!("{answer}: {}", self.access_text()),
            Reason::QuotaExceeded => format!(
                "{answer}: bucket `{bucket}` or its account is full; raise the quota, or delete backups and prune"
            ),
            Reason::ClockSkew => skew_text(at, self.skew),
            Reason::BucketMissing => format!(
                "{answer}: there is no bucket `{bucket}`; create it there, and check `bucket` and `forcePathStyle`"
            ),
            Reason::WrongRegion => match self.other_region() {
                Some(region) => format!(
                    "{answer}: bucket `{bucket}` is in region `{region}`; set `region` to it, and `endpoint` to the \
                     address of that region"
                ),
                None => format!(
                    "{answer}: bucket `{bucket}` is not in region `{}`; set `region`, and `endpoint` to the address \
                     of that region",
                    self.region
                ),
            },
            Reason::Unreachable => format!("{answer}: it cannot serve requests now; it is asked again"),
            Reason::Conflict => format!("{answer}: another request for the same object is under way"),
            Reason::NotImplemented => format!("{answer}: it does not know this way {verb}"),
            Reason::BadAnswer | Reason::UnknownIssuer => match self.status {
                300..=399 => format!("{answer}: redirects are not followed; set `endpoint` to the final address"),
                404 => format!("{answer}: this is no answer of an S3 server; check `endpoint`"),
                _ => format!("{answer}, which is unexpected; check `endpoint` and `region`"),
            },
        }
    }

    fn access_text(&self) -> String {
        match self.body.code {
            Some("InvalidAccessKeyId") => "it does not know the access key id of `secretRef`".to_owned(),
            Some("SignatureDoesNotMatch") => {
                "the secret key of `secretRef` is not the one of its access key id".to_owned()
            }
            Some("ExpiredToken" | "InvalidToken") => {
                "the session token of `secretRef` is not valid any more".to_owned()
            }
            _ => format!(
                "the key of `secretRef` may not {} in bucket `{}`; grant it {}",
                &self.action.verb()["to ".len()..],
                self.bucket,
                self.action.permission()
            ),
        }
    }
}

/// What a difference of clocks means. Positive: this machine's clock is ahead.
pub(super) fn skew_text(at: &str, skew: Option<i64>) -> String {
    let amount = match skew {
        Some(seconds) if seconds > 0 => format!("is {seconds} s ahead of"),
        Some(seconds) => format!("is {} s behind", seconds.unsigned_abs()),
        None => "differs too much from".to_owned(),
    };
    format!(
        "the clock of this machine {amount} that of {at}; at most {MAX_SKEW_SECONDS} s are allowed: set both by NTP"
    )
}

#[cfg(test)]
#[path = "errors/tests.rs"]
mod tests;
