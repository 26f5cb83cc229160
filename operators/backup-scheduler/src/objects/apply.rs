//! Makes what a plan says. Each call can be the last: a later attempt finds what is there, and knows its own by the mark.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use self::answers::{NO_ANSWER, STOPPED, failed, settled};
use self::tally::Tally;
use super::calls::{CallClient, Calls, Refusal};
use super::compare::{Action, action};
use super::order::Phase;
use super::owners::{OwnerName, linked};
use super::plan::{Plan, Step, Why};
use super::prepare::{Prepared, prepare};
use super::served::Served;
use super::workload::uses_any;
use super::{object_at, strip};
use crate::crd::RESTORED_BY;
use crate::export::Kind;
use crate::task::{Existing, ObjectsReport, RestoreObjects};

mod answers;
mod links;
mod tally;
mod waits;

/// Before what failed is tried again: the pods behind a webhook need some time to start.
const ROUNDS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_mins(1)];
/// So long a namespace that is being deleted is waited for.
const DELETED: Duration = Duration::from_mins(10);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_secs(2);
/// After so many objects without an answer, the API server is away.
const SILENCE: u32 = 3;
/// So often a write is tried again whose object is changed or made by others in between.
const CONFLICTS: u32 = 3;
/// The managers of fields behind which there is a person. What such a person has changed is what `Update` is to undo.
const PEOPLE: [&str; 3] = ["kubectl", "before-first-apply", crate::MANAGER];

/// Why nothing more is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Objects are there that differ, and none may be: nothing was written.
    Exists(ObjectsReport),
    /// Claims ask for these storage classes, which are not there: nothing was written.
    ClassMissing(Vec<String>),
    /// The API server does not answer.
    Unreachable(String),
    /// The mover was told to end.
    Cancelled,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
enum Done {
    Created,
    Updated,
    Unchanged,
    Skipped(Why, Option<String>),
    Failed(String),
    /// It is tried again after the others.
    Later(String),
    /// Its kind is not served; it may come with what was created.
    NotServed,
}

/// Does what the plan says; with `dry_run`, tells what would be done.
pub async fn apply(
    client: &Client,
    folder: &Path,
    plan: &Plan,
    task: &RestoreObjects,
    stop: &CancellationToken,
) -> Result<ObjectsReport, Stop> {
    let calls = Calls {
        client: CallClient(client),
        stop,
    };
    let mut run = Run {
        calls,
        folder,
        plan,
        task,
        served: Served::default(),
        uids: HashMap::new(),
        blocked: BTreeMap::new(),
        unowned: Vec::new(),
        node_ports: Vec::new(),
        no_claims: BTreeSet::new(),
        silence: 0,
    };
    run.check_classes().await?;
    if task.dry_run || task.existing == Existing::Fail {
        let (tally, first) = run.look_at_all().await?;
        if task.dry_run {
            return Ok(tally.report(&plan.hints));
        }
        if first.is_some() {
            return Err(Stop::Exists(tally.report(&[])));
        }
        run.silence = 0;
    }
    run.write_all().await
}

struct Run<'a> {
    calls: Calls<'a>,
    folder: &'a Path,
    plan: &'a Plan,
    task: &'a RestoreObjects,
    served: Served,
    /// The UIDs of owners, by kind, name and namespace; none for those that are not there.
    uids: HashMap<(OwnerName, Option<String>), Option<String>>,
    /// Namespaces in which nothing can be made, and why.
    blocked: BTreeMap<String, Done>,
    /// Objects that lack owners: their paths, namespaces, and all their owners.
    unowned: Vec<(String, Option<String>, Vec<Value>)>,
    /// Services whose node ports were taken.
    node_ports: Vec<String>,
    /// Claims that are not there, by namespace.
    no_claims: BTreeSet<(Option<String>, String)>,
    silence: u32,
}

/// What was seen of a step.
struct Seen {
    path: String,
    kind: Kind,
    wanted: Prepared,
    live: Option<Value>,
}

