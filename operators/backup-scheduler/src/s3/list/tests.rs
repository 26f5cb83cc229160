use super::*;

const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>home</Name><Prefix>a/</Prefix>\
    <KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>\
    <NextContinuationToken>1ueG+/=</NextContinuationToken>\
    <Contents><Key>a/b &amp; c</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified>\
    <ETag>&quot;0&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>\
    <Contents><Size>0</Size><Key>a/d</Key></Contents></ListBucketResult>";

fn object(key: &str, size: u64) -> Object {
    Object {
        key: key.to_owned(),
        size,
    }
}

#[test]
fn a_page_has_keys_sizes_and_the_token_of_the_next_one() {
    let page = parse(PAGE.as_bytes(), "a/").unwrap();
    assert_eq!(page.objects, [object("a/b & c", 7), object("a/d", 0)]);
    assert_eq!(page.next.as_deref(), Some("1ueG+/="));
}

#[test]
fn a_last_page_may_be_empty() {
    let text = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    assert_eq!(parse(text.as_bytes(), "").unwrap(), Page::default());
}

#[test]
fn an_answer_from_which_objects_could_be_missing_is_malformed() {
    for (part, other) in [
        ("<IsTruncated>true</IsTruncated>", ""),
        ("<IsTruncated>true</IsTruncated>", "<IsTruncated>yes</IsTruncated>"),
        ("<NextContinuationToken>1ueG+/=</NextContinuationToken>", ""),
        ("1ueG+/=", ""),
        ("<Key>a/d</Key>", ""),
        ("<Key>a/d</Key>", "<Key>other/d</Key>"),
        ("<Size>7</Size>", ""),
        ("<Size>7</Size>", "<Size>-7</Size>"),
        ("<Size>7</Size>", "<Size>99999999999999999999</Size>"),
        ("</ListBucketResult>", ""),
        ("ListBucketResult", "Html"),
    ] {
        let text = PAGE.replace(part, other);
        assert_ne!(text, PAGE);
        assert_eq!(parse(text.as_bytes(), "a/"), Err(Malformed), "{part} -> {other}");
    }
    for length in 0..PAGE.len() {
        assert_eq!(parse(&PAGE.as_bytes()[..length], "a/"), Err(Malformed), "{length}");
    }
}

#[test]
fn damaged_pages_never_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let tokens = [
        "<",
        ">",
        "</",
        "&",
        ";",
        "&#",
        "<![CDATA[",
        "]]>",
        "<!--",
        "<?",
        "\0",
        "\u{feff}",
        "<Contents>",
    ];
    for _ in 0..20_000 {
        let mut bytes = PAGE.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..4) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.drain(at..bytes.len().min(at + random.usize(..40)))),
                _ => drop(bytes.splice(at..at, tokens[random.usize(..tokens.len())].bytes())),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(page) = parse(&bytes, "a/") {
            assert!(page.objects.iter().all(|object| object.key.starts_with("a/")));
        }
    }
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
        assert_eq!(parse(&bytes, ""), Err(Malformed));
    }
}
