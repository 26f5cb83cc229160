use super::*;

fn refusal(status: u16, body: &ErrorBody) -> Refusal<'_> {
    Refusal {
        action: Action::Put,
        at: "s3.example.com:443",
        bucket: "home",
        region: "us-east-1",
        status,
        region_header: None,
        body,
        skew: Some(0),
    }
}

fn failure(status: u16, code: &str) -> Failure {
    let text = format!("<Error><Code>{code}</Code><Message>hunter2</Message><Resource>hunter2</Resource></Error>");
    refusal(status, &ErrorBody::parse(text.as_bytes())).failure()
}

#[test]
fn a_code_has_priority_over_the_status() {
    for (status, code, reason) in [
        (403, "AccessDenied", Reason::AccessDenied),
        (403, "SignatureDoesNotMatch", Reason::AccessDenied),
        (403, "InvalidAccessKeyId", Reason::AccessDenied),
        (400, "ExpiredToken", Reason::AccessDenied),
        (403, "QuotaExceeded", Reason::QuotaExceeded),
        (400, "XMinioAdminBucketQuotaExceeded", Reason::QuotaExceeded),
        (507, "XMinioStorageFull", Reason::QuotaExceeded),
        (403, "RequestTimeTooSkewed", Reason::ClockSkew),
        (404, "NoSuchBucket", Reason::BucketMissing),
        (301, "PermanentRedirect", Reason::WrongRegion),
        (307, "TemporaryRedirect", Reason::WrongRegion),
        (503, "SlowDown", Reason::Unreachable),
        (400, "RequestTimeout", Reason::Unreachable),
        (409, "ConditionalRequestConflict", Reason::Conflict),
        (501, "NotImplemented", Reason::NotImplemented),
        (400, "NotImplemented", Reason::NotImplemented),
        (400, "InvalidArgument", Reason::BadAnswer),
        (404, "NoSuchKey", Reason::BadAnswer),
    ] {
        let failure = failure(status, code);
        assert_eq!(failure.reason, reason, "{failure}");
        assert!(failure.message.contains(&format!("{status} ({code})")) || reason == Reason::ClockSkew);
        assert!(failure.message.contains("s3.example.com:443"));
    }
}

#[test]
fn without_a_known_code_the_status_decides() {
    for (status, reason) in [
        (401, Reason::AccessDenied),
        (403, Reason::AccessDenied),
        (405, Reason::NotImplemented),
        (501, Reason::NotImplemented),
        (409, Reason::Conflict),
        (507, Reason::QuotaExceeded),
        (408, Reason::Unreachable),
        (429, Reason::Unreachable),
        (500, Reason::Unreachable),
        (502, Reason::Unreachable),
        (503, Reason::Unreachable),
        (504, Reason::Unreachable),
        (204, Reason::BadAnswer),
        (302, Reason::BadAnswer),
        (400, Reason::BadAnswer),
        (404, Reason::BadAnswer),
        (418, Reason::BadAnswer),
    ] {
        for body in ["", "<html>hunter2</html>", "<Error><Code>hunter2</Code></Error>"] {
            let failure = refusal(status, &ErrorBody::parse(body.as_bytes())).failure();
            assert_eq!(failure.reason, reason, "{status} {body}");
            assert!(!failure.message.contains("hunter2"), "{failure}");
        }
    }
}

#[test]
fn what_may_help_later_is_told_from_what_needs_a_change() {
    assert!(failure(503, "SlowDown").reason.retry());
    assert!(failure(409, "ConditionalRequestConflict").reason.retry());
    for code in [
        "AccessDenied",
        "QuotaExceeded",
        "NoSuchBucket",
        "PermanentRedirect",
        "RequestTimeTooSkewed",
    ] {
        assert!(!failure(403, code).reason.retry(), "{code}");
    }
}

#[test]
fn refusals_say_what_to_change() {
    for (code, word) in [
        ("AccessDenied", "grant it s3:PutObject"),
        ("SignatureDoesNotMatch", "secret key of `secretRef`"),
        ("InvalidAccessKeyId", "does not know the access key id"),
        ("ExpiredToken", "session token"),
        ("QuotaExceeded", "raise the quota"),
        ("NoSuchBucket", "there is no bucket `home`"),
    ] {
        let failure = failure(403, code);
        assert!(failure.message.contains(word), "{failure}");
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}

#[test]
fn backblaze_calls_a_full_account_access_denied() {
    let text = "<Error><Code>AccessDenied</Code><Message>Cannot upload files, storage cap exceeded. See the Caps \
                page.</Message></Error>";
    let failure = refusal(403, &ErrorBody::parse(text.as_bytes())).failure();
    assert_eq!(failure.reason, Reason::QuotaExceeded);
}

#[test]
fn a_refusal_with_another_hour_is_the_clock() {
    let text = "<Error><Code>AccessDenied</Code></Error>";
    let body = ErrorBody::parse(text.as_bytes());
    for (skew, reason, word) in [
        (Some(7200), Reason::ClockSkew, "is 7200 s ahead of that of s3"),
        (Some(-301), Reason::ClockSkew, "is 301 s behind that of s3"),
        (Some(300), Reason::AccessDenied, "grant it"),
        (None, Reason::AccessDenied, "grant it"),
    ] {
        let failure = Refusal {
            skew,
            ..refusal(403, &body)
        }
        .failure();
        assert_eq!(failure.reason, reason);
        assert!(failure.message.contains(word), "{failure}");
    }
    // A missing bucket is missing at any hour.
    let text = "<Error><Code>NoSuchBucket</Code></Error>";
    let body = ErrorBody::parse(text.as_bytes());
    let failure = Refusal {
        skew: Some(7200),
        ..refusal(404, &body)
    }
    .failure();
    assert_eq!(failure.reason, Reason::BucketMissing);
}

#[test]
fn another_region_is_named_if_it_is_one() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; \
                     expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>";
    let redirect = "<Error><Code>PermanentRedirect</Code></Error>";
    for (status, text, header, named) in [
        (301, "", Some("eu-west-1"), true),
        (307, "", Some("eu-west-1"), true),
        (400, "", Some("eu-west-1"), true),
        (301, redirect, Some("eu-west-1"), true),
        (400, malformed, None, true),
        (403, malformed, Some("eu-west-1"), true),
        (301, redirect, None, false),
        (301, redirect, Some("us-east-1"), false),
        (301, redirect, Some("hunter2 AND MORE"), false),
    ] {
        let body = ErrorBody::parse(text.as_bytes());
        let failure = Refusal {
            region_header: header,
            ..refusal(status, &body)
        }
        .failure();
        assert_eq!(failure.reason, Reason::WrongRegion, "{status} {text} {header:?}");
        assert_eq!(failure.message.contains("`eu-west-1`"), named, "{failure}");
        assert!(failure.message.contains("set `region`") && !failure.message.contains("hunter2"));
    }
    // A refusal that comes with the region we have is none of the region.
    let failure = Refusal {
        region_header: Some("us-east-1"),
        ..refusal(400, &ErrorBody::default())
    }
    .failure();
    assert_eq!(failure.reason, Reason::BadAnswer);
}

#[test]
fn damaged_bodies_never_panic_and_are_never_shown() {
    let text =
        "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>hunter2</Message><Region>a-1</Region></Error>";
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(1..=bytes.len()));
        let failure = refusal(random.u16(300..600), &ErrorBody::parse(&bytes)).failure();
        assert!(!failure.message.contains("hunter2"), "{failure}");
    }
}
