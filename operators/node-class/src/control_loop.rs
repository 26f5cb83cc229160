//! The loop that thinks: every two seconds it looks whether leases still change, and when something did, thinks anew and
//! asks for the reconciles that follow.
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use hearth_reconciler::cache::{Cache, Change};
use hearth_reconciler::health::Check;
use hearth_reconciler::watch::Update;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use kube::runtime::events::EventType;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::Event;
use parking_lot::Mutex;

use crate::clock::Now;
use crate::facts::{NodeFacts, SlimLease, SlimNode};
use crate::history_store::{Reading, SlimHistory};
use crate::planner::{NodePlan, Plan};
use crate::reconcile::{Context, node_patch::pending_write};
use crate::workloads::{PodPlacement, SlimPod, SlimVolume, gather, of_pod, of_volume};

/// How often liveness is judged.
const TICK: Duration = Duration::from_secs(2);
/// Changes are gathered for this long before they are planned for.
const GATHER: Duration = Duration::from_millis(200);
/// Or for so many times as long as the last plan took, if that is longer: in a large cluster, whose first labels are being
/// written, each write would be followed by a planned for all nodes.
const REST: u32 = 9;
/// How often everything is planned for when nothing changed (windows open, delays end, penalties decay); or after a hundred
/// times as long as the last plan took, if that is longer: a hundredth of a core, however many nodes there are.
const ANEW: Duration = Duration::from_secs(10);
/// But this often in any case.
const ANEW_LATEST: Duration = Duration::from_mins(1);

/// The watches.
#[derive(Debug, Default)]
pub struct Feeds {
    pub(crate) nodes: Mutex<Cache<String, Arc<NodeFacts>>>,
    pub(crate) leases: Mutex<Cache<String, ()>>,
    pub(crate) hosts: Mutex<Cache<String, ()>>,
    pub(crate) classes: Mutex<Cache<String, ()>>,
    pub(crate) histories: Mutex<Cache<String, ()>>,
    pods: Mutex<Cache<String, PodPlacement>>,
    volumes: Mutex<Cache<String, Option<BTreeSet<String>>>>,
    /// A history was deleted, so that one that is being read may be too.
    forgotten: Mutex<bool>,
    /// Something changed since the last plan.
    dirty: Mutex<bool>,
    /// Pods or volumes changed since they were gathered.
    moved: Mutex<bool>,
}

impl Feeds {
    /// Something has changed that is to be planned for.
    pub fn changed(&self, ctx: &Context) {
        *self.dirty.lock() = true;
        ctx.wake.notify_one();
    }

    /// A Node came, changed or went. One that has not changed gets the facts that are kept already.
    pub fn node(&self, ctx: &Context, update: &mut Update<SlimNode>, gate: &Check) {
        // Every heartbeat brings a new version; only what else changes is planned for.
        let keep = |node: &SlimNode| (node.name_any(), Some(Arc::clone(&node.facts)));
        let mut nodes = self.nodes.lock();
        let change = nodes.take(update, keep, gate);
        let now = ctx.clock.now();
        let mut planner = ctx.planner();
        match &change {
            Change::Updated(name) => {
                if let Some(facts) = nodes.items().get(name) {
                    planner.tracker.node(facts, now);
                }
            }
            Change::Removed(removed) => removed
                .iter()
                .for_each(|(name, _)| planner.tracker.node_gone(name, now)),
            Change::Unchanged => {}
        }
        if let Update::Event(Event::Apply(node) | Event::InitApply(node)) = update
            && let Some(known) = nodes.items().get(&node.name_any())
        {
            node.facts = Arc::clone(known);
        }
        drop((planner, nodes));
        if change != Change::Unchanged || !matches!(update, Update::Event(Event::Apply(_))) {
            self.changed(ctx);
        }
    }

