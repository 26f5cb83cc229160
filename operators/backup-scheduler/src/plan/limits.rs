//! How many movers are at work at the same time, and whose turn it is. Restores are counted and never held up.
use jiff::Timestamp;

/// So many movers of backups are at work on a node.
const PER_NODE: usize = 1;
/// So many are at work in a repository, if it does not say otherwise.
pub const PER_REPOSITORY: usize = 2;

/// A mover that is at work, as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActiveMover {
    /// The UID of its run.
    pub run: String,
    /// The node that its volume binds it to.
    pub node: Option<String>,
    /// The repository.
    pub repository: Option<String>,
}

/// A mover that a run wants to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The UID of the run.
    pub run: String,
    /// The claim.
    pub claim: String,
    /// The node that its volume binds it to.
    pub node: Option<String>,
    /// The repository.
    pub repository: String,
    /// So many movers may be at work in the repository.
    pub per_repository: usize,
    /// When the newest good backup of the claim began.
    pub last_success: Option<Timestamp>,
    /// When the run was created.
    pub created: Timestamp,
}

impl Demand {
    /// Who goes first: the oldest last success, and what never succeeded before all others.
    fn rank(&self) -> (Option<Timestamp>, Timestamp, &str, &str) {
        (self.last_success, self.created, &self.run, &self.claim)
    }
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// So many movers may be at work in the cluster.
    pub cluster: usize,
    /// Those that are.
    pub movers: Vec<ActiveMover>,
    /// What other runs want to start.
    pub waiting: Vec<Demand>,
    /// Runs that began at the same time may not have said yet what they want.
    pub unsettled: bool,
}

impl Limits {
    /// Whether a mover may start now; else why not.
    ///
    /// Movers of the same run do not count: it has one at a time, and the Job of an attempt that has ended is there until the next
    /// one is recorded.
    pub fn admit(&self, demand: &Demand) -> Result<(), String> {
        let mut movers = self.movers.clone();
        movers.retain(|mover| mover.run != demand.run);
        if let Some(why) = obstacle(self.cluster, &movers, demand) {
            return Err(why);
        }
        if self.unsettled {
            return Err(
                "other runs begin at the same time; it is found out whose last success is the oldest".to_owned(),
            );
        }
        let mut before: Vec<&Demand> = self.waiting.iter().filter(|other| other.run != demand.run).collect();
        before.retain(|other| other.rank() < demand.rank());
        before.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let mut served = Vec::new();
        for other in before {
            // A run has one mover at a time.
            if !served.contains(&&other.run) && obstacle(self.cluster, &movers, other).is_none() {
                served.push(&other.run);
                movers.push(ActiveMover {
                    run: other.run.clone(),
                    node: other.node.clone(),
                    repository: Some(other.repository.clone()),
                });
            }
        }
        match obstacle(self.cluster, &movers, demand) {
            None => Ok(()),
            Some(why) => Err(format!("{why}; runs whose last success is older go first")),
        }
    }
}

