//! Answers of the fake.

use std::convert::Infallible;
use std::io;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// A body that may break or never end.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// A document with its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// For the log.
    pub(super) code: Option<String>,
}

/// An answer, or an error as one.
pub(super) type Outcome = Result<Answer, Answer>;

impl Answer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8".to_owned(),
            headers: Vec::new(),
            body: value.to_string().into(),
            code: None,
        }
    }

    /// 204, without a body.
    pub(super) fn nothing() -> Self {
        Self {
            status: 204,
            content_type: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            code: None,
        }
    }

    /// An error of a vault: <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes>.
    pub(super) fn error(status: u16, code: &str, message: &str, inner: Option<&str>) -> Self {
        let mut error = json!({ "code": code, "message": message });
        if let Some(inner) = inner {
            error["innererror"] = json!({ "code": inner });
        }
        let mut answer = Self::json(status, &json!({ "error": error }));
        answer.code = Some(inner.unwrap_or(code).to_owned());
        answer
    }

    pub(super) fn bad_parameter(message: &str) -> Self {
        Self::error(400, "BadParameter", message, None)
    }

    #[must_use]
    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The head of the response, with a length unless the body's length is not to be told.
    pub(super) fn head(&self, told_length: Option<usize>) -> http::response::Builder {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut builder = Response::builder().status(status);
        if !self.content_type.is_empty() {
            builder = builder.header("content-type", &self.content_type);
        }
        if let Some(length) = told_length {
            builder = builder.header("content-length", HeaderValue::from(length));
        }
        for (name, value) in &self.headers {
            // What is no header is left out: faults come from outside.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                builder = builder.header(name, value);
            }
        }
        builder
    }

    pub(super) fn body(&self) -> Body {
        Full::new(self.body.clone())
            .map_err(|never: Infallible| match never {})
            .boxed()
    }
}
