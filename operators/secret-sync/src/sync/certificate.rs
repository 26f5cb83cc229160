//! Makes `tls.crt` and `tls.key` of the PEM text that a provider gives for a certificate: the leaf first, then its issuers; the
//! key as PKCS#8.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Problem;
use crate::provider::Reason;

/// The content type of a PKCS#12 file, which Key Vault converts only for certificates.
const PKCS12: &str = "application/x-pkcs12";

/// The two halves. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The leaf, then its issuers, as PEM.
    pub chain: String,
    /// The private key of the leaf, as PKCS#8 in PEM.
    pub key: String,
    /// When the leaf ends.
    pub not_after: Option<Timestamp>,
}

/// Splits the text of the object `name`. Fails if it is not a private key with the certificate that belongs to it.
pub fn split(text: &str, content_type: Option<&str>, name: &str) -> Result<Pair, Problem> {
    if !text.contains("-----BEGIN") {
        if content_type == Some(PKCS12) {
            return Err(Problem::new(
                Reason::Pkcs12NotSupported.as_str(),
                format!(
                    "spec.certificate: {name} is a PKCS#12 file that is stored as a plain secret, which Key Vault does not \
                     convert. Import it as a certificate (az keyvault certificate import), then name that"
                ),
            ));
        }
        return Err(bad(name, "it is not PEM text"));
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(text.as_bytes());
    let key = match keys.next() {
        Some(Ok(key)) => key,
        Some(Err(_)) => return Err(bad(name, "its private key cannot be read")),
        None => {
            return Err(bad(
                name,
                "it has no private key; if the certificate's policy says that the key is not exportable, nobody can read it",
            ));
        }
    };
    if keys.next().is_some() {
        return Err(bad(name, "it has more than one private key"));
    }
    let certificates: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|_| bad(name, "a certificate in it cannot be read"))?;
    let parsed: Option<Vec<Parsed<'_>>> = certificates.iter().map(|der| parse(der)).collect();
    let parsed = parsed.ok_or_else(|| bad(name, "a certificate in it cannot be read"))?;

    let signer = any_supported_type(&key);
    let signer = signer.map_err(|_| {
        bad(
            name,
            "its private key is of a kind that is not known here: RSA, P-256, P-384 and Ed25519 are",
        )
    })?;
    let public = signer
        .public_key()
        .ok_or_else(|| bad(name, "its private key has no public key"))?;
    let leaf = parsed.iter().position(|certificate| certificate.public_key == &*public);
    let leaf = leaf.ok_or_else(|| bad(name, "none of its certificates belongs to its private key"))?;

    let mut order = vec![leaf];
    let mut last = leaf;
    // One that signed itself is the end, however often it is there.
    while parsed[last].subject != parsed[last].issuer {
        let issues = |index: &usize| !order.contains(index) && parsed[*index].subject == parsed[last].issuer;
        let Some(next) = (0..parsed.len()).find(issues) else {
            break;
        };
        order.push(next);
        last = next;
    }
    let chain = order
        .iter()
        .map(|index| pem("CERTIFICATE", &certificates[*index]))
        .collect();
    let key = match &key {
        PrivateKeyDer::Pkcs8(key) => key.secret_pkcs8_der().to_vec(),
        other => {
            let wrapped = pkcs8(&public, other.secret_der());
            wrapped.ok_or_else(|| bad(name, "its private key cannot be read"))?
        }
    };
    Ok(Pair {
        chain,
        key: pem("PRIVATE KEY", &key),
        not_after: not_after(parsed[leaf].validity),
    })
}

fn bad(name: &str, what: &str) -> Problem {
    Problem::new(
        "BadCertificate",
        format!("spec.certificate: {name} is no certificate with its key: {what}"),
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        lines.push_str(&String::from_utf8_lossy(line));
        lines.push('\n');
    }
    format!("{lines}-----END {label}-----\n")
}

/// A key of the older forms PKCS#1 (RFC 8017) and SEC 1 (RFC 5915) in a PKCS#8 envelope (RFC 5208): a version, the algorithm,
/// which is the same as of the public key, and the key.
fn pkcs8(public: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let (_, inside, _) = element(public)?;
    let (_, _, rest) = element(inside)?;
    let algorithm = &inside[..inside.len() - rest.len()];
    let mut body = vec![0x02, 0x01, 0x00];
    body.extend(algorithm);
    body.extend(tagged(0x04, key));
    Some(tagged(0x30, &body))
}

/// What is read of a certificate (RFC 5280, 4.1): each part as it stands there.
struct Parsed<'a> {
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    public_key: &'a [u8],
}

fn parse(certificate: &[u8]) -> Option<Parsed<'_>> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    // The version, which is optional.
    if let Some((0xa0, _, after)) = element(rest) {
        rest = after;
    }
    let mut next = || {
        let (_, _, after) = element(rest)?;
        let whole = &rest[..rest.len() - after.len()];
        rest = after;
        Some(whole)
    };
    let (_serial, _algorithm) = (next()?, next()?);
    Some(Parsed {
        issuer: next()?,
        validity: next()?,
        subject: next()?,
        public_key: next()?,
    })
}

/// When a certificate ends (RFC 5280, 4.1.2.5).
fn not_after(validity: &[u8]) -> Option<Timestamp> {
    let (_, validity, _) = element(validity)?;
    let (_, _, rest) = element(validity)?;
    let (tag, time, _) = element(rest)?;
    let time = std::str::from_utf8(time).ok()?;
    let time = match tag {
        // UTCTime: years from 50 on are of the last century.
        0x17 if time.get(..2)? >= "50" => format!("19{time}"),
        0x17 => format!("20{time}"),
        _ => time.to_owned(),
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", time).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The first element of DER data: its tag, its content, and what follows.
fn element(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, data) = data.split_first()?;
    let (first, data) = data.split_first()?;
    let (length, data) = match *first {
        short @ 0..=0x7f => (usize::from(short), data),
        long => {
            let (bytes, data) = data
                .split_at_checked(usize::from(long & 0x7f))
                .filter(|(bytes, _)| bytes.len() <= 4)?;
            (
                bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
                data,
            )
        }
    };
    let (content, rest) = data.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// An element of DER data.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match (significant, content.len()) {
        (_, short @ 0..=0x7f) => element.push(u8::try_from(short).unwrap_or_default()),
        (bytes, _) => {
            element.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            element.extend(bytes);
        }
    }
    element.extend(content);
    element
}

#[cfg(test)]
mod tests;
