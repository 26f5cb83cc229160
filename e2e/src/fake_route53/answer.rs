//! Answers of the fake.

use std::convert::Infallible;
use std::io;

use futures::stream;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame};

/// A body that may break.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// An XML document with its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Bytes,
    /// For `Location`.
    pub(super) location: Option<HeaderValue>,
}

impl Answer {
    pub(super) fn xml(status: u16, document: String) -> Self {
        Self {
            status,
            kind: "text/xml",
            body: document.into(),
            location: None,
        }
    }

    pub(super) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self {
            status,
            kind: "application/json",
            body: value.to_string().into(),
            location: None,
        }
    }

    /// As a response; when `cut`, half of the body comes and then the connection breaks.
    pub(super) fn into_response(self, request_id: &str, cut: bool) -> Response<Body> {
        let length = self.body.len();
        let body = if cut {
            let half = Ok(Frame::data(self.body.slice(..length / 2)));
            let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
            BodyExt::boxed(StreamBody::new(stream::iter([half, broken])))
        } else {
            Full::new(self.body).map_err(|never: Infallible| match never {}).boxed()
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(self.kind));
        headers.insert("content-length", HeaderValue::from(length));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amzn-requestid", id);
        }
        if let Some(location) = self.location {
            headers.insert("location", location);
        }
        response
    }
}
