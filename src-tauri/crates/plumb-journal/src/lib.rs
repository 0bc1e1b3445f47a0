//! Run events, what they fold to and the hash chain; pure.

pub mod chain;
pub mod event;
pub mod fold;

pub use chain::{Body, ChainVerdict, Entry, Head, head, verify};
pub use event::{EffectOutcome, Event, Outcome};
pub use fold::{NodePhase, NodeRun, RunState, fold};
