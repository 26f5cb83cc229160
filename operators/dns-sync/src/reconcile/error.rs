//! What can go wrong in a reconcile apart from what the status says.
use hearth_reconciler::error::{ReconcileError, Retry};

/// Only the API server can fail a reconcile; everything about providers is state.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The status could not be written.
    #[error("failed to write the status: {0}")]
    Status(#[source] kube::Error),
}

impl ReconcileError for Error {
    fn reason(&self) -> &'static str {
        let Self::Status(error) = self;
        error.reason()
    }

    fn retry(&self) -> Retry {
        let Self::Status(error) = self;
        error.retry()
    }
}
