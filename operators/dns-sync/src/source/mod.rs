//! Sources: from Kubernetes objects to the record sets they want. All of it is pure; watches deliver slim objects,
//! [`facts::Facts`] keeps what matters of each, and [`wanted`] says what it wants of one zone.
use std::{fmt, sync::Arc};

pub mod annotations;
mod assemble;
pub mod endpoints;
pub mod facts;
pub mod ingress;
pub mod record;
pub mod selector;
pub mod service;
pub mod template;

pub use endpoints::{AliasWish, Defect, Endpoint, Held, Wanted, ZoneView};
pub use facts::{Facts, What, wanted};
pub use ingress::SlimIngress;
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

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: SourceKind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The `resource` label of its owner records, for example `service/web/front`.
    pub fn resource(&self) -> String {
        format!("{}/{}/{}", self.kind.prefix(), self.namespace, self.name)
    }

    /// The object that a `resource` label names, for example `service/web/front`; None: not one of our kinds.
    pub fn from_resource(resource: &str) -> Option<Self> {
        let mut parts = resource.split('/');
        let prefix = parts.next()?;
        let kind = SourceKind::ALL.into_iter().find(|kind| kind.prefix() == prefix)?;
        let namespace = parts.next().filter(|part| !part.is_empty())?;
        let name = parts.next().filter(|part| !part.is_empty())?;
        parts.next().is_none().then(|| Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

/// For people: `Service web/front`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests;
