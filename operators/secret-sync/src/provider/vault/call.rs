//! One call: a request of `vaultrs`, or of ours in the same form, sent by the bounded client.
use reqwest::Url;
use rustify::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use vaultrs::api::EndpointMiddleware;

use super::settings::{self, Settings, Times};
use crate::provider::http::{self as client, Answer};
use crate::provider::{Failure, Reason};

/// The server, and how to reach it.
pub(super) struct Caller {
    client: client::Client,
    base: String,
    host: String,
    namespace: Option<String>,
}

impl Caller {
    pub(super) fn new(settings: &Settings, times: &Times) -> Result<Self, String> {
        let url: Url = settings::server(&settings.server)?;
        let mut options = client::Options::new(settings.ca.clone(), url.scheme() == "http");
        (options.connect, options.total) = (times.connect, times.total);
        let namespace = settings.namespace.as_deref();
        Ok(Self {
            client: client::client(&options)?,
            host: client::host_and_port(&url),
            base: url.into(),
            namespace: namespace
                .map(|namespace| settings::header("namespace", namespace))
                .transpose()?,
        })
    }

    /// Host and port, for messages.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a request with a token, which is empty for a login. Any status is an answer.
    pub(super) async fn call(&self, token: &str, endpoint: impl Endpoint) -> Result<Answer, Failure> {
        let request = self
            .request(token, endpoint)
            .ok_or_else(|| Failure::new(Reason::BadAnswer, format!("{}: the request cannot be built", self.host)))?;
        client::send(&self.client, request).await
    }

    /// The middleware of `vaultrs` panics at a header that is none: tokens and the namespace were checked.
    fn request(&self, token: &str, endpoint: impl Endpoint) -> Option<reqwest::Request> {
        let middleware = EndpointMiddleware {
            token: token.to_owned(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        let mut request = endpoint.with_middleware(&middleware).request(&self.base).ok()?;
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        reqwest::Request::try_from(request).ok()
    }
}

/// Asks what is mounted at a path; `vaultrs` has no such request. It needs no right but some right below the mount.
pub(super) struct MountRequest {
    pub(super) mount: String,
}

impl Endpoint for MountRequest {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("sys/internal/ui/mounts/{}", self.mount)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::GET
    }
}

/// Revokes the token with which it is sent. The path of the request in `vaultrs` 0.7.4 begins with a tab.
pub(super) struct RevokeSelfRequest;

impl Endpoint for RevokeSelfRequest {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        "auth/token/revoke-self".to_owned()
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }
}

#[cfg(test)]
mod tests {
    use vaultrs::api::kv2::requests::ReadSecretRequest;

    use super::super::Login;
    use super::*;

    fn caller() -> Caller {
        let settings = Settings {
            server: "https://vault.lan:8200".to_owned(),
            ca: None,
            namespace: Some("team".to_owned()),
            path: "secret".to_owned(),
            version_2: true,
            login: Login::Token("t".to_owned()),
        };
        Caller::new(&settings, &Times::default()).unwrap()
    }

    fn url(name: &str) -> String {
        let request = ReadSecretRequest {
            mount: "team/kv".to_owned(),
            path: name.to_owned(),
            version: Some(3),
        };
        caller().request("t", request).unwrap().url().to_string()
    }

    #[test]
    fn each_segment_of_a_path_is_encoded_once() {
        let begin = "https://vault.lan:8200/v1/team/kv/data/";
        for (name, encoded) in [
            ("a/b", "a/b"),
            ("a b", "a%20b"),
            ("%2e%2e/x", "%252e%252e/x"),
            ("a?b#c", "a%3Fb%23c"),
            ("a\\..\\b", "a%5C..%5Cb"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(url(name), format!("{begin}{encoded}?version=3"));
        }
    }

    #[test]
    fn every_character_that_is_allowed_can_be_sent() {
        for character in (' '..='\u{2ff}').chain(['\u{2028}', '\u{fffd}', '😀', '\u{10ffff}']) {
            let name = format!("a{character}b");
            if super::super::check_name(&name).is_ok() {
                let sent = Url::parse(&url(&name)).unwrap();
                let segments: Vec<&str> = sent.path_segments().unwrap().collect();
                assert_eq!(segments.len(), if character == '/' { 6 } else { 5 }, "{character:?}");
            }
        }
    }

    #[test]
    fn headers_are_the_token_and_the_namespace_and_are_not_printed() {
        let request = MountRequest {
            mount: "secret".to_owned(),
        };
        let request = caller().request("hunter2", request).unwrap();
        assert_eq!(request.headers()["x-vault-token"], "hunter2");
        assert_eq!(request.headers()["x-vault-namespace"], "team");
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
