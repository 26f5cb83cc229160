//! Entra's token endpoint for the client credentials flow, and its metadata.
//!
//! Shapes: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>, numbers and words:
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::{Method, Request};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{Answer, Outcome};
use super::input;
use super::log::Call;

/// A service principal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its tenant.
    pub tenant: String,
    /// Its id.
    pub client_id: String,
    /// Secrets that are accepted.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Secrets that have expired.
    #[serde(default)]
    pub expired_secrets: Vec<String>,
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) tenant: String,
    pub(super) client_id: String,
    pub(super) expires: Instant,
    pub(super) revoked: bool,
}

/// What Entra knows.
#[derive(Debug)]
pub(super) struct Entra {
    pub(super) applications: Vec<Application>,
    pub(super) tokens: HashMap<String, Token>,
    /// How long tokens live. The SDKs renew a token five minutes before its end.
    pub(super) lifetime: Duration,
    /// For which resource tokens are issued.
    pub(super) resource: String,
}

impl Entra {
    pub(super) fn new(application: Application, resource: String) -> Self {
        Self {
            applications: vec![application],
            tokens: HashMap::new(),
            lifetime: Duration::from_secs(3599),
            resource,
        }
    }

    fn has_tenant(&self, tenant: &str) -> bool {
        self.applications.iter().any(|application| application.tenant == tenant)
    }

    /// The token endpoint.
    pub(super) fn token(&mut self, tenant: &str, request: &Request<Bytes>, call: &mut Call) -> Outcome {
        if request.method() != Method::POST {
            return Err(refused(
                400,
                "invalid_request",
                900_561,
                "The endpoint only accepts POST requests. Received a GET request.",
            ));
        }
        let content_type = request
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        let form = match std::str::from_utf8(request.body()) {
            Ok(text) if kind.trim() == "application/x-www-form-urlencoded" => input::pairs(text),
            _ => Vec::new(),
        };
        let field = |name: &str| {
            let mut given = form.iter().filter(|(held, _)| held == name).map(|(_, value)| value);
            match (given.next(), given.next()) {
                (Some(value), None) if !value.is_empty() => Ok(value.as_str()),
                (Some(_), Some(_)) => Err(refused(
                    400,
                    "invalid_request",
                    900_144,
                    &format!("The request body must contain the parameter '{name}' once."),
                )),
                _ => Err(missing(name)),
            }
        };
        let grant = field("grant_type")?;
        if grant != "client_credentials" {
            return Err(refused(
                400,
                "unsupported_grant_type",
                70_003,
                &format!("The app requested an unsupported grant type '{grant}'."),
            ));
        }
        let client_id = field("client_id")?;
        call.name = Some(client_id.to_owned());
        self.check_tenant(tenant)?;
        let known = self
            .applications
            .iter()
            .find(|application| application.tenant == tenant && application.client_id == client_id);
        let application = known.ok_or_else(|| {
            refused(
                400,
                "unauthorized_client",
                700_016,
                &format!(
                    "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if \
                     the application has not been installed by the administrator of the tenant or consented to by any user in \
                     the tenant. You may have sent your authentication request to the wrong tenant."
                ),
            )
        })?;
        check_scope(field("scope")?, &self.resource)?;
        let Ok(secret) = field("client_secret") else {
            return Err(refused(
                401,
                "invalid_client",
                7_000_218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            ));
        };
        check_secret(application, secret)?;
        let token = format!("fake.{:032x}.{:032x}", fastrand::u128(..), fastrand::u128(..));
        let issued = Token {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            expires: Instant::now() + self.lifetime,
            revoked: false,
        };
        self.tokens.insert(token.clone(), issued);
        call.application = Some(client_id.to_owned());
        let seconds = self.lifetime.as_secs();
        let document = json!({
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        });
        Ok(Answer::json(200, &document).with_header("cache-control", "no-store, no-cache"))
    }

    /// `/{tenant}/v2.0/.well-known/openid-configuration`.
    pub(super) fn configuration(&self, tenant: &str, host: &str) -> Outcome {
        self.check_tenant(tenant)?;
        let base = format!("https://{host}/{tenant}");
        let document = json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        Ok(Answer::json(200, &document))
    }

    fn check_tenant(&self, tenant: &str) -> Result<(), Answer> {
        let is_name = tenant.contains('.') || tenant.len() == 36;
        if !is_name {
            return Err(refused(
                400,
                "invalid_request",
                900_023,
                &format!(
                    "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."
                ),
            ));
        }
        if self.has_tenant(tenant) {
            return Ok(());
        }
        Err(refused(
            400,
            "invalid_request",
            90_002,
            &format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct \
                 cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for \
                 the tenant."
            ),
        ))
    }
}

fn check_scope(scope: &str, resource: &str) -> Result<(), Answer> {
    let Some(asked) = scope.strip_suffix("/.default") else {
        return Err(refused(
            400,
            "invalid_scope",
            1_002_012,
            &format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    if asked == resource {
        return Ok(());
    }
    Err(refused(
        400,
        "invalid_resource",
        500_011,
        &format!("The resource principal named {asked} was not found in the tenant."),
    ))
}

fn check_secret(application: &Application, secret: &str) -> Result<(), Answer> {
    if application.secrets.iter().any(|held| held == secret) {
        return Ok(());
    }
    let id = &application.client_id;
    if application.expired_secrets.iter().any(|held| held == secret) {
        return Err(refused(
            401,
            "invalid_client",
            7_000_222,
            &format!(
                "The provided client secret keys for app '{id}' are expired. Visit the Azure portal to create new keys for your \
                 app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: \
                 https://aka.ms/certCreds."
            ),
        ));
    }
    Err(refused(
        401,
        "invalid_client",
        7_000_215,
        &format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the \
             client secret ID, for a secret added to app '{id}'."
        ),
    ))
}

fn missing(name: &str) -> Answer {
    refused(
        400,
        "invalid_request",
        900_144,
        &format!("The request body must contain the following parameter: '{name}'."),
    )
}

/// An error as Entra writes it.
pub(super) fn refused(status: u16, error: &str, number: u64, words: &str) -> Answer {
    let document = json!({
        "error": error,
        "error_description": format!(
            "AADSTS{number}: {words} Trace ID: 00000000-0000-0000-0000-000000000001 Correlation ID: \
             00000000-0000-0000-0000-000000000002 Timestamp: 2026-11-30 00:00:00Z"
        ),
        "error_codes": [number],
        "timestamp": "2026-11-30 00:00:00Z",
        "trace_id": "00000000-0000-0000-0000-000000000001",
        "correlation_id": "00000000-0000-0000-0000-000000000002",
        "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
    });
    let mut answer = Answer::json(status, &document);
    answer.code = Some(number.to_string());
    answer
}
