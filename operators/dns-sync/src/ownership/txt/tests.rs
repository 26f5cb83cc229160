use super::*;

mod heritage;

fn name(text: &str) -> Name {
    decode_octal(text).unwrap()
}

/// `p:…` a prefix, `s:…` a suffix, then perhaps ` w:…` a wildcard replacement.
fn affix(text: &str) -> Affix {
    let mut registry = Registry {
        prefix: Some(String::new()),
        ..Registry::default()
    };
    for part in text.split(' ').filter(|part| !part.is_empty()) {
        match part.split_once(':').unwrap() {
            ("p", prefix) => registry.prefix = Some(prefix.to_owned()),
            ("s", suffix) => registry.suffix = Some(suffix.to_owned()),
            ("w", wildcard) => registry.wildcard_replacement = Some(wildcard.to_owned()),
            _ => panic!("{text}"),
        }
    }
    Affix::new(Some(&registry))
}

/// What external-dns itself writes (reference §1.2); the last column is empty where it falls outside the zone.
#[test]
fn names_are_those_of_external_dns() {
    use RecordType::{A, Aaaa, Cname, Srv};
    let cases = [
        ("", "foo.example.com", A, "a-foo.example.com"),
        ("", "foo.example.com", Aaaa, "aaaa-foo.example.com"),
        ("", "foo.example.com", Cname, "cname-foo.example.com"),
        ("", "_sip._tcp.example.com", Srv, "srv-_sip._tcp.example.com"),
        ("", "example.com", A, ""),
        ("", "*.example.com", A, "a-*.example.com"),
        ("w:any", "*.example.com", A, "a-any.example.com"),
        ("w:ANY", "*.example.com", A, "a-any.example.com"),
        ("p:txt.", "foo.example.com", A, "txt.a-foo.example.com"),
        ("p:txt.", "example.com", A, ""),
        ("p:txt-", "foo.example.com", A, "txt-a-foo.example.com"),
        ("p:TXT-", "foo.example.com", A, "txt-a-foo.example.com"),
        ("p:%{record_type}-", "foo.example.com", A, "a-foo.example.com"),
        ("p:%{record_type}-", "example.com", Cname, ""),
        ("p:%{record_type}-abc-.", "example.com", Cname, "cname-abc-.example.com"),
        (
            "p:_owner.%{record_type}.",
            "foo.example.com",
            A,
            "_owner.a.foo.example.com",
        ),
        ("p:_owner.%{record_type}.", "example.com", A, "_owner.a.example.com"),
        (
            "p:extdns-%{record_type}.",
            "example.com",
            Cname,
            "extdns-cname.example.com",
        ),
        (
            "p:xdns-%{record_type}. w:wc",
            "*.example.com",
            A,
            "xdns-a.wc.example.com",
        ),
        ("s:-txt", "foo.example.com", A, "a-foo-txt.example.com"),
        ("s:-txt", "example.com", A, ""),
        ("s:-%{record_type}", "foo.example.com", A, "foo-a.example.com"),
        ("s:-.%{record_type}", "www.example.com", Cname, "www-.cname.example.com"),
        ("s:.txt", "foo.example.com", A, "a-foo.txt.example.com"),
        ("", "a-team.example.com", A, "a-a-team.example.com"),
    ];
    let apex = name("example.com");
    for (how, record, record_type, txt) in cases {
        let affix = affix(how);
        let record = name(record);
        let ours = format!("_owner.{}.{record}", record_type.lower());
        let expected = if txt.is_empty() { &ours } else { txt };
        assert_eq!(
            affix.written(&record, record_type, &apex),
            Ok(name(expected)),
            "{how} {record} {record_type:?}"
        );
        let first = affix.candidates(&record, record_type, false, &apex).remove(0);
        let form = if txt.is_empty() {
            Form::InZoneApex
        } else {
            Form::Current
        };
        assert_eq!(
            first,
            MarkName {
                name: name(expected),
                form
            },
            "{how} {record} {record_type:?}"
        );
    }
}

