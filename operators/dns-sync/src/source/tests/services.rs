use super::*;

/// A `LoadBalancer` with those annotations and status entries.
fn balancer(annotations: &str, ingress: &str) -> Facts {
    service(&format!(
        r"
metadata: {{name: front, namespace: web, labels: {{app: web}}, annotations: {{{annotations}}}}}
spec: {{type: LoadBalancer, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, 'fd00::7']}}
status: {{loadBalancer: {{ingress: [{ingress}]}}}}
"
    ))
}

const HOST: &str = "external-dns.kubernetes.io/hostname: www.example.org";

#[test]
fn names_of_a_nested_zone_are_its_own() {
    let mut zone = zone(EVERYTHING);
    zone.nested = vec![Nested {
        zone: "lab".into(),
        domain: Name::parse("lab.example.org").unwrap(),
        sources: serde_saphyr::from_str("{services: {}}").unwrap(),
    }];
    let host = |host: &str| {
        service(&format!(
            "{{metadata: {{name: a, namespace: b, annotations: {{external-dns.alpha.kubernetes.io/hostname: '{host}'}}}}, \
             spec: {{type: LoadBalancer}}, status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}}}"
        ))
    };
    assert_wanted(&zone, &host("lab.example.org,a.lab.example.org"), &[]);
    assert_wanted(&zone, &host("collab.example.org"), &["collab.example.org A 192.0.2.1"]);
    // The nested zone does not take this source, so no other zone would publish it.
    zone.nested[0].sources = serde_saphyr::from_str("{ingresses: {}}").unwrap();
    assert_wanted(&zone, &host("a.lab.example.org"), &["a.lab.example.org A 192.0.2.1"]);
}

#[test]
fn a_load_balancer_with_an_address() {
    assert_wanted(
        &zone(EVERYTHING),
        &balancer(HOST, "{ip: 192.0.2.1}"),
        &["www.example.org A 192.0.2.1"],
    );
}

#[test]
fn a_load_balancer_of_both_families() {
    let facts = balancer(
        HOST,
        "{ip: 'fd00:0::1'}, {ip: 192.0.2.2}, {ip: 192.0.2.1}, {ip: 192.0.2.1}",
    );
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["www.example.org A 192.0.2.1,192.0.2.2", "www.example.org AAAA fd00::1"],
    );
}

#[test]
fn a_load_balancer_with_a_host_name() {
    let facts = balancer(HOST, "{hostname: LB.eu-central-1.elb.amazonaws.com.}");
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["www.example.org CNAME lb.eu-central-1.elb.amazonaws.com"],
    );
}

/// Both in one status entry would be an A and a CNAME of one name; the address wins.
#[test]
fn addresses_win_over_a_host_name() {
    let facts = balancer(HOST, "{ip: 192.0.2.1, hostname: lb.example.net}");
    assert_wanted(&zone(EVERYTHING), &facts, &["www.example.org A 192.0.2.1"]);
    let mut zone = zone(EVERYTHING);
    zone.types = vec![RecordType::Cname];
    assert_wanted(&zone, &facts, &["www.example.org CNAME lb.example.net"]);
}

