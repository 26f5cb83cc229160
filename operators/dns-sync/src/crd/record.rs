//! `DNSRecord`: one record set, written by hand or by another tool.
use hearth_reconciler::outcome::StatusFields;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record_data::RecordType;

/// One record set to publish.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "dns.hearth.home.arpa",
    version = "v1alpha1",
    kind = "DNSRecord",
    plural = "dnsrecords",
    singular = "dnsrecord",
    shortname = "hrec",
    category = "hearth",
    namespaced,
    status = "DNSRecordStatus",
    doc = "One DNS record set to publish in the zones that contain its name.",
    printcolumn(name = "Record", type_ = "string", json_path = ".spec.name"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Targets", type_ = "string", json_path = ".spec.targets", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.type != 'CNAME' || size(self.targets) == 1", "a CNAME has exactly one target"))]
#[x_kube(validation = ("!has(self.route53) || !has(self.route53.weight) || has(self.route53.setIdentifier)", "route53.weight needs route53.setIdentifier"))]
#[x_kube(validation = ("!has(self.route53) || !has(self.route53.setIdentifier) || has(self.route53.weight)", "route53.setIdentifier needs a routing policy: route53.weight"))]
#[x_kube(validation = ("!has(self.route53) || !has(self.route53.targetHostedZone) || has(self.route53.alias) && self.route53.alias", "route53.targetHostedZone goes with route53.alias: true"))]
#[x_kube(validation = ("!has(self.route53) || !has(self.route53.alias) || !self.route53.alias || self.type in ['A', 'AAAA'] && size(self.targets) == 1", "route53.alias goes with type A or AAAA and exactly one target"))]
pub struct DNSRecordSpec {
    /// Relative to the zone (`vpn`, or `@` for the zone itself), or absolute with a final dot (`vpn.example.org.`).
    #[schemars(length(min = 1, max = 254))]
    pub name: String,
    /// The record's type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// The record's values: addresses, host names, texts, `10 mail.example.org` for MX and so on.
    #[schemars(length(min = 1, max = 400), inner(length(min = 1, max = 4096)))]
    pub targets: Vec<String>,
    /// Seconds to live. Default: the zone's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub ttl: Option<i64>,
    /// The DNSZone to publish in. Needed for a relative name when several zones take DNSRecords; else every zone that
    /// contains the name gets it, public and private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub zone: Option<String>,
    /// What only Route 53 knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route53: Option<Route53Record>,
    /// Stop: the record stays as it is, changes and even the object's deletion aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What only Route 53 knows of a record.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Route53Record {
    /// The target is a record of the same zone or an AWS load balancer, answered as if it were this record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alias: bool,
    /// The hosted zone of an alias' target that is neither of the same zone nor a load balancer in a known region: its
    /// canonical hosted zone, such as Z0123456789ABCDEFGHIJ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(/hostedzone/)?[A-Z0-9]{1,32}$"), length(max = 64))]
    pub target_hosted_zone: Option<String>,
    /// Whether an alias follows its target's health. Default true; always false for `CloudFront`, which does not permit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluate_target_health: Option<bool>,
    /// Tells sets of one name and type apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub set_identifier: Option<String>,
    /// This set's share of the answers among the sets of its name and type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub weight: Option<i32>,
}

/// What became of the record.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct DNSRecordStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// The state in each zone that the record belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["zone".into()]))]
    pub zones: Vec<RecordZoneStatus>,
    /// The last value of the annotation `dns.hearth.home.arpa/reconcile-at` that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Ready; Reconciling and Stalled while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl StatusFields for DNSRecordStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    fn last_handled_reconcile_at(&mut self) -> &mut Option<String> {
        &mut self.last_handled_reconcile_at
    }
}

/// A record's state in one zone.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecordZoneStatus {
    /// The DNSZone.
    pub zone: String,
    /// The record's full name there.
    pub name: String,
    /// Accepted (waits to be written), Published (the provider took it), Observed (the policy writes nothing),
    /// Conflicted (the message names the winner), Failed.
    pub state: String,
    /// What is wrong and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
