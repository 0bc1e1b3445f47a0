//! The bundles nodes loaded, and how they follow their source.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

use super::{
    fleet::{DriftStateView, ReloadView},
    node::{ConfigLine, SignatureView},
    shell::SweepView,
};

/// Distribution status: the bundle of every node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BundleStatusView {
    pub fleet: String,
    pub now_ms: i64,
    pub sweep: Option<SweepView>,
    /// Every node below is healthy.
    pub healthy: bool,
    pub nodes: Vec<NodeBundle>,
}

/// The bundle of one node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NodeBundle {
    pub node: String,
    pub api: String,
    pub state: DriftStateView,
    pub bundle_id: Option<String>,
    pub version: Option<String>,
    /// Of the file's bytes, where the node tells.
    pub digest: Option<String>,
    /// Of the policies in force.
    pub content: Option<String>,
    pub signature: Option<SignatureView>,
    pub confirmed_at_ms: Option<i64>,
    pub loaded_at_ms: Option<i64>,
    pub last_reload: Option<ReloadView>,
    /// When the node last gave a report.
    pub seen_at_ms: Option<i64>,
    /// What is wrong with the bundle or its distribution, one sentence each.
    pub problems: Vec<String>,
    pub healthy: bool,
}

/// How one node follows the source of its bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SubscriptionView {
    pub node: String,
    pub api: String,
    pub now_ms: i64,
    /// `polling`, `watch`, `polling and watch`, or `none`.
    pub follows: String,
    /// Settings of bundles and polling as the node tells them now.
    pub settings: Vec<ConfigLine>,
    pub confirmed_at_ms: Option<i64>,
    /// Longest age of a confirmation that counts as healthy, in seconds.
    pub age_s_max: i64,
    pub healthy: bool,
    /// The sentence that justifies it.
    pub why: String,
    /// What to do where it is not healthy.
    pub remedy: Option<String>,
}

/// A content that nodes can be brought to, or that some run already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct BundleChoice {
    pub version: Option<String>,
    pub content: String,
    /// The signed bundle that holds it; nothing where none is known here.
    pub signed: Option<SignedBundle>,
    /// Nodes that run it as far as is known.
    pub nodes: u32,
    /// It is what the fleet should run.
    pub desired: bool,
    /// Nodes were refused this content in this fleet.
    pub refused: bool,
    /// Another signed bundle goes by the same version.
    pub shares_version: bool,
}

/// A bundle of the catalogue, verified with a trusted key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct SignedBundle {
    /// Of the file's bytes.
    pub digest: String,
    /// File name below a node's bundle folder.
    pub file: String,
    /// Path on this machine, where the file is at hand.
    pub local_path: Option<String>,
    /// The trusted key that verified it.
    pub key: String,
    pub policies: u32,
    pub issued_at_ms: Option<i64>,
}