#[test]
fn external_ips_count_before_the_status() {
    let facts = service(
        r"
metadata: {name: front, namespace: web, annotations: {external-dns.alpha.kubernetes.io/hostname: www.example.org}}
spec: {type: LoadBalancer, externalIPs: [198.51.100.7]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
",
    );
    assert_wanted(&zone(EVERYTHING), &facts, &["www.example.org A 198.51.100.7"]);
}

#[test]
fn an_empty_status_holds_the_names() {
    assert_wanted(&zone(EVERYTHING), &balancer(HOST, ""), &["held www.example.org"]);
    let fresh = service(&format!(
        "{{metadata: {{name: a, namespace: b, annotations: {{{HOST}}}}}, spec: {{type: LoadBalancer}}}}"
    ));
    assert_wanted(&zone(EVERYTHING), &fresh, &["held www.example.org"]);
}

#[test]
fn external_names() {
    let facts = |target: &str| {
        service(&format!(
            "{{metadata: {{name: a, namespace: b, annotations: {{{HOST}}}}}, spec: {{type: ExternalName, {target}}}}}"
        ))
    };
    let zone = zone(EVERYTHING);
    assert_wanted(
        &zone,
        &facts("externalName: host.example.net"),
        &["www.example.org CNAME host.example.net"],
    );
    assert_wanted(
        &zone,
        &facts("externalName: host.example.net."),
        &["www.example.org CNAME host.example.net"],
    );
    assert_wanted(&zone, &facts("externalName: 1.2.3.4"), &["www.example.org A 1.2.3.4"]);
    assert_wanted(
        &zone,
        &facts("externalName: 'fd00::1'"),
        &["www.example.org AAAA fd00::1"],
    );
    assert_wanted(
        &zone,
        &facts("externalName: x.example.net, externalIPs: [1.2.3.4]"),
        &["www.example.org A 1.2.3.4"],
    );
    assert_wanted(
        &zone,
        &facts("externalName: www.example.org"),
        &["held www.example.org", "InvalidTarget"],
    );
}

/// Only the primary family, as external-dns does it.
#[test]
fn internal_hostname_is_the_cluster_address() {
    let inside = "external-dns.kubernetes.io/internal-hostname: in.example.org";
    let facts = balancer(&format!("{HOST}, {inside}"), "{ip: 192.0.2.1}");
    assert_wanted(
        &zone(EVERYTHING),
        &facts,
        &["in.example.org A 10.96.0.7", "www.example.org A 192.0.2.1"],
    );
    let typed = |spec: &str| {
        service(&format!(
            "{{metadata: {{name: a, namespace: b, annotations: {{{inside}}}}}, spec: {{{spec}}}}}"
        ))
    };
    assert_wanted(
        &zone(EVERYTHING),
        &typed("clusterIP: 10.96.0.8"),
        &["in.example.org A 10.96.0.8"],
    );
    // For the other types external-dns makes no difference between the two annotations.
    assert_wanted(
        &zone(EVERYTHING),
        &typed("type: NodePort, clusterIP: 10.96.0.8"),
        &["held in.example.org", "UnsupportedServiceType"],
    );
    assert_wanted(
        &zone(EVERYTHING),
        &typed("clusterIP: None"),
        &["held in.example.org", "UnsupportedServiceType"],
    );
    assert_wanted(
        &zone(EVERYTHING),
        &typed("type: ExternalName, externalName: host.example.net"),
        &["in.example.org CNAME host.example.net"],
    );
}

#[test]
fn one_name_inside_and_outside_has_both_addresses() {
    let annotations = format!("{HOST}, external-dns.kubernetes.io/internal-hostname: www.example.org");
    assert_wanted(
        &zone(EVERYTHING),
        &balancer(&annotations, "{ip: 192.0.2.1}"),
        &["www.example.org A 10.96.0.7,192.0.2.1"],
    );
}

#[test]
fn types_that_are_not_published_say_so() {
    let typed = |spec: &str, more: &str| {
        service(&format!(
            "{{metadata: {{name: a, namespace: b, annotations: {{{HOST}{more}}}}}, spec: {{{spec}}}}}"
        ))
    };
    let zone = zone(EVERYTHING);
    let cases: [(&str, &[&str]); 3] = [
        ("clusterIP: 10.96.0.8", &["UnsupportedServiceType"]),
        (
            "type: ClusterIP, clusterIP: None",
            &["held www.example.org", "UnsupportedServiceType"],
        ),
        (
            "type: NodePort, clusterIP: 10.96.0.8",
            &["held www.example.org", "UnsupportedServiceType"],
        ),
    ];
    for (spec, expected) in cases {
        assert_wanted(&zone, &typed(spec, ""), expected);
        // The target annotation wins for every type.
        let target = ", external-dns.kubernetes.io/target: 1.2.3.4";
        assert_wanted(&zone, &typed(spec, target), &["www.example.org A 1.2.3.4"]);
    }
}

#[test]
fn a_type_that_is_not_published_is_no_fault_elsewhere() {
    let facts = service(
        "{metadata: {name: a, namespace: b, annotations: {external-dns.kubernetes.io/hostname: a.example.net}}}",
    );
    assert_wanted(&zone(EVERYTHING), &facts, &[]);
}

#[test]
fn relevant_services() {
    let of = |annotations: &str, spec: &str| {
        service(&format!(
            "{{metadata: {{name: a, namespace: b, annotations: {{{annotations}}}}}, spec: {{{spec}}}}}"
        ))
        .relevant()
    };
    assert!(of("", "type: LoadBalancer") && of("", "type: ExternalName, externalName: a.b"));
    assert!(of(HOST, "type: NodePort"));
    assert!(of("external-dns.kubernetes.io/internal-hostname: in.example.org", ""));
    assert!(!of("", "") && !of("", "type: NodePort") && !of("", "clusterIP: None") && !of("app: x", "type: ClusterIP"));
    assert!(!of(
        &format!("{HOST}, external-dns.kubernetes.io/controller: none"),
        "type: LoadBalancer"
    ));
}

#[test]
fn what_a_zone_selects() {
    let facts = balancer(&format!("{HOST}, team: a"), "{ip: 192.0.2.1}");
    let cases = [
        ("{services: {}}", true),
        ("{}", false),
        ("{ingresses: {}, records: {}}", false),
        ("{services: {namespaces: [web, api]}}", true),
        ("{services: {namespaces: [api]}}", false),
        ("{services: {selector: {matchLabels: {app: web}}}}", true),
        ("{services: {selector: {matchLabels: {app: api}}}}", false),
        ("{services: {annotations: {team: a}}}", true),
        ("{services: {annotations: {team: b}}}", false),
        (
            "{services: {annotations: {external-dns.kubernetes.io/hostname: www.example.org}}}",
            true,
        ),
    ];
    for (sources, selected) in cases {
        let wanted = zone(sources).ask(&facts);
        assert_eq!(wanted.is_empty(), !selected, "{sources}: {wanted:?}");
    }
}

#[test]
fn names_outside_the_zone_or_the_filter() {
    let hosts = "external-dns.kubernetes.io/hostname: 'a.example.org, b.example.net, example.org, anexample.org'";
    let facts = balancer(hosts, "{ip: 192.0.2.1}");
    let mut zone = zone(EVERYTHING);
    let outside = ["outside anexample.org", "outside b.example.net"];
    assert_wanted(
        &zone,
        &facts,
        &[
            "a.example.org A 192.0.2.1",
            "example.org A 192.0.2.1",
            outside[0],
            outside[1],
        ],
    );
    zone.filter = NameFilter::new(&[], &["a.*".to_owned()]).unwrap();
    assert_wanted(&zone, &facts, &["example.org A 192.0.2.1", outside[0], outside[1]]);
    zone.types = vec![RecordType::Aaaa];
    assert_wanted(&zone, &facts, &outside);
}

#[test]
fn a_template_names_objects_without_a_name() {
    let zone =
        zone("{services: {hostnameTemplate: '{{.Name}}.{{.Namespace}}.example.org, {{.Labels.app}}.example.org'}}");
    let named = ["front.web.example.org A 192.0.2.1", "web.example.org A 192.0.2.1"];
    assert_wanted(&zone, &balancer("", "{ip: 192.0.2.1}"), &named);
    // An empty annotation is none; any name of the object's own turns the template off, a wrong one too.
    assert_wanted(
        &zone,
        &balancer("external-dns.kubernetes.io/hostname: ' , '", "{ip: 192.0.2.1}"),
        &named,
    );
    assert_wanted(
        &zone,
        &balancer(HOST, "{ip: 192.0.2.1}"),
        &["www.example.org A 192.0.2.1"],
    );
    assert_wanted(
        &zone,
        &balancer("external-dns.kubernetes.io/hostname: a..b", "{ip: 192.0.2.1}"),
        &["InvalidHostname"],
    );
    let unlabelled = service("{metadata: {name: a, namespace: b}, spec: {type: LoadBalancer}}");
    assert_wanted(&zone, &unlabelled, &["InvalidTemplate"]);
    let inside = service("{metadata: {name: a, namespace: b, labels: {app: x}}, spec: {clusterIP: 10.0.0.1}}");
    assert_wanted(&zone, &inside, &[]);
}

#[test]
fn the_same_object_always_gives_the_same_answer() {
    let facts = balancer(HOST, "{ip: 192.0.2.2}, {ip: 192.0.2.1}");
    let other = balancer(HOST, "{ip: 192.0.2.1}, {ip: 192.0.2.2}");
    assert_eq!(facts, other);
    assert_eq!(zone(EVERYTHING).ask(&facts), zone(EVERYTHING).ask(&other));
}

#[test]
fn objects_with_nulls_are_read() {
    let facts = service(
        "{metadata: {name: a, namespace: b, annotations: null}, spec: {type: null, externalIPs: null}, status: {loadBalancer: {ingress: null}}}",
    );
    assert!(!facts.relevant());
    let facts = service("{apiVersion: v1, kind: Service, metadata: {name: a, namespace: b}, spec: null, status: null}");
    assert!(!facts.relevant());
}
