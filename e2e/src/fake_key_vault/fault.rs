//! Faults to inject: what goes wrong, on which calls, how often.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Body};
use super::entra;
use super::log::Kind;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// A vault refuses the call.
    Error {
        /// HTTP status.
        status: u16,
        /// `error.code`.
        code: String,
        /// `error.message`.
        message: String,
        /// `error.innererror.code`.
        #[serde(default)]
        inner: Option<String>,
        /// For example `Retry-After`.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Entra refuses the login with an `AADSTS` number.
    Login {
        /// HTTP status.
        status: u16,
        /// `error`, for example `invalid_client`.
        error: String,
        /// The number.
        number: u64,
        /// The words after it.
        words: String,
    },
    /// Any document.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Content-Type`.
        content_type: String,
        /// The body.
        body: String,
        /// More headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// The connection closes without an answer; nothing is done.
    Disconnect,
    /// The call waits so many milliseconds, then goes on (other faults included).
    DelayMs(u64),
    /// The answer comes byte by byte, so many milliseconds apart.
    DripMs(u64),
    /// The connection breaks in the middle of the answer's body.
    CutAnswer,
    /// 200 and so many random bytes, said to be JSON.
    Garbage(usize),
    /// 200 and JSON that never ends.
    Endless,
    /// 200 and arrays inside arrays, so many.
    Nested(usize),
}

impl Fault {
    /// An error of a vault without an inner code.
    pub fn status(status: u16) -> Self {
        let (code, message) = match status {
            429 => (
                "Throttled",
                "Request was not processed because too many requests were received.",
            ),
            503 => ("ServiceUnavailable", "The service is unavailable."),
            _ => ("InternalServerError", "An internal error occurred."),
        };
        Self::Error {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
            inner: None,
            headers: BTreeMap::new(),
        }
    }

    /// 429 with `Retry-After`.
    pub fn throttled(retry_after: &str) -> Self {
        let mut fault = Self::status(429);
        if let Self::Error { headers, .. } = &mut fault {
            headers.insert("Retry-After".to_owned(), retry_after.to_owned());
        }
        fault
    }

    /// 403 with an inner code.
    pub fn forbidden(inner: &str, message: &str) -> Self {
        Self::Error {
            status: 403,
            code: "Forbidden".to_owned(),
            message: message.to_owned(),
            inner: Some(inner.to_owned()),
            headers: BTreeMap::new(),
        }
    }

    /// What a vault says to an address that is not in its list.
    pub fn firewall(address: &str) -> Self {
        let message = format!(
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: {address}\r\nCaller: \
             appid=00000000-0000-0000-0000-000000000003\r\nVault: home;location=westeurope"
        );
        Self::forbidden("ForbiddenByFirewall", &message)
    }

    /// An HTML page, as a proxy or a router sends it.
    pub fn html(status: u16) -> Self {
        Self::Answer {
            status,
            content_type: "text/html".to_owned(),
            body: "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>".to_owned(),
            headers: BTreeMap::new(),
        }
    }

    /// 302 to another place.
    pub fn redirect(location: &str) -> Self {
        Self::Answer {
            status: 302,
            content_type: "text/plain".to_owned(),
            body: String::new(),
            headers: BTreeMap::from([("Location".to_owned(), location.to_owned())]),
        }
    }

    /// A refused login.
    pub fn login(number: u64) -> Self {
        Self::Login {
            status: 401,
            error: "invalid_client".to_owned(),
            number,
            words: "The login was refused.".to_owned(),
        }
    }

    /// The answer with which the call ends before anything is done.
    pub(super) fn answer(&self) -> Option<Answer> {
        match self {
            Self::Error {
                status,
                code,
                message,
                inner,
                headers,
            } => {
                let mut answer = Answer::error(*status, code, message, inner.as_deref());
                answer.headers.extend(headers.clone());
                Some(answer)
            }
            Self::Login {
                status,
                error,
                number,
                words,
            } => Some(entra::refused(*status, error, *number, words)),
            Self::Answer {
                status,
                content_type,
                body,
                headers,
            } => Some(Answer {
                status: *status,
                content_type: content_type.clone(),
                headers: headers.clone().into_iter().collect(),
                body: body.clone().into(),
                code: None,
            }),
            Self::Garbage(length) => {
                let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(*length).collect();
                Some(ok(bytes.into()))
            }
            Self::Nested(depth) => Some(ok("[".repeat(*depth).into())),
            Self::Endless => Some(ok(Bytes::new())),
            Self::Disconnect | Self::DelayMs(_) | Self::DripMs(_) | Self::CutAnswer => None,
        }
    }

    /// The answer as a response that suffers from the fault.
    pub(super) fn response(&self, answer: &Answer) -> Option<http::Result<Response<Body>>> {
        let length = answer.body.len();
        match self {
            Self::CutAnswer => {
                let half = Ok(Frame::data(answer.body.slice(..length / 2)));
                let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
                let body = BodyExt::boxed(StreamBody::new(stream::iter([half, broken])));
                Some(answer.head(Some(length)).body(body))
            }
            Self::DripMs(pause) => {
                let (bytes, pause) = (answer.body.clone(), Duration::from_millis(*pause));
                let drops = stream::iter(bytes).then(move |byte| async move {
                    tokio::time::sleep(pause).await;
                    Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(&[byte])))
                });
                let body = BodyExt::boxed(StreamBody::new(drops).map_err(|never| match never {}));
                Some(answer.head(Some(length)).body(body))
            }
            Self::Endless => {
                let filler = Bytes::from("\"x\",".repeat(4096));
                let start = stream::iter([Bytes::from_static(b"{\"value\":[")]);
                let frames = start
                    .chain(stream::repeat(filler))
                    .map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
                let body = BodyExt::boxed(StreamBody::new(frames).map_err(|never| match never {}));
                Some(answer.head(None).body(body))
            }
            _ => None,
        }
    }
}

fn ok(body: Bytes) -> Answer {
    Answer {
        status: 200,
        content_type: "application/json; charset=utf-8".to_owned(),
        headers: Vec::new(),
        body,
        code: None,
    }
}

/// A fault and the calls that it hits: those that fit all conditions. Calls to a vault are hit when they have a valid token,
/// unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// Only these calls.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Only calls for this secret or certificate; for tokens: this application.
    #[serde(default)]
    pub name: Option<String>,
    /// Also calls to a vault without a valid token, which would be answered with a challenge.
    #[serde(default)]
    pub before_login: bool,
    /// Only the next so many of them.
    #[serde(default)]
    pub times: Option<u32>,
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            kind: None,
            name: None,
            before_login: false,
            times: None,
        }
    }
}

impl Rule {
    /// A fault that hits calls of a kind.
    pub fn on(kind: Kind, fault: Fault) -> Self {
        Self {
            kind: Some(kind),
            ..fault.into()
        }
    }

    /// Only the next so many calls.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Only this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..self
        }
    }

    /// Also before the login.
    #[must_use]
    pub fn before_login(self) -> Self {
        Self {
            before_login: true,
            ..self
        }
    }

    pub(super) fn hits(&self, kind: Kind, name: Option<&str>, may_act: bool) -> bool {
        self.times != Some(0)
            && (may_act || self.before_login)
            && self.kind.is_none_or(|only| only == kind)
            && self
                .name
                .as_deref()
                .is_none_or(|only| name.is_some_and(|name| name.eq_ignore_ascii_case(only)))
    }
}
