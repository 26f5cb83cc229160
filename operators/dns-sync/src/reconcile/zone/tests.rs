//! The status of a DNSZone, and whether its worker runs.
use futures::StreamExt;
use hearth_reconciler::secrets::Secrets;
use hearth_reconciler::testing::{process, script::Script};
use hearth_reconciler::trigger::{Triggered, trigger};
use kube::runtime::reflector;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::hosted_zone::first_older;
use super::*;
use crate::crd::zone::ProviderSpec;
use crate::metrics::Metrics;
use crate::object_cache::ObjectCache;
use crate::provider::{Accounts, Settings};
use crate::reconcile::Configs;
use crate::records::RecordSets;
use crate::source::scope::Reach;
use crate::zone::fake_zone::dialect;

fn zone(name: &str, more: &str) -> DNSZone {
    let yaml = format!("{{domain: example.org, policy: Sync, route53: {{}}{more}}}");
    let mut zone = DNSZone::new(name, serde_saphyr::from_str(&yaml).unwrap());
    zone.metadata.uid = Some(name.to_owned());
    zone
}

#[test]
fn the_older_of_two_zones_has_the_hosted_zone() {
    // Made in the same second; the name decides.
    let all = [zone("a", ""), zone("b", ""), zone("c", ", suspend: true")];
    let older_zone = |of: &DNSZone, workers: &[&str]| {
        let found = |name: &str| workers.contains(&name).then_some("Z1");
        first_older(of, all.iter(), "Z1", found)
    };
    assert_eq!(
        older_zone(&all[1], &["a", "b"]).as_deref(),
        Some("a"),
        "no status says so yet"
    );
    assert_eq!(older_zone(&all[0], &["a", "b"]), None);
    assert_eq!(older_zone(&all[1], &["b"]), None);
    assert_eq!(older_zone(&zone("d", ""), &["c"]), None, "a suspended zone has nothing");
    let mut elsewhere = zone("e", "");
    elsewhere.spec.route53 = Some(serde_saphyr::from_str("{endpoint: 'http://127.0.0.1:1'}").unwrap());
    assert_eq!(
        older_zone(&elsewhere, &["a"]),
        None,
        "the same id at another endpoint is another zone"
    );
}

/// A zone whose worker ran when its Secret changed.
fn with_secret() -> DNSZone {
    let mut zone = zone("home", "");
    let route53 = "{credentialsSecretRef: {name: aws}, endpoint: 'http://127.0.0.1:1'}";
    zone.spec.route53 = Some(serde_saphyr::from_str(route53).unwrap());
    zone.metadata.generation = Some(1);
    let mut status = DNSZoneStatus {
        observed_generation: 1,
        ..DNSZoneStatus::default()
    };
    let mut conditions = hearth_reconciler::conditions::Conditions {
        list: &mut status.conditions,
        generation: Some(1),
        now: Timestamp::UNIX_EPOCH,
    };
    conditions.ready("Publishing", "");
    zone.status = Some(status);
    zone
}

/// A context whose API server has these Secrets and takes what `status` checks.
fn context(secrets: &Value, status: Script) -> (Arc<Context>, Triggered<DNSZone>) {
    let (client, server) = status.start();
    // That all calls came is seen by what the test checks itself.
    drop(server);
    let list =
        json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "5"}, "items": secrets});
    let (secrets_client, server) = Script::new()
        .expect("GET", "/api/v1/namespaces/hearth/secrets", 200, list)
        .start();
    drop(server);
    let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
    let (zone_trigger, called) = trigger();
    let context = Context {
        configs: Configs::new("home".to_owned(), Arc::default()),
        reach: Arc::new(Reach::default()),
        object_cache: Arc::new(ObjectCache::new([], metrics.clone())),
        accounts: Accounts::new(&Settings::default()),
        metrics,
        zones: reflector::store::<DNSZone>().0,
        secrets: Secrets::new(secrets_client, zone_trigger.clone()),
        workers: parking_lot::Mutex::default(),
        zones_changed: tokio::sync::Notify::new(),
        zone_trigger,
        record_trigger: trigger().0,
        process: process(client),
    };
    (Arc::new(context), called)
}

