//! Azure Key Vault: secrets, and certificates as PEM.
//!
//! The Azure SDK speaks the protocol: the challenge, the login, the calls. All that it sends goes through our transport, which
//! says where a token and a client secret may go, and keeps every refusal from the SDK (module `transport`). What a refusal means
//! is decided by pure functions (module `classify`).
mod classify;
mod settings;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::Secret as ClientSecret;
use azure_core::http::{ClientOptions, RetryOptions, Transport as SdkTransport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use azure_security_keyvault_secrets::models::{
    ContentType, Secret, SecretClientGetSecretOptions, SecretClientListSecretPropertiesOptions,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use futures::StreamExt as _;
use parking_lot::Mutex;

use self::classify::Asked;
use self::settings::Checked;
pub use self::settings::{is_name, is_version};
use self::transport::{Stop, Transport};
use super::http;
use super::{Content, Failure, Form, Object, ObjectKey, Reason};

/// The API version: the first with `outContentType`.
const API_VERSION: &str = "2025-07-01";

/// How to reach and use a Key Vault: plain values, from the source's spec and its credential.
#[derive(Clone)]
pub struct Settings {
    /// `https://home.vault.azure.net`.
    pub vault_url: String,
    /// The Entra tenant.
    pub tenant_id: String,
    /// The service principal.
    pub client_id: String,
    /// Its secret. Never printed.
    pub client_secret: String,
    /// Where tokens come from, for example `https://login.microsoftonline.com`.
    pub authority_host: String,
    /// The suffix that the vault's host must have, for example `vault.azure.net`.
    pub vault_suffix: String,
    /// Hosts beside those under the suffix, by the chart: `host` (port 443) or `host:port`.
    pub allowed_hosts: Vec<String>,
    /// PEM certificates to trust instead of the system's, for the vault and the authority.
    pub ca: Option<Vec<u8>>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A connection, with TLS.
    pub connect: Duration,
    /// A call in all.
    pub total: Duration,
    /// After a refusal, a login of at least this age is replaced. (One that was good before is replaced at once.)
    pub relogin_after: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let limits = http::Options::new(None, false);
        Self {
            connect: limits.connect,
            total: limits.total,
            // Entra and the vault may need a while to agree on a new application.
            relogin_after: Duration::from_mins(2),
        }
    }
}

/// A client and a login.
pub struct KeyVault {
    checked: Arc<Checked>,
    http: http::Client,
    relogin_after: Duration,
    session: Mutex<Arc<Session>>,
}

/// One client of the SDK with its credential. Both keep a token; a token that was refused is forgotten only with both.
struct Session {
    client: SecretClient,
    made: Instant,
    /// Whether the vault has taken the token.
    accepted: AtomicBool,
}

impl KeyVault {
    /// Checks the settings; makes no call. Fails with a sentence that names the field.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Self::with_times(settings, Times::default())
    }

    /// As [`KeyVault::new`], with other times. For tests.
    #[doc(hidden)]
    pub fn with_times(settings: Settings, times: Times) -> Result<Self, String> {
        let http = http::client(&http::Options {
            ca: settings.ca.clone(),
            allow_http: false,
            connect: times.connect,
            total: times.total,
        })?;
        let checked = Arc::new(settings::check(settings)?);
        let session = Session::new(&checked, &http)?;
        Ok(Self {
            checked,
            http,
            relogin_after: times.relogin_after,
            session: Mutex::new(Arc::new(session)),
        })
    }

    /// A list of one name. It needs no more than a token that the vault takes: without the right to list, 403 says so, too.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        match self.call(Asked::Nothing).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.reason == Reason::Denied => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn read(&self, key: &ObjectKey) -> Result<Object, Failure> {
        settings::check_key(key)?;
        let secret = self.call(Asked::Object(key)).await?;
        let host = &self.checked.vault_host;
        object(host, key, secret.unwrap_or_default())
    }

    /// Makes a call. If the vault refuses a token that it has taken before, or denies an object while the token is old (it may
    /// be older than a group membership), client and credential are built anew and the call is made once more.
    async fn call(&self, asked: Asked<'_>) -> Result<Option<Secret>, Failure> {
        let session = self.session.lock().clone();
        let error = match self.attempt(&session, asked).await {
            Ok(secret) => return Ok(secret),
            Err(error) => error,
        };
        let failure = self.failure(&error, asked);
        let is_refused = matches!(transport::stop(&error), Some(Stop::TokenRefused));
        let is_denied = failure.reason == Reason::Denied && matches!(asked, Asked::Object(_));
        let at_once = is_refused && session.accepted.load(Ordering::Relaxed);
        if !is_refused && !is_denied {
            return Err(failure);
        }
        match self.renewed(&session, at_once) {
            Some(session) => {
                let again = self.attempt(&session, asked).await;
                again.map_err(|error| self.failure(&error, asked))
            }
            None => Err(failure),
        }
    }

    async fn attempt(&self, session: &Session, asked: Asked<'_>) -> azure_core::Result<Option<Secret>> {
        let result = match asked {
            Asked::Nothing => list_one(&session.client).await.map(|()| None),
            Asked::Object(key) => get(&session.client, key).await.map(Some),
        };
        let accepted = match result.as_ref().map_err(transport::stop) {
            Ok(_) => true,
            // What is not there or not allowed is said to holders of a good token alone.
            Err(Some(Stop::Refused { answer, had_token })) => *had_token && matches!(answer.status.as_u16(), 403 | 404),
            Err(_) => false,
        };
        if accepted {
            session.accepted.store(true, Ordering::Relaxed);
        }
        result
    }

    /// A session in place of this one, or the one by which another call has replaced it. None while it is too young.
    fn renewed(&self, former: &Arc<Session>, at_once: bool) -> Option<Arc<Session>> {
        let mut current = self.session.lock();
        if !Arc::ptr_eq(&current, former) {
            return Some(current.clone());
        }
        if !at_once && former.made.elapsed() < self.relogin_after {
            return None;
        }
        *current = Arc::new(Session::new(&self.checked, &self.http).ok()?);
        Some(current.clone())
    }

    fn failure(&self, error: &azure_core::Error, asked: Asked<'_>) -> Failure {
        let host = &self.checked.vault_host;
        match transport::stop(error) {
            Some(Stop::Failed(failure)) => failure.clone(),
            Some(Stop::Refused { answer, .. }) => classify::vault(host, asked, answer, jiff::Timestamp::now()),
            Some(Stop::LoginRefused(answer)) => classify::login(&self.checked, answer, jiff::Timestamp::now()),
            Some(Stop::TokenRefused) => classify::token_refused(host),
            // What the SDK could not read: its words may be the server's.
            None => classify::unreadable(host),
        }
    }
}

