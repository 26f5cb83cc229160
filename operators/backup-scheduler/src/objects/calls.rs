//! Calls of the API server, each tried a few times, and what a refusal means.
use std::time::Duration;

use http::Request;
use kube::Client;
use kube::core::Status;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::MANAGER;

/// Waits before the second and the third try of a call.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// The longest wait that the API server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A call takes no longer: a webhook may take 30 seconds, and there may be several.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What a call is refused with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// There is no such object, or no such path.
    Missing,
    /// There is an object with this name.
    Exists,
    /// The object has changed, or others have set these fields: who, and which.
    Conflict(Vec<(String, String)>),
    /// It may succeed a little later: an overload, a webhook that does not answer yet.
    Later(String),
    /// Nothing answers.
    NoAnswer(String),
    /// It is refused, and will be.
    Rejected(String),
    /// The mover was told to end.
    Stopped,
}

/// The calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calls<'a> {
    pub(super) client: CallClient<'a>,
    pub(super) stop: &'a CancellationToken,
}

/// A client, which has no `Debug` of its own.
#[derive(Clone, Copy)]
pub(super) struct CallClient<'a>(pub(super) &'a Client);

impl std::fmt::Debug for CallClient<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallClient")
    }
}

impl Calls<'_> {
    /// Reads an object; none if it is not there.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Refusal> {
        match self.send(|| Request::get(path), &Value::Null).await {
            Err(Refusal::Missing) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Creates an object.
    pub(super) async fn create(&self, path: &str, object: &Value) -> Result<Value, Refusal> {
        let path = format!("{path}?fieldManager={MANAGER}");
        self.send(
            || Request::post(&path).header("content-type", "application/json"),
            object,
        )
        .await
    }

    /// Applies an object on the server.
    pub(super) async fn apply(&self, path: &str, object: &Value, force: bool) -> Result<Value, Refusal> {
        let path = format!("{path}?fieldManager={MANAGER}&force={force}");
        let kind = "application/apply-patch+yaml";
        self.send(|| Request::patch(&path).header("content-type", kind), object)
            .await
    }

    /// Patches an object.
    pub(super) async fn merge(&self, path: &str, change: &Value) -> Result<Value, Refusal> {
        let path = format!("{path}?fieldManager={MANAGER}");
        let kind = "application/merge-patch+json";
        self.send(|| Request::patch(&path).header("content-type", kind), change)
            .await
    }

    /// Waits; whether the mover is to go on.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), Refusal> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Refusal::Stopped),
            () = sleep(time) => Ok(()),
        }
    }

    async fn send(&self, request: impl Fn() -> http::request::Builder, body: &Value) -> Result<Value, Refusal> {
        let body = match body {
            Value::Null => Vec::new(),
            // A value has only keys that are text, so this cannot fail.
            body => serde_json::to_vec(body).unwrap_or_default(),
        };
        let mut waits = WAITS.into_iter();
        loop {
            let call = request().header("accept", "application/json").body(body.clone());
            let call = call.map_err(|failed| Refusal::Rejected(format!("its name is no part of a path: {failed}")))?;
            let answer = tokio::select! {
                () = self.stop.cancelled() => return Err(Refusal::Stopped),
                answer = timeout(TIMEOUT, self.client.0.request_text(call)) => answer,
            };
            let (refusal, wait) = match answer {
                Ok(Ok(text)) => {
                    return serde_json::from_str(&text)
                        .map_err(|failed| Refusal::Later(format!("the answer is no object: {failed}")));
                }
                Ok(Err(error)) => refusal(&error),
                Err(_) => (
                    Refusal::NoAnswer(format!("no answer within {} s", TIMEOUT.as_secs())),
                    None,
                ),
            };
            let again = match &refusal {
                // What a webhook does not do now it does after its pods run, and not within seconds.
                Refusal::Later(why) => !why.contains("webhook"),
                Refusal::NoAnswer(_) => true,
                _ => false,
            };
            let Some(usual) = waits.next().filter(|_| again) else {
                return Err(refusal);
            };
            self.pause(wait.unwrap_or(usual).min(LONGEST_WAIT)).await?;
        }
    }
}

