//! What a rollout owes beside the names of its phases: consent, a freeze and its end, and nothing that is left out.

use std::collections::BTreeSet;

use super::{Document, DocumentError, Library, Phase, RunbookKind, Step, StepKind};

/// Phases of which nothing is left out, whatever was answered before.
const NEVER_LEFT_OUT: [Phase; 4] = [Phase::Freeze, Phase::DryRun, Phase::Validate, Phase::Unfreeze];

/// What is wrong with a rollout by itself.
pub(super) fn of_rollout(document: &Document) -> Vec<DocumentError> {
    let mut errors = Vec::new();
    if document.front.kind != RunbookKind::Rollout {
        return errors;
    }
    let optional = optional(document);
    consent(document, &optional, &mut errors);
    freezes(document, &mut errors);
    for step in &document.steps {
        let Some(phase) = step.phase else { continue };
        if NEVER_LEFT_OUT.contains(&phase) {
            let what = || format!("no step of the phase {} is left out", phase.name());
            errors.extend(step.when.iter().map(|when| when.error(what())));
            if optional.contains(step.id.value.as_str()) {
                errors.push(step.id.error(what()));
            }
        }
        if is_early(document, step, phase) {
            let what = format!("a step of the phase {} changes nothing", phase.name());
            errors.push(step.id.error(what));
        }
        for child in led_to(step) {
            if document.step(child).is_some_and(|child| child.phase != Some(phase)) {
                let what = format!("{child} belongs to the phase {} as well", phase.name());
                errors.push(step.id.error(what));
            }
        }
        if let StepKind::Command(command) = &step.kind
            && let Some(repeats) = &command.repeats
            && document.step(&repeats.step).is_some_and(|dry| dry.phase != Some(Phase::DryRun))
        {
            let what = format!("{} is no step of the phase dry_run", repeats.step);
            errors.push(step.id.error(what));
        }
    }
    errors
}

/// Steps that are done only sometimes: those of arms, and ways back.
fn optional(document: &Document) -> BTreeSet<&str> {
    let arms = document.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Branch(branch) => Some(branch.arms.iter().flat_map(|arm| &arm.steps)),
        _ => None,
    });
    let backs = document.steps.iter().filter_map(|step| step.rollback.as_ref());
    arms.flatten().chain(backs).map(|id| id.value.as_str()).collect()
}

fn led_to(step: &Step) -> Vec<&str> {
    let ids: Vec<_> = match &step.kind {
        StepKind::Branch(branch) => branch.arms.iter().flat_map(|arm| &arm.steps).collect(),
        StepKind::Parallel(parallel) => parallel.steps.iter().collect(),
        _ => Vec::new(),
    };
    ids.into_iter().map(|id| id.value.as_str()).collect()
}

/// Somebody consents before anything is executed, and always.
fn consent(document: &Document, optional: &BTreeSet<&str>, errors: &mut Vec<DocumentError>) {
    let front = &document.front;
    let asks = |step: &&Step| match &step.kind {
        StepKind::Approval(approval) => {
            !(approval.groups.is_empty() && front.owners.approvals.is_empty())
        }
        _ => false,
    };
    let always = |step: &&Step| step.when.is_none() && !optional.contains(step.id.value.as_str());
    let before = |step: &&Step| step.phase.is_some_and(|phase| phase < Phase::Execute);
    if !document.steps.iter().filter(asks).filter(always).any(|step| before(&step)) {
        let what = "a rollout has an approval before its execution, by groups that it names";
        errors.push(front.title.error(what));
    }
}