impl Session {
    fn new(checked: &Arc<Checked>, http: &http::Client) -> Result<Self, String> {
        let transport = Arc::new(Transport::new(checked.clone(), http.clone()));
        let credential = ClientSecretCredential::new(
            &checked.tenant_id,
            checked.client_id.clone(),
            ClientSecret::new(checked.client_secret.clone()),
            Some(ClientSecretCredentialOptions {
                client_options: client_options(checked, &transport),
            }),
        )
        .map_err(|_| "azureKeyVault: the SDK does not take the tenant, the client id or the authority".to_owned())?;
        let client = SecretClient::new(
            checked.vault_url.as_str(),
            credential,
            Some(SecretClientOptions {
                api_version: API_VERSION.to_owned(),
                client_options: client_options(checked, &transport),
                // The transport checks the challenge in any case, and shows the SDK only one of its own.
                verify_challenge_resource: Some(checked.is_under_suffix),
            }),
        )
        .map_err(|_| "azureKeyVault.vaultURL: the SDK does not take it".to_owned())?;
        Ok(Self {
            client,
            made: Instant::now(),
            accepted: AtomicBool::new(false),
        })
    }
}

/// The only place where options of the SDK are made: without a transport it panics, without a cloud it reads
/// `AZURE_AUTHORITY_HOST`, and with its own retries a call to a dead vault takes 80 s.
fn client_options(checked: &Checked, transport: &Arc<Transport>) -> ClientOptions {
    let mut cloud = CustomConfiguration::default();
    checked.authority.as_str().clone_into(&mut cloud.authority_host);
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(SdkTransport::new(transport.clone())),
        cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
        ..ClientOptions::default()
    }
}

async fn get(client: &SecretClient, key: &ObjectKey) -> azure_core::Result<Secret> {
    let options = SecretClientGetSecretOptions {
        secret_version: key.version.clone(),
        out_content_type: match key.form {
            Form::Value => None,
            Form::Certificate => Some(ContentType::Pem),
        },
        ..SecretClientGetSecretOptions::default()
    };
    client.get_secret(&key.name, Some(options)).await?.into_model()
}

async fn list_one(client: &SecretClient) -> azure_core::Result<()> {
    let options = SecretClientListSecretPropertiesOptions {
        maxresults: Some(1),
        ..SecretClientListSecretPropertiesOptions::default()
    };
    let mut pages = client.list_secret_properties(Some(options))?.into_pages();
    pages.next().await.transpose().map(drop)
}

/// What was read, if it is what was asked for.
fn object(host: &str, key: &ObjectKey, secret: Secret) -> Result<Object, Failure> {
    let name = &key.name;
    // `https://home.vault.azure.net/secrets/name/version`
    let id = secret.id.unwrap_or_default();
    let mut parts = id.rsplit('/');
    let (version, named) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let fits = named.eq_ignore_ascii_case(name)
        && settings::is_version(version)
        && key
            .version
            .as_ref()
            .is_none_or(|asked| asked.eq_ignore_ascii_case(version));
    let Some(value) = secret.value.filter(|_| fits) else {
        let message = format!("{host} answers the read of {name} with something else than this secret");
        return Err(Failure::new(Reason::BadAnswer, message));
    };
    let content_type = secret.content_type;
    if key.form == Form::Certificate && content_type.as_deref().is_some_and(is_pkcs12) {
        let message = format!(
            "{host}: {name} is PKCS#12 in a plain secret, which Key Vault does not convert to PEM; import it as a certificate \
             (az keyvault certificate import), or store it as PEM"
        );
        return Err(Failure::new(Reason::Pkcs12NotSupported, message));
    }
    Ok(Object {
        version: version.to_ascii_lowercase(),
        content: Content::Text { value, content_type },
    })
}

fn is_pkcs12(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-pkcs12") || kind.eq_ignore_ascii_case("application/pkcs12")
}
