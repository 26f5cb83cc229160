//! The calls.
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_NONE_MATCH, RANGE, TRANSFER_ENCODING};
use http::{HeaderName, Method, StatusCode};
use hyper::body::Bytes;

use super::endpoint::Settings;
use super::errors::{Action, ErrorBody, Failure, Reason, Refusal};
use super::list::{self, Object, Page};
use super::transport::{Answer, Call, Options, Transport, text};

/// Keys in a page of a list. With long keys it stays below the largest answer that is read.
const PAGE: u32 = 500;

/// What became of [`Client::put_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object was created.
    Yes,
    /// There was an object of this key already.
    Exists,
}

/// A client of one bucket.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// Fails with a sentence that names the field. It makes no call.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        Self::with_options(settings, Options::default())
    }

    /// [`Client::new`] with other limits.
    pub fn with_options(settings: &Settings, options: Options) -> Result<Self, String> {
        let transport = Transport::new(settings, options)?;
        Ok(Self { transport })
    }

    /// `s3.example.com:443`: what messages name.
    pub fn host_and_port(&self) -> String {
        self.transport.endpoint.host_and_port()
    }

    /// By how many seconds this machine's clock is ahead of the server's, by the last answer with a date.
    pub fn skew_seconds(&self) -> Option<i64> {
        self.transport.skew_seconds()
    }

    /// The object, at most 1 MiB. None: the server says that there is none of this key; an answer that says so without the words
    /// of S3 is a failure.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Failure> {
        let answer = self
            .transport
            .send(Call::of_object(Action::Get, Method::GET, key))
            .await?;
        match answer.status {
            StatusCode::OK => Ok(Some(self.whole(answer)?)),
            StatusCode::NOT_FOUND => self.absent(Action::Get, &answer).map(|()| None),
            _ => Err(self.refusal(Action::Get, &answer)),
        }
    }

    /// `length` bytes of the object from `offset` on, all of which it must have. None: there is no such object.
    pub async fn get_range(&self, key: &str, offset: u64, length: u64) -> Result<Option<Bytes>, Failure> {
        let last = offset.saturating_add(length).saturating_sub(1);
        let call = Call {
            header: Some((RANGE, format!("bytes={offset}-{last}"))),
            ..Call::of_object(Action::Get, Method::GET, key)
        };
        let answer = self.transport.send(call).await?;
        match answer.status {
            StatusCode::PARTIAL_CONTENT => {
                let range = text(&answer.headers, &CONTENT_RANGE).unwrap_or_default();
                let sent = range.starts_with(&format!("bytes {offset}-{last}/"));
                let body = self.whole(answer)?;
                if sent && body.len() as u64 == length {
                    return Ok(Some(body));
                }
                Err(self.transport.bad("another range than was asked for"))
            }
            StatusCode::OK => Err(Failure::new(
                Reason::NotImplemented,
                format!("{} ignores that only a range was asked for", self.host_and_port()),
            )),
            StatusCode::NOT_FOUND => self.absent(Action::Get, &answer).map(|()| None),
            _ => Err(self.refusal(Action::Get, &answer)),
        }
    }

    /// The size of the object in bytes. None: there is none, or the bucket is missing; an answer to HEAD does not tell these
    /// apart, so None proves nothing.
    pub async fn head(&self, key: &str) -> Result<Option<u64>, Failure> {
        let answer = self
            .transport
            .send(Call::of_object(Action::Get, Method::HEAD, key))
            .await?;
        match answer.status {
            StatusCode::OK => {
                let length = text(&answer.headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
                length
                    .map(Some)
                    .ok_or_else(|| self.transport.bad("no size of an object"))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refusal(Action::Get, &answer)),
        }
    }

    /// Writes the object, whether or not there is one.
    pub async fn put(&self, key: &str, body: impl Into<Bytes>) -> Result<(), Failure> {
        let call = Call {
            body: body.into(),
            ..Call::of_object(Action::Put, Method::PUT, key)
        };
        let answer = self.transport.send(call).await?;
        if answer.status.is_success() {
            return self.written(&answer);
        }
        Err(self.refusal(Action::Put, &answer))
    }

    /// Creates the object if there is none (`If-None-Match: *`). A server that ignores the condition overwrites it. After a
    /// failure the object may be there.
    pub async fn put_if_absent(&self, key: &str, body: impl Into<Bytes>) -> Result<Created, Failure> {
        let call = Call {
            header: Some((IF_NONE_MATCH, "*".to_owned())),
            body: body.into(),
            ..Call::of_object(Action::Put, Method::PUT, key)
        };
        let answer = self.transport.send(call).await?;
        match answer.status {
            StatusCode::PRECONDITION_FAILED => Ok(Created::Exists),
            status if status.is_success() => self.written(&answer).map(|()| Created::Yes),
            _ => Err(self.refusal(Action::Put, &answer)),
        }
    }

    /// Deletes the object. It is no failure if there is none.
    pub async fn delete(&self, key: &str) -> Result<(), Failure> {
        let answer = self
            .transport
            .send(Call::of_object(Action::Delete, Method::DELETE, key))
            .await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND => self.absent(Action::Delete, &answer),
            _ => Err(self.refusal(Action::Delete, &answer)),
        }
    }

    /// A page of the objects whose keys begin with `prefix`, in the order of keys: the first one, or the one after `token`.
    pub async fn list_page(&self, prefix: &str, token: Option<&str>) -> Result<Page, Failure> {
        let keys = PAGE.to_string();
        // The query of a signature is sorted; it is sent in the same order.
        let mut query = Vec::with_capacity(4);
        query.extend(token.map(|token| ("continuation-token", token)));
        query.extend([("list-type", "2"), ("max-keys", &keys), ("prefix", prefix)]);
        let call = Call {
            query: &query,
            ..Call::of_object(Action::List, Method::GET, "")
        };
        let answer = self.transport.send(call).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refusal(Action::List, &answer));
        }
        let body = self.whole(answer)?;
        list::parse(&body, prefix).map_err(|_| self.transport.bad("no list of objects"))
    }

    /// All objects whose keys begin with `prefix`, in the order of keys. More than `at_most` are a failure.
    pub async fn list(&self, prefix: &str, at_most: usize) -> Result<Vec<Object>, Failure> {
        let mut all: Vec<Object> = Vec::new();
        let mut token: Option<String> = None;
        // A page may be empty and not the last one, but a server that sends only such pages never ends.
        for _ in 0..=at_most / PAGE as usize + 10 {
            let page = self.list_page(prefix, token.as_deref()).await?;
            all.extend(page.objects);
            if all.len() > at_most {
                let message = format!("{} has more than {at_most} objects here", self.host_and_port());
                return Err(Failure::new(Reason::BadAnswer, message));
            }
            if page.next.is_none() {
                return Ok(all);
            }
            if page.next == token {
                break;
            }
            token = page.next;
        }
        Err(self.transport.bad("a list that does not end"))
    }

    /// Whether an answer with 404 says in the words of S3 that there is no such object.
    fn absent(&self, action: Action, answer: &Answer) -> Result<(), Failure> {
        if ErrorBody::parse(&answer.body).code == Some("NoSuchKey") {
            return Ok(());
        }
        Err(self.refusal(action, answer))
    }

    /// A body whose end is proven: a connection that ends early would make it shorter.
    fn whole(&self, answer: Answer) -> Result<Bytes, Failure> {
        if answer.headers.contains_key(CONTENT_LENGTH) || answer.headers.contains_key(TRANSFER_ENCODING) {
            return Ok(answer.body);
        }
        Err(self.transport.bad("no length of the body"))
    }

    /// A web page with status 200 is no proof that something was written.
    fn written(&self, answer: &Answer) -> Result<(), Failure> {
        if answer.body.is_empty() || answer.headers.contains_key(ETAG) {
            return Ok(());
        }
        Err(self.transport.bad("a body where S3 has none"))
    }

    fn refusal(&self, action: Action, answer: &Answer) -> Failure {
        let region_header = HeaderName::from_static("x-amz-bucket-region");
        Refusal {
            action,
            at: &self.host_and_port(),
            bucket: &self.transport.endpoint.bucket,
            region: &self.transport.endpoint.region,
            status: answer.status.as_u16(),
            region_header: text(&answer.headers, &region_header),
            body: &ErrorBody::parse(&answer.body),
            skew: self.skew_seconds(),
        }
        .failure()
    }
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
