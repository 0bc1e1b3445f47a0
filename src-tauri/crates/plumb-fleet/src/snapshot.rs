//! The result of one sweep: partial and dated by construction.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    content::{Ordering, Policy, PolicyRef},
    ids::{BundleDigest, ContentDigest, FleetId, NodeId, SnapshotId, Version},
    node::NodeApi,
    observed::Observed,
    reload::ReloadTrigger,
    verification::{Standing, Verification},
};

/// One pass over a fleet. Every node is present; what could not be read is a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub fleet: FleetId,
    pub taken_at: Timestamp,
    pub nodes: BTreeMap<NodeId, NodeObservation>,
}

/// What is known of one node after a sweep: the newest attempt and the newest report, which may be older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeObservation {
    pub attempted_at: Option<Timestamp>,
    /// Why the newest attempt has no report, or nothing when it has.
    pub failure: Option<NodeFailure>,
    /// The newest report ever received; shared, so that the next snapshot takes it over without copying.
    pub report: Option<Arc<NodeReport>>,
}

/// Key in [`NodeReport::config`] of the version a node was told to run, told also where the pin has
/// no content and so cannot be in [`NodeReport::pinned`].
pub const PINNED_VERSION: &str = "pinned.version";

/// Key in [`NodeReport::config`] of how long an agent remembers which plans ran; absent where it does not.
pub const REMEMBERS_PLANS: &str = "agent.remembers_plans";

/// Key in [`NodeReport::config`] of the version of the refused list that an agent enforces, or `none` while
/// it has no list; absent where it enforces none.
pub const REFUSED_LIST: &str = "agent.refused_list";

/// Key in [`NodeReport::config`] of an agent that takes no change unless it verified the approvals of the
/// plan that asks for it.
pub const REQUIRES_APPROVAL: &str = "agent.requires_approval";

/// Key in [`NodeReport::config`] of who holds the deployment lock of an agent; `nobody` while it is free, and
/// absent where there is no such lock.
pub const LOCK_OWNER: &str = "agent.lock";

/// Key in [`NodeReport::config`] of the code by which an OPA, which keeps no history, says that it could not load what it
/// follows the last time it tried; absent where it could.
pub const LOAD_FAILING: &str = "opa.load_failing";

/// What a node said of itself in one observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: NodeId,
    pub api: NodeApi,
    /// When the last of its answers arrived, by our clock.
    pub at: Timestamp,
    pub latency_ms: u32,
    pub bundle_id: Option<Observed<String>>,
    pub version: Option<Observed<Version>>,
    pub bundle_digest: Option<Observed<BundleDigest>>,
    pub content: Option<Observed<ContentDigest>>,
    pub ordering: Ordering,
    /// Policies in force by digest, where the node or its adapter told.
    pub policies: Option<Observed<Vec<PolicyRef>>>,
    /// When the node loaded its bundle.
    pub loaded_at: Option<Observed<Timestamp>>,
    /// When the source of the bundle last confirmed this digest; absent where the node API cannot tell.
    pub confirmed_at: Option<Observed<Timestamp>>,
    pub signature: Option<Box<Observed<SignatureReport>>>,
    /// How the node verified what its source offers, where it tells. Shared: nodes of one bundle tell the same.
    #[serde(default)]
    pub verification: Option<Observed<Arc<Verification>>>,
    #[serde(default)]
    pub standing: Option<Box<Observed<Standing>>>,
    /// The bundle the node would fall back to, where the node API tells (rollback readiness).
    pub last_known_good: Option<Box<Observed<NamedContent>>>,
    /// What the node itself was told to run, where the node API remembers pins.
    pub pinned: Option<Box<Observed<NamedContent>>>,
    pub ready: Option<Observed<bool>>,
    pub stats: Option<Box<Observed<ReloadStats>>>,
    /// Newest first, at most what the node keeps.
    pub history: Vec<ReloadEntry>,
    pub uptime_s: Option<Observed<u64>>,
    /// Node clock minus ours, in milliseconds, from the `Date` header (1 s resolution).
    pub clock_skew_ms: Option<i64>,
    /// A mutating endpoint answers without a credential (R279).
    pub unauthenticated_reload: bool,
    pub config: BTreeMap<String, String>,
    /// Parts of the report that could not be read, each with its failure.
    pub gaps: Vec<ReportGap>,
}

