//! N-way groups: nodes by version and content (point 1 of what nobody else has).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    content::PolicyRef,
    desired::Desired,
    ids::{ContentDigest, NodeId, Version},
    snapshot::Snapshot,
};

/// Nodes that run one content under one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub version: Option<Version>,
    pub content: Option<ContentDigest>,
    pub nodes: Vec<NodeId>,
}

/// Groups of nodes by what they last reported, largest first, then by version and content.
pub fn groups(snapshot: &Snapshot) -> Vec<Group> {
    let mut by_key: BTreeMap<(Option<&Version>, Option<ContentDigest>), Vec<NodeId>> =
        BTreeMap::new();
    for (id, seen) in &snapshot.nodes {
        let report = seen.report.as_deref();
        let version = report.and_then(|r| r.version.as_ref()).map(|v| &v.value);
        let content = report.and_then(|r| r.content.as_ref()).map(|c| c.value);
        by_key.entry((version, content)).or_default().push(id.clone());
    }
    let mut groups: Vec<Group> = by_key
        .into_iter()
        .map(|((version, content), nodes)| Group { version: version.cloned(), content, nodes })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.nodes.len()));
    groups
}

/// The most common content of every version, ties broken by the smaller digest.
pub fn majority(snapshot: &Snapshot) -> BTreeMap<Version, ContentDigest> {
    most_common(snapshot, |_| true, |_, _| true)
}

/// The same among the nodes of one bundle, or those of none, but a version of which signed bundles are
/// known counts only their contents: nodes that were tampered with alike are no example, however many
/// they are.
pub fn majority_of_signed(
    snapshot: &Snapshot,
    desired: &Desired,
    bundle: Option<&str>,
) -> BTreeMap<Version, ContentDigest> {
    let offer = desired.catalogue.offer(bundle);
    let is_of_it = |node: &NodeId| desired.bundle_of(node) == bundle;
    most_common(snapshot, is_of_it, |version, content| {
        let mut known = offer.of_version(version).peekable();
        known.peek().is_none() || known.any(|entry| entry.content == content)
    })
}

fn most_common(
    snapshot: &Snapshot,
    votes: impl Fn(&NodeId) -> bool,
    is_counted: impl Fn(&Version, ContentDigest) -> bool,
) -> BTreeMap<Version, ContentDigest> {
    let mut counts: BTreeMap<&Version, BTreeMap<ContentDigest, usize>> = BTreeMap::new();
    for (_, seen) in snapshot.nodes.iter().filter(|(id, _)| votes(id)) {
        if let Some(report) = &seen.report
            && let (Some(version), Some(content)) = (&report.version, &report.content)
        {
            *counts.entry(&version.value).or_default().entry(content.value).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .filter_map(|(version, contents)| {
            let mut best: Option<(ContentDigest, usize)> = None;
            for (content, count) in contents {
                if is_counted(version, content) && best.is_none_or(|(_, most)| count > most) {
                    best = Some((content, count));
                }
            }
            best.map(|(content, _)| (version.clone(), content))
        })
        .collect()
}

/// How one list of policies differs from another, by digest only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentDelta {
    pub added: BTreeSet<String>,
    pub removed: BTreeSet<String>,
    pub changed: BTreeSet<String>,
}

/// Compares policies by id and digest; moves are left to the full diff over texts.
pub fn delta(from: &[PolicyRef], to: &[PolicyRef]) -> ContentDelta {
    let before: BTreeMap<&str, _> = from.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    let after: BTreeMap<&str, _> = to.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    let mut delta = ContentDelta::default();
    for (id, digest) in &after {
        match before.get(id) {
            None => drop(delta.added.insert((*id).to_owned())),
            Some(was) if was != digest => drop(delta.changed.insert((*id).to_owned())),
            Some(_) => {}
        }
    }
    for id in before.keys().filter(|id| !after.contains_key(*id)) {
        delta.removed.insert((*id).to_owned());
    }
    delta
}
