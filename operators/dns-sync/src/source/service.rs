//! Services: those of type `LoadBalancer` and `ExternalName`, and the cluster addresses of others on request.
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Serialize};

use super::{
    assemble::{TargetsByName, assemble, template_names},
    endpoints::{Defect, Wanted},
    ingress::SlimLoadBalancer,
    object::SourceObject,
    scope::ZoneView,
};

/// What a watch reads of a Service.
#[derive(kube::Resource, Serialize, Deserialize, Clone, Debug, Default)]
#[resource(inherit = Service)]
#[serde(default)]
pub struct SlimService {
    /// Standard metadata.
    pub metadata: ObjectMeta,
    /// What of the spec matters.
    pub spec: Option<SlimServiceSpec>,
    /// What of the status matters.
    pub status: Option<SlimLoadBalancer>,
}

/// What a watch reads of a Service's spec.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimServiceSpec {
    /// `ClusterIP`, when absent.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The first address inside the cluster, or `None`.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// Addresses that somebody else routes to the cluster.
    #[serde(rename = "externalIPs")]
    pub external_ips: Option<Vec<String>>,
    /// The host that a Service of type `ExternalName` stands for.
    pub external_name: Option<String>,
}

/// What is kept of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Its type.
    pub service_type: ServiceType,
    /// Addresses and host names from outside the cluster.
    pub addresses: Box<[Box<str>]>,
    /// The address inside.
    pub cluster_ip: Option<Box<str>>,
}

/// Types of Services, as far as names are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// Has an address of its own outside.
    LoadBalancer,
    /// Stands for another host.
    ExternalName,
    /// Has an address inside.
    ClusterIp,
    /// Has only the addresses of its pods.
    Headless,
    /// Is reached through the nodes.
    NodePort,
}

impl ServiceFacts {
    pub(super) fn of(service: &SlimService) -> Self {
        let empty = SlimServiceSpec::default();
        let spec = service.spec.as_ref().unwrap_or(&empty);
        let cluster_ip = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None");
        let service_type = match spec.type_.as_deref() {
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            Some("ExternalName") => ServiceType::ExternalName,
            Some("NodePort") => ServiceType::NodePort,
            _ if spec.cluster_ip.as_deref() == Some("None") => ServiceType::Headless,
            _ => ServiceType::ClusterIp,
        };
        // Addresses that the user names count before what a controller or another host says.
        let external_ips = spec.external_ips.iter().flatten().filter(|ip| !ip.is_empty());
        let mut addresses: BTreeSet<Box<str>> = external_ips.map(|ip| ip.as_str().into()).collect();
        if addresses.is_empty() {
            match service_type {
                ServiceType::LoadBalancer => addresses = SlimLoadBalancer::addresses(service.status.as_ref()),
                ServiceType::ExternalName => {
                    let name = spec.external_name.as_deref().map(|name| name.trim_end_matches('.'));
                    addresses.extend(name.filter(|name| !name.is_empty()).map(Into::into));
                }
                ServiceType::ClusterIp | ServiceType::Headless | ServiceType::NodePort => {}
            }
        }
        let published = matches!(service_type, ServiceType::LoadBalancer | ServiceType::ExternalName);
        Self {
            service_type,
            addresses: if published {
                addresses.into_iter().collect()
            } else {
                Box::default()
            },
            cluster_ip: cluster_ip.map(Into::into),
        }
    }

    pub(super) fn wanted(&self, object: &SourceObject, zone: &ZoneView<'_>) -> Wanted {
        let mut claims: TargetsByName<'_> = BTreeMap::new();
        let mut defects = Vec::new();
        let dns = &object.dns;
        let override_targets = || dns.targets.iter().map(|target| &**target);
        let outside = || -> Vec<&str> {
            if dns.targets.is_empty() {
                self.addresses.iter().map(|a| &**a).collect()
            } else {
                override_targets().collect()
            }
        };
        let published = matches!(self.service_type, ServiceType::LoadBalancer | ServiceType::ExternalName);
        let usable = published || !dns.targets.is_empty();
        for name in dns.hostnames.iter().flatten() {
            if usable {
                claims.entry(name.clone()).or_default().extend(outside());
            } else {
                defects.extend(self.unsupported(object).filter(|_| name.is_within(zone.domain)));
                // external-dns publishes these two; after a takeover the records must not go.
                if matches!(self.service_type, ServiceType::Headless | ServiceType::NodePort) {
                    claims.entry(name.clone()).or_default();
                }
            }
        }
        for name in dns.internal_hostnames.iter().flatten() {
            let targets = claims.entry(name.clone()).or_default();
            if !dns.targets.is_empty() {
                targets.extend(override_targets());
                continue;
            }
            // Only where there is an address inside beside another one do the two annotations differ in external-dns.
            match self.service_type {
                ServiceType::LoadBalancer | ServiceType::ClusterIp => targets.extend(self.cluster_ip.as_deref()),
                ServiceType::ExternalName => targets.extend(self.addresses.iter().map(|address| &**address)),
                ServiceType::Headless | ServiceType::NodePort => {
                    defects.extend(self.unsupported(object).filter(|_| name.is_within(zone.domain)));
                }
            }
        }
        if dns.hostnames.is_none() && dns.internal_hostnames.is_none() && usable {
            let template = zone
                .sources
                .services
                .as_ref()
                .and_then(|source| source.hostname_template.as_deref());
            for name in template_names(template, object, &mut defects) {
                claims.entry(name).or_default().extend(outside());
            }
        }
        assemble(object, zone, &claims, defects)
    }

    fn unsupported(&self, object: &SourceObject) -> Option<Defect> {
        let (kind, hint) = match self.service_type {
            ServiceType::LoadBalancer | ServiceType::ExternalName => return None,
            ServiceType::ClusterIp => (
                "ClusterIP",
                "use internal-hostname to publish its address inside the cluster",
            ),
            ServiceType::Headless => ("ClusterIP without an address", "its pods' addresses are not published"),
            ServiceType::NodePort => ("NodePort", "the nodes' addresses are not published"),
        };
        Some(Defect::new(
            "UnsupportedServiceType",
            format!(
                "{} asks for a name by annotation but is of type {kind}: {hint}; set the annotation target, or use type \
                 LoadBalancer",
                object.key
            ),
        ))
    }
}
