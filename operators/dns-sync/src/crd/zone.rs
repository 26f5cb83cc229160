//! `DNSZone`: one hosted zone at one provider; the unit of work, credentials, policy and status.
use std::collections::BTreeMap;

use hearth_reconciler::duration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provider::Place;
use super::route53::Route53;

/// One hosted zone at one provider: what may be published there, from which sources, and how.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "dns.hearth.home.arpa",
    version = "v1alpha1",
    kind = "DNSZone",
    plural = "dnszones",
    singular = "dnszone",
    shortname = "hzone",
    category = "hearth",
    status = "DNSZoneStatus",
    doc = "One hosted zone at one DNS provider: what may be published there, from which sources, and how.",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policy"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "InSync", type_ = "string", json_path = ".status.conditions[?(@.type==\"InSync\")].status"),
    printcolumn(name = "Owned", type_ = "integer", json_path = ".status.records.owned"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.records.pending"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (
        "!has(oldSelf.spec.ownerID) && !has(self.spec.ownerID) || has(oldSelf.spec.ownerID) && has(self.spec.ownerID) && self.spec.ownerID == oldSelf.spec.ownerID || !has(oldSelf.status) || !has(oldSelf.status.records) || oldSelf.status.records.owned == 0",
        "spec.ownerID cannot change while the zone holds records of the present owner; they would become foreign"
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.route53)", "exactly one provider must be set: route53"))]
#[x_kube(validation = ("!has(self.registry) || !has(self.registry.kind) || self.registry.kind != 'None' || self.policy in ['Observe', 'CreateOnly']", "registry.kind None keeps no owner marks, so it goes only with policy Observe or CreateOnly"))]
pub struct DNSZoneSpec {
    /// The zone's apex, for example `example.org`. Cannot be changed.
    #[x_kube(validation = ("self == oldSelf", "spec.domain cannot be changed; make a new DNSZone"))]
    #[x_kube(validation = ("self.matches('^[^\\\\s/*]+$') && !self.startsWith('.')", "spec.domain must be a plain domain name such as example.org"))]
    #[schemars(length(min = 1, max = 253))]
    pub domain: String,
    /// What may be written. Observe: nothing, the status shows what would change. CreateOnly: new names.
    /// UpsertOnly: new names and changes. Sync: deletes too. Required, so that nothing destructive is a default.
    pub policy: Policy,
    /// The zone is an Amazon Route 53 hosted zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route53: Option<Route53>,
    /// Who owns the records, as written into the owner TXT records. Default: the operator's cluster name.
    /// To take over from external-dns set its `--txt-owner-id`.
    #[serde(default, rename = "ownerID", skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub owner_id: Option<String>,
    /// How ownership is marked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Registry>,
    /// Which objects may publish into this zone. A source that is not named is off.
    #[serde(default)]
    pub sources: Sources,
    /// The record types that may be managed. Default: every type that the operator knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub record_types: Option<Vec<crate::record_data::RecordType>>,
    /// Only names that match one of these are managed: globs (`*.apps.example.org`) or `/regular expressions/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 512)))]
    pub include: Vec<String>,
    /// Names that match one of these are never touched; wins over `include`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 512)))]
    pub exclude: Vec<String>,
    /// Seconds to live of records whose source names none. Unset: 300 for new records, present ones keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub ttl: Option<i64>,
    /// How often the zone is listed to find changes that others made, e.g. `15m`. Default 15m, at least 1m, jittered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub drift_interval: Option<String>,
    /// How long changes are gathered before they are sent together, e.g. `200ms` (the default); at most 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub batch_window: Option<String>,
    /// When deletes are held back until you confirm them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_guard: Option<DeleteGuard>,
    /// What becomes of a record whose object still exists but has no address any more (a desktop that is off at night).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_target: Option<EmptyTarget>,
    /// Stop: nothing is looked at or written, everything stays as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// The provider that a DNSZone names, with what its spec says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSpec {
    /// Amazon Route 53.
    Route53(Route53),
}

impl ProviderSpec {
    /// Where the zone is.
    pub fn place(&self) -> Place<'_> {
        match self {
            Self::Route53(route53) => route53.place(),
        }
    }
}

impl DNSZoneSpec {
    /// The provider. The error is for the user; the schema permits no spec without a provider.
    pub fn provider(&self) -> Result<ProviderSpec, &'static str> {
        let route53 = self.route53.clone().map(ProviderSpec::Route53);
        route53.ok_or("exactly one provider must be set: route53")
    }
}

/// What may be written to the provider.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing; the status shows the plan.
    Observe,
    /// New names only.
    CreateOnly,
    /// New names and changes of owned ones.
    UpsertOnly,
    /// Everything, deletes of owned records included.
    Sync,
}

impl Policy {
    /// The name as the user writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "Observe",
            Self::CreateOnly => "CreateOnly",
            Self::UpsertOnly => "UpsertOnly",
            Self::Sync => "Sync",
        }
    }
}

/// How ownership is marked: TXT records as external-dns writes them.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.prefix) || self.prefix == '' || !has(self.suffix) || self.suffix == ''", "set registry.prefix or registry.suffix, not both"))]
pub struct Registry {
    /// TXT writes an owner record beside each record. None writes none and so never changes or deletes anything.
    #[serde(default)]
    pub kind: RegistryKind,
    /// Put before the record's name to make the owner record's name; `%{record_type}` is replaced by the type.
    /// Default `_owner.%{record_type}.`, which works at the zone's apex too. To take over from external-dns copy its
    /// `--txt-prefix`, and set it to `""` if that had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub prefix: Option<String>,
    /// Put behind the first label instead; external-dns' `--txt-suffix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub suffix: Option<String>,
    /// Stands for `*` in owner records' names; external-dns' `--txt-wildcard-replacement`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub wildcard_replacement: Option<String>,
}

