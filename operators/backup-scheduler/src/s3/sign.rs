//! The signature of a request: AWS Signature Version 4 with the rules of S3.
use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue, Request};

use super::endpoint::Credentials;

/// The key of a client, as `aws-sigv4` wants it, and the region it signs for.
pub(super) struct Signer {
    credentials: aws_credential_types::Credentials,
    region: String,
}

impl Signer {
    pub(super) fn new(credentials: &Credentials, region: &str) -> Self {
        let credentials = aws_credential_types::Credentials::new(
            credentials.access_key_id.as_str(),
            credentials.secret_access_key.as_str(),
            credentials.session_token.as_ref().map(|token| token.to_string()),
            None,
            "hearth",
        );
        Self {
            credentials,
            region: region.to_owned(),
        }
    }

    /// Adds the headers of the signature. The request has `Host`, and its path is encoded. All headers that it has are signed.
    /// None: it cannot be signed, because a header is no text or the URL cannot be read.
    pub(super) fn sign<B>(&self, request: &mut Request<B>, url: &str, body: &[u8], time: SystemTime) -> Option<()> {
        let mut settings = SigningSettings::default();
        // S3 wants the path as it is sent, and the hash of the body in a header.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.session_token_mode = SessionTokenMode::Include;
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(time)
            .settings(settings)
            .build()
            .ok()?
            .into();
        let texts = request
            .headers()
            .iter()
            .map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect::<Option<Vec<_>>>()?;
        let signable = SignableRequest::new(
            request.method().as_str(),
            url,
            texts.into_iter(),
            SignableBody::Bytes(body),
        );
        let (instructions, _) = sign(signable.ok()?, &parameters).ok()?.into_parts();
        let (headers, _) = instructions.into_parts();
        for header in headers {
            let mut value = HeaderValue::from_str(header.value()).ok()?;
            value.set_sensitive(header.sensitive());
            request
                .headers_mut()
                .insert(HeaderName::from_static(header.name()), value);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of "Authenticating Requests: Using the Authorization Header" in the documentation of Amazon S3: what
    /// remains to be proven beside `aws-sigv4`'s own tests is that the settings are those of S3.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>
    fn signature(method: &str, path: &str, headers: &[(&'static str, &str)], body: &[u8]) -> String {
        let signer = Signer::new(
            &Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None),
            "us-east-1",
        );
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "examplebucket.s3.amazonaws.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let time: jiff::Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let url = format!("https://examplebucket.s3.amazonaws.com{path}");
        signer.sign(&mut request, &url, body, time.into()).unwrap();
        assert!(request.headers().contains_key("x-amz-content-sha256"));
        let text = request.headers()["authorization"].to_str().unwrap();
        text.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_documentation() {
        assert_eq!(
            signature("GET", "/test.txt", &[("range", "bytes=0-9")], b""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature(
                "PUT",
                "/test%24file.text",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY")
                ],
                b"Welcome to Amazon S3."
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature("GET", "/?lifecycle=", &[], b""),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature("GET", "/?max-keys=2&prefix=J", &[], b""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}