#[test]
fn the_default_prefix_is_safe_at_the_apex() {
    let apex = name("example.com");
    for affix in [Affix::new(None), Affix::new(Some(&Registry::default()))] {
        assert_eq!(
            affix.written(&apex, RecordType::A, &apex),
            Ok(name("_owner.a.example.com"))
        );
        let wildcard = name("*.example.com");
        assert_eq!(
            affix.written(&wildcard, RecordType::Aaaa, &apex),
            Ok(name("_owner.aaaa.*.example.com"))
        );
    }
    let suffix = Registry {
        suffix: Some(String::new()),
        ..Registry::default()
    };
    assert_eq!(
        Affix::new(Some(&suffix)).written(&name("a.example.com"), RecordType::A, &apex),
        Ok(name("a-a.example.com"))
    );
}

/// The record would be made without an owner for ever: external-dns drops the TXT and makes the record.
#[test]
fn a_label_of_60_characters_leaves_no_room_for_the_owner() {
    let apex = name("example.com");
    let record = name(&format!("{}.example.com", "x".repeat(60)));
    let message = affix("").written(&record, RecordType::Cname, &apex).unwrap_err();
    assert!(
        message.contains("66 characters") && message.contains("shorten the name"),
        "{message}"
    );
    assert!(affix("").written(&record, RecordType::A, &apex).is_ok());
    assert!(Affix::new(None).written(&record, RecordType::Cname, &apex).is_ok());
    let current = |record_type| affix("").candidates(&record, record_type, false, &apex).remove(0).form;
    assert_eq!(current(RecordType::Cname), Form::Legacy);
}

