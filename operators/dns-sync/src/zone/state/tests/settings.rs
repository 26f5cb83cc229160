//! Slips in the settings of small zones, where the delete guard lets everything pass.
use super::*;
use crate::source::ingress::SlimIngress;

fn ingress(class: &str) -> Facts {
    let yaml = format!(
        "{{metadata: {{name: web, namespace: n, labels: {{tier: front}}, annotations: {{team: blue}}}}, spec: {{ingressClassName: \
         {class}, rules: [{{host: web.example.org}}]}}, status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.1}}]}}}}}}"
    );
    Facts::of_ingress(&serde_saphyr::from_str::<SlimIngress>(&yaml).unwrap())
}

fn spec(sources: &str) -> DNSZoneSpec {
    serde_saphyr::from_str(&format!(
        "{{domain: example.org, route53: {{}}, policy: Sync, sources: {sources}}}"
    ))
    .unwrap()
}

fn with_ingresses(spec: &DNSZoneSpec) -> Config {
    let reach = Arc::new(Reach {
        sources: SourceKind::ALL.to_vec(),
        namespaces: Vec::new(),
    });
    Config {
        dialect: fake_zone::dialect(),
        ..Config::new("home", spec, "home", &reach).unwrap()
    }
}

/// D9: `classes: [externl]` is treated as a slip in `namespaces` is.
#[test]
fn a_slip_in_the_settings_parks() {
    const GOOD: &str =
        "{ingresses: {classes: [external], selector: {matchLabels: {tier: front}}, annotations: {team: blue}}}";
    for slip in [
        "{ingresses: {classes: [externl]}}",
        "{ingresses: {selector: {matchLabels: {tier: frnt}}}}",
        "{ingresses: {annotations: {team: blu}}}",
        "{ingresses: {namespaces: [m]}}",
        "{}",
    ] {
        let objects = [ingress("external")];
        let begin = || {
            let mut zone = TestZone::with(
                ZoneState::new(with_ingresses(&spec(GOOD)), Guard::default()),
                RecordSets::default(),
            );
            zone.put(&objects[0]);
            zone.settle();
            zone
        };
        let mut zone = begin();
        zone.configure(with_ingresses(&spec(slip)), &objects);
        zone.settle();
        let parked = |zone: &TestZone| (zone.records().len(), zone.state.deletes.parked.len());
        assert_eq!(parked(&zone), (1, 1), "{slip}");
        // Events of the object change nothing, and a restart forgets nothing.
        zone.put(&objects[0]);
        zone.settle();
        assert_eq!(parked(&zone), (1, 1), "{slip}");
        let again = restarted(&zone, &objects, ALL);
        assert_eq!(parked(&again), (1, 1), "{slip}");
        // With consent it goes.
        zone.confirm(&objects);
        zone.settle();
        assert_eq!(parked(&zone), (0, 0), "{slip}");
        // Corrected in time, nothing happens.
        let mut zone = begin();
        zone.configure(with_ingresses(&spec(slip)), &objects);
        zone.settle();
        zone.configure(with_ingresses(&spec(GOOD)), &objects);
        assert_eq!((zone.settle(), parked(&zone)), (0, (1, 0)), "{slip}");
        // Who is deleted while the slip is there is gone all the same.
        zone.configure(with_ingresses(&spec("{ingresses: {classes: [externl]}}")), &objects);
        zone.drop(&objects[0]);
        zone.settle();
        assert_eq!(parked(&zone), (0, 0), "{slip}");
    }
}

/// D9: what an object itself does is meant.
#[test]
fn an_object_that_is_given_another_class_is_deleted_at_once() {
    let config = with_ingresses(&spec("{ingresses: {classes: [external]}}"));
    let mut zone = TestZone::with(ZoneState::new(config, Guard::default()), RecordSets::default());
    zone.put(&ingress("external"));
    zone.settle();
    zone.put(&ingress("internal"));
    zone.put(&ingress("internal"));
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (0, 0));
}

/// D9: another template gives all objects other names; the old ones wait.
#[test]
fn a_changed_template_parks_the_old_names() {
    let sources = |template: &str| spec(&format!("{{services: {{hostnameTemplate: '{template}.example.org'}}}}"));
    let yaml = "{metadata: {name: web, namespace: n}, spec: {type: LoadBalancer}, \
                status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}";
    let objects = [Facts::of_service(&serde_saphyr::from_str(yaml).unwrap())];
    let config = with_ingresses(&sources("{{.Name}}"));
    let mut zone = TestZone::with(ZoneState::new(config, Guard::default()), RecordSets::default());
    zone.put(&objects[0]);
    zone.settle();
    zone.configure(with_ingresses(&sources("{{.Namespace}}")), &objects);
    zone.settle();
    assert_eq!((zone.records().len(), zone.state.deletes.parked.len()), (2, 1));
    zone.configure(with_ingresses(&sources("{{.Name}}")), &objects);
    zone.settle();
    assert_eq!(zone.state.deletes.parked.len(), 1, "the other one waits now");
    assert!(zone.records().contains(&"web A 192.0.2.1".to_owned()));
}

/// D9: a DNSZone that is replaced by one of another name, for the same hosted zone.
#[test]
fn a_replaced_zone_keeps_records_that_name_the_old_one() {
    for known in [true, false] {
        let of = |object: &str, zone: &str| {
            record(
                object,
                &format!("{{name: {object}, zone: {zone}, type: A, targets: ['192.0.2.1']}}"),
            )
        };
        let (mut zone, _) = zone_of(17, "policy: Sync");
        let named: Vec<Facts> = (0..3).map(|n| of(&format!("n{n}"), "home")).collect();
        for facts in &named {
            zone.put(facts);
        }
        zone.settle();
        assert_eq!(zone.records().len(), 20);
        let objects: Vec<Facts> = (0..17)
            .map(|n| address(&format!("r{n}"), "192.0.2.1"))
            .chain(named)
            .collect();
        let mut state = ZoneState::new(
            Config {
                zone: "other".into(),
                ..config("policy: Sync")
            },
            Guard::default(),
        );
        if known {
            // As if the status of the old zone had been copied.
            state.recall(zone.state.fingerprints());
        }
        for facts in &objects {
            state.set_object(&facts.object.key, Some(facts), zone.now, None);
        }
        let mut next = TestZone::with(state, zone.provider.clone());
        next.settle();
        assert_eq!((next.records().len(), next.state.deletes.parked.len()), (20, 3));
        // Corrected, they are claimed.
        for n in 0..3 {
            next.put(&of(&format!("n{n}"), "other"));
        }
        assert_eq!((next.settle(), next.state.deletes.parked.len()), (0, 0));
        // To move a record to another zone is meant.
        next.put(&of("n0", "home"));
        next.settle();
        assert_eq!((next.records().len(), next.state.deletes.parked.len()), (19, 0));
    }
}
