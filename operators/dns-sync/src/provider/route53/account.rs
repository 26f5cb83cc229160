//! Clients by credential: made once, kept as long as a zone uses them, remade when the Secret changes.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_route53::Client;
use aws_sdk_route53::config::SharedCredentialsProvider;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_smithy_http_client::{Builder, tls};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{Account, HostedZone};
use crate::crd::route53::{AssumeRole, Route53};
use crate::metrics::ProviderMetrics;
use crate::name::Name;
use crate::provider::{Found, NotFound, SecretData};
use hearth_reconciler::rate_limit::{Rate, RateLimiter};

/// All accounts in use.
#[derive(Debug)]
pub struct Accounts {
    rate: Rate,
    /// For zones that name none.
    region: String,
    known: Mutex<HashMap<AccountKey, Account>>,
    limiters: Mutex<HashMap<String, Arc<RateLimiter>>>,
}

/// What makes two zones share a client. Holds a digest of the credentials, not the credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct AccountKey {
    region: String,
    endpoint: Option<String>,
    role: Option<(String, Option<String>)>,
    credentials: Option<[u8; 32]>,
}

impl Accounts {
    /// None yet. `region`: for zones that name none; STS is asked there, and in a private network perhaps only there.
    pub fn new(rate: Rate, region: Option<&str>) -> Self {
        Self {
            rate,
            region: region.unwrap_or("us-east-1").to_owned(),
            known: Mutex::default(),
            limiters: Mutex::default(),
        }
    }

    /// Finds the hosted zone of a domain that a spec and its Secret mean.
    pub async fn find(
        &self,
        domain: &Name,
        spec: &Route53,
        secret: Option<SecretData<'_>>,
        metrics: ProviderMetrics,
    ) -> Result<(Found, HostedZone), NotFound> {
        let account = self.get(spec, secret).await.map_err(NotFound::Credentials)?;
        let zone_id = spec.place().zone_id;
        let found = account.find(domain, zone_id, spec.visibility, &metrics).await?;
        let zone = account.zone(&found.zone_id, metrics);
        Ok((found, zone))
    }

    /// The account that a zone's spec and Secret mean. The error is for the user.
    async fn get(&self, spec: &Route53, secret: Option<SecretData<'_>>) -> Result<Account, String> {
        let credentials = secret.map(|secret| read(&secret)).transpose()?;
        let key = AccountKey {
            region: self.region_of(spec),
            endpoint: spec.endpoint.clone(),
            role: spec
                .assume_role
                .as_ref()
                .map(|role| (role.role_arn.clone(), role.external_id.clone())),
            credentials: credentials.as_ref().map(digest),
        };
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(known.clone());
        }
        let account = self.connect(&key, credentials, spec.assume_role.as_ref()).await;
        self.known.lock().insert(key, account.clone());
        Ok(account)
    }

    fn region_of(&self, spec: &Route53) -> String {
        spec.region.as_ref().unwrap_or(&self.region).clone()
    }

    /// Forgets clients that no zone uses any more, with their credentials.
    pub fn retain_used(&self) {
        let mut known = self.known.lock();
        known.retain(|_, account| Arc::strong_count(&account.limiter) > 2);
    }

    async fn connect(&self, key: &AccountKey, credentials: Option<Credentials>, role: Option<&AssumeRole>) -> Account {
        // Route 53 limits calls by account. The account is not known without asking, but the credential identifies it well
        // enough: the same key or role is the same account.
        let whose = match (&key.role, &key.credentials) {
            (Some((role, _)), _) => role.split(':').nth(4).unwrap_or(role).to_owned(),
            (None, Some(digest)) => format!("{:x?}", digest.get(..8).unwrap_or_default()),
            (None, None) => "pod identity".to_owned(),
        };
        let limiter = {
            let mut limiters = self.limiters.lock();
            Arc::clone(
                limiters
                    .entry(whose)
                    .or_insert_with(|| Arc::new(RateLimiter::new(self.rate))),
            )
        };
        let http = Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .operation_timeout(Duration::from_secs(40))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(key.region.clone()))
            .timeout_config(timeouts)
            // We retry ourselves: only here it is known what a repetition would do.
            .retry_config(RetryConfig::disabled());
        if let Some(endpoint) = &key.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        let mut config: SdkConfig = loader.load().await;
        if let Some(role) = role {
            config = assuming(config, role).await;
        }
        Account {
            client: Client::new(&config),
            limiter,
        }
    }
}

