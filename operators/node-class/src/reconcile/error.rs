use hearth_reconciler::error::{ReconcileError, Retry};

/// Why a write did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server's answer.
    #[error("{what}: {source}")]
    Kube {
        /// What was tried.
        what: &'static str,
        /// The answer.
        source: kube::Error,
    },
}

impl Error {
    /// Says what was tried.
    pub(super) fn kube(what: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kube { what, source }
    }
}

impl ReconcileError for Error {
    fn reason(&self) -> &'static str {
        let Self::Kube { source, .. } = self;
        source.reason()
    }

    fn retry(&self) -> Retry {
        let Self::Kube { source, .. } = self;
        source.retry()
    }
}
