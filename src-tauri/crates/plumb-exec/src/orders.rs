//! What somebody may ask of a run under way.

use plumb_journal::{Bypass, Event, LockState, NodePhase, RunState};
use plumb_runbook::{GateCheck, Plan};
use tokio::sync::{mpsc, oneshot};

use crate::limits::ORDERS_MAX;

/// A request to a run, by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub by: String,
    pub what: Wish,
}

impl Order {
    /// Whether nothing of the plan is sent after it but the way back.
    pub const fn leads_back(&self) -> bool {
        matches!(self.what, Wish::Abort | Wish::RollBack { .. })
    }

    /// Whether a run that stands still may send more of its plan after it.
    pub const fn leads_forward(&self) -> bool {
        matches!(self.what, Wish::Resume | Wish::Attest { .. } | Wish::Bypass { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Start nothing further until it is resumed; what is under way is waited for.
    Pause,
    /// Go on after a pause or a halt; what failed until now is accepted.
    Resume,
    /// Start nothing further, and end.
    Abort,
    /// Bring back every node that was touched.
    RollBack { reason: String },
    /// Say that the gate of a wave may open.
    Attest { wave: u32, note: String },
    /// Pass over the gate of a wave, or a freeze window.
    Bypass { what: Bypass, reason: String },
}

/// Why a run does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("the run has ended")]
    Ended,
    #[error("the run is {is} already")]
    Already { is: &'static str },
    #[error("the run neither paused nor halted")]
    NotHeld,
    #[error("the plan holds no way back; undo the run by a plan of its own")]
    NoWayBack,
    #[error("wave {number} has no gate that waits for this", number = wave + 1)]
    NoGate { wave: u32 },
    #[error("a reason must be given")]
    NoReason,
    #[error("the deployment lock was lost; let the run go, and resume it with the lock")]
    NoLock,
}

/// What an order comes to in the journal, or why it comes to nothing.
pub fn obey(order: &Order, plan: &Plan, state: &RunState) -> Result<Event, OrderError> {
    if state.outcome.is_some() {
        return Err(OrderError::Ended);
    }
    let by = order.by.clone();
    let already = |is| Err(OrderError::Already { is });
    if state.abort_requested {
        return already("aborted");
    }
    match &order.what {
        Wish::Pause if state.paused.is_some() => already("paused"),
        Wish::Pause => Ok(Event::Paused { by }),
        Wish::Resume | Wish::RollBack { .. } if state.lock == LockState::Lost => {
            Err(OrderError::NoLock)
        }
        Wish::Resume if state.paused.is_none() && state.halted.is_none() => {
            Err(OrderError::NotHeld)
        }
        Wish::Resume => Ok(Event::Resumed { by }),
        Wish::Abort => Ok(Event::AbortRequested { by }),
        Wish::RollBack { .. } if state.rollback.is_some() => already("on its way back"),
        Wish::RollBack { .. } if plan.rollout.is_none() => Err(OrderError::NoWayBack),
        Wish::RollBack { reason } => {
            Ok(Event::RollbackStarted { reason: given(reason)?, by: Some(by) })
        }
        Wish::Attest { wave, note } => {
            let waits = waiting_gate(*wave, plan, state);
            let asked = |check: &GateCheck| matches!(check, GateCheck::Attest { .. });
            if !waits.is_some_and(|checks| checks.iter().any(asked)) {
                return Err(OrderError::NoGate { wave: *wave });
            }
            Ok(Event::Attested { wave: *wave, by, note: given(note)? })
        }
        Wish::Bypass { what: Bypass::Gate { wave }, .. }
            if waiting_gate(*wave, plan, state).is_none() =>
        {
            Err(OrderError::NoGate { wave: *wave })
        }
        Wish::Bypass { what, reason } => {
            Ok(Event::Bypassed { what: what.clone(), by, reason: given(reason)? })
        }
    }
}

fn given(reason: &str) -> Result<String, OrderError> {
    match reason.trim() {
        "" => Err(OrderError::NoReason),
        reason => Ok(reason.to_owned()),
    }
}

/// The checks of the newest wave's gate, as long as it is reached and shut.
fn waiting_gate<'a>(wave: u32, plan: &'a Plan, state: &RunState) -> Option<&'a [GateCheck]> {
    let index = usize::try_from(wave).ok()?;
    let run = state.waves.get(index)?;
    let open = run.passed || run.reached_at.is_none() || index + 1 != state.waves.len();
    let gate = plan.waves.get(index)?.gate.as_ref()?;
    (!open && state.rollback.is_none()).then_some(gate.checks.as_slice())
}

type Ordered = (Order, oneshot::Sender<Result<(), OrderError>>);

/// An order that lies at a desk.
#[derive(Debug)]
pub struct Given(Option<oneshot::Receiver<Result<(), OrderError>>>);

impl Given {
    /// Waits until it is durable in the journal or refused.
    pub async fn taken(self) -> Result<(), OrderError> {
        let Some(answered) = self.0 else { return Err(OrderError::Ended) };
        answered.await.unwrap_or(Err(OrderError::Ended))
    }
}

/// Where orders for one run are given.
#[derive(Debug, Clone)]
pub struct Desk(mpsc::Sender<Ordered>);

/// Where a run takes its orders from.
#[derive(Debug)]
pub struct Orders(pub(crate) mpsc::Receiver<Ordered>);

/// A desk, and the orders given at it.
pub fn desk() -> (Desk, Orders) {
    let (given, taken) = mpsc::channel(ORDERS_MAX);
    (Desk(given), Orders(taken))
}

impl Desk {
    /// Gives an order, and returns when it is durable in the journal or refused.
    pub async fn give(&self, order: Order) -> Result<(), OrderError> {
        let (answer, answered) = oneshot::channel();
        self.0.send((order, answer)).await.map_err(|_| OrderError::Ended)?;
        Given(Some(answered)).taken().await
    }

    /// Puts an order down without waiting, before the run begins to take any.
    pub fn put(&self, order: Order) -> Given {
        let (answer, answered) = oneshot::channel();
        Given(self.0.try_send((order, answer)).ok().map(|()| answered))
    }
}

/// Whether nothing more can happen to this part of a node.
pub(crate) const fn is_settled(phase: NodePhase, changing: bool) -> bool {
    match phase {
        NodePhase::Arrived | NodePhase::Failed | NodePhase::RolledBack => true,
        // What was left in the middle has to show where it stands.
        NodePhase::Skipped => !changing,
        NodePhase::Waiting | NodePhase::Acting | NodePhase::Accepted | NodePhase::InDoubt => false,
    }
}
