//! external-dns' annotations, under its old prefix and its new one.
//!
//! Meaning and spelling are external-dns'. Where it would quietly go on with a default that can hurt (a weight that is
//! no number becomes 0 there and takes the object out of service), the value is refused here and the object says so.
use std::collections::BTreeMap;

use hearth_reconciler::duration;

use super::endpoints::Defect;
use crate::endpoint::AliasMode;
use crate::name::Name;

/// The prefix since external-dns 0.22; wins when both are there.
pub const PREFIX: &str = "external-dns.kubernetes.io/";
/// The prefix before that.
pub const OLD_PREFIX: &str = "external-dns.alpha.kubernetes.io/";

/// Only objects for this controller, or for none in particular, are ours; people write `none` to keep an object out.
const CONTROLLER: &str = "dns-controller";
/// Seconds to live are a signed 32-bit number at the providers.
const MAX_TTL: u64 = i32::MAX as u64;

/// What an object's annotations say about its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations {
    /// The object belongs to another controller.
    pub foreign: bool,
    /// Names for the object's addresses; None: not given. Invalid ones are left out, so this may be empty.
    pub hostnames: Option<Box<[Name]>>,
    /// Names for the object's address inside the cluster.
    pub internal_hostnames: Option<Box<[Name]>>,
    /// Replaces the object's addresses, unless empty.
    pub targets: Box<[Box<str>]>,
    /// Seconds to live.
    pub ttl: Option<u32>,
    /// Distinguishes sets of one name and type.
    pub set_identifier: Option<Box<str>>,
    /// The set's share of the answers.
    pub weight: Option<u8>,
    /// Whether host names become alias records.
    pub alias: AliasMode,
    /// The hosted zone of a target that is not known here, such as a load balancer in a new region.
    pub alias_zone: Option<Box<str>>,
    /// Which addresses of nodes were meant; only Services of type `NodePort` know it, which are not published.
    pub access: Option<Access>,
    /// Which names of an Ingress count.
    pub hostname_source: HostnameSource,
    /// Something that changes how records answer is missing, wrong or unknown here: to publish without it could send
    /// traffic to the wrong place, so the names are held as they are.
    pub withheld: bool,
}

/// The values of `access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Addresses that the internet reaches.
    Public,
    /// Addresses inside the network.
    Private,
}

/// Which names of an Ingress are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HostnameSource {
    /// Those of rules and TLS and those of the annotation.
    #[default]
    Both,
    /// Only those of the annotation.
    Annotation,
    /// Only those of rules and TLS.
    Defined,
}

impl Default for Annotations {
    fn default() -> Self {
        Self {
            foreign: false,
            hostnames: None,
            internal_hostnames: None,
            targets: Box::default(),
            ttl: None,
            set_identifier: None,
            weight: None,
            alias: AliasMode::Auto {
                evaluate_target_health: true,
            },
            alias_zone: None,
            access: None,
            hostname_source: HostnameSource::Both,
            withheld: false,
        }
    }
}

impl Annotations {
    /// Reads them, with what is wrong in them.
    pub fn of(annotations: &BTreeMap<String, String>) -> (Self, Vec<Defect>) {
        let mut defects = Vec::new();
        let values = by_key(annotations, &mut defects);
        let get = |key: &str| values.get(key).copied();
        let mut read = Self {
            foreign: get("controller").is_some_and(|controller| controller != CONTROLLER),
            hostnames: get("hostname").and_then(|text| names(text, "hostname", &mut defects)),
            internal_hostnames: get("internal-hostname")
                .and_then(|text| names(text, "internal-hostname", &mut defects)),
            targets: get("target").map(targets).unwrap_or_default(),
            ttl: get("ttl").and_then(|text| checked(ttl(text), &mut defects)),
            set_identifier: get("set-identifier").filter(|text| !text.is_empty()).map(Into::into),
            ..Self::default()
        };
        read.alias = alias(get("alias"), get("aws-evaluate-target-health"), &mut defects);
        read.access = get("access").and_then(|text| checked(access(text), &mut defects));
        if let Some(text) = get("ingress-hostname-source") {
            match hostname_source(text) {
                Ok(source) => read.hostname_source = source,
                Err(defect) => read.withhold(defect, &mut defects),
            }
        }
        if let Some(text) = get("aws-weight") {
            match weight(text) {
                Ok(weight) => read.weight = Some(weight),
                Err(defect) => read.withhold(defect, &mut defects),
            }
        }
        if let Some(text) = get("aws-target-hosted-zone") {
            read.alias_zone = hosted_zone(text);
            if read.alias_zone.is_none() {
                let message = format!(
                    "the annotation aws-target-hosted-zone is `{text}`, not a hosted zone's id such as \
                         Z0123456789ABCDEFGHIJ; the object's records stay as they are"
                );
                read.withhold(Defect::new("InvalidTargetHostedZone", message), &mut defects);
            }
        }
        read.check_routing(&values, &mut defects);
        (read, defects)
    }

    fn withhold(&mut self, defect: Defect, defects: &mut Vec<Defect>) {
        self.withheld = true;
        defects.push(defect);
    }

