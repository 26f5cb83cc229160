//! Annotations, and what becomes of their values.
use super::*;

/// A `LoadBalancer` at 192.0.2.1 with those annotations behind the new prefix.
fn annotated(annotations: &[(&str, &str)]) -> Facts {
    let lines: Vec<String> = annotations
        .iter()
        .map(|(key, value)| {
            let prefix = if key.contains('/') {
                ""
            } else {
                "external-dns.kubernetes.io/"
            };
            format!("    {prefix}{key}: '{value}'")
        })
        .collect();
    let lines = lines.join("\n");
    service(&format!(
        "metadata:\n  name: front\n  namespace: web\n  annotations:\n{lines}\nspec: {{type: LoadBalancer}}\n\
         status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}\n"
    ))
}

const HOST: (&str, &str) = ("hostname", "www.example.org");

#[track_caller]
fn assert_with(more: &[(&str, &str)], expected: &[&str]) {
    let annotations: Vec<(&str, &str)> = [HOST].into_iter().chain(more.iter().copied()).collect();
    assert_wanted(&zone(EVERYTHING), &annotated(&annotations), expected);
}

#[test]
fn either_prefix_and_the_new_one_wins() {
    let old = "external-dns.alpha.kubernetes.io/hostname";
    let zone = zone(EVERYTHING);
    assert_wanted(
        &zone,
        &annotated(&[(old, "old.example.org")]),
        &["old.example.org A 192.0.2.1"],
    );
    assert_wanted(
        &zone,
        &annotated(&[(old, "old.example.org"), HOST]),
        &["www.example.org A 192.0.2.1", "AnnotationConflict"],
    );
    assert_wanted(
        &zone,
        &annotated(&[(old, HOST.1), HOST]),
        &["www.example.org A 192.0.2.1"],
    );
}

#[test]
fn hostname_lists() {
    let facts = annotated(&[("hostname", " a.example.org. ,B.example.org,, a.example.org ,")]);
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["a.example.org A 192.0.2.1", "b.example.org A 192.0.2.1"],
    );
    let facts = annotated(&[("hostname", "a.example.org, *a.example.org")]);
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["a.example.org A 192.0.2.1", "InvalidHostname"],
    );
}

/// dns-03: names and targets one under the other, or with spaces between them, never become one name that nobody wrote.
#[test]
fn lists_may_be_separated_by_spaces_and_new_lines() {
    let both = ["a.example.org A 192.0.2.1", "b.example.org A 192.0.2.1"];
    for list in [
        "a.example.org b.example.org",
        "a.example.org\\nb.example.org\\n",
        "a.example.org.\\n b.example.org.",
        "a.example.org,\\n\\tb.example.org",
    ] {
        let yaml = format!(
            "metadata:\n  name: front\n  namespace: web\n  annotations:\n    external-dns.kubernetes.io/hostname: \"{list}\"\n\
             spec: {{type: LoadBalancer}}\nstatus: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}\n"
        );
        assert_wanted(&zone(EVERYTHING), &service(&yaml), &both);
    }
    assert_with(
        &[("target", "192.0.2.1 192.0.2.2")],
        &["www.example.org A 192.0.2.1,192.0.2.2"],
    );
}

/// dns-10: `localhost` in the status of a local cluster is not published, and the object says so.
#[test]
fn a_load_balancer_without_a_whole_name_is_not_published() {
    let yaml = "metadata: {name: a, namespace: b, annotations: {external-dns.kubernetes.io/hostname: www.example.org}}\n\
                spec: {type: LoadBalancer}\nstatus: {loadBalancer: {ingress: [{hostname: localhost}]}}\n";
    assert_wanted(
        &zone(EVERYTHING),
        &service(yaml),
        &["held www.example.org", "InvalidTarget"],
    );
    assert_with(&[("target", "router.")], &["www.example.org CNAME router."]);
}

#[test]
fn internationalised_names_are_one_with_their_punycode() {
    let mut zone = zone(EVERYTHING);
    zone.domain = Name::parse("b\u{fc}cher.example").unwrap();
    let facts = annotated(&[("hostname", "www.B\u{dc}CHER.example, www.xn--bcher-kva.example")]);
    assert_wanted(&zone, &facts, &["www.xn--bcher-kva.example A 192.0.2.1"]);
}

#[test]
fn controller() {
    assert_with(&[("controller", "dns-controller")], &["www.example.org A 192.0.2.1"]);
    assert_with(&[("controller", "none")], &[]);
    assert_with(&[("controller", "")], &[]);
}

