//! The certificates in `testdata` were made with openssl: a root (P-256), an intermediate (P-384), a leaf (P-256), and a
//! certificate of an RSA key that signed itself.
use super::*;

const ROOT: &str = include_str!("testdata/root.crt");
const INTERMEDIATE: &str = include_str!("testdata/int.crt");
const LEAF: &str = include_str!("testdata/leaf.crt");
const KEY: &str = include_str!("testdata/leaf.key");
const SEC1: &str = include_str!("testdata/leaf.sec1.key");
const RSA: &str = include_str!("testdata/rsa.crt");
const RSA_KEY: &str = include_str!("testdata/rsa.key");
const RSA_PKCS1: &str = include_str!("testdata/rsa.pkcs1.key");

fn made(parts: &[&str]) -> Pair {
    split(&parts.concat(), Some("application/x-pem-file"), "web")
        .unwrap_or_else(|problem| panic!("{}", problem.message))
}

fn refused(text: &str, content_type: Option<&str>) -> Problem {
    match split(text, content_type, "web") {
        Err(problem) => problem,
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn the_leaf_comes_first_and_then_its_issuers_in_whatever_order_they_came() {
    let expected = [LEAF, INTERMEDIATE, ROOT].concat();
    for parts in [
        [KEY, LEAF, INTERMEDIATE, ROOT],
        [ROOT, INTERMEDIATE, LEAF, KEY],
        [INTERMEDIATE, KEY, ROOT, LEAF],
    ] {
        let pair = made(&parts);
        assert_eq!(pair.chain, expected);
        assert_eq!(pair.key, KEY);
        assert_eq!(pair.not_after.unwrap().to_string(), "2046-11-30T03:47:29Z");
    }
}

#[test]
fn a_certificate_of_another_chain_is_left_out() {
    assert_eq!(made(&[RSA, KEY, LEAF]).chain, LEAF);
}

#[test]
fn a_certificate_that_signed_itself_ends_its_chain() {
    let pair = made(&[RSA, RSA_KEY, RSA]);
    assert_eq!(pair.chain, RSA);
    // A time after 2049 is written in another form.
    assert_eq!(pair.not_after.unwrap().to_string(), "2126-11-06T03:47:30Z");
}

#[test]
fn older_forms_of_keys_become_pkcs8() {
    assert_eq!(made(&[RSA, RSA_PKCS1]).key, RSA_KEY);
    let pair = made(&[LEAF, SEC1]);
    assert!(pair.key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    // What was made is a key of the same certificate.
    assert_eq!(made(&[LEAF, &pair.key]).chain, LEAF);
}

/// Azure-Samples and CSI-Azure #1952, #291: never an empty, partial or wrong `tls.crt`.
#[test]
fn a_pkcs12_file_that_was_not_converted_is_refused_with_the_way_out() {
    let problem = refused("MIIKcAIBAzCCCiwGCSqGSIb3DQEHAaCCCh0Egg", Some("application/x-pkcs12"));
    assert_eq!(problem.reason, "Pkcs12NotSupported");
    assert!(problem.message.contains("Import it as a certificate"));
}

#[test]
fn what_is_no_certificate_with_its_key_is_refused_and_not_echoed() {
    let table = [
        ("secret-text".to_owned(), "not PEM"),
        (LEAF.to_owned(), "no private key"),
        (KEY.to_owned(), "none of its certificates"),
        ([RSA, KEY].concat(), "none of its certificates"),
        ([LEAF, KEY, RSA_KEY].concat(), "more than one"),
        (
            ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KEY].concat(),
            "cannot be read",
        ),
        (
            [
                "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n",
                KEY,
            ]
            .concat(),
            "cannot be read",
        ),
        (
            ["-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", LEAF].concat(),
            "not known here",
        ),
        (LEAF.replace("-----END CERTIFICATE-----", ""), "cannot be read"),
    ];
    for (text, expected) in table {
        let problem = refused(&text, None);
        assert_eq!(problem.reason, "BadCertificate");
        assert!(problem.message.contains(expected), "{} for {expected}", problem.message);
        assert!(!problem.message.contains("secret-text"));
    }
}

#[test]
fn bytes_that_were_changed_or_cut_never_panic() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    let whole = [KEY, LEAF, INTERMEDIATE, SEC1].concat();
    for _ in 0..2000 {
        let mut bytes = whole.clone().into_bytes();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(b' '..b'~');
        }
        bytes.truncate(random.usize(..=bytes.len()));
        let _ = split(&String::from_utf8_lossy(&bytes), None, "web");
        let der: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
        let _ = (parse(&der), not_after(&der), pkcs8(&der, &der), element(&der));
    }
}
