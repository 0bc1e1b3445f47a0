//! From a snapshot to an assessment: one verdict per node, counts, groups, and the figures' ages.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    desired::{Desired, Thresholds},
    drift::{DriftState, Majority, Verdict, drift, expected_content},
    group::{Group, groups, majority_of_signed},
    ids::{ContentDigest, NodeId},
    snapshot::{NodeReport, Snapshot},
};

/// What the console thinks of a snapshot at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    pub nodes: BTreeMap<NodeId, Verdict>,
    /// Every state is present, also with zero.
    pub counts: BTreeMap<DriftState, usize>,
    pub groups: Vec<Group>,
}

/// Judges every node of a snapshot against what is desired.
pub fn assess(snapshot: &Snapshot, desired: &Desired, now: Timestamp) -> Assessment {
    let bundles: BTreeSet<Option<&str>> =
        desired.bundles.values().map(|id| Some(id.as_str())).chain([None]).collect();
    let majorities: BTreeMap<Option<&str>, Majority> = bundles
        .into_iter()
        .map(|bundle| (bundle, majority_of_signed(snapshot, desired, bundle)))
        .collect();
    let mut counts: BTreeMap<DriftState, usize> =
        DriftState::ALL.into_iter().map(|state| (state, 0)).collect();
    let nodes = snapshot
        .nodes
        .iter()
        .map(|(id, seen)| {
            let verdict = drift(id, seen, desired, &majorities[&desired.bundle_of(id)], now);
            *counts.entry(verdict.state).or_default() += 1;
            (id.clone(), verdict)
        })
        .collect();
    Assessment { nodes, counts, groups: groups(snapshot) }
}

/// The content a node should run, by the rule its drift is judged by.
pub fn expected(snapshot: &Snapshot, desired: &Desired, node: &NodeId) -> Option<ContentDigest> {
    let want = desired.of(node)?;
    let majority = majority_of_signed(snapshot, desired, desired.bundle_of(node));
    expected_content(want, desired.offer(node), &majority)
}

/// Something odd about a figure a node reports, shown beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Caution {
    /// The digest was not confirmed within the limit (seconds).
    DigestAge { age_s: i64 },
    /// The bundle was loaded longer ago than the limit (seconds).
    LoadAge { age_s: i64 },
    /// The node's clock differs from ours by more than the resolution of its header.
    ClockSkew { skew_ms: i64 },
    /// The reload endpoint asks for no credential (R279).
    UnauthenticatedReload,
    /// The counters stop at the ring's length and cannot be trusted (conflict C6).
    SaturatedCounters,
    /// Three or more newest reloads failed.
    ConsecutiveFailures { count: usize },
    /// A reload took more than a second (R272).
    SlowReload { duration_ms: u64 },
}

/// Skew below this is noise of a one-second header and the network.
const CLOCK_SKEW_MS_MAX: u64 = 5_000;
/// Length of the documented reload history (R229).
pub const HISTORY_RING: usize = 10;

/// Names what is odd about a report at one moment.
pub fn cautions(report: &NodeReport, thresholds: Thresholds, now: Timestamp) -> Vec<Caution> {
    let mut found = Vec::new();
    let age_s = |then: Timestamp| now.as_second().saturating_sub(then.as_second());
    if let Some(confirmed) = &report.confirmed_at
        && age_s(confirmed.value) > i64::from(thresholds.digest_age_s)
    {
        found.push(Caution::DigestAge { age_s: age_s(confirmed.value) });
    }
    if let Some(loaded) = &report.loaded_at
        && age_s(loaded.value) > i64::from(thresholds.load_age_s)
    {
        found.push(Caution::LoadAge { age_s: age_s(loaded.value) });
    }
    if let Some(skew_ms) = report.clock_skew_ms
        && skew_ms.unsigned_abs() > CLOCK_SKEW_MS_MAX
    {
        found.push(Caution::ClockSkew { skew_ms });
    }
    if report.unauthenticated_reload {
        found.push(Caution::UnauthenticatedReload);
    }
    if report.api == crate::node::NodeApi::Reload
        && report.history.len() >= HISTORY_RING
        && report.stats.as_ref().is_some_and(|s| s.value.total == HISTORY_RING as u64)
    {
        found.push(Caution::SaturatedCounters);
    }
    let failures = report.history.iter().take_while(|entry| !entry.success).count();
    if failures >= 3 {
        found.push(Caution::ConsecutiveFailures { count: failures });
    }
    if let Some(last) = report.history.first()
        && last.duration_us > 1_000_000
    {
        found.push(Caution::SlowReload { duration_ms: last.duration_us / 1_000 });
    }
    found
}
