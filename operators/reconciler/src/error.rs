//! What went wrong with an object, and when to try again. The error itself says both; one place acts on it ([`crate::run`]).

use std::time::Duration;

/// When to try again after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After a growing delay for this object, see [`crate::backoff::delay`].
    Backoff,
    /// After this time, for example because the other side said so. A little is added, nothing taken off.
    After(Duration),
    /// Only when something that is watched changes: trying again cannot help. Counted as a terminal error.
    OnChange,
}

/// An error of a reconciler.
pub trait ReconcileError: std::error::Error + Send + Sync + 'static {
    /// Which error, in `PascalCase`: the reason of conditions and events and a label in logs. One of a few fixed words.
    fn reason(&self) -> &'static str;

    /// When to try again.
    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}

/// After an answer that only a person can change (RBAC, a rejected object): these are not watched, so look again by time.
pub const LOOK_AGAIN: Duration = Duration::from_mins(5);

/// The reason of an error of the Kubernetes client, and when to try again.
fn classify(error: &kube::Error) -> (&'static str, Retry) {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => ("Unauthorized", Retry::Backoff),
            403 => ("Forbidden", Retry::After(LOOK_AGAIN)),
            404 => ("NotFound", Retry::Backoff),
            409 if status.reason == "AlreadyExists" => ("AlreadyExists", Retry::Backoff),
            409 => ("Conflict", Retry::Backoff),
            410 => ("Expired", Retry::Backoff),
            400 | 413 | 415 | 422 => ("Invalid", Retry::After(LOOK_AGAIN)),
            429 => match status.details.as_ref().map_or(0, |details| details.retry_after_seconds) {
                0 => ("Throttled", Retry::Backoff),
                seconds => (
                    "Throttled",
                    Retry::After(LOOK_AGAIN.min(Duration::from_secs(seconds.into()))),
                ),
            },
            500.. => ("ServerError", Retry::Backoff),
            _ => ("ApiError", Retry::Backoff),
        },
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            ("Unreachable", Retry::Backoff)
        }
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => ("Undecodable", Retry::After(LOOK_AGAIN)),
        kube::Error::Auth(_) => ("Unauthorized", Retry::Backoff),
        _ => ("ClientError", Retry::Backoff),
    }
}

impl ReconcileError for kube::Error {
    fn reason(&self) -> &'static str {
        classify(self).0
    }

    fn retry(&self) -> Retry {
        classify(self).1
    }
}

/// Cuts a text to at most `limit` bytes without splitting a character; what was cut shows as `…`.
pub fn cut(text: &str, limit: usize) -> String {
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
            (403, "Forbidden", "Forbidden", Retry::After(LOOK_AGAIN)),
            (404, "NotFound", "NotFound", Retry::Backoff),
            (409, "Conflict", "Conflict", Retry::Backoff),
            (409, "AlreadyExists", "AlreadyExists", Retry::Backoff),
            (422, "Invalid", "Invalid", Retry::After(LOOK_AGAIN)),
            (429, "TooManyRequests", "Throttled", Retry::Backoff),
            (500, "InternalError", "ServerError", Retry::Backoff),
            (503, "ServiceUnavailable", "ServerError", Retry::Backoff),
            (418, "", "ApiError", Retry::Backoff),
        ];
        for (code, given, reason, retry) in table {
            assert_eq!(classify(&api(code, given)), (reason, retry), "{code}");
        }
    }

    #[test]
    fn a_server_that_says_when_is_obeyed_within_reason() {
        let error = |seconds: u32| {
            let details = serde_json::from_value(serde_json::json!({ "retryAfterSeconds": seconds })).unwrap();
            kube::Error::Api(Status::failure("", "").with_code(429).with_details(details).boxed())
        };
        assert_eq!(error(7).retry(), Retry::After(Duration::from_secs(7)));
        assert_eq!(error(86_400).retry(), Retry::After(LOOK_AGAIN));
    }

    #[test]
    fn a_silent_server_is_unreachable() {
        assert_eq!(
            classify(&kube::Error::Service("timed out".into())),
            ("Unreachable", Retry::Backoff)
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("ÄÖÜäöü", 8), "ÄÖ…");
        for limit in 3..40 {
            assert!(cut("日本語のとても長い文章です。", limit).len() <= limit);
        }
    }
}
