//! Which call a request is.

use http::{Method, Request};
use hyper::body::Bytes;

use super::input;
use super::log::Kind;

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) kind: Kind,
    /// Of the token endpoint.
    pub(super) tenant: Option<String>,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) query: Vec<(String, String)>,
    /// `Host`, in lower case.
    pub(super) host: String,
}

impl Route {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let path = request.uri().path();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (kind, name, version, tenant) = kind(request.method(), &parts);
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let host = request.headers().get("host").and_then(|host| host.to_str().ok());
        Self {
            kind,
            tenant: given(tenant),
            name: given(name),
            version: given(version),
            query: input::pairs(request.uri().query().unwrap_or_default()),
            host: host.unwrap_or_default().to_ascii_lowercase(),
        }
    }

    /// Whether it goes to Entra.
    pub(super) fn is_entra(&self) -> bool {
        matches!(self.kind, Kind::Token | Kind::OpenIdConfiguration)
    }

    /// The host without its port.
    pub(super) fn host_name(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }

    /// `https://host`.
    pub(super) fn base(&self) -> String {
        format!("https://{}", self.host)
    }
}

type Parts<'a> = (Kind, Option<&'a str>, Option<&'a str>, Option<&'a str>);

fn kind<'a>(method: &Method, parts: &[&'a str]) -> Parts<'a> {
    use Kind as K;
    let of_name = |kind, name: &'a str| (kind, Some(name), None, None);
    let plain = |kind| (kind, None, None, None);
    match (method.as_str(), parts) {
        (_, [tenant, "oauth2", "v2.0", "token"]) => (K::Token, None, None, Some(tenant)),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            (K::OpenIdConfiguration, None, None, Some(tenant))
        }
        ("GET", ["secrets"]) => plain(K::ListSecrets),
        ("GET", ["secrets", name, "versions"]) => of_name(K::ListSecretVersions, name),
        ("GET", ["secrets", name]) => of_name(K::GetSecret, name),
        ("GET", ["secrets", name, version]) => (K::GetSecret, Some(name), Some(version), None),
        ("PUT", ["secrets", name]) => of_name(K::SetSecret, name),
        ("PATCH", ["secrets", name]) => of_name(K::UpdateSecret, name),
        ("PATCH", ["secrets", name, version]) => (K::UpdateSecret, Some(name), Some(version), None),
        ("DELETE", ["secrets", name]) => of_name(K::DeleteSecret, name),
        ("GET", ["deletedsecrets"]) => plain(K::ListDeletedSecrets),
        ("GET", ["deletedsecrets", name]) => of_name(K::GetDeletedSecret, name),
        ("DELETE", ["deletedsecrets", name]) => of_name(K::PurgeDeletedSecret, name),
        ("POST", ["deletedsecrets", name, "recover"]) => of_name(K::RecoverDeletedSecret, name),
        ("GET", ["certificates"]) => plain(K::ListCertificates),
        ("POST", ["certificates", name, "import"]) => of_name(K::ImportCertificate, name),
        ("GET", ["certificates", name, "versions"]) => of_name(K::ListCertificateVersions, name),
        ("GET", ["certificates", name]) => of_name(K::GetCertificate, name),
        ("GET", ["certificates", name, version]) => (K::GetCertificate, Some(name), Some(version), None),
        ("PATCH", ["certificates", name, version]) => (K::UpdateCertificate, Some(name), Some(version), None),
        ("DELETE", ["certificates", name]) => of_name(K::DeleteCertificate, name),
        ("GET", ["deletedcertificates"]) => plain(K::ListDeletedCertificates),
        ("GET", ["deletedcertificates", name]) => of_name(K::GetDeletedCertificate, name),
        ("DELETE", ["deletedcertificates", name]) => of_name(K::PurgeDeletedCertificate, name),
        ("POST", ["deletedcertificates", name, "recover"]) => of_name(K::RecoverDeletedCertificate, name),
        _ => plain(K::Other),
    }
}
