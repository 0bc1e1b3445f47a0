//! Checks of a fleet against its newest snapshot, each with evidence and what to do.

mod findings;

use std::collections::{BTreeMap, BTreeSet};

use plumb_alert::LeftFreeze;
use plumb_fleet::{Assessment, DriftState, Group, NodeId, Version};

use self::findings::{Known, finding};
use crate::{
    app::App,
    current::Current,
    error::{AppError, Code},
    queries::{
        reloads::OurReloads,
        versions::{Bundles, sweep_view},
    },
    views::{
        convert::ms,
        doctor::{CheckResult, CheckSeverity, CheckView, DoctorView, EvidenceLine},
    },
};

/// Lines of evidence kept for one check; the summary counts all.
const EVIDENCE_LINES_MAX: usize = 50;
/// Node names in one line of evidence.
const NAMES_SHOWN: usize = 8;

/// A check that can be asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    VersionConsistency,
    ContentConsistency,
    DigestAge,
    LoadAge,
    ReloadFailures,
    ReloadFailuresConsecutive,
    ReloadFailureRate,
    ReloadErrors,
    ReloadDuration,
    ForeignReloads,
    Signature,
    Verification,
    Fallback,
    RollbackReadiness,
    Reachability,
    ClockSkew,
    UnauthenticatedReload,
    FreezeLeftBehind,
}

impl Check {
    pub const ALL: [Self; 18] = [
        Self::VersionConsistency,
        Self::ContentConsistency,
        Self::DigestAge,
        Self::LoadAge,
        Self::ReloadFailures,
        Self::ReloadFailuresConsecutive,
        Self::ReloadFailureRate,
        Self::ReloadErrors,
        Self::ReloadDuration,
        Self::ForeignReloads,
        Self::Signature,
        Self::Verification,
        Self::Fallback,
        Self::RollbackReadiness,
        Self::Reachability,
        Self::ClockSkew,
        Self::UnauthenticatedReload,
        Self::FreezeLeftBehind,
    ];