/// A version and the content it stood for at one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedContent {
    pub version: Version,
    pub content: ContentDigest,
}

/// One document of a report that could not be read while others could.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportGap {
    pub source: String,
    pub failure: NodeFailure,
}

/// What a node says of the signature of what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum SignatureReport {
    Valid {
        scheme: String,
        key: String,
    },
    Invalid {
        reason: String,
    },
    /// The node runs something that carries no signature.
    Unsigned,
}

/// One reload attempt as a node's history tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadEntry {
    pub at: Timestamp,
    pub version: Option<Version>,
    pub success: bool,
    pub duration_us: u64,
    pub policies: u32,
    pub error: Option<String>,
    #[serde(default)]
    pub trigger: Option<ReloadTrigger>,
}

/// Reload counters as the node tells them; they may saturate or fall (conflict C6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadStats {
    pub total: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// Average duration in microseconds.
    pub average_us: u64,
}

/// Why a node or one of its documents could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFailure {
    pub kind: FailureKind,
    /// One sentence for a person, control characters already escaped.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nobody listens, or the name does not resolve.
    Refused,
    TimedOut,
    Tls,
    /// 401 or 403, or a token that could not be had.
    Auth,
    /// Any other status that is not a success.
    HttpStatus,
    Malformed,
    TooLarge,
    /// Refused by us before anything was sent, for example a token over plain HTTP.
    Policy,
    /// The node answers well and reports a failure of its own, for example a bundle it cannot load.
    Reported,
}

impl FailureKind {
    /// Whether the node gave no answer at all, as opposed to one we cannot use.
    pub const fn no_answer(self) -> bool {
        matches!(self, Self::Refused | Self::TimedOut | Self::Tls)
    }
}

/// Assembles a snapshot from reports and failures as they arrive, over what was known before.
#[derive(Debug)]
pub struct SnapshotBuilder {
    fleet: FleetId,
    nodes: BTreeMap<NodeId, NodeObservation>,
}

impl SnapshotBuilder {
    /// Starts from the nodes of the fleet and what the previous snapshot knew of them.
    pub fn new(
        fleet: FleetId,
        nodes: impl IntoIterator<Item = NodeId>,
        previous: Option<&Snapshot>,
    ) -> Self {
        let nodes = nodes
            .into_iter()
            .map(|id| {
                let known = previous.and_then(|p| p.nodes.get(&id)).cloned();
                (
                    id,
                    known.unwrap_or(NodeObservation {
                        attempted_at: None,
                        failure: None,
                        report: None,
                    }),
                )
            })
            .collect();
        Self { fleet, nodes }
    }

    /// Takes a report. A node that is not of the fleet is ignored.
    pub fn report(&mut self, mut report: NodeReport) {
        if let Some(node) = self.nodes.get_mut(&report.node) {
            if let Some(before) = &node.report {
                report.count_around_reload(before);
            }
            *node = NodeObservation {
                attempted_at: Some(report.at),
                failure: None,
                report: Some(Arc::new(report)),
            };
        }
    }

    /// Takes a failure; the last report stays.
    pub fn failure(&mut self, node: &NodeId, at: Timestamp, failure: NodeFailure) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.attempted_at = Some(at);
            node.failure = Some(failure);
        }
    }

    pub fn finish(self, id: SnapshotId, taken_at: Timestamp) -> Snapshot {
        Snapshot { id, fleet: self.fleet, taken_at, nodes: self.nodes }
    }
}

impl NodeObservation {
    /// The newest report to change; a copy of it where another snapshot holds it too.
    pub fn report_mut(&mut self) -> Option<&mut NodeReport> {
        self.report.as_mut().map(Arc::make_mut)
    }
}

impl Snapshot {
    pub fn answered(&self) -> usize {
        self.nodes.values().filter(|n| n.attempted_at.is_some() && n.failure.is_none()).count()
    }
}

/// The policies of one content digest, as some node or bundle gave them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub digest: ContentDigest,
    pub ordering: Ordering,
    pub policies: Vec<Policy>,
}