    /// A weight and a set identifier go together, and no other routing policy is known here.
    fn check_routing(&mut self, values: &BTreeMap<&str, &str>, defects: &mut Vec<Defect>) {
        const KNOWN: [&str; 3] = ["aws-weight", "aws-evaluate-target-health", "aws-target-hosted-zone"];
        let unknown: Vec<&str> = values
            .keys()
            .copied()
            .filter(|key| key.starts_with("aws-") && !KNOWN.contains(key))
            .collect();
        if !unknown.is_empty() {
            let message = format!(
                "the annotation {} asks Route 53 for something that is not supported here, so the object's records stay \
                 as they are; supported are {}",
                unknown.join(", "),
                KNOWN.join(", ")
            );
            self.withhold(Defect::new("UnsupportedAnnotation", message), defects);
        } else if values.contains_key("aws-weight") && self.set_identifier.is_none() {
            let message = "aws-weight needs the annotation set-identifier, which tells the weighted sets apart";
            self.withhold(Defect::new("InvalidWeight", message), defects);
        } else if self.set_identifier.is_some() && !values.contains_key("aws-weight") {
            let message = "set-identifier needs a routing policy: add the annotation aws-weight";
            self.withhold(Defect::new("InvalidSetIdentifier", message), defects);
        }
        let long = self.set_identifier.as_ref().map_or(0, |text| text.chars().count());
        if long > 128 {
            let message = format!("the set-identifier has {long} characters; Route 53 takes at most 128");
            self.withhold(Defect::new("InvalidSetIdentifier", message), defects);
        }
    }
}

/// The annotations of either prefix, by what follows it.
fn by_key<'a>(annotations: &'a BTreeMap<String, String>, defects: &mut Vec<Defect>) -> BTreeMap<&'a str, &'a str> {
    let mut values = BTreeMap::new();
    for prefix in [OLD_PREFIX, PREFIX] {
        for (key, value) in annotations {
            let Some(key) = key.strip_prefix(prefix) else { continue };
            let older = values.insert(key, value.trim());
            if older.is_some_and(|older| older != value.trim()) {
                defects.push(Defect::new(
                    "AnnotationConflict",
                    format!("{OLD_PREFIX}{key} and {PREFIX}{key} differ; the second one counts, remove the first"),
                ));
            }
        }
    }
    values
}

fn checked<T>(read: Result<T, Defect>, defects: &mut Vec<Defect>) -> Option<T> {
    read.map_err(|defect| defects.push(defect)).ok()
}

/// The items of a list, separated by commas, spaces or new lines: no name and no address has any of them.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|item| !item.is_empty())
}

/// None: the list is empty, as if the annotation were not there.
fn names(text: &str, key: &str, defects: &mut Vec<Defect>) -> Option<Box<[Name]>> {
    let mut empty = true;
    let mut names = Vec::new();
    for item in items(text) {
        empty = false;
        match Name::parse(item) {
            Ok(name) => names.push(name),
            Err(error) => defects.push(Defect::new("InvalidHostname", format!("annotation {key}: {error}"))),
        }
    }
    names.sort_unstable();
    names.dedup();
    (!empty).then(|| names.into())
}

/// The target without its final dot, which says of a name without other dots that it is meant.
fn without_final_dot(target: &str) -> &str {
    let bare = target.trim_end_matches('.');
    if bare.contains('.') { bare } else { target }
}

fn targets(text: &str) -> Box<[Box<str>]> {
    items(text).map(without_final_dot).map(Into::into).collect()
}

/// Seconds, or a duration of which whole seconds count.
fn ttl(text: &str) -> Result<u32, Defect> {
    text.parse()
        .ok()
        .or_else(|| duration::parse(text).ok().map(|duration| duration.as_secs()))
        .filter(|seconds| (1..=MAX_TTL).contains(seconds))
        .and_then(|seconds| u32::try_from(seconds).ok())
        .ok_or_else(|| {
            Defect::new(
                "InvalidTTL",
                format!(
                    "the annotation ttl is `{text}`, which is neither seconds from 1 to {MAX_TTL} nor a duration such as \
                     5m; the zone's default is used"
                ),
            )
        })
}

fn weight(text: &str) -> Result<u8, Defect> {
    text.parse().map_err(|_| {
        Defect::new(
            "InvalidWeight",
            format!("the annotation aws-weight is `{text}`, not a number from 0 to 255"),
        )
    })
}

/// A hosted zone's id, with or without the path that AWS writes before it.
pub(super) fn hosted_zone(text: &str) -> Option<Box<str>> {
    let id = text.trim_start_matches("/hostedzone/");
    let valid = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    valid.then(|| id.into())
}

fn access(text: &str) -> Result<Access, Defect> {
    match text {
        "public" => Ok(Access::Public),
        "private" => Ok(Access::Private),
        _ => Err(Defect::new(
            "InvalidAccess",
            format!("the annotation access is `{text}`, not public or private"),
        )),
    }
}

fn hostname_source(text: &str) -> Result<HostnameSource, Defect> {
    if text.eq_ignore_ascii_case("annotation-only") {
        Ok(HostnameSource::Annotation)
    } else if text.eq_ignore_ascii_case("defined-hosts-only") {
        Ok(HostnameSource::Defined)
    } else {
        Err(Defect::new(
            "InvalidHostnameSource",
            format!(
                "the annotation ingress-hostname-source is `{text}`; known are annotation-only and defined-hosts-only; \
                 nothing of the object is published until it is corrected"
            ),
        ))
    }
}

fn alias(alias: Option<&str>, health: Option<&str>, defects: &mut Vec<Defect>) -> AliasMode {
    let mut flag = |key: &str, text: Option<&str>| match text? {
        "true" => Some(true),
        "false" => Some(false),
        other => {
            defects.push(Defect::new(
                "InvalidAnnotation",
                format!("the annotation {key} is `{other}`, not true or false; it is not followed"),
            ));
            None
        }
    };
    let evaluate_target_health = flag("aws-evaluate-target-health", health).unwrap_or(true);
    match flag("alias", alias) {
        Some(true) => AliasMode::Yes { evaluate_target_health },
        Some(false) => AliasMode::No,
        None => AliasMode::Auto { evaluate_target_health },
    }
}
