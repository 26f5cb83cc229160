//! Which owner records stand alone.
use super::*;
use crate::zone::fake_zone::{mark_at, name, records, set};

type Set = (SetKey, RecordSet);

/// The names of the records that the owner record may be for, if there is none of them beside `beside`.
fn alone(mark: &Set, beside: &[Set], unrelated: &[&Set]) -> Vec<String> {
    let marks = Marks {
        affix: &Affix::new(None),
        owner_id: "home",
        apex: &name("@"),
        unrelated: &unrelated.iter().map(|(key, _)| key.clone()).collect(),
    };
    let all = records(beside.iter().cloned().chain([mark.clone()]));
    let names = marks.alone(&all, &mark.0);
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

#[test]
fn an_owner_record_is_not_alone_beside_its_record() {
    for text in [
        "foo A 192.0.2.1",
        "foo TXT \"hello\"",
        "foo A 192.0.2.1 set=blue weight=1",
    ] {
        let record = set(text);
        let mark = mark_at("_owner.a.foo", "home", "service/web/front", &record);
        assert_eq!(alone(&mark, &[], &[]), ["foo.example.org"], "{text}");
        assert_eq!(alone(&mark, std::slice::from_ref(&record), &[]), [""; 0], "{text}");
        assert_eq!(
            alone(&mark, std::slice::from_ref(&record), &[&record]),
            ["foo.example.org"],
            "the record came later: {text}"
        );
    }
}

#[test]
fn an_owner_record_is_alone_beside_another_owner_record_or_another_identifier() {
    let record = set("foo A 192.0.2.1 set=blue weight=1");
    let mark = mark_at("_owner.a.foo", "home", "service/web/front", &record);
    let other_mark = mark_at("foo", "home", "service/web/other", &record);
    let other_identifier = set("foo A 192.0.2.1 set=green weight=1");
    for beside in [other_mark, other_identifier] {
        assert_eq!(alone(&mark, &[beside], &[]), ["foo.example.org"]);
    }
}