#[test]
fn target_replaces_the_addresses() {
    assert_with(
        &[("target", "203.0.113.1, 2001:DB8::1,203.0.113.1")],
        &["www.example.org A 203.0.113.1", "www.example.org AAAA 2001:db8::1"],
    );
    assert_with(&[("target", "1.2.3.4.")], &["www.example.org A 1.2.3.4"]);
    assert_with(
        &[("target", "LB.example.net.")],
        &["www.example.org CNAME lb.example.net"],
    );
    assert_with(&[("target", "")], &["www.example.org A 192.0.2.1"]);
    assert_with(&[("target", "lb.example.net,1.2.3.4")], &["www.example.org A 1.2.3.4"]);
    assert_with(
        &[("target", "1.2.3.4,bad!")],
        &["www.example.org A 1.2.3.4", "InvalidTarget"],
    );
    assert_with(&[("target", "bad!")], &["held www.example.org", "InvalidTarget"]);
    assert_with(
        &[("target", "a.example.net,b.example.net")],
        &["held www.example.org", "TooManyTargets"],
    );
    assert_with(
        &[("target", "www.example.org")],
        &["held www.example.org", "InvalidTarget"],
    );
}

/// As in external-dns: what is written as IPv6 is published as IPv6, so that a takeover changes nothing. An interface
/// behind `%` cannot be published at all.
#[test]
fn odd_ipv6_targets() {
    assert_with(
        &[("target", "::ffff:1.2.3.4")],
        &["www.example.org AAAA ::ffff:1.2.3.4"],
    );
    assert_with(
        &[("target", "fe80::1%eth0")],
        &["held www.example.org", "InvalidTarget"],
    );
}

#[test]
fn ttl() {
    for (text, seconds) in [
        ("60", "60"),
        ("1.5s", "1"),
        ("5m", "300"),
        ("2147483647", "2147483647"),
        (" 7 ", "7"),
        // The duration format of all CRDs has days; external-dns ignores such an annotation.
        ("1d", "86400"),
    ] {
        assert_with(
            &[("ttl", text)],
            &[&format!("www.example.org A 192.0.2.1 ttl={seconds}")],
        );
    }
    for text in ["0", "-1", "99999999999", "2147483648", "abc", "0.5s", ""] {
        assert_with(&[("ttl", text)], &["www.example.org A 192.0.2.1", "InvalidTTL"]);
    }
}

/// external-dns makes a weight of 0 of it, which takes the object out of service.
#[test]
fn weights() {
    assert_with(
        &[("set-identifier", "blue"), ("aws-weight", "100")],
        &["www.example.org A 192.0.2.1 set=blue weight=100"],
    );
    for weight in ["abc", "-1", "256", "1.5", ""] {
        assert_with(
            &[("set-identifier", "blue"), ("aws-weight", weight)],
            &["held www.example.org set=blue", "InvalidWeight"],
        );
    }
    assert_with(&[("aws-weight", "1")], &["held www.example.org", "InvalidWeight"]);
    assert_with(
        &[("set-identifier", "blue")],
        &["held www.example.org set=blue", "InvalidSetIdentifier"],
    );
    let long = "x".repeat(129);
    assert_with(
        &[("set-identifier", &long), ("aws-weight", "1")],
        &[&format!("held www.example.org set={long}"), "InvalidSetIdentifier"],
    );
}

#[test]
fn routing_that_is_not_supported_changes_nothing() {
    assert_with(
        &[("set-identifier", "eu"), ("aws-region", "eu-central-1")],
        &["held www.example.org set=eu", "UnsupportedAnnotation"],
    );
    assert_with(
        &[("aws-health-check-id", "x")],
        &["held www.example.org", "UnsupportedAnnotation"],
    );
    // Those of other providers mean nothing here.
    assert_with(&[("cloudflare-proxied", "true")], &["www.example.org A 192.0.2.1"]);
}

#[test]
fn alias() {
    let balancer = "lb.eu-central-1.elb.amazonaws.com";
    let target = ("target", balancer);
    assert_with(&[target], &[&format!("www.example.org CNAME {balancer}")]);
    assert_with(
        &[target, ("aws-evaluate-target-health", "false")],
        &[&format!("www.example.org CNAME {balancer} auto=false")],
    );
    assert_with(
        &[target, ("alias", "true")],
        &[&format!("www.example.org CNAME {balancer} alias=true")],
    );
    assert_with(
        &[target, ("alias", "false")],
        &[&format!("www.example.org CNAME {balancer} plain")],
    );
    assert_with(
        &[target, ("alias", "A")],
        &[&format!("www.example.org CNAME {balancer}"), "InvalidAnnotation"],
    );
    // An address has nothing to follow.
    assert_with(&[("alias", "true")], &["www.example.org A 192.0.2.1"]);
}