/// Adds a worker that has read an earlier version of the Secret, and has deleted three records since the last report.
fn workers(zone: &DNSZone, context: &Context) -> tokio::task::AbortHandle {
    let config = Config::new("home", &zone.spec, "home", &context.reach).unwrap();
    let mut state = ZoneState::new(config.clone(), Guard::default());
    state.set_records(RecordSets::default(), std::time::Duration::ZERO);
    state.deletes.guard.record(3, 1_800_000_000, &config.limits);
    let shared = Arc::new(Shared::new(state));
    shared.provider_status().listed = true;
    let task = tokio::spawn(std::future::pending());
    let abort = task.abort_handle();
    let handle = WorkerHandle {
        shared,
        instructions: watch::channel(Instructions {
            config: Arc::new(config),
            list_request: 0,
        })
        .0,
        task,
        term: context.process.leadership.term().unwrap(),
        identity: Identity {
            uid: "home".to_owned(),
            provider: zone.spec.provider().unwrap(),
            secret: Some("1".to_owned()),
        },
        found: Found {
            zone_id: "Z1".to_owned(),
            name_servers: Vec::new(),
            dialect: dialect(),
        },
        since: tokio::time::Instant::now(),
        asked: None,
        domain: "example.org".to_owned(),
    };
    context.workers().insert("home".to_owned(), handle);
    abort
}

/// What the status says after the Secret became this, and whether the worker runs.
async fn after(secrets: &Value) -> (String, Value, bool) {
    after_error(secrets, None).await
}

