//! What is wrong or odd about a plan, found before anything happens.

mod around;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{BundleDigest, CatalogueEntry, Desired, DesiredVersion, DriftState, NodeId};
use serde::{Deserialize, Serialize};

use crate::{
    action::Action,
    effect::Effect,
    plan::{LeftOutReason, NodePlan, Plan, PlanInput},
    readiness::Circumstances,
    undo::Undo,
};

/// Something wrong or odd, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    pub code: FindingCode,
    pub node: Option<NodeId>,
    pub message: String,
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Note,
    Warning,
    /// The plan cannot be started.
    Fatal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    BundleMissing,
    BundleRefused,
    NotAsked,
    NoAnswer,
    CannotDo,
    NotKnown,
    UnauthenticatedReload,
    NoUndo,
    OldSnapshot,
    LargeBundle,
    NothingToDo,
    BundleExpired,
    BundleExpiresSoon,
    PoisonedDigest,
    LockHeld,
    FreezeWindow,
    NotPromoted,
    MixedEnvironments,
    ChecklistOpen,
    DriftingTarget,
    NoWayBack,
    ForgetsPlans,
    ApprovalNotEnforced,
    RefusedNotEnforced,
}

impl FindingCode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::BundleMissing => "bundle_missing",
            Self::BundleRefused => "bundle_refused",
            Self::NotAsked => "not_asked",
            Self::NoAnswer => "no_answer",
            Self::CannotDo => "cannot_do",
            Self::NotKnown => "not_known",
            Self::UnauthenticatedReload => "unauthenticated_reload",
            Self::NoUndo => "no_undo",
            Self::OldSnapshot => "old_snapshot",
            Self::LargeBundle => "large_bundle",
            Self::NothingToDo => "nothing_to_do",
            Self::BundleExpired => "bundle_expired",
            Self::BundleExpiresSoon => "bundle_expires_soon",
            Self::PoisonedDigest => "poisoned_digest",
            Self::LockHeld => "lock_held",
            Self::FreezeWindow => "freeze_window",
            Self::NotPromoted => "not_promoted",
            Self::MixedEnvironments => "mixed_environments",
            Self::ChecklistOpen => "checklist_open",
            Self::DriftingTarget => "drifting_target",
            Self::NoWayBack => "no_way_back",
            Self::ForgetsPlans => "forgets_plans",
            Self::ApprovalNotEnforced => "approval_not_enforced",
            Self::RefusedNotEnforced => "refused_not_enforced",
        }
    }
}

/// What a node answered when asked to verify the bundle it is to load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    Verified,
    Missing,
    Refused { message: String },
    NoAnswer { message: String },
}

/// A snapshot older than this is no ground to act on without a word.
const SNAPSHOT_AGE_S_MAX: i64 = 120;
/// Bundles above this are slow to reload (R271).
const BUNDLE_BYTES_ADVISED: u64 = 1 << 20;

/// A bundle that ends sooner than this, in seconds, is hardly worth rolling out.
const EXPIRES_SOON_S: i64 = 24 * 60 * 60;

/// Examines a plan by itself. `probes` are the answers of nodes asked to verify, where they were asked.
pub fn findings(
    plan: &Plan,
    probes: &BTreeMap<NodeId, Probe>,
    input: PlanInput<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    findings_around(plan, probes, &Circumstances::default(), input, now)
}

/// Examines a plan and what is around it.
pub fn findings_around(
    plan: &Plan,
    probes: &BTreeMap<NodeId, Probe>,
    circumstances: &Circumstances,
    input: PlanInput<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut found = around::around(plan, circumstances, input, now);
    found.extend(poisoned(plan, input));
    for target in plan.targets() {
        for effect in &target.effects {
            if let Effect::Verify { path } = effect {
                found.extend(probe_finding(target, path, probes.get(&target.node), input));
            }
            if let Effect::Serve { version, digest, .. } = effect {
                let probe = probes.get(&target.node);
                found.extend(hub_finding(target, version.as_str(), *digest, probe, input));
            }
        }
        if let Undo::Impossible { reason } = &target.undo {
            found.push(Finding {
                severity: Severity::Note,
                code: FindingCode::NoUndo,
                node: Some(target.node.clone()),
                message: reason.clone(),
                remedy: "be sure of this node before you start".to_owned(),
            });
        }
        let report = input.snapshot.nodes.get(&target.node).and_then(|seen| seen.report.as_deref());
        if report.is_some_and(|report| report.unauthenticated_reload) {
            found.push(Finding {
                severity: Severity::Warning,
                code: FindingCode::UnauthenticatedReload,
                node: Some(target.node.clone()),
                message: "accepts a reload from anybody who reaches it".to_owned(),
                remedy: "put a gateway with authentication or mutual TLS before it".to_owned(),
            });
        }
    }
    found.extend(
        plan.left_out.iter().filter_map(|left| left_out_finding(&plan.action, left, input)),
    );
    found.extend(plan_wide(plan, input, now));
    found.extend(expiry_findings(plan, input, now));
    found.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.code.cmp(&b.code))
            .then_with(|| a.node.cmp(&b.node))
    });
    found
}

