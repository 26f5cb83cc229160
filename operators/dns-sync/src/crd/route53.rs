//! What a DNSZone says about its hosted zone at Amazon Route 53.
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provider::{Place, SecretRef};

/// An Amazon Route 53 hosted zone and how it is reached.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.zoneID) || self.zoneID.matches('^(/hostedzone/)?[A-Z0-9]{1,32}$')", "route53.zoneID looks like Z0123456789ABCDEFGHIJ"))]
pub struct Route53 {
    /// The hosted zone's id (`Z…`). Without it the zone is found by its domain, which needs ListHostedZonesByName.
    #[serde(default, rename = "zoneID", skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<String>,
    /// Which zone of that name is meant when there are a public and a private one. Default Public.
    #[serde(default, rename = "type")]
    pub visibility: Visibility,
    /// Region in which STS is asked for credentials, and for which requests are signed. Default: `AWS_REGION` of the pod (EKS
    /// sets it), otherwise us-east-1. Route 53 itself has one endpoint for all regions of a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// Another endpoint than Amazon's, `http://` or `https://` (for tests and compatible servers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 512))]
    pub endpoint: Option<String>,
    /// A Secret in the operator's namespace with the keys `access-key-id` and `secret-access-key` (also understood:
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`) and optionally `session-token`. Without it the pod's own identity
    /// is used: web identity (IRSA), Pod Identity or the instance's role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// A role to assume with those credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,
}

impl Route53 {
    /// Where the zone is. The id is without the path that AWS writes before it.
    pub fn place(&self) -> Place<'_> {
        Place {
            field: "route53",
            zone_id: self.zone_id.as_deref().map(|id| id.trim_start_matches("/hostedzone/")),
            endpoint: self.endpoint.as_deref(),
            credentials: self.credentials_secret_ref.as_ref(),
            is_public: self.visibility == Visibility::Public,
        }
    }
}

/// Whether the whole internet or one VPC sees the zone.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Seen by the internet.
    #[default]
    Public,
    /// Seen by the VPCs it is associated with.
    Private,
}

/// A role to assume before Route 53 is called.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// The role's ARN.
    #[serde(rename = "roleARN")]
    #[schemars(regex(pattern = r"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$"), length(max = 2048))]
    pub role_arn: String,
    /// The external id that the role's trust policy asks for.
    #[serde(default, rename = "externalID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    pub external_id: Option<String>,
}
