//! What a document can be held to by itself: names, order, conditions and paths.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    At, Document, DocumentError, Expression, Phase, RunbookKind, Scope, Step, StepKind,
    front::{Parameter, ParameterType},
    steps::{Kind as _, capture::escapes, within},
    template::{ANSWER, OF_RUN, placeholders},
};

/// Most figures beside a running step.
const MONITORS_MAX: usize = 16;

pub(crate) fn check(document: &Document) -> Vec<DocumentError> {
    let mut errors = Vec::new();
    front(document, &mut errors);
    let places = places(document, &mut errors);
    let mut above = Above::default();
    for parameter in &document.front.parameters {
        above.scope.parameters.insert(parameter.name.value.clone());
    }
    for (number, step) in document.steps.iter().enumerate() {
        one(step, &above, &mut errors);
        references(document, number, step, &places, &mut errors);
        above.scope.steps.insert(step.id.value.clone());
        if matches!(step.kind, StepKind::Question(_)) {
            above.questions.insert(step.id.value.clone());
        }
    }
    owners_of_steps(document, &mut errors);
    if document.front.kind == RunbookKind::Rollout {
        phases(document, &mut errors);
    }
    errors
}

/// What stands above a step.
#[derive(Default)]
struct Above {
    scope: Scope,
    questions: BTreeSet<String>,
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

const NAME: &str =
    "a name has small letters, digits and _, begins with a letter, and is 64 long at most";

fn front(document: &Document, errors: &mut Vec<DocumentError>) {
    let front = &document.front;
    if front.title.value.trim().is_empty() {
        errors.push(front.title.error("a runbook has a title"));
    }
    let mut seen = BTreeSet::new();
    for parameter in &front.parameters {
        if !is_name(&parameter.name.value) {
            errors.push(parameter.name.error(NAME));
        } else if !seen.insert(&parameter.name.value) {
            errors.push(parameter.name.error("this parameter is there twice"));
        }
        errors.extend(default_of(parameter));
    }
    if let Some(folder) = &front.artifacts
        && let Some(what) = escapes(&folder.value)
    {
        errors.push(folder.error(what));
    }
    let run = &front.owners.run;
    for group in front.owners.approvals.iter().filter(|group| group.value == run.value) {
        errors.push(group.error("who runs it does not approve it"));
    }
    for link in &front.related {
        let is_markdown = std::path::Path::new(&link.value).extension().is_some_and(|e| e == "md");
        if !is_markdown || link.value.contains('/') || escapes(&link.value).is_some() {
            errors.push(link.error("a related runbook is named by its file, for example stuck.md"));
        }
    }
    if document.steps.is_empty() {
        errors.push(front.title.error("a runbook has steps: write blocks that begin with ```step"));
    }
}

fn default_of(parameter: &Parameter) -> Option<DocumentError> {
    let is_choice = parameter.of == ParameterType::Choice;
    if is_choice != (parameter.choices.len() >= 2) {
        return Some(parameter.name.error("a choice, and nothing else, has two choices or more"));
    }
    let default = parameter.default.as_ref()?;
    parameter.refuses(&default.value).map(|what| default.error(what))
}

/// The number of each step by its id.
fn places(document: &Document, errors: &mut Vec<DocumentError>) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (number, step) in document.steps.iter().enumerate() {
        if !is_name(&step.id.value) {
            errors.push(step.id.error(NAME));
        } else if places.insert(step.id.value.clone(), number).is_some() {
            errors.push(step.id.error(format!("there are two steps {}", step.id.value)));
        }
    }
    places
}