impl Run<'_> {
    /// Looks at all objects and writes nothing. Also the first one that is in the way.
    async fn look_at_all(&mut self) -> Result<(Tally, Option<String>), Stop> {
        let (mut tally, mut first) = (Tally::new(self.plan, self.task.dry_run), None);
        for step in &self.plan.steps {
            let done = match self.look(step).await {
                Ok(seen) => match action(&seen.wanted.object, seen.live.as_ref(), self.task.existing) {
                    Action::Create if self.lacks_data(step, &seen) => Done::Skipped(Why::VolumeNotRestored, None),
                    Action::Create | Action::Created => Done::Created,
                    Action::Unchanged => Done::Unchanged,
                    Action::Exists if step.only_if_absent => Done::Skipped(Why::Exists, None),
                    Action::Exists => {
                        first.get_or_insert_with(|| step.label());
                        Done::Skipped(Why::Exists, None)
                    }
                    Action::Update | Action::Merge(_) => Done::Updated,
                    Action::Deleting(why) => Done::Failed(why),
                },
                // Its definition comes before it.
                Err(Done::NotServed) if self.is_defined(step) => Done::Created,
                Err(done) => done,
            };
            self.listen(&done)?;
            tally.note(step, settled(done));
        }
        Ok((tally, first))
    }

    async fn write_all(&mut self) -> Result<ObjectsReport, Stop> {
        let mut tally = Tally::new(self.plan, false);
        let mut later: Vec<(&Step, Done)> = Vec::new();
        let mut definitions: Vec<&Step> = Vec::new();
        let mut made_workloads = false;
        for step in &self.plan.steps {
            if step.phase > Phase::Definitions && !definitions.is_empty() {
                self.wait_established(&definitions).await?;
                definitions.clear();
            }
            let done = self.step(step).await;
            debug!(object = step.label(), ?done, "written");
            self.listen(&done)?;
            if step.phase == Phase::Definitions && done == Done::Created {
                definitions.push(step);
            }
            made_workloads |= step.phase >= Phase::Workloads && done == Done::Created;
            match done {
                Done::Later(_) | Done::NotServed => later.push((step, done)),
                done => tally.note(step, done),
            }
        }
        for wait in ROUNDS {
            // A kind that is not there comes only with an operator that has just been started.
            let hope = made_workloads || later.iter().any(|(_, done)| *done != Done::NotServed);
            if later.is_empty() || !hope {
                break;
            }
            info!(
                objects = later.len(),
                "what could not be restored is tried again after {wait:?}"
            );
            self.calls.pause(wait).await.map_err(|_| Stop::Cancelled)?;
            self.served.refresh();
            for (step, done) in std::mem::take(&mut later) {
                let again = self.step(step).await;
                debug!(object = step.label(), before = ?done, ?again, "tried again");
                self.listen(&again)?;
                match again {
                    Done::Later(_) | Done::NotServed => later.push((step, again)),
                    again => tally.note(step, again),
                }
            }
        }
        for (step, done) in later {
            tally.note(step, settled(done));
        }
        let mut hints = self.plan.hints.clone();
        hints.extend(self.link_owners().await?);
        if !self.node_ports.is_empty() {
            let names = self.node_ports.join(", ");
            hints.push(format!("node ports that are taken were replaced by others: {names}"));
        }
        Ok(tally.report(&hints))
    }

    /// Counts objects without an answer.
    fn listen(&mut self, done: &Done) -> Result<(), Stop> {
        match done {
            Done::Later(why) if why.starts_with(NO_ANSWER) => {
                self.silence += 1;
                if self.silence >= SILENCE {
                    return Err(Stop::Unreachable(why.clone()));
                }
            }
            Done::Later(why) if why == STOPPED => return Err(Stop::Cancelled),
            _ => self.silence = 0,
        }
        Ok(())
    }

    fn is_defined(&self, step: &Step) -> bool {
        self.plan.kinds.contains(&(step.api_version.clone(), step.kind.clone()))
    }

    /// What is wanted, and what is there.
    async fn look(&mut self, step: &Step) -> Result<Seen, Done> {
        if let Some(why) = step
            .namespace
            .as_ref()
            .and_then(|namespace| self.blocked.get(namespace))
        {
            return Err(why.clone());
        }
        let kind = self.served.find(&self.calls, &step.api_version, &step.kind).await;
        let kind = kind.map_err(|refusal| failed(step, refusal))?.ok_or(Done::NotServed)?;
        if kind.namespaced != step.namespace.is_some() {
            return Err(Done::Failed(
                "its kind is in namespaces here and not in the backup, or the other way".to_owned(),
            ));
        }
        let text = std::fs::read_to_string(self.folder.join(&step.file));
        let object = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        let object: Value = object.ok_or_else(|| Done::Failed("its file cannot be read again".to_owned()))?;
        let path = format!("{}/{}", kind.path(step.namespace.as_deref()), step.name);
        let live = self.calls.get(&path).await.map_err(|refusal| failed(step, refusal))?;
        Ok(Seen {
            path,
            kind,
            wanted: prepare(object, self.task),
            live,
        })
    }

    async fn step(&mut self, step: &Step) -> Done {
        let done = self.write(step).await;
        if step.phase == Phase::Namespaces {
            let about = |why: &String| format!("namespace {}: {why}", step.name);
            match &done {
                Done::Failed(why) => self.blocked.insert(step.name.clone(), Done::Failed(about(why))),
                Done::Later(why) => self.blocked.insert(step.name.clone(), Done::Later(about(why))),
                _ => self.blocked.remove(&step.name),
            };
        }
        done
    }

    async fn write(&mut self, step: &Step) -> Done {
        let (mut waited, mut raced) = (Duration::ZERO, 0);
        loop {
            let seen = match self.look(step).await {
                Ok(seen) => seen,
                Err(done) => return done,
            };
            let next = action(&seen.wanted.object, seen.live.as_ref(), self.task.existing);
            return match next {
                Action::Create if self.lacks_data(step, &seen) => Done::Skipped(Why::VolumeNotRestored, None),
                Action::Create => match self.create(step, seen).await {
                    // Somebody was faster, or an answer was lost.
                    Err(Refusal::Exists) if raced < CONFLICTS => {
                        raced += 1;
                        continue;
                    }
                    Err(refusal) => failed(step, refusal),
                    Ok(()) => Done::Created,
                },
                Action::Created => {
                    self.remember_owners(&seen);
                    Done::Created
                }
                Action::Unchanged => Done::Unchanged,
                Action::Deleting(_) if step.phase == Phase::Namespaces && waited < DELETED => {
                    if self.calls.pause(LOOK).await.is_err() {
                        return Done::Later(STOPPED.to_owned());
                    }
                    waited += LOOK;
                    continue;
                }
                Action::Deleting(why) if step.phase == Phase::Namespaces => {
                    Done::Failed(format!("after {} minutes {why}", DELETED.as_secs() / 60))
                }
                Action::Deleting(why) => Done::Later(why),
                _ if step.only_if_absent => Done::Skipped(Why::Exists, None),
                Action::Exists => Done::Skipped(Why::Exists, None),
                Action::Merge(patch) => match self.calls.merge(&seen.path, &patch).await {
                    Ok(_) => Done::Updated,
                    Err(refusal) => failed(step, refusal),
                },
                Action::Update => self.update(step, seen).await,
            };
        }
    }

    /// Whether it is a claim that would be empty, or a workload that would use such a one.
    fn lacks_data(&mut self, step: &Step, seen: &Seen) -> bool {
        if self.task.makes_empty_claims(step.namespace.as_deref()) {
            return false;
        }
        if step.phase == Phase::Claims {
            self.no_claims.insert((step.namespace.clone(), step.name.clone()));
            return true;
        }
        let here = self
            .no_claims
            .iter()
            .filter(|(namespace, _)| *namespace == step.namespace);
        uses_any(&seen.wanted.object, here.map(|(_, name)| name.as_str()))
    }

    async fn create(&mut self, step: &Step, mut seen: Seen) -> Result<(), Refusal> {
        let found = self.find_owners(&seen.wanted.owners, step.namespace.as_deref()).await;
        if found.len() < seen.wanted.owners.len() {
            self.remember_owners(&seen);
        }
        if let Some(references) = linked(&[], &found)
            && let Some(metadata) = object_at(&mut seen.wanted.object, "/metadata")
        {
            metadata.insert("ownerReferences".to_owned(), Value::Array(references));
        }
        let path = seen.kind.path(step.namespace.as_deref());
        match self.calls.create(&path, &seen.wanted.object).await {
            // A node port is only kept if it is free.
            Err(Refusal::Rejected(why))
                if why.contains("already allocated") && strip::remove_node_ports(&mut seen.wanted.object) =>
            {
                self.node_ports.push(step.label());
                self.calls.create(&path, &seen.wanted.object).await.map(drop)
            }
            answer => answer.map(drop),
        }
    }

    /// Sets the fields of the backup, but for those that a controller has set.
    async fn update(&mut self, step: &Step, seen: Seen) -> Done {
        let mut object = seen.wanted.object;
        // It is not of this run.
        if let Some(annotations) = object_at(&mut object, "/metadata/annotations") {
            annotations.remove(RESTORED_BY);
        }
        let mut answer = self.calls.apply(&seen.path, &object, false).await;
        if let Err(Refusal::Conflict(fields)) = &answer {
            let of_people = |(manager, _): &(String, String)| PEOPLE.iter().any(|person| manager.starts_with(person));
            if !fields.is_empty() && fields.iter().all(of_people) {
                answer = self.calls.apply(&seen.path, &object, true).await;
            }
        }
        match answer {
            Ok(_) => Done::Updated,
            Err(refusal) => failed(step, refusal),
        }
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests write JSON where they pass it")]
mod tests;
