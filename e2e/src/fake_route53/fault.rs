//! Faults to inject: what goes wrong, on which calls, how often.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::errors::ErrorResponse;
use super::log::{Edit, Operation};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The call is refused with this error; nothing is done.
    Error {
        /// HTTP status.
        status: u16,
        /// `Code` of the error.
        code: String,
        /// `Message` of the error.
        message: String,
    },
    /// The connection closes without an answer; nothing is done.
    Disconnect,
    /// The call waits so many milliseconds, then goes on (other faults included).
    DelayMs(u64),
    /// The call is carried out and its connection closed without an answer.
    LoseAnswer,
    /// The call is carried out and answered with this status.
    FailAfterwards(u16),
    /// The call is carried out, but the connection breaks in the middle of the answer's body.
    CutAnswer,
    /// A list of record sets gives at most so many a page, however many were asked for.
    ShortPages(usize),
}

impl Fault {
    /// 500 `InternalFailure`, 503 `ServiceUnavailable` and the like.
    pub fn status(status: u16) -> Self {
        let (code, message) = failure(status);
        Self::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// More calls than the account may make. Source: "Frequency of Amazon Route 53 API requests",
    /// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>: HTTP 400, code and message as here.
    pub fn throttling() -> Self {
        Self::Error {
            status: 400,
            code: "Throttling".to_owned(),
            message: "Rate exceeded".to_owned(),
        }
    }

    /// The zone's previous change is still being processed (source as above).
    pub fn prior_request_not_complete() -> Self {
        Self::Error {
            status: 400,
            code: "PriorRequestNotComplete".to_owned(),
            message: "The request was rejected because Route 53 was still processing a prior request.".to_owned(),
        }
    }

    /// A batch refused with this message, for a rule that the fake does not know.
    pub fn invalid_batch(message: &str) -> Self {
        Self::Error {
            status: 400,
            code: "InvalidChangeBatch".to_owned(),
            message: message.to_owned(),
        }
    }

    /// The rejection with which the call ends before anything is done.
    pub(super) fn rejection(&self) -> Option<ErrorResponse> {
        match self {
            Self::Error { status, code, message } => Some(ErrorResponse::new(*status, code, message)),
            _ => None,
        }
    }
}

/// Code and message that go with a status.
pub(super) fn failure(status: u16) -> (&'static str, &'static str) {
    match status {
        403 => ("AccessDenied", "Access denied"),
        429 => ("TooManyRequestsException", "Too many requests"),
        503 => ("ServiceUnavailable", "Service is unavailable"),
        _ => ("InternalFailure", "An internal failure occurred"),
    }
}

/// A fault and the calls that it hits: those that fit all conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// Only this operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Only calls for this zone id.
    #[serde(default)]
    pub zone: Option<String>,
    /// Only batches that change this (normalised) name.
    #[serde(default)]
    pub name: Option<String>,
    /// Only calls with this access key.
    #[serde(default)]
    pub key: Option<String>,
    /// Only the next so many of them.
    #[serde(default)]
    pub times: Option<u32>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            operation: None,
            zone: None,
            name: None,
            key: None,
            times: None,
        }
    }
}

impl Rule {
    /// A fault that hits changes of record sets.
    pub fn changes(fault: Fault) -> Self {
        Self {
            operation: Some(Operation::ChangeResourceRecordSets),
            ..fault.into()
        }
    }

    /// A fault that hits lists of record sets.
    pub fn lists(fault: Fault) -> Self {
        Self {
            operation: Some(Operation::ListResourceRecordSets),
            ..fault.into()
        }
    }

    /// Only the next so many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Only this zone.
    #[must_use]
    pub fn zone(self, id: &str) -> Self {
        Self {
            zone: Some(id.to_owned()),
            ..self
        }
    }

    /// Only batches that change this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self {
            name: Some(super::name::normalise(name).unwrap_or_else(|_| name.to_owned())),
            ..self
        }
    }

    /// Only this access key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    pub(super) fn hits(&self, operation: Operation, zone: Option<&str>, key: &str, edits: &[Edit]) -> bool {
        self.times != Some(0)
            && self.operation.is_none_or(|only| only == operation)
            && self.zone.as_deref().is_none_or(|only| zone == Some(only))
            && self.key.as_deref().is_none_or(|only| only == key)
            && self
                .name
                .as_ref()
                .is_none_or(|only| edits.iter().any(|edit| edit.name == *only))
    }
}

/// The account's bucket of calls. Route 53's own: 5 a second (older pages), or a burst of 50 refilled with 10 a second
/// (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html>).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// Calls a second.
    pub rate: f64,
    /// Calls at once.
    pub burst: f64,
}

impl Throttle {
    /// Five calls a second.
    pub const FIVE: Self = Self { rate: 5.0, burst: 5.0 };
    /// The newer budget.
    pub const TEN: Self = Self {
        rate: 10.0,
        burst: 50.0,
    };
}

/// One account's bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn full(limit: Throttle, now: Instant) -> Self {
        Self {
            tokens: limit.burst,
            filled: now,
        }
    }

    /// Takes a call out of the bucket when there is one.
    pub(super) fn take(&mut self, limit: Throttle, now: Instant) -> bool {
        let since: Duration = now.saturating_duration_since(self.filled);
        self.tokens = (self.tokens + since.as_secs_f64() * limit.rate).min(limit.burst);
        self.filled = now;
        let taken = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(taken));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_refills() {
        let start = Instant::now();
        let mut bucket = Bucket::full(Throttle::FIVE, start);
        assert_eq!((0..7).filter(|_| bucket.take(Throttle::FIVE, start)).count(), 5);
        assert!(!bucket.take(Throttle::FIVE, start + Duration::from_millis(199)));
        assert!(bucket.take(Throttle::FIVE, start + Duration::from_millis(201)));
    }

    #[test]
    fn rules_hit_what_they_name() {
        let rule = Rule::changes(Fault::LoseAnswer).name("A.example.org").zone("Z");
        let edit = |name: &str| Edit {
            action: super::super::Action::Create,
            name: name.to_owned(),
            kind: "A".to_owned(),
            set_identifier: None,
        };
        let hits = |operation, name| rule.hits(operation, Some("Z"), "k", &[edit(name)]);
        assert!(hits(Operation::ChangeResourceRecordSets, "a.example.org."));
        assert!(!hits(Operation::ChangeResourceRecordSets, "b.example.org."));
        assert!(!hits(Operation::ListResourceRecordSets, "a.example.org."));
    }
}
