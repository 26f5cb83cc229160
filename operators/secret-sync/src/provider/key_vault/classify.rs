//! What a refusal means: pure functions over status, headers and body. Of what the server wrote, only known words, numbers and
//! an IP address are looked at; nothing else gets into a message.
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;

use super::settings::Checked;
use crate::provider::http::Answer;
use crate::provider::{Failure, ObjectKey, Reason};

/// What a call was for.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// To see whether the vault takes the token.
    Nothing,
    /// A secret.
    Object(&'a ObjectKey),
}

impl Asked<'_> {
    fn name(self) -> String {
        match self {
            Self::Nothing => "the list of secrets".to_owned(),
            Self::Object(key) => format!("the secret {}", key.name),
        }
    }

    fn version(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Object(key) => key.version.as_deref(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VaultError {
    error: Detail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: Option<String>,
    message: Option<String>,
    innererror: Option<Inner>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Inner {
    code: Option<String>,
}

/// A refusal by the vault. Codes: <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>.
pub(super) fn vault(host: &str, asked: Asked<'_>, answer: &Answer, now: jiff::Timestamp) -> Failure {
    let status = answer.status.as_u16();
    let what = asked.name();
    // Parsed in vain, it is no error of Key Vault.
    let error: Detail = serde_json::from_slice::<VaultError>(&answer.body)
        .map(|body| body.error)
        .unwrap_or_default();
    let code = error.code.as_deref().unwrap_or_default();
    let inner = error.innererror.and_then(|inner| inner.code).unwrap_or_default();
    let (reason, message) = match status {
        403 => return forbidden(host, asked, code, &inner, error.message.as_deref()),
        404 if code == "SecretNotFound" => not_found(host, asked),
        404 => (
            Reason::BadAnswer,
            format!("{host} answers 404 for {what}, but not as a Key Vault does; is vaultURL right?"),
        ),
        429 => (
            Reason::Throttled,
            format!("{host} is throttling: too many calls to this vault (429)"),
        ),
        408 | 500.. => (Reason::ServerError, format!("{host} answers {what} with {status}")),
        300..=399 => (
            Reason::BadAnswer,
            format!("{host} answers {what} with a redirect ({status}), which is not followed; is vaultURL right?"),
        ),
        _ => (Reason::BadAnswer, format!("{host} answers {what} with {status}")),
    };
    let mut failure = Failure::new(reason, message);
    failure.retry_after = waiting(reason, answer, now);
    failure
}

fn not_found(host: &str, asked: Asked<'_>) -> (Reason, String) {
    let what = asked.name();
    match asked.version() {
        Some(version) => (
            Reason::VersionMissing,
            format!("{host}: {what} is not there in the version {version}, or not at all"),
        ),
        None => (
            Reason::KeyMissing,
            format!("{host}: {what} is not there; if it was deleted, it can be recovered (az keyvault secret recover)"),
        ),
    }
}

fn forbidden(host: &str, asked: Asked<'_>, code: &str, inner: &str, text: Option<&str>) -> Failure {
    let what = asked.name();
    let (reason, message) = match if inner.is_empty() { code } else { inner } {
        "SecretDisabled" => (
            Reason::KeyDisabled,
            format!("{host}: {what} is disabled in the version that was asked for; enable it or set another version"),
        ),
        "SecretExpired" => (
            Reason::KeyExpired,
            format!("{host}: {what} has expired; store a new version"),
        ),
        "SecretNotYetValid" | "SecretNotActive" => (
            Reason::KeyNotYetValid,
            format!("{host}: {what} is not valid yet; wait for its activation date, or change it"),
        ),
        "ForbiddenByFirewall" => return firewall(host, text.and_then(client_address)),
        "ForbiddenByConnection" => (
            Reason::ForbiddenByFirewall,
            format!(
                "{host} takes no calls from public networks; allow them for this address, or use a private endpoint"
            ),
        ),
        "ForbiddenByPolicy" | "AccessDenied" => (
            Reason::Denied,
            format!(
                "{host} denies {what}: the access policy of the service principal needs the permission Get for secrets"
            ),
        ),
        "ForbiddenByRbac" => (
            Reason::Denied,
            format!(
                "{host} denies {what}: the service principal needs the role Key Vault Secrets User; a new assignment takes \
                 some minutes"
            ),
        ),
        _ if code.is_empty() => (
            Reason::BadAnswer,
            format!("{host} answers {what} with 403, but not as a Key Vault does; is something else in between?"),
        ),
        _ => (Reason::Denied, format!("{host} denies {what} (403)")),
    };
    Failure::new(reason, message)
}

fn firewall(host: &str, address: Option<IpAddr>) -> Failure {
    let of = address.map_or_else(|| "the address".to_owned(), |address| format!("the address {address}"));
    let message = format!(
        "the firewall of {host} does not let in {of} of this line; add it to the vault's networking rules. Has the line got a new \
         address?"
    );
    Failure::new(Reason::ForbiddenByFirewall, message)
}

/// `Client address: 203.0.113.9` in the middle of a text.
fn client_address(text: &str) -> Option<IpAddr> {
    let (_, rest) = text.split_once("Client address: ")?;
    let end = rest
        .find(|byte: char| !byte.is_ascii_hexdigit() && byte != '.' && byte != ':')
        .unwrap_or(rest.len());
    rest.get(..end)?.trim_end_matches('.').parse().ok()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginError {
    error: String,
    error_description: String,
    error_codes: Vec<u64>,
}

/// A refusal by Entra. Numbers: <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.
pub(super) fn login(checked: &Checked, answer: &Answer, now: jiff::Timestamp) -> Failure {
    let (host, status) = (&checked.authority_host, answer.status.as_u16());
    let body: Option<LoginError> = serde_json::from_slice(&answer.body).ok();
    let number = body.as_ref().and_then(number);
    let is_entra = body.is_some_and(|body| !body.error.is_empty());
    let (reason, message) = match (status, number) {
        // "A transient error has occurred"
        (_, Some(90_033)) | (408 | 500.., _) => {
            (Reason::ServerError, format!("{host} answers the login with {status}"))
        }
        (429, _) => (Reason::Throttled, format!("{host} is throttling logins (429)")),
        (_, Some(number)) => refused(checked, number),
        (_, None) if is_entra => (Reason::LoginRefused, format!("{host} refuses the login ({status})")),
        (_, None) => (
            Reason::Unreachable,
            format!("{host} answers the login with {status}, but not as Entra does; is something else in between?"),
        ),
    };
    let mut failure = Failure::new(reason, message);
    failure.retry_after = waiting(reason, answer, now);
    failure
}

fn number(body: &LoginError) -> Option<u64> {
    let in_text = || {
        let (_, rest) = body.error_description.split_once("AADSTS")?;
        let end = rest.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    body.error_codes.first().copied().or_else(in_text)
}

fn refused(checked: &Checked, number: u64) -> (Reason, String) {
    let Checked {
        tenant_id, client_id, ..
    } = checked;
    let (reason, text) = match number {
        7_000_222 => (
            Reason::ClientSecretExpired,
            format!("the client secret of {client_id} has expired; make a new one in Entra and store it in the Secret"),
        ),
        7_000_215 | 7_000_216 | 50_012 => (
            Reason::ClientSecretInvalid,
            format!("the client secret of {client_id} is wrong; store the secret's value, not its id, in the Secret"),
        ),
        90_002 | 900_021 | 900_023 => (
            Reason::TenantMissing,
            format!("there is no tenant {tenant_id} in this cloud; correct tenantID or cloud"),
        ),
        700_016 => (
            Reason::LoginRefused,
            format!("there is no application {client_id} in the tenant {tenant_id}; correct clientID or tenantID"),
        ),
        7_000_112 | 7_000_113 => (
            Reason::LoginRefused,
            format!("the application {client_id} is disabled; enable it in Entra"),
        ),
        // Not within its time range: of assertions, but the sentence fits all that a wrong clock does.
        700_024 | 700_023 | 500_133 | 50_013 => (
            Reason::LoginRefused,
            "Entra finds the login outside of its time; is this machine's clock right?".to_owned(),
        ),
        500_011 => (
            Reason::LoginRefused,
            format!("the tenant {tenant_id} knows no {}; correct cloud", checked.resource),
        ),
        53_003 => (
            Reason::LoginRefused,
            "Conditional Access blocks the login; exempt the service principal or allow this address".to_owned(),
        ),
        _ => (Reason::LoginRefused, format!("Entra refuses the login of {client_id}")),
    };
    (reason, format!("{text} (AADSTS{number})"))
}

/// The vault does not take the token that Entra has just given.
pub(super) fn token_refused(host: &str) -> Failure {
    let message = format!(
        "{host} does not take the token of this tenant (401); is tenantID the vault's tenant, and is this machine's clock right?"
    );
    Failure::new(Reason::LoginRefused, message)
}

/// A login that was answered with 200 and no usable token.
pub(super) fn no_token(checked: &Checked) -> Failure {
    let host = &checked.authority_host;
    let message = format!("{host} answers the login without a token; is something else in between?");
    Failure::new(Reason::Unreachable, message)
}

/// An accepted call whose answer is no secret.
pub(super) fn unreadable(host: &str) -> Failure {
    let message = format!("{host} answers, but not as a Key Vault does; is something else in between?");
    Failure::new(Reason::BadAnswer, message)
}

fn waiting(reason: Reason, answer: &Answer, now: jiff::Timestamp) -> Option<Duration> {
    let is_asked = matches!(reason, Reason::Throttled | Reason::ServerError);
    is_asked.then(|| retry_after(answer, now)).flatten()
}

/// The most exact of the headers by which Azure asks to wait.
pub(super) fn retry_after(answer: &Answer, now: jiff::Timestamp) -> Option<Duration> {
    let milliseconds = ["retry-after-ms", "x-ms-retry-after-ms"].into_iter().find_map(|name| {
        let value = answer.headers.get(name)?.to_str().ok()?;
        value.trim().parse().ok().map(Duration::from_millis)
    });
    milliseconds.or_else(|| crate::provider::http::retry_after(&answer.headers, now))
}
