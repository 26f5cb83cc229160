//! The layer around the Kubernetes client: counts requests, and gives up on a server that does not begin to answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tower::{BoxError, Layer, Service};

use crate::metrics::Metrics;

/// How long the API server may take to begin its answer, the client's own retries included. The default client has no
/// such limit, and would hang for as long as a stalled server keeps the connection open.
const BEGIN_TO_ANSWER: Duration = Duration::from_mins(1);

/// Adds counting and the limit to a client's service.
#[derive(Clone, Debug)]
pub(crate) struct RequestLayer {
    metrics: Metrics,
    /// From the configuration: requests carry paths only at this point.
    host: Arc<str>,
}

impl RequestLayer {
    pub(crate) fn new(metrics: Metrics, cluster: &http::Uri) -> Self {
        let host = cluster.authority().map_or("", http::uri::Authority::as_str);
        metrics.host(host);
        Self {
            metrics,
            host: host.into(),
        }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService {
            inner,
            layer: self.clone(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct RequestService<S> {
    inner: S,
    layer: RequestLayer,
}

impl<S, A, B> Service<Request<A>> for RequestService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let RequestLayer { metrics, host } = self.layer.clone();
        let method = request.method().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = match tokio::time::timeout(BEGIN_TO_ANSWER, answer).await {
                Ok(result) => result.map_err(Into::into),
                Err(_) => Err(format!("no answer within {BEGIN_TO_ANSWER:?}").into()),
            };
            metrics.requested(
                method.as_str(),
                &host,
                result.as_ref().ok().map(|r| r.status().as_u16()),
            );
            result
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_errors_and_silence_are_counted_and_silence_ends() {
        let metrics = Metrics::new("x");
        let layer = RequestLayer::new(metrics.clone(), &"https://10.0.0.1:6443/".parse().unwrap());
        let mut service = layer.layer(tower::service_fn(|request: Request<()>| async move {
            match request.uri().path() {
                "/gone" => Ok(Response::builder().status(404).body(()).unwrap()),
                "/silent" => std::future::pending().await,
                _ => Err(BoxError::from("refused")),
            }
        }));
        let get = |path: &str| Request::get(path).body(()).unwrap();
        assert_eq!(service.call(get("/gone")).await.unwrap().status(), 404);
        assert!(service.call(get("/refused")).await.is_err());
        assert!(
            service
                .call(get("/silent"))
                .await
                .unwrap_err()
                .to_string()
                .contains("60s")
        );
        let text = metrics.text().unwrap();
        for line in [
            r#"{code="404",method="GET",host="10.0.0.1:6443"} 1"#,
            r#"{code="<error>",method="GET",host="10.0.0.1:6443"} 2"#,
        ] {
            assert!(text.contains(&format!("rest_client_requests_total{line}")), "{text}");
        }
    }
}
