use super::*;

fn zone() -> Zone {
    let ns = RecordSet::simple("example.org.", "NS", 172_800, &["ns-1.example.net."]);
    let soa = RecordSet::simple(
        "example.org.",
        "SOA",
        900,
        &["ns-1.example.net. a.example.net. 1 7200 900 1209600 86400"],
    );
    let a = RecordSet::simple("a.example.org.", "A", 60, &["192.0.2.1", "192.0.2.2"]);
    let c = RecordSet::simple("c.example.org.", "CNAME", 60, &["a.example.org"]);
    let w = RecordSet::simple("w.example.org.", "A", 60, &["192.0.2.1"]).weighted("one", 1);
    Zone::new("ZONE", "example.org.", [ns, soa, a, c, w])
}

fn create(set: RecordSet) -> Change {
    Change {
        action: Action::Create,
        set,
    }
}

fn delete(set: RecordSet) -> Change {
    Change {
        action: Action::Delete,
        set,
    }
}

fn upsert(set: RecordSet) -> Change {
    Change {
        action: Action::Upsert,
        set,
    }
}

fn a(name: &str) -> RecordSet {
    RecordSet::simple(name, "A", 60, &["192.0.2.9"])
}

/// The faults of a batch, which must have left the zone alone.
#[track_caller]
fn faults(changes: &[Change]) -> Vec<String> {
    let mut zone = zone();
    let before: Vec<_> = zone.sets().cloned().collect();
    let faults = apply(&mut zone, changes).unwrap_err();
    assert!(zone.sets().eq(before.iter()), "the refused batch left something behind");
    faults
}

#[track_caller]
fn accepted(changes: &[Change]) -> Zone {
    let mut zone = zone();
    apply(&mut zone, changes).unwrap();
    zone
}

#[test]
fn create_needs_an_absent_set() {
    accepted(&[create(a("new.example.org"))]);
    assert_eq!(
        faults(&[create(a("A.example.org"))]),
        ["Tried to create resource record set [name='a.example.org.', type='A'] but it already exists"]
    );
}

#[test]
fn delete_needs_the_exact_set() {
    let exact = RecordSet::simple("a.example.org", "A", 60, &["192.0.2.2", "192.0.2.1"]);
    accepted(&[delete(exact.clone())]);
    let differs = "Tried to delete resource record set [name='a.example.org.', type='A'] but the values provided do not \
                   match the current values";
    assert_eq!(
        faults(&[delete(RecordSet {
            ttl: Some(61),
            ..exact.clone()
        })]),
        [differs]
    );
    assert_eq!(
        faults(&[delete(RecordSet {
            values: vec!["192.0.2.1".to_owned()],
            ..exact.clone()
        })]),
        [differs]
    );
    assert_eq!(
        faults(&[delete(RecordSet {
            kind: "AAAA".to_owned(),
            ..exact
        })]),
        ["Tried to delete resource record set [name='a.example.org.', type='AAAA'] but it was not found"]
    );
    let weighted = |id, weight| RecordSet::simple("w.example.org", "A", 60, &["192.0.2.1"]).weighted(id, weight);
    accepted(&[delete(weighted("one", 1))]);
    assert!(faults(&[delete(weighted("one", 2))])[0].ends_with("do not match the current values"));
    assert_eq!(
        faults(&[delete(weighted("two", 1))]),
        [
            "Tried to delete resource record set [name='w.example.org.', type='A', set-identifier='two'] but it was not found"
        ]
    );
}

#[test]
fn a_swap_is_one_transaction() {
    let old = RecordSet::simple("a.example.org", "A", 60, &["192.0.2.1", "192.0.2.2"]);
    let zone = accepted(&[delete(old.clone()), create(a("a.example.org"))]);
    assert_eq!(zone.at("a.example.org.").next().unwrap().values, ["192.0.2.9"]);
    let cname = RecordSet::simple("a.example.org", "CNAME", 60, &["b.example.net"]);
    accepted(&[delete(old.clone()), create(cname)]);

    // As in the answer captured in awslabs/aws-sdk-kotlin#1435: the CREATE fails because the DELETE did.
    let stale = RecordSet {
        ttl: Some(1),
        ..old.clone()
    };
    let found = faults(&[create(a("new.example.org")), delete(stale), create(a("a.example.org"))]);
    assert_eq!(found.len(), 2);
    assert!(found[0].ends_with("do not match the current values") && found[1].ends_with("but it already exists"));

    let repeated = "The request contains an invalid set of changes for a resource record set 'A a.example.org.'";
    assert_eq!(faults(&[delete(old.clone()), delete(old.clone())]), [repeated]);
    assert_eq!(faults(&[upsert(a("a.example.org")), upsert(old.clone())]), [repeated]);
    let found = faults(&[create(a("a.example.org")), delete(old)]);
    assert!(found[0].ends_with("already exists") && found[1] == repeated);
}

