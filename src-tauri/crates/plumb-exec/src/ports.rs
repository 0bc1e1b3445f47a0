//! What the executor needs of the world.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, ready},
    time::Duration,
};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NamedContent, NodeId, PlanHash, RunId, Version};
use plumb_journal::{EffectOutcome, Event};
use plumb_runbook::{Branch, Effect, GateCheck, PinChange, Plan};

/// What a node was seen to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub version: Option<Version>,
    pub content: Option<ContentDigest>,
    /// When the node itself says it started or loaded last, where it tells.
    pub loaded_at: Option<Timestamp>,
    /// What the node itself says it was told to run, where it remembers that.
    pub pinned: Option<NamedContent>,
    /// The node itself says that it was told to run nothing.
    pub unpinned: bool,
    /// Its settings, where it tells them.
    pub settings: BTreeMap<String, String>,
}

/// A change of the console's own pins, the desired version of a fleet among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinMove {
    /// How they were planned to be until then; nothing where the plan does not tell.
    pub from: Option<PinChange>,
    pub to: PinChange,
    /// A pin of the fleet rules every node: no other node may have one of its own.
    pub sole: bool,
}

/// Carries effects out and looks at nodes.
pub trait EffectHandler: Send + Sync {
    /// Changes pins of the console, all or none; those that stand as wanted stay as they are. Pins that
    /// are neither as before nor as wanted are somebody else's, and are not changed. The error is a
    /// sentence for a person.
    fn change_pins(&self, pins: &PinMove) -> impl Future<Output = Result<(), String>> + Send;

    /// Whether pins of the console stand so. The error is a sentence for a person.
    fn pins_stand(&self, pins: &PinChange) -> impl Future<Output = Result<bool, String>> + Send;

    /// Sends one effect to one node, once.
    fn perform(&self, request: &Request<'_>) -> impl Future<Output = EffectOutcome> + Send;

    /// Looks at nodes now; a silent node has the sentence why.
    fn observe(
        &self,
        nodes: &[NodeId],
    ) -> impl Future<Output = Vec<(NodeId, Result<Observation, String>)>> + Send;

    /// Content that is refused in this fleet now. Asked before every decision, so it is at hand.
    fn refused(&self) -> BTreeSet<ContentDigest> {
        BTreeSet::new()
    }

    /// How the nodes there are differ from those of the plan, in a sentence. Asked before each wave.
    fn set_difference(&self, _plan: &Plan) -> impl Future<Output = Option<String>> + Send {
        ready(None)
    }

    /// The figure a check of a gate compares with its limit, in the check's own unit; over these
    /// nodes, since this moment. The error is a sentence for a person.
    fn measure(
        &self,
        _check: &GateCheck,
        _nodes: &[NodeId],
        _since: Timestamp,
    ) -> impl Future<Output = Result<i64, String>> + Send {
        ready(Err("this cannot be measured here".to_owned()))
    }
}

/// One effect on its way to one node, with what lets the node recognise it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub node: &'a NodeId,
    pub effect: &'a Effect,
    /// Lets nodes that remember keys recognise the request.
    pub key: &'a str,
    pub run: RunId,
    /// Lets nodes that remember plans refuse another run of the same one.
    pub plan: PlanHash,
    pub branch: Branch,
}

/// The deployment lock of a fleet: a lease with one owner.
pub trait Lock: Send + Sync {
    /// Takes the lock, or makes the lease of its owner longer. The answer says how long it holds from
    /// the beginning of the request; nothing where no lock is needed.
    fn hold(&self) -> impl Future<Output = Result<Option<Duration>, LockError>> + Send;

    /// Gives the lock back; where that does not arrive, the lease ends by itself.
    fn release(&self) -> impl Future<Output = ()> + Send;

    /// Who holds it, for people and the journal.
    fn owner(&self) -> String;
}

/// Why the lock is not held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    #[error("the deployment lock is held by {by}")]
    Held { by: String },
    #[error("the deployment lock was not answered: {message}")]
    NoAnswer { message: String },
}

/// For fleets in which nobody else deploys.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLock;

impl Lock for NoLock {
    fn hold(&self) -> impl Future<Output = Result<Option<Duration>, LockError>> + Send {
        ready(Ok(None))
    }

    fn release(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    fn owner(&self) -> String {
        String::new()
    }
}

/// The run's journal. Events of one call become durable together, before the call returns.
pub trait Journal: Send + Sync {
    fn append(&self, events: Vec<Event>) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// The journal could not be written: the run stops, since nothing may happen unrecorded.
#[derive(Debug, thiserror::Error)]
#[error("the journal could not be written")]
pub struct JournalError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Wall time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}
