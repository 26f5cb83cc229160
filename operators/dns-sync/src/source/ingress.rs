//! Ingresses: the hosts of rules and TLS and those of the annotation.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::networking::v1::Ingress, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Serialize};

use super::{
    annotations::HostnameSource,
    assemble::{TargetsByName, assemble, template_names},
    endpoints::{Defect, Wanted},
    object::SourceObject,
    scope::ZoneView,
};
use crate::name::Name;

/// The annotation that named an Ingress' class before `spec.ingressClassName`.
const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What a watch reads of an Ingress.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Ingress)]
#[serde(default)]
pub struct SlimIngress {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What of the spec matters.
    pub spec: Option<SlimIngressSpec>,
    /// What of the status matters.
    pub status: Option<SlimLoadBalancer>,
}

/// What a watch reads of an Ingress' spec.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimIngressSpec {
    /// Its class.
    pub ingress_class_name: Option<String>,
    /// Hosts that it answers for.
    pub rules: Option<Vec<SlimRule>>,
    /// Hosts that it has certificates for.
    pub tls: Option<Vec<SlimTls>>,
}

/// A rule's host.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimRule {
    /// Every host, when absent.
    pub host: Option<String>,
}

/// A certificate's hosts.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimTls {
    /// The hosts.
    pub hosts: Option<Vec<String>>,
}

/// What a watch reads of the status of Services and Ingresses.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimLoadBalancer {
    /// The load balancer.
    pub load_balancer: Option<SlimPoints>,
}

/// Where a load balancer is reached.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimPoints {
    /// Its points of entry.
    pub ingress: Option<Vec<SlimPoint>>,
}

/// One point of entry.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub struct SlimPoint {
    /// An address.
    pub ip: Option<String>,
    /// A host name.
    pub hostname: Option<String>,
}

impl SlimLoadBalancer {
    /// Every address and host name of the status.
    pub(super) fn addresses(status: Option<&Self>) -> BTreeSet<Box<str>> {
        let points = status
            .and_then(|status| status.load_balancer.as_ref())
            .and_then(|balancer| balancer.ingress.as_ref());
        let texts = points
            .into_iter()
            .flatten()
            .flat_map(|point| [&point.ip, &point.hostname])
            .flatten();
        texts
            .map(|text| text.trim_end_matches('.'))
            .filter(|text| !text.is_empty())
            .map(Into::into)
            .collect()
    }
}

/// What is kept of an Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressFacts {
    /// Its class.
    pub class: Option<Box<str>>,
    /// The hosts of rules.
    pub hosts: Box<[Name]>,
    /// The hosts that are in TLS only.
    pub tls_hosts: Box<[Name]>,
    /// Whether there are any hosts of rules, valid or not.
    pub has_hosts: bool,
    /// Whether there are any hosts of TLS, valid or not.
    pub has_tls_hosts: bool,
    /// Where it is reached.
    pub addresses: Box<[Box<str>]>,
}

impl IngressFacts {
    pub(super) fn of(ingress: &SlimIngress) -> (Self, Vec<Defect>) {
        let empty = SlimIngressSpec::default();
        let spec = ingress.spec.as_ref().unwrap_or(&empty);
        let annotations = ingress.metadata.annotations.as_ref();
        let class = spec.ingress_class_name.as_ref().filter(|class| !class.is_empty());
        let class = class.or_else(|| annotations.and_then(|annotations| annotations.get(CLASS_ANNOTATION)));
        let of_rules = spec.rules.iter().flatten().filter_map(|rule| rule.host.as_deref());
        let of_tls = spec
            .tls
            .iter()
            .flatten()
            .flat_map(|tls| tls.hosts.iter().flatten())
            .map(String::as_str);
        let mut defects = Vec::new();
        let mut read = |texts: &mut dyn Iterator<Item = &str>| {
            let texts: BTreeSet<&str> = texts.map(str::trim).filter(|host| !host.is_empty()).collect();
            let mut hosts = BTreeSet::new();
            for text in &texts {
                match Name::parse(text) {
                    Ok(name) => _ = hosts.insert(name),
                    Err(error) => defects.push(Defect::new("InvalidHostname", format!("host of the Ingress: {error}"))),
                }
            }
            (hosts, !texts.is_empty())
        };
        let (hosts, has_hosts) = read(&mut of_rules.into_iter());
        let (tls_hosts, has_tls_hosts) = read(&mut of_tls.into_iter());
        let facts = Self {
            class: class.map(|class| class.as_str().into()),
            tls_hosts: tls_hosts.into_iter().filter(|host| !hosts.contains(host)).collect(),
            hosts: hosts.into_iter().collect(),
            has_hosts,
            has_tls_hosts,
            addresses: SlimLoadBalancer::addresses(ingress.status.as_ref())
                .into_iter()
                .collect(),
        };
        (facts, defects)
    }

    pub(super) fn wanted(&self, object: &SourceObject, zone: &ZoneView<'_>) -> Wanted {
        let dns = &object.dns;
        let targets: Vec<&str> = if dns.targets.is_empty() {
            &self.addresses
        } else {
            &dns.targets
        }
        .iter()
        .map(|target| &**target)
        .collect();
        let mut claims: TargetsByName<'_> = BTreeMap::new();
        let mut defects = Vec::new();
        let annotated = dns.hostname_source != HostnameSource::Defined;
        let defined = dns.hostname_source != HostnameSource::Annotation;
        let source = zone.sources.ingresses.as_ref();
        let tls = !source.is_some_and(|source| source.ignore_tls_hosts);
        let hosts = self.hosts.iter().chain(self.tls_hosts.iter().filter(|_| tls));
        let of_annotation = dns.hostnames.iter().flatten().filter(|_| annotated);
        for name in of_annotation.chain(hosts.filter(|_| defined)) {
            claims.entry(name.clone()).or_default().extend(&targets);
        }
        if !(annotated && dns.hostnames.is_some() || defined && (self.has_hosts || tls && self.has_tls_hosts)) {
            let template = source.and_then(|source| source.hostname_template.as_deref());
            for name in template_names(template, object, &mut defects) {
                claims.entry(name).or_default().extend(&targets);
            }
        }
        assemble(object, zone, &claims, defects)
    }
}