#[test]
fn cname_stands_alone() {
    let cname = |name| RecordSet::simple(name, "CNAME", 60, &["b.example.net"]);
    assert_eq!(
        faults(&[upsert(cname("a.example.org"))]),
        [
            "RRSet of type CNAME with DNS name a.example.org. is not permitted as it conflicts with other records with the \
          same DNS name in zone example.org."
        ]
    );
    assert_eq!(
        faults(&[create(a("c.example.org"))]),
        [
            "RRSet of type A with DNS name c.example.org. is not permitted because a conflicting RRSet of type  CNAME with the \
          same DNS name already exists in zone example.org."
        ]
    );
    assert!(faults(&[create(cname("example.org"))])[0].contains("is not permitted at apex"));
    assert!(faults(&[create(cname("x.example.org")), create(a("x.example.org"))])[0].contains("conflicting"));
    let two = RecordSet::simple("x.example.org", "CNAME", 60, &["a.example.net", "b.example.net"]);
    assert!(faults(&[create(two)])[0].contains("exactly one"));
}

#[test]
fn names_and_values_are_checked() {
    assert_eq!(
        faults(&[create(a("www.anexample.org"))]),
        ["RRSet with DNS name www.anexample.org. is not permitted in zone example.org."]
    );
    assert!(faults(&[create(a(&format!("{}.example.org", "x".repeat(64))))])[0].contains("DomainLabelTooLong"));
    assert_eq!(
        faults(&[create(RecordSet::simple("x.example.org", "TXT", 60, &["bare"]))]),
        [
            "Invalid Resource Record: FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) \
          encountered with 'bare'"
        ]
    );
    let twice = RecordSet::simple("x.example.org", "AAAA", 60, &["2001:db8::1", "2001:DB8:0::1"]);
    assert_eq!(faults(&[create(twice)]), ["Duplicate Resource Record: '2001:DB8:0::1'"]);
    let zone = accepted(&[create(a("*.example.org"))]);
    assert_eq!(zone.at("\\052.example.org.").count(), 1);
}

#[test]
fn every_fault_is_told() {
    let found = faults(&[
        create(a("a.example.org")),
        create(a("x.other.org")),
        create(a("new.example.org")),
        delete(a("no.example.org")),
    ]);
    assert_eq!(found.len(), 3);
}

#[test]
fn routing_policies_do_not_mix() {
    let found = faults(&[create(a("w.example.org"))]);
    assert_eq!(
        found,
        [
            "RRSet with DNS name w.example.org., type A cannot be created as other RRSets exist with the same name and type."
        ]
    );
    assert!(
        faults(&[create(a("a.example.org").weighted("two", 1))])[0]
            .contains("SetIdentifier two cannot be created as other")
    );
    accepted(&[create(a("w.example.org").weighted("two", 0))]);
    let latency = RecordSet {
        routing: super::super::record::Routing::Latency("eu-west-1".to_owned()),
        ..a("w.example.org").weighted("two", 0)
    };
    assert!(faults(&[create(latency)])[0].contains("a non-latency set exists"));
    let other_ttl = RecordSet {
        ttl: Some(61),
        ..a("w.example.org").weighted("two", 0)
    };
    assert!(faults(&[create(other_ttl.clone())])[0].contains("weighted sets must contain the same TTL"));
    let one = RecordSet {
        ttl: Some(61),
        ..a("w.example.org").weighted("one", 1)
    };
    accepted(&[upsert(one), create(other_ttl)]);
    let many: Vec<_> = (0..99)
        .map(|n| create(a("w.example.org").weighted(&n.to_string(), 1)))
        .collect();
    let mut zone = accepted(&many);
    assert!(apply(&mut zone, &[create(a("w.example.org").weighted("last", 1))]).is_err());
}

