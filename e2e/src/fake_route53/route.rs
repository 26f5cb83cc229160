//! Which operation a request is.

use http::{Method, Request};
use hyper::body::Bytes;

use super::log::Operation;
use super::rrset::Start;

/// A request's operation, zone and query.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) operation: Operation,
    pub(super) zone: Option<String>,
    path: String,
    query: Vec<(String, String)>,
}

impl Route {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let query = pairs(request.uri().query().unwrap_or_default());
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let get = request.method() == Method::GET;
        let post = request.method() == Method::POST;
        let delete = request.method() == Method::DELETE;
        let operation = match parts[..] {
            ["2013-04-01", "hostedzone"] if get => Operation::ListHostedZones,
            ["2013-04-01", "hostedzone"] if post => Operation::CreateHostedZone,
            ["2013-04-01", "hostedzone", _] if get => Operation::GetHostedZone,
            ["2013-04-01", "hostedzone", _] if delete => Operation::DeleteHostedZone,
            ["2013-04-01", "hostedzone", _, "rrset"] if get => Operation::ListResourceRecordSets,
            ["2013-04-01", "hostedzone", _, "rrset"] if post => Operation::ChangeResourceRecordSets,
            ["2013-04-01", "hostedzonesbyname"] if get => Operation::ListHostedZonesByName,
            ["2013-04-01", "change", _] if get => Operation::GetChange,
            [] if post => match field(request.body(), "Action").as_deref() {
                Some("AssumeRole") => Operation::AssumeRole,
                Some("AssumeRoleWithWebIdentity") => Operation::AssumeRoleWithWebIdentity,
                _ => Operation::Other,
            },
            _ => Operation::Other,
        };
        let zone = match parts[..] {
            ["2013-04-01", "hostedzone", zone, ..] => Some(zone.to_owned()),
            _ => None,
        };
        Self {
            operation,
            zone,
            path,
            query,
        }
    }

    /// Whether it is a call of Route 53, known or not.
    pub(super) fn is_route53(&self) -> bool {
        self.path.starts_with("/2013-04-01/")
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The last part of the path.
    pub(super) fn last(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Where a list of record sets begins.
    pub(super) fn start(&self) -> Start {
        let query = |name: &str| self.query(name).map(str::to_owned);
        Start {
            name: query("name"),
            kind: query("type"),
            identifier: query("identifier"),
            most: query("maxitems"),
        }
    }
}

/// A field of a form.
pub(super) fn field(form: &[u8], name: &str) -> Option<String> {
    pairs(&String::from_utf8_lossy(form))
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(key), decode(value))).collect()
}

/// Percent-decoding; what is no valid escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = || u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
        match (bytes[at], if bytes[at] == b'%' { escaped() } else { None }) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_operations() {
        let route = |method: &str, uri: &str, body: &'static str| {
            Route::of(
                &Request::builder()
                    .method(method)
                    .uri(uri)
                    .body(Bytes::from_static(body.as_bytes()))
                    .unwrap(),
            )
        };
        let change = route("POST", "/2013-04-01/hostedzone/Z1/rrset/", "");
        assert_eq!(
            (change.operation, change.zone.as_deref()),
            (Operation::ChangeResourceRecordSets, Some("Z1"))
        );
        let list = route("GET", "/2013-04-01/hostedzone/Z1/rrset?name=%5C052.a.org&type=A", "");
        assert_eq!(
            (list.operation, list.query("name"), list.query("type")),
            (Operation::ListResourceRecordSets, Some("\\052.a.org"), Some("A"))
        );
        let tags = route("POST", "/2013-04-01/hostedzone/Z1/associatevpc", "");
        assert!(tags.operation == Operation::Other && tags.is_route53() && tags.zone.is_some());
        assert_eq!(
            route("POST", "/", "Version=1&Action=AssumeRole").operation,
            Operation::AssumeRole
        );
    }
}
