//! Signed requests to an S3 server, as a test needs them: to prepare buckets, and to look at what a program has left there.
use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use hearth_secret_sync::provider::http::{Client, Options, client, send};

/// The region of servers that have none.
pub const REGION: &str = "us-east-1";

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id, which no one needs to hide.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// A client of a server, with an access key.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    url: String,
    key: AccessKey,
}

impl S3 {
    /// A client for a URL without a path. `ca`: the PEM certificates to trust instead of the system's.
    pub fn new(url: &str, ca: Option<Vec<u8>>, key: AccessKey) -> Result<Self> {
        let options = Options {
            total: Duration::from_mins(1),
            ..Options::new(ca, true)
        };
        Ok(Self {
            client: client(&options).map_err(anyhow::Error::msg)?,
            url: url.to_owned(),
            key,
        })
    }

    /// Sends a request for a path that begins with a slash: status and body.
    pub async fn call(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Result<(u16, String)> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(body.into())?;
        let answer = send(&self.client, self.signed(request)?.try_into()?).await?;
        Ok((answer.status.as_u16(), String::from_utf8(answer.body)?))
    }

    /// As [`S3::call`], which must succeed.
    pub async fn succeed(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Result<String> {
        let (status, answer) = self.call(method, path, body).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    fn signed(&self, mut request: http::Request<Vec<u8>>) -> Result<http::Request<Vec<u8>>> {
        let identity = Credentials::new(&self.key.id, &self.key.secret, None, None, "hearth-e2e").into();
        // S3 differs from other services in these three.
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()?;
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.uri().to_string(),
            std::iter::empty(),
            SignableBody::Bytes(request.body()),
        )?;
        let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}
