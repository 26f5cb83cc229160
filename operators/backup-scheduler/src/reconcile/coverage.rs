//! Which claims have a good backup: observed for all of the cluster, as far as the operator may look.
use std::collections::BTreeMap;

use futures::FutureExt;
use hearth_reconciler::error::RequestError;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::ListParams;

use super::Context;
use crate::crd::repository::Coverage;
use crate::plan::claims::is_excluded;
use crate::plan::coverage::{Claim, coverage};
use crate::plan::schedule;

/// Claims per page.
const PAGE: u32 = 250;

/// Looks at all claims. None before the runs and the schedules were listed.
pub(super) async fn look(ctx: &Context) -> Result<Option<Coverage>, RequestError> {
    let runs_known = matches!(ctx.backups.wait_until_ready().now_or_never(), Some(Ok(())));
    let schedules_known = matches!(ctx.schedules.wait_until_ready().now_or_never(), Some(Ok(())));
    if !runs_known || !schedules_known {
        return Ok(None);
    }
    let claims = claims(ctx).await?;
    let now = Timestamp::now();
    let mut promised = BTreeMap::new();
    for schedule in ctx.schedules.state() {
        let rpo = schedule::parse(&schedule).ok().and_then(|parsed| parsed.rpo(now));
        if let (Some(uid), Some(rpo)) = (schedule.uid(), rpo) {
            promised.insert(uid, rpo);
        }
    }
    Ok(Some(coverage(&claims, &ctx.backups.state(), &promised, now)))
}

async fn claims(ctx: &Context) -> Result<Vec<Claim>, RequestError> {
    let mut found = Vec::new();
    for api in ctx.process.args.apis::<PersistentVolumeClaim>(&ctx.process.client) {
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = api.list_metadata(&params).await;
            let page = page.map_err(RequestError::when("listing claims"))?;
            found.extend(page.items.iter().map(|claim| Claim {
                namespace: claim.namespace().unwrap_or_default(),
                name: claim.name_any(),
                excluded: is_excluded(claim.annotations()),
            }));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = ListParams::default().limit(PAGE).continue_token(&token),
                None => break,
            }
        }
    }
    Ok(found)
}
