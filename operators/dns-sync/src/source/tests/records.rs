use super::*;

#[test]
fn a_record_that_names_its_zone_stays_in_it() {
    let mut zone = zone(EVERYTHING);
    zone.nested = vec![Nested {
        zone: "lab".into(),
        domain: Name::parse("lab.example.org").unwrap(),
        sources: serde_saphyr::from_str(EVERYTHING).unwrap(),
    }];
    let ns = |zone: &str| {
        record(&format!(
            "{{name: lab.example.org., type: NS, targets: [ns1.example.net]{zone}}}"
        ))
    };
    assert_wanted(&zone, &ns(""), &[]);
    assert_wanted(&zone, &ns(", zone: home"), &["lab.example.org NS ns1.example.net"]);
}

#[test]
fn names_relative_apex_and_absolute() {
    let zone = zone(EVERYTHING);
    let cases: [(&str, &[&str]); 9] = [
        ("vpn", &["vpn.example.org A 192.0.2.1"]),
        ("VPN.eu", &["vpn.eu.example.org A 192.0.2.1"]),
        ("'@'", &["example.org A 192.0.2.1"]),
        ("'*'", &["*.example.org A 192.0.2.1"]),
        ("vpn.example.org.", &["vpn.example.org A 192.0.2.1"]),
        ("vpn.example.net.", &["outside vpn.example.net"]),
        // Most likely a forgotten dot.
        (
            "vpn.example.org",
            &["held vpn.example.org.example.org", "InvalidHostname"],
        ),
        ("a..b", &["InvalidHostname"]),
        ("'.'", &["InvalidHostname"]),
    ];
    for (name, expected) in cases {
        let facts = record(&format!("{{name: {name}, type: A, targets: [192.0.2.1]}}"));
        assert_wanted(&zone, &facts, expected);
    }
}

#[test]
fn a_forgotten_dot_is_explained() {
    let facts = record("{name: vpn.example.org, type: A, targets: [192.0.2.1]}");
    let wanted = zone(EVERYTHING).ask(&facts);
    assert!(
        wanted.defects[0].message.contains("write `vpn.example.org.`"),
        "{:?}",
        wanted.defects
    );
}

#[test]
fn which_zone() {
    let mut zone = zone(EVERYTHING);
    let named = |name: &str| record(&format!("{{name: vpn, type: A, targets: [192.0.2.1], zone: {name}}}"));
    assert_wanted(&zone, &named("home"), &["vpn.example.org A 192.0.2.1"]);
    assert_wanted(&zone, &named("office"), &[]);
    zone.sole = false;
    assert_wanted(&zone, &named("home"), &["vpn.example.org A 192.0.2.1"]);
    let relative = record("{name: vpn, type: A, targets: [192.0.2.1]}");
    assert_wanted(&zone, &relative, &["held vpn.example.org", "AmbiguousZone"]);
    let absolute = record("{name: vpn.example.org., type: A, targets: [192.0.2.1]}");
    assert_wanted(&zone, &absolute, &["vpn.example.org A 192.0.2.1"]);
}

#[test]
fn every_type() {
    let zone = zone(EVERYTHING);
    let cases = [
        (
            "A, targets: [192.0.2.2, 192.0.2.1, 192.0.2.2]",
            "x.example.org A 192.0.2.1,192.0.2.2",
        ),
        (
            "AAAA, targets: ['FD00:0::1'], ttl: 60",
            "x.example.org AAAA fd00::1 ttl=60",
        ),
        (
            "CNAME, targets: [Host.example.net.]",
            "x.example.org CNAME host.example.net plain",
        ),
        ("TXT, targets: [hello]", "x.example.org TXT \"hello\""),
        (
            "MX, targets: ['20 b.example.net', '10 a.example.net']",
            "x.example.org MX 10 a.example.net,20 b.example.net",
        ),
        (
            "SRV, targets: ['0 5 80 a.example.net.']",
            "x.example.org SRV 0 5 80 a.example.net",
        ),
        ("NS, targets: [ns.example.net]", "x.example.org NS ns.example.net"),
        (
            "CAA, targets: ['0 issue ca.example']",
            "x.example.org CAA 0 issue \"ca.example\"",
        ),
        (
            "A, targets: [192.0.2.1], route53: {setIdentifier: blue, weight: 0}",
            "x.example.org A 192.0.2.1 set=blue weight=0",
        ),
        (
            "AAAA, targets: [lb.eu-central-1.elb.amazonaws.com], route53: {alias: true, evaluateTargetHealth: false}",
            "x.example.org AAAA lb.eu-central-1.elb.amazonaws.com alias=false",
        ),
    ];
    for (spec, expected) in cases {
        assert_wanted(&zone, &record(&format!("{{name: x, type: {spec}}}")), &[expected]);
    }
}

