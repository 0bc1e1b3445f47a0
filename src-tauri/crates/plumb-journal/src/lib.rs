//! Run events, what they fold to and the hash chain; pure.

pub mod chain;
pub mod event;
pub mod fold;

pub use chain::{Body, ChainVerdict, Entry, Head, head, verify};
pub use event::{Bypass, CheckResult, CheckVerdict, EffectOutcome, Event, HaltCause, Outcome};
pub use fold::{
    Attestation, BranchRun, Bypassed, Halt, LockState, NodePhase, NodeRun, Rollback, RunState,
    WaveRun, fold,
};
