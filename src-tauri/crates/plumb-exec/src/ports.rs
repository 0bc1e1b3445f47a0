//! What the executor needs of the world.

use std::{collections::BTreeMap, future::Future};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, NamedContent, NodeId, Version};
use plumb_journal::{EffectOutcome, Event};
use plumb_runbook::{DesiredChange, Effect, PinChange};

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

/// Carries effects out and looks at nodes.
pub trait EffectHandler: Send + Sync {
    /// Sets the desired version. The error is a sentence for a person.
    fn set_desired(
        &self,
        change: &DesiredChange,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Sets and lifts pins of the console. The error is a sentence for a person.
    fn change_pins(&self, pins: &PinChange) -> impl Future<Output = Result<(), String>> + Send;

    /// Sends one effect to one node, once. `key` lets nodes that remember keys recognise it.
    fn perform(
        &self,
        node: &NodeId,
        effect: &Effect,
        key: &str,
    ) -> impl Future<Output = EffectOutcome> + Send;

    /// Looks at nodes now; a silent node has the sentence why.
    fn observe(
        &self,
        nodes: &[NodeId],
    ) -> impl Future<Output = Vec<(NodeId, Result<Observation, String>)>> + Send;
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