    /// A lease came, changed or went. What this means is judged at the next tick.
    pub fn lease(&self, ctx: &Context, update: &Update<SlimLease>, gate: &Check) {
        let keep = |lease: &SlimLease| (lease.name_any(), Some(()));
        let change = self.leases.lock().take(update, keep, gate);
        let now = ctx.clock.now();
        let mut planner = ctx.planner();
        if let Update::Event(Event::Apply(lease) | Event::InitApply(lease)) = update {
            let renewed = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.renew_time.as_ref())
                .map(|time| time.0);
            let version = lease.metadata.resource_version.as_deref().unwrap_or_default();
            planner.tracker.lease(
                lease.metadata.name.as_deref().unwrap_or_default(),
                version,
                renewed,
                now,
            );
        }
        if let Change::Removed(removed) = change {
            for (name, ()) in &removed {
                planner.tracker.lease_gone(name, now);
            }
        }
    }

    /// A NodeHistory came, changed or went. What is in them we wrote ourselves, and each write would be answered by a plan, at
    /// each node's checkpoint. One that somebody deleted is forgotten.
    pub fn history(&self, ctx: &Context, update: &Update<SlimHistory>, gate: &Check) {
        let change = self
            .histories
            .lock()
            .take(update, |history| (history.name_any(), Some(())), gate);
        // That one is missing in a list is no word of anybody: it may be an older backup of all.
        if let Update::Event(Event::Delete(history)) = update {
            let name = history.name_any();
            let nodes = self.nodes.lock();
            ctx.planner()
                .forget(&name, nodes.items().get(&name).map(|facts| &**facts));
            *self.forgotten.lock() = true;
        }
        if is_news(update, &change) {
            self.changed(ctx);
        }
    }

    /// A Pod came, changed or went.
    pub fn pod(&self, ctx: &Context, update: &Update<SlimPod>, gate: &Check) {
        let key = |pod: &SlimPod| format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
        let change = self.pods.lock().take(update, |pod| (key(pod), Some(of_pod(pod))), gate);
        if change != Change::Unchanged {
            *self.moved.lock() = true;
            ctx.wake.notify_one();
        }
    }

    /// A persistent volume came, changed or went.
    pub fn volume(&self, ctx: &Context, update: &Update<SlimVolume>, gate: &Check) {
        let change = self
            .volumes
            .lock()
            .take(update, |volume| (volume.name_any(), Some(of_volume(volume))), gate);
        if change != Change::Unchanged {
            *self.moved.lock() = true;
            ctx.wake.notify_one();
        }
    }

    /// Whether liveness can be judged.
    fn sees(&self) -> bool {
        self.nodes.lock().is_complete() && self.leases.lock().is_complete()
    }

    /// Whether what is absent is so.
    fn complete(&self) -> bool {
        let ours = [&self.hosts, &self.classes, &self.histories];
        self.sees() && ours.iter().all(|feed| feed.lock().is_complete())
    }
}

/// What was asked for last, so that it is asked for once.
#[derive(Default)]
struct Asked {
    /// Plan and facts of a node, and when that was.
    nodes: HashMap<String, (Arc<NodePlan>, Arc<NodeFacts>, Duration)>,
    /// Which of a node's histories, and when that was.
    histories: HashMap<String, (u64, Duration)>,
}

/// What was asked for and is still to be done is asked for again after this time: a reconcile that failed is tried again by its
/// controller, but one that found nothing to do, because it came too early, is not.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// So many of a kind are asked for after one plan; the others wait for the next, which follows. Whatever waits in a controller takes
/// memory.
const AT_ONCE: usize = 100;

