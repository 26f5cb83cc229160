//! The passphrase of a `BackupRepository`, the passwords that are derived from it, and its fingerprint.
//!
//! With `layout: Single` the passphrase itself is the password of the one repository. With `layout: PerNamespace` each repository has a password of its own: HMAC-SHA256 of `hearth/v1/<name>` with the passphrase
//! as key, in lowercase hex. Whoever has the password of one repository cannot compute another one. With the passphrase alone,
//! and without this software, it is
//!
//! ```sh
//! printf %s "hearth/v1/media" | openssl dgst -sha256 -hmac "$PASSPHRASE" -r | cut -d ' ' -f 1
//! ```
use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What every derived password is named by.
const CONTEXT: &str = "hearth/v1/";
/// The salt of fingerprints.
const FINGERPRINT_SALT: &[u8] = b"hearth/v1/fingerprint";
/// Rounds of PBKDF2 for a fingerprint.
const FINGERPRINT_ROUNDS: u32 = 100_000;
/// Bytes of a fingerprint: 16 hex digits.
const FINGERPRINT_BYTES: usize = 8;

/// The value of the Secret has no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase is empty; set the key of `passphraseSecretRef` to a long random text")]
pub struct Empty;

/// A passphrase. It is overwritten in memory when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The passphrase of a Secret's value. One line break at its end is not a part of it: `echo` adds one, and a user who types
    /// the passphrase from paper has none.
    pub fn from_secret(value: &[u8]) -> Result<Self, Empty> {
        let value = value
            .strip_suffix(b"\r\n")
            .or_else(|| value.strip_suffix(b"\n"))
            .unwrap_or(value);
        if value.trim_ascii().is_empty() {
            return Err(Empty);
        }
        Ok(Self(Zeroizing::new(value.to_vec())))
    }

    /// The password of the repository of this name. A volume's repository has the name of its namespace. Other repositories need
    /// names that no namespace can have.
    pub fn password(&self, name: &str) -> Password {
        let mut mac = self.mac();
        mac.update(CONTEXT.as_bytes());
        mac.update(name.as_bytes());
        Password(Zeroizing::new(hex(&mac.finalize().into_bytes())))
    }

    /// The passphrase itself, where it is the password of a repository: for the Secret of a mover, for nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// 16 hex digits by which a user sees that the passphrase in the safe is that of the cluster. They are public: they stand in
    /// a status and in an annotation. So they are slow to compute (PBKDF2, 100,000 rounds: 0.1 to 1 s of a core), which makes it
    /// slow to guess a weak passphrase with them. Compute them once for each version of the Secret, not on a thread of the
    /// runtime. Without this software:
    ///
    /// ```sh
    /// openssl kdf -keylen 8 -kdfopt digest:SHA256 -kdfopt "pass:$PASSPHRASE" -kdfopt salt:hearth/v1/fingerprint \
    ///   -kdfopt iter:100000 PBKDF2 | tr -d ':\n' | tr A-F a-f
    /// ```
    pub fn fingerprint(&self) -> String {
        let keyed = self.mac();
        let round = |input: &[u8]| -> [u8; 32] {
            let mut mac = keyed.clone();
            mac.update(input);
            mac.finalize().into_bytes().into()
        };
        // PBKDF2 (RFC 8018) with one block of output.
        let mut last = round(&[FINGERPRINT_SALT, &1_u32.to_be_bytes()].concat());
        let mut all = last;
        for _ in 1..FINGERPRINT_ROUNDS {
            last = round(&last);
            for (sum, byte) in all.iter_mut().zip(last) {
                *sum ^= byte;
            }
        }
        hex(&all[..FINGERPRINT_BYTES])
    }

    fn mac(&self) -> Hmac<Sha256> {
        match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            // HMAC takes keys of every length.
            Err(_) => unreachable!(),
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase(…)")
    }
}

/// The password of one restic repository. It is overwritten in memory when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password itself: for the Secret of a mover, for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// Lowercase hex. The text is allocated once, so that no copy of a part of it stays in memory.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(value: &[u8]) -> Passphrase {
        Passphrase::from_secret(value).unwrap()
    }

    #[test]
    fn passwords_and_fingerprint_are_those_of_openssl() {
        // Made with the two lines of the documentation above; openssl 3.0.19.
        let ours = passphrase(b"correct horse battery staple");
        assert_eq!(
            ours.password("media").expose(),
            "ab8eb28c88d3163f4f766d475031ceebb9be06292c082b786379a29c2ce68670"
        );
        assert_eq!(ours.fingerprint(), "11c1f7395aa4283f");
    }

    #[test]
    fn a_passphrase_may_be_any_bytes() {
        // printf %s hearth/v1/media | openssl dgst -sha256 -mac HMAC -macopt hexkey:ff000a
        assert_eq!(
            passphrase(b"\xff\x00\n\n").password("media").expose(),
            "7257655e389548003c33f8ded75180088e6933494bf8019fb35630aef3ec5ec5"
        );
    }

    #[test]
    fn one_line_break_at_the_end_is_not_a_part_of_it() {
        let plain = passphrase(b" a b ").password("x");
        for value in [b" a b \n".as_slice(), b" a b \r\n"] {
            assert_eq!(passphrase(value).password("x").expose(), plain.expose());
        }
        for other in [b" a b \n\n".as_slice(), b"a b", b"\n a b "] {
            assert_ne!(passphrase(other).password("x").expose(), plain.expose());
        }
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        for value in [b"".as_slice(), b"\n", b"\r\n", b" \t\n", b"\n\n"] {
            assert_eq!(Passphrase::from_secret(value).unwrap_err(), Empty);
        }
    }

    #[test]
    fn names_have_passwords_of_their_own() {
        let ours = passphrase(b"p");
        assert_ne!(ours.password("a").expose(), ours.password("b").expose());
        assert_eq!(ours.password("a").expose().len(), 64);
    }

    #[test]
    fn debug_shows_neither() {
        let ours = passphrase(b"hunter2");
        let text = format!("{ours:?} {:?}", ours.password("a"));
        assert_eq!(text, "Passphrase(…) Password(…)");
    }
}
