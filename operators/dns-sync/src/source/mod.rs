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
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Service, Self::Ingress, Self::Record];

    /// The object's kind as Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "Service",
            Self::Ingress => "Ingress",
            Self::Record => "DNSRecord",
        }
    }

    /// The field of `spec.sources` that turns the kind on.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Service => "services",
            Self::Ingress => "ingresses",
            Self::Record => "records",
        }
    }

    /// What stands first in the `resource` label of an owner record.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Ingress => "ingress",
            Self::Record => "dnsrecord",
        }
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
    /// The key of an object.
    pub fn new(kind: SourceKind, namespace: &str, name: &str) -> Self {
        Self(format!("{}/{namespace}/{name}", kind.prefix()).into())
    }

    /// The object that a `resource` label names, for example `service/web/front`; None: not one of our kinds.
    pub fn from_resource(resource: &str) -> Option<Self> {
        let mut parts = resource.split('/');
        let prefix = parts.next()?;
        let known = SourceKind::ALL.into_iter().any(|kind| kind.prefix() == prefix);
        let named = parts.next().is_some_and(|namespace| !namespace.is_empty())
            && parts.next().is_some_and(|name| !name.is_empty())
            && parts.next().is_none();
        (known && named).then(|| Self(resource.into()))
    }

    /// The `resource` label of its owner records.
    pub fn resource(&self) -> &str {
        &self.0
    }

    /// Its kind.
    pub fn kind(&self) -> SourceKind {
        match self.part(0) {
            "service" => SourceKind::Service,
            "ingress" => SourceKind::Ingress,
            _ => SourceKind::Record,
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.part(1)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.part(2)
    }

    /// As a DNSRecord, which it must be.
    pub fn to_record(&self) -> ObjectRef<DNSRecord> {
        ObjectRef::new(self.name()).within(self.namespace())
    }

    fn part(&self, index: usize) -> &str {
        self.0.split('/').nth(index).unwrap_or_default()
    }
}

/// For people: `Service web/front`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind().as_str(), self.namespace(), self.name())
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
