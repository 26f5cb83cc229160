//! Faults on demand: what the client sees, and what was done.

use hearth_e2e::fake_route53::{Fault, Operation, Rule, Throttle};

use super::*;

#[tokio::test]
async fn errors_are_what_the_client_knows() {
    let bench = Bench::start().await;
    let batch = [create(a("www.example.org", "192.0.2.1"))];
    let control = bench.control();
    for (fault, code) in [
        (Fault::throttling(), "Throttling"),
        (Fault::prior_request_not_complete(), "PriorRequestNotComplete"),
        (Fault::status(500), "InternalFailure"),
        (Fault::status(503), "ServiceUnavailable"),
        (Fault::invalid_batch("an unheard-of rule"), "InvalidChangeBatch"),
    ] {
        control.fault(Rule::changes(fault).times(1));
        assert_eq!(bench.change(&batch).await.unwrap_err().code(), Some(code));
    }
    assert_eq!(bench.list().await.len(), 2);
    bench.change(&batch).await.unwrap();

    // Only batches with the name, and until taken back.
    let fault = control.fault(Rule::changes(Fault::status(503)).name("bad.example.org"));
    let bad = [create(a("bad.example.org", "192.0.2.1"))];
    assert!(bench.change(&bad).await.is_err());
    assert!(bench.change(&bad).await.is_err());
    bench
        .change(&[create(a("good.example.org", "192.0.2.1"))])
        .await
        .unwrap();
    control.clear(fault);
    bench.change(&bad).await.unwrap();
    assert_eq!(control.count(Operation::ChangeResourceRecordSets), 10);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_change_done() {
    let bench = Bench::start().await;
    let control = bench.control();
    for (n, fault) in [Fault::LoseAnswer, Fault::FailAfterwards(500), Fault::CutAnswer]
        .into_iter()
        .enumerate()
    {
        let name = format!("n{n}.example.org");
        control.fault(Rule::changes(fault.clone()).times(1));
        assert!(
            bench.change(&[create(a(&name, "192.0.2.1"))]).await.is_err(),
            "{fault:?}"
        );
        assert!(control.get(&bench.zone, &name, "A").unwrap().is_some(), "{fault:?}");
        assert!(control.calls().last().unwrap().applied);
    }
    control.fault(Rule::changes(Fault::Disconnect).times(1));
    assert!(bench.change(&[create(a("no.example.org", "192.0.2.1"))]).await.is_err());
    assert!(control.get(&bench.zone, "no.example.org", "A").unwrap().is_none());
}

#[tokio::test]
async fn lists_can_be_short_broken_or_slow() {
    let bench = Bench::start().await;
    let control = bench.control();
    control
        .put(
            &bench.zone,
            RecordSet::simple("www.example.org", "A", 60, &["192.0.2.1"]),
        )
        .unwrap();
    let fault = control.fault(Rule::lists(Fault::ShortPages(1)));
    let mark = control.mark();
    assert_eq!(bench.list().await.len(), 3);
    assert_eq!(control.calls_since(mark).len(), 3);
    control.clear(fault);

    control.fault(Rule::lists(Fault::CutAnswer).times(1));
    assert!(
        bench
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&bench.zone)
            .send()
            .await
            .is_err()
    );
    let delay = control.fault(Rule::lists(Fault::DelayMs(200)).times(1));
    assert_eq!(control.hits(delay), 0);
    let start = Instant::now();
    assert_eq!(bench.list().await.len(), 3);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(bench.list().await.len(), 3);
    assert_eq!(control.hits(delay), 1);
}

#[tokio::test]
async fn the_whole_service_can_be_down() {
    let bench = Bench::start().await;
    bench.control().down().await;
    let refused = std::net::TcpStream::connect(bench.fake.addr()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(bench.client.list_hosted_zones().send().await.is_err());
    bench.control().up().await;
    assert_eq!(bench.list().await.len(), 2);
}

#[tokio::test]
async fn each_account_has_its_bucket_of_calls() {
    let bench = Bench::start().await;
    let control = bench.control();
    control.throttle(Some(Throttle {
        rate: 0.001,
        burst: 5.0,
    }));
    for _ in 0..5 {
        bench.list().await;
    }
    let error = bench
        .client
        .list_hosted_zones()
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert_eq!(
        (error.code(), error.message()),
        (Some("Throttling"), Some("Rate exceeded"))
    );
    control.throttle(None);
    bench.list().await;
}

#[tokio::test]
async fn other_processes_reach_the_log_and_the_faults() {
    let bench = Bench::start().await;
    let base = format!("{}/_hearth", bench.fake.endpoint());
    let call = async |method: &str, path: &str, body: &str| {
        use http_body_util::BodyExt as _;
        let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{base}/{path}"))
            .body(body.to_owned())
            .unwrap();
        let (head, body) = http.request(request).await.unwrap().into_parts();
        let body: serde_json::Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert!(head.status.is_success(), "{body}");
        body
    };
    call(
        "POST",
        "fault",
        r#"{"fault": {"FailAfterwards": 500}, "operation": "ChangeResourceRecordSets", "times": 1}"#,
    )
    .await;
    bench
        .change(&[create(a("www.example.org", "192.0.2.1"))])
        .await
        .unwrap_err();
    let log = call("GET", "log?since=1", "").await;
    assert_eq!((&log["mark"], &log["calls"][0]["applied"]), (&2.into(), &true.into()));
    assert_eq!(log["calls"][0]["edits"][0]["name"], "www.example.org.");
    let foreign = r#"[{"name": "x.example.org", "type": "TXT", "ttl": 60, "values": ["\"x\""]}]"#;
    call("POST", &format!("zones/{}", bench.zone), foreign).await;
    assert_eq!(
        call("GET", &format!("zones/{}", bench.zone), "")
            .await
            .as_array()
            .unwrap()
            .len(),
        4
    );
}
