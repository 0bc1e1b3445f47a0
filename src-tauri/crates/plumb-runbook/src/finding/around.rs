//! What is found around a plan: locks, windows, environments, promotion, what nodes cannot do.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_fleet::{DriftState, Node, NodeId, snapshot::REMEMBERS_PLANS};
use plumb_trust::readiness::ReadinessItem;

use super::{Finding, FindingCode, Severity};
use crate::{
    approval::is_production,
    effect::Effect,
    plan::{NodePlan, Plan, PlanInput},
    readiness::{Circumstances, ItemState, Refusing, WayBack},
    rollout::OnFailure,
};

/// Labels that name the environment of a node.
const ENVIRONMENT_LABELS: [&str; 2] = ["environment", "env"];
/// Names of nodes in one sentence; the rest is counted.
const NAMES_SHOWN: usize = 3;

/// Examines what is around a plan.
pub(super) fn around(
    plan: &Plan,
    around: &Circumstances,
    input: PlanInput<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    if plan.targets().next().is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    found.extend(locked(around, now));
    found.extend(frozen(plan, around, now));
    found.extend(promotion(plan, around));
    found.extend(environments(plan, input));
    found.extend(checklist(plan, around));
    if plan.rollout.is_some() {
        found.extend(plan.targets().filter_map(|target| drifting(target, input)));
        found.extend(plan.targets().filter_map(|target| no_way_back(plan, target, around)));
        found.extend(forgetful(plan, input));
    }
    found.extend(unguarded(plan, around));
    found.extend(unrefusing(plan, around));
    found
}

fn wide(severity: Severity, code: FindingCode, message: String, remedy: &str) -> Finding {
    Finding { severity, code, node: None, message, remedy: remedy.to_owned() }
}

fn of_node(
    severity: Severity,
    code: FindingCode,
    node: &NodeId,
    message: String,
    remedy: &str,
) -> Finding {
    Finding { severity, code, node: Some(node.clone()), message, remedy: remedy.to_owned() }
}

fn locked(around: &Circumstances, now: Timestamp) -> Option<Finding> {
    let lock = around.lock.as_ref().filter(|lock| lock.until > now)?;
    let left_s = lock.until.as_second().saturating_sub(now.as_second());
    Some(wide(
        Severity::Fatal,
        FindingCode::LockHeld,
        format!("{} holds the deployment lock for another {left_s} s", lock.owner),
        "wait for the end of that rollout, or ask its owner to give the lock back",
    ))
}

fn frozen(plan: &Plan, around: &Circumstances, now: Timestamp) -> Vec<Finding> {
    let own = plan.rollout.iter().flat_map(|rollout| &rollout.freeze);
    let windows: BTreeSet<_> = own.chain(&around.freeze).collect();
    windows
        .into_iter()
        .filter(|window| window.until > now)
        .map(|window| {
            let (severity, when, remedy) = if plan.action.is_way_back() {
                let when = "nothing but a way back may be changed";
                (Severity::Note, when, "a way back is open all the same")
            } else if window.from <= now {
                (Severity::Fatal, "nothing may be changed now", "start when it is over")
            } else {
                let when = "nothing may be changed in a window to come";
                (Severity::Note, when, "a run that is under way then waits for its end")
            };
            wide(
                severity,
                FindingCode::FreezeWindow,
                format!("{when}: {} to {}, {}", window.from, window.until, window.reason),
                remedy,
            )
        })
        .collect()
}

