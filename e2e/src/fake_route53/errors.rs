//! Error answers in the form that Route 53 gives them.
//!
//! What the service sends today, captured in <https://github.com/aws/aws-sdk-kotlin/pull/1435> (2024-10-07): an ordinary
//! `<ErrorResponse>` whose one `<Message>` holds all faults of the batch as `[first, second]`. In that form the SDK for Rust
//! leaves `InvalidChangeBatch::messages()` EMPTY and puts the text into `message()`. The `<InvalidChangeBatch><Messages>`
//! document of the older API reference is no longer sent, and this SDK cannot read it.

use serde::{Deserialize, Serialize};

use super::xml;

/// How faults of a batch are put on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorForm {
    /// As the service does today: one `<Message>[first, second]</Message>`.
    #[default]
    Today,
    /// As the API's model says: a `<messages>` list besides, which the SDK gives as `messages()`.
    Modelled,
    /// As the API reference showed until 2018: `<InvalidChangeBatch><Messages>…`, which SDKs report as an unknown error.
    Former,
}

/// A call that is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// HTTP status.
    pub status: u16,
    /// `Code` of the error.
    pub code: String,
    /// One for each fault; only `InvalidChangeBatch` has several.
    pub messages: Vec<String>,
}

impl ErrorResponse {
    /// An error with one message.
    pub fn new(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            code: code.to_owned(),
            messages: vec![message.to_owned()],
        }
    }

    /// `InvalidChangeBatch` with all its faults.
    pub fn batch(messages: Vec<String>) -> Self {
        Self {
            status: 400,
            code: "InvalidChangeBatch".to_owned(),
            messages,
        }
    }

    /// `NoSuchHostedZone`, wording from the live service as moto keeps it.
    pub fn no_zone(id: &str) -> Self {
        Self::new(404, "NoSuchHostedZone", &format!("No hosted zone found with ID: {id}"))
    }

    /// The message as one text: brackets around a batch's faults.
    pub fn message(&self) -> String {
        let joined = self.messages.join(", ");
        if self.code == "InvalidChangeBatch" {
            format!("[{joined}]")
        } else {
            joined
        }
    }

    /// The document to answer.
    pub fn document(&self, form: ErrorForm, request_id: &str) -> String {
        let mut listed = String::new();
        self.messages
            .iter()
            .for_each(|message| xml::leaf(&mut listed, "Message", message));
        if self.code == "InvalidChangeBatch" && form == ErrorForm::Former {
            return xml::document("InvalidChangeBatch", &format!("<Messages>{listed}</Messages>"));
        }
        let mut error = String::from("<Error><Type>Sender</Type>");
        xml::leaf(&mut error, "Code", &self.code);
        xml::leaf(&mut error, "Message", &self.message());
        if self.code == "InvalidChangeBatch" && form == ErrorForm::Modelled {
            error.extend(["<messages>", &listed, "</messages>"]);
        }
        error.push_str("</Error>");
        xml::leaf(&mut error, "RequestId", request_id);
        xml::document("ErrorResponse", &error)
    }
}
