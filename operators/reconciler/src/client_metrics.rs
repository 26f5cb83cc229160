//! The layer around the Kubernetes client: counts requests, and gives up on a server that does not begin to answer.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Method, Request, Response, uri::Authority};
use tower::{BoxError, Layer, Service, layer::layer_fn, timeout::Timeout};

use crate::{health::Check, metrics::Metrics};

/// How long the API server may take to begin its answer, the client's own retries included. The default client has no
/// such limit, and would hang for as long as a stalled server keeps the connection open.
const BEGIN_TO_ANSWER: Duration = Duration::from_mins(1);

/// Adds counting and the limit to a client's service. The first answer passes the gate. The host is taken from the
/// configuration: requests carry paths only at this point.
pub(crate) fn watched<S>(
    metrics: Metrics,
    cluster: &http::Uri,
    gate: Arc<Check>,
) -> impl Layer<S, Service = Watched<S>> + use<S> {
    let host = cluster.authority().map_or("", Authority::as_str).to_owned();
    metrics.host(&host);
    let count: Count = Arc::new(move |method, code| {
        metrics.requests(method.as_str(), &host, code).inc();
        if code.is_some() {
            gate.pass();
        }
    });
    layer_fn(move |inner| Watched {
        inner: Timeout::new(inner, BEGIN_TO_ANSWER),
        count: Arc::clone(&count),
    })
}

/// Takes the method of a request that ended and the status of its answer, if there was one.
type Count = Arc<dyn Fn(&Method, Option<u16>) + Send + Sync>;

pub(crate) struct Watched<S> {
    inner: Timeout<S>,
    count: Count,
}

impl<S, A, B> Service<Request<A>> for Watched<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (method, count) = (request.method().clone(), Arc::clone(&self.count));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = answer.await;
            count(&method, result.as_ref().ok().map(|answer| answer.status().as_u16()));
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Health;

    #[tokio::test(start_paused = true)]
    async fn answers_errors_and_silence_are_counted_silence_ends_and_the_first_answer_passes_the_gate() {
        let (metrics, health) = (Metrics::new("x"), Health::default());
        let layer = watched(
            metrics.clone(),
            &"https://10.0.0.1:6443/".parse().unwrap(),
            health.gate("answer"),
        );
        let mut service = layer.layer(tower::service_fn(|request: Request<()>| async move {
            match request.uri().path() {
                "/gone" => Ok(Response::builder().status(404).body(()).unwrap()),
                "/silent" => std::future::pending().await,
                _ => Err(BoxError::from("refused")),
            }
        }));
        let get = |path: &str| Request::get(path).body(()).unwrap();
        assert!(service.call(get("/refused")).await.is_err());
        assert_eq!(health.missing(), ["answer"]);
        assert_eq!(service.call(get("/gone")).await.unwrap().status(), 404);
        assert!(health.missing().is_empty());
        let begin = tokio::time::Instant::now();
        let error = service.call(get("/silent")).await.unwrap_err();
        assert_eq!(
            (begin.elapsed().as_secs(), error.to_string().as_str()),
            (60, "request timed out")
        );
        let text = metrics.text();
        for line in [
            r#"{code="404",method="GET",host="10.0.0.1:6443"} 1"#,
            r#"{code="<error>",method="GET",host="10.0.0.1:6443"} 2"#,
        ] {
            assert!(text.contains(&format!("rest_client_requests_total{line}")), "{text}");
        }
    }
}
