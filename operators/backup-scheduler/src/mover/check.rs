//! Checks a repository.
use super::Mover;
use crate::task::{Check, Reason, Report};

/// Checks a repository.
pub async fn check(_mover: &Mover<'_>, _task: &Check) -> Report {
    Report::failed(Reason::Internal, "not built yet")
}