fn probe_finding(
    target: &NodePlan,
    path: &str,
    probe: Option<&Probe>,
    input: PlanInput<'_>,
) -> Option<Finding> {
    let (severity, code, message, remedy) = match probe {
        Some(Probe::Verified) => return None,
        Some(Probe::Missing) => {
            let file = path.rsplit('/').next().unwrap_or(path);
            // By content first: bundles of two versions may have the same file name.
            let entries = || input.desired.catalogue.entries.iter();
            let local = entries()
                .find(|entry| entry.file == file && Some(entry.content) == target.after.content)
                .or_else(|| entries().find(|entry| Some(entry.content) == target.after.content));
            let from = local.and_then(|entry| entry.local_path.as_deref()).unwrap_or(file);
            (
                Severity::Fatal,
                FindingCode::BundleMissing,
                format!("has no file {path}"),
                format!("copy {from} to {path} on the node, or leave the node out"),
            )
        }
        Some(Probe::Refused { message }) => (
            Severity::Fatal,
            FindingCode::BundleRefused,
            format!("does not accept {path}: {message}"),
            "compare the node's key with the key the bundle is signed with".to_owned(),
        ),
        Some(Probe::NoAnswer { message }) => (
            Severity::Warning,
            FindingCode::NoAnswer,
            format!("did not say whether it accepts {path}: {message}"),
            "it is asked again before the reload; leave it out if it stays silent".to_owned(),
        ),
        None => (
            Severity::Note,
            FindingCode::NotAsked,
            format!("was not asked yet whether it accepts {path}"),
            "it is asked before the reload".to_owned(),
        ),
    };
    Some(Finding { severity, code, node: Some(target.node.clone()), message, remedy })
}

/// What the hub said when it was asked whether it has a bundle.
fn hub_finding(
    target: &NodePlan,
    version: &str,
    digest: BundleDigest,
    probe: Option<&Probe>,
    input: PlanInput<'_>,
) -> Option<Finding> {
    let (severity, code, message, remedy) = match probe {
        Some(Probe::Verified) => return None,
        Some(Probe::Missing) => {
            let entry = input.desired.catalogue.entries.iter().find(|entry| entry.digest == digest);
            let file = entry.map_or("FILE", |entry| entry.local_path.as_deref().unwrap_or("FILE"));
            (
                Severity::Fatal,
                FindingCode::BundleMissing,
                format!("follows a hub that has no bundle {} of {version}", digest.short()),
                format!(
                    "publish it: plumb hub packs publish {file} --id PACK --version {version} --no-serve"
                ),
            )
        }
        Some(Probe::Refused { message }) => (
            Severity::Fatal,
            FindingCode::BundleRefused,
            format!("follows a hub that refuses to say whether it has {version}: {message}"),
            "ask for a role that may: plumb hub token create --role operator".to_owned(),
        ),
        Some(Probe::NoAnswer { message }) => (
            Severity::Warning,
            FindingCode::NoAnswer,
            format!("follows a hub that did not say whether it has {version}: {message}"),
            "look whether the hub runs: GET /healthz".to_owned(),
        ),
        None => (
            Severity::Note,
            FindingCode::NotAsked,
            format!("follows a hub that was not asked yet whether it has {version}"),
            "it is told when the run reaches this node".to_owned(),
        ),
    };
    Some(Finding { severity, code, node: Some(target.node.clone()), message, remedy })
}

fn left_out_finding(
    action: &Action,
    left: &crate::plan::LeftOut,
    input: PlanInput<'_>,
) -> Option<Finding> {
    let state = input.assessment.nodes.get(&left.node).map(|verdict| verdict.state);
    let (severity, code, remedy) = match left.reason {
        LeftOutReason::AsWanted => return None,
        LeftOutReason::NoAnswer => (
            Severity::Warning,
            FindingCode::NoAnswer,
            "it keeps what it runs; plan again when it answers",
        ),
        // What the console pinned for such a node is lifted here; the node itself holds no pin.
        LeftOutReason::CannotDo if *action == Action::Unpin => {
            (Severity::Note, FindingCode::CannotDo, "nothing has to be lifted on the node")
        }
        LeftOutReason::CannotDo if state == Some(DriftState::InSync) && moves(action) => {
            return None;
        }
        LeftOutReason::CannotDo => {
            (Severity::Warning, FindingCode::CannotDo, "change it where it runs")
        }
        LeftOutReason::Refused => (
            Severity::Fatal,
            FindingCode::PoisonedDigest,
            "name another version, or have it signed clean first",
        ),
        LeftOutReason::NotKnown => (
            Severity::Fatal,
            FindingCode::NotKnown,
            "add the signed bundle to the fleet file, or name another version",
        ),
    };
    Some(Finding {
        severity,
        code,
        node: Some(left.node.clone()),
        message: format!("left out: {}", left.detail),
        remedy: remedy.to_owned(),
    })
}