#[test]
fn an_alias_to_cloudfront_does_not_follow_its_health() {
    let alias = |health: bool| {
        let mut set = RecordSet::alias("x.example.org", "A", "Z2FDTNDATAQYW2", "d111111abcdef8.cloudfront.net");
        set.alias.as_mut().unwrap().evaluate_health = health;
        create(set)
    };
    accepted(&[alias(false)]);
    let found = faults(&[alias(true)]);
    assert!(found[0].contains("EvaluateTargetHealth"), "{found:?}");
}

#[test]
fn aliases_need_a_target() {
    let alias = |zone, target| RecordSet::alias("x.example.org", "A", zone, target);
    accepted(&[create(alias("ZONE", "a.example.org"))]);
    accepted(&[create(alias(
        "Z35SXDOTRQ7X7K",
        "dualstack.lb-1.us-east-1.elb.amazonaws.com",
    ))]);
    accepted(&[create(a("new.example.org")), create(alias("ZONE", "new.example.org"))]);
    assert_eq!(
        faults(&[create(alias("ZONE", "none.example.org"))]),
        ["Tried to create an alias that targets none.example.org., type A in zone ZONE, but that target was not found"]
    );
    let found = faults(&[create(alias("ZOTHER", "lb-1.us-east-1.elb.amazonaws.com"))]);
    assert!(
        found[0].ends_with("does not lie within the target zone")
            && found[1].ends_with("but that target was not found")
    );
}

#[test]
fn the_zones_own_sets_stay() {
    let zone = zone();
    let own = |kind: &str| zone.of_kind("example.org.", kind).next().unwrap().clone();
    assert_eq!(
        faults(&[delete(own("SOA"))]),
        ["A HostedZone must contain exactly one SOA record."]
    );
    assert_eq!(
        faults(&[delete(own("NS"))]),
        ["A HostedZone must contain at least one NS record for the zone itself."]
    );
    let soa = RecordSet {
        name: "sub.example.org".to_owned(),
        ..own("SOA")
    };
    assert_eq!(
        faults(&[create(soa)]),
        ["A HostedZone must contain exactly one SOA record."]
    );
    accepted(&[
        delete(own("NS")),
        create(RecordSet {
            ttl: Some(60),
            ..own("NS")
        }),
    ]);
}

#[test]
fn requests_have_a_size() {
    let many = |count: usize| (0..count).map(|n| a(&format!("n{n}.example.org"))).collect::<Vec<_>>();
    accepted(&many(1000).into_iter().map(create).collect::<Vec<_>>());
    let exceeded = "Number of records limit of 1000 exceeded.";
    assert_eq!(
        faults(&many(1001).into_iter().map(create).collect::<Vec<_>>()),
        [exceeded]
    );
    accepted(&many(500).into_iter().map(upsert).collect::<Vec<_>>());
    assert_eq!(
        faults(&many(501).into_iter().map(upsert).collect::<Vec<_>>()),
        [exceeded]
    );

    let text = format!("\"{}\"", "x".repeat(198));
    let texts = |count: usize| {
        (0..count)
            .map(|n| RecordSet::simple(&format!("n{n}.example.org"), "TXT", 60, &[text.as_str()]))
            .collect::<Vec<_>>()
    };
    accepted(&texts(160).into_iter().map(create).collect::<Vec<_>>());
    assert_eq!(
        faults(&texts(161).into_iter().map(create).collect::<Vec<_>>()),
        ["RDATA character limit of 32000 exceeded."]
    );
    assert_eq!(
        faults(&texts(81).into_iter().map(upsert).collect::<Vec<_>>()),
        ["RDATA character limit of 32000 exceeded."]
    );

    let values: Vec<_> = (0..401).map(|n| format!("192.0.{}.{}", n / 256, n % 256)).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    accepted(&[create(RecordSet::simple("x.example.org", "A", 60, &values[..400]))]);
    assert_eq!(
        faults(&[create(RecordSet::simple("x.example.org", "A", 60, &values))]),
        ["Cannot have more than 400 records in a RRSet."]
    );
}
