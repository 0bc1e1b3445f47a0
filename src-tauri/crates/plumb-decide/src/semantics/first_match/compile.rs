//! Policies into rules.

use std::{collections::BTreeMap, sync::Arc};

use plumb_bundle::{
    Bundle, SignedJson,
    canonical::canonical,
    formats::signed_json::{ConditionTexts, Effect, RuleTexts},
    json,
};
use plumb_fleet::content::Policy;
use serde_json::Value;

use super::{
    Classes, Persons, PreparedRules, Reading, Rule, Times,
    clock_window::{ClockWindow, weekday},
    is_truthy,
};

/// Why policies cannot be decided by.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("policy {index} ({id}) is not JSON")]
    Json {
        index: usize,
        id: String,
        #[source]
        error: json::JsonError,
    },
    #[error(
        "policy {index} ({id}) has no effect, or one that is not allow, deny or require_confirmation"
    )]
    Effect { index: usize, id: String },
    #[error("policy {index} ({id}): conditions must be an object")]
    Conditions { index: usize, id: String },
    #[error("policy {index} ({id}): the condition {key} {problem}")]
    Condition { index: usize, id: String, key: &'static str, problem: &'static str },
    #[error("rule {index} {problem}")]
    FieldRule { index: usize, problem: &'static str },
}

/// Names of conditions, each kept once however many policies have it.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Arc<str>>);

impl Names {
    fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.0.insert(name.to_owned(), Arc::clone(&new));
        new
    }
}

impl PreparedRules {
    /// Rules of a bundle just read, without reading its policies again.
    pub fn of_signed_json(bundle: &SignedJson, reading: Reading) -> Result<Self, RuleError> {
        let mut names = Names::default();
        let rules = bundle.rules().enumerate();
        let rules = rules.map(|(index, texts)| rule(index, &texts, reading, &mut names));
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, reading })
    }

    /// Rules of a bundle whose policies are JSON.
    pub fn of_bundle(bundle: &Bundle, reading: Reading) -> Result<Self, RuleError> {
        Self::of_policies(&bundle.policies, reading)
    }

    /// Rules of policies whose texts are JSON.
    pub fn of_policies(policies: &[Policy], reading: Reading) -> Result<Self, RuleError> {
        let mut names = Names::default();
        let rules =
            policies.iter().enumerate().map(|(index, policy)| {
                let id = || policy.id.clone();
                let value = json::parse(policy.text.as_bytes())
                    .map_err(|error| RuleError::Json { index, id: id(), error })?;
                let effect = value.get("effect").and_then(json::Value::as_str);
                let effect = effect
                    .and_then(Effect::from_word)
                    .ok_or_else(|| RuleError::Effect { index, id: id() })?;
                let text = |key| value.get(key).map(canonical);
                let fields =
                    (text("description"), text("suggested_alternative"), text("risk_level"));
                let members = value.get("conditions").map(|conditions| {
                    let members = conditions.as_object()?.iter();
                    Some(members.map(member_text).collect::<Vec<_>>())
                });
                let texts = RuleTexts {
                    id: &policy.id,
                    effect,
                    description: fields.0.as_deref(),
                    suggested_alternative: fields.1.as_deref(),
                    risk_level: fields.2.as_deref(),
                    conditions: match &members {
                        None => ConditionTexts::Missing,
                        Some(None) => ConditionTexts::NotADictionary,
                        Some(Some(members)) => {
                            ConditionTexts::Members(members.iter().map(String::as_str).collect())
                        }
                    },
                };
                rule(index, &texts, reading, &mut names)
            });
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, reading })
    }
}

fn member_text((key, value): &(json::Text, json::Value)) -> String {
    format!("{}:{}", canonical(&json::Value::String(key.clone())), canonical(value))
}