    /// The name runbooks link to (R006).
    pub const fn name(self) -> &'static str {
        match self {
            Self::VersionConsistency => "check.policy.version-consistency",
            Self::ContentConsistency => "check.policy.content-consistency",
            Self::DigestAge => "check.policy.digest-age",
            Self::LoadAge => "check.policy.load-age",
            Self::ReloadFailures => "check.policy.reload-failures",
            Self::ReloadFailuresConsecutive => "check.policy.reload-failures-consecutive",
            Self::ReloadFailureRate => "check.policy.reload-failure-rate",
            Self::ReloadErrors => "check.policy.reload-server-errors",
            Self::ReloadDuration => "check.policy.reload-duration",
            Self::ForeignReloads => "check.policy.reloads-not-started-here",
            Self::Signature => "check.policy.signature",
            Self::Verification => "check.policy.verification",
            Self::Fallback => "check.policy.fallback",
            Self::RollbackReadiness => "check.policy.rollback-readiness",
            Self::Reachability => "check.policy.reachability",
            Self::ClockSkew => "check.policy.clock-skew",
            Self::UnauthenticatedReload => "check.policy.unauthenticated-reload",
            Self::FreezeLeftBehind => "check.policy.freeze-left-behind",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::VersionConsistency => "Nodes run one version",
            Self::ContentConsistency => "Equal versions have equal content",
            Self::DigestAge => "Sources confirm what nodes run",
            Self::LoadAge => "Bundles were loaded lately",
            Self::ReloadFailures => "No reload failed lately",
            Self::ReloadFailuresConsecutive => "Reloads do not keep failing",
            Self::ReloadFailureRate => "Reloads seldom fail",
            Self::ReloadErrors => "No decision is lost around a reload",
            Self::ReloadDuration => "Reloads take what their size explains",
            Self::ForeignReloads => "Reloads were started here, or by the node itself",
            Self::Signature => "What runs is validly signed",
            Self::Verification => "What is offered and run was verified",
            Self::Fallback => "Nodes run what they should, not a fallback",
            Self::RollbackReadiness => "Every node has a proven way back",
            Self::Reachability => "Nodes answer",
            Self::ClockSkew => "Clocks agree",
            Self::UnauthenticatedReload => "Reloads ask for a credential",
            Self::FreezeLeftBehind => "Whoever froze the fleet lifts the freeze",
        }
    }

    /// How urgent a finding is.
    pub const fn severity(self) -> CheckSeverity {
        match self {
            Self::ReloadFailures | Self::ForeignReloads | Self::ReloadDuration => {
                CheckSeverity::Info
            }
            Self::DigestAge
            | Self::LoadAge
            | Self::ClockSkew
            | Self::UnauthenticatedReload
            | Self::Fallback
            | Self::RollbackReadiness
            | Self::VersionConsistency
            | Self::ContentConsistency
            | Self::Reachability
            | Self::FreezeLeftBehind => CheckSeverity::Warning,
            Self::ReloadFailuresConsecutive
            | Self::ReloadFailureRate
            | Self::ReloadErrors
            | Self::Signature
            | Self::Verification => CheckSeverity::Page,
        }
    }

    /// Whether a finding fails the check or only warns.
    const fn found(self) -> CheckResult {
        match self {
            Self::LoadAge
            | Self::ClockSkew
            | Self::UnauthenticatedReload
            | Self::ReloadFailures
            | Self::ReloadDuration
            | Self::ForeignReloads
            | Self::RollbackReadiness => CheckResult::Warning,
            _ => CheckResult::Failed,
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::VersionConsistency => {
                "settle on one version: plumb policy resolve-conflict --to-version VERSION"
            }
            Self::ContentConsistency => {
                "see what differs: plumb policy version diff --all-instances; then sync the nodes that differ"
            }
            Self::DigestAge => {
                "look at how the node follows its source: plumb policy bundle check-subscription --node NODE"
            }
            Self::LoadAge => {
                "make the node load its bundle again: plumb policy sync --force --node NODE --reason WHY"
            }
            Self::ReloadFailures => {
                "read why: plumb policy logs --node NODE --filter reload --level warning; then mend the bundle or the key"
            }
            Self::Signature => {
                "replace what runs by a signed bundle: plumb policy sync --node NODE, and find out who changed it"
            }
            Self::ReloadFailuresConsecutive | Self::ReloadFailureRate => {
                "the node keeps what ran before; read why it refuses the new bundle: plumb policy logs --node NODE --filter reload, then sign it again or roll the source back"
            }
            Self::ReloadErrors => {
                "this should not happen: compare its reload duration with 100 ms, look whether one process serves it, and report it as a bug with the node's log and metrics (R275)"
            }
            Self::ReloadDuration => {
                "look for a large bundle (over 10 MB), a slow disk or a network file system; make the bundle smaller or keep it on a local disk (R272)"
            }
            Self::ForeignReloads => {
                "find out who or what asked: a schedule, a file watcher or another person; if nobody should, close the reload endpoint"
            }
            Self::Verification => {
                "see which check failed: plumb policy status --node NODE; a wrong key, a transfer that changed bytes, or a change after signing: sign again and compare digests (R273)"
            }
            Self::Fallback => {
                "what should run was refused or cannot be had: plumb policy status --node NODE says why; mend the source, the node follows by itself"
            }
            Self::RollbackReadiness => {
                "give the fleet file the folder of signed bundles that nodes ran before, or name a version when you roll back: plumb policy rollback --to VERSION"
            }
            Self::Reachability => {
                "look at the node, its address and the way there; its last known state stays shown with its age"
            }
            Self::ClockSkew => {
                "set the node's clock; ages and time windows of policies are wrong until then"
            }
            Self::UnauthenticatedReload => {
                "put a gateway with authentication or mutual TLS before the node, or start its agent with a token"
            }
            Self::FreezeLeftBehind => {
                "go on with its run, which lifts it: plumb runbook resume RUN; or lift it by hand, with a reason: plumb runbook unfreeze RUN"
            }
        }
    }
}

impl App {
    /// Runs the named checks, or all of them, over what the store knows.
    pub async fn doctor(&self, fleet: &str, names: &[String]) -> Result<DoctorView, AppError> {
        let wanted = wanted(names)?;
        let current = self.current(fleet).await?;
        let now = self.now();
        let earlier = if wanted.contains(&Check::RollbackReadiness) {
            self.with_earlier(&current, None).await?
        } else {
            Current::clone(&current)
        };
        let ours = if wanted.contains(&Check::ForeignReloads) {
            self.our_reloads(fleet).await?
        } else {
            OurReloads::default()
        };
        let freezes = if wanted.contains(&Check::FreezeLeftBehind) {
            self.freezes_left(&current.fleet.name).await
        } else {
            Ok(Vec::new())
        };
        let freezes = freezes.as_deref().map_err(|error| error.message.as_str());
        let known = Known { current: &current, earlier: &earlier, ours: &ours, freezes, now };
        let checks = examine(known, &wanted);
        Ok(DoctorView {
            fleet: current.fleet.name.to_string(),
            now_ms: ms(now),
            sweep: sweep_view(&current),
            passed: checks.iter().all(|check| check.result != CheckResult::Failed),
            checks,
        })
    }
}