/// The same where the worker's last call ended so.
async fn after_error(secrets: &Value, error: Option<ProviderError>) -> (String, Value, bool) {
    let (sender, mut told) = unbounded_channel();
    let check = move |body: &Value| drop(sender.send(body["status"].clone()));
    let path = "/apis/dns.hearth.home.arpa/v1alpha1/dnszones/home/status";
    let (context, mut called) = context(secrets, Script::new().expect_body("PATCH", path, check, 200, json!({})));
    let zone = Arc::new(with_secret());
    let _ = context
        .secrets
        .get(&ObjectRef::new("home"), &ObjectRef::new("aws").within("hearth"));
    called.next().await.unwrap();
    let abort = workers(&zone, &context);
    if let Some(handle) = context.workers().get("home") {
        handle.shared.provider_status().error = error;
    }
    // The answer to the report is no DNSZone, which is of no importance here.
    let _ = reconcile(Arc::clone(&zone), Arc::clone(&context)).await;
    tokio::task::yield_now().await;
    let status = told.try_recv().unwrap();
    let conditions: Vec<String> = status["conditions"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(abort.is_finished(), !context.workers().contains_key("home"));
    (conditions.join(", "), status, !abort.is_finished())
}

fn line(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    format!("{}={} {}", text("type"), text("status"), text("reason"))
}

#[tokio::test]
async fn a_zone_whose_secret_is_deleted_pauses_and_says_so() {
    let (conditions, status, works) = after(&json!([])).await;
    assert!(!works);
    assert!(conditions.contains("Ready=False CredentialsNotFound"), "{conditions}");
    assert!(
        conditions.contains("Reachable=Unknown CredentialsNotFound"),
        "{conditions}"
    );
    assert!(status.to_string().contains("nothing is written or deleted until then"));
    // The next worker's guard knows what this one has deleted.
    assert_eq!(status["recentDeletes"][0]["count"], 3, "{status}");
}

#[tokio::test]
async fn a_zone_whose_secret_holds_no_credentials_any_more_pauses_too() {
    let secret = json!([{"metadata": {"name": "aws", "resourceVersion": "2"}, "data": {}}]);
    let (conditions, _, works) = after(&secret).await;
    assert!(!works);
    assert!(conditions.contains("Ready=False CredentialsInvalid"), "{conditions}");
}

/// dns-05: a hosted zone that was deleted may have been created again, with another id.
#[tokio::test]
async fn a_hosted_zone_that_is_gone_is_looked_up_again() {
    let data = json!({"access-key-id": "QUtJQQ==", "secret-access-key": "czM="});
    let secret = json!([{"metadata": {"name": "aws", "resourceVersion": "1"}, "data": data}]);
    let (_, _, works) = after_error(&secret, Some(ProviderError::Busy)).await;
    assert!(works, "any other error is the worker's to retry");
    let (conditions, status, works) = after_error(&secret, Some(ProviderError::NoSuchZone)).await;
    assert!(!works);
    // The new look-up is what fails here: nobody listens at the endpoint.
    assert!(conditions.contains("Reachable=False Unreachable"), "{conditions}");
    assert_eq!(status["recentDeletes"][0]["count"], 3, "{status}");
}

/// A policy may name hosted zones by their ids, and then denies the one that was deleted.
#[tokio::test(start_paused = true)]
async fn a_hosted_zone_that_is_denied_is_looked_up_again_on_request_and_after_a_while() {
    let (context, _) = context(&json!([]), Script::new());
    let mut zone = with_secret();
    let _abort = workers(&zone, &context);
    let denied = ProviderError::Denied {
        operation: "route53:ListResourceRecordSets",
        code: "AccessDenied".to_owned(),
    };
    assert_eq!(doubt(&zone, &context), None);
    context.workers()["home"].shared.provider_status().error = Some(denied);
    assert_eq!(doubt(&zone, &context), Some(Doubt::LookUpLater), "not at each report");
    let request = ("dns.hearth.home.arpa/reconcile-at".to_owned(), "now".to_owned());
    zone.metadata.annotations = Some([request].into());
    assert_eq!(doubt(&zone, &context), Some(Doubt::LookUpNow));
    zone.metadata.annotations = None;
    let request = |number| {
        let workers = context.workers();
        workers["home"].instructions.send_modify(|to| to.list_request = number);
    };
    request(1);
    assert_eq!(
        doubt(&zone, &context),
        Some(Doubt::LookUpNow),
        "the requested list was denied"
    );
    request(0);
    assert_eq!(doubt(&zone, &context), Some(Doubt::LookUpLater));
    tokio::time::advance(RECHECK_AFTER).await;
    assert_eq!(doubt(&zone, &context), Some(Doubt::LookUpNow));
    // A spec that names the hosted zone leaves nothing to look up.
    if let Some(handle) = context.workers().get_mut("home") {
        let ProviderSpec::Route53(route53) = &mut handle.identity.provider;
        route53.zone_id = Some("Z1".to_owned());
    }
    assert_eq!(doubt(&zone, &context), None);
}

#[test]
fn a_missing_hosted_zone_is_told_with_every_way_out() {
    let Obstacle::Stalled(reason, message) = unreachable_zone("route53", &dialect(), ProviderError::NoSuchZone) else {
        panic!("it is no outage");
    };
    assert_eq!(reason, "HostedZoneNotFound");
    for way in [
        "spec.route53.zoneID",
        "remove it",
        "create the hosted zone",
        "credentials",
        "reconcile-at",
    ] {
        assert!(message.contains(way), "{way}: {message}");
    }
}

/// D3: what waits for its objects waits again without help, so it must not hold up the deletes of the next process.
#[test]
fn only_deletes_that_a_person_has_to_judge_stay_parked_after_a_restart() {
    let with = |reason: &str| {
        let mut status = DNSZoneStatus::default();
        let mut conditions = hearth_reconciler::conditions::Conditions {
            list: &mut status.conditions,
            generation: Some(1),
            now: Timestamp::UNIX_EPOCH,
        };
        conditions.set("DeletesParked", true, reason, "");
        status
    };
    assert!(only_awaited(&with("ObjectsAwaited")));
    assert!(!only_awaited(&with("ConfirmationNeeded")));
    assert!(!only_awaited(&DNSZoneStatus::default()));
}
