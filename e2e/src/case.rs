//! One end-to-end case, and what it needs for itself while others run on the same cluster.
use std::future::Future;
use std::pin::Pin;

use anyhow::Result;

use crate::environment::Environment;
use crate::install::Installation;

/// A future that stays on the task of the runner.
pub(crate) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Runs a case in its environment.
pub(crate) type Run<E> = for<'a> fn(&'a E) -> LocalFuture<'a, ()>;

/// Something of the cluster that a case needs for itself. Whatever is not named here is shared with other cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exclusive {
    /// The operator's process or Deployment: the case kills, scales, upgrades or uninstalls it.
    Operator,
    /// The API server: the case stops it, or stops it from answering.
    ApiServer,
    /// A machine: the case switches it off, or changes its Node.
    Machine(&'static str),
}

/// One case.
pub(crate) struct Case<E> {
    pub(crate) name: &'static str,
    /// Needs a cluster whose parts can be stopped.
    pub(crate) local: bool,
    pub(crate) exclusive: &'static [Exclusive],
    /// Why it takes longer than a minute.
    pub(crate) slow: Option<&'static str>,
    pub(crate) run: Run<E>,
}

impl<E> Case<E> {
    /// A case that works on objects of its own only, on any cluster.
    pub(crate) fn new(name: &'static str, run: Run<E>) -> Self {
        Self {
            name,
            local: false,
            exclusive: &[],
            slow: None,
            run,
        }
    }

    /// It needs a cluster whose parts can be stopped.
    pub(crate) fn local(self) -> Self {
        Self { local: true, ..self }
    }

    /// It needs these for itself.
    pub(crate) fn exclusive(self, exclusive: &'static [Exclusive]) -> Self {
        Self { exclusive, ..self }
    }

    /// It takes longer than a minute, for this reason.
    pub(crate) fn slow(self, reason: &'static str) -> Self {
        Self {
            slow: Some(reason),
            ..self
        }
    }

    /// Whether both can run at the same time. Every case uses the operator and the API server.
    pub(crate) fn runs_beside(&self, other: &Self) -> bool {
        let shares = |need: &Exclusive| matches!(need, Exclusive::Machine(_)) && !other.exclusive.contains(need);
        self.exclusive.iter().all(shares) && !other.runs_alone()
    }

    fn runs_alone(&self) -> bool {
        let is_machine = |need: &Exclusive| matches!(need, Exclusive::Machine(_));
        !self.exclusive.iter().all(is_machine)
    }
}

/// The environment that the cases of an operator share.
pub(crate) trait TestEnv: Sized {
    /// Installs the operator, and removes what an earlier run has left.
    async fn setup(environment: Environment) -> Result<Self>;
    /// Removes what a case has left that would reach the next one. Not called while other cases run, unless they need nothing
    /// for themselves.
    async fn cleanup(&self) -> Result<()>;
    /// The operator whose log is shown after a failure.
    fn operator(&self) -> &Installation;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(exclusive: &'static [Exclusive]) -> Case<()> {
        Case::new("a", |()| Box::pin(async { Ok(()) })).exclusive(exclusive)
    }

    #[test]
    fn cases_with_disjoint_needs_run_at_the_same_time() {
        let (none, other) = (case(&[]), case(&[]));
        let (one, two) = (case(&[Exclusive::Machine("a")]), case(&[Exclusive::Machine("b")]));
        let both = case(&[Exclusive::Machine("b"), Exclusive::Machine("a")]);
        assert!(none.runs_beside(&other) && none.runs_beside(&one) && one.runs_beside(&two));
        assert!(!both.runs_beside(&one) && !two.runs_beside(&both));
    }

    #[test]
    fn a_case_that_disturbs_the_operator_or_the_api_server_runs_alone() {
        for alone in [case(&[Exclusive::Operator]), case(&[Exclusive::ApiServer])] {
            assert!(!alone.runs_beside(&case(&[])) && !case(&[Exclusive::Machine("a")]).runs_beside(&alone));
        }
    }
}
