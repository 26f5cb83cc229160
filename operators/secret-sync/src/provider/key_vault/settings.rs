//! What settings and objects may say: everything that goes into a URL, a header or a form is checked before the first call.
use reqwest::Url;

use super::{Settings, http};
use crate::provider::{Failure, ObjectKey, Reason};

/// Settings that fit.
pub(super) struct Checked {
    /// Without a path.
    pub(super) vault_url: Url,
    /// `home.vault.azure.net:443`: for comparisons and messages.
    pub(super) vault_host: String,
    /// Whether the vault lies under the cloud's suffix, or is only allowed by the chart.
    pub(super) is_under_suffix: bool,
    /// For what a token may be asked: `https://vault.azure.net`.
    pub(super) resource: String,
    /// Without a path.
    pub(super) authority: Url,
    /// `login.microsoftonline.com:443`.
    pub(super) authority_host: String,
    pub(super) tenant_id: String,
    pub(super) client_id: String,
    /// Never printed.
    pub(super) client_secret: String,
}

/// Checks all settings but the certificates. Fails with a sentence that names the field.
pub(super) fn check(settings: Settings) -> Result<Checked, String> {
    let vault_url = origin("azureKeyVault.vaultURL", &settings.vault_url)?;
    let suffix = settings.vault_suffix.trim_matches('.').to_ascii_lowercase();
    if suffix.is_empty() || !suffix.bytes().all(is_host_byte) {
        return Err("azureKeyVault.cloud.vaultSuffix: it must be a domain like vault.azure.net".to_owned());
    }
    let vault_host = http::host_and_port(&vault_url);
    let is_under_suffix = is_vault_of(&vault_url, &suffix);
    if !is_under_suffix && !is_allowed(&vault_url, &vault_host, &settings.allowed_hosts) {
        return Err(format!(
            "azureKeyVault.vaultURL: {vault_host} is neither a vault under {suffix} nor in the chart's allowedHosts; a token is \
             sent to no other host"
        ));
    }
    let authority = origin("azureKeyVault.cloud.authorityHost", &settings.authority_host)?;
    let tenant_id = settings.tenant_id;
    if !is_tenant(&tenant_id) {
        return Err("azureKeyVault.tenantID: it must be the tenant's id (a UUID) or one of its domains".to_owned());
    }
    let client_id = settings.client_id;
    if !is_uuid(&client_id) {
        return Err(
            "azureKeyVault.servicePrincipal.clientID: it must be the application's id (a UUID), not its name"
                .to_owned(),
        );
    }
    Ok(Checked {
        resource: format!("https://{suffix}"),
        authority_host: http::host_and_port(&authority),
        client_secret: client_secret(&settings.client_secret)?,
        vault_url,
        vault_host,
        is_under_suffix,
        authority,
        tenant_id,
        client_id,
    })
}

/// The secret without the newline that editors and `echo` add. Messages have nothing of it.
fn client_secret(text: &str) -> Result<String, String> {
    let secret = text.trim_end();
    let field = "azureKeyVault.servicePrincipal.secretRef: the client secret";
    if secret.is_empty() {
        return Err(format!("{field} is empty"));
    }
    if secret.len() > 1024 || !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(format!(
            "{field} has characters that no client secret has; store the value that Entra shows once, without quotes or encoding"
        ));
    }
    Ok(secret.to_owned())
}

/// An `https://` URL of a host and nothing else.
fn origin(field: &str, text: &str) -> Result<Url, String> {
    let wrong = |what: &str| Err(format!("{field}: {what}"));
    let Ok(url) = Url::parse(text) else {
        return wrong("it is no URL; it must be like https://home.vault.azure.net");
    };
    if url.scheme() != "https" {
        return wrong("it must begin with https://");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return wrong("it has no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it must have no user and no password");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return wrong("it must end after the host; the secret's name belongs into a SecretSync");
    }
    Ok(url)
}

/// Vaults are one label under the suffix, on the usual port.
fn is_vault_of(url: &Url, suffix: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    let label = host.strip_suffix(suffix).and_then(|host| host.strip_suffix('.'));
    url.port_or_known_default() == Some(443)
        && label.is_some_and(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_allowed(url: &Url, host_and_port: &str, allowed: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_usual = url.port_or_known_default() == Some(443);
    allowed
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(host_and_port) || (is_usual && allowed.eq_ignore_ascii_case(host)))
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

fn is_tenant(text: &str) -> bool {
    let is_domain = text.contains('.')
        && text.len() <= 253
        && text.bytes().all(is_host_byte)
        && text.split('.').all(|label| !label.is_empty());
    is_uuid(text) || is_domain
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| {
        groups
            .next()
            .is_some_and(|group| group.len() == length && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    fits && groups.next().is_none()
}

/// Whether a secret can have this name: 1 to 127 letters, digits and `-`.
pub fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether a version can have this id: 32 hexadecimal digits.
pub fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks what goes into the path, which the SDK does not escape. No call is made for what does not fit.
pub(super) fn check_key(key: &ObjectKey) -> Result<(), Failure> {
    let name = &key.name;
    if !is_name(name) {
        let message = "a Key Vault secret has a name of 1 to 127 letters, digits and '-'; there is none with this name";
        return Err(Failure::new(Reason::KeyMissing, message));
    }
    if key.version.as_ref().is_some_and(|version| !is_version(version)) {
        let message = format!("{name}: a version in Key Vault is 32 hexadecimal digits; there is none like this");
        return Err(Failure::new(Reason::VersionMissing, message));
    }
    Ok(())
}
