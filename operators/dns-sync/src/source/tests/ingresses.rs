use super::*;

const STATUS: &str = "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}";

fn with(annotations: &str, spec: &str) -> Facts {
    ingress(&format!(
        "{{metadata: {{name: front, namespace: web, annotations: {{{annotations}}}}}, spec: {{{spec}}}, {STATUS}}}"
    ))
}

#[test]
fn one_host_named_three_times_is_one_record() {
    let facts = with(
        "external-dns.kubernetes.io/hostname: www.example.org",
        "rules: [{host: www.example.org}, {host: WWW.example.org}], tls: [{hosts: [www.example.org]}]",
    );
    assert_wanted(&zone(EVERYTHING), &facts, &["www.example.org A 192.0.2.1"]);
}

#[test]
fn hosts_of_rules_tls_and_annotation() {
    let facts = |source: &str| {
        with(
            &format!("external-dns.kubernetes.io/hostname: c.example.org{source}"),
            "rules: [{host: a.example.org}, {host: ''}, {}], tls: [{hosts: ['*.example.org']}, {secretName: x}]",
        )
    };
    let zone = zone(EVERYTHING);
    let all = [
        "*.example.org A 192.0.2.1",
        "a.example.org A 192.0.2.1",
        "c.example.org A 192.0.2.1",
    ];
    let source = |value: &str| format!(", external-dns.kubernetes.io/ingress-hostname-source: {value}");
    assert_wanted(&zone, &facts(""), &all);
    assert_wanted(&zone, &facts(&source("Annotation-Only")), &all[2..]);
    assert_wanted(&zone, &facts(&source("defined-hosts-only")), &all[..2]);
    assert_wanted(
        &zone,
        &facts(&source("foo")),
        &[
            "held *.example.org",
            "held a.example.org",
            "held c.example.org",
            "InvalidHostnameSource",
        ],
    );
}

#[test]
fn a_label_of_more_than_63_characters_spares_the_other_hosts() {
    let facts = with(
        "",
        &format!(
            "rules: [{{host: {}.example.org}}, {{host: a.example.org}}]",
            "x".repeat(64)
        ),
    );
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["a.example.org A 192.0.2.1", "InvalidHostname"],
    );
    let wanted = zone(EVERYTHING).ask(&facts);
    assert!(
        wanted.defects[0].message.contains("64 characters"),
        "{:?}",
        wanted.defects
    );
}

#[test]
fn an_empty_status_holds_the_names() {
    let facts = ingress("{metadata: {name: a, namespace: b}, spec: {rules: [{host: a.example.org}]}, status: {}}");
    assert_wanted(&zone(EVERYTHING), &facts, &["held a.example.org"]);
}

#[test]
fn classes() {
    let cases = [
        ("", "ingressClassName: a", "[a]", true),
        ("", "ingressClassName: a", "[b]", false),
        ("", "ingressClassName: a", "[]", true),
        ("", "ingressClassName: b", "[a, b]", true),
        ("kubernetes.io/ingress.class: b", "", "[b]", true),
        ("kubernetes.io/ingress.class: b", "ingressClassName: ''", "[b]", true),
        // The field counts before the annotation.
        ("kubernetes.io/ingress.class: b", "ingressClassName: a", "[b]", false),
        ("", "", "[a]", false),
    ];
    for (annotations, spec, classes, selected) in cases {
        let comma = if spec.is_empty() { "" } else { ", " };
        let facts = with(annotations, &format!("{spec}{comma}rules: [{{host: a.example.org}}]"));
        let wanted = zone(&format!("{{ingresses: {{classes: {classes}}}}}")).ask(&facts);
        assert_eq!(!wanted.is_empty(), selected, "{annotations} {spec} {classes}");
    }
}

#[test]
fn targets_and_templates() {
    let facts = with(
        "external-dns.kubernetes.io/target: lb.example.net",
        "rules: [{host: a.example.org}]",
    );
    assert_wanted(&zone(EVERYTHING), &facts, &["a.example.org CNAME lb.example.net"]);
    let zone = zone("{ingresses: {hostnameTemplate: '{{.Name}}.example.org'}}");
    assert_wanted(&zone, &facts, &["a.example.org CNAME lb.example.net"]);
    assert_wanted(&zone, &with("", ""), &["front.example.org A 192.0.2.1"]);
    // Hosts that are not asked for are no names of its own.
    let ignored = with(
        "external-dns.kubernetes.io/ingress-hostname-source: annotation-only",
        "rules: [{host: a.example.org}]",
    );
    assert_wanted(&zone, &ignored, &["front.example.org A 192.0.2.1"]);
}

/// dns-20: the wildcard of a certificate is not to become a record.
#[test]
fn hosts_that_are_in_tls_only_can_be_left_out() {
    let facts = ingress(
        "{metadata: {name: a, namespace: b}, spec: {rules: [{host: abc.example.org}], \
         tls: [{hosts: ['*.example.org', abc.example.org]}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}",
    );
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["*.example.org A 192.0.2.1", "abc.example.org A 192.0.2.1"],
    );
    let without = zone("{ingresses: {ignoreTLSHosts: true}}");
    assert_wanted(&without, &facts, &["abc.example.org A 192.0.2.1"]);
    // An Ingress without other hosts gets its name from the template.
    let templated = zone("{ingresses: {ignoreTLSHosts: true, hostnameTemplate: '{{.Name}}.example.org'}}");
    let only_tls = ingress(
        "{metadata: {name: a, namespace: b}, spec: {tls: [{hosts: ['*.example.org']}]}, \
         status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}",
    );
    assert_wanted(&templated, &only_tls, &["a.example.org A 192.0.2.1"]);
}