#[test]
fn at_the_apex() {
    let zone = zone(EVERYTHING);
    let apex = |more: &[(&str, &str)]| {
        let annotations: Vec<(&str, &str)> = [("hostname", "example.org")]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        annotated(&annotations)
    };
    assert_wanted(&zone, &apex(&[]), &["example.org A 192.0.2.1"]);
    let plain = [("target", "host.example.net")];
    assert_wanted(&zone, &apex(&plain), &["held example.org", "CNAMEAtApex"]);
    let asked = [("target", "www.example.org"), ("alias", "true")];
    assert_wanted(&zone, &apex(&asked), &["example.org CNAME www.example.org alias=true"]);
    let known = [("target", "lb.eu-central-1.elb.amazonaws.com")];
    assert_wanted(
        &zone,
        &apex(&known),
        &["example.org CNAME lb.eu-central-1.elb.amazonaws.com"],
    );
    let refused = [("target", "lb.eu-central-1.elb.amazonaws.com"), ("alias", "false")];
    assert_wanted(&zone, &apex(&refused), &["held example.org", "CNAMEAtApex"]);
}

/// A zone that manages A and AAAA takes host names that become aliases, and only those.
#[test]
fn record_types_of_aliases() {
    let mut zone = zone(EVERYTHING);
    zone.types = vec![RecordType::A, RecordType::Aaaa];
    let balancer = annotated(&[HOST, ("target", "lb.eu-central-1.elb.amazonaws.com")]);
    assert_wanted(
        &zone,
        &balancer,
        &["www.example.org CNAME lb.eu-central-1.elb.amazonaws.com"],
    );
    assert_wanted(&zone, &annotated(&[HOST, ("target", "host.example.net")]), &[]);
}

#[test]
fn access() {
    assert_with(&[("access", "public")], &["www.example.org A 192.0.2.1"]);
    assert_with(
        &[("access", "object_cache")],
        &["www.example.org A 192.0.2.1", "InvalidAccess"],
    );
}

/// A defect is reported where the object publishes, not in every other zone.
#[test]
fn faults_of_an_object_that_is_elsewhere() {
    let facts = annotated(&[("hostname", "www.example.net"), ("ttl", "abc")]);
    assert_wanted(&zone(EVERYTHING), &facts, &["outside www.example.net"]);
}

#[test]
fn messages_say_what_to_do() {
    let cases = [
        (("ttl", "abc"), "seconds from 1 to 2147483647"),
        (("aws-weight", "abc"), "0 to 255"),
        (("aws-region", "x"), "supported are"),
        (("target", "bad!"), "'!'"),
        (("alias", "A"), "true or false"),
        (("access", "x"), "public or private"),
    ];
    for (annotation, word) in cases {
        let defects = zone(EVERYTHING).ask(&annotated(&[HOST, annotation])).defects;
        assert!(
            defects.iter().any(|defect| defect.message.contains(word)),
            "{annotation:?}: {defects:?}"
        );
    }
}

/// dns-28: the hosted zone of a target that is not known here.
#[test]
fn the_hosted_zone_of_the_target() {
    let apex = |zone: &str| {
        annotated(&[
            ("hostname", "example.org"),
            ("target", "lb-1.xx-future-1.elb.amazonaws.com"),
            ("aws-target-hosted-zone", zone),
        ])
    };
    let wanted = zone(EVERYTHING).ask(&apex("/hostedzone/Z0NEWREGION"));
    assert_eq!(wanted.endpoints[0].alias_zone.as_deref(), Some("Z0NEWREGION"));
    assert!(wanted.defects.is_empty(), "{:?}", wanted.defects);
    assert_wanted(
        &zone(EVERYTHING),
        &apex("my zone"),
        &["held example.org", "InvalidTargetHostedZone"],
    );
    let known = record("{name: '@', type: A, targets: [lb.example.net], route53: {alias: true, targetHostedZone: Z1}}");
    assert_eq!(
        zone(EVERYTHING).ask(&known).endpoints[0].alias_zone.as_deref(),
        Some("Z1")
    );
    let plain = record("{name: x, type: A, targets: ['192.0.2.1'], route53: {targetHostedZone: Z1}}");
    assert_wanted(
        &zone(EVERYTHING),
        &plain,
        &["held x.example.org", "InvalidTargetHostedZone"],
    );
}
