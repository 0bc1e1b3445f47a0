//! How nodes verified what they run, and whether each has a proven way back.

use std::collections::BTreeMap;

use plumb_fleet::{
    Capability, CheckOutcome, Group, Node, NodeApi, NodeReport, SignatureReport, Verified,
};
use plumb_runbook::path_on_node;

use crate::{
    current::Current,
    views::{
        convert::ms,
        verification::{
            CheckLine, CheckWord, FailedCheck, ReadinessView, VerificationView, VerifiedView,
        },
    },
};

/// Everything a node says of its verification; nothing where it says nothing.
pub(crate) fn verification_view(report: &NodeReport) -> Option<VerificationView> {
    let seen = report.verification.as_ref();
    let standing = report.standing.as_ref().map(|standing| standing.value).unwrap_or_default();
    let told = seen.map(|seen| &seen.value);
    let (source, at) = match (seen, &report.signature) {
        (Some(seen), _) => (seen.source.to_string(), seen.at),
        (None, Some(signature)) => (signature.source.to_string(), signature.at),
        (None, None) => return None,
    };
    Some(VerificationView {
        verified: Verified::of(report).into(),
        checks: told
            .map(|told| told.checks.iter().map(CheckLine::from).collect())
            .unwrap_or_default(),
        carried_by: told
            .and_then(|told| told.carried_by.clone())
            .or_else(|| signer(report.signature.as_ref().map(|signature| &signature.value))),
        origin: told.and_then(|told| told.origin.clone()),
        fallback: told.and_then(|told| told.fallback.clone()),
        fallback_since_ms: standing.fallback_since.map(ms),
        consecutive_failures: u32::try_from(standing.consecutive_failures).unwrap_or(u32::MAX),
        verified_at_ms: standing.verified_at.map(ms),
        source,
        at_ms: ms(at),
    })
}

fn signer(signature: Option<&SignatureReport>) -> Option<String> {
    match signature? {
        SignatureReport::Valid { scheme, key } => Some(format!("{scheme}, key {key}")),
        SignatureReport::Invalid { .. } | SignatureReport::Unsigned => None,
    }
}

/// Why a node counts as not verified; nothing where it does not.
pub(crate) fn unverified(report: &NodeReport) -> Option<String> {
    if Verified::of(report) != Verified::No {
        return None;
    }
    let checks = report.verification.as_ref().map_or(&[][..], |seen| &seen.value.checks[..]);
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Failed)
        .map(|check| check.name.as_str())
        .collect();
    if !failed.is_empty() {
        return Some(format!("failed: {}", failed.join(", ")));
    }
    match report.signature.as_ref().map(|seen| &seen.value) {
        Some(SignatureReport::Invalid { reason }) => Some(format!("signature invalid: {reason}")),
        _ => Some("what runs carries no signature".to_owned()),
    }
}

/// Whether a node has a way back whose path, digest and signature are known before it is needed
/// (conflict C8). `report` is one in which reload nodes know what they ran before.
pub(crate) fn readiness(current: &Current, node: &Node, report: &NodeReport) -> ReadinessView {
    let driver = match node.api {
        NodeApi::Agent => "the agent's own last known good",
        NodeApi::Reload => "reload of an earlier signed bundle",
        NodeApi::Opa if current.fleet.hub.is_some() => "an earlier signed bundle, by its hub",
        NodeApi::Opa => "none from here",
    };
    let mut view = ReadinessView { driver: driver.to_owned(), ..ReadinessView::default() };
    if let Some(reason) = current.fleet.capabilities(node.api).cannot.get(&Capability::Rollback) {
        view.problem = Some(reason.clone());
        return view;
    }
    let Some(good) = report.last_known_good.as_ref() else {
        view.problem = Some(
            match node.api {
                NodeApi::Agent => {
                    "the agent keeps no last known good: it has loaded one bundle only"
                }
                _ => "no other signed bundle is known that this node ran before",
            }
            .to_owned(),
        );
        return view;
    };
    view.source = Some(good.source.to_string());
    let good = &good.value;
    view.version = Some(good.version.to_string());
    view.content = Some(good.content.to_string());
    let entry = current
        .desired
        .offer(&node.id)
        .of_version(&good.version)
        .find(|entry| entry.content == good.content)
        .or_else(|| current.desired.catalogue.with_content(good.content));
    view.verified_by = entry.map(|entry| format!("key {}", entry.key));
    let told = |key: &str| report.config.get(key).cloned();
    if node.api == NodeApi::Agent {
        view.path = told("last_known_good.path");
        view.digest = told("last_known_good.digest");
    } else if let Some(entry) = entry {
        view.path = Some(path_on_node(node, entry));
        view.digest = Some(entry.digest.to_string());
    }
    view.problem = if current.desired.refused.contains(&good.content) {
        Some("its content is refused".to_owned())
    } else if view.path.is_none() || view.digest.is_none() {
        Some("its path or digest is not known".to_owned())
    } else if view.verified_by.is_none() {
        Some(
            "no signed bundle known here has its content; add that bundle to the fleet file's bundles \
             to prove its signature"
                .to_owned(),
        )
    } else {
        None
    };
    view.ready = view.problem.is_none();
    view
}

/// How the nodes of one group stand, and which checks failed on them.
#[derive(Debug, Default)]
pub(crate) struct GroupVerification {
    pub(crate) unverified: u32,
    pub(crate) unknown: u32,
    /// Most nodes first.
    pub(crate) failed_checks: Vec<FailedCheck>,
}

impl GroupVerification {
    pub(crate) fn of(current: &Current, group: &Group) -> Self {
        let mut found = Self::default();
        let mut failed: BTreeMap<&str, u32> = BTreeMap::new();
        for report in group.nodes.iter().filter_map(|id| current.report(id)) {
            match Verified::of(report) {
                Verified::No => found.unverified += 1,
                Verified::NotTold => found.unknown += 1,
                Verified::Yes => {}
            }
            let checks = report.verification.iter().flat_map(|seen| &seen.value.checks);
            for check in checks.filter(|check| check.outcome == CheckOutcome::Failed) {
                *failed.entry(&check.name).or_default() += 1;
            }
        }
        found.failed_checks = failed
            .into_iter()
            .map(|(name, nodes)| FailedCheck { name: name.to_owned(), nodes })
            .collect();
        found.failed_checks.sort_by_key(|check| std::cmp::Reverse(check.nodes));
        found
    }
}

impl From<Verified> for VerifiedView {
    fn from(verified: Verified) -> Self {
        match verified {
            Verified::No => Self::No,
            Verified::NotTold => Self::Unknown,
            Verified::Yes => Self::Yes,
        }
    }
}

impl From<&plumb_fleet::CheckSeen> for CheckLine {
    fn from(check: &plumb_fleet::CheckSeen) -> Self {
        Self {
            name: check.name.clone(),
            outcome: match check.outcome {
                CheckOutcome::Passed => CheckWord::Passed,
                CheckOutcome::Failed => CheckWord::Failed,
                CheckOutcome::NotMade => CheckWord::NotMade,
            },
            detail: check.detail.clone(),
        }
    }
}