/// What an error means, and how long the API server wants to be left alone.
fn refusal(error: &kube::Error) -> (Refusal, Option<Duration>) {
    let kube::Error::Api(status) = error else {
        return match error {
            kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::Auth(_) => {
                (Refusal::NoAnswer(error.to_string()), None)
            }
            other => (Refusal::Rejected(other.to_string()), None),
        };
    };
    let wait = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    let wait = (wait > 0).then(|| Duration::from_secs(wait.into()));
    let message = words(status);
    let refusal = match status.code {
        404 => Refusal::Missing,
        409 if status.is_already_exists() => Refusal::Exists,
        409 => Refusal::Conflict(conflicts(status)),
        408 | 429 | 500.. => Refusal::Later(message),
        // The account of a pod is made a moment after its namespace.
        403 if message.contains("error looking up service account") => Refusal::Later(message),
        _ => Refusal::Rejected(message),
    };
    (refusal, wait)
}

fn words(status: &Status) -> String {
    if status.message.is_empty() {
        format!("{} {}", status.code, status.reason)
    } else {
        status.message.clone()
    }
}

/// Who has set the fields that are in the way, and which they are.
fn conflicts(status: &Status) -> Vec<(String, String)> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let of_managers = causes.filter(|cause| cause.reason == "FieldManagerConflict");
    // `conflict with "kubectl-edit" using v1 at …`
    let manager = |message: &str| message.split('"').nth(1).unwrap_or("unknown").to_owned();
    of_managers
        .map(|cause| (manager(&cause.message), cause.field.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use hearth_reconciler::testing::script::Script;
    use serde_json::json;

    use super::*;

    const PATH: &str = "/api/v1/namespaces/home/configmaps";

    async fn create(script: Script) -> Result<Value, Refusal> {
        let (client, server) = script.start();
        let stop = CancellationToken::new();
        let calls = Calls {
            client: CallClient(&client),
            stop: &stop,
        };
        let answer = calls.create(PATH, &json!({"a": 1})).await;
        server.finish();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn an_overload_is_waited_for_three_times_and_a_webhook_is_not() {
        let script = Script::new()
            .refuse("POST", PATH, 429, "TooManyRequests")
            .refuse("POST", PATH, 503, "ServiceUnavailable")
            .expect_body(
                "POST",
                format!("{PATH}?fieldManager=backup-scheduler"),
                |body| assert_eq!(body["a"], 1),
                201,
                json!({}),
            );
        assert_eq!(create(script).await, Ok(json!({})));
        let thrice = (0..3).fold(Script::new(), |script, _| script.refuse("POST", PATH, 500, "no"));
        assert_eq!(create(thrice).await, Err(Refusal::Later("no".to_owned())));
        let webhook = Script::new().refuse("POST", PATH, 500, "failed calling webhook \"x\"");
        assert!(matches!(create(webhook).await, Err(Refusal::Later(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_told_apart() {
        let account = "pods \"a\" is forbidden: error looking up service account home/default";
        let table = [
            (404, "NotFound", Refusal::Missing),
            (409, "AlreadyExists", Refusal::Exists),
            (409, "Conflict", Refusal::Conflict(Vec::new())),
            (403, "exceeded quota", Refusal::Rejected("exceeded quota".to_owned())),
            (422, "Invalid", Refusal::Rejected("Invalid".to_owned())),
        ];
        for (code, reason, expected) in table {
            assert_eq!(
                create(Script::new().refuse("POST", PATH, code, reason)).await,
                Err(expected)
            );
        }
        let thrice = (0..3).fold(Script::new(), |script, _| script.refuse("POST", PATH, 403, account));
        assert_eq!(create(thrice).await, Err(Refusal::Later(account.to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_conflict_names_who_has_set_which_field() {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409, "reason": "Conflict", "message": "m",
        "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kube-controller-manager\" using apps/v1", "field": ".spec.replicas"},
        ]}});
        let answer = create(Script::new().expect("POST", PATH, 409, status)).await;
        let fields = vec![("kube-controller-manager".to_owned(), ".spec.replicas".to_owned())];
        assert_eq!(answer, Err(Refusal::Conflict(fields)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_mover_that_is_told_to_end_makes_no_call() {
        let (client, server) = Script::new().start();
        let stop = CancellationToken::new();
        stop.cancel();
        let calls = Calls {
            client: CallClient(&client),
            stop: &stop,
        };
        assert_eq!(calls.pause(Duration::from_secs(9)).await, Err(Refusal::Stopped));
        server.finish();
    }
}