/// The ways to mark ownership.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RegistryKind {
    /// Owner TXT records in external-dns' format.
    #[default]
    TXT,
    /// No marks.
    None,
}

/// The objects that may publish into a zone.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// Services of type LoadBalancer and ExternalName with a hostname annotation or by template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceSource>,
    /// Ingresses: hosts of rules and TLS, and hostname annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingresses: Option<IngressSource>,
    /// DNSRecord objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordSource>,
}

/// Which Services publish.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSource {
    /// Only these namespaces; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// Only objects with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Only objects that carry all of these annotations with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Names for objects without a hostname of their own, e.g. `{{.Name}}.{{.Namespace}}.example.org`; several are
    /// separated by commas. Known: `.Name`, `.Namespace`, `.Labels.KEY`, `.Annotations.KEY`, `index .Labels "KEY"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hostname_template: Option<String>,
}

/// Which Ingresses publish.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct IngressSource {
    /// Only these namespaces; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// Only Ingresses of these classes (`spec.ingressClassName`, else the old annotation); empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub classes: Vec<String>,
    /// Only objects with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Only objects that carry all of these annotations with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Leave out hosts that are only in `spec.tls`, such as the wildcard of a certificate; external-dns'
    /// `--ignore-ingress-tls-spec`.
    #[serde(default, rename = "ignoreTLSHosts", skip_serializing_if = "std::ops::Not::not")]
    pub ignore_tls_hosts: bool,
    /// Names for objects without a hostname of their own; see services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hostname_template: Option<String>,
}

/// Which DNSRecords publish.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RecordSource {
    /// Only these namespaces; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: Vec<String>,
    /// Only objects with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Holds back deletes that look like an accident.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct DeleteGuard {
    /// More deletes than this share of the records, within `window`, are parked. Default 30; 100 turns the guard off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<i32>,
    /// So many deletes within `window` are always let through. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub min_records: Option<i32>,
    /// The sliding window in which deletes are counted, e.g. `1h` (the default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub window: Option<String>,
}

/// What becomes of a record whose object has no address any more.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.after) == (has(self.policy) && self.policy == 'Delete')", "emptyTarget.after goes with emptyTarget.policy Delete, and only with it"))]
pub struct EmptyTarget {
    /// Keep: the record stays as it is until its object or hostname goes. Delete: it goes after `after`.
    #[serde(default)]
    pub policy: EmptyTargetPolicy,
    /// How long the address must be missing, e.g. `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = duration::PATTERN), length(max = 32))]
    pub after: Option<String>,
}

/// Keep or delete a record without an address.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EmptyTargetPolicy {
    /// The record stays.
    #[default]
    Keep,
    /// The record goes after a while.
    Delete,
}

/// What the operator found and did.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct DNSZoneStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// The hosted zone's id at the provider.
    #[serde(default, rename = "zoneID", skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// The zone's name servers, for the delegation at the registrar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub name_servers: Vec<String>,
    /// How many records there are, by what they are to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordCounts>,
    /// What would change or waits to be changed: the first 20 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// How many more lines the plan has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub plan_omitted: i64,
    /// Deletes that wait for a confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
    /// Records that are marked as ours, but of which nothing shows that this cluster has published them, as when it is being
    /// rebuilt. They are kept until their objects come, or until their deletes are confirmed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub awaited: i64,
    /// What this cluster has published, so that a restart can tell its own records from those of another cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// Deletes of the guard's window, so that a restart does not forget them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_deletes: Vec<RecentDeletes>,
    /// The last value of the annotation `dns.hearth.home.arpa/reconcile-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The value of the annotation `dns.hearth.home.arpa/confirm-deletes` that has done its work: it is good for once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_confirmation: Option<String>,
    /// Ready, InSync, Reachable, SourcesComplete, DeletesParked; Reconciling and Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Record sets of the zone by state; owner TXT records are not counted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RecordCounts {
    /// Wanted by objects of this cluster.
    pub desired: i64,
    /// At the provider and marked as ours.
    pub owned: i64,
    /// At the provider and not ours.
    pub foreign: i64,
    /// Changes that wait (or, with policy Observe, would be made).
    pub pending: i64,
    /// Wanted, but another object or another owner holds the name.
    pub conflicted: i64,
    /// Wanted, but invalid or refused by the provider.
    pub failed: i64,
    /// Deletes that wait for a confirmation.
    pub parked: i64,
}

/// What this cluster has published.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The generation of the spec under which it was published.
    pub generation: i64,
    /// A fingerprint of 4 octets of each record, as base64; not kept of more than 5,000 records.
    pub fingerprints: String,
}

/// Deletes that wait for a confirmation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Parked {
    /// Confirm exactly this set with `dns.hearth.home.arpa/confirm-deletes: <hash>` on the DNSZone.
    pub hash: String,
    /// How many.
    pub count: i64,
    /// The first 20 of them.
    pub records: Vec<String>,
}

/// So many deletes were carried out about then.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecentDeletes {
    /// Seconds since 1970, rounded down to a twelfth of the guard's window.
    pub at: i64,
    /// How many record sets.
    pub count: i64,
}
