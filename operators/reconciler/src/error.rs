//! Why a reconcile failed, and when to retry. The error itself says both; one place acts on it ([`crate::run`]).

use std::{error::Error, time::Duration};

/// When to retry after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After a growing delay for this object, see [`crate::backoff::delay`].
    Backoff,
    /// After this time, for example because the other side said so. A little is added, nothing taken off.
    After(Duration),
    /// Only when something that is watched changes: a retry cannot help. Counted as a terminal error.
    OnChange,
}

/// An error of a reconciler.
pub trait ReconcileError: Error + Send + Sync + 'static {
    /// Which error, in `PascalCase`: the reason of conditions and events and a label in logs. One of a few fixed words.
    fn reason(&self) -> &'static str;

    /// When to retry.
    fn retry(&self) -> Retry;
}

/// After an answer that only a person can change (RBAC, a rejected object): these are not watched, so retry by time.
pub const RECHECK_AFTER: Duration = Duration::from_mins(5);

impl ReconcileError for kube::Error {
    fn reason(&self) -> &'static str {
        match self {
            Self::Api(status) => match status.code {
                401 => "Unauthorized",
                403 => "Forbidden",
                404 => "NotFound",
                409 if status.reason == "AlreadyExists" => "AlreadyExists",
                409 => "Conflict",
                410 => "Expired",
                400 | 413 | 415 | 422 => "Invalid",
                429 => "Throttled",
                500.. => "ServerError",
                _ => "ApiError",
            },
            Self::Service(_) | Self::HyperError(_) | Self::ReadEvents(_) => "Unreachable",
            Self::SerdeError(_) | Self::FromUtf8(_) => "Undecodable",
            Self::Auth(_) => "Unauthorized",
            _ => "ClientError",
        }
    }

    fn retry(&self) -> Retry {
        let seconds = match self {
            Self::Api(status) => status.details.as_ref().map_or(0, |details| details.retry_after_seconds),
            _ => 0,
        };
        match self.reason() {
            "Forbidden" | "Invalid" | "Undecodable" => Retry::After(RECHECK_AFTER),
            "Throttled" if seconds > 0 => Retry::After(RECHECK_AFTER.min(Duration::from_secs(seconds.into()))),
            _ => Retry::Backoff,
        }
    }
}

/// A request to the API server that failed, and what it was for: enough of an error for most reconcilers.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct RequestError {
    what: &'static str,
    source: kube::Error,
}

impl RequestError {
    /// For `map_err`; `what` says what was tried, for example `writing the status`.
    pub fn when(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self { what, source }
    }
}

impl ReconcileError for RequestError {
    fn reason(&self) -> &'static str {
        self.source.reason()
    }

    fn retry(&self) -> Retry {
        self.source.retry()
    }
}

/// The error with its sources, each said once (some errors' texts contain those of their sources).
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for source in anyhow::Chain::new(error).skip(1).map(ToString::to_string) {
        if !text.contains(&source) {
            text = format!("{text}: {source}");
        }
    }
    text
}

/// Cuts a text to at most `limit` bytes without splitting a character; what was cut shows as `…`.
pub fn truncate(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limit.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16, reason: &str) -> kube::Error {
        kube::Error::Api(Status::failure("no", reason).with_code(code).boxed())
    }

    #[test]
    fn answers_of_the_api_server_map_to_reason_and_retry() {
        let table = [
            (401, "Unauthorized", "Unauthorized", Retry::Backoff),
            (403, "Forbidden", "Forbidden", Retry::After(RECHECK_AFTER)),
            (404, "NotFound", "NotFound", Retry::Backoff),
            (409, "Conflict", "Conflict", Retry::Backoff),
            (409, "AlreadyExists", "AlreadyExists", Retry::Backoff),
            (422, "Invalid", "Invalid", Retry::After(RECHECK_AFTER)),
            (429, "TooManyRequests", "Throttled", Retry::Backoff),
            (500, "InternalError", "ServerError", Retry::Backoff),
            (503, "ServiceUnavailable", "ServerError", Retry::Backoff),
            (418, "", "ApiError", Retry::Backoff),
        ];
        for (code, given, reason, retry) in table {
            let error = api(code, given);
            assert_eq!((error.reason(), error.retry()), (reason, retry), "{code}");
        }
    }

    #[test]
    fn a_server_that_says_when_is_obeyed_within_reason() {
        let error = |seconds: u32| {
            let details = serde_json::from_value(serde_json::json!({ "retryAfterSeconds": seconds })).unwrap();
            kube::Error::Api(Status::failure("", "").with_code(429).with_details(details).boxed())
        };
        assert_eq!(error(7).retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(error(86_400).retry(), Retry::After(RECHECK_AFTER));
    }

    #[test]
    fn a_silent_server_is_unreachable() {
        let error = kube::Error::Service("timed out".into());
        assert_eq!((error.reason(), error.retry()), ("Unreachable", Retry::Backoff));
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("ÄÖÜäöü", 8), "ÄÖ…");
        for limit in 3..40 {
            assert!(truncate("日本語のとても長い文章です。", limit).len() <= limit);
        }
    }

    #[test]
    fn a_chain_of_errors_says_each_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to write the record")]
        struct Outer(#[source] kube::Error);
        let status = kube::core::Status::failure("Forbidden", "").boxed();
        let text = chain(&Outer(kube::Error::Api(status)));
        assert!(
            text.starts_with("failed to write the record: ApiError: Forbidden"),
            "{text}"
        );
        assert_eq!(text.matches("failed").count(), 1);
    }
}