/// It freezes in one phase, and lifts every freeze in the other.
fn freezes(document: &Document, errors: &mut Vec<DocumentError>) {
    let is_in = |step: &Step, phase| step.phase == Some(phase);
    let mut frozen: BTreeSet<&str> = BTreeSet::new();
    let mut lifted: BTreeSet<&str> = BTreeSet::new();
    for step in &document.steps {
        match &step.kind {
            StepKind::Freeze(_) if is_in(step, Phase::Freeze) => {
                frozen.insert(&step.id.value);
            }
            StepKind::Unfreeze(unfreeze) if is_in(step, Phase::Unfreeze) => {
                lifted.insert(&unfreeze.step);
            }
            StepKind::Freeze(_) | StepKind::Unfreeze(_) => {
                let what = format!("{} belongs to the phase of that name", step.kind.name());
                errors.push(step.id.error(what));
            }
            _ => {}
        }
    }
    if frozen.is_empty() {
        errors.push(document.front.title.error("a rollout has a freeze in its phase freeze"));
    }
    for id in frozen.difference(&lifted) {
        let what = format!("the freeze {id} is lifted by an unfreeze in the phase unfreeze");
        errors.push(document.front.title.error(what));
    }
}

/// Whether it changes something where nothing is to be changed. What a command does with the flag of its dry run
/// is no change.
fn is_early(document: &Document, step: &Step, phase: Phase) -> bool {
    let repeated = || {
        document.steps.iter().any(|other| match &other.kind {
            StepKind::Command(command) => {
                command.repeats.as_ref().is_some_and(|repeats| repeats.step == step.id.value)
            }
            _ => false,
        })
    };
    match phase {
        Phase::Preconditions | Phase::Validate => acts(step),
        Phase::DryRun => acts(step) && !repeated(),
        Phase::Freeze | Phase::Execute | Phase::Unfreeze | Phase::Rollback => false,
    }
}

fn acts(step: &Step) -> bool {
    let kind = &step.kind;
    let outside = matches!(kind, StepKind::Action(_) | StepKind::Command(_) | StepKind::Http(_));
    outside && kind.mutates()
}

impl Library {
    /// What a rollout calls and does not belong into the phase it is called in.
    pub(super) fn outside_phases(&self, document: &Document) -> Vec<DocumentError> {
        let mut errors = Vec::new();
        if document.front.kind != RunbookKind::Rollout {
            return errors;
        }
        for step in &document.steps {
            let StepKind::Runbook(called) = &step.kind else { continue };
            let Some(phase) = step.phase.filter(|phase| *phase != Phase::Rollback) else {
                continue;
            };
            for file in self.run_by(&called.file.value) {
                let Some(other) = self.documents.get(&file) else { continue };
                let optional = optional(other);
                for one in &other.steps {
                    if let Some(why) = misplaced(one, phase, &optional) {
                        let what = format!(
                            "{file} is called in the phase {}, and its step {} {why}",
                            phase.name(),
                            one.id.value
                        );
                        errors.push(called.file.error(what));
                    }
                }
            }
        }
        errors
    }
}

/// Why a step of a runbook that is called in a phase does not belong there.
fn misplaced(step: &Step, phase: Phase, optional: &BTreeSet<&str>) -> Option<String> {
    match step.phase {
        Some(Phase::Rollback) => return None,
        Some(other) if other != phase => {
            return Some(format!("says the phase {}", other.name()));
        }
        _ => {}
    }
    let left_out = step.when.is_some() || optional.contains(step.id.value.as_str());
    if step.may_skip || NEVER_LEFT_OUT.contains(&phase) && left_out {
        return Some("may be left out".to_owned());
    }
    let freezes = matches!(step.kind, StepKind::Freeze(_)) && phase != Phase::Freeze;
    let unfreezes = matches!(step.kind, StepKind::Unfreeze(_)) && phase != Phase::Unfreeze;
    if freezes || unfreezes {
        return Some(format!("does {}, which is another phase", step.kind.name()));
    }
    let unrehearsed = match &step.kind {
        StepKind::Command(command) => command.repeats.is_none(),
        _ => false,
    };
    match phase {
        Phase::Preconditions | Phase::DryRun | Phase::Validate if acts(step) => {
            Some("changes something".to_owned())
        }
        Phase::Execute if acts(step) && unrehearsed => {
            Some("changes something without a dry run".to_owned())
        }
        _ => None,
    }
}