fn obstacle(cluster: usize, movers: &[ActiveMover], demand: &Demand) -> Option<String> {
    if let Some(node) = &demand.node {
        let there = movers.iter().filter(|mover| mover.node.as_ref() == Some(node)).count();
        if there >= PER_NODE {
            return Some(format!("a mover is at work on node {node}; it begins after that one"));
        }
    }
    let same = |mover: &&ActiveMover| mover.repository.as_ref() == Some(&demand.repository);
    let there = movers.iter().filter(same).count();
    if there >= demand.per_repository {
        return Some(format!(
            "{there} movers are at work in BackupRepository {}, which is its spec.limits.concurrency; it begins after one of them",
            demand.repository
        ));
    }
    (movers.len() >= cluster).then(|| {
        format!(
            "{} movers are at work in the cluster, which is movers.concurrency of the chart; it begins after one of them",
            movers.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(run: &str, node: Option<&str>, repository: &str, last: Option<i64>) -> Demand {
        Demand {
            run: run.to_owned(),
            claim: "data".to_owned(),
            node: node.map(str::to_owned),
            repository: repository.to_owned(),
            per_repository: PER_REPOSITORY,
            last_success: last.map(|second| Timestamp::from_second(second).unwrap()),
            created: Timestamp::UNIX_EPOCH,
        }
    }

    fn mover(node: Option<&str>, repository: &str) -> ActiveMover {
        ActiveMover {
            run: "at-work".to_owned(),
            node: node.map(str::to_owned),
            repository: Some(repository.to_owned()),
        }
    }

    fn limits(movers: Vec<ActiveMover>) -> Limits {
        Limits {
            cluster: 4,
            movers,
            ..Limits::default()
        }
    }

    #[test]
    fn one_mover_is_at_work_on_a_node() {
        let limits = limits(vec![mover(Some("desk"), "b2")]);
        let why = limits.admit(&demand("a", Some("desk"), "nas", None)).unwrap_err();
        assert!(why.contains("desk"), "{why}");
        assert_eq!(limits.admit(&demand("a", Some("attic"), "nas", None)), Ok(()));
        assert_eq!(limits.admit(&demand("a", None, "nas", None)), Ok(()));
    }

    #[test]
    fn an_attempt_that_has_ended_does_not_keep_its_own_run_from_the_next() {
        let limits = limits(vec![mover(Some("desk"), "b2"), mover(None, "b2")]);
        assert_eq!(limits.admit(&demand("at-work", Some("desk"), "b2", None)), Ok(()));
        assert!(limits.admit(&demand("other", Some("desk"), "b2", None)).is_err());
    }

    #[test]
    fn a_repository_and_the_cluster_have_limits_of_their_own() {
        let two = vec![mover(Some("a"), "b2"), mover(None, "b2")];
        let why = limits(two.clone()).admit(&demand("x", None, "b2", None)).unwrap_err();
        assert!(why.contains("limits.concurrency"), "{why}");
        let mut wide = demand("x", None, "b2", None);
        wide.per_repository = 3;
        assert_eq!(limits(two.clone()).admit(&wide), Ok(()));
        let four = [two, vec![mover(None, "nas"), mover(None, "nas")]].concat();
        let why = limits(four).admit(&demand("x", None, "third", None)).unwrap_err();
        assert!(why.contains("movers.concurrency"), "{why}");
    }

    /// Case 31 of the reference: everything is due after a power cut.
    #[test]
    fn case_31_forty_schedules_start_with_the_oldest_last_success() {
        let mut waiting: Vec<Demand> = (0..40)
            .map(|number| demand(&format!("run-{number:02}"), None, "b2", Some(1000 - number)))
            .collect();
        waiting[7].last_success = None;
        let mut order = Vec::new();
        while !waiting.is_empty() {
            // Two at a time, and both end before the next two start.
            let mut limits = limits(Vec::new());
            let mut started = Vec::new();
            while let Some(position) = waiting.iter().position(|one| {
                limits.waiting = waiting.clone();
                limits.admit(one).is_ok()
            }) {
                let one = waiting.remove(position);
                limits.movers.push(mover(None, "b2"));
                started.push(one.run);
            }
            assert!((1..=2).contains(&started.len()), "{started:?}");
            started.sort();
            order.push(started);
        }
        assert_eq!(order[0], ["run-07", "run-39"], "what never succeeded, and the oldest");
        assert_eq!(order.last().unwrap(), &["run-00", "run-01"]);
    }

    #[test]
    fn who_waits_for_a_busy_node_holds_up_nobody_else() {
        let mut limits = limits(vec![mover(Some("desk"), "nas")]);
        limits.waiting = vec![
            demand("old", Some("desk"), "b2", None),
            demand("older", Some("desk"), "b2", None),
        ];
        assert_eq!(limits.admit(&demand("new", Some("attic"), "b2", Some(5))), Ok(()));
    }

    #[test]
    fn volumes_of_one_run_count_once_since_it_has_one_mover_at_a_time() {
        let mut limits = limits(Vec::new());
        let mut second = demand("old", None, "b2", None);
        second.claim = "second".to_owned();
        limits.waiting = vec![demand("old", None, "b2", None), second];
        assert_eq!(limits.admit(&demand("new", None, "b2", Some(5))), Ok(()));
    }

    #[test]
    fn runs_that_begin_together_are_waited_for() {
        let mut limits = limits(Vec::new());
        limits.unsettled = true;
        assert!(limits.admit(&demand("a", None, "b2", None)).is_err());
    }
}
