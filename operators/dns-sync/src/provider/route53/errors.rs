//! Errors of Route 53 by what is to be done next.
use std::error::Error;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::name::{Name, decode_octal};
use crate::provider::{ProviderError, Refusal};

/// Sorts an SDK error. Texts of answers are not passed on, but for the messages about records in a refused batch.
pub(super) fn classify<E>(error: &SdkError<E>, operation: &'static str) -> ProviderError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let retry_after = error
        .raw_response()
        .and_then(|response| response.headers().get("retry-after"))
        .and_then(|value| value.parse().ok())
        .map(Duration::from_secs);
    let SdkError::ServiceError(service) = error else {
        return match error {
            SdkError::TimeoutError(_) => ProviderError::Unreachable("no answer in time".to_owned()),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                ProviderError::Unreachable("no answer in time".to_owned())
            }
            SdkError::DispatchFailure(failure) if failure.is_io() => {
                ProviderError::Unreachable("no connection".to_owned())
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => match outage(error) {
                Some(what) => ProviderError::Unreachable(what),
                None => ProviderError::Denied {
                    operation,
                    code: "no usable credentials".to_owned(),
                },
            },
            _ => ProviderError::Unreachable(format!(
                "unreadable answer{}",
                status.map(|code| format!(", HTTP {code}")).unwrap_or_default()
            )),
        };
    };
    let code = service.err().code().unwrap_or_default();
    match code {
        _ if is_throttle_code(code) => ProviderError::Throttled(retry_after),
        "PriorRequestNotComplete" => ProviderError::Busy,
        "NoSuchHostedZone" => ProviderError::NoSuchZone,
        "InvalidInput" => refused(vec![service.err().message().unwrap_or("invalid input").to_owned()]),
        _ => match status {
            Some(429) => ProviderError::Throttled(retry_after),
            Some(401 | 403) => ProviderError::Denied {
                operation,
                code: code_or(code, "access denied"),
            },
            Some(400) if is_credential_code(code) => ProviderError::Denied {
                operation,
                code: code.to_owned(),
            },
            Some(404) => ProviderError::NoSuchZone,
            Some(400) => refused(vec![format!(
                "{}: {}",
                code_or(code, "BadRequest"),
                service.err().message().unwrap_or_default()
            )]),
            Some(status) => ProviderError::Unreachable(format!("HTTP {status} {code}").trim_end().to_owned()),
            None => ProviderError::Unreachable("no answer".to_owned()),
        },
    }
}

/// What was away, if a call failed before it began because of that: an assumed role is asked for at STS, and when that is
/// away or busy, nothing is wrong with the credentials.
fn outage(error: &(dyn Error + 'static)) -> Option<String> {
    std::iter::successors(error.source(), |&inner| inner.source()).find_map(|inner| {
        let connector = inner.downcast_ref::<ConnectorError>();
        let cut = connector.is_some_and(|failure| failure.is_io() || failure.is_timeout())
            || matches!(inner.downcast_ref(), Some(CredentialsError::ProviderTimedOut(_)));
        if cut {
            return Some("no connection to where the credentials come from".to_owned());
        }
        let role = inner.downcast_ref::<SdkError<AssumeRoleError>>();
        let web_identity = inner.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError>>();
        role.and_then(sts_outage).or_else(|| web_identity.and_then(sts_outage))
    })
}

/// What is wrong at STS itself; nothing if it was asked and refused. Its throttling does not slow our calls down: it has a
/// limit of its own.
fn sts_outage<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<String> {
    let unreadable = || Some("no readable answer of STS".to_owned());
    match error {
        // The SDK calls half an answer an error of the service.
        SdkError::ServiceError(service) if service.raw().status().is_success() => unreadable(),
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or_default();
            // That STS could not ask the cluster's issuer for its keys is an error 400.
            let passing = status >= 500 || status == 429 || is_throttle_code(code) || code == "IDPCommunicationError";
            passing.then(|| format!("STS answers HTTP {status} {code}").trim_end().to_owned())
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => unreadable(),
        _ => None,
    }
}

/// Why a batch was refused, if it was: in the form of the model, in that of today's service (one text with all messages),
/// or in that of the API reference's example, which the SDK does not know.
pub(super) fn refusal(error: &SdkError<ChangeResourceRecordSetsError>) -> Option<Vec<String>> {
    let SdkError::ServiceError(service) = error else {
        return None;
    };
    if let ChangeResourceRecordSetsError::InvalidChangeBatch(invalid) = service.err() {
        let mut messages = invalid.messages().to_vec();
        if messages.is_empty() {
            messages.extend(invalid.message().map(ToOwned::to_owned));
        }
        return Some(messages);
    }
    let body = std::str::from_utf8(service.raw().body().bytes()?).ok()?;
    let (_, batch) = body.split_once("<InvalidChangeBatch")?;
    let messages = batch.split("<Message>").skip(1);
    Some(
        messages
            .filter_map(|rest| Some(unescape(rest.split_once("</Message>")?.0)))
            .collect(),
    )
}

/// The refusal that these messages mean.
pub(crate) fn refused(messages: Vec<String>) -> ProviderError {
    let blamed = blamed(&messages);
    ProviderError::Refused(Refusal { messages, blamed })
}

/// The names in the messages. Route 53 quotes names as `name='foo.example.org.'` or bare, with octal escapes.
fn blamed(messages: &[String]) -> Vec<Name> {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '[' | ']' | ',' | '(' | ')' | '=');
    let words = messages.iter().flat_map(|message| message.split(is_separator));
    let mut names: Vec<Name> = words
        .map(|word| word.trim_end_matches([':', ';']).trim_end_matches('.'))
        .filter(|word| word.contains('.'))
        .filter_map(|word| decode_octal(word).ok())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The five entities of XML.
fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">");
    plain
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

fn code_or(code: &str, otherwise: &str) -> String {
    if code.is_empty() {
        otherwise.to_owned()
    } else {
        code.to_owned()
    }
}

fn is_throttle_code(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "TooManyRequests"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
    )
}

fn is_credential_code(code: &str) -> bool {
    matches!(
        code,
        "AccessDenied"
            | "AccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "NotAuthorized"
            | "OptInRequired"
            | "RequestExpired"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_name_the_culprit() {
        let blames = |message: &str, name: &str| {
            let names = blamed(&[message.to_owned()]);
            names.iter().any(|blamed| blamed.as_str() == name)
        };
        let exists =
            "Tried to create resource record set [name='\\052.b.example.org.', type='A'] but it already exists";
        assert!(blames(exists, "*.b.example.org"));
        let outside = "RRSet with DNS name a.example.org. is not permitted in zone example.net.";
        assert!(blames(outside, "a.example.org") && !blames(outside, "b.example.org"));
        let invalid = "Invalid Resource Record: FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x'";
        assert_eq!(blamed(&[invalid.to_owned()]), []);
    }
}
