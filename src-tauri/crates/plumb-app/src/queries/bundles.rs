//! Distribution status: the bundle each node loaded, whose signature it has and how old it is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;
use plumb_fleet::{
    Assessment, CatalogueEntry, Caution, ContentDigest, FailureKind, NodeId, NodeObservation,
    NodeReport, SignatureReport, Version, cautions,
};

use crate::{
    app::App,
    current::Current,
    error::AppError,
    queries::versions::{state_of, sweep_view},
    views::{
        bundles::{BundleChoice, BundleStatusView, NodeBundle, SignedBundle},
        convert::{duration_words, ms, reload, signature},
    },
};

impl App {
    /// The bundle of the named nodes, or of all; `api` keeps those of one node API.
    pub async fn bundle_status(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
        api: Option<&str>,
    ) -> Result<BundleStatusView, AppError> {
        let ids = self.chosen(fleet, nodes)?;
        let current = self.current(fleet).await?;
        let now = self.now();
        let assessment = current.assess(now);
        let of_api = |id: &NodeId| {
            current
                .fleet
                .nodes
                .get(id)
                .is_some_and(|node| api.is_none_or(|api| node.api.name() == api))
        };
        let mut nodes: Vec<NodeBundle> = ids
            .iter()
            .filter(|id| of_api(id))
            .map(|id| node_bundle(&current, id, state_of(&assessment, id), now))
            .collect();
        nodes.sort_by_key(|node| node.healthy);
        Ok(BundleStatusView {
            fleet: current.fleet.name.to_string(),
            now_ms: ms(now),
            sweep: sweep_view(&current),
            healthy: nodes.iter().all(|node| node.healthy),
            nodes,
        })
    }

    /// The signed bundles a fleet knows, newest first, then what nodes run that none of them holds.
    pub async fn bundle_choices(&self, fleet: &str) -> Result<Vec<BundleChoice>, AppError> {
        let current = self.current(fleet).await?;
        Ok(choices(&current, &current.assess(self.now())))
    }
}

fn choices(current: &Current, assessment: &Assessment) -> Vec<BundleChoice> {
    let running = |content: ContentDigest| {
        let groups = assessment.groups.iter().filter(|group| group.content == Some(content));
        u32::try_from(groups.map(|group| group.nodes.len()).sum::<usize>()).unwrap_or(u32::MAX)
    };
    let catalogue = &current.desired.catalogue;
    let wanted =
        current.desired.fleet.as_ref().and_then(|wanted| catalogue.offer(None).resolve(wanted));
    let choice = |version: Option<&Version>, content, signed| BundleChoice {
        version: version.map(ToString::to_string),
        content: ContentDigest::to_string(&content),
        signed,
        nodes: running(content),
        desired: wanted.is_some_and(|wanted| wanted.content == content),
        refused: current.desired.refused.contains(&content),
        shares_version: version.is_some_and(|version| {
            catalogue.of_version(version).any(|entry| entry.content != content)
        }),
    };
    // One content may stand in several files; the first by name stands for it, as in a plan.
    let mut bundles: BTreeMap<(&Version, ContentDigest), &CatalogueEntry> = BTreeMap::new();
    for entry in &catalogue.entries {
        let kept = bundles.entry((&entry.version, entry.content)).or_insert(entry);
        if (&entry.file, entry.digest) < (&kept.file, kept.digest) {
            *kept = entry;
        }
    }
    let mut signed: Vec<&CatalogueEntry> = bundles.into_values().collect();
    signed.sort_by_key(|entry| Reverse(entry.issued_at));
    let known: BTreeSet<ContentDigest> = signed.iter().map(|entry| entry.content).collect();
    let others = assessment.groups.iter().filter_map(|group| {
        group.content.filter(|content| !known.contains(content)).map(|content| (group, content))
    });
    signed
        .iter()
        .map(|entry| choice(Some(&entry.version), entry.content, Some(signed_bundle(entry))))
        .chain(others.map(|(group, content)| choice(group.version.as_ref(), content, None)))
        .collect()
}

fn signed_bundle(entry: &CatalogueEntry) -> SignedBundle {
    SignedBundle {
        digest: entry.digest.to_string(),
        file: entry.file.clone(),
        local_path: entry.local_path.clone(),
        key: entry.key.clone(),
        policies: entry.policies,
        issued_at_ms: entry.issued_at.map(ms),
    }
}

fn node_bundle(
    current: &Current,
    id: &NodeId,
    state: plumb_fleet::DriftState,
    now: Timestamp,
) -> NodeBundle {
    let seen = current.snapshot.nodes.get(id);
    let report = seen.and_then(|seen| seen.report.as_deref());
    let problems = problems(current, seen, now);
    NodeBundle {
        node: id.to_string(),
        api: current.fleet.nodes[id].api.name().to_owned(),
        state: state.into(),
        bundle_id: report.and_then(|r| r.bundle_id.as_ref()).map(|id| id.value.clone()),
        version: report.and_then(|r| r.version.as_ref()).map(|v| v.value.to_string()),
        digest: report.and_then(|r| r.bundle_digest.as_ref()).map(|d| d.value.to_string()),
        content: report.and_then(|r| r.content.as_ref()).map(|c| c.value.to_string()),
        signature: report.and_then(signature),
        confirmed_at_ms: report.and_then(|r| r.confirmed_at.as_ref()).map(|at| ms(at.value)),
        loaded_at_ms: report.and_then(|r| r.loaded_at.as_ref()).map(|at| ms(at.value)),
        last_reload: report.and_then(|r| r.history.first()).map(|entry| reload(entry, false)),
        seen_at_ms: report.map(|r| ms(r.at)),
        healthy: problems.is_empty(),
        problems,
    }
}

fn problems(current: &Current, seen: Option<&NodeObservation>, now: Timestamp) -> Vec<String> {
    let Some(seen) = seen else { return vec!["never seen".to_owned()] };
    let mut problems = Vec::new();
    if let Some(failure) = &seen.failure {
        problems.push(failure.message.clone());
    }
    match &seen.report {
        None if problems.is_empty() => problems.push("never seen".to_owned()),
        None => {}
        Some(report) => problems.extend(report_problems(report, current, now)),
    }
    problems
}

fn report_problems(report: &NodeReport, current: &Current, now: Timestamp) -> Vec<String> {
    let mut problems = Vec::new();
    if report.version.is_none() {
        problems.push("no bundle is loaded".to_owned());
    }
    match report.signature.as_ref().map(|signature| &signature.value) {
        Some(SignatureReport::Invalid { reason }) => {
            problems.push(format!("signature invalid: {reason}"));
        }
        Some(SignatureReport::Unsigned) => problems.push("what runs is not signed".to_owned()),
        Some(SignatureReport::Valid { .. }) | None => {}
    }
    if let Some(last) = report.history.first().filter(|entry| !entry.success) {
        let why = last.error.as_deref().unwrap_or("the node does not say why");
        problems.push(format!("the last reload failed: {why}"));
    }
    for caution in cautions(report, current.fleet.thresholds, now) {
        if let Caution::DigestAge { age_s } = caution {
            let age = duration_words(age_s);
            problems.push(format!("its source last confirmed the digest {age} ago"));
        }
    }
    for gap in report.gaps.iter().filter(|gap| gap.failure.kind == FailureKind::Reported) {
        problems.push(gap.failure.message.clone());
    }
    problems
}