/// Thinks for as long as the process lives. A standby only observes, so that it knows at once when it takes over.
pub async fn run(ctx: Arc<Context>, feeds: Arc<Feeds>, heartbeat: Arc<Check>, restored: Arc<Check>) {
    let (mut asked, mut reading) = (Asked::default(), Reading::default());
    let (mut last, mut took) = (Duration::ZERO, Duration::ZERO);
    let mut terms = std::pin::pin!(ctx.process.leadership.terms());
    loop {
        let stirred = tokio::time::timeout(TICK, ctx.wake.notified()).await.is_ok();
        if stirred {
            tokio::time::sleep(rest(took)).await;
        }
        heartbeat.pass();
        let now = ctx.clock.now();
        ctx.planner().tracker.watching(feeds.sees(), now);
        let complete = feeds.complete();
        if !ctx.planner().restored() {
            if !complete {
                continue;
            }
            let Some(stored) = reading.ask(&ctx) else { continue };
            ctx.planner().restore(&stored);
            restored.pass();
        }
        if std::mem::take(&mut *feeds.forgotten.lock()) {
            reading = Reading::default();
        }
        // What was asked for in the term before ended with it, and what was read was not read in this one.
        let new_term = terms.next().now_or_never().is_some();
        let leading = ctx.process.leadership.term().is_some();
        if new_term || !leading {
            (asked, reading) = (Asked::default(), Reading::default());
            ctx.planner().stand_by(now);
            ctx.observed().leftovers.clear();
            ctx.publish_plan(Plan::default());
        }
        if !leading {
            continue;
        }
        if !ctx.planner().loaded() {
            ctx.planner().look(now);
            if !complete {
                continue;
            }
            let Some(stored) = reading.ask(&ctx) else { continue };
            ctx.planner().load(stored);
        }
        let happened = ctx.planner().look(now) || (complete && ctx.planner().settled(now));
        let dirty = std::mem::take(&mut *feeds.dirty.lock()) | std::mem::take(&mut *feeds.moved.lock()) | stirred;
        if !(happened || dirty || now.mono.saturating_sub(last) >= anew(took)) {
            continue;
        }
        last = now.mono;
        let plan = make_plan(&ctx, &feeds, complete, now);
        if ask(&ctx, &plan, &mut asked, now) {
            feeds.changed(&ctx);
        }
        took = ctx.clock.now().mono.saturating_sub(now.mono);
    }
}

/// Whether more has happened than that one which is there was written.
fn is_news(update: &Update<SlimHistory>, change: &Change<String, ()>) -> bool {
    *change != Change::Unchanged || !matches!(update, Update::Event(Event::Apply(_)))
}

/// How long changes are gathered after a plan that took so long. Liveness is judged in time all the same.
fn rest(took: Duration) -> Duration {
    took.saturating_mul(REST).clamp(GATHER, TICK)
}

/// When to plan again if nothing changes.
fn anew(took: Duration) -> Duration {
    took.saturating_mul(100).clamp(ANEW, ANEW_LATEST)
}

fn make_plan(ctx: &Context, feeds: &Feeds, complete: bool, now: Now) -> Arc<Plan> {
    let observed = {
        let mut observed = ctx.observed();
        observed.nodes.clone_from(feeds.nodes.lock().items());
        observed.hosts = ctx.hosts.state();
        observed
            .hosts
            .sort_unstable_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        observed.classes = ctx.classes.state();
        observed.complete = complete;
        // Of nodes that are not coming back just now it is not known what is left on them.
        observed
            .leftovers
            .retain(|node, _| ctx.planner().watches_leftovers(node));
        let (pods, volumes) = (feeds.pods.lock(), feeds.volumes.lock());
        observed.workloads = (pods.is_complete() && volumes.is_complete())
            .then(|| Arc::new(gather(pods.items().values(), volumes.items().iter())));
        observed.clone()
    };
    let plan = ctx.planner().plan(&observed, now);
    for (node, reason, text) in &plan.events {
        tracing::info!(node, reason, text, "node");
        if let Some(facts) = observed.nodes.get(node) {
            ctx.process
                .events
                .publish(&reference(facts), EventType::Normal, reason, "Observe", text);
        }
        ctx.metrics.event(reason);
    }
    ctx.publish_plan(plan)
}

/// Events about Nodes refer to the node's name as UID, as the kubelet's own do, or `kubectl describe node` shows none.
fn reference(facts: &NodeFacts) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(facts.name.clone()),
        uid: Some(facts.name.clone()),
        ..ObjectReference::default()
    }
}

