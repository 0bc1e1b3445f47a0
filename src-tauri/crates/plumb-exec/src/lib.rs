//! Perform an approved plan; defines the ports it needs.

pub mod execute;
pub mod limits;
pub mod next;
pub mod orders;
pub mod ports;
pub mod proof;
pub mod steps;

pub use execute::{ExecuteError, Left, Setting, carry_out, execute, pins_changed};
pub use next::{Known, Lease, Look, Measured, Sending, Step, next};
pub use orders::{Desk, Given, Order, OrderError, Orders, Wish, desk, obey};
pub use ports::{
    Clock, EffectHandler, Journal, JournalError, Lock, LockError, NoLock, Observation, PinMove,
    Request,
};
pub use proof::{otherwise, standing};
pub use steps::{
    Answer, Came, Errand, StepDesk, StepHandler, StepOrder, StepOrderError, StepOrders,
    StepSetting, StepWish, StepsState, Task, Waiting, WaitingFor, fold_steps, perform_steps,
    step_desk, waiting,
};
