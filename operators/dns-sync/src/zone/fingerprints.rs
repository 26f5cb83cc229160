//! Short fingerprints of the records that this cluster has published, kept in the zone's status. After a restart they prove
//! that a record was made here, and not by another cluster with the same owner.
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::records::{Content, RecordSet, Routing, SetKey};

/// With more records than this the status would become too large (4 octets each, as base64): then nothing is kept, and
/// what was removed while no process was there waits for a confirmation.
pub const MAX_RECORDS: usize = 5_000;

/// The fingerprints of published records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeSet<u32>);

impl Fingerprints {
    /// Reads what an earlier process has kept. What cannot be read proves nothing.
    pub fn decode(text: &str) -> Self {
        let octets = STANDARD_NO_PAD.decode(text).unwrap_or_default();
        let (all, rest) = octets.as_chunks::<4>();
        if rest.is_empty() {
            Self(all.iter().map(|octets| u32::from_be_bytes(*octets)).collect())
        } else {
            Self::default()
        }
    }

    /// For the status; `None` if there are none, or too many.
    pub fn encode(&self) -> Option<String> {
        let fits = (1..=MAX_RECORDS).contains(&self.0.len());
        let octets: Vec<u8> = self.0.iter().flat_map(|one| one.to_be_bytes()).collect();
        fits.then(|| STANDARD_NO_PAD.encode(octets))
    }

    /// Adds a record whose owner record names `resource`.
    pub fn insert(&mut self, key: &SetKey, resource: Option<&str>, set: &RecordSet) {
        self.0.insert(fingerprint(key, resource, set));
    }

    /// Whether exactly this record was published.
    pub fn contains(&self, key: &SetKey, resource: Option<&str>, set: &RecordSet) -> bool {
        !self.0.is_empty() && self.0.contains(&fingerprint(key, resource, set))
    }
}

fn fingerprint(key: &SetKey, resource: Option<&str>, set: &RecordSet) -> u32 {
    let hash = content_hash(key, set);
    let hash = resource.unwrap_or_default().bytes().fold(hash, fnv);
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default()
}

/// A number for a set and what it answers, whatever its spelling; the same in every process.
pub fn content_hash(key: &SetKey, set: &RecordSet) -> u64 {
    let content = match &set.content {
        Content::Values { ttl, values } => {
            let mut all: Vec<String> = values.iter().map(|value| value.data.to_string()).collect();
            all.sort_unstable();
            format!("{ttl}\0{}", all.join("\0"))
        }
        Content::Alias {
            zone_id,
            target,
            evaluate_target_health,
        } => format!(
            "{zone_id}\0{}\0{evaluate_target_health}",
            target.trim_end_matches('.').to_ascii_lowercase()
        ),
    };
    let routing = match set.routing {
        Routing::Simple => "simple".to_owned(),
        Routing::Weighted(weight) => weight.to_string(),
        Routing::Unmanaged => "unmanaged".to_owned(),
    };
    let text = format!("{key}\0{content}\0{routing}\0");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv)
}

/// One step of FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): unlike the standard library's hash it never changes.
fn fnv(hash: u64, octet: u8) -> u64 {
    (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::fake_zone::set;

    #[test]
    fn a_record_is_proven_by_its_name_object_and_content() {
        let (key, record) = set("foo A 192.0.2.1|192.0.2.2");
        let mut all = Fingerprints::default();
        all.insert(&key, Some("service/n/a"), &record);
        let kept = Fingerprints::decode(&all.encode().unwrap());
        let has = |text: &str, resource: &str| {
            let (key, record) = set(text);
            kept.contains(&key, Some(resource), &record)
        };
        assert!(has("foo A 192.0.2.2|192.0.2.1", "service/n/a"));
        for (text, resource) in [
            ("foo A 192.0.2.2|192.0.2.1", "service/n/b"),
            ("foo A 192.0.2.1", "service/n/a"),
            ("foo A 192.0.2.1|192.0.2.2 ttl=60", "service/n/a"),
            ("foo A 192.0.2.1|192.0.2.2 set=a weight=1", "service/n/a"),
            ("bar A 192.0.2.1|192.0.2.2", "service/n/a"),
        ] {
            assert!(!has(text, resource), "{text} {resource}");
        }
    }

    #[test]
    fn the_numbers_never_change_between_versions() {
        let (key, record) = set("foo A 192.0.2.1");
        let mut all = Fingerprints::default();
        all.insert(&key, Some("service/n/a"), &record);
        assert_eq!(all.encode().unwrap(), "8RfvfA");
    }

    #[test]
    fn what_cannot_be_read_proves_nothing_and_too_many_are_not_kept() {
        let (key, record) = set("foo A 192.0.2.1");
        for text in ["", "?", "AAAA", "AAAAAA"] {
            assert!(!Fingerprints::decode(text).contains(&key, None, &record), "{text}");
        }
        assert_eq!(Fingerprints::default().encode(), None);
        let many = |count: u32| Fingerprints((0..count).collect()).encode();
        assert!(many(5_000).is_some_and(|text| text.len() < 27_000) && many(5_001).is_none());
    }
}
