//! Answers of Route 53 as they come over the wire, and what is made of them.
use std::collections::VecDeque;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_route53::config::retry::RetryConfig;
use aws_sdk_route53::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use parking_lot::Mutex;

use super::*;
use crate::crd::route53::AssumeRole;
use crate::metrics::Metrics;
use crate::zone::fake_zone::{lines, name, set};
use hearth_reconciler::rate_limit::Rate;

/// Status, headers and body.
type Answer = (u16, &'static [(&'static str, &'static str)], String);

/// Gives one answer after the other and notes what was asked.
#[derive(Clone, Debug, Default)]
struct Wire {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut asked = self.asked.lock();
        asked.push(
            request
                .uri()
                .split_once("/rrset")
                .map_or("", |(_, query)| query)
                .to_owned(),
        );
        let mut answers = self.answers.lock();
        let (status, headers, body) = answers.pop_front().expect("one call too many");
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (header, value) in headers {
            response.headers_mut().insert(*header, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

fn hosted_zone<const N: usize>(answers: [Answer; N]) -> (HostedZone, Wire) {
    hosted_zone_with(answers, Credentials::new("AKIATEST", "secret", None, None, "test"))
}

fn hosted_zone_with<const N: usize>(
    answers: [Answer; N],
    credentials: impl ProvideCredentials + 'static,
) -> (HostedZone, Wire) {
    let wire = wire(answers);
    let config = aws_sdk_route53::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(wire.clone())
        .build();
    (zone_of(Client::from_conf(config)), wire)
}

fn wire<const N: usize>(answers: [Answer; N]) -> Wire {
    Wire {
        answers: Arc::new(Mutex::new(answers.into_iter().collect())),
        asked: Arc::default(),
    }
}

fn zone_of(client: Client) -> HostedZone {
    let account = Account {
        client,
        limiter: Arc::new(RateLimiter::new(Rate {
            per_second: 1000.0,
            burst: 1000.0,
        })),
    };
    let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
    account.zone("Z1", metrics.zone("home").provider())
}

fn page(records: &[(&str, &str, &str)], next: &str) -> Answer {
    let set = |(name, kind, value): &(&str, &str, &str)| {
        format!(
            "<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type><TTL>300</TTL><ResourceRecords><ResourceRecord>\
             <Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
        )
    };
    let sets = records.iter().map(set).collect::<Vec<_>>().concat();
    let truncated = !next.is_empty();
    let body = format!(
        "<ListResourceRecordSetsResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><ResourceRecordSets>{sets}\
         </ResourceRecordSets><IsTruncated>{truncated}</IsTruncated>{next}<MaxItems>300</MaxItems>\
         </ListResourceRecordSetsResponse>"
    );
    (200, &[], body)
}

fn error(status: u16, headers: &'static [(&'static str, &'static str)], code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (status, headers, body)
}

const NEXT: &str = "<NextRecordName>b.example.org.</NextRecordName><NextRecordType>A</NextRecordType>";

#[tokio::test]
async fn all_pages_make_one_list() {
    let first = page(&[("a.example.org", "A", "192.0.2.1")], NEXT);
    let second = page(
        &[("\\052.b.example.org", "A", "192.0.2.2"), ("c.example.org", "SOA", "x")],
        "",
    );
    let (zone, wire) = hosted_zone([first, second]);
    let records = zone.list().await.unwrap();
    assert_eq!(lines(&records), ["*.b A 192.0.2.2", "a A 192.0.2.1"]);
    assert!(records.at(&name("c")).other_types);
    let asked = wire.asked.lock();
    assert!(
        asked[0].contains("maxitems=300") && !asked[0].contains("name="),
        "{asked:?}"
    );
    assert!(
        asked[1].contains("name=b.example.org.") && asked[1].contains("type=A"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_partial_list_is_no_list() {
    let first = || page(&[("a.example.org", "A", "192.0.2.1")], NEXT);
    let (zone, _) = hosted_zone([first(), error(500, &[], "InternalError", "oops")]);
    assert_eq!(zone.list().await.unwrap_err().reason(), "Unreachable");
    // More is said to come, but not from where.
    let (zone, _) = hosted_zone([page(
        &[("a.example.org", "A", "192.0.2.1")],
        "<NextRecordType>A</NextRecordType>",
    )]);
    assert_eq!(zone.list().await.unwrap_err().reason(), "Unreachable");
    // The connection broke within the answer.
    let (status, headers, mut body) = first();
    body.truncate(body.len() / 2);
    let (zone, _) = hosted_zone([(status, headers, body)]);
    assert_eq!(zone.list().await.unwrap_err().reason(), "Unreachable");
}

#[tokio::test]
async fn reading_a_name_ends_where_the_name_ends() {
    let all = page(
        &[
            ("b.example.org", "A", "192.0.2.1"),
            ("b.example.org", "TXT", "x"),
            ("c.example.org", "A", "192.0.2.9"),
        ],
        "<NextRecordName>d.example.org.</NextRecordName><NextRecordType>A</NextRecordType>",
    );
    let (zone, _) = hosted_zone([all]);
    assert_eq!(zone.read_name(&name("b")).await.unwrap().sets.len(), 2);
    // The name goes on upon the next page.
    let (zone, wire) = hosted_zone([
        page(&[("b.example.org", "A", "192.0.2.1")], NEXT),
        page(&[("b.example.org", "TXT", "x")], ""),
    ]);
    assert_eq!(zone.read_name(&name("b")).await.unwrap().sets.len(), 2);
    assert_eq!(wire.asked.lock().len(), 2);
    let (zone, _) = hosted_zone([page(&[("c.example.org", "A", "192.0.2.9")], "")]);
    assert!(zone.read_name(&name("b")).await.unwrap().is_empty());
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let asked = || Some(Duration::from_secs(7));
    let denied = |code: &str| ProviderError::Denied {
        operation: "route53:ListResourceRecordSets",
        code: code.to_owned(),
    };
    let cases = [
        (
            error(400, &[], "Throttling", "Rate exceeded"),
            ProviderError::Throttled(None),
        ),
        (
            error(429, &[("retry-after", "7")], "Whatever", ""),
            ProviderError::Throttled(asked()),
        ),
        (
            error(429, &[("retry-after", "soon")], "", ""),
            ProviderError::Throttled(None),
        ),
        (error(400, &[], "PriorRequestNotComplete", ""), ProviderError::Busy),
        (
            error(404, &[], "NoSuchHostedZone", "No hosted zone found"),
            ProviderError::NoSuchZone,
        ),
        (
            error(403, &[], "AccessDenied", "User x is not authorized"),
            denied("AccessDenied"),
        ),
        (
            error(403, &[], "InvalidClientTokenId", "token revoked"),
            denied("InvalidClientTokenId"),
        ),
        (error(400, &[], "ExpiredToken", ""), denied("ExpiredToken")),
        // The clock is wrong: no record is to blame for that.
        (error(400, &[], "RequestExpired", ""), denied("RequestExpired")),
        (
            error(500, &[], "InternalFailure", "secret"),
            ProviderError::Unreachable("HTTP 500 InternalFailure".to_owned()),
        ),
        (
            error(503, &[], "ServiceUnavailable", ""),
            ProviderError::Unreachable("HTTP 503 ServiceUnavailable".to_owned()),
        ),
    ];
    for (answer, expected) in cases {
        let about = answer.2.clone();
        let (zone, _) = hosted_zone([answer]);
        assert_eq!(zone.list().await.unwrap_err(), expected, "{about}");
    }
}

#[tokio::test]
async fn a_refused_batch_tells_its_messages_in_either_form() {
    let (key, value) = set("a A 192.0.2.1");
    let change = [RecordChange {
        action: crate::records::Action::Create,
        key,
        set: value,
    }];
    let namespace = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";
    let listed = format!(
        "<InvalidChangeBatch {namespace}><Messages><Message>first [name=&apos;a&apos;]</Message><Message>second</Message></Messages></InvalidChangeBatch>"
    );
    let (zone, _) = hosted_zone([(400, &[], listed)]);
    let refused = |messages: &[&str]| refused(messages.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(
        zone.change(&change).await.unwrap_err(),
        refused(&["first [name='a']", "second"])
    );
    let (zone, _) = hosted_zone([error(400, &[], "InvalidChangeBatch", "[first, second]")]);
    assert_eq!(zone.change(&change).await.unwrap_err(), refused(&["[first, second]"]));
    // Whether it was carried out is not known.
    let (zone, _) = hosted_zone([error(500, &[], "InternalFailure", "")]);
    assert!(zone.change(&change).await.unwrap_err().outcome_unknown());
    // It was not.
    let (zone, _) = hosted_zone([error(400, &[], "Throttling", "")]);
    assert!(!zone.change(&change).await.unwrap_err().outcome_unknown());
}

type Failure = fn() -> CredentialsError;

/// A role that cannot be assumed.
#[derive(Debug)]
struct Role(Failure);

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

#[tokio::test]
async fn an_outage_of_the_credentials_provider_is_an_outage() {
    let cases: [(Failure, &str); 5] = [
        (
            || CredentialsError::provider_error(ConnectorError::io("connection refused".into())),
            "Unreachable",
        ),
        (
            || CredentialsError::provider_error(ConnectorError::timeout("connect".into())),
            "Unreachable",
        ),
        (
            || CredentialsError::provider_timed_out(Duration::from_secs(5)),
            "Unreachable",
        ),
        (|| CredentialsError::provider_error("AccessDenied"), "AccessDenied"),
        (|| CredentialsError::not_loaded("no providers in chain"), "AccessDenied"),
    ];
    for (error, reason) in cases {
        let (zone, _) = hosted_zone_with([], Role(error));
        assert_eq!(zone.list().await.unwrap_err().reason(), reason, "{:?}", error());
    }
}

/// A hosted zone with an assumed role, whose STS gives this answer.
async fn with_role(answer: Answer) -> HostedZone {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("AKIATEST", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(wire([answer]))
        .load()
        .await;
    let role = AssumeRole {
        role_arn: "arn:aws:iam::111122223333:role/dns".to_owned(),
        external_id: None,
    };
    zone_of(Client::new(&account::assuming(config, &role).await))
}

#[tokio::test]
async fn an_error_of_sts_itself_is_an_outage_and_its_refusal_is_none() {
    let denied = || ProviderError::Denied {
        operation: "route53:ListResourceRecordSets",
        code: "no usable credentials".to_owned(),
    };
    let away = |what: &str| ProviderError::Unreachable(what.to_owned());
    let cases = [
        (
            error(503, &[], "ServiceUnavailable", "later"),
            away("STS answers HTTP 503 ServiceUnavailable"),
        ),
        (
            error(500, &[], "InternalFailure", ""),
            away("STS answers HTTP 500 InternalFailure"),
        ),
        (
            (502, &[][..], "<html>Bad Gateway</html>".to_owned()),
            away("STS answers HTTP 502"),
        ),
        (
            error(400, &[], "Throttling", "Rate exceeded"),
            away("STS answers HTTP 400 Throttling"),
        ),
        (error(429, &[], "", ""), away("STS answers HTTP 429")),
        (
            (200, &[][..], "<AssumeRoleRes".to_owned()),
            away("no readable answer of STS"),
        ),
        (
            error(403, &[], "AccessDenied", "not authorized to perform sts:AssumeRole"),
            denied(),
        ),
        (error(403, &[], "InvalidClientTokenId", ""), denied()),
        (error(403, &[], "RegionDisabledException", ""), denied()),
        (error(400, &[], "ExpiredTokenException", ""), denied()),
    ];
    for (answer, expected) in cases {
        let about = answer.2.clone();
        assert_eq!(with_role(answer).await.list().await.unwrap_err(), expected, "{about}");
    }
}
