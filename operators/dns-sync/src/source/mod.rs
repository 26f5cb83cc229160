//! Sources: from Kubernetes objects to the record sets they want. All of it is pure; watches deliver slim objects,
//! [`facts::Facts`] keeps what matters of each, and [`wanted`] says what it wants of one zone.
use std::{cmp::Ordering, fmt, sync::Arc};

use kube::runtime::reflector::ObjectRef;

use crate::crd::DNSRecord;

pub mod annotations;
mod assemble;
pub mod endpoints;
pub mod facts;
pub mod ingress;
pub mod object;
pub mod record;
pub mod scope;
pub mod service;
pub mod template;

pub use crate::endpoint::{AliasMode, Endpoint};
pub use endpoints::{Defect, Held, Wanted};
pub use facts::{Facts, KindFacts, wanted};
pub use ingress::SlimIngress;
pub use object::SourceObject;
pub use scope::ZoneView;
pub use service::SlimService;

/// The kinds of objects that publish names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// `v1` Service.
    Service,
    /// `networking.k8s.io/v1` Ingress.
    Ingress,
    /// Our `DNSRecord`.
    Record,
    /// `v1` Node: no source here, but external-dns marks records with it.
    Node,
}

impl SourceKind {
    /// Every kind that can be a source.
    pub const ALL: [Self; 3] = [Self::Service, Self::Ingress, Self::Record];

    /// The object's kind as Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Ingress => "Ingress",
            Self::Record => "DNSRecord",
            Self::Node => "Node",
        }
    }

    /// The field of `spec.sources` that turns the kind on.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Ingress => "ingresses",
            Self::Record => "records",
            Self::Node => "nodes",
        }
    }

    /// What stands first in the `resource` label of an owner record.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Ingress => "ingress",
            Self::Record => "dnsrecord",
            Self::Node => "node",
        }
    }

    /// Whether objects of this kind are in a namespace.
    pub const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Node)
    }

    /// The kind with this prefix.
    fn of_prefix(prefix: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::Node]);
        all.find(|kind| kind.prefix() == prefix)
    }
}

/// Which object: the text that owner records call it by, for example `service/web/front`. Small and cheap to clone, since
/// every index and every claim holds one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(Arc<str>);

/// By kind, namespace and name, each as a text.
impl Ord for ObjectKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for ObjectKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ObjectKey {
    /// The key of an object. `namespace`: of no importance if the kind has none.
    pub fn new(kind: SourceKind, namespace: &str, name: &str) -> Self {
        let prefix = kind.prefix();
        if kind.is_namespaced() {
            Self(format!("{prefix}/{namespace}/{name}").into())
        } else {
            Self(format!("{prefix}/{name}").into())
        }
    }

    /// The object that a `resource` label names, for example `service/web/front` or `node/n1`; None: not one of our kinds.
    pub fn from_resource(resource: &str) -> Option<Self> {
        let (prefix, place) = resource.split_once('/')?;
        let kind = SourceKind::of_prefix(prefix)?;
        let parts = 1 + usize::from(kind.is_namespaced());
        let named = place.split('/').count() == parts && place.split('/').all(|part| !part.is_empty());
        named.then(|| Self(resource.into()))
    }

    /// The `resource` label of its owner records.
    pub fn resource(&self) -> &str {
        &self.0
    }

    /// Its kind.
    pub fn kind(&self) -> SourceKind {
        SourceKind::of_prefix(self.part(0)).unwrap_or(SourceKind::Record)
    }

    /// Its namespace; empty if its kind has none.
    pub fn namespace(&self) -> &str {
        if self.kind().is_namespaced() { self.part(1) } else { "" }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// As a DNSRecord, which it must be.
    pub fn to_record(&self) -> ObjectRef<DNSRecord> {
        ObjectRef::new(self.name()).within(self.namespace())
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('/').nth(index).unwrap_or_default()
    }
}

/// For people: `Service web/front`, `Node n1`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, place) = self.0.split_once('/').unwrap_or_default();
        write!(f, "{} {place}", self.kind().as_str())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
