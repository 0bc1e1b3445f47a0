//! The newest stored knowledge of one fleet, as queries and planners read it.

use std::sync::Arc;

use jiff::Timestamp;
use plumb_fleet::{Assessment, Desired, Fleet, NodeId, Snapshot, assess};
use plumb_runbook::PlanInput;
use plumb_store::SweepMeta;

/// What the store held of a fleet at one moment; never changed, only replaced.
#[derive(Debug, Clone)]
pub struct Current {
    pub fleet: Arc<Fleet>,
    pub snapshot: Arc<Snapshot>,
    pub desired: Arc<Desired>,
    /// The newest sweep over the whole fleet.
    pub sweep: Option<Sweep>,
}

/// When a sweep ran and how many nodes answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub answered: u32,
    pub total: u32,
}

impl Sweep {
    /// A sweep with this result.
    pub fn of(snapshot: &Snapshot, started_at: Timestamp, finished_at: Timestamp) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            started_at,
            finished_at,
            answered: count(snapshot.answered()),
            total: count(snapshot.nodes.len()),
        }
    }
}

impl From<Sweep> for SweepMeta {
    fn from(sweep: Sweep) -> Self {
        Self { started_at: sweep.started_at, finished_at: sweep.finished_at }
    }
}

impl Current {
    /// A snapshot of a fleet, the sweep it stands on, and what is desired.
    pub(crate) fn of(
        fleet: Arc<Fleet>,
        snapshot: Snapshot,
        sweep: Option<SweepMeta>,
        desired: Arc<Desired>,
    ) -> Self {
        let sweep = sweep.map(|meta| Sweep::of(&snapshot, meta.started_at, meta.finished_at));
        Self { fleet, snapshot: Arc::new(snapshot), desired, sweep }
    }

    pub fn assess(&self, now: Timestamp) -> Assessment {
        assess(&self.snapshot, &self.desired, now)
    }

    pub fn plan_input<'a>(&'a self, assessment: &'a Assessment) -> PlanInput<'a> {
        PlanInput {
            fleet: &self.fleet,
            snapshot: &self.snapshot,
            assessment,
            desired: &self.desired,
        }
    }

    pub fn report(&self, node: &NodeId) -> Option<&plumb_fleet::NodeReport> {
        self.snapshot.nodes.get(node)?.report.as_deref()
    }
}
