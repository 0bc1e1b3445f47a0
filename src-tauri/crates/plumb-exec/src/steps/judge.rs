//! What a step came to, and what conditions may see of it.

use std::collections::BTreeMap;

use plumb_journal::{StepEvent, StepOutcome};
use plumb_runbook::document::{
    Compiled, Expression, Scope, StepEffect, StepKind,
    steps::{capture::CaptureFrom, query::Decimal},
};
use serde_json::{Map, Value, json};

use super::{
    next::Task,
    state::{StepPhase, StepRun, StepsState},
};

/// Most of a result that is journalled, in bytes of its JSON; captures keep the whole output.
const RESULT_BYTES_MAX: usize = 64 * 1024;
/// Longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 500;
/// Whole numbers beyond this are no longer exact in JSON.
const EXACT_MAX: u64 = 1 << 53;

/// How something that was done came out, before the step's own condition is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub outcome: StepOutcome,
    pub detail: String,
    /// An object; anything else is put into one as `value`.
    pub result: Value,
}

/// The event a step's answer comes to.
pub fn judge(plan: &Compiled, state: &StepsState, at: usize, answer: Answer) -> StepEvent {
    let Answer { mut outcome, mut detail, result } = answer;
    let result = bounded(result);
    let step = &plan.steps[at].step;
    if outcome == StepOutcome::Succeeded {
        let failed = match &step.success {
            Some(_) => unsuccessful(plan, state, at, &result),
            None => unmet(&step.kind, &result),
        };
        if let Some(failed) = failed {
            outcome = StepOutcome::Failed;
            detail = if detail.is_empty() { failed } else { format!("{failed}; {detail}") };
        }
    }
    let detail = detail.chars().take(DETAIL_CHARS_MAX).collect();
    StepEvent::Finished { outcome, detail, result, by: None, envelope: None }
}

/// Why a result is no success by the condition that the step names.
pub(super) fn unsuccessful(
    plan: &Compiled,
    state: &StepsState,
    at: usize,
    result: &Value,
) -> Option<String> {
    let planned = &plan.steps[at];
    let success = planned.step.success.as_ref()?;
    let effect = state.step(&planned.id).and_then(|run| run.effect.as_ref());
    let result = typed(effect, result);
    match condition(plan, state, at, &success.value, Some(&result)) {
        Ok(true) => None,
        Ok(false) => Some(format!("{} does not hold", success.value)),
        Err(error) => Some(error),
    }
}

/// What a step that failed came to, for whoever decides: somebody's word stands as they gave it, and why it was no
/// success beside it.
pub(super) fn reason(plan: &Compiled, state: &StepsState, at: usize, run: &StepRun) -> String {
    let said = run.effect.as_ref().is_some_and(StepEffect::is_for_people) && run.by.is_some();
    let why = unsuccessful(plan, state, at, &run.result).filter(|_| said);
    match why {
        Some(why) => format!("{}; {why}", run.detail),
        None => run.detail.clone(),
    }
}

/// A result with its answer as conditions see it: a whole number is one.
fn typed(effect: Option<&StepEffect>, result: &Value) -> Value {
    let mut result = result.clone();
    if let (Some(StepEffect::Ask { of, .. }), Some(answer)) = (effect, result.get_mut("answer"))
        && let Some(said) = answer.as_str()
    {
        *answer = of.typed(said);
    }
    result
}

/// What counts as failure where the step names no condition of its own.
fn unmet(kind: &StepKind, result: &Value) -> Option<String> {
    match kind {
        StepKind::Command(_) => {
            let exit = &result["exit"];
            (*exit != json!(0)).then(|| format!("it ended with {exit}"))
        }
        StepKind::Http(_) => {
            let status = result["status"].as_u64().unwrap_or_default();
            (!(200..300).contains(&status)).then(|| format!("the answer was {status}"))
        }
        StepKind::Query(query) => match result["value"].as_f64() {
            None => Some("there is no figure".to_owned()),
            Some(value) => outside(value, query.min, query.max),
        },
        _ => None,
    }
}

/// How a figure is out of its limits; a figure that is none is out of all of them.
pub fn outside(value: f64, min: Option<Decimal>, max: Option<Decimal>) -> Option<String> {
    let limit = |limit: Decimal| f64::from(limit);
    if value.is_nan() {
        return Some("it is no number".to_owned());
    }
    match (min.map(limit), max.map(limit)) {
        (Some(min), _) if value < min => Some(format!("{value} is below {min}")),
        (_, Some(max)) if value > max => Some(format!("{value} is above {max}")),
        _ => None,
    }
}

