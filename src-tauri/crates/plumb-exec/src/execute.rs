//! Performs an approved plan: intent before effect, one attempt, arrival proven by content.
//!
//! This is the loop around [`next`]: it does what that decides, writes down what came of it, and
//! decides again.

mod flight;
mod lease;
mod pins;

pub use self::pins::changed as pins_changed;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{PlanHash, RunId};
use plumb_journal::{Bypass, EffectOutcome, Entry, Event, Outcome, RunState, fold};
use plumb_runbook::{ApprovedPlan, Plan};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument};

use self::flight::{Back, Flights};
use crate::{
    next::{Known, Sending, Step, next},
    orders::{Order, Orders, Wish, desk, obey},
    ports::{Clock, EffectHandler, Journal, JournalError, Lock, LockError, NoLock},
};

/// What a run is given beside its plan.
#[derive(Debug)]
pub struct Setting<'a, H, J, C, L> {
    pub handler: &'a H,
    pub journal: &'a J,
    pub clock: &'a C,
    pub lock: &'a L,
    /// Aborts the run, in the name of whoever started it.
    pub cancel: &'a CancellationToken,
    pub orders: Orders,
    /// What its journal holds already; a run that begins has nothing.
    pub entries: &'a [Entry],
    /// Who carries it out now.
    pub operator: &'a str,
    /// Safeguards that were passed over so that this could begin, each with its reason.
    pub bypasses: Vec<(Bypass, String)>,
}

/// How a run was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Ended(Outcome),
    /// It is paused or halted, or waits for an attestation, and nobody is there to decide. It can be
    /// resumed from its journal.
    Open,
}

/// Why a run was not carried on.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("the journal is of another plan")]
    OtherPlan,
}

/// Carries out an approved plan that needs no lock and takes no orders, and returns how it ended.
///
/// Every effect is journalled before it is sent and after it came back. Cancellation is honoured
/// between effects, never inside one. An error means that the journal could not be written; then
/// nothing further is sent.
pub async fn execute(
    run: RunId,
    approved: &ApprovedPlan,
    handler: &impl EffectHandler,
    journal: &impl Journal,
    clock: &impl Clock,
    cancel: &CancellationToken,
) -> Result<Outcome, JournalError> {
    let (_, orders) = desk();
    let operator = approved.operator();
    let lock = &NoLock;
    let (entries, bypasses) = (&[][..], Vec::new());
    let setting =
        Setting { handler, journal, clock, lock, cancel, orders, entries, operator, bypasses };
    match carry_out(run, approved, setting).await {
        Ok(Left::Ended(outcome)) => Ok(outcome),
        Ok(Left::Open) => Ok(Outcome::Halted),
        Err(ExecuteError::Journal(error)) => Err(error),
        Err(error @ (ExecuteError::Lock(_) | ExecuteError::OtherPlan)) => {
            Err(JournalError(Box::new(error)))
        }
    }
}

/// Carries out an approved plan, or goes on with it from its journal, until it ends or is left open.
#[instrument(skip_all, fields(run = %run, plan = tracing::field::Empty))]
pub async fn carry_out<H: EffectHandler, J: Journal, C: Clock, L: Lock>(
    run: RunId,
    approved: &ApprovedPlan,
    setting: Setting<'_, H, J, C, L>,
) -> Result<Left, ExecuteError> {
    let plan = approved.plan();
    let hash = plan.hash();
    tracing::Span::current().record("plan", tracing::field::display(hash));
    let state = fold(setting.entries);
    if state.plan.is_some_and(|other| other != hash) {
        return Err(ExecuteError::OtherPlan);
    }
    if let Some(outcome) = state.outcome {
        return Ok(Left::Ended(outcome));
    }
    // Time of a run goes on evenly, and never back behind what its journal holds.
    let last = setting.entries.iter().map(|entry| entry.body.at).max().unwrap_or(Timestamp::MIN);
    let base = setting.clock.now().max(last);
    let mut execution = Execution {
        run,
        plan,
        hash,
        state,
        known: Known::default(),
        pending: Vec::new(),
        answers: Vec::new(),
        flights: Flights::new(),
        lease: lease::Tenure::default(),
        base,
        began: Instant::now(),
        setting,
    };
    execution.begin(approved).await?;
    let left = execution.perform().await;
    execution.leave().await;
    left
}

type Answer = tokio::sync::oneshot::Sender<Result<(), crate::orders::OrderError>>;

/// A run under way.
struct Execution<'a, H, J, C, L> {
    run: RunId,
    plan: &'a Plan,
    hash: PlanHash,
    state: RunState,
    known: Known,
    /// Taken in already, not durable yet; nothing is sent before it is.
    pending: Vec<Event>,
    /// Who waits for that.
    answers: Vec<Answer>,
    flights: Flights<'a>,
    lease: lease::Tenure,
    base: Timestamp,
    began: Instant,
    setting: Setting<'a, H, J, C, L>,
}