/// What is wrong holds what is there; nothing half is published.
#[test]
fn invalid_records() {
    let cases = [
        ("A, targets: ['2001:db8::1']", "TargetFamily"),
        ("AAAA, targets: [192.0.2.1]", "TargetFamily"),
        ("A, targets: [192.0.2.1, host.example.net]", "InvalidTarget"),
        ("A, targets: [192.0.2.1.]", "InvalidTarget"),
        ("CNAME, targets: [192.0.2.1]", "InvalidTarget"),
        ("CNAME, targets: [a.example.net, b.example.net]", "TooManyTargets"),
        ("CNAME, targets: [x.example.org]", "InvalidTarget"),
        ("MX, targets: ['10 a.example.net', b.example.net]", "InvalidTarget"),
        ("A, targets: [192.0.2.1], route53: {alias: true}", "InvalidTarget"),
        ("TXT, targets: [a.example.net], route53: {alias: true}", "InvalidTarget"),
        ("A, targets: [192.0.2.1], route53: {weight: 1}", "InvalidWeight"),
        (
            "A, targets: [192.0.2.1], route53: {setIdentifier: x, weight: 256}",
            "InvalidWeight",
        ),
        (
            "TXT, targets: ['heritage=external-dns,external-dns/owner=me']",
            "ReservedValue",
        ),
        (
            "TXT, targets: ['\"heritage=external\" \"-dns,external-dns/owner=me\"']",
            "ReservedValue",
        ),
    ];
    for (spec, reason) in cases {
        let wanted = zone(EVERYTHING).ask(&record(&format!("{{name: x, type: {spec}}}")));
        assert!(wanted.endpoints.is_empty(), "{spec}: {wanted:?}");
        assert_eq!(wanted.held.len(), 1, "{spec}: {wanted:?}");
        assert_eq!(
            wanted.defects.iter().map(|defect| defect.reason).collect::<Vec<_>>(),
            [reason],
            "{spec}"
        );
    }
}

#[test]
fn a_text_that_the_provider_does_not_take_is_not_sent() {
    let text = |length| record(&format!("{{name: x, type: TXT, targets: [{}]}}", "x".repeat(length)));
    assert_eq!(zone(EVERYTHING).ask(&text(3_900)).endpoints.len(), 1);
    let wanted = zone(EVERYTHING).ask(&text(4_000));
    assert_eq!((wanted.endpoints.len(), wanted.held.len()), (0, 1));
    let [defect] = wanted.defects.as_slice() else {
        panic!("{wanted:?}")
    };
    assert_eq!(defect.reason, "InvalidTarget");
    assert!(defect.message.contains("Route 53 takes at most 4000"), "{defect:?}");
}

#[test]
fn an_invalid_ttl_leaves_the_record() {
    let facts = record("{name: x, type: A, targets: [192.0.2.1], ttl: 99999999999}");
    assert_wanted(&zone(EVERYTHING), &facts, &["x.example.org A 192.0.2.1", "InvalidTTL"]);
}

#[test]
fn the_apex_has_its_own_rules() {
    let zone = zone(EVERYTHING);
    let cname = record("{name: '@', type: CNAME, targets: [host.example.net]}");
    assert_wanted(&zone, &cname, &["held example.org", "CNAMEAtApex"]);
    let wanted = zone.ask(&cname);
    assert!(
        wanted.defects[0].message.contains("route53.alias"),
        "{:?}",
        wanted.defects
    );
    let ns = record("{name: '@', type: NS, targets: [ns.example.net]}");
    assert_wanted(&zone, &ns, &["held example.org", "ZoneNameServers"]);
    let alias = record("{name: '@', type: A, targets: [d1.cloudfront.net], route53: {alias: true}}");
    assert_wanted(&zone, &alias, &["example.org A d1.cloudfront.net alias=true"]);
}

#[test]
fn a_suspended_record_is_held() {
    let facts = record("{name: x, type: A, targets: [192.0.2.1], suspend: true}");
    assert_wanted(&zone(EVERYTHING), &facts, &["held x.example.org", "suspended"]);
}

#[test]
fn what_the_zone_does_not_manage() {
    let facts = record("{name: x, type: TXT, targets: [a]}");
    let mut limited = zone(EVERYTHING);
    limited.types = vec![RecordType::A];
    assert_wanted(&limited, &facts, &[]);
    assert_wanted(&zone("{records: {namespaces: [other]}}"), &facts, &[]);
    assert_wanted(&zone("{services: {}}"), &facts, &[]);
    assert_wanted(
        &zone("{records: {namespaces: [network]}}"),
        &facts,
        &["x.example.org TXT \"a\""],
    );
}
