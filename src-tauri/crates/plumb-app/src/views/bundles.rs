//! The bundles nodes loaded, and how they follow their source.

use schemars::JsonSchema;
use serde::Serialize;

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
