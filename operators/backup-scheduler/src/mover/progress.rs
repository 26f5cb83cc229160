//! What a mover does about its progress: it tells the operator, and it ends restic when there is none for too long.
use std::convert::Infallible;
use std::time::Duration;

use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::engine::messages::Progress;
use crate::progress::Post;
use crate::task::{PostTo, Reason, Report};

/// Between two posts.
const EACH: Duration = Duration::from_secs(30);
/// Before the first one: most movers have ended by then.
const FIRST: Duration = Duration::from_secs(5);
/// Between two looks whether restic has begun.
const BEGIN: Duration = Duration::from_secs(1);
/// A post that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(5);
/// Without any progress for so long, restic is ended. It tries a server that is away again for 15 minutes.
const STUCK: Duration = Duration::from_mins(30);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(30);

/// The progress of a mover.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Progress>,
    /// When bytes or files last changed; none before restic has begun.
    changed: Option<Instant>,
    is_stuck: bool,
}

impl Seen {
    /// Takes what restic says, about once a second.
    pub(super) fn note(&self, progress: &Progress) {
        let mut state = self.0.lock();
        let amounts = |one: &Progress| (one.bytes_done, one.files_done, one.total_bytes, one.total_files);
        if state.last.as_ref().map(amounts) != Some(amounts(progress)) {
            state.changed = Some(Instant::now());
        }
        state.last = Some(*progress);
    }

    /// Cancels when there is no progress. Never ends.
    pub(super) async fn watch(&self, cancel: &CancellationToken) -> Infallible {
        loop {
            sleep(LOOK).await;
            let mut state = self.0.lock();
            if !state.is_stuck && state.changed.is_some_and(|changed| changed.elapsed() >= STUCK) {
                warn!("no progress for {STUCK:?}: restic is ended");
                state.is_stuck = true;
                cancel.cancel();
            }
        }
    }

    /// Posts the progress, until the operator refuses a post. Never ends.
    pub(super) async fn post(&self, to: Option<&PostTo>) -> Infallible {
        if let Some(to) = to {
            sleep(FIRST).await;
            loop {
                let last = self.0.lock().last;
                let Some(progress) = last else {
                    sleep(BEGIN).await;
                    continue;
                };
                if !send(to, &progress).await {
                    break;
                }
                sleep(EACH).await;
            }
        }
        std::future::pending().await
    }

    /// The report, but for a mover that was ended since there was no progress.
    pub(super) fn judge(&self, report: Report) -> Report {
        let state = self.0.lock();
        if !state.is_stuck || report.reason != Reason::Cancelled {
            return report;
        }
        let minutes = STUCK.as_secs() / 60;
        let text = format!(
            "restic made no progress for {minutes} minutes and was ended; look at the volume and at the server"
        );
        Report {
            not_good: report.not_good,
            ..Report::failed(Reason::Stuck, text)
        }
    }
}

/// Posts it; false if the operator refuses this mover.
async fn send(to: &PostTo, progress: &Progress) -> bool {
    let post = Post::new(&to.run, &to.claim, to.attempt, progress);
    let Ok(body) = serde_json::to_vec(&post) else {
        return false;
    };
    let request = Request::post(&to.url)
        .header(AUTHORIZATION, format!("Bearer {}", to.token))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)));
    let Ok(request) = request else { return false };
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    match timeout(LONGEST, client.request(request)).await {
        Ok(Ok(answer)) => !answer.status().is_client_error(),
        // It may be restarting.
        failed => {
            debug!(?failed, "the progress was not posted");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(bytes: u64, seconds: u64) -> Progress {
        Progress {
            bytes_done: bytes,
            total_bytes: 100,
            seconds_elapsed: seconds,
            ..Progress::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn restic_is_ended_after_half_an_hour_without_progress() {
        let (seen, cancel) = (Seen::default(), CancellationToken::new());
        let begin = Instant::now();
        let work = async {
            for minute in 0..20 {
                seen.note(&progress(minute, minute * 60));
                sleep(Duration::from_mins(1)).await;
            }
            for second in 0.. {
                // The clock alone is no progress.
                seen.note(&progress(19, 1200 + second));
                sleep(Duration::from_secs(1)).await;
                if cancel.is_cancelled() {
                    break;
                }
            }
        };
        tokio::select! {
            () = work => {}
            never = seen.watch(&cancel) => match never {},
        }
        let minutes = begin.elapsed().as_secs() / 60;
        assert!((49..=50).contains(&minutes), "{minutes}");
        let report = seen.judge(Report::failed(Reason::Cancelled, "it was told to end"));
        assert_eq!(report.reason, Reason::Stuck, "{report:?}");
        let done = Report::completed(None);
        assert_eq!(seen.judge(done.clone()), done);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mover_that_has_not_begun_to_read_is_not_stuck() {
        let (seen, cancel) = (Seen::default(), CancellationToken::new());
        let _ = timeout(Duration::from_hours(2), seen.watch(&cancel)).await;
        assert!(!cancel.is_cancelled());
        let report = Report::failed(Reason::Cancelled, "it was told to end");
        assert_eq!(seen.judge(report.clone()), report);
    }

    #[tokio::test]
    async fn a_post_reaches_the_operator_and_a_refused_one_is_the_last() {
        use crate::progress::{Posts, server};
        let posts = std::sync::Arc::new(Posts::new().unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), server::PATH);
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let told = move |run: &str| drop(told.send(run.to_owned()));
        tokio::spawn(server::serve(listener, std::sync::Arc::clone(&posts), told));
        let mut to = PostTo {
            url,
            token: posts.token("u", "data", 1),
            run: "u".to_owned(),
            claim: "data".to_owned(),
            attempt: 1,
        };
        assert!(send(&to, &progress(7, 1)).await);
        assert_eq!(heard.recv().await.as_deref(), Some("u"));
        assert_eq!(posts.of("u")["data"].bytes, 7);
        to.attempt = 2;
        assert!(!send(&to, &progress(8, 2)).await);
        // Nobody listens: it is no error.
        to.url = "http://127.0.0.1:1/progress".to_owned();
        assert!(send(&to, &progress(8, 2)).await);
    }
}