/// Asks for the reconciles that have something to do. True if there are more than are asked for at once.
fn ask(ctx: &Context, plan: &Plan, asked: &mut Asked, now: Now) -> bool {
    let mut room = AT_ONCE;
    let mut more = false;
    let nodes: BTreeMap<String, Arc<NodeFacts>> = ctx.observed().nodes.clone();
    asked.nodes.retain(|name, _| nodes.contains_key(name));
    for (name, node_plan) in &plan.nodes {
        let Some(facts) = nodes.get(name) else { continue };
        let missing = !node_plan.still && ctx.histories.get(&ObjectRef::new(name)).is_none();
        let waits = missing || pending_write(facts, node_plan).is_some() || ctx.planner().watches_leftovers(name);
        if !waits {
            asked.nodes.remove(name);
            continue;
        }
        // The same again is the controller's to retry, after its backoff. Facts that look the same are others, if they came anew:
        // what was put there was taken away again.
        let same = asked.nodes.get(name).is_some_and(|(before, then, at)| {
            before == node_plan && Arc::ptr_eq(then, facts) && now.mono.saturating_sub(*at) < ASK_AGAIN
        });
        if !same {
            let Some(left) = room.checked_sub(1) else {
                more = true;
                continue;
            };
            room = left;
            let what = (Arc::clone(node_plan), Arc::clone(facts), now.mono);
            asked.nodes.insert(name.clone(), what);
            ctx.triggers.node.reconcile(ObjectRef::new(name));
        }
    }
    for host in ctx.hosts.state() {
        let name = host.name_any();
        if plan
            .hosts
            .get(&name)
            .is_some_and(|status| differs(host.status.as_ref(), status))
            || host.annotations().contains_key(crate::crd::OFF)
            // It may have been taken back while nobody was there.
            || host.status.as_ref().is_some_and(|status| status.off.is_some())
        {
            ctx.triggers.host.reconcile(ObjectRef::from_obj(&*host));
        }
    }
    for class in ctx.classes.state() {
        if plan.classes.get(&class.name_any()) != class.status.as_ref() {
            ctx.triggers.class.reconcile(ObjectRef::from_obj(&*class));
        }
    }
    let (planner, mut room) = (ctx.planner(), AT_ONCE);
    asked
        .histories
        .retain(|_, (_, at)| now.mono.saturating_sub(*at) < ASK_AGAIN);
    for (name, serial) in planner.waiting_to_store() {
        let same = asked.histories.get(name).is_some_and(|(before, _)| *before == serial);
        if same || ctx.histories.get(&ObjectRef::new(name)).is_none() {
            continue;
        }
        let Some(left) = room.checked_sub(1) else { return true };
        room = left;
        asked.histories.insert(name.clone(), (serial, now.mono));
        ctx.triggers.history.reconcile(ObjectRef::new(name));
    }
    more
}

/// But for what the host's reconciler decides itself, or others tell.
fn differs(stored: Option<&crate::crd::NodeHostStatus>, plan: &crate::crd::NodeHostStatus) -> bool {
    let Some(stored) = stored else { return true };
    let mut stored = stored.clone();
    stored.power = None;
    stored.off.clone_from(&plan.off);
    stored.last_handled_off.clone_from(&plan.last_handled_off);
    stored != *plan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_store_ourselves_is_not_thought_about_again() {
        let history = SlimHistory::default();
        let stored = Update::Event(Event::Apply(history.clone()));
        assert!(!is_news(&stored, &Change::Unchanged));
        assert!(is_news(&stored, &Change::Updated("a".to_owned())));
        assert!(is_news(
            &Update::Event(Event::Delete(history)),
            &Change::Removed(vec![("a".to_owned(), ())])
        ));
        assert!(is_news(&Update::Recovered, &Change::Unchanged));
    }

    #[test]
    fn long_thoughts_are_followed_by_a_long_rest_but_liveness_is_judged_in_time() {
        assert_eq!(rest(Duration::from_millis(1)), GATHER);
        assert_eq!(rest(Duration::from_millis(100)), Duration::from_millis(900));
        assert_eq!(rest(Duration::from_secs(9)), TICK);
        assert_eq!(anew(Duration::from_millis(3)), ANEW);
        assert_eq!(anew(Duration::from_millis(200)), Duration::from_secs(20));
        assert_eq!(anew(Duration::from_secs(9)), ANEW_LATEST);
    }
}
