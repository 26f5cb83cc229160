//! Access keys, accounts and roles.

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_route53::config::Region;
use hearth_e2e::fake_route53::Access;

use super::*;

#[tokio::test]
async fn keys_open_only_their_zones() {
    let bench = Bench::start().await;
    let control = bench.control();
    let other = create_zone(&bench.client, "example.net").await;
    control.allow("AKIAONE", Access::zones([bench.zone.as_str()]));
    control.allow("AKIATWO", Access::zones([other.as_str()]));
    let (one, two) = (
        client(&bench.fake.endpoint(), "AKIAONE"),
        client(&bench.fake.endpoint(), "AKIATWO"),
    );
    change(&one, &bench.zone, &[create(a("www.example.org", "192.0.2.1"))])
        .await
        .unwrap();
    change(&two, &other, &[create(a("www.example.net", "192.0.2.1"))])
        .await
        .unwrap();
    let denied = change(&one, &other, &[create(a("x.example.net", "192.0.2.1"))])
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
    assert_eq!(
        bench.change(&[]).await.unwrap_err().code(),
        Some("InvalidClientTokenId"),
        "a key without rights"
    );

    control.revoke("AKIAONE");
    let revoked = one
        .list_resource_record_sets()
        .hosted_zone_id(&bench.zone)
        .send()
        .await
        .unwrap_err();
    assert_eq!(revoked.into_service_error().code(), Some("InvalidClientTokenId"));
    control.allow("AKIAONE", Access::zones([bench.zone.as_str()]));
    assert_eq!(list(&one, &bench.zone, None).await.len(), 3);
    assert_eq!(control.calls().last().unwrap().key, "AKIAONE");
}

#[tokio::test]
async fn accounts_see_their_own_zones() {
    let bench = Bench::start().await;
    let control = bench.control();
    control.allow("AKIAHOME", Access::all());
    control.allow("AKIAAWAY", Access::all().account("210987654321"));
    let away = client(&bench.fake.endpoint(), "AKIAAWAY");
    let zone = create_zone(&away, "example.org").await;
    let zones = away.list_hosted_zones().send().await.unwrap();
    assert_eq!(
        zones
            .hosted_zones()
            .iter()
            .map(|zone| zone.id().to_owned())
            .collect::<Vec<_>>(),
        [format!("/hostedzone/{zone}")]
    );
    let denied = change(&away, &bench.zone, &[create(a("x.example.org", "192.0.2.1"))])
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
}

#[tokio::test]
async fn a_roles_keys_have_the_roles_rights() {
    let bench = Bench::start().await;
    let control = bench.control();
    let role = "arn:aws:iam::123456789012:role/dns";
    control.allow("AKIABASE", Access::zones([]));
    control.allow_role(role, Access::zones([bench.zone.as_str()]));
    let base = SharedCredentialsProvider::new(Credentials::new("AKIABASE", "secret", None, None, "test"));
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(bench.fake.endpoint())
        .credentials_provider(base)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let provider = AssumeRoleProvider::builder(role)
        .session_name("test")
        .configure(&config)
        .build()
        .await;
    let keys = provider.provide_credentials().await.unwrap();
    let temporary = client(&bench.fake.endpoint(), keys.access_key_id());
    change(&temporary, &bench.zone, &[create(a("www.example.org", "192.0.2.1"))])
        .await
        .unwrap();
    control.expire(keys.access_key_id());
    let expired = change(&temporary, &bench.zone, &[create(a("x.example.org", "192.0.2.1"))])
        .await
        .unwrap_err();
    assert_eq!(expired.code(), Some("ExpiredToken"));

    let other = AssumeRoleProvider::builder("arn:aws:iam::123456789012:role/other")
        .session_name("test")
        .configure(&config);
    assert!(other.build().await.provide_credentials().await.is_err());

    // A pod's identity: no signature, a token instead.
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=pod&WebIdentityToken=a.b.c&RoleArn={role}"
    );
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request =
        http::Request::post(bench.fake.endpoint()).header("content-type", "application/x-www-form-urlencoded");
    let before = control.keys().len();
    let answer = http.request(request.body(form).unwrap()).await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(control.keys().len(), before + 1);
    assert!(bench.moto.uri().port_u16().is_some());
}