fn rule(
    index: usize,
    texts: &RuleTexts<'_>,
    reading: Reading,
    names: &mut Names,
) -> Result<Rule, RuleError> {
    let mut rule = Rule {
        id: texts.id.to_owned(),
        prefix: texts.id.to_owned(),
        auth_scope: None,
        classes: Classes::Any,
        times: Times::Always,
        persons: Persons::Any,
        effect: texts.effect,
        reason: text(texts.description).unwrap_or_else(|| format!("policy:{}", texts.id)),
        suggested_alternative: text(texts.suggested_alternative),
        risk_level: text(texts.risk_level),
        ignored: Vec::new(),
    };
    let fault =
        |key, problem| RuleError::Condition { index, id: texts.id.to_owned(), key, problem };
    let members = match &texts.conditions {
        ConditionTexts::Missing => return Ok(rule),
        // The field's program cannot load such a bundle either.
        ConditionTexts::NotADictionary => {
            return Err(RuleError::Conditions { index, id: texts.id.to_owned() });
        }
        ConditionTexts::Members(members) => members,
    };
    for member in members {
        if let Some(classes) = member.strip_prefix("\"data_classification\":") {
            rule.classes = read_classes(&value(classes), reading)
                .map_err(|problem| fault("data_classification", problem))?;
        } else if let Some(times) = member.strip_prefix("\"time_restrictions\":") {
            rule.times = read_times(&value(times), reading)
                .map_err(|problem| fault("time_restrictions", problem))?;
        } else {
            rule.ignored.push(names.get(&key_of(member)));
        }
    }
    Ok(rule)
}

/// The key of a canonical member `"key":value`.
fn key_of(member: &str) -> String {
    let mut escaped = false;
    let inside = member.strip_prefix('"').unwrap_or(member);
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    inside[..end.unwrap_or(inside.len())].to_owned()
}

/// A canonical JSON text as a value. What `serde_json` cannot hold, such as an unpaired surrogate,
/// equals nothing a request can name.
fn value(canonical: &str) -> Value {
    serde_json::from_str(canonical).unwrap_or(Value::String("\u{fffd}".to_owned()))
}

/// A text for people: a string as it is, another value as JSON, null as nothing.
fn text(canonical: Option<&str>) -> Option<String> {
    match serde_json::from_str(canonical?) {
        Ok(Value::String(text)) => Some(text),
        Ok(Value::Null) => None,
        _ => canonical.map(str::to_owned),
    }
}

pub(super) fn read_classes(classes: &Value, reading: Reading) -> Result<Classes, &'static str> {
    if !is_truthy(classes) {
        return Ok(Classes::Any);
    }
    if reading == Reading::Field {
        return Ok(Classes::Same(classes.clone()));
    }
    let one = |class: &Value| class.as_str().map(str::to_owned).ok_or("must name classes as texts");
    match classes {
        Value::Array(classes) => {
            Ok(Classes::OneOf(classes.iter().map(one).collect::<Result<_, _>>()?))
        }
        class => Ok(Classes::OneOf(vec![one(class)?])),
    }
}

pub(super) fn read_times(times: &Value, reading: Reading) -> Result<Times, &'static str> {
    if !is_truthy(times) {
        return Ok(Times::Always);
    }
    let ends =
        (times.get("start").and_then(Value::as_str), times.get("end").and_then(Value::as_str));
    if reading == Reading::Field {
        if !times.is_object() {
            return Ok(Times::Fails);
        }
        let (Some(start), Some(end)) = ends else { return Ok(Times::Never) };
        return Ok(ClockWindow::read(start, end, Vec::new()).map_or(Times::Never, Times::Within));
    }
    if !times.is_object() {
        return Err("must be an object with start and end");
    }
    let days = match times.get("days") {
        None | Some(Value::Null) => Vec::new(),
        Some(days) => {
            let days = days.as_array().ok_or("must list its days")?;
            let days: Option<Vec<_>> = days.iter().map(weekday).collect();
            days.ok_or("names a day that is no day of the week")?
        }
    };
    let (start, end) = match ends {
        (Some(start), Some(end)) => (start, end),
        (None, None) if !days.is_empty() => ("00:00", "23:59"),
        _ => return Err("must have start and end as HH:MM"),
    };
    ClockWindow::read(start, end, days)
        .filter(ClockWindow::is_within_a_day)
        .map(Times::Within)
        .ok_or("must have start and end as HH:MM")
}
