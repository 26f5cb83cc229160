//! What the SDK may send, and what it gets to see.
//!
//! The SDK's own check of a challenge fails open in 1.0.0: it stores the scope before it compares the host, so the second call
//! sends a token for whatever the challenge named. Therefore: a token goes to the vault alone, the client secret to the
//! authority's token endpoint alone, and a token is asked for Key Vault alone. The SDK sees no challenge but one that we have
//! written, and no refusal at all: those come back as a [`Stop`], so that none of the server's words gets into an error or a log.
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::classify;
use super::settings::Checked;
use crate::provider::http::{Answer, Client, host_and_port, send};
use crate::provider::{Failure, Reason};

/// Tokens live an hour, at most a day with continuous access evaluation. The SDK adds the number to the time of day and
/// panics when that is too large.
const LONGEST_TOKEN: i64 = 7 * 24 * 60 * 60;

/// Why a call ended without an answer for the SDK.
pub(super) enum Stop {
    /// No complete answer, or nothing was sent.
    Failed(Failure),
    /// The vault has refused the call.
    Refused {
        /// How.
        answer: Box<Answer>,
        /// Whether a token was sent with it.
        had_token: bool,
    },
    /// The vault has refused the token.
    TokenRefused,
    /// The authority has refused the login.
    LoginRefused(Box<Answer>),
}

impl fmt::Display for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(formatter),
            Self::Refused { answer, .. } => write!(formatter, "refused with {}", answer.status.as_u16()),
            Self::TokenRefused => formatter.write_str("the token was refused"),
            Self::LoginRefused(answer) => write!(formatter, "login refused with {}", answer.status.as_u16()),
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error for Stop {}

/// The stop in an error of the SDK, which wraps it when a login fails.
pub(super) fn stop(error: &azure_core::Error) -> Option<&Stop> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    for _ in 0..10 {
        let current = next?;
        if let Some(stop) = current.downcast_ref() {
            return Some(stop);
        }
        next = current.source();
    }
    None
}

/// The SDK's way out.
pub(super) struct Transport {
    checked: Arc<Checked>,
    client: Client,
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Transport")
    }
}

#[async_trait::async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.execute(request)
            .await
            .map_err(|stop| azure_core::Error::with_error(ErrorKind::Other, stop, "stopped"))
    }
}

impl Transport {
    pub(super) fn new(checked: Arc<Checked>, client: Client) -> Self {
        Self { checked, client }
    }

    async fn execute(&self, request: &Request) -> Result<AsyncRawResponse, Stop> {
        let to_authority = self.check(request)?;
        let has_token = request.headers().get_optional_str(&AUTHORIZATION_OF_SDK).is_some();
        let sent = into_reqwest(request).ok_or_else(|| not_sent("the SDK has made a request that is no HTTP"))?;
        let answer = send(&self.client, sent)
            .await
            .map_err(|failure| self.unanswered(failure, to_authority))?;
        let succeeded = answer.status.is_success();
        let mut headers = Headers::new();
        if to_authority {
            if !succeeded {
                return Err(Stop::LoginRefused(Box::new(answer)));
            }
            check_token(&answer.body).map_err(|()| Stop::Failed(classify::no_token(&self.checked)))?;
        } else if answer.status == http::StatusCode::UNAUTHORIZED && has_token {
            return Err(Stop::TokenRefused);
        } else if answer.status == http::StatusCode::UNAUTHORIZED {
            let challenge = answer.headers.get_all(WWW_AUTHENTICATE).iter();
            let challenge: Vec<&str> = challenge.filter_map(|value| value.to_str().ok()).collect();
            check_challenge(&challenge.join(", "), &self.checked).map_err(Stop::Failed)?;
            headers.insert("www-authenticate", own_challenge(&self.checked));
        } else if !succeeded {
            return Err(Stop::Refused {
                answer: Box::new(answer),
                had_token: has_token,
            });
        }
        // Of an accepted answer the SDK needs no header.
        Ok(AsyncRawResponse::from_bytes(
            answer.status.as_u16().into(),
            headers,
            answer.body,
        ))
    }

    /// A vault has a name of its own: what DNS says of it may be about the vault. It may as well be the line, so it is an outage.
    /// A login has no large answer.
    fn unanswered(&self, mut failure: Failure, to_authority: bool) -> Stop {
        if !to_authority && failure.message.ends_with("its name cannot be resolved") {
            failure.message += "; is the vault's name right, and does it still exist?";
        }
        if to_authority && failure.reason == Reason::TooLarge {
            failure = classify::no_token(&self.checked);
        }
        Stop::Failed(failure)
    }

