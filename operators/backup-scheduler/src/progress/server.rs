//! Takes the posts of movers. They come from all namespaces with movers, so nothing is answered but a status.
use std::sync::Arc;
use std::time::Duration;

use hearth_reconciler::admin_server::listen;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Post, Posts};

/// Where posts go.
pub const PATH: &str = "/progress";
/// How long the body of a post may take.
const LONGEST: Duration = Duration::from_secs(5);
/// The largest body, in bytes.
const LARGEST: usize = 4 * 1024;

/// Serves until the process ends. `told` gets the UID of the run of each post that was kept.
pub async fn serve(listener: TcpListener, posts: Arc<Posts>, told: impl Fn(&str) + Clone + Send + Sync + 'static) {
    listen(listener, move |request| {
        let (posts, told) = (Arc::clone(&posts), told.clone());
        async move {
            // A mover that sends slowly holds a connection.
            let taken = timeout(LONGEST, take(request, &posts)).await;
            let status = match taken.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT)) {
                Ok(run) => {
                    told(&run);
                    StatusCode::NO_CONTENT
                }
                Err(status) => status,
            };
            Response::builder().status(status).body(String::new())
        }
    })
    .await;
}

/// Takes one post; the UID of its run.
async fn take<B>(request: Request<B>, posts: &Posts) -> Result<String, StatusCode>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() != PATH {
        return Err(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes();
    let post: Post = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    if posts.accept(&token, &post, Timestamp::now()) {
        Ok(post.run)
    } else {
        Err(StatusCode::UNAUTHORIZED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, token: Option<&str>, body: String) -> Request<String> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(body).unwrap()
    }

    #[tokio::test]
    async fn only_a_post_of_a_mover_is_taken() {
        let posts = Posts::new().unwrap();
        let post = Post::new("u", "data", 1, &crate::engine::messages::Progress::default());
        let (body, token) = (serde_json::to_string(&post).unwrap(), posts.token("u", "data", 1));
        let ask = async |method, path, token, body: &str| {
            take(request(method, path, token, body.to_owned()), &posts)
                .await
                .map_err(|status| status.as_u16())
        };
        let right = Some(token.as_str());
        assert_eq!(ask("POST", PATH, right, &body).await, Ok("u".to_owned()));
        assert_eq!(ask("GET", PATH, right, &body).await, Err(405));
        assert_eq!(ask("POST", "/metrics", right, &body).await, Err(404));
        assert_eq!(ask("POST", PATH, None, &body).await, Err(401));
        assert_eq!(ask("POST", PATH, Some("00"), &body).await, Err(401));
        assert_eq!(ask("POST", PATH, right, "{}").await, Err(400));
        assert_eq!(ask("POST", PATH, right, &"x".repeat(LARGEST + 1)).await, Err(413));
    }
}
