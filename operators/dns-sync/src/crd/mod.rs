//! The kinds of `dns.hearth.home.arpa`. Types here are the source of `crds/*.yaml`; what a schema cannot say, CEL says.
#![allow(
    unreachable_pub,
    reason = "KubeSchema works on private copies of the structs, for which the lint fires"
)]
pub mod provider;
pub mod record;
pub mod route53;
pub mod zone;

pub use record::{DNSRecord, DNSRecordSpec, DNSRecordStatus};
pub use zone::{DNSZone, DNSZoneSpec, DNSZoneStatus};

/// The API group; labels and annotations of ours are `<group>/<name>`.
pub const GROUP: &str = "dns.hearth.home.arpa";
/// Set to a new value to request a list of the zone now; echoed in `status.lastHandledReconcileAt`.
pub const RECONCILE_AT: &str = "dns.hearth.home.arpa/reconcile-at";
/// On a DNSZone: releases the parked deletes whose hash (`status.parked.hash`) this names.
pub const CONFIRM_DELETES: &str = "dns.hearth.home.arpa/confirm-deletes";

/// Both kinds as they are installed: finished by the shared rules (status default, list-maps).
pub fn crds() -> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> {
    use kube::CustomResourceExt;
    [DNSZone::crd(), DNSRecord::crd()]
        .into_iter()
        .map(hearth_reconciler::crd::finish)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_crds_are_current() {
        hearth_reconciler::testing::assert_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds"), &crds());
    }

    /// Names are never changed once released: objects in clusters hang on them.
    #[test]
    fn names_scope_and_short_names() {
        let names: Vec<_> = crds()
            .iter()
            .map(|crd| {
                let names = &crd.spec.names;
                let short = names.short_names.clone().unwrap_or_default().join(",");
                let singular = names.singular.clone().unwrap_or_default();
                (
                    names.kind.clone(),
                    names.plural.clone(),
                    singular,
                    short,
                    crd.spec.scope.clone(),
                    crd.spec.group.clone(),
                )
            })
            .collect();
        let expected = |kind: &str, plural: &str, singular: &str, short: &str, scope: &str| {
            (
                kind.to_owned(),
                plural.to_owned(),
                singular.to_owned(),
                short.to_owned(),
                scope.to_owned(),
                GROUP.to_owned(),
            )
        };
        assert_eq!(
            names,
            [
                expected("DNSZone", "dnszones", "dnszone", "hzone", "Cluster"),
                expected("DNSRecord", "dnsrecords", "dnsrecord", "hrec", "Namespaced"),
            ]
        );
    }
}
