//! What must be there before others are made.
use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::answers::words;
use super::{LOOK, Run, Stop};
use crate::objects::calls::Refusal;
use crate::objects::plan::Step;
use crate::objects::{list_at, text_at};
use crate::task::AbsentClaims;

/// So long a CustomResourceDefinition is waited for.
const ESTABLISHED: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Fails if a claim asks for a storage class that is neither there nor made before it.
    pub(super) async fn check_classes(&mut self) -> Result<(), Stop> {
        let claims: Vec<&Step> = self.plan.steps.iter().filter(|step| step.class.is_some()).collect();
        // Where no claim is made, none needs a class.
        if claims.is_empty() || self.task.absent_claims == AbsentClaims::Skip {
            return Ok(());
        }
        let answer = self.calls.get("/apis/storage.k8s.io/v1/storageclasses").await;
        let list = match answer {
            Ok(list) => list.unwrap_or_default(),
            Err(Refusal::Stopped) => return Err(Stop::Cancelled),
            // Whoever may not list them finds out with the claim.
            Err(Refusal::Rejected(_)) => return Ok(()),
            Err(other) => {
                return Err(Stop::Unreachable(format!(
                    "storage classes cannot be listed: {}",
                    words(other)
                )));
            }
        };
        let is_there = |class: &str| {
            let made = |step: &Step| step.kind == "StorageClass" && step.name == class;
            list_at(&list, "/items").any(|item| text_at(item, "/metadata/name") == class)
                || self.plan.steps.iter().any(made)
        };
        let absent = claims
            .into_iter()
            .filter(|step| step.class.as_deref().is_some_and(|class| !is_there(class)));
        let mut missing = BTreeSet::new();
        for step in absent.collect::<Vec<_>>() {
            // A claim that is there has what it needs.
            if self.look(step).await.is_ok_and(|seen| seen.live.is_none()) {
                missing.extend(step.class.clone());
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Stop::ClassMissing(missing.into_iter().collect()))
    }

    /// Definitions that were just made are no kinds yet.
    pub(super) async fn wait_established(&mut self, definitions: &[&Step]) -> Result<(), Stop> {
        for step in definitions {
            let path = format!("/apis/{}/customresourcedefinitions/{}", step.api_version, step.name);
            let mut waited = Duration::ZERO;
            while waited < ESTABLISHED {
                let answer = self.calls.get(&path).await;
                let is = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
                match answer {
                    Ok(Some(live)) if list_at(&live, "/status/conditions").any(is) => break,
                    Ok(None) => break,
                    Err(Refusal::Stopped) => return Err(Stop::Cancelled),
                    _ => {}
                }
                self.calls.pause(LOOK).await.map_err(|_| Stop::Cancelled)?;
                waited += LOOK;
            }
        }
        self.served.refresh();
        Ok(())
    }
}
