//! The loop around [`next_step`]: it does what that decides, writes down what came of it, and asks again.

use std::{collections::BTreeMap, future::Future, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{FleetId, PlanHash, RunId};
use plumb_journal::{Entry, Event, StepEvent, StepOutcome};
use plumb_runbook::document::{Compiled, Trusted, steps::query::QueryStep};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument};

use super::{
    judge::{Answer, judge, outside},
    next::{Errand, Look, Move, NotedSteps, next_step},
    people::{StepOrder, StepOrderError, obey_step, waiting},
    state::{SignedStart, StepsState, fold_steps},
};
use crate::{
    execute::{ExecuteError, Left},
    limits::ORDERS_MAX,
    ports::{Clock, Journal, JournalError},
};

/// What came of an errand.
#[derive(Debug, Clone, PartialEq)]
pub enum Came {
    Answer(Answer),
    /// The freeze holds until then, unless it is lifted.
    Frozen {
        until: Timestamp,
        answer: Answer,
    },
    Unfrozen {
        answer: Answer,
    },
    /// The action came to this plan, which waits to be confirmed.
    Planned {
        plan: PlanHash,
        summary: String,
        phrase: Option<String>,
    },
    /// Nothing was sent; it may be confirmed again.
    NotCarried {
        reason: String,
    },
}

/// Does in the world what steps ask for.
pub trait StepHandler: Send + Sync {
    /// Does one errand, once. When `stop` is cancelled it ends as soon as it can, and says how it ended.
    fn perform(
        &self,
        errand: &Errand,
        stop: &CancellationToken,
    ) -> impl Future<Output = Came> + Send;

    /// A figure now. The error is a sentence for a person.
    fn figure(&self, query: &QueryStep) -> impl Future<Output = Result<f64, String>> + Send;
}

/// The events that what came of an errand comes to.
pub(super) fn events_of(
    plan: &Compiled,
    state: &StepsState,
    at: usize,
    came: Came,
) -> Vec<StepEvent> {
    let mut happened = Vec::new();
    let answer = match came {
        Came::Answer(answer) => Some(answer),
        Came::Frozen { until, answer } => {
            happened.push(StepEvent::Frozen { until });
            Some(answer)
        }
        Came::Unfrozen { answer } => {
            happened.push(StepEvent::Unfrozen);
            Some(answer)
        }
        Came::Planned { plan, summary, phrase } => {
            happened.push(StepEvent::Planned { plan, summary, phrase });
            None
        }
        Came::NotCarried { reason } => {
            happened.push(StepEvent::NotCarried { reason });
            None
        }
    };
    if let Some(mut answer) = answer {
        let breached = state.step(&plan.steps[at].id).and_then(|run| run.breached.clone());
        if let Some(breached) = breached.filter(|_| answer.outcome != StepOutcome::InDoubt) {
            answer.outcome = StepOutcome::Failed;
            answer.detail = format!("stopped: {breached}");
        }
        happened.push(judge(plan, state, at, answer));
    }
    happened
}

type Ordered = (StepOrder, oneshot::Sender<Result<(), StepOrderError>>);

/// Where people tell a run their word.
#[derive(Debug, Clone)]
pub struct StepDesk(mpsc::Sender<Ordered>);

/// Where a run hears it.
#[derive(Debug)]
pub struct StepOrders(mpsc::Receiver<Ordered>);

/// A desk, and the words given at it.
pub fn step_desk() -> (StepDesk, StepOrders) {
    let (given, taken) = mpsc::channel(ORDERS_MAX);
    (StepDesk(given), StepOrders(taken))
}

impl StepDesk {
    /// Gives a word, and returns when it is durable in the journal or refused.
    pub async fn give(&self, order: StepOrder) -> Result<(), StepOrderError> {
        let (answer, answered) = oneshot::channel();
        self.0.send((order, answer)).await.map_err(|_| StepOrderError::Ended)?;
        answered.await.unwrap_or(Err(StepOrderError::Ended))
    }

    /// Lays a word down that is heard before anything else, where the run has not begun to listen. Whoever does
    /// has found that it is obeyed; nobody is told.
    pub fn lay_down(&self, order: StepOrder) -> Result<(), StepOrderError> {
        let (answer, _) = oneshot::channel();
        self.0.try_send((order, answer)).map_err(|_| StepOrderError::Ended)
    }
}

/// What a run of a runbook is given beside its plan.
#[derive(Debug)]
pub struct StepSetting<'a, H, J, C> {
    pub handler: &'a H,
    pub journal: &'a J,
    pub clock: &'a C,
    /// Leaves the run open as soon as nothing is under way.
    pub cancel: &'a CancellationToken,
    pub orders: StepOrders,
    /// What its journal holds already; a run that begins has nothing.
    pub entries: &'a [Entry],
    pub operator: &'a str,
    /// The signature over its start, where one was asked for.
    pub signed: Option<&'a SignedStart>,
    /// Hears of every change that is durable: a door shows it, and asks people what it waits for.
    pub told: &'a watch::Sender<StepsState>,
}

