//! A layer that makes a client's server bad: requests fail before or after they take effect, come late or are refused;
//! watches fall silent, skip events or tell old ones again. For a scripted server and for a real one:
//!
//! ```no_run
//! # use hearth_reconciler::testing::faults::{Fault, Faults, When};
//! # fn f(config: kube::Config) -> kube::Result<()> {
//! let faults = Faults::default();
//! let client = kube::client::ClientBuilder::try_from(config)?.with_layer(&faults).build();
//! faults.add(When::write(2), Fault::FailAfter); // the second write takes effect, and its answer is lost
//! # Ok(()) }
//! ```

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{Stream, StreamExt};
use http::{Method, Request, Response};
use http_body_util::{BodyDataStream, BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Bytes, Frame};
use kube::client::Body;
use parking_lot::Mutex;
use tower::{BoxError, Layer, Service};

use super::script::{refusal, response};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is not sent; the caller sees a lost connection.
    FailBefore,
    /// The request takes effect; the caller sees a lost connection.
    FailAfter,
    /// The request takes effect; the answer comes so much later.
    Late(Duration),
    /// The request takes effect; there is never an answer.
    Silent,
    /// The request is not sent; the server refuses with this code (409, 429, 500 …).
    Refuse(u16),
}

/// Which request: the `nth` (from 1, counted from when the rule was added) of those that fit.
#[derive(Debug, Clone)]
pub struct When {
    method: Option<Method>,
    part: String,
    writes: bool,
    nth: usize,
    each: bool,
}

impl When {
    /// The nth write: POST, PUT, PATCH or DELETE.
    pub fn write(nth: usize) -> Self {
        Self {
            method: None,
            part: String::new(),
            writes: true,
            nth,
            each: false,
        }
    }

    /// The nth request of this method.
    pub fn method(method: Method, nth: usize) -> Self {
        Self {
            method: Some(method),
            part: String::new(),
            writes: false,
            nth,
            each: false,
        }
    }

    /// Every request.
    pub fn always() -> Self {
        Self {
            method: None,
            part: String::new(),
            writes: false,
            nth: 1,
            each: true,
        }
    }

    /// Narrows to paths (with query) that contain this text.
    #[must_use]
    pub fn to(mut self, part: &str) -> Self {
        part.clone_into(&mut self.part);
        self
    }

    /// From the nth on, each one.
    #[must_use]
    pub fn and_after(mut self) -> Self {
        self.each = true;
        self
    }

    fn fits(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|m| m == method)
            && (!self.writes || is_write(method))
            && path.contains(&self.part)
    }
}

fn is_write(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method)
}

/// The layer, and the switchboard of its faults. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    rules: Vec<(When, Fault)>,
    sent: Vec<String>,
    holding: bool,
    watches: Vec<Weak<Mutex<Watch>>>,
}

/// How held-back watch events arrive after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// All, in order.
    All,
    /// For each object only the last: what came between is never observed.
    Latest,
}

impl Faults {
    /// From now on, this goes wrong.
    pub fn add(&self, when: When, fault: Fault) {
        self.0.lock().rules.push((when, fault));
    }

    /// Nothing goes wrong any more (held watches stay held).
    pub fn clear(&self) {
        self.0.lock().rules.clear();
    }

    /// The writes that reached the server, as `METHOD path?query`, oldest first.
    pub fn writes(&self) -> Vec<String> {
        self.0.lock().sent.clone()
    }

    /// Holds back the events of all watches, present and future.
    pub fn hold_watches(&self) {
        self.0.lock().holding = true;
        self.each_watch(|watch| watch.holding = true);
    }

    /// Lets the events go on.
    pub fn release_watches(&self, how: Release) {
        self.0.lock().holding = false;
        self.each_watch(|watch| {
            watch.holding = false;
            if how == Release::Latest {
                watch.keep_latest();
            }
        });
    }

    /// Sends the last `n` delivered events of each open watch again: the past comes back.
    pub fn replay_watches(&self, n: usize) {
        self.each_watch(|watch| {
            let skip = watch.delivered.len().saturating_sub(n);
            let again: Vec<Bytes> = watch.delivered.iter().skip(skip).cloned().collect();
            watch.queue.extend(again);
        });
    }

    /// Cuts all open watches, as a server that restarts.
    pub fn cut_watches(&self) {
        self.each_watch(|watch| watch.cut = true);
    }

    fn each_watch(&self, change: impl Fn(&mut Watch)) {
        let watches: Vec<_> = self.0.lock().watches.iter().filter_map(Weak::upgrade).collect();
        for watch in watches {
            let mut watch = watch.lock();
            change(&mut watch);
            if let Some(waker) = watch.waker.take() {
                waker.wake();
            }
        }
    }

