//! Runs a `Controller`: the one place where results and errors of reconcilers become requeues, logs, metrics and events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{
    Resource, ResourceExt,
    runtime::{Controller, controller, controller::Action, events::EventType, reflector::ObjectRef},
};
use serde::de::DeserializeOwned;

use crate::{
    backoff::{self, Failures},
    error::{ReconcileError, Retry, chain},
    events::Events,
    metrics::Runs,
    start::Process,
};

/// How long reconciliations under way may take to finish when the process ends. Less than a pod's usual 30 s.
const DRAIN: Duration = Duration::from_secs(15);
/// A failure that is retried soon is reported as an event from this many in a row on: most fix themselves.
const REPORT_AFTER: u32 = 3;

/// What is reconciled when this process begins to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTakeover {
    /// All objects.
    ReconcileAll,
    /// Nothing by itself: for operators that decide about all objects together and ask for each reconciliation, in each term
    /// again. Thousands of objects that wait at once would be most of the memory that the controller takes, for good.
    AwaitTrigger,
}

/// Runs the controller until the process ends; `kind` (lower case) is its name in metrics and logs. Dropping the future
/// stops all reconciliations.
///
/// - Reconciles only while this process leads, each reconciliation within the term. The controller's stores are kept up to
///   date all the time.
/// - At most `--concurrency` objects at the same time; this replaces the controller's own `Config`.
/// - An error is logged once, counted, and retried as it says itself (`ReconcileError::retry`).
/// - A `Warning` event is published when the reason of an object's failure is new.
/// - A panic ends the process (release builds abort): what it leaves behind cannot be trusted, and a restart is cheap.
pub async fn run<K, C, E, F, Fut>(
    controller: Controller<K>,
    process: &Process,
    kind: &'static str,
    on_takeover: OnTakeover,
    ctx: Arc<C>,
    reconcile: F,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
    C: Send + Sync + 'static,
    E: ReconcileError,
    F: Fn(Arc<K>, Arc<C>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Action, E>> + Send + 'static,
{
    let controller = match on_takeover {
        OnTakeover::ReconcileAll => controller.reconcile_all_on(process.leadership.terms().map(drop)),
        OnTakeover::AwaitTrigger => controller,
    };
    let (store, gate) = (controller.store(), process.health.gate(kind));
    let handler = &Arc::new(OutcomeHandler {
        kind,
        failures: Failures::default(),
        events: process.events.clone(),
        runs: process.metrics.controller(kind),
    });
    let results = controller
        .with_config(controller::Config::default().concurrency(process.args.concurrency))
        .graceful_shutdown_on(process.shutdown.clone().cancelled_owned())
        .run(
            |object, ctx| {
                let (term, handler) = (process.leadership.term(), Arc::clone(handler));
                // Called here, polled within the term only.
                let work = reconcile(Arc::clone(&object), ctx);
                async move {
                    let Some(term) = term else {
                        return Ok(Action::await_change());
                    };
                    let _measured = handler.runs.begin();
                    let result = term.within(work).await;
                    Ok::<_, Infallible>(result.map_or_else(Action::await_change, |r| handler.result(&*object, r)))
                }
            },
            |_, error, _| match *error {},
            ctx,
        )
        .for_each(|result| {
            match result {
                Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
                Err(controller::Error::ObjectNotFound(gone)) => handler.failures.forget(&gone),
                Err(error) => tracing::debug!(controller = kind, %error, "watch of the controller interrupted"),
            }
            std::future::ready(())
        });
    // In this task and no other: of those who wait for a store, kube wakes the last one only.
    let ready = async {
        if store.wait_until_ready().await.is_ok() {
            gate.pass();
        }
        std::future::pending::<()>().await;
    };
    let overdue = async {
        process.shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = results => {}
        () = ready => {}
        () = overdue => tracing::warn!(controller = kind, "reconciliations under way were cut off"),
    }
}

/// What happens after a reconciliation.
struct OutcomeHandler {
    kind: &'static str,
    failures: Failures,
    events: Events,
    runs: Runs,
}

impl OutcomeHandler {
    fn result<K, E>(&self, object: &K, result: Result<Action, E>) -> Action
    where
        K: Resource<DynamicType = ()>,
        E: ReconcileError,
    {
        let (key, uid) = (ObjectRef::from_obj(object).erase(), object.uid().unwrap_or_default());
        let error = match result {
            Ok(action) => {
                if action == Action::await_change() {
                    self.runs.success.inc();
                } else {
                    self.runs.requeue_after.inc();
                }
                self.failures.forget(&key);
                return action;
            }
            Err(error) => error,
        };
        let (reason, retry, text) = (error.reason(), error.retry(), chain(&error));
        self.runs.error.inc();
        self.runs.errors.inc();
        let record = self.failures.note(key, &uid, reason);
        tracing::warn!(
            controller = self.kind,
            namespace = object.namespace().unwrap_or_default(),
            name = object.name_any(),
            reason,
            failures = record.failures,
            ?retry,
            error = text,
            "reconciling failed"
        );
        if record.same == if retry == Retry::Backoff { REPORT_AFTER } else { 1 } {
            // The record has decided that this is news, whatever was said before.
            self.events.clear(&uid);
            let reference = object.object_ref(&());
            self.events
                .publish(&reference, EventType::Warning, reason, "Reconcile", &text);
        }
        backoff::requeue(retry, record.failures, fastrand::f64())
    }
}

#[cfg(test)]
mod tests;