/// Whether a condition of a step holds. One that cannot be answered is an error, never a no.
pub(super) fn condition(
    plan: &Compiled,
    state: &StepsState,
    at: usize,
    text: &str,
    result: Option<&Value>,
) -> Result<bool, String> {
    let scope_of = &plan.scopes[plan.steps[at].scope];
    let mut steps = Map::new();
    let mut scope = Scope { result: result.is_some(), ..Scope::default() };
    for planned in plan.steps.iter().filter(|other| other.scope == plan.steps[at].scope) {
        let id = &planned.step.id.value;
        if !text.contains(id.as_str()) {
            continue;
        }
        scope.steps.insert(id.clone());
        if let Some(run) = state.step(&planned.id).filter(|run| run.phase != StepPhase::Waiting) {
            steps.insert(id.clone(), seen(run));
        }
    }
    scope.parameters.extend(scope_of.typed.keys().cloned());
    let expression = Expression::parse(text, &scope);
    let expression = expression.map_err(|error| format!("{text}: {error}"))?;
    let mut values = BTreeMap::from([
        ("params".to_owned(), Value::Object(scope_of.typed.clone())),
        ("steps".to_owned(), Value::Object(steps)),
    ]);
    if let Some(result) = result {
        values.insert("result".to_owned(), result.clone());
    }
    expression.holds(&values).map_err(|error| format!("{text}: {error}"))
}

/// What conditions see of a step.
fn seen(run: &StepRun) -> Value {
    let ok = run.phase == StepPhase::Succeeded;
    let mut seen = Map::new();
    seen.insert("state".to_owned(), json!(run.phase.name()));
    seen.insert("ok".to_owned(), json!(ok));
    let result = typed(run.effect.as_ref(), &run.result);
    if let Some(answer) = result.get("answer") {
        seen.insert("answer".to_owned(), answer.clone());
    }
    seen.insert("result".to_owned(), result);
    Value::Object(seen)
}

/// What a capture keeps where the journal holds it; files and outputs are kept where they were written.
pub(super) fn captured(
    plan: &Compiled,
    state: &StepsState,
    at: usize,
    task: &Task,
) -> Option<Value> {
    let Task::Do(StepEffect::Capture { from, .. }) = task else { return None };
    let run = |id: &str| state.step(&plan.full_id(at, id));
    match from {
        CaptureFrom::Result(id) => run(id).map(|run| run.result.clone()),
        CaptureFrom::Field(field) => {
            let value = run(&field.step)?.result.get(&field.name)?.clone();
            Some(json!({ field.name.clone(): value }))
        }
        CaptureFrom::Command(id) => match run(id)?.effect.as_ref()? {
            StepEffect::Run { argv, environment, folder, .. } => Some(json!({
                "argv": argv,
                "environment": environment,
                "folder": folder,
                "started_at": run(id)?.since.map(|at| at.to_string()),
            })),
            _ => None,
        },
        CaptureFrom::Output(id) => Some(json!(plan.full_id(at, id))),
        CaptureFrom::File(_) | CaptureFrom::Digest(_) => None,
    }
}

/// A result as the journal keeps it: an object of bounded size, with numbers that stay what they are.
fn bounded(result: Value) -> Value {
    let result = match exact(result) {
        Value::Object(members) => Value::Object(members),
        Value::Null => return Value::Object(Map::new()),
        other => json!({ "value": other }),
    };
    let bytes = result.to_string().len();
    if bytes <= RESULT_BYTES_MAX {
        return result;
    }
    // Small members are what conditions ask for.
    let Value::Object(members) = result else { return Value::Null };
    let small = |value: &Value| value.to_string().len() <= 256;
    let mut kept: Map<String, Value> =
        members.into_iter().filter(|(_, value)| small(value)).take(100).collect();
    kept.insert("left_out_bytes".to_owned(), json!(bytes));
    Value::Object(kept)
}

fn exact(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let large = number.as_u64().is_some_and(|n| n > EXACT_MAX)
                || number.as_i64().is_some_and(|n| n.unsigned_abs() > EXACT_MAX);
            if large { Value::String(number.to_string()) } else { Value::Number(number) }
        }
        Value::Array(values) => Value::Array(values.into_iter().map(exact).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, exact(value))).collect())
        }
        other => other,
    }
}