/// Whose plan it is: what its first events say.
#[derive(Debug, Clone)]
struct Subject<'a> {
    fleet: &'a FleetId,
    runbook: &'a str,
    trusted: &'a Trusted,
}

/// Performs a runbook, or goes on with it from its journal, until it ends or is left open: when it waits
/// for people, and nobody is at its desk.
#[instrument(skip_all, fields(run = %run))]
pub async fn perform_steps<H: StepHandler, J: Journal, C: Clock>(
    run: RunId,
    plan: (&plumb_runbook::document::RunbookPlan, &Compiled),
    setting: StepSetting<'_, H, J, C>,
) -> Result<Left, ExecuteError> {
    let (of, plan) = plan;
    let state = fold_steps(setting.entries);
    if state.plan.is_some_and(|other| other != plan.hash) {
        return Err(ExecuteError::OtherPlan);
    }
    if let Some(outcome) = state.outcome {
        return Ok(Left::Ended(outcome));
    }
    // Time of a run goes on evenly, and never back behind what its journal holds.
    let last = setting.entries.iter().map(|entry| entry.body.at).max().unwrap_or(Timestamp::MIN);
    let base = setting.clock.now().max(last);
    let mut performing = Performing {
        plan,
        state,
        noted: NotedSteps::default(),
        pending: Vec::new(),
        answers: Vec::new(),
        errands: FuturesUnordered::new(),
        looks: FuturesUnordered::new(),
        ended: Vec::new(),
        seen: Vec::new(),
        stops: BTreeMap::new(),
        base,
        began: Instant::now(),
        setting,
    };
    let subject = Subject { fleet: &of.fleet, runbook: &of.runbook, trusted: &of.trusted };
    performing.begin(&subject).await?;
    let left = performing.perform().await;
    performing.leave();
    left
}

type ErrandEnded = (usize, Came);
type LookEnded = (Look, Result<f64, String>);

struct Performing<'a, H, J, C> {
    plan: &'a Compiled,
    state: StepsState,
    noted: NotedSteps,
    /// Taken in already, not durable yet.
    pending: Vec<Event>,
    answers: Vec<oneshot::Sender<Result<(), StepOrderError>>>,
    errands: FuturesUnordered<BoxFuture<'a, ErrandEnded>>,
    looks: FuturesUnordered<BoxFuture<'a, LookEnded>>,
    /// Came back while the journal was written.
    ended: Vec<ErrandEnded>,
    seen: Vec<LookEnded>,
    stops: BTreeMap<usize, CancellationToken>,
    base: Timestamp,
    began: Instant,
    setting: StepSetting<'a, H, J, C>,
}

