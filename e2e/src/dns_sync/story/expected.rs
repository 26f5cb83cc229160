//! What the story publishes: its objects, the records that they should become, and the records of somebody else.
use std::collections::BTreeMap;

use crate::fake_route53::RecordSet;
use anyhow::{Context, Result};
use serde_json::Value;

/// The `DNSZone`; its domain is `demo.example.org`.
pub(crate) const ZONE: &str = "demo";
const DOMAIN: &str = "demo.example.org";
const MANIFESTS: &str = include_str!("objects.yaml");

/// Where the manifests lie, for the reader.
pub(crate) const FILE: &str = "e2e/src/dns_sync/story/objects.yaml";

/// The sample manifests.
pub(crate) fn manifests() -> Result<Vec<Value>> {
    MANIFESTS
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).context(FILE))
        .collect()
}

/// One manifest.
pub(crate) fn manifest(kind: &str, name: &str) -> Result<Value> {
    let mut all = manifests()?.into_iter();
    let found = all.find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.with_context(|| format!("{FILE} has no {kind} {name}"))
}

/// Name (without the domain) and type of a record set.
pub(crate) type Key = (String, String);

/// What should be in the zone, by name and type: owner records and the zone's own NS and SOA aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ZoneContent(pub(crate) BTreeMap<Key, Set>);

/// One record set of the content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Set {
    /// What it answers, sorted.
    pub(crate) values: Vec<String>,
    /// The object that its owner record names, such as `service/hearth-demo/photos`; `None`: it has no owner record.
    pub(crate) resource: Option<String>,
}

impl ZoneContent {
    /// The records of `objects.yaml`.
    pub(crate) fn wanted() -> Self {
        let mut content = Self::default();
        let mut add =
            |label: &str, kind: &str, resource: &str, values: &[&str]| content.set(label, kind, Some(resource), values);
        add("photos", "A", "service/hearth-demo/photos", &["192.0.2.10"]);
        add("films", "A", "service/hearth-demo/films", &["192.0.2.11"]);
        add("films", "AAAA", "service/hearth-demo/films", &["2001:db8::11"]);
        add("wiki", "A", "ingress/hearth-demo/wiki", &["192.0.2.20"]);
        add("vpn", "A", "dnsrecord/hearth-demo/vpn", &["198.51.100.7"]);
        add("www", "CNAME", "dnsrecord/hearth-demo/www", &["wiki.demo.example.org"]);
        add(
            "_minecraft._tcp",
            "SRV",
            "dnsrecord/hearth-demo/game",
            &["0 5 25565 vpn.demo.example.org"],
        );
        content
    }

    /// What somebody else made there by hand: mail, and a name that a Service of ours wants too.
    pub(crate) fn foreign() -> Self {
        let mut content = Self::default();
        content.set("", "MX", None, &["10 mail.example.net"]);
        content.set("files", "A", None, &["203.0.113.50"]);
        content
    }

    /// Puts a set in.
    pub(crate) fn set(&mut self, label: &str, kind: &str, resource: Option<&str>, values: &[&str]) {
        let mut values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        values.sort_unstable();
        self.0.insert(
            (label.to_owned(), kind.to_owned()),
            Set {
                values,
                resource: resource.map(ToOwned::to_owned),
            },
        );
    }

    /// Both.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What a zone holds, with each owner record added to the set that it marks.
    pub(crate) fn of(sets: &[RecordSet]) -> Self {
        let marks: BTreeMap<&str, String> = sets
            .iter()
            .filter_map(|set| Some((set.name.trim_end_matches('.'), resource(set)?)))
            .collect();
        let mut content = Self::default();
        for set in sets.iter().filter(|set| resource(set).is_none() && !is_base(set)) {
            let label = label(&set.name);
            let mark = format!("_owner.{}.{}", set.kind.to_lowercase(), set.name.trim_end_matches('.'));
            let values: Vec<&str> = set.values.iter().map(|value| value.trim_end_matches('.')).collect();
            content.set(&label, &set.kind, marks.get(mark.as_str()).map(String::as_str), &values);
        }
        content
    }