/// Where a staging fleet is named, content comes only after that one showed it, whatever the fleet file
/// calls the environment. What brings a node back is not stopped: it ran here before.
fn promotion(plan: &Plan, around: &Circumstances) -> Vec<Finding> {
    let Some(promotion) = &around.promotion else { return Vec::new() };
    if plan.action.is_way_back() {
        return Vec::new();
    }
    let brought: BTreeSet<_> = plan
        .targets()
        .filter(|target| target.after.content != target.before.content)
        .filter_map(|target| Some((target.after.content?, target.after.version.clone()?)))
        .filter(|(content, _)| !promotion.certified.contains(content))
        .map(|(content, version)| (content, version.as_str().to_owned()))
        .collect();
    brought
        .into_iter()
        .map(|(content, version)| {
            wide(
                Severity::Fatal,
                FindingCode::NotPromoted,
                format!(
                    "{version} ({}) has no green certificate of {}",
                    content.short(),
                    promotion.staging_fleet
                ),
                "roll it out there first; its certificate opens the way here",
            )
        })
        .collect()
}

fn environment<'a>(node: &'a Node, plan: &'a Plan) -> &'a str {
    let named = ENVIRONMENT_LABELS.iter().find_map(|label| node.labels.get(*label));
    named.map_or(plan.environment.as_str(), String::as_str)
}

/// One plan is approved by the rule of one environment.
fn environments(plan: &Plan, input: PlanInput<'_>) -> Option<Finding> {
    let nodes = plan.targets().filter_map(|target| input.fleet.nodes.get(&target.node));
    let mut named: BTreeSet<String> =
        nodes.map(|node| environment(node, plan).trim().to_ascii_lowercase()).collect();
    named.insert(plan.environment.trim().to_ascii_lowercase());
    if named.len() < 2 {
        return None;
    }
    // Where production hides in a plan of another environment, its rule would be passed over.
    let hidden = !is_production(&plan.environment) && named.iter().any(|name| is_production(name));
    let names: Vec<&str> =
        named.iter().map(|name| if name.is_empty() { "none" } else { name.as_str() }).collect();
    Some(wide(
        if hidden { Severity::Fatal } else { Severity::Warning },
        FindingCode::MixedEnvironments,
        format!("its nodes are of several environments: {}", names.join(", ")),
        "plan each environment by itself, or mend the labels of the nodes",
    ))
}

/// What a roster requires must be shown before anything is changed; the rest is asked of rollouts.
fn checklist(plan: &Plan, around: &Circumstances) -> Vec<Finding> {
    let Some(checklist) = around.checklist.as_ref().filter(|_| !plan.action.is_way_back()) else {
        return Vec::new();
    };
    let asked = |item: &ReadinessItem| plan.rollout.is_some() && item.is_always_asked();
    let odd = if is_production(&plan.environment) { Severity::Warning } else { Severity::Note };
    let open = checklist.items.iter().filter_map(|(item, state)| {
        let (required, what) = match state {
            ItemState::Shown { .. } => return None,
            ItemState::Missing { required } => {
                (*required, format!("the checklist has no evidence of {}", item.sentence()))
            }
            ItemState::Refused { why, required } => {
                (*required, format!("the evidence of {} does not count: {why}", item.sentence()))
            }
        };
        let severity = if required { Severity::Fatal } else { odd };
        let remedy = "add a link or an attestation to the checklist: plumb readiness";
        (required || asked(item)).then(|| wide(severity, FindingCode::ChecklistOpen, what, remedy))
    });
    open.collect()
}

/// A node whose own state is odd is a bad ground to judge a rollout by.
fn drifting(target: &NodePlan, input: PlanInput<'_>) -> Option<Finding> {
    let verdict = input.assessment.nodes.get(&target.node)?;
    let odd = matches!(
        verdict.state,
        DriftState::Tampered | DriftState::Poisoned | DriftState::Diverged | DriftState::Stale
    );
    odd.then(|| {
        of_node(
            Severity::Warning,
            FindingCode::DriftingTarget,
            &target.node,
            format!("is {} before anything is changed", verdict.state.name()),
            "look at what it runs first; what it does afterwards says little of the rollout",
        )
    })
}

