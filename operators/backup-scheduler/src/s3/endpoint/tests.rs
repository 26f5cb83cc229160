use super::*;
use crate::s3::test_server::settings;

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::new(&settings(text))
}

#[test]
fn an_endpoint_is_a_scheme_and_a_host() {
    for (text, authority) in [
        ("https://s3.example.com", "s3.example.com"),
        ("https://s3.example.com/", "s3.example.com"),
        ("https://s3.example.com:443", "s3.example.com"),
        ("https://S3.Example.com:9000", "s3.example.com:9000"),
        ("http://10.0.0.1:80", "10.0.0.1"),
        ("http://[fd00::1]:9000", "[fd00::1]:9000"),
    ] {
        assert_eq!(endpoint(text).unwrap().authority(), authority);
    }
    for text in [
        "",
        "s3.example.com",
        "s3.example.com:9000",
        "ftp://s3.example.com",
        "https://",
        "https://user@s3.example.com",
        "https://:hunter2@s3.example.com",
        "https://s3.example.com/bucket",
        "https://s3.example.com?a=b",
        "https://s3.example.com#a",
    ] {
        let why = endpoint(text).expect_err(text);
        assert!(why.starts_with("endpoint: ") && !why.contains("hunter2"), "{why}");
    }
}

#[test]
fn the_bucket_is_in_the_path_except_at_aws_and_alibaba() {
    for (text, url) in [
        ("https://s3.example.com", "s3.example.com/home/a"),
        ("http://10.0.0.1", "10.0.0.1/home/a"),
        (
            "https://s3.eu-west-1.amazonaws.com",
            "home.s3.eu-west-1.amazonaws.com/a",
        ),
        (
            "https://oss-eu-central-1.aliyuncs.com",
            "home.oss-eu-central-1.aliyuncs.com/a",
        ),
    ] {
        let endpoint = endpoint(text).unwrap();
        assert_eq!(
            format!("{}{}", endpoint.authority(), endpoint.path_and_query("a", &[])),
            url
        );
    }
    let with = |path_style, bucket: &str, text| {
        Endpoint::new(&Settings {
            path_style,
            bucket: bucket.to_owned(),
            ..settings(text)
        })
    };
    let aws = "https://s3.amazonaws.com";
    assert!(with(Some(true), "home", aws).unwrap().path_style);
    assert!(with(None, "my.home", aws).unwrap().path_style);
    assert!(with(None, "My_home", aws).unwrap().path_style);
    assert!(!with(Some(false), "home", "https://s3.example.com").unwrap().path_style);
    let why = with(Some(false), "home", "http://10.0.0.1").unwrap_err();
    assert!(why.starts_with("forcePathStyle: "), "{why}");
}

#[test]
fn the_region_is_given_or_in_the_name_of_the_host_or_the_default() {
    for (text, region) in [
        ("https://s3.example.com", "us-east-1"),
        ("https://s3.amazonaws.com", "us-east-1"),
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("https://s3.fr-par.scw.cloud", "fr-par"),
        ("https://s3.my-home.lan", "us-east-1"),
        ("https://abc.r2.cloudflarestorage.com", "auto"),
        ("http://10.0.0.1", "us-east-1"),
    ] {
        assert_eq!(endpoint(text).unwrap().region, region, "{text}");
    }
    let with = |region: &str| {
        Endpoint::new(&Settings {
            region: Some(region.to_owned()),
            ..settings("https://s3.example.com")
        })
    };
    assert_eq!(with("garage").unwrap().region, "garage");
    for bad in ["", "EU", "a b", "a/b", &"a".repeat(33)] {
        assert!(with(bad).unwrap_err().starts_with("region: "));
    }
}

#[test]
fn buckets_that_would_change_the_path_are_refused() {
    for bucket in ["", "ab", "..", "...", "a/b", "-ab", "a b", "a%2f", &"a".repeat(64)] {
        let settings = Settings {
            bucket: bucket.to_owned(),
            ..settings("https://s3.example.com")
        };
        assert!(
            Endpoint::new(&settings).unwrap_err().starts_with("bucket: "),
            "{bucket}"
        );
    }
}

#[test]
fn credentials_with_a_line_break_are_refused_and_never_shown() {
    for bad in ["", "hunter2\n", " hunter2", "hunter2\r\n", "hunté"] {
        let secret = || Zeroizing::new(bad.to_owned());
        let good = settings("https://a.example").credentials;
        for credentials in [
            Credentials {
                access_key_id: bad.to_owned(),
                ..good.clone()
            },
            Credentials {
                secret_access_key: secret(),
                ..good.clone()
            },
            Credentials {
                session_token: Some(secret()),
                ..good.clone()
            },
        ] {
            let settings = Settings {
                credentials,
                ..settings("https://a.example")
            };
            let why = Endpoint::new(&settings).unwrap_err();
            assert!(why.starts_with("secretRef: ") && !why.contains("hunt"), "{why}");
            assert!(!format!("{settings:?}").contains("hunt"));
        }
    }
}

#[test]
fn keys_and_queries_are_encoded_as_signatures_want_it() {
    let endpoint = endpoint("https://s3.example.com").unwrap();
    assert_eq!(
        endpoint.path_and_query("a/b c+ä~%2F?", &[]),
        "/home/a/b%20c%2B%C3%A4~%252F%3F"
    );
    assert_eq!(
        endpoint.path_and_query("", &[("list-type", "2"), ("prefix", "a/b&c")]),
        "/home?list-type=2&prefix=a%2Fb%26c"
    );
}

#[test]
fn a_prefix_is_folders() {
    for good in ["", "a", "backups/home", "a b/ä"] {
        assert_eq!(check_prefix(good), Ok(()));
    }
    for bad in ["/", "/a", "a/", "a//b", "a/../b", ".", "a\nb", &"a".repeat(257)] {
        assert!(check_prefix(bad).unwrap_err().starts_with("prefix: "), "{bad}");
    }
    assert_eq!(object_key("", "x"), "x");
    assert_eq!(object_key("a/b", "x"), "a/b/x");
    assert!(!is_key("") && !is_key("a/../b") && is_key("a/b..c"));
}
