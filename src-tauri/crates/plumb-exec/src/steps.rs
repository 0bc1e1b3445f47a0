//! Performs a runbook: what happens next is a pure function of its plan, its journal and time.
//!
//! Effects on nodes are no business of this engine: an action of a step becomes a plan of its own, passes
//! the gate, and is carried out by [`crate::carry_out`].

mod judge;
mod next;
mod people;
mod perform;
mod rehearse;
mod state;

pub use judge::{Answer, judge, outside};
pub use next::{Errand, Look, Move, NotedSteps, Task, next_step};
pub use people::{
    StepOrder, StepOrderError, StepWish, Waiting, WaitingFor, has_way_back, obey_step, waiting,
};
pub use perform::{Came, StepDesk, StepHandler, StepOrders, StepSetting, perform_steps, step_desk};
pub use rehearse::{Fault, Rehearsal, Rehearsed, SimulatedWorld, rehearse};
pub use state::{Frozen, Planned, SignedStart, StepPhase, StepRun, StepsState, fold_steps};