/// A step by itself, with what it may speak of.
fn one(step: &Step, above: &Above, errors: &mut Vec<DocumentError>) {
    let (kind, scope) = (step.kind.kind(), &above.scope);
    errors.extend(kind.wrong().map(|what| step.id.error(what)));
    for word in kind.words() {
        match placeholders(word) {
            Err(what) => errors.push(step.id.error(what)),
            Ok(names) => {
                let answers = of_answers(step, word);
                let answered = |name: &str| {
                    let id = name.strip_prefix(ANSWER).filter(|_| answers);
                    id.is_some_and(|id| above.questions.contains(id))
                };
                let known = |name: &str| {
                    above.scope.parameters.contains(name)
                        || OF_RUN.contains(&name)
                        || answered(name)
                };
                for name in names.into_iter().filter(|name| !known(name)) {
                    errors.push(step.id.error(match name.strip_prefix(ANSWER) {
                        Some(id) if answers => format!("no question {id} is asked above it"),
                        Some(_) => {
                            "an answer fills in the nodes of an action and nothing else".to_owned()
                        }
                        None => format!("there is no parameter {name:?} to fill in"),
                    }));
                }
            }
        }
    }
    let mut expression = |text: &At<String>, scope: &Scope| {
        if let Err(error) = Expression::parse(&text.value, scope) {
            errors.push(text.error(error.to_string()));
        }
    };
    step.when.iter().for_each(|when| expression(when, scope));
    let with_result = Scope { result: true, ..scope.clone() };
    step.success.iter().for_each(|success| expression(success, &with_result));
    match &step.kind {
        StepKind::Wait(wait) => wait.holds.iter().for_each(|holds| expression(holds, scope)),
        StepKind::Branch(branch) => {
            branch
                .arms
                .iter()
                .filter_map(|arm| arm.when.as_ref())
                .for_each(|w| expression(w, scope));
        }
        _ => {}
    }
    monitors(step, errors);
    if let Some(retry) = step.retry {
        if step.kind.mutates() {
            errors.push(step.id.error("a step that changes something is never tried again"));
        } else if !(2..=10).contains(&retry.tries) || !(1..=3_600).contains(&retry.every_s) {
            errors.push(step.id.error("a retry is 2 to 10 tries, 1 to 3600 seconds apart"));
        }
    }
}

/// Whether a word of a step may come from an answer: the nodes of an action, which is planned and confirmed when they
/// are known.
fn of_answers(step: &Step, word: &str) -> bool {
    matches!(&step.kind, StepKind::Action(action) if std::ptr::eq(action.nodes.as_str(), word))
}

fn monitors(step: &Step, errors: &mut Vec<DocumentError>) {
    if !step.monitors.is_empty() && !matches!(step.kind, StepKind::Command(_) | StepKind::Wait(_)) {
        errors.push(step.id.error("only a command or a wait lasts long enough to be monitored"));
    }
    if step.monitors.len() > MONITORS_MAX {
        errors.push(step.id.error(format!("a step has at most {MONITORS_MAX} monitors")));
    }
    for monitor in &step.monitors {
        let wrong = monitor.asked_once().wrong();
        let wrong = wrong.or_else(|| within(monitor.every_s, "the time between two looks"));
        errors.extend(wrong.map(|what| step.id.error(format!("{}: {what}", monitor.title))));
    }
}

