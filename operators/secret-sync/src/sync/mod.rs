//! What a SecretSync asks for and what is to be done about it. All of it is pure: times and observed state come in as values.
pub mod certificate;
pub mod config;
pub mod orphans;
pub mod plan;
pub mod schedule;
pub mod secret;
pub mod values;

use std::borrow::Cow;

use crate::provider::Failure;

/// Why a SecretSync cannot have its Secret written now: a reason for conditions, and a message for users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One word in `PascalCase`.
    pub reason: &'static str,
    /// What is wrong, with the field's path, and what to do.
    pub message: Cow<'static, str>,
}

impl Problem {
    /// A problem.
    pub fn new(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl From<&Failure> for Problem {
    fn from(failure: &Failure) -> Self {
        Self::new(failure.reason.as_str(), failure.message.clone())
    }
}