#[test]
fn candidates_in_order() {
    use Form::{CnameAlias, Current, InZoneApex, Legacy};
    use RecordType::{A, Aaaa, Cname};
    type Expected<'a> = &'a [(&'a str, Form)];
    let cases: [(&str, &str, RecordType, bool, Expected<'_>); 11] = [
        (
            "",
            "foo.example.com",
            A,
            false,
            &[("a-foo.example.com", Current), ("foo.example.com", Legacy)],
        ),
        // AAAA never had the old form.
        ("", "foo.example.com", Aaaa, false, &[("aaaa-foo.example.com", Current)]),
        (
            "",
            "foo.example.com",
            A,
            true,
            &[
                ("a-foo.example.com", Current),
                ("cname-foo.example.com", CnameAlias),
                ("foo.example.com", Legacy),
            ],
        ),
        ("", "foo.example.com", Aaaa, true, &[("aaaa-foo.example.com", Current)]),
        (
            "",
            "foo.example.com",
            Cname,
            false,
            &[("cname-foo.example.com", Current), ("foo.example.com", Legacy)],
        ),
        (
            "",
            "example.com",
            A,
            false,
            &[("_owner.a.example.com", InZoneApex), ("example.com", Legacy)],
        ),
        (
            "p:txt-",
            "foo.example.com",
            A,
            false,
            &[("txt-a-foo.example.com", Current), ("txt-foo.example.com", Legacy)],
        ),
        (
            "p:x-%{record_type}.",
            "foo.example.com",
            A,
            false,
            &[("x-a.foo.example.com", Current), ("x-.foo.example.com", Legacy)],
        ),
        (
            "w:any",
            "*.example.com",
            A,
            false,
            &[
                ("a-any.example.com", Current),
                ("a-*.example.com", Current),
                ("any.example.com", Legacy),
                ("*.example.com", Legacy),
            ],
        ),
        (
            "w:any",
            "any.example.com",
            A,
            false,
            &[("a-any.example.com", Current), ("any.example.com", Legacy)],
        ),
        (
            "p:txt.",
            "example.com",
            A,
            false,
            // The old form had no type and so could lie inside the zone.
            &[("_owner.a.example.com", InZoneApex), ("txt.example.com", Legacy)],
        ),
    ];
    let apex = name("example.com");
    for (how, record, record_type, is_alias, expected) in cases {
        let expected: Vec<MarkName> = expected
            .iter()
            .map(|(text, form)| MarkName {
                name: name(text),
                form: *form,
            })
            .collect();
        let found = affix(how).candidates(&name(record), record_type, is_alias, &apex);
        assert_eq!(found, expected, "{how} {record} {record_type:?} {is_alias}");
    }
}

/// `a-team` may be the old mark of `a-team` or the present one of `team`.
#[test]
fn a_legacy_reading_yields_to_a_current_one() {
    use RecordType::{A, Cname};
    type Records<'a> = &'a [(&'a str, RecordType)];
    let cases: [(&str, &str, Records<'_>, bool); 17] = [
        ("", "a-team.example.com", &[("team.example.com", A)], true),
        ("", "a-team.example.com", &[("a-team.example.com", A)], false),
        ("", "a-team.example.com", &[("team.example.com", Cname)], false),
        (
            "",
            "a-team.example.com",
            &[("team.example.com", Cname), ("team.example.com", A)],
            true,
        ),
        (
            "",
            "mx-relay.example.com",
            &[("relay.example.com", RecordType::Mx)],
            true,
        ),
        ("", "caa-foo.example.com", &[("foo.example.com", RecordType::Caa)], true),
        ("", "cname-a-x.example.com", &[("a-x.example.com", Cname)], true),
        ("", "cname-a-x.example.com", &[("x.example.com", A)], false),
        ("w:any", "a-any.example.com", &[("*.example.com", A)], true),
        ("w:any", "a-any.example.com", &[("any.example.com", A)], true),
        ("", "a-*.example.com", &[("*.example.com", A)], true),
        ("p:txt-", "txt-a-foo.example.com", &[("foo.example.com", A)], true),
        ("p:txt-", "a-foo.example.com", &[("foo.example.com", A)], false),
        (
            "p:%{record_type}",
            "aaaafoo.example.com",
            &[("foo.example.com", RecordType::Aaaa)],
            true,
        ),
        ("s:.txt", "a-foo.txt.example.com", &[("foo.example.com", A)], true),
        ("s:-txt", "a-foo-txt.example.com", &[("foo.example.com", A)], true),
        (
            "s:-.%{record_type}",
            "www-.cname.example.com",
            &[("www.example.com", Cname)],
            true,
        ),
    ];
    for (how, txt, records, claimed) in cases {
        let exists = |record: &Name, record_type| {
            records
                .iter()
                .any(|(known, t)| name(known) == *record && *t == record_type)
        };
        assert_eq!(
            affix(how).claimed_by_current_form(&name(txt), exists),
            claimed,
            "{how} {txt} {records:?}"
        );
    }
}

/// Whatever the affix, a record's own new-form name is recognised as such.
#[test]
fn every_written_name_is_claimed_by_its_record() {
    const AFFIXES: [&str; 12] = [
        "",
        "p:txt.",
        "p:txt-",
        "p:%{record_type}-",
        "p:_owner.%{record_type}.",
        "p:a.b-%{record_type}.c-",
        "s:-txt",
        "s:.txt",
        "s:-%{record_type}",
        "s:-.%{record_type}",
        "s:.x.%{record_type}-y",
        "p:%{record_type} w:any",
    ];
    const LABELS: [&str; 10] = ["*", "a", "any", "a-team", "cname-x", "x-a", "-", "txt", "_sip", "aaaa"];
    let apex = name("example.com");
    for how in AFFIXES {
        let affix = affix(how);
        for first in LABELS {
            for rest in ["example.com", "a.example.com", "txt.example.com", "any.x.example.com"] {
                let record = name(&format!("{first}.{rest}"));
                for record_type in RecordType::ALL {
                    let txt = affix.written(&record, record_type, &apex).unwrap();
                    let exists = |found: &Name, t| *found == record && t == record_type;
                    assert!(
                        affix.claimed_by_current_form(&txt, exists),
                        "{how} {record} {record_type:?} {txt}"
                    );
                    assert!(!affix.claimed_by_current_form(&txt, |_, _| false));
                }
            }
        }
    }
}