/// Steps a step names: there, and on the right side of it.
fn references(
    document: &Document,
    number: usize,
    step: &Step,
    places: &BTreeMap<String, usize>,
    errors: &mut Vec<DocumentError>,
) {
    let earlier = |id: &str| places.get(id).is_some_and(|at| *at < number);
    let later = |id: &str| places.get(id).is_some_and(|at| *at > number);
    let mut after = |ids: &[At<String>]| {
        for id in ids.iter().filter(|id| !later(&id.value)) {
            errors.push(id.error(format!("there is no step {} further down", id.value)));
        }
    };
    match &step.kind {
        StepKind::Branch(branch) => branch.arms.iter().for_each(|arm| after(&arm.steps)),
        StepKind::Parallel(parallel) => {
            after(&parallel.steps);
            for id in &parallel.steps {
                let beside = places.get(&id.value).map(|at| &document.steps[*at]);
                if beside.is_some_and(|step| step.kind.mutates()) {
                    errors.push(id.error("only steps that read are done side by side"));
                }
            }
        }
        StepKind::Unfreeze(unfreeze) => {
            let at = places.get(&unfreeze.step).filter(|at| **at < number);
            let freezes =
                at.is_some_and(|at| matches!(document.steps[*at].kind, StepKind::Freeze(_)));
            if !freezes {
                errors.push(step.id.error(format!("{} is no freeze further up", unfreeze.step)));
            }
        }
        StepKind::Capture(capture) => {
            if let Some(id) = capture.from.step()
                && !earlier(id)
            {
                errors.push(step.id.error(format!("there is no step {id} further up")));
            }
        }
        StepKind::Command(command) => {
            if let Some(repeats) = &command.repeats {
                let dry = places.get(&repeats.step).filter(|at| **at < number);
                errors.extend(
                    same_but_for(step, dry.map(|at| &document.steps[*at]), &repeats.without)
                        .map(|what| step.id.error(what)),
                );
            }
        }
        _ => {}
    }
    if let Some(back) = &step.rollback
        && !later(&back.value)
    {
        errors.push(back.error(format!("there is no step {} further down", back.value)));
    }
}

/// The real command is the rehearsed one but for the flag of the dry run.
fn same_but_for(step: &Step, dry: Option<&Step>, flag: &str) -> Option<String> {
    let (StepKind::Command(real), Some(StepKind::Command(dry))) =
        (&step.kind, dry.map(|dry| &dry.kind))
    else {
        return Some("the dry run that is repeated is a command further up".to_owned());
    };
    if !dry.argv.iter().any(|word| word == flag) {
        return Some(format!("the dry run has no {flag}"));
    }
    let rehearsed: Vec<&String> = dry.argv.iter().filter(|word| *word != flag).collect();
    let same = rehearsed.iter().copied().eq(&real.argv)
        && real.environment == dry.environment
        && real.folder == dry.folder;
    (!same).then(|| format!("this differs from its dry run by more than {flag}"))
}

/// A step belongs to one arm, one group or one way back at most.
fn owners_of_steps(document: &Document, errors: &mut Vec<DocumentError>) {
    let mut owned: BTreeSet<&str> = BTreeSet::new();
    for step in &document.steps {
        let named: Vec<&At<String>> = match &step.kind {
            StepKind::Branch(branch) => branch.arms.iter().flat_map(|arm| &arm.steps).collect(),
            StepKind::Parallel(parallel) => parallel.steps.iter().collect(),
            _ => Vec::new(),
        };
        for id in named {
            if !owned.insert(&id.value) {
                errors.push(id.error(format!("{} belongs to another step already", id.value)));
            }
        }
    }
}

/// The phases of a rollout, each of them and in order.
fn phases(document: &Document, errors: &mut Vec<DocumentError>) {
    let mut reached = Phase::Preconditions;
    for step in &document.steps {
        match step.phase {
            None => errors.push(step.id.error("a step of a rollout says its phase")),
            Some(phase) if phase < reached => {
                let what = format!("{} comes before {}", phase.name(), reached.name());
                errors.push(step.id.error(what));
            }
            Some(phase) => reached = phase,
        }
        if step.may_skip && step.phase != Some(Phase::Rollback) {
            errors.push(step.id.error("no step of a rollout is skipped"));
        }
    }
    for phase in Phase::ALL {
        if !document.steps.iter().any(|step| step.phase == Some(phase)) {
            let what = format!("a rollout has a step of the phase {}", phase.name());
            errors.push(document.front.title.error(what));
        }
    }
    for step in &document.steps {
        let is_real = step.phase == Some(Phase::Execute);
        if let StepKind::Command(command) = &step.kind
            && is_real
            && !command.reads_only
            && command.repeats.is_none()
        {
            errors.push(step.id.error("a command of the execution says which dry run it repeats"));
        }
    }
}
