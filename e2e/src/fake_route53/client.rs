//! The vendor's client, pointed at the fake.

use aws_credential_types::Credentials;
use aws_sdk_route53::Client;
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::config::{BehaviorVersion, Config, Region};

/// A client with this access key that tries each call once, so that a test sees every answer.
pub fn client(endpoint: &str, key: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(key, "secret", None, None, "hearth-e2e"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}