impl<H: StepHandler, J: Journal, C: Clock> Performing<'_, H, J, C> {
    /// Wall time may be set while a run waits; its deadlines are about time that passed.
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.base.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    async fn begin(&mut self, subject: &Subject<'_>) -> Result<(), ExecuteError> {
        let operator = self.setting.operator.to_owned();
        if self.state.started_at.is_some() {
            self.record(Event::RunResumed { by: operator });
        } else {
            self.record(Event::RunStarted {
                plan: self.plan.hash,
                fleet: subject.fleet.clone(),
                operator,
                targets: u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX),
            });
            self.record(Event::RunbookTrusted {
                runbook: subject.runbook.to_owned(),
                trusted: subject.trusted.clone(),
            });
            if let Some(SignedStart { by, envelope }) = self.setting.signed.cloned() {
                self.record(Event::RunbookSigned { by, envelope });
            }
        }
        Ok(self.flush().await?)
    }

    async fn perform(&mut self) -> Result<Left, ExecuteError> {
        loop {
            while let Ok((order, answer)) = self.setting.orders.0.try_recv() {
                self.take_order(&order, answer);
            }
            for (at, came) in std::mem::take(&mut self.ended) {
                self.came(at, came);
            }
            for (look, figure) in std::mem::take(&mut self.seen) {
                self.looked(&look, figure);
            }
            self.noted.leaving = self.setting.cancel.is_cancelled();
            match next_step(self.plan, &self.state, &self.noted, self.now()) {
                Move::Record(events) => {
                    for event in events {
                        self.record(event);
                    }
                    self.flush().await?;
                }
                Move::Stop(steps) => self.stop(steps),
                Move::Perform(errands) => {
                    self.flush().await?;
                    for errand in errands {
                        self.send(errand);
                    }
                }
                Move::Look(looks) => {
                    for look in looks {
                        self.look(look);
                    }
                }
                Move::Done(outcome) => {
                    self.flush().await?;
                    info!(outcome = outcome.name(), "run of a runbook ended");
                    return Ok(Left::Ended(outcome));
                }
                Move::Wait { until } => {
                    self.flush().await?;
                    if self.is_left_open(until) {
                        return Ok(Left::Open);
                    }
                    if self.ended.is_empty() && self.seen.is_empty() {
                        self.wait(until).await?;
                    }
                }
            }
        }
    }

    fn leave(&mut self) {
        for answer in self.answers.drain(..) {
            let _ = answer.send(Err(StepOrderError::Ended));
        }
    }

    fn record(&mut self, event: Event) {
        self.state.apply(&event, self.now());
        self.pending.push(event);
    }

    async fn flush(&mut self) -> Result<(), JournalError> {
        if !self.pending.is_empty() {
            let (journal, pending) = (self.setting.journal, std::mem::take(&mut self.pending));
            let mut written = std::pin::pin!(journal.append(pending));
            // What is under way goes on meanwhile: it may hold what the journal waits for.
            loop {
                tokio::select! {
                    biased;
                    written = &mut written => break written?,
                    Some(ended) = self.errands.next(), if !self.errands.is_empty() => {
                        self.ended.push(ended);
                    }
                    Some(looked) = self.looks.next(), if !self.looks.is_empty() => {
                        self.seen.push(looked);
                    }
                }
            }
            self.setting.told.send_replace(self.state.clone());
        }
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(()));
        }
        Ok(())
    }

    fn take_order(
        &mut self,
        order: &StepOrder,
        answer: oneshot::Sender<Result<(), StepOrderError>>,
    ) {
        match obey_step(order, self.plan, &self.state) {
            Ok(event) => {
                self.record(event);
                self.answers.push(answer);
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Whether nothing is under way, and whoever could make it go on is not there.
    fn is_left_open(&self, until: Option<Timestamp>) -> bool {
        let under_way = self.errands.len() + self.looks.len();
        if under_way + self.ended.len() + self.seen.len() > 0 {
            return false;
        }
        if self.setting.cancel.is_cancelled() {
            return true;
        }
        let waits_for_people =
            waiting(self.plan, &self.state).iter().any(|waiting| waiting.what.is_for_people());
        self.setting.orders.0.is_closed() && (waits_for_people || until.is_none())
    }

    fn stop(&mut self, steps: Vec<usize>) {
        for at in steps {
            self.noted.stopped.insert(at);
            if let Some(stop) = self.stops.get(&at) {
                stop.cancel();
            }
        }
    }

    fn send(&mut self, errand: Errand) {
        let stop = CancellationToken::new();
        let at = errand.at;
        self.noted.in_flight.insert(at);
        self.noted.stopped.remove(&at);
        self.stops.insert(at, stop.clone());
        let handler = self.setting.handler;
        self.errands.push(async move { (at, handler.perform(&errand, &stop).await) }.boxed());
    }

    fn look(&mut self, look: Look) {
        self.noted.looking.insert((look.at, look.monitor));
        let handler = self.setting.handler;
        self.looks.push(
            async move {
                let figure = handler.figure(&look.query).await;
                (look, figure)
            }
            .boxed(),
        );
    }

    fn came(&mut self, at: usize, came: Came) {
        self.noted.in_flight.remove(&at);
        self.stops.remove(&at);
        let happened = events_of(self.plan, &self.state, at, came);
        for happened in happened {
            let step = self.plan.steps[at].id.clone();
            self.record(Event::Step { step, happened });
        }
    }

    fn looked(&mut self, look: &Look, figure: Result<f64, String>) {
        let outside = figure.map(|value| outside(value, look.query.min, look.query.max));
        let now = self.now();
        let Some(detail) = self.noted.looked((look.at, look.monitor), now, outside) else { return };
        let planned = &self.plan.steps[look.at];
        let running = self.state.step(&planned.id).is_some_and(|run| {
            run.phase == super::state::StepPhase::Running && run.breached.is_none()
        });
        if running {
            let monitor = planned.step.monitors[look.monitor].title.clone();
            let step = planned.id.clone();
            self.record(Event::Step { step, happened: StepEvent::Breached { monitor, detail } });
        }
    }

    /// Waits until something comes back, somebody says something, or a moment.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<(), JournalError> {
        let now = self.now();
        let pause = until.map(|until| {
            let left = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
            // Never quite zero, so that other tasks of this thread go on, too.
            left.max(Duration::from_millis(1))
        });
        let sleeping = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let closed = self.setting.orders.0.is_closed();
        let cancelled = self.setting.cancel.is_cancelled();
        tokio::select! {
            Some((at, came)) = self.errands.next(), if !self.errands.is_empty() => {
                self.came(at, came);
            }
            Some((look, figure)) = self.looks.next(), if !self.looks.is_empty() => {
                self.looked(&look, figure);
            }
            ordered = self.setting.orders.0.recv(), if !closed => {
                if let Some((order, answer)) = ordered {
                    self.take_order(&order, answer);
                }
            }
            () = self.setting.cancel.cancelled(), if !cancelled => {}
            () = sleeping => {}
        }
        self.flush().await
    }
}