    fn fault(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut hit = None;
        for (when, fault) in &mut self.0.lock().rules {
            if !when.fits(method, path) {
                continue;
            }
            if when.nth == 1 || (when.nth == 0 && when.each) {
                hit = hit.or(Some(*fault));
            }
            when.nth = when.nth.saturating_sub(1);
        }
        hit
    }

    fn watch(&self, body: Lines) -> Served {
        let mut board = self.0.lock();
        let watch = Arc::new(Mutex::new(Watch {
            holding: board.holding,
            ..Watch::default()
        }));
        board.watches.retain(|w| w.strong_count() > 0);
        board.watches.push(Arc::downgrade(&watch));
        BodyExt::boxed_unsync(StreamBody::new(
            WatchStream {
                lines: body,
                partial: Vec::new(),
                watch,
            }
            .map(|r| r.map(Frame::data)),
        ))
    }
}

type Served = UnsyncBoxBody<Bytes, BoxError>;
type Lines = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Faulty {
            inner,
            faults: self.clone(),
        }
    }
}

/// A service with faults.
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S, B> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Served>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request
            .uri()
            .path_and_query()
            .map_or_else(String::new, ToString::to_string);
        let fault = self.faults.fault(request.method(), &path);
        match fault {
            Some(Fault::FailBefore) => return Box::pin(async { Err("connection lost (fault)".into()) }),
            Some(Fault::Refuse(code)) => {
                let reason = match code {
                    409 => "Conflict",
                    429 => "TooManyRequests",
                    _ => "InternalError",
                };
                let refusal = response(code, &refusal(code, reason));
                return Box::pin(async move { Ok(refusal.map(|b| b.map_err(BoxError::from).boxed_unsync())) });
            }
            _ => {}
        }
        if is_write(request.method()) {
            self.faults.0.lock().sent.push(format!("{} {path}", request.method()));
        }
        let watch = path.contains("watch=true") || path.contains("watch=1");
        let (answer, faults) = (self.inner.call(request), self.faults.clone());
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            match fault {
                Some(Fault::FailAfter) => return Err("connection lost (fault)".into()),
                Some(Fault::Silent) => std::future::pending().await,
                Some(Fault::Late(time)) => tokio::time::sleep(time).await,
                _ => {}
            }
            Ok(answer.map(|body| {
                let body = body.map_err(Into::into);
                if watch {
                    faults.watch(Box::pin(BodyDataStream::new(body)))
                } else {
                    body.boxed_unsync()
                }
            }))
        })
    }
}

/// One open watch.
#[derive(Debug, Default)]
struct Watch {
    holding: bool,
    cut: bool,
    queue: VecDeque<Bytes>,
    delivered: VecDeque<Bytes>,
    waker: Option<Waker>,
}

impl Watch {
    /// Enough for any test to replay.
    const REMEMBERED: usize = 1000;

    fn keep_latest(&mut self) {
        let name = |line: &Bytes| {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
            let meta = &event["object"]["metadata"];
            (meta["namespace"].to_string(), meta["name"].to_string())
        };
        let names: Vec<_> = self.queue.iter().map(name).collect();
        let latest = |at: &usize| names.iter().rposition(|n| Some(n) == names.get(*at)) == Some(*at);
        self.queue = (0..names.len())
            .filter(latest)
            .filter_map(|at| self.queue.get(at).cloned())
            .collect();
    }
}

/// The lines of a watch, through its [`Watch`].
struct WatchStream {
    lines: Lines,
    partial: Vec<u8>,
    watch: Arc<Mutex<Watch>>,
}

impl Stream for WatchStream {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let mut watch = this.watch.lock();
            watch.waker = Some(cx.waker().clone());
            if watch.cut {
                return Poll::Ready(None);
            }
            if !watch.holding
                && let Some(line) = watch.queue.pop_front()
            {
                if watch.delivered.len() >= Watch::REMEMBERED {
                    watch.delivered.pop_front();
                }
                watch.delivered.push_back(line.clone());
                return Poll::Ready(Some(Ok(line)));
            }
            match std::task::ready!(this.lines.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => {
                    this.partial.extend_from_slice(&bytes);
                    while let Some(end) = this.partial.iter().position(|b| *b == b'\n') {
                        let line: Vec<u8> = this.partial.drain(..=end).collect();
                        watch.queue.push_back(line.into());
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if watch.holding && !watch.queue.is_empty() => return Poll::Pending,
                None if watch.queue.is_empty() => return Poll::Ready(None),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
