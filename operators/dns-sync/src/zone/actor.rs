//! One zone at work: gathers what changed, decides, sends, and remembers. Runs for one term of leadership.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_reconciler::lease::Term;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::batch::Group;
use super::config::Config;
use super::state::{Mono, State};
use crate::metrics::ZoneMetrics;
use crate::name::Name;
use crate::provider::{Provider, ProviderError};
use crate::source::ObjectKey;
use crate::world::{Notice, World};

mod send;
mod turn;

use turn::Turn;

/// What the zone's and the records' reconcilers read.
#[derive(Debug)]
pub struct Shared {
    /// Wishes, image and verdicts.
    pub state: Mutex<State>,
    /// How it goes with the provider.
    pub standing: Mutex<Standing>,
}

impl Shared {
    /// For a zone at its beginning.
    pub fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            standing: Mutex::default(),
        }
    }

    /// The state; held only for computing, never over a call.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The standing.
    pub fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it goes with the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The zone has been listed and planned in this term.
    pub looked: bool,
    /// [`Order::look`] as it was when the last look began.
    pub looks: u64,
    /// The last call's error; `None` after a success.
    pub error: Option<ProviderError>,
}

/// Whom the actor tells that there is something to report.
pub trait Audience: Send + Sync + 'static {
    /// Something of the zone's status changed. Called at most once a second.
    fn zone_changed(&self);
    /// Something of these objects changed.
    fn objects_changed(&self, objects: &[ObjectKey]);
    /// The zone has been looked at and planned for the first time in this term: what waited for it can be answered.
    fn looked(&self);
}

/// Asks the actor to do something now.
#[derive(Clone, Debug)]
pub struct Order {
    /// The configuration.
    pub config: Arc<Config>,
    /// Grows when a look is asked for, or the credentials changed.
    pub look: u64,
}

/// The actor.
pub struct Actor<P, A> {
    /// What others read.
    pub shared: Arc<Shared>,
    /// The hosted zone.
    pub provider: P,
    /// The objects.
    pub world: Arc<World>,
    /// The term for which it may act.
    pub term: Term,
    /// What changed in the world.
    pub notices: UnboundedReceiver<Notice>,
    /// Configuration and requests.
    pub orders: watch::Receiver<Order>,
    /// Status reporters.
    pub audience: A,
    /// The zone's series.
    pub metrics: ZoneMetrics,
}

/// How long the actor waits for sources to be listed before it begins with what is known.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest pause that a provider may ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(15);
/// More suspects than this are cheaper looked at by listing the zone.
const READ_AT_MOST: usize = 8;

impl<P: Provider, A: Audience> Actor<P, A> {
    /// Works until the term ends or the zone is taken away.
    pub async fn run(mut self) {
        let term = self.term.clone();
        let _ = term.within(self.work()).await;
    }