    /// The lines of `status.plan` that would make it so from nothing, sorted.
    pub(crate) fn plan(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .0
            .iter()
            .map(|((label, kind), set)| format!("CREATE {} {kind}: {}", host(label), set.values.join(", ")))
            .collect();
        lines.sort_unstable();
        lines
    }

    /// How it differs from another; empty if it does not.
    pub(crate) fn difference(&self, other: &Self) -> Vec<String> {
        let keys = self
            .0
            .keys()
            .chain(other.0.keys().filter(|key| !self.0.contains_key(key)));
        let differing = keys.filter(|&key| self.0.get(key) != other.0.get(key));
        differing
            .map(|key| {
                format!(
                    "{} {}: {:?}, not {:?}",
                    host(&key.0),
                    key.1,
                    self.0.get(key),
                    other.0.get(key)
                )
            })
            .collect()
    }
}

/// A label with the demo's domain; empty: the domain itself.
pub(crate) fn host(label: &str) -> String {
    if label.is_empty() {
        DOMAIN.to_owned()
    } else {
        format!("{label}.{DOMAIN}")
    }
}

fn label(name: &str) -> String {
    let name = name.trim_end_matches('.');
    name.strip_suffix(DOMAIN)
        .unwrap_or(name)
        .trim_end_matches('.')
        .to_owned()
}

/// The object that an owner record of the demo's names.
fn resource(set: &RecordSet) -> Option<String> {
    let text = set.values.first().filter(|_| set.kind == "TXT")?.trim_matches('"');
    let ours = text.strip_prefix("heritage=external-dns,external-dns/owner=demo,")?;
    ours.strip_prefix("external-dns/resource=").map(ToOwned::to_owned)
}

/// What every zone has from its beginning.
fn is_base(set: &RecordSet) -> bool {
    set.kind == "SOA" || set.kind == "NS" && label(&set.name).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo_install::NAMESPACE;

    #[test]
    fn the_manifests_are_seven_objects_of_the_demo() {
        let all = manifests().unwrap();
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|object| object["metadata"]["namespace"] == NAMESPACE));
        assert_eq!(manifest("DNSRecord", "game").unwrap()["spec"]["type"], "SRV");
        assert!(manifest("Service", "nobody").is_err());
    }

    #[test]
    fn owner_records_are_added_to_the_sets_that_they_mark() {
        let mark = "\"heritage=external-dns,external-dns/owner=demo,external-dns/resource=service/hearth-demo/photos\"";
        let sets = [
            RecordSet::simple("demo.example.org.", "NS", 300, &["ns1.example.net."]),
            RecordSet::simple("photos.demo.example.org.", "A", 300, &["192.0.2.10"]),
            RecordSet::simple("_owner.a.photos.demo.example.org.", "TXT", 300, &[mark]),
            RecordSet::simple("demo.example.org.", "MX", 300, &["10 mail.example.net."]),
        ];
        let content = ZoneContent::of(&sets);
        let mut expected = ZoneContent::default();
        expected.set("photos", "A", Some("service/hearth-demo/photos"), &["192.0.2.10"]);
        expected.set("", "MX", None, &["10 mail.example.net"]);
        assert_eq!(content.difference(&expected), Vec::<String>::new());
        assert_eq!(content, expected);
        expected.set("", "MX", None, &["20 mail.example.net"]);
        assert_eq!(content.difference(&expected).len(), 1);
    }

    #[test]
    fn a_plan_has_a_line_for_each_set() {
        let plan = ZoneContent::wanted().plan();
        assert_eq!(plan.len(), 7);
        assert!(
            plan.contains(&"CREATE _minecraft._tcp.demo.example.org SRV: 0 5 25565 vpn.demo.example.org".to_owned())
        );
    }
}