/// The same with the role's credentials.
pub(super) async fn assuming(config: SdkConfig, role: &AssumeRole) -> SdkConfig {
    let mut provider = aws_config::sts::AssumeRoleProvider::builder(&role.role_arn)
        .session_name("hearth-dns-sync")
        .configure(&config);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    config.into_builder().credentials_provider(provider).build()
}

fn read(secret: &SecretData) -> Result<Credentials, String> {
    let field = |keys: [&str; 2]| {
        keys.iter().find_map(|key| secret.0.get(*key)).map(|bytes| {
            std::str::from_utf8(&bytes.0)
                .map(|text| text.trim().to_owned())
                .map_err(|_| format!("the Secret's key {} is no text", keys[0]))
        })
    };
    let needed = |keys: [&str; 2]| {
        field(keys)
            .transpose()?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| format!("the Secret has no key {} (or {})", keys[0], keys[1]))
    };
    let id = needed(["access-key-id", "AWS_ACCESS_KEY_ID"])?;
    let key = needed(["secret-access-key", "AWS_SECRET_ACCESS_KEY"])?;
    let token = field(["session-token", "AWS_SESSION_TOKEN"])
        .transpose()?
        .filter(|text| !text.is_empty());
    Ok(Credentials::new(id, key, token, None, "Secret"))
}

fn digest(credentials: &Credentials) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [
        credentials.access_key_id(),
        credentials.secret_access_key(),
        credentials.session_token().unwrap_or_default(),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> BTreeMap<String, k8s_openapi::ByteString> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), k8s_openapi::ByteString(value.as_bytes().to_vec())))
            .collect()
    }

    /// dns-21: in a private network only the regional STS endpoint may be reached.
    #[test]
    fn the_region_of_the_environment_counts_unless_the_zone_names_one() {
        let rate = Rate {
            per_second: 5.0,
            burst: 10.0,
        };
        let named = Route53 {
            region: Some("eu-west-1".to_owned()),
            ..Route53::default()
        };
        let here = Accounts::new(rate, Some("eu-central-1"));
        assert_eq!(here.region_of(&Route53::default()), "eu-central-1");
        assert_eq!(here.region_of(&named), "eu-west-1");
        assert_eq!(Accounts::new(rate, None).region_of(&Route53::default()), "us-east-1");
    }

    #[test]
    fn both_spellings_of_keys_are_understood_and_spaces_trimmed() {
        let one = secret(&[("access-key-id", "AKIA1\n"), ("secret-access-key", "s")]);
        assert_eq!(read(&SecretData(&one)).unwrap().access_key_id(), "AKIA1");
        let other = secret(&[("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "s")]);
        assert_eq!(
            digest(&read(&SecretData(&one)).unwrap()),
            digest(&read(&SecretData(&other)).unwrap())
        );
    }

    #[test]
    fn a_missing_key_is_named_and_no_value_is_shown() {
        let error = read(&SecretData(&secret(&[("access-key-id", "AKIAVALUE")]))).unwrap_err();
        assert!(
            error.contains("secret-access-key") && !error.contains("AKIAVALUE"),
            "{error}"
        );
    }

    #[test]
    fn a_key_shows_no_secret() {
        let key = AccountKey {
            region: "r".into(),
            endpoint: None,
            role: None,
            credentials: Some([7; 32]),
        };
        assert!(!format!("{key:?}").contains("secret"));
    }
}
