//! What owner records say.
use super::*;

#[test]
fn heritage_texts() {
    type Expected<'a> = Option<(Option<&'a str>, Option<&'a str>, &'a [(&'a str, &'a str)])>;
    let cases: [(&str, Expected<'_>); 16] = [
        (
            "\"heritage=external-dns,external-dns/owner=me,external-dns/resource=service/web/front\"",
            Some((Some("me"), Some("service/web/front"), &[])),
        ),
        (
            "heritage=external-dns,external-dns/owner=me",
            Some((Some("me"), None, &[])),
        ),
        ("\"heritage=external-dns\"", Some((None, None, &[]))),
        (
            "\"external-dns/owner=me,heritage=external-dns\"",
            Some((Some("me"), None, &[])),
        ),
        // A space makes another key of it.
        (
            "\"heritage=external-dns, external-dns/owner=x\"",
            Some((None, None, &[])),
        ),
        (
            "\"heritage=external-dns,external-dns/owner=a=b\"",
            Some((Some("a=b"), None, &[])),
        ),
        (
            "\"heritage=external-dns,external-dns/owner=\"",
            Some((Some(""), None, &[])),
        ),
        (
            "\"heritage=external-dns,external-dns/custom=1,external-dns/owner=me,noise,other=2\"",
            Some((Some("me"), None, &[("custom", "1")])),
        ),
        (
            "\"heritage=external-dns,\" \"external-dns/owner=me\"",
            Some((Some("me"), None, &[])),
        ),
        // Another key that begins like one of ours.
        (
            "\"heritage=external-dns,external-dnsowner=me\"",
            Some((None, None, &[("external-dnsowner", "me")])),
        ),
        ("\"heritage=mate,external-dns/owner=me\"", None),
        ("\"heritage=mate,heritage=external-dns,external-dns/owner=me\"", None),
        ("\"external-dns/owner=me\"", None),
        ("\"random\"", None),
        ("\"v=spf1 -all\"", None),
        ("", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(owner, resource, labels)| Heritage {
            owner: owner.map(Into::into),
            resource: resource.map(Into::into),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()))
                .collect(),
        });
        assert_eq!(parse(&RecordType::Txt.read(text)), expected, "{text}");
    }
}

#[test]
fn a_ciphertext_without_key_is_not_ours() {
    let text = RecordType::Txt.read("\"h3Kb+0o2Yw5nM3p4c0nFQ0F5a1b2c3d4e5f6g7h8i9j0kA==\"");
    assert_eq!(parse(&text), None);
}

#[test]
fn heritage_is_written_byte_for_byte() {
    assert_eq!(
        render("me", "service/web/front").to_string(),
        "\"heritage=external-dns,external-dns/owner=me,external-dns/resource=service/web/front\""
    );
}

#[test]
fn a_long_heritage_is_split_and_read_back() {
    let resource = format!("service/{}/{}", "n".repeat(63), "s".repeat(253));
    let text = render("me", &resource);
    let RecordData::Txt(strings) = &text else {
        panic!("{text}")
    };
    assert_eq!(strings.iter().count(), 2);
    assert_eq!(RecordType::Txt.read(&text.to_string()), text);
    let heritage = parse(&text).unwrap();
    assert_eq!(
        (heritage.owner.as_deref(), heritage.resource.as_deref()),
        (Some("me"), Some(&*resource))
    );
}