/// Content that was refused after the plan was made, or that the planner was not told of.
fn poisoned(plan: &Plan, input: PlanInput<'_>) -> Vec<Finding> {
    let refused = &input.desired.refused;
    let taken = plan.targets().filter(|target| target.after != target.before);
    let pinned = plan.desired.iter().filter_map(|change| change.content);
    let contents: BTreeSet<_> =
        taken.filter_map(|target| target.after.content).chain(pinned).collect();
    contents
        .into_iter()
        .filter(|content| refused.contains(content))
        .map(|content| Finding {
            severity: Severity::Fatal,
            code: FindingCode::PoisonedDigest,
            node: None,
            message: format!("content {} is refused in this fleet", content.short()),
            remedy: "name another version, or have it signed clean first".to_owned(),
        })
        .collect()
}

/// One finding a bundle that has ended or is about to, with how many nodes are to run it. A pin and a
/// restart count too: an agent that starts with an expired bundle has none.
fn expiry_findings(plan: &Plan, input: PlanInput<'_>, now: Timestamp) -> Vec<Finding> {
    let mut taken: BTreeMap<BundleDigest, (&CatalogueEntry, usize)> = BTreeMap::new();
    for target in plan.targets() {
        if let Some(entry) = bundle_of(target, input.desired) {
            taken.entry(entry.digest).or_insert((entry, 0)).1 += 1;
        }
    }
    let found = taken.into_values().filter_map(|(entry, nodes)| {
        let at = entry.expires_at?;
        let left_s = at.as_second().saturating_sub(now.as_second());
        let (severity, code, what) = if at <= now {
            (Severity::Fatal, FindingCode::BundleExpired, "expired".to_owned())
        } else if left_s < EXPIRES_SOON_S {
            let what = format!("expires in {} min,", left_s / 60);
            (Severity::Warning, FindingCode::BundleExpiresSoon, what)
        } else {
            return None;
        };
        Some(Finding {
            severity,
            code,
            node: None,
            message: format!("bundle {} {what} at {at}; nodes to run it: {nodes}", entry.version),
            remedy: "sign it again with a later expires_at, or name another version".to_owned(),
        })
    });
    found.collect()
}

/// The bundle of the catalogue a node is to run: the file of its effects where they name one, else what
/// its wished version resolves to, else the first with that content. Nothing where none has it.
pub fn bundle_of<'a>(target: &NodePlan, desired: &'a Desired) -> Option<&'a CatalogueEntry> {
    let catalogue = &desired.catalogue;
    let content = target.after.content?;
    let file = target.effects.iter().find_map(|effect| match effect {
        Effect::Verify { path } | Effect::Reload { path } => {
            Some(path.rsplit('/').next().unwrap_or(path))
        }
        _ => None,
    });
    let by_file = file.and_then(|file| {
        catalogue.entries.iter().find(|entry| entry.content == content && entry.file == file)
    });
    let resolved = || {
        let version = target.after.version.clone()?;
        let wish = DesiredVersion { version, content: Some(content), pinned_by: None, since: None };
        desired.offer(&target.node).resolve(&wish)
    };
    by_file.or_else(resolved).or_else(|| catalogue.with_content(content))
}

/// Whether an action is about what nodes run, so that a node in sync misses nothing.
const fn moves(action: &Action) -> bool {
    !matches!(action, Action::SetConfig { .. } | Action::Undo { .. })
}

fn plan_wide(plan: &Plan, input: PlanInput<'_>, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |severity, code, message: String, remedy: &str| {
        found.push(Finding { severity, code, node: None, message, remedy: remedy.to_owned() });
    };
    let age_s = now.as_second().saturating_sub(input.snapshot.taken_at.as_second());
    if age_s > SNAPSHOT_AGE_S_MAX {
        say(
            Severity::Warning,
            FindingCode::OldSnapshot,
            format!("the plan is made from a sweep {} min old", age_s / 60),
            "sweep again, then plan again",
        );
    }
    let wanted: BTreeSet<_> = plan.targets().filter_map(|target| target.after.content).collect();
    for content in wanted {
        if let Some(entry) = input.desired.catalogue.with_content(content)
            && entry.bytes > BUNDLE_BYTES_ADVISED
        {
            say(
                Severity::Note,
                FindingCode::LargeBundle,
                format!("bundle {} has {} bytes, more than 1 MiB", entry.version, entry.bytes),
                "remove unused policies; expect slower reloads",
            );
        }
    }
    if plan.is_empty() {
        say(
            Severity::Note,
            FindingCode::NothingToDo,
            "every selected node that can be changed already is as wanted".to_owned(),
            "nothing has to be done",
        );
    }
    found
}