impl<H: EffectHandler, J: Journal, C: Clock, L: Lock> Execution<'_, H, J, C, L> {
    /// Wall time may be set while a run waits; its deadlines are about time that passed.
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.base.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    async fn begin(&mut self, approved: &ApprovedPlan) -> Result<(), ExecuteError> {
        self.take_lock().await?;
        let by = self.setting.operator.to_owned();
        if self.state.started_at.is_some() {
            self.record(Event::RunResumed { by });
        } else {
            self.record(Event::RunStarted {
                plan: self.hash,
                fleet: self.plan.fleet.clone(),
                operator: approved.operator().to_owned(),
                targets: u32::try_from(self.plan.targets().count()).unwrap_or(u32::MAX),
            });
        }
        for (what, reason) in std::mem::take(&mut self.setting.bypasses) {
            let by = self.setting.operator.to_owned();
            self.record(Event::Bypassed { what, by, reason });
        }
        if self.lease.is_needed() {
            self.record(Event::LockTaken { owner: self.setting.lock.owner() });
        }
        let flushed = self.flush().await;
        if flushed.is_err() {
            self.setting.lock.release().await;
        }
        Ok(flushed?)
    }

    async fn perform(&mut self) -> Result<Left, ExecuteError> {
        loop {
            self.take_orders();
            self.take_answers();
            self.tend_lease();
            self.known.refused = self.setting.handler.refused();
            match next(self.run, self.plan, &self.state, &self.known, self.now()) {
                Step::Record(events) => events.into_iter().for_each(|event| self.record(event)),
                Step::Send(sendings) => self.send(sendings).await?,
                Step::Look(nodes) => self.look(nodes),
                Step::Measure { wave, nodes } => self.measure(wave, nodes),
                Step::Compare { wave } => self.compare(wave),
                Step::ChangePins { back } => self.change_pins(back).await?,
                Step::SettlePins => self.settle_pins().await?,
                Step::Wait { until } => {
                    self.flush().await?;
                    if self.flights.is_empty() && self.is_left_open() {
                        return Ok(Left::Open);
                    }
                    self.wait(until).await;
                }
                Step::Done(outcome) => {
                    self.flush().await?;
                    info!(outcome = outcome.name(), "run ended");
                    return Ok(Left::Ended(outcome));
                }
            }
        }
    }

    /// What follows the end of the work, however it ended.
    async fn leave(&mut self) {
        if self.lease.is_needed() {
            self.setting.lock.release().await;
        }
        for answer in self.answers.drain(..) {
            // Whoever asked sees in the journal what became of it.
            let _ = answer.send(Err(crate::orders::OrderError::Ended));
        }
    }

    fn record(&mut self, event: Event) {
        self.state.apply(&event, self.now());
        self.pending.push(event);
    }

    /// Makes durable what was recorded. What is under way goes on meanwhile.
    async fn flush(&mut self) -> Result<(), JournalError> {
        if !self.pending.is_empty() {
            let written = {
                let append = self.setting.journal.append(std::mem::take(&mut self.pending));
                self.flights.while_waiting(append).await
            };
            if let Err(error) = written {
                // What was sent is not taken back by forgetting it: it gets its answer.
                self.flights.drain().await;
                return Err(error);
            }
        }
        for answer in self.answers.drain(..) {
            let _ = answer.send(Ok(()));
        }
        Ok(())
    }

    fn take_orders(&mut self) {
        let aborts = self.setting.cancel.is_cancelled() && !self.state.abort_requested;
        if aborts && self.state.outcome.is_none() {
            let by = self.setting.operator.to_owned();
            self.record(Event::AbortRequested { by });
        }
        while let Ok((order, answer)) = self.setting.orders.0.try_recv() {
            self.take_order(&order, answer);
        }
    }

    fn take_order(&mut self, order: &Order, answer: Answer) {
        match obey(order, self.plan, &self.state) {
            Ok(event) => {
                self.record(event);
                // Whoever decided wants it looked at again.
                (self.known.compared, self.known.unset) = (None, None);
                if !matches!(order.what, Wish::Attest { .. }) {
                    self.known.measured = None;
                }
                self.answers.push(answer);
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Whether it stands still, and nobody is there who could decide.
    fn is_left_open(&self) -> bool {
        if !self.setting.orders.0.is_closed() {
            return false;
        }
        if self.state.abort_requested {
            return false;
        }
        let held = self.state.paused.is_some() || self.state.halted.is_some();
        held || (self.state.rollback.is_none() && self.waits_for_a_person())
    }

    /// Whether nothing but an attestation keeps a gate shut.
    fn waits_for_a_person(&self) -> bool {
        let wave = self.state.waves.last().filter(|wave| !wave.passed && wave.attested.is_none());
        let looked_at_until = wave.and_then(|wave| {
            let gate = self.plan.waves.get(self.state.waves.len() - 1)?.gate.as_ref()?;
            let soak_s = i64::from(gate.soak_s) + i64::from(gate.patience_s);
            Some(wave.reached_at? + SignedDuration::from_secs(soak_s))
        });
        looked_at_until.is_some_and(|until| until <= self.now())
    }

    /// Effects that start together share one durable batch, and are sent after it.
    async fn send(&mut self, sendings: Vec<Sending>) -> Result<(), JournalError> {
        for sending in &sendings {
            let loaded = self
                .known
                .seen
                .get(&sending.node)
                .and_then(|look| look.answer.as_ref().ok().and_then(|seen| seen.loaded_at));
            if sending.index == 0 {
                match loaded {
                    Some(at) => self.known.loaded_before.insert(sending.node.clone(), at),
                    None => self.known.loaded_before.remove(&sending.node),
                };
            }
            self.record(Event::EffectStarted {
                node: sending.node.clone(),
                index: sending.index,
                effect: sending.effect.clone(),
                key: sending.key.clone(),
                branch: sending.branch,
            });
        }
        self.flush().await?;
        // The disk may have been slow: what was refused meanwhile, or is no longer ours to send,
        // stays here.
        self.known.refused = self.setting.handler.refused();
        self.tend_lease();
        for sending in sendings {
            match self.not_to_be_sent(&sending) {
                None => self.flights.send(self.setting.handler, self.run, self.hash, sending),
                Some(message) => self.record(Event::EffectFinished {
                    node: sending.node,
                    index: sending.index,
                    outcome: EffectOutcome::Refused { message },
                    branch: sending.branch,
                }),
            }
        }
        Ok(())
    }

    fn not_to_be_sent(&self, sending: &Sending) -> Option<String> {
        if !self.known.lease.holds(self.now()) {
            return Some("was not sent: the lease of the deployment lock ended first".to_owned());
        }
        let refused = sending.brings.filter(|content| self.known.refused.contains(content))?;
        Some(format!("was not sent: content {} is refused in this fleet", refused.short()))
    }

    fn look(&mut self, nodes: Vec<plumb_fleet::NodeId>) {
        self.known.looking = true;
        self.flights.look(self.setting.handler, nodes, self.now());
    }

    fn measure(&mut self, wave: u32, nodes: Vec<plumb_fleet::NodeId>) {
        self.known.looking = true;
        let index = usize::try_from(wave).unwrap_or(usize::MAX);
        let gate = self.plan.waves.get(index).and_then(|wave| wave.gate.as_ref());
        let checks = gate.map(|gate| gate.checks.as_slice()).unwrap_or_default();
        let since = self.state.waves.get(index).and_then(|wave| wave.started_at);
        let now = self.now();
        let since = since.unwrap_or(now);
        self.flights.measure(self.setting.handler, wave, nodes, checks, since, now);
    }

    fn compare(&mut self, wave: u32) {
        self.known.looking = true;
        self.flights.compare(self.setting.handler, wave, self.plan);
    }

    /// Waits until something comes back, somebody orders something, or a moment.
    async fn wait(&mut self, until: Option<Timestamp>) {
        let now = self.now();
        let wake = match (until, self.lease.wakes_at()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let pause = wake.map(|wake| {
            let left = Duration::try_from(wake.duration_since(now)).unwrap_or(Duration::ZERO);
            // Never quite zero, so that other tasks of this thread go on, too.
            left.max(Duration::from_millis(1))
        });
        let sleeping = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let aborted = self.state.abort_requested;
        let closed = self.setting.orders.0.is_closed();
        tokio::select! {
            biased;
            () = self.flights.one_back(), if !self.flights.is_empty() => {}
            given = self.setting.orders.0.recv(), if !closed => {
                if let Some((order, answer)) = given {
                    self.take_order(&order, answer);
                }
            }
            () = self.setting.cancel.cancelled(), if !aborted => {}
            () = sleeping => {}
        }
    }

    /// Takes in what came back; it becomes durable with what follows from it.
    fn take_answers(&mut self) {
        for back in self.flights.taken() {
            match back {
                Back::Sent { sending, outcome } => self.record(Event::EffectFinished {
                    node: sending.node,
                    index: sending.index,
                    outcome,
                    branch: sending.branch,
                }),
                Back::Looked { began, seen } => self.looked(began, seen),
                Back::Measured { measured, seen } => {
                    self.looked(measured.began, seen);
                    self.known.measured = Some(measured);
                }
                Back::Compared { wave, difference } => {
                    self.known.looking = false;
                    self.known.compared = Some((wave, difference));
                }
                Back::Held { began, answer } => self.lease.answered(began, answer),
            }
        }
    }

    fn looked(&mut self, began: Timestamp, seen: flight::Seen) {
        self.known.looking = false;
        let ended = self.now();
        for (node, answer) in seen {
            self.known.seen.insert(node, crate::next::Look { began, ended, answer });
        }
    }
}