    async fn work(&mut self) {
        let mut turn = Turn::first();
        let order = self.orders.borrow_and_update().clone();
        let mut asked = order.look;
        self.fill();
        // What was ordered between the actor's making and its beginning.
        self.reconfigure(&order.config, &mut turn);
        loop {
            let now = self.world.now();
            if now >= turn.not_before {
                if turn.look || now >= turn.next_look {
                    self.look(&mut turn).await;
                } else if !turn.suspects.is_empty() {
                    self.read_suspects(&mut turn).await;
                }
            }
            self.announce(&mut turn);
            let now = self.world.now();
            if self.batch_due(&mut turn, now) {
                self.send(&mut turn).await;
                self.planned(&mut turn);
                turn.tell(self.world.now());
                continue;
            }
            let wake = self.next_wake(&turn, now);
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(notice) => self.notice(notice, &mut turn),
                    None => return,
                },
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let order = self.orders.borrow_and_update().clone();
                    if order.look != asked {
                        asked = order.look;
                        (turn.look, turn.not_before, turn.failures) = (true, Mono::ZERO, 0);
                    }
                    self.reconfigure(&order.config, &mut turn);
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Takes over everything that the world knows.
    fn fill(&mut self) {
        let now = self.world.now();
        let facts = self.world.all();
        let mut state = self.shared.state();
        for facts in facts {
            state.set_object(&facts.key, Some(&facts), now, None);
        }
    }

    fn reconfigure(&mut self, config: &Arc<Config>, turn: &mut Turn) {
        if self.shared.state().config.same(config) {
            return;
        }
        self.shared.state().set_config((**config).clone());
        self.fill();
        turn.tell(self.world.now());
    }

    /// Takes over one notice and all that wait behind it.
    fn notice(&mut self, first: Notice, turn: &mut Turn) {
        let mut next = Some(first);
        let mut state = self.shared.state();
        while let Some(notice) = next {
            match notice {
                Notice::Object(key, at) => {
                    let facts = self.world.get(&key);
                    state.set_object(&key, facts.as_deref(), self.world.now(), Some(at));
                }
                Notice::Sources => state.reconsider_deletes(),
            }
            next = self.notices.try_recv().ok();
        }
        drop(state);
        turn.tell(self.world.now());
    }

    /// Lists the zone.
    async fn look(&mut self, turn: &mut Turn) {
        let asked = self.orders.borrow().look;
        let result = self.provider.list().await;
        match result {
            Ok(image) => {
                self.shared.standing().looks = asked;
                let world = &self.world;
                self.shared.state().looked(image, |object| world.get(object).is_some());
                turn.suspects.clear();
                turn.look = false;
                let interval = self.shared.state().config.drift_interval;
                turn.next_look = self.world.now() + interval.mul_f64(0.9 + 0.2 * fastrand::f64());
                self.succeeded(turn);
            }
            Err(error) => self.failed(error, turn),
        }
    }

    /// Reads the names whose last change has an unknown outcome.
    async fn read_suspects(&mut self, turn: &mut Turn) {
        if turn.suspects.len() > READ_AT_MOST {
            turn.look = true;
            return;
        }
        while let Some(name) = turn.suspects.first().cloned() {
            let result = self.provider.read(&name).await;
            match result {
                Ok(sets) => {
                    self.shared.state().read(&name, sets);
                    turn.suspects.remove(&name);
                    self.succeeded(turn);
                }
                Err(error) => return self.failed(error, turn),
            }
        }
    }

    /// The zone has been listed and all of it planned: from now on the state says something. Before, it would report
    /// that nothing is parked, and forget what was when the process ends.
    fn planned(&self, turn: &mut Turn) {
        let mut standing = self.shared.standing();
        let all_planned = {
            let state = self.shared.state();
            state.image.is_some() && !state.backlog
        };
        if !standing.looked && !turn.look && all_planned {
            standing.looked = true;
            turn.tell(self.world.now());
            drop(standing);
            self.audience.looked();
        }
    }

    fn succeeded(&self, turn: &mut Turn) {
        (turn.failures, turn.not_before) = (0, Mono::ZERO);
        let mut standing = self.shared.standing();
        if standing.error.take().is_some() {
            turn.tell(self.world.now());
        }
        self.metrics.success(jiff::Timestamp::now().as_duration().as_secs_f64());
    }

    fn failed(&self, error: ProviderError, turn: &mut Turn) {
        turn.failures = turn.failures.saturating_add(1);
        let longest = match error {
            ProviderError::Throttled(_) | ProviderError::Busy => Duration::from_secs(30),
            // When the provider, or the way to it, is back, a minute is soon enough.
            ProviderError::Unreachable(_) => Duration::from_mins(1),
            _ => Duration::from_mins(5),
        };
        let pause = Duration::from_secs(1 << (turn.failures - 1).min(9)).min(longest);
        let asked = match error {
            ProviderError::Throttled(Some(pause)) => pause.min(LONGEST_ASKED),
            _ => Duration::ZERO,
        };
        turn.not_before = self.world.now() + pause.mul_f64(0.7 + 0.6 * fastrand::f64()).max(asked);
        let mut standing = self.shared.standing();
        if standing.error.as_ref().map(ProviderError::reason) != Some(error.reason()) {
            tracing::warn!(zone = &*self.zone(), reason = error.reason(), %error, "provider call failed; it is tried again");
            turn.tell(self.world.now());
        }
        standing.error = Some(error);
    }

    fn zone(&self) -> Arc<str> {
        Arc::clone(&self.orders.borrow().config.zone)
    }

    /// Whether the gathered changes shall be sent now.
    fn batch_due(&self, turn: &mut Turn, now: Mono) -> bool {
        if turn.look || !turn.suspects.is_empty() || now < turn.not_before {
            return false;
        }
        let state = self.shared.state();
        if !state.has_work(now) {
            turn.batch_since = None;
            drop(state);
            self.planned(turn);
            return false;
        }
        let sources: Vec<_> = state
            .config
            .wanted_sources()
            .filter(|kind| state.config.reach.sources.contains(kind))
            .collect();
        if now < PATIENCE && !self.world.settled(&sources) {
            return false;
        }
        let since = *turn.batch_since.get_or_insert(now);
        let due = now >= since + state.config.batch_window;
        if due {
            turn.batch_since = None;
        }
        due
    }

    /// How long nothing is to be done unless somebody calls.
    fn next_wake(&self, turn: &Turn, now: Mono) -> Duration {
        let state = self.shared.state();
        let mut at = turn.next_look.max(turn.not_before);
        if turn.look || !turn.suspects.is_empty() {
            at = turn.not_before;
        } else if let Some(since) = turn.batch_since {
            at = at.min((since + state.config.batch_window).max(turn.not_before));
        } else if state.has_work(now) {
            at = at.min((now + Duration::from_millis(50)).max(turn.not_before));
        }
        if let Some(due) = state.next_due() {
            at = at.min(due.max(turn.not_before));
        }
        if let Some(told) = turn.told_at(state.has_work(now)) {
            at = at.min(told);
        }
        at.saturating_sub(now)
            .clamp(Duration::from_millis(1), Duration::from_mins(1))
    }

    /// Tells reporters what is new: objects at once, the zone at most once a second.
    fn announce(&self, turn: &mut Turn) {
        let now = self.world.now();
        let changed = self.shared.state().take_changed();
        if !changed.is_empty() {
            turn.tell(self.world.now());
            self.audience.objects_changed(&changed);
        }
        let state = self.shared.state();
        if turn.told_at(state.has_work(now)).is_none_or(|at| now < at) {
            return;
        }
        (turn.announced, turn.news) = (Some(now), None);
        let totals = state.totals();
        let failed = totals.failed + i64::try_from(state.defective()).unwrap_or(0);
        let counts = [
            totals.desired,
            totals.owned,
            totals.foreign,
            totals.pending,
            totals.conflicted,
            failed,
        ];
        self.metrics.records(counts, state.parked.len());
        drop(state);
        self.audience.zone_changed();
    }

    /// Names at which something was to be changed: the record's and its owner records'.
    fn names_of(groups: &[Group]) -> BTreeSet<Name> {
        groups
            .iter()
            .flat_map(|group| group.changes.iter().map(|change| change.key.name.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
