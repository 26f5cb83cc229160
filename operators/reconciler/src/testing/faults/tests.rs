use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
    client::ClientBuilder,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use super::*;

/// A server that counts what reaches it, behind the faults.
fn server(faults: &Faults) -> (Api<ConfigMap>, Arc<Mutex<usize>>) {
    let reached: Arc<Mutex<usize>> = Arc::default();
    let count = Arc::clone(&reached);
    let service = tower::service_fn(move |_: Request<Body>| {
        *count.lock() += 1;
        std::future::ready(Ok::<_, BoxError>(response(
            200,
            &json!({ "metadata": { "name": "a" } }),
        )))
    });
    let client = ClientBuilder::new(service, "default").with_layer(faults).build();
    (Api::namespaced(client, "home"), reached)
}

async fn write(api: &Api<ConfigMap>) -> kube::Result<ConfigMap> {
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({}))).await
}

#[tokio::test]
async fn the_nth_write_fails_before_or_after_it_takes_effect() {
    for (fault, effects) in [(Fault::FailBefore, 2), (Fault::FailAfter, 3)] {
        let faults = Faults::default();
        let (api, reached) = server(&faults);
        faults.add(When::write(2), fault);
        let results = [
            write(&api).await.is_ok(),
            write(&api).await.is_ok(),
            write(&api).await.is_ok(),
        ];
        assert_eq!(results, [true, false, true], "{fault:?}");
        assert_eq!(
            (*reached.lock(), faults.writes().len()),
            (effects, effects),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn reads_do_not_count_as_writes_and_rules_can_be_narrowed_and_lifted() {
    let faults = Faults::default();
    let (api, _) = server(&faults);
    faults.add(When::write(1).to("/configmaps/other"), Fault::FailBefore);
    faults.add(When::method(Method::GET, 2).and_after(), Fault::FailBefore);
    assert!(api.get("a").await.is_ok() && write(&api).await.is_ok());
    assert!(api.get("a").await.is_err() && api.get("a").await.is_err());
    faults.clear();
    assert!(api.get("a").await.is_ok());
    assert_eq!(faults.writes(), ["PATCH /api/v1/namespaces/home/configmaps/a?"]);
}

#[tokio::test]
async fn refusals_are_proper_answers_and_reach_no_server() {
    let faults = Faults::default();
    let (api, reached) = server(&faults);
    for code in [409, 429, 500] {
        faults.add(When::write(1), Fault::Refuse(code));
        match write(&api).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, code),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(*reached.lock(), 0);
}

#[tokio::test(start_paused = true)]
async fn late_and_silent_answers_take_effect_all_the_same() {
    let faults = Faults::default();
    let (api, reached) = server(&faults);
    faults.add(When::write(1), Fault::Late(Duration::from_secs(7)));
    faults.add(When::write(2), Fault::Silent);
    let begin = Instant::now();
    assert!(write(&api).await.is_ok());
    assert_eq!(begin.elapsed().as_secs(), 7);
    assert!(
        tokio::time::timeout(Duration::from_hours(1), write(&api))
            .await
            .is_err()
    );
    assert_eq!(*reached.lock(), 2);
}
