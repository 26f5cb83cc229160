use super::*;

/// What the user writes, what is sent.
const GOOD: [(RecordType, &str, &str); 44] = [
    (RecordType::A, "192.0.2.1", "192.0.2.1"),
    (RecordType::A, " 192.0.2.1 ", "192.0.2.1"),
    (RecordType::Aaaa, "2001:0DB8:0:0:0:0:0:1", "2001:db8::1"),
    (RecordType::Aaaa, "::", "::"),
    (RecordType::Aaaa, "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    (RecordType::Aaaa, "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    (RecordType::Aaaa, "::FFFF:1.2.3.4", "::ffff:1.2.3.4"),
    (RecordType::Aaaa, "::ffff:102:304", "::ffff:1.2.3.4"),
    (RecordType::Cname, "Host.Example.ORG.", "host.example.org"),
    (RecordType::Cname, "b\u{fc}cher.example", "xn--bcher-kva.example"),
    (RecordType::Cname, "_acme.example.org", "_acme.example.org"),
    (RecordType::Ns, "ns-1.awsdns-1.org.", "ns-1.awsdns-1.org"),
    (RecordType::Mx, "10 mail.example.org", "10 mail.example.org"),
    (RecordType::Mx, "  010   Mail.Example.org.  ", "10 mail.example.org"),
    (RecordType::Mx, "0 .", "0 ."),
    (
        RecordType::Srv,
        "0 50 30192 Host.example.org.",
        "0 50 30192 host.example.org",
    ),
    (RecordType::Srv, "0 0 0 .", "0 0 0 ."),
    (RecordType::Caa, "0 issue \"ca.example\"", "0 issue \"ca.example\""),
    (RecordType::Caa, "0 ISSUE ca.example", "0 issue \"ca.example\""),
    (RecordType::Caa, "128  issuewild   \";\"", "128 issuewild \";\""),
    (
        RecordType::Caa,
        "0 iodef \"mailto:a b@example.org\"",
        "0 iodef \"mailto:a b@example.org\"",
    ),
    (RecordType::Caa, "0 issue \"\"", "0 issue \"\""),
    (RecordType::Txt, "hello", "\"hello\""),
    (
        RecordType::Txt,
        "v=spf1 include:example.org ~all",
        "\"v=spf1 include:example.org ~all\"",
    ),
    (RecordType::Txt, "\"already quoted\"", "\"already quoted\""),
    (RecordType::Txt, "\"two\" \"strings\"", "\"two\" \"strings\""),
    (RecordType::Txt, "\"two\"\t  \"strings\"", "\"two\" \"strings\""),
    (RecordType::Txt, "\"\"", "\"\""),
    (RecordType::Txt, "", "\"\""),
    (RecordType::Txt, "say \"hi\"", "\"say \\\"hi\\\"\""),
    (RecordType::Txt, "\"say \\\"hi\\\"\"", "\"say \\\"hi\\\"\""),
    (RecordType::Txt, "back\\slash", "\"back\\\\slash\""),
    (RecordType::Txt, "\"back\\\\slash\"", "\"back\\\\slash\""),
    (RecordType::Txt, "v=DKIM1; k=rsa; p=MIG", "\"v=DKIM1; k=rsa; p=MIG\""),
    (RecordType::Txt, "gr\u{fc}n", "\"gr\\303\\274n\""),
    (RecordType::Txt, "\"gr\\303\\274n\"", "\"gr\\303\\274n\""),
    (RecordType::Txt, "\"gr\u{fc}n\"", "\"gr\\303\\274n\""),
    (RecordType::Txt, "tab\there", "\"tab\\011here\""),
    (RecordType::Txt, "\"\\101\"", "\"A\""),
    (RecordType::Txt, "\"\\9\"", "\"9\""),
    (RecordType::Txt, "a=b,c=d", "\"a=b,c=d\""),
    (RecordType::Txt, "  spaces around  ", "\"spaces around\""),
    (RecordType::Txt, "\"  spaces inside  \"", "\"  spaces inside  \""),
    (RecordType::Txt, "x\"", "\"x\\\"\""),
];

#[test]
fn values_as_they_are_sent() {
    for (record_type, text, sent) in GOOD {
        let value = record_type.value(text).unwrap();
        assert_eq!(value.to_string(), sent, "{record_type:?} {text:?}");
        assert_eq!(record_type.read(sent), value, "{record_type:?} {sent:?}");
    }
}

#[test]
fn a_wrong_value_says_what_is_expected() {
    let cases = [
        (RecordType::A, "192.0.2.300", "not an IPv4 address"),
        (RecordType::A, "192.0.2.01", "not an IPv4 address"),
        (RecordType::A, "192.0.2.1.", "without it"),
        (RecordType::A, "2001:db8::1", "type AAAA"),
        (RecordType::A, "host.example.org", "not an IPv4 address"),
        (RecordType::A, "", "not an IPv4 address"),
        (RecordType::Aaaa, "192.0.2.1", "type A"),
        (RecordType::Aaaa, "fe80::1%eth0", "interface"),
        (RecordType::Aaaa, "2001:db8::g", "not an IPv6 address"),
        (RecordType::Cname, "192.0.2.1", "is an address"),
        (RecordType::Cname, "2001:db8::1", "is an address"),
        (RecordType::Cname, "host..example.org", "empty label"),
        (RecordType::Cname, "", "no label"),
        (RecordType::Cname, "http://example.org/", "':'"),
        (RecordType::Ns, ".", "no label"),
        (RecordType::Mx, "mail.example.org", "10 mail.example.org"),
        (RecordType::Mx, "70000 mail.example.org", "10 mail.example.org"),
        (RecordType::Mx, "+1 mail.example.org", "10 mail.example.org"),
        (RecordType::Mx, "10 mail.example.org extra", "10 mail.example.org"),
        (RecordType::Mx, "10 192.0.2.1", "is an address"),
        (RecordType::Srv, "0 50 host.example.org", "priority, weight, port"),
        (RecordType::Caa, "issue ca.example", "flags"),
        (RecordType::Caa, "256 issue \"ca.example\"", "flags"),
        (RecordType::Caa, "0 is-sue \"ca.example\"", "flags"),
        (RecordType::Caa, "0 issue ca example", "flags"),
        (RecordType::Caa, "0 issue \"a\" \"b\"", "flags"),
        (RecordType::Txt, "\"open", "close the quotes"),
        (RecordType::Txt, "\"a\"b", "close the quotes"),
        (RecordType::Txt, "\"a\"\"b\"", "close the quotes"),
        (RecordType::Txt, "\"a\\", "close the quotes"),
    ];
    for (record_type, text, word) in cases {
        let message = record_type.value(text).unwrap_err();
        assert!(message.contains(word), "{record_type:?} {text:?}: {message}");
    }
}

/// dns-19: a long DKIM key as people copy it.
#[test]
fn copied_texts_are_the_same_key_or_are_refused() {
    let key = "\"v=DKIM1; p=AAA\" \"BBB\"";
    for copied in [
        "v=DKIM1; p=AAA\" \"BBB",
        "v=DKIM1; p=AAA\"\n\t\"BBB",
        "v=DKIM1; p=AAA\" \"BBB\"",
        "( \"v=DKIM1; p=AAA\" \"BBB\" )",
        "(\"v=DKIM1; p=AAA\"\n  \"BBB\")",
        "( \"v=DKIM1; p=AAA\"\n\t\"BBB\" )  ; ----- DKIM key mail for example.org",
        "( \"v=DKIM1; p=AAA\" \"BBB\" ) ; DKIM key (mail)",
        "\"v=DKIM1; p=AAA\"\n\"BBB\"",
    ] {
        assert_eq!(
            RecordType::Txt.value(copied),
            Ok(RecordType::Txt.read(key)),
            "{copied:?}"
        );
    }
    for (copied, word) in [
        ("v=DKIM1; p=AAA\nBBB", "several lines"),
        ("\u{201c}v=DKIM1; p=AAA\u{201d}", "typographic"),
        ("mail._domainkey IN TXT ( \"v=DKIM1\" )", "whole line"),
        ("\"v=DKIM1; p=AAA\" \"BBB", "close the quotes"),
    ] {
        let message = RecordType::Txt.value(copied).unwrap_err();
        assert!(message.contains(word), "{copied:?}: {message}");
    }
    // What only has quotes or parentheses in it is meant as it is.
    for literal in ["say \"hi\" to \"her\"", "(a) \"b\"", "( a )", "TXT \"a\"", "a\"\"b"] {
        assert_eq!(strings(literal), [literal.as_bytes()], "{literal:?}");
    }
}

/// dns-10: what is no host name outside its own network.
#[test]
fn hosts_as_values_are_whole_names() {
    for record_type in [RecordType::Cname, RecordType::Ns] {
        for (text, word) in [
            ("localhost", "no dot"),
            ("192.0.2.1192.0.2.2", "ends in a number"),
            ("1.2.3", "ends in a number"),
            ("host.300", "ends in a number"),
            ("a.example.org b.example.org", "' '"),
        ] {
            let message = record_type.value(text).unwrap_err();
            assert!(message.contains(word), "{text}: {message}");
        }
        assert_eq!(record_type.value("Router.").unwrap().to_string(), "router.");
        assert_eq!(record_type.read("router"), record_type.read("Router."));
    }
    assert!(RecordType::Mx.value("10 mail").is_err() && RecordType::Srv.value("0 0 80 web").is_err());
}

/// The strings of a text as a user writes it.
fn strings(text: &str) -> Vec<Vec<u8>> {
    let RecordData::Txt(strings) = RecordType::Txt.value(text).unwrap() else {
        panic!("{text}")
    };
    strings.iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn long_texts_are_split() {
    let lengths = |text: &str| strings(text).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(&"x".repeat(600)), [255, 255, 90]);
    assert_eq!((lengths(""), lengths(&"x".repeat(510))), (vec![0], vec![255, 255]));
    // Octets count, not the characters of their escapes.
    assert_eq!(lengths(&"\u{fc}".repeat(127)).len(), 1);
}

#[test]
fn values_are_small() {
    assert!(size_of::<RecordData>() <= 24, "{}", size_of::<RecordData>());
}

#[test]
fn spellings_compare_equal() {
    let cases = [
        (RecordType::Aaaa, "2001:db8::1", "2001:0db8:0:0:0:0:0:1"),
        (RecordType::Cname, "HOST.example.org.", "host.example.org"),
        (RecordType::Cname, "\\052.example.org.", "*.example.org"),
        (RecordType::Ns, "NS1.example.org.", "ns1.example.org"),
        (RecordType::Mx, "10 Mail.example.org.", "10  mail.example.org"),
        (RecordType::Srv, "0 50 30192 Host.", "0 50 30192 host"),
        (RecordType::Caa, "0 Issue \"ca.example\"", "0 issue ca.example"),
        (RecordType::Txt, "\"a\" \"b\"", "\"a\"   \"b\""),
        (RecordType::Txt, "\"\\141\"", "\"a\""),
        (RecordType::Txt, "\"\u{fc}\"", "\"\\303\\274\""),
        (RecordType::Txt, "\"\\;\"", "\";\""),
    ];
    for (record_type, one, other) in cases {
        assert_eq!(record_type.read(one), record_type.read(other), "{record_type:?}");
    }
}

#[test]
fn differences_that_matter_stay() {
    let cases = [
        (RecordType::Txt, "\"a\"", "\"A\""),
        (RecordType::Txt, "\"ab\"", "\"a\" \"b\""),
        (RecordType::Caa, "0 issue \"CA.example\"", "0 issue \"ca.example\""),
        (RecordType::Mx, "10 mail.example.org", "20 mail.example.org"),
    ];
    for (record_type, one, other) in cases {
        assert_ne!(record_type.read(one), record_type.read(other), "{record_type:?}");
    }
}

#[test]
fn unreadable_text_compares_as_itself() {
    for record_type in RecordType::ALL {
        for text in ["", "\"", "\\", "%%", "a b c d e f", "\"a\"b", "0 x"] {
            let once = record_type.read(text);
            assert_eq!(record_type.read(&once.to_string()), once, "{record_type:?} {text:?}");
        }
    }
}

#[test]
fn types_by_name() {
    for record_type in RecordType::ALL {
        assert_eq!(RecordType::parse(record_type.as_str()), Some(record_type));
        assert_eq!(RecordType::parse(record_type.lower()), Some(record_type));
        assert_eq!(serde_json::to_value(record_type).unwrap(), record_type.as_str());
    }
    assert_eq!(RecordType::parse("SOA"), None);
}

#[test]
fn the_type_of_a_target() {
    let cases = [
        ("1.2.3.4", RecordType::A),
        ("2001:db8::1", RecordType::Aaaa),
        ("::ffff:1.2.3.4", RecordType::Aaaa),
        ("fe80::1%eth0", RecordType::Aaaa),
        ("1.2.3.4.", RecordType::Cname),
        ("1.2.3", RecordType::Cname),
        ("host.example.org", RecordType::Cname),
        ("", RecordType::Cname),
    ];
    for (target, record_type) in cases {
        assert_eq!(RecordType::of_target(target), record_type, "{target:?}");
    }
}

/// Whatever is accepted is sent in a form that does not change when it comes back.
#[test]
fn accepted_values_are_fixed_points() {
    const PIECES: [&str; 24] = [
        "a",
        "Z",
        "0",
        "9",
        "10",
        ".",
        "..",
        "-",
        "_",
        "*",
        " ",
        "  ",
        "\t",
        "\"",
        "\\",
        "\\052",
        "\\9",
        ":",
        "::",
        "%",
        "/",
        "\u{fc}",
        "example.org",
        "192.0.2.1",
    ];
    const HEADS: [&str; 6] = ["", "", "10 ", "0 50 30192 ", "0 issue ", "\""];
    let mut random = fastrand::Rng::with_seed(53);
    let mut accepted = [0_u32; 8];
    for _ in 0..20_000 {
        let mut text = HEADS[random.usize(..HEADS.len())].to_owned();
        for _ in 0..random.usize(..8) {
            text.push_str(PIECES[random.usize(..PIECES.len())]);
        }
        if random.bool() {
            text.push('"');
        }
        for (at, record_type) in RecordType::ALL.into_iter().enumerate() {
            let read = record_type.read(&text);
            assert_eq!(record_type.read(&read.to_string()), read, "{record_type:?} {text:?}");
            if let Ok(value) = record_type.value(&text) {
                accepted[at] += 1;
                let sent = value.to_string();
                assert_eq!(record_type.read(&sent), value, "{record_type:?} {text:?}");
                assert_eq!(record_type.value(&sent), Ok(value), "{record_type:?} {text:?}");
            }
        }
    }
    assert!(accepted.iter().all(|&count| count > 0), "{accepted:?}");
}
