//! Amazon Route 53.
pub mod account;
mod errors;
pub mod settings;
mod translate;

pub(crate) use errors::refused;
use errors::{classify, refusal};

use std::sync::Arc;

use aws_sdk_route53::Client;
use aws_sdk_route53::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_route53::types::{ChangeBatch, ResourceRecordSet, RrType};

use super::{Found, NotFound, Provider, ProviderError};
use crate::crd::route53::Visibility;
use crate::dialect::Dialect;
use crate::dialect::route53::Route53;
use crate::metrics::{ProviderCall, ProviderMetrics};
use crate::name::{Name, decode_octal};
use crate::records::{NameSets, RecordChange, RecordSets};
use hearth_reconciler::rate_limit::RateLimiter;

/// One account's client: long-lived, shared by all zones with the same credentials.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    limiter: Arc<RateLimiter>,
}

/// One hosted zone.
#[derive(Clone, Debug)]
pub struct HostedZone {
    account: Account,
    zone_id: String,
    metrics: ProviderMetrics,
}

/// Record sets per page: the most that the API gives.
const PAGE: i32 = 300;

impl Account {
    /// Finds the hosted zone of a domain: by id, or the only one of that name and visibility.
    pub async fn find(
        &self,
        domain: &Name,
        zone_id: Option<&str>,
        visibility: Visibility,
        metrics: &ProviderMetrics,
    ) -> Result<Found, NotFound> {
        let zone_id = match zone_id {
            Some(id) => id.trim_start_matches("/hostedzone/").to_owned(),
            None => match self.find_by_name(domain, visibility, metrics).await? {
                Ok(id) => id,
                Err(message) => return Err(NotFound::Zone(message)),
            },
        };
        let call = metrics.call("find");
        self.limiter.acquire().await;
        let got = self.client.get_hosted_zone().id(&zone_id).send().await;
        let got = self.finish(got, "route53:GetHostedZone", call)?;
        let zone = got.hosted_zone();
        let name = zone
            .map(|zone| zone.name().trim_end_matches('.').to_lowercase())
            .unwrap_or_default();
        if name != domain.as_str() {
            return Err(NotFound::Zone(format!(
                "hosted zone {zone_id} is {name}, not {domain}; correct spec.route53.zoneID, or remove it so that the zone is \
                 found by its name, or make a DNSZone with the other domain"
            )));
        }
        let private = zone
            .and_then(|zone| zone.config())
            .is_some_and(aws_sdk_route53::types::HostedZoneConfig::private_zone);
        if private != (visibility == Visibility::Private) {
            let is = if private { "private" } else { "public" };
            return Err(NotFound::Zone(format!(
                "hosted zone {zone_id} is {is}; set spec.route53.type to match"
            )));
        }
        let name_servers = got
            .delegation_set()
            .map(|set| set.name_servers().to_vec())
            .unwrap_or_default();
        let dialect = Dialect::Route53(Route53 {
            zone_id: zone_id.as_str().into(),
        });
        Ok(Found {
            zone_id,
            name_servers,
            dialect,
        })
    }

    async fn find_by_name(
        &self,
        domain: &Name,
        visibility: Visibility,
        metrics: &ProviderMetrics,
    ) -> Result<Result<String, String>, ProviderError> {
        let call = metrics.call("find");
        self.limiter.acquire().await;
        let got = self
            .client
            .list_hosted_zones_by_name()
            .dns_name(domain.as_str())
            .max_items(100)
            .send()
            .await;
        let got = self.finish(got, "route53:ListHostedZonesByName", call)?;
        let private = visibility == Visibility::Private;
        let fitting: Vec<String> = got
            .hosted_zones()
            .iter()
            .filter(|zone| zone.name().trim_end_matches('.').eq_ignore_ascii_case(domain.as_str()))
            .filter(|zone| {
                zone.config()
                    .is_some_and(aws_sdk_route53::types::HostedZoneConfig::private_zone)
                    == private
            })
            .map(|zone| zone.id().trim_start_matches("/hostedzone/").to_owned())
            .collect();
        let kind = if private { "private" } else { "public" };
        Ok(match fitting.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(format!(
                "there is no {kind} hosted zone {domain} in this account; create it, correct spec.domain, set spec.route53.type \
                 or zoneID, or use the credentials of the account that has it"
            )),
            several => Err(format!(
                "there are {} {kind} hosted zones {domain}; set spec.route53.zoneID to one of {}",
                several.len(),
                several.join(", ")
            )),
        })
    }

    /// The handle for one zone.
    pub fn zone(&self, zone_id: &str, metrics: ProviderMetrics) -> HostedZone {
        HostedZone {
            account: self.clone(),
            zone_id: zone_id.to_owned(),
            metrics,
        }
    }

    /// Counts the call and sorts its error.
    fn finish<T, E>(
        &self,
        result: Result<T, SdkError<E>>,
        operation: &'static str,
        call: ProviderCall,
    ) -> Result<T, ProviderError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match result {
            Ok(answer) => {
                call.succeeded();
                Ok(answer)
            }
            Err(error) => {
                let error = classify(&error, operation);
                if let ProviderError::Throttled(pause) = error {
                    self.limiter.throttled(pause);
                    call.throttled();
                } else {
                    call.failed();
                }
                Err(error)
            }
        }
    }
}