fn wanted(names: &[String]) -> Result<Vec<Check>, AppError> {
    if names.is_empty() {
        return Ok(Check::ALL.to_vec());
    }
    names
        .iter()
        .map(|name| {
            Check::from_name(name).ok_or_else(|| {
                let known = Check::ALL.map(Check::name).join(", ");
                AppError::new(
                    Code::Invalid,
                    format!("there is no check {name:?}"),
                    format!("the checks are {known}"),
                )
            })
        })
        .collect()
}

/// Runs checks over one snapshot.
fn examine(known: Known<'_>, checks: &[Check]) -> Vec<CheckView> {
    let Known { current, now, .. } = known;
    let assessment = current.assess(now);
    let bundles = Bundles::of(current);
    let told = current.snapshot.nodes.values().any(|node| node.report.is_some());
    checks
        .iter()
        .map(|check| {
            if !told && !matches!(check, Check::Reachability | Check::FreezeLeftBehind) {
                return view(
                    *check,
                    CheckResult::NotKnown,
                    "no node ever reported".to_owned(),
                    Vec::new(),
                );
            }
            let freezes = match known.freezes {
                Err(why) if *check == Check::FreezeLeftBehind => {
                    let summary = format!("freezes could not be looked for: {why}");
                    return view(*check, CheckResult::NotKnown, summary, Vec::new());
                }
                freezes => freezes.unwrap_or_default(),
            };
            let (summary, evidence) = match check {
                Check::VersionConsistency => version_consistency(&bundles, &assessment),
                Check::ContentConsistency => content_consistency(current, &bundles, &assessment),
                Check::Reachability => reachability(current, &assessment),
                Check::FreezeLeftBehind => freezes_left(freezes),
                _ => per_node(*check, known, &assessment),
            };
            let result = if evidence.is_empty() { CheckResult::Passed } else { check.found() };
            view(*check, result, summary, evidence)
        })
        .collect()
}

fn view(
    check: Check,
    result: CheckResult,
    summary: String,
    mut evidence: Vec<EvidenceLine>,
) -> CheckView {
    evidence.truncate(EVIDENCE_LINES_MAX);
    CheckView {
        name: check.name().to_owned(),
        title: check.title().to_owned(),
        severity: check.severity(),
        result,
        summary,
        evidence,
        remedy: matches!(result, CheckResult::Warning | CheckResult::Failed)
            .then(|| check.remedy().to_owned()),
    }
}

/// Nodes that never reported are in no group that counts.
fn reporting(assessment: &Assessment) -> impl Iterator<Item = &Group> {
    assessment.groups.iter().filter(|group| group.version.is_some() || group.content.is_some())
}

/// The bundle a group of nodes runs, by its first node.
fn bundle_of<'a>(bundles: &'a Bundles, group: &Group) -> Option<&'a str> {
    group.nodes.first().and_then(|node| bundles.of_node(node.as_str()))
}

fn version_consistency(bundles: &Bundles, assessment: &Assessment) -> (String, Vec<EvidenceLine>) {
    let mut running: BTreeMap<Option<&str>, BTreeMap<&Version, Vec<&NodeId>>> = BTreeMap::new();
    for group in reporting(assessment) {
        if let Some(version) = &group.version {
            let versions = running.entry(bundle_of(bundles, group)).or_default();
            versions.entry(version).or_default().extend(&group.nodes);
        }
    }
    let mut evidence = Vec::new();
    for (bundle, versions) in running.iter().filter(|(_, versions)| versions.len() > 1) {
        let bundle = bundle.map(|bundle| format!("{bundle} ")).unwrap_or_default();
        evidence.extend(versions.iter().map(|(version, nodes)| EvidenceLine {
            node: None,
            detail: format!("{bundle}{version}: {}", names(nodes)),
        }));
    }
    let summary = if evidence.is_empty() {
        "every node that reported runs the one version of its bundle".to_owned()
    } else {
        format!("{} different versions", evidence.len())
    };
    (summary, evidence)
}