fn no_way_back(plan: &Plan, target: &NodePlan, around: &Circumstances) -> Option<Finding> {
    let missing = match around.ways_back.get(&target.node) {
        Some(WayBack::Missing { reason }) => reason.clone(),
        _ if target.back.is_empty() => target.undo.to_string(),
        _ => return None,
    };
    let automatic =
        plan.rollout.as_ref().is_some_and(|rollout| rollout.on_failure == OnFailure::RollBack);
    let severity = match (automatic, is_production(&plan.environment)) {
        (true, true) => Severity::Fatal,
        (true, false) | (false, true) => Severity::Warning,
        (false, false) => Severity::Note,
    };
    Some(of_node(
        severity,
        FindingCode::NoWayBack,
        &target.node,
        format!("could not be rolled back: {missing}"),
        "bring what it ran to where it finds it, or choose a rollout that halts instead",
    ))
}

fn names<'a>(nodes: impl Iterator<Item = &'a NodeId>) -> Option<String> {
    let all: Vec<&NodeId> = nodes.collect();
    let first: Vec<&str> = all.iter().take(NAMES_SHOWN).map(|node| node.as_str()).collect();
    let more = if all.len() > NAMES_SHOWN { ", ..." } else { "" };
    (!all.is_empty()).then(|| format!("{} ({}{more})", all.len(), first.join(", ")))
}

/// Nodes that do not remember plans could be sent one twice; what protects them is said.
fn forgetful(plan: &Plan, input: PlanInput<'_>) -> Option<Finding> {
    let remembers = |target: &NodePlan| {
        let report = input.report(&target.node);
        report.is_some_and(|report| report.config.contains_key(REMEMBERS_PLANS))
    };
    let forgets = |target: &&NodePlan| !remembers(target);
    let nodes = names(plan.targets().filter(forgets).map(|target| &target.node))?;
    Some(wide(
        Severity::Note,
        FindingCode::ForgetsPlans,
        format!("nodes that do not remember which plans ran: {nodes}"),
        "a second run is stopped here by what each node ran before, not by the node",
    ))
}

fn unguarded(plan: &Plan, around: &Circumstances) -> Option<Finding> {
    let enforcing = around.enforcing.as_ref()?;
    let changes = |target: &&NodePlan| {
        target.effects.iter().any(|effect| !matches!(effect, Effect::Verify { .. }))
    };
    let targets = plan.targets().filter(changes).map(|target| &target.node);
    let nodes = names(targets.filter(|node| !enforcing.contains(*node)))?;
    Some(wide(
        Severity::Note,
        FindingCode::ApprovalNotEnforced,
        format!("nodes on which approval is kept by the console only: {nodes}"),
        "start agents with --require-approval where they should verify it themselves",
    ))
}

/// Nodes that would take content although the refused list has it, or comes to have it.
fn unrefusing(plan: &Plan, around: &Circumstances) -> Vec<Finding> {
    let Some(Refusing { enforcing, behind }) = &around.refusing else { return Vec::new() };
    let loads = |target: &&NodePlan| {
        target.effects.iter().any(|effect| {
            matches!(effect, Effect::Sync { .. } | Effect::Reload { .. } | Effect::Rollback { .. })
        })
    };
    let targets = || plan.targets().filter(loads).map(|target| &target.node);
    let cannot = names(targets().filter(|n| !enforcing.contains(*n) && !behind.contains(*n)));
    let lacking = names(targets().filter(|node| behind.contains(*node)));
    let note = |message: String, remedy: &str| {
        wide(Severity::Note, FindingCode::RefusedNotEnforced, message, remedy)
    };
    let cannot = cannot.map(|nodes| {
        note(
            format!(
                "nodes that cannot enforce the refused list, so that only this console keeps \
                 refused content from them: {nodes}"
            ),
            "start agents with --roster where they should refuse content themselves",
        )
    });
    let lacking = lacking.map(|nodes| {
        note(
            format!("nodes that hold another refused list than the newest, or none: {nodes}"),
            "send it to them: plumb refused push",
        )
    });
    cannot.into_iter().chain(lacking).collect()
}
