//! The election over HTTP semantics: a small API server for one lease, behind the fault layer, in paused time.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use futures::StreamExt;
use http::{Method, Request, Response};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    client::{Body, ClientBuilder},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Election, Leadership, Running, Term, start};
use crate::{
    health::Health,
    metrics::Metrics,
    testing::{
        faults::{Fault, Faults, When},
        script::refusal,
    },
};

#[derive(Clone, Default)]
struct Server(Arc<Mutex<(Option<Lease>, u64)>>);

impl Server {
    fn answer(&self, method: &Method, body: &[u8]) -> (u16, serde_json::Value) {
        let (lease, version) = &mut *self.0.lock();
        if method == Method::GET {
            return lease
                .as_ref()
                .map_or_else(|| (404, refusal(404, "NotFound")), |l| (200, json!(l)));
        }
        let mut new: Lease = serde_json::from_slice(body).unwrap();
        let stored = lease.as_ref().and_then(|l| l.metadata.resource_version.clone());
        if stored != new.metadata.resource_version {
            return (409, refusal(409, "Conflict"));
        }
        *version += 1;
        new.metadata.resource_version = Some(version.to_string());
        new.metadata.uid.get_or_insert_with(|| format!("uid-{version}"));
        *lease = Some(new);
        (200, json!(lease))
    }

    fn holder(&self) -> Option<String> {
        self.0.lock().0.as_ref()?.spec.as_ref()?.holder_identity.clone()
    }

    /// A candidate with its own faults and its own clock, which `skew` ahead of Tokio's.
    fn candidate(&self, name: &str, skew: &Arc<Mutex<Duration>>) -> (Leadership, Running, Faults, Metrics) {
        let (faults, server) = (Faults::default(), self.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let (code, answer) = server.answer(&parts.method, &body);
                let body = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        let (begin, skew, metrics) = (Instant::now(), Arc::clone(skew), Metrics::new("test"));
        let (leadership, running) = start(Election {
            api: Api::namespaced(
                ClientBuilder::new(service, "default").with_layer(&faults).build(),
                "hearth",
            ),
            name: "op",
            pod: name.into(),
            clock: Arc::new(move || begin.elapsed() + *skew.lock()),
            metrics: metrics.clone(),
            heartbeat: Health::default().heartbeat("lease", Duration::from_mins(1)),
        });
        (leadership, running, faults, metrics)
    }
}

fn no_skew() -> Arc<Mutex<Duration>> {
    Arc::default()
}

async fn within(limit: u64, leadership: &Leadership) -> Term {
    tokio::time::timeout(Duration::from_secs(limit), pin!(leadership.terms()).next())
        .await
        .expect("no term in time")
        .unwrap()
}

fn master(metrics: &Metrics) -> bool {
    metrics.text().contains(r#"leader_election_master_status{name="op"} 1"#)
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_the_second_waits_and_takes_over_at_once_after_a_clean_end() {
    let server = Server::default();
    let (a, running, _, metrics) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    let (b, ..) = server.candidate("b", &no_skew());
    sleep(Duration::from_mins(1)).await;
    assert!(term.is_current() && b.term().is_none() && master(&metrics));
    running.release().await;
    assert!(!term.is_current() && !master(&metrics));
    assert_eq!(server.holder(), None);
    assert!(within(3, &b).await.held.number > term.held.number);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_server_is_silent_stops_before_another_leads_and_comes_back_as_standby() {
    let server = Server::default();
    let (a, _running_a, faults, metrics) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    let (b, _running_b, ..) = server.candidate("b", &no_skew());
    sleep(Duration::from_secs(30)).await;
    faults.add(When::always(), Fault::Silent);
    let silent = Instant::now();
    term.ended().await;
    assert!(silent.elapsed() <= Duration::from_secs(10), "{:?}", silent.elapsed());
    assert!(b.term().is_none());
    let next = within(20, &b).await;
    assert!(silent.elapsed() <= Duration::from_secs(20), "{:?}", silent.elapsed());
    assert!(!master(&metrics) && a.term().is_none());
    faults.clear();
    sleep(Duration::from_mins(1)).await;
    assert!(
        a.term().is_none() && next.is_current(),
        "the old leader waits, in the same process"
    );
}

#[tokio::test(start_paused = true)]
async fn renewals_whose_answers_are_lost_do_not_end_the_term() {
    let server = Server::default();
    let (a, _running, faults, _) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    for nth in [1, 3, 5, 7] {
        faults.add(When::write(nth), Fault::FailAfter);
    }
    sleep(Duration::from_mins(2)).await;
    assert!(term.is_current());
}

#[tokio::test(start_paused = true)]
async fn conflicts_throttling_and_server_errors_in_between_do_not_end_the_term() {
    let server = Server::default();
    let (a, _running, faults, _) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    for (nth, code) in [(1, 409), (4, 429), (7, 500), (8, 503)] {
        faults.add(When::write(nth), Fault::Refuse(code));
    }
    sleep(Duration::from_mins(2)).await;
    assert!(term.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_suspended_knows_at_its_first_look_that_its_term_is_over() {
    let server = Server::default();
    let skew = no_skew();
    let (a, _running, ..) = server.candidate("a", &skew);
    let term = within(1, &a).await;
    assert!(term.is_current());
    // The boot clock jumps; no timer has fired and no task has run.
    *skew.lock() = Duration::from_hours(1);
    assert!(!term.is_current());
    let mut called = false;
    assert_eq!(term.within(async { called = true }).await, None);
    assert!(!called && a.term().is_none());
}

#[tokio::test(start_paused = true)]
async fn work_under_way_is_dropped_at_the_deadline() {
    let server = Server::default();
    let (a, _running, faults, _) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    assert_eq!(term.within(async { 7 }).await, Some(7));
    faults.add(When::always(), Fault::FailBefore);
    let begin = Instant::now();
    assert_eq!(term.within(std::future::pending::<()>()).await, None);
    assert!(begin.elapsed() <= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let server = Server::default();
    let (a, _running, faults, _) = server.candidate("a", &no_skew());
    faults.add(When::always(), Fault::FailBefore);
    sleep(Duration::from_mins(10)).await;
    assert!(a.term().is_none());
    faults.clear();
    within(5, &a).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_gives_the_lease_back_even_if_the_last_answer_was_lost() {
    let server = Server::default();
    let (a, running, faults, _) = server.candidate("a", &no_skew());
    within(1, &a).await;
    faults.add(When::write(1), Fault::FailAfter);
    sleep(Duration::from_millis(2100)).await;
    running.release().await;
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn the_end_is_not_held_up_by_a_silent_server() {
    let server = Server::default();
    let (a, running, faults, _) = server.candidate("a", &no_skew());
    let term = within(1, &a).await;
    faults.add(When::always(), Fault::Silent);
    let begin = Instant::now();
    running.release().await;
    assert!(begin.elapsed() <= Duration::from_secs(13) && !term.is_current());
}

#[tokio::test(start_paused = true)]
async fn each_term_is_told_once_to_those_who_follow_terms() {
    let server = Server::default();
    let (a, _running, faults, _) = server.candidate("a", &no_skew());
    let mut terms = pin!(a.terms());
    let first = terms.next().await.unwrap();
    faults.add(When::always(), Fault::FailBefore);
    first.ended().await;
    faults.clear();
    let second = terms.next().await.unwrap();
    assert!(second.held.number > first.held.number);
    assert!(
        tokio::time::timeout(Duration::from_mins(1), terms.next())
            .await
            .is_err()
    );
}