/// Where a listing begins or goes on.
#[derive(Default)]
struct Cursor {
    name: Option<String>,
    record_type: Option<RrType>,
    identifier: Option<String>,
}

impl HostedZone {
    /// One page of record sets from `at` on, and where the next one begins.
    async fn page(&self, at: Cursor, most: i32) -> Result<(Vec<ResourceRecordSet>, Option<Cursor>), ProviderError> {
        let call = self.metrics.call("list");
        self.account.limiter.acquire().await;
        let page = self
            .account
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&self.zone_id)
            .max_items(most)
            .set_start_record_name(at.name)
            .set_start_record_type(at.record_type)
            .set_start_record_identifier(at.identifier)
            .send()
            .await;
        let page = self.account.finish(page, "route53:ListResourceRecordSets", call)?;
        // It ends with MaxItems. The SDK reads half a document as if it were all.
        if page.max_items == 0 {
            return Err(ProviderError::Unreachable("an incomplete answer".to_owned()));
        }
        let next = page.is_truncated.then_some(Cursor {
            name: page.next_record_name,
            record_type: page.next_record_type,
            identifier: page.next_record_identifier,
        });
        if next.as_ref().is_some_and(|next| next.name.is_none()) {
            // A page that says there is more but not where is a partial list, and no evidence of anything.
            return Err(ProviderError::Unreachable(
                "a truncated list without a continuation".to_owned(),
            ));
        }
        Ok((page.resource_record_sets, next))
    }

    /// What is at one name.
    async fn read_name(&self, name: &Name) -> Result<NameSets, ProviderError> {
        let mut records = RecordSets::default();
        let mut at = Some(Cursor {
            name: Some(name.as_str().to_owned()),
            ..Cursor::default()
        });
        while let Some(cursor) = at {
            let (sets, next) = self.page(cursor, PAGE.min(100)).await?;
            for set in sets
                .iter()
                .take_while(|set| translate::name(set).as_ref() == Some(name))
            {
                translate::insert(&mut records, set);
            }
            let same = |next: &Cursor| {
                let next = next.name.as_deref().and_then(|next| decode_octal(next).ok());
                next.as_ref() == Some(name)
            };
            at = next.filter(same);
        }
        Ok(records.at(name).clone())
    }
}

impl Provider for HostedZone {
    async fn list(&self) -> Result<RecordSets, ProviderError> {
        let mut records = RecordSets::default();
        let mut at = Some(Cursor::default());
        while let Some(cursor) = at {
            let (sets, next) = self.page(cursor, PAGE).await?;
            for set in &sets {
                translate::insert(&mut records, set);
            }
            at = next;
        }
        Ok(records)
    }

    /// One call for each name: a page begins at a name.
    async fn read(&self, names: &[Name]) -> Result<Vec<(Name, NameSets)>, ProviderError> {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            found.push((name.clone(), self.read_name(name).await?));
        }
        Ok(found)
    }

    async fn change(&self, changes: &[RecordChange]) -> Result<(), ProviderError> {
        let changes: Result<Vec<_>, _> = changes.iter().map(translate::change).collect();
        let batch = changes.and_then(|changes| ChangeBatch::builder().set_changes(Some(changes)).build());
        let batch = batch.map_err(|error| refused(vec![error.to_string()]))?;
        let call = self.metrics.call("change");
        self.account.limiter.acquire().await;
        let sent = self
            .account
            .client
            .change_resource_record_sets()
            .hosted_zone_id(&self.zone_id)
            .change_batch(batch)
            .send()
            .await;
        if let Err(error) = &sent
            && let Some(messages) = refusal(error)
        {
            call.failed();
            return Err(refused(messages));
        }
        self.account
            .finish(sent, "route53:ChangeResourceRecordSets", call)
            .map(drop)
    }
}

#[cfg(test)]
mod tests;