    /// Whether the request goes to the authority (or else to the vault). It goes nowhere else, and with what it may have.
    fn check(&self, request: &Request) -> Result<bool, Stop> {
        let (url, checked) = (request.url(), &self.checked);
        let has_token = request.headers().get_optional_str(&AUTHORIZATION_OF_SDK).is_some();
        if url.scheme() != "https" {
            return Err(not_sent("the SDK has made a request without TLS"));
        }
        let host = host_and_port(url);
        let token_path = format!("/{}/oauth2/v2.0/token", checked.tenant_id);
        if matches!(request.method(), Method::Post) && host == checked.authority_host && url.path() == token_path {
            return match request.body() {
                Body::Bytes(form) if !has_token && asks_for(form, &checked.resource) => Ok(true),
                _ => Err(not_sent(
                    "the SDK has asked for a token for something else than Key Vault",
                )),
            };
        }
        let is_read = matches!(request.method(), Method::Get) && request.body().is_empty() == Some(true);
        if host == checked.vault_host && is_read {
            return Ok(false);
        }
        Err(not_sent("the SDK has made a request to another host than the vault"))
    }
}

const AUTHORIZATION_OF_SDK: azure_core::http::headers::HeaderName =
    azure_core::http::headers::HeaderName::from_static("authorization");

fn not_sent(what: &str) -> Stop {
    Stop::Failed(Failure::new(Reason::BadAnswer, format!("{what}; it was not sent")))
}

fn into_reqwest(request: &Request) -> Option<reqwest::Request> {
    let method = match request.method() {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        _ => return None,
    };
    let mut sent = reqwest::Request::new(method, request.url().clone());
    for (name, value) in request.headers().iter() {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        let mut value = HeaderValue::try_from(value.as_str()).ok()?;
        value.set_sensitive(name == AUTHORIZATION);
        sent.headers_mut().insert(name, value);
    }
    match request.body() {
        Body::Bytes(bytes) if !bytes.is_empty() => *sent.body_mut() = Some(bytes.clone().into()),
        Body::Bytes(_) => {}
        Body::SeekableStream(_) => return None,
    }
    Some(sent)
}

/// Whether a form asks for a token for this resource and no other.
fn asks_for(form: &[u8], resource: &str) -> bool {
    let mut scopes = url::form_urlencoded::parse(form).filter(|(name, _)| name == "scope");
    let wanted = format!("{resource}/.default");
    scopes.next().is_some_and(|(_, scope)| scope == wanted) && scopes.next().is_none()
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: i64,
}

/// Whether an answer is a token that the SDK can use and a header can carry.
pub(super) fn check_token(body: &[u8]) -> Result<(), ()> {
    let answer: TokenAnswer = serde_json::from_slice(body).map_err(drop)?;
    let token = &answer.access_token;
    let fits = (1..=LONGEST_TOKEN).contains(&answer.expires_in)
        && (1..=64 * 1024).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(()) }
}

/// Whether a vault asks for a token for Key Vault of this cloud, and by this tenant.
pub(super) fn check_challenge(challenge: &str, checked: &Checked) -> Result<(), Failure> {
    let host = &checked.vault_host;
    let resources = parameters(challenge, "resource").map(|text| text.trim_end_matches('/').to_owned());
    let scopes = parameters(challenge, "scope").map(|text| text.trim_end_matches("/.default").to_owned());
    let asked: Vec<String> = resources.chain(scopes).collect();
    if asked.is_empty() {
        let message = format!("{host} asks for a login, but not as a Key Vault does; is something else in between?");
        return Err(Failure::new(Reason::BadAnswer, message));
    }
    if asked.iter().any(|asked| *asked != checked.resource) {
        let message = format!(
            "{host} asks for a token for something else than {}; none was sent. The cloud must be the vault's",
            checked.resource
        );
        return Err(Failure::new(Reason::LoginRefused, message));
    }
    // Only an id can be compared: a tenant may have any number of domains.
    let authorities = parameters(challenge, "authorization").chain(parameters(challenge, "authorization_uri"));
    let tenants = authorities.filter_map(|text| text.trim_end_matches('/').rsplit('/').next());
    for tenant in tenants.filter(|tenant| super::settings::is_uuid(tenant)) {
        if super::settings::is_uuid(&checked.tenant_id) && !tenant.eq_ignore_ascii_case(&checked.tenant_id) {
            let message = format!(
                "{host} belongs to the tenant {tenant}, but tenantID is {}; set tenantID to the vault's",
                checked.tenant_id
            );
            return Err(Failure::new(Reason::LoginRefused, message));
        }
    }
    Ok(())
}

/// The values of `name="…"` in a challenge.
fn parameters<'a>(challenge: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    challenge.match_indices("=\"").filter_map(move |(at, _)| {
        let before = challenge.get(..at)?;
        let start = before.strip_suffix(name)?;
        let is_whole = !start.ends_with(|byte: char| byte.is_ascii_alphanumeric() || byte == '_');
        challenge.get(at + 2..)?.split('"').next().filter(|_| is_whole)
    })
}

/// What the SDK reads the scope from.
fn own_challenge(checked: &Checked) -> String {
    let authority = checked.authority.as_str().trim_end_matches('/');
    format!(
        "Bearer authorization=\"{authority}/{}\", resource=\"{}\"",
        checked.tenant_id, checked.resource
    )
}
