//! Which access key may do what, in which account.
//!
//! Signatures are not verified: the fake trusts the access key id named in the `Authorization` header. Error codes are those
//! of "Common errors", <https://docs.aws.amazon.com/Route53/latest/APIReference/CommonErrors.html>.

use std::collections::{BTreeMap, BTreeSet};

use super::errors::ErrorResponse;
use super::log::Operation;

/// moto's own account, and that of keys without another.
pub const ACCOUNT: &str = "123456789012";

/// What an access key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Zones belong to the account that created them; its throttling bucket is shared by its keys.
    pub account: String,
    /// The zone ids whose record sets may be read and changed; none for all of the account.
    pub zones: Option<BTreeSet<String>>,
    /// Whether `ListHostedZones` and `ListHostedZonesByName` are allowed. They always show all zones of the account.
    pub list_zones: bool,
}

impl Access {
    /// Everything in the usual account.
    pub fn all() -> Self {
        Self {
            account: ACCOUNT.to_owned(),
            zones: None,
            list_zones: true,
        }
    }

    /// Record sets of these zones only, in the usual account.
    pub fn zones<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            zones: Some(ids.into_iter().map(str::to_owned).collect()),
            ..Self::all()
        }
    }

    /// The same in another account.
    #[must_use]
    pub fn account(self, account: &str) -> Self {
        Self {
            account: account.to_owned(),
            ..self
        }
    }
}

/// All keys. While none has been given rights, every key may do everything.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) known: BTreeMap<String, Access>,
    pub(super) roles: BTreeMap<String, Access>,
    pub(super) revoked: BTreeSet<String>,
    pub(super) expired: BTreeSet<String>,
    pub(super) closed: bool,
}

impl Keys {
    /// The rights of a call's key, or why it has none.
    pub(super) fn of(&self, key: &str) -> Result<Access, ErrorResponse> {
        if key.is_empty() {
            return Err(ErrorResponse::new(
                403,
                "MissingAuthenticationToken",
                "Missing Authentication Token",
            ));
        }
        if self.expired.contains(key) {
            return Err(ErrorResponse::new(
                403,
                "ExpiredToken",
                "The security token included in the request is expired",
            ));
        }
        let unknown = || {
            ErrorResponse::new(
                403,
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )
        };
        if self.revoked.contains(key) {
            return Err(unknown());
        }
        match self.known.get(key) {
            Some(access) => Ok(access.clone()),
            None if self.closed => Err(unknown()),
            None => Ok(Access::all()),
        }
    }
}

/// Whether a key's rights cover a call.
pub(super) fn permit(
    access: &Access,
    key: &str,
    operation: Operation,
    zone: Option<&str>,
    owner: Option<&str>,
) -> Result<(), ErrorResponse> {
    let resource = zone.map_or("*".to_owned(), |zone| format!("arn:aws:route53:::hostedzone/{zone}"));
    let denied = || {
        let user = format!("arn:aws:iam::{}:user/{key}", access.account);
        Err(ErrorResponse::new(
            403,
            "AccessDenied",
            &format!(
                "User: {user} is not authorized to perform: route53:{operation:?} on resource: {resource} because no \
                 identity-based policy allows the route53:{operation:?} action"
            ),
        ))
    };
    let lists = matches!(operation, Operation::ListHostedZones | Operation::ListHostedZonesByName);
    let creates = operation == Operation::CreateHostedZone && access.zones.is_some();
    if creates || (lists && !access.list_zones) {
        return denied();
    }
    let Some(zone) = zone else { return Ok(()) };
    let foreign = owner.is_some_and(|owner| owner != access.account);
    let outside = access.zones.as_ref().is_some_and(|zones| !zones.contains(zone));
    if foreign || outside { denied() } else { Ok(()) }
}

/// The access key id of an `Authorization` header (or of a pre-signed query's `X-Amz-Credential`).
pub(super) fn key_of(authorization: Option<&str>) -> String {
    let credential = authorization
        .and_then(|header| header.split_once("Credential="))
        .map(|(_, rest)| rest);
    credential
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_open_only_their_zones() {
        let mut keys = Keys::default();
        assert!(keys.of("any").is_ok());
        keys.closed = true;
        keys.known.insert("one".to_owned(), Access::zones(["Z1"]));
        assert_eq!(keys.of("any").unwrap_err().code, "InvalidClientTokenId");
        let access = keys.of("one").unwrap();
        let change = |zone, owner| permit(&access, "one", Operation::ChangeResourceRecordSets, Some(zone), owner);
        assert!(change("Z1", Some(ACCOUNT)).is_ok());
        assert_eq!(change("Z2", None).unwrap_err().code, "AccessDenied");
        assert_eq!(change("Z1", Some("210987654321")).unwrap_err().code, "AccessDenied");
        keys.revoked.insert("one".to_owned());
        assert_eq!(keys.of("one").unwrap_err().code, "InvalidClientTokenId");
        assert_eq!(
            key_of(Some(
                "AWS4-HMAC-SHA256 Credential=AKIA1/2026/us-east-1/route53/aws4_request, S=x"
            )),
            "AKIA1"
        );
    }
}
