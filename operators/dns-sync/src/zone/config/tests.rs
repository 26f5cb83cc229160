//! What a spec means beyond its schema.
use super::*;

fn spec(yaml: &str) -> DNSZoneSpec {
    serde_saphyr::from_str(&format!("{{policy: Sync, {yaml}}}")).unwrap()
}

fn config(yaml: &str) -> Result<Config, (&'static str, String)> {
    let reach = Arc::new(Reach {
        sources: SourceKind::ALL.to_vec(),
        namespaces: Vec::new(),
    });
    Config::new("home", &spec(yaml), "home", &reach)
}

const ALL: Complete = Complete::ALL;

#[test]
fn a_template_that_cannot_be_read_is_the_zones_fault() {
    let error =
        config("domain: example.org, route53: {}, sources: {services: {hostnameTemplate: '{{.Nme}}.example.org'}}")
            .unwrap_err();
    assert_eq!(error.0, "InvalidTemplate");
    assert!(
        error.1.starts_with("spec.sources.services.hostnameTemplate: "),
        "{}",
        error.1
    );
    config("domain: example.org, route53: {}, sources: {ingresses: {hostnameTemplate: ' '}}").unwrap();
}

#[test]
fn the_longest_public_zone_has_the_name() {
    let upper = spec("domain: example.org, route53: {}, sources: {services: {}}");
    let below = |yaml: &str| Nested::of(&upper, "lab", &spec(yaml)).map(|nested| nested.domain.to_string());
    let sources = "sources: {services: {}}";
    assert_eq!(
        below(&format!("domain: Lab.Example.org, route53: {{}}, {sources}")).as_deref(),
        Some("lab.example.org")
    );
    for other in ["example.org", "org", "collab-example.org", "example.net"] {
        assert_eq!(
            below(&format!("domain: {other}, route53: {{}}, {sources}")),
            None,
            "{other}"
        );
    }
    assert_eq!(
        below(&format!(
            "domain: lab.example.org, route53: {{type: Private}}, {sources}"
        )),
        None
    );
    let inside = spec(&format!("domain: example.org, route53: {{type: Private}}, {sources}"));
    let public = spec(&format!("domain: lab.example.org, route53: {{}}, {sources}"));
    assert_eq!(Nested::of(&inside, "lab", &public), None);
}

/// `lab.example.org`, which takes Services.
fn lab() -> Nested {
    Nested {
        zone: "lab".into(),
        domain: Name::parse("lab.example.org").unwrap(),
        sources: serde_saphyr::from_str("{services: {}}").unwrap(),
    }
}

#[test]
fn what_was_published_before_the_nested_zone_waits_for_a_confirmation() {
    let mut config = config("domain: example.org, route53: {}, sources: {services: {}, records: {}}").unwrap();
    let absence =
        |config: &Config, name: &str, resource: &str| config.absence(&Name::parse(name).unwrap(), Some(resource), &ALL);
    assert_eq!(absence(&config, "a.lab.example.org", "service/b/a"), Absence::Proven);
    assert_eq!(
        absence(&config, "a.example.org", "node/n1"),
        Absence::Unwatched,
        "no source has nodes"
    );
    config.nested = vec![lab()];
    assert_eq!(absence(&config, "a.lab.example.org", "service/b/a"), Absence::Unwatched);
    assert_eq!(absence(&config, "a.lab.example.org", "dnsrecord/b/a"), Absence::Proven);
    assert_eq!(absence(&config, "a.example.org", "service/b/a"), Absence::Proven);
}

#[test]
fn an_owner_record_without_an_object_in_a_nested_zone_waits_for_a_confirmation_too() {
    let mut config =
        config("domain: example.org, route53: {}, sources: {services: {}, ingresses: {}, records: {}}").unwrap();
    let name = |text: &str| Name::parse(text).unwrap();
    assert_eq!(config.absence(&name("a.lab.example.org"), None, &ALL), Absence::Proven);
    config.nested = vec![lab()];
    assert_eq!(
        config.absence(&name("a.lab.example.org"), None, &ALL),
        Absence::Unwatched
    );
    assert_eq!(config.absence(&name("a.example.org"), None, &ALL), Absence::Proven);
}
