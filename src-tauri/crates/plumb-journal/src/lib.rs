//! Run events, what they fold to and the hash chain; pure.

pub mod certificate;
pub mod chain;
pub mod check;
pub mod event;
pub mod fold;
pub mod freeze_lease;
pub mod people;
pub mod portable;
pub mod runbook_answer;
pub mod runbook_consent;
pub mod runbook_start;
pub mod signed_head;
pub mod state_hash;
pub mod step_event;
pub mod step_run;

pub use certificate::{Certificate, Target};
pub use chain::{Body, Chain, ChainVerdict, Entry, Head, Link, head, verify};
pub use check::{Check, Found, Signed};
pub use event::{Bypass, CheckResult, CheckVerdict, EffectOutcome, Event, HaltCause, Outcome};
pub use fold::{
    Attestation, BranchRun, Bypassed, Halt, LockState, NodePhase, NodeRun, Rollback, RunState,
    WaveRun, fold,
};
pub use freeze_lease::FreezeLease;
pub use people::{Judged, OfRun, People, Signer, WordRefusal};
pub use runbook_answer::RunbookAnswer;
pub use runbook_consent::RunbookConsent;
pub use runbook_start::RunbookStart;
pub use signed_head::{JournalHead, is_signed_after};
pub use state_hash::{PROJECTION, StateHashes, StateMark};
pub use step_event::{StepEvent, StepOutcome};
pub use step_run::{StepPhase, StepRun};