fn content_consistency(
    current: &Current,
    bundles: &Bundles,
    assessment: &Assessment,
) -> (String, Vec<EvidenceLine>) {
    let mut evidence = Vec::new();
    for group in reporting(assessment) {
        let (Some(version), Some(content)) = (&group.version, group.content) else { continue };
        let bundle = bundle_of(bundles, group);
        let twins = reporting(assessment)
            .filter(|other| other.version.as_ref() == Some(version) && other.content.is_some())
            .filter(|other| bundle_of(bundles, other) == bundle)
            .count();
        let signed: BTreeSet<_> =
            current.desired.catalogue.of_version(version).map(|entry| entry.content).collect();
        let unsigned = !signed.is_empty() && !signed.contains(&content);
        if twins > 1 || unsigned {
            let nodes: Vec<&NodeId> = group.nodes.iter().collect();
            let note = if unsigned { ", of no signed bundle known as that version" } else { "" };
            evidence.push(EvidenceLine {
                node: None,
                detail: format!("{version} content {}{note}: {}", content.short(), names(&nodes)),
            });
        }
    }
    let summary = if evidence.is_empty() {
        "each version stands for one content".to_owned()
    } else {
        format!("{} groups run content that is not the one of their version", evidence.len())
    };
    (summary, evidence)
}

fn reachability(current: &Current, assessment: &Assessment) -> (String, Vec<EvidenceLine>) {
    let mut evidence = Vec::new();
    for (id, seen) in &current.snapshot.nodes {
        let detail = match (&seen.failure, seen.attempted_at) {
            (Some(failure), _) => failure.message.clone(),
            (None, None) => "never asked".to_owned(),
            (None, Some(_)) => continue,
        };
        evidence.push(EvidenceLine { node: Some(id.to_string()), detail });
    }
    let silent = evidence.len();
    let total = assessment.nodes.len();
    let summary = if silent == 0 {
        format!("all {total} nodes answered")
    } else {
        format!("{silent} of {total} nodes gave no answer that can be used")
    };
    (summary, evidence)
}

fn freezes_left(freezes: &[LeftFreeze]) -> (String, Vec<EvidenceLine>) {
    let line = |freeze: &LeftFreeze| {
        let LeftFreeze { run, reason, since, until, why, .. } = freeze;
        let detail = format!("{reason}: since {since}, to be lifted by {until}; {why}: {run}");
        EvidenceLine { node: None, detail }
    };
    let summary = match freezes.len() {
        0 => "nobody left a freeze behind".to_owned(),
        1 => "a freeze keeps everybody from changing the fleet, and nobody lifts it".to_owned(),
        many => {
            format!("{many} freezes keep everybody from changing the fleet, and nobody lifts them")
        }
    };
    (summary, freezes.iter().map(line).collect())
}

fn per_node(
    check: Check,
    known: Known<'_>,
    assessment: &Assessment,
) -> (String, Vec<EvidenceLine>) {
    let mut evidence = Vec::new();
    let mut told = 0_usize;
    for (id, seen) in &known.current.snapshot.nodes {
        let Some(report) = &seen.report else { continue };
        told += 1;
        if let Some(detail) =
            finding(check, known, report).or_else(|| tampered(check, assessment, id))
        {
            evidence.push(EvidenceLine { node: Some(id.to_string()), detail });
        }
    }
    let summary = if evidence.is_empty() {
        format!("nothing to say about {told} nodes")
    } else {
        format!("{} of {told} nodes", evidence.len())
    };
    (summary, evidence)
}

/// A node may call valid what is no signed bundle at all: the comparison by content says so.
fn tampered(check: Check, assessment: &Assessment, id: &NodeId) -> Option<String> {
    let verdict = assessment.nodes.get(id)?;
    (check == Check::Signature && verdict.state == DriftState::Tampered)
        .then(|| verdict.why.clone())
}

fn names(nodes: &[&NodeId]) -> String {
    let shown: Vec<&str> = nodes.iter().take(NAMES_SHOWN).map(|node| node.as_str()).collect();
    let more = nodes.len().saturating_sub(NAMES_SHOWN);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{} ({}{rest})", count_words(nodes.len()), shown.join(", "))
}

fn count_words(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}
